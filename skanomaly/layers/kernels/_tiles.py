"""Products of small matrices whose result stays in registers, tile by tile, as LLVM code.

The compiler does not make them of plain loops: it loads and stores the result for every few rows,
which with short rows takes as long as the products. A tile is 6 rows, or 4, or 1, by 16 columns,
or 8, or 4. Sums of 6 by 16, and what they need, fit into the 16 vector registers of processors
without AVX-512; with fewer sums some multiplication always waits for one before. Matrices are given
by addresses and by distances in bytes, as tiles know no arrays.
"""

from skanomaly.layers.kernels._compile import apart, inlined, intrinsic

__all__ = ["COLUMNS", "PANEL", "add_tiles", "turn_4", "turn_8"]

# Columns of the widest tile and of the narrowest.
PANEL, COLUMNS = 16, 4


def _tile(n_rows, n_vectors, size):
    """Make a function that adds two products to a tile, whose rows are `step` apart.

    It has so many rows, and in each so many vectors of `size` numbers. It is read at `before` and
    written at `out`.

    Each product goes over `n` rows of b, `b_step` apart; with each come numbers of a, one per row
    of the tile: they are `across` apart, and those for the next row of b `along` further.
    """

    @intrinsic
    def add_tile(
        context, out, before, step, b_step, a1, along1, across1, b1, n1, a2, along2, across2, b2, n2
    ):
        from numba import types

        signature = types.void(*[types.int64] * 14)
        return signature, lambda _, builder, signature, args: _emit(
            builder, n_rows, n_vectors, size, *args[:4], args[4:9], args[9:]
        )

    return add_tile


def _emit(builder, n_rows, n_vectors, size, out, before, step, b_step, *products):
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

    def address(base, distance, i):
        return builder.add(base, builder.mul(distance, integer(i)))

    def pointer(base, v):
        return builder.inttoptr(builder.add(base, integer(4 * size * v)), vector.as_pointer())

    def load(base, v):
        return builder.load(pointer(base, v), align=4)

    def load_for_all_lanes(base):
        one = builder.load(builder.inttoptr(base, number.as_pointer()), align=4)
        in_first = builder.insert_element(nothing, one, lane(0))
        return builder.shuffle_vector(in_first, nothing, first_lane)

    def add_product(sums, a, along, across, b, n):
        ahead = builder.block
        loop, done = (builder.append_basic_block(name) for name in ("products", "done"))
        builder.cbranch(builder.icmp_signed("<", integer(0), n), loop, done)
        builder.position_at_end(loop)
        begin = [integer(0), a, b, *sums]
        at = [builder.phi(value.type) for value in begin]
        count, a_now, b_now, *sums_now = at
        of_b = [load(b_now, v) for v in range(n_vectors)]
        of_a = [load_for_all_lanes(address(a_now, across, i)) for i in range(n_rows)]
        added = [
            builder.call(multiply_add, [of_a[k // n_vectors], of_b[k % n_vectors], one])
            for k, one in enumerate(sums_now)
        ]
        count = builder.add(count, integer(1))
        following = [count, builder.add(a_now, along), builder.add(b_now, b_step), *added]
        for phi, first, later in zip(at, begin, following, strict=True):
            phi.add_incoming(first, ahead)
            phi.add_incoming(later, loop)
        builder.cbranch(builder.icmp_signed("<", count, n), loop, done)
        builder.position_at_end(done)
        merged = [builder.phi(vector) for _ in sums]
        for phi, first, later in zip(merged, sums, added, strict=True):
            phi.add_incoming(first, ahead)
            phi.add_incoming(later, loop)
        return merged

    places = [(i, v) for i in range(n_rows) for v in range(n_vectors)]
    sums = [load(address(before, step, i), v) for i, v in places]
    for product in products:
        sums = add_product(sums, *product)
    for one, (i, v) in zip(sums, places, strict=True):
        builder.store(one, pointer(address(out, step, i), v), align=4)


def _panel(n_vectors, size):
    """Make a function that adds two products to all rows of as many columns as a tile has."""
    add_to_six, add_to_four, add_to_one = (_tile(n_rows, n_vectors, size) for n_rows in (6, 4, 1))

    @inlined
    def add_panel(
        n_rows, out, before, step, b_step, a1, along1, across1, b1, n1, a2, along2, across2, b2, n2
    ):
        left = n_rows
        while left > 0:
            if left >= 6 and left != 8:
                add_to_six(
                    out, before, step, b_step,
                    a1, along1, across1, b1, n1, a2, along2, across2, b2, n2,
                )  # fmt: skip
                done = 6
            elif left >= 4:
                add_to_four(
                    out, before, step, b_step,
                    a1, along1, across1, b1, n1, a2, along2, across2, b2, n2,
                )  # fmt: skip
                done = 4
            else:
                add_to_one(
                    out, before, step, b_step,
                    a1, along1, across1, b1, n1, a2, along2, across2, b2, n2,
                )  # fmt: skip
                done = 1
            out, before, left = out + done * step, before + done * step, left - done
            a1, a2 = a1 + done * across1, a2 + done * across2

    return add_panel


_add_16, _add_8, _add_4 = _panel(2, 8), _panel(1, 8), _panel(1, 4)


@apart
def add_tiles(
    m, panel, n_rows, out, before, step, b_step,
    a1, along1, across1, b1, n1, a2, along2, across2, b2, n2,
):  # fmt: skip
    """Add two products to `n_rows` rows of `m` columns, but for the last m % COLUMNS of them.

    Parameters
    ----------
    m, n_rows : int
        Columns and rows of the result.
    panel : int
        Bytes from PANEL columns of b to the next ones.
    out, before : int
        Addresses of the result, and of what the products are added to; both of float32, as all
        else.
    step, b_step : int
        Bytes from row to row of both, and of b.
    a1, b1, a2, b2 : int
        Addresses of what is multiplied.
    along1, across1, along2, across2 : int
        Bytes from what is multiplied with a row of b to what is multiplied with the next; and from
        what is for a row of the result to what is for the next.
    n1, n2 : int
        Rows of b; none, and there is no such product.
    """
    j = 0
    while j + COLUMNS <= m:
        here, there = out + 4 * j, before + 4 * j
        if j + PANEL <= m:
            _add_16(
                n_rows, here, there, step, b_step,
                a1, along1, across1, b1, n1, a2, along2, across2, b2, n2,
            )  # fmt: skip
            j, b1, b2 = j + PANEL, b1 + panel, b2 + panel
        elif j + 8 <= m:
            _add_8(
                n_rows, here, there, step, b_step,
                a1, along1, across1, b1, n1, a2, along2, across2, b2, n2,
            )  # fmt: skip
            j, b1, b2 = j + 8, b1 + 32, b2 + 32
        else:
            _add_4(
                n_rows, here, there, step, b_step,
                a1, along1, across1, b1, n1, a2, along2, across2, b2, n2,
            )  # fmt: skip
            j, b1, b2 = j + COLUMNS, b1 + 16, b2 + 16


def _square(size):
    """Make a function that copies so many rows and columns, transposed."""

    @intrinsic
    def turn(context, target, target_step, source, source_step):
        from numba import types

        signature = types.void(*[types.int64] * 4)
        return signature, lambda _, builder, signature, args: _emit_square(builder, size, *args)

    return turn


def _emit_square(builder, size, target, target_step, source, source_step):
    """Write its code: rows change halves with each other, then halves of these, down to numbers."""
    from llvmlite import ir

    integer, lane = ir.IntType(64), ir.IntType(32)
    vector = ir.VectorType(ir.FloatType(), size)

    def place(base, step, i):
        address = builder.add(base, builder.mul(step, integer(i)))
        return builder.inttoptr(address, vector.as_pointer())

    def mix(first, second, lanes):
        which = ir.Constant(ir.VectorType(lane, size), [lane(k) for k in lanes])
        return builder.shuffle_vector(first, second, which)

    rows = [builder.load(place(source, source_step, i), align=4) for i in range(size)]
    half = size // 2
    while half:
        # Lanes from `size` on are those of the second row.
        lower = [size + k - half if k & half else k for k in range(size)]
        upper = [size + k if k & half else k + half for k in range(size)]
        for i in range(size):
            if not i & half:
                pair = rows[i], rows[i + half]
                rows[i], rows[i + half] = mix(*pair, lower), mix(*pair, upper)
        half //= 2
    for i, row in enumerate(rows):
        builder.store(row, place(target, target_step, i), align=4)


turn_8, turn_4 = _square(8), _square(4)
