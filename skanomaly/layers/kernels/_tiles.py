"""Products of small matrices whose result stays in registers, tile by tile, as LLVM code.

The compiler does not make them of plain loops: it loads and stores the result for every few rows,
which with short rows takes as long as the products. A tile is 6 rows, or 4, or 1, by 16 columns,
or 8, or 4. Sums of 6 by 16, and what they need, fit into the 16 vector registers of processors
without AVX-512; with fewer sums some multiplication always waits for one before. Matrices are given
by addresses and by distances in bytes, as tiles know no arrays.
"""

from skanomaly.layers.kernels._compile import apart, inlined, intrinsic

__all__ = ["COLUMNS", "PANEL", "add_tiles"]

# Columns of the widest tile and of the narrowest.
PANEL, COLUMNS = 16, 4


def _tile(n_rows, n_vectors, size):
    """Make a function that adds a product to a tile, whose rows are `out_step` apart.

    It has so many rows, and in each so many vectors of `size` numbers.

    It goes over `n` rows of b, `b_step` apart; with each come numbers of a, one per row of the
    tile: they are `a_across` apart, and those for the next row of b `a_along` further.
    """

    @intrinsic
    def add_tile(context, out, out_step, a, a_along, a_across, b, b_step, n):
        from numba import types

        signature = types.void(*[types.int64] * 8)
        return signature, lambda _, builder, signature, args: _emit(
            builder, n_rows, n_vectors, size, *args
        )

    return add_tile


def _emit(builder, n_rows, n_vectors, size, out, out_step, a, a_along, a_across, b, b_step, n):
    """Write the code of a tile: load it, add products one by one, store it."""
    from llvmlite import ir
    from numba.core import cgutils

    number, integer, lane = ir.FloatType(), ir.IntType(64), ir.IntType(32)
    vector = ir.VectorType(number, size)
    nothing = ir.Constant(vector, ir.Undefined)
    first_lane = ir.Constant(ir.VectorType(lane, size), [0] * size)
    multiply_add = cgutils.get_or_insert_function(
        builder.module,
        ir.FunctionType(vector, [vector] * 3),
        f"llvm.fmuladd.v{size}f32",
    )

    def address(base, step, i):
        return builder.add(base, builder.mul(step, integer(i)))

    def pointer(base, v):
        return builder.inttoptr(builder.add(base, integer(4 * size * v)), vector.as_pointer())

    def load(base, v):
        return builder.load(pointer(base, v), align=4)

    def load_for_all_lanes(base):
        one = builder.load(builder.inttoptr(base, number.as_pointer()), align=4)
        in_first = builder.insert_element(nothing, one, lane(0))
        return builder.shuffle_vector(in_first, nothing, first_lane)

    places = [(address(out, out_step, i), v) for i in range(n_rows) for v in range(n_vectors)]
    before, loop = builder.block, builder.append_basic_block("products")
    begin = [integer(0), a, b, *(load(*place) for place in places)]
    builder.branch(loop)
    builder.position_at_end(loop)
    at = [builder.phi(value.type) for value in begin]
    count, a_now, b_now, *sums = at
    of_b = [load(b_now, v) for v in range(n_vectors)]
    of_a = [load_for_all_lanes(address(a_now, a_across, i)) for i in range(n_rows)]
    sums = [
        builder.call(multiply_add, [of_a[k // n_vectors], of_b[k % n_vectors], one])
        for k, one in enumerate(sums)
    ]
    count = builder.add(count, integer(1))
    following = [count, builder.add(a_now, a_along), builder.add(b_now, b_step), *sums]
    for phi, first, later in zip(at, begin, following, strict=True):
        phi.add_incoming(first, before)
        phi.add_incoming(later, loop)
    after = builder.append_basic_block("stored")
    builder.cbranch(builder.icmp_signed("<", count, n), loop, after)
    builder.position_at_end(after)
    for one, place in zip(sums, places, strict=True):
        builder.store(one, pointer(*place), align=4)


def _panel(n_vectors, size):
    """Make a function that adds a product to all rows of as many columns as a tile has."""
    add_to_six, add_to_four, add_to_one = (_tile(n_rows, n_vectors, size) for n_rows in (6, 4, 1))

    @inlined
    def add_panel(out, out_step, n_rows, a, a_along, a_across, b, b_step, n):
        left = n_rows
        while left >= 6 and left != 8:
            add_to_six(out, out_step, a, a_along, a_across, b, b_step, n)
            out, a, left = out + 6 * out_step, a + 6 * a_across, left - 6
        while left >= 4:
            add_to_four(out, out_step, a, a_along, a_across, b, b_step, n)
            out, a, left = out + 4 * out_step, a + 4 * a_across, left - 4
        while left > 0:
            add_to_one(out, out_step, a, a_along, a_across, b, b_step, n)
            out, a, left = out + out_step, a + a_across, left - 1

    return add_panel


_add_16, _add_8, _add_4 = _panel(2, 8), _panel(1, 8), _panel(1, 4)


@apart
def add_tiles(out, out_step, n_rows, m, a, a_along, a_across, b, b_step, b_panel, n):
    """Add a product to `n_rows` rows of `m` columns, but for the last m % COLUMNS of them.

    Parameters
    ----------
    out, a, b : int
        Addresses of float32.
    out_step, b_step, b_panel : int
        Bytes from row to row, and from PANEL columns of b to the next ones.
    a_along, a_across : int
        Bytes from what is multiplied with a row of b to what is multiplied with the next; and from
        what is for a row of `out` to what is for the next.
    n_rows, m, n : int
        Rows and columns of `out`, and rows of b.
    """
    if n == 0:
        return
    j = 0
    while j + PANEL <= m:
        _add_16(out + 4 * j, out_step, n_rows, a, a_along, a_across, b, b_step, n)
        j, b = j + PANEL, b + b_panel
    if j + 8 <= m:
        _add_8(out + 4 * j, out_step, n_rows, a, a_along, a_across, b, b_step, n)
        j, b = j + 8, b + 32
    if j + COLUMNS <= m:
        _add_4(out + 4 * j, out_step, n_rows, a, a_along, a_across, b, b_step, n)
