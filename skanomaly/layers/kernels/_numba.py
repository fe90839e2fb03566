"""The LSTM recurrence as Numba loops, forward and backward over time, for some rows of a batch.

The four gates stand side by side in the order of Keras: input, forget, cell, output. A batch is
computed in pieces of a few rows, and a piece some steps at a time: what the inputs add to the gates
of these steps comes first, in one matrix product, and gradients of the weights last. So all that is
computed stays in the processor's caches but what must be kept.

Rows are independent of each other, and pieces do not depend on the number of threads, so that
neither the other rows of a batch nor threads change a result. Several networks can be computed at
once: rows then lie one network after the other, and weights have a leading axis of networks. Absent
arrays have no elements.

All that is compiled here calls nothing compiled elsewhere, for Numba's cache would not notice
changes there.
"""

import numpy as np

from skanomaly.layers.kernels._compile import apart, carray, compiled, inlined, pointer, summing

__all__ = ["backward", "backward_piece", "forward", "forward_piece", "n_pieces"]

# Rows whose steps are computed together: enough to hide the latency of one, and few enough for
# their gates to stay in the fastest cache.
ROWS = 16
_HALF, _ONE, _ZERO = np.float32(0.5), np.float32(1.0), np.float32(0.0)

# Of the ratio of polynomials that is closest to tanh up to the limit, by relative error.
_LIMIT = np.float32(8.5)
_P0, _P1, _P2, _P3, _P4 = np.array(
    [0.99999998818206, 0.134132434856219, 3.53402280688161e-3, 2.12509794624953e-5,
     1.42691420287555e-8], np.float32)  # fmt: skip
_Q1, _Q2, _Q3, _Q4 = np.array(
    [0.467465662198658, 0.0260227358387441, 3.34885825253940e-4, 8.14508739709686e-7],
    np.float32)  # fmt: skip


@inlined
def _tanh(x):
    """Hyperbolic tangent: float32 to float32, relative error below 4e-7; NaN stays NaN."""
    x = _LIMIT if x > _LIMIT else x
    x = -_LIMIT if x < -_LIMIT else x
    s = x * x
    p = (((_P4 * s + _P3) * s + _P2) * s + _P1) * s + _P0
    q = (((_Q4 * s + _Q3) * s + _Q2) * s + _Q1) * s + _ONE
    return x * p / q


@apart
def _add_product(out, a, b):
    """Add the product of (rows, k) and (k, m) to `out` (rows, m); rows must come in fours.

    Four rows meet four rows of b at a time, so that each number loaded is used four times.
    """
    n_rows, n_inner = a.shape
    m = b.shape[1]
    for r in range(0, n_rows, 4):
        for k in range(0, n_inner - 3, 4):
            a00, a01, a02, a03 = a[r, k], a[r, k + 1], a[r, k + 2], a[r, k + 3]
            a10, a11, a12, a13 = a[r + 1, k], a[r + 1, k + 1], a[r + 1, k + 2], a[r + 1, k + 3]
            a20, a21, a22, a23 = a[r + 2, k], a[r + 2, k + 1], a[r + 2, k + 2], a[r + 2, k + 3]
            a30, a31, a32, a33 = a[r + 3, k], a[r + 3, k + 1], a[r + 3, k + 2], a[r + 3, k + 3]
            for j in range(m):
                b0, b1, b2, b3 = b[k, j], b[k + 1, j], b[k + 2, j], b[k + 3, j]
                out[r, j] = (((out[r, j] + a00 * b0) + a01 * b1) + a02 * b2) + a03 * b3
                out[r + 1, j] = (((out[r + 1, j] + a10 * b0) + a11 * b1) + a12 * b2) + a13 * b3
                out[r + 2, j] = (((out[r + 2, j] + a20 * b0) + a21 * b1) + a22 * b2) + a23 * b3
                out[r + 3, j] = (((out[r + 3, j] + a30 * b0) + a31 * b1) + a32 * b2) + a33 * b3
        for k in range(n_inner - n_inner % 4, n_inner):
            a0, a1, a2, a3 = a[r, k], a[r + 1, k], a[r + 2, k], a[r + 3, k]
            for j in range(m):
                out[r, j] += a0 * b[k, j]
                out[r + 1, j] += a1 * b[k, j]
                out[r + 2, j] += a2 * b[k, j]
                out[r + 3, j] += a3 * b[k, j]


@summing
def _add_product_of_rows(out, a, b):
    """Add the product of (rows, k) and the transpose of (m, k) to `out`; rows come in fours."""
    n_rows, n_inner = a.shape
    m = b.shape[0]
    for r in range(0, n_rows, 4):
        for j in range(0, m - 3, 4):
            s00 = s01 = s02 = s03 = s10 = s11 = s12 = s13 = _ZERO
            s20 = s21 = s22 = s23 = s30 = s31 = s32 = s33 = _ZERO
            for k in range(n_inner):
                a0, a1, a2, a3 = a[r, k], a[r + 1, k], a[r + 2, k], a[r + 3, k]
                b0, b1, b2, b3 = b[j, k], b[j + 1, k], b[j + 2, k], b[j + 3, k]
                s00, s01, s02, s03 = s00 + a0 * b0, s01 + a0 * b1, s02 + a0 * b2, s03 + a0 * b3
                s10, s11, s12, s13 = s10 + a1 * b0, s11 + a1 * b1, s12 + a1 * b2, s13 + a1 * b3
                s20, s21, s22, s23 = s20 + a2 * b0, s21 + a2 * b1, s22 + a2 * b2, s23 + a2 * b3
                s30, s31, s32, s33 = s30 + a3 * b0, s31 + a3 * b1, s32 + a3 * b2, s33 + a3 * b3
            _add_four(out[r], j, s00, s01, s02, s03)
            _add_four(out[r + 1], j, s10, s11, s12, s13)
            _add_four(out[r + 2], j, s20, s21, s22, s23)
            _add_four(out[r + 3], j, s30, s31, s32, s33)
        for j in range(m - m % 4, m):
            for r1 in range(r, r + 4):
                total = _ZERO
                for k in range(n_inner):
                    total += a[r1, k] * b[j, k]
                out[r1, j] += total


@inlined
def _add_four(out, j, s0, s1, s2, s3):
    out[j] += s0
    out[j + 1] += s1
    out[j + 2] += s2
    out[j + 3] += s3


@apart
def _add_product_over_rows(out, a, b):
    """Add the product of the transpose of (rows, k) and (rows, m) to `out` (k, m).

    Rows come in fours.
    """
    n_rows, n_outer = a.shape
    m = b.shape[1]
    for r in range(0, n_rows, 4):
        for k in range(0, n_outer - 3, 4):
            a00, a01, a02, a03 = a[r, k], a[r, k + 1], a[r, k + 2], a[r, k + 3]
            a10, a11, a12, a13 = a[r + 1, k], a[r + 1, k + 1], a[r + 1, k + 2], a[r + 1, k + 3]
            a20, a21, a22, a23 = a[r + 2, k], a[r + 2, k + 1], a[r + 2, k + 2], a[r + 2, k + 3]
            a30, a31, a32, a33 = a[r + 3, k], a[r + 3, k + 1], a[r + 3, k + 2], a[r + 3, k + 3]
            for j in range(m):
                b0, b1, b2, b3 = b[r, j], b[r + 1, j], b[r + 2, j], b[r + 3, j]
                out[k, j] = (((out[k, j] + a00 * b0) + a10 * b1) + a20 * b2) + a30 * b3
                out[k + 1, j] = (((out[k + 1, j] + a01 * b0) + a11 * b1) + a21 * b2) + a31 * b3
                out[k + 2, j] = (((out[k + 2, j] + a02 * b0) + a12 * b1) + a22 * b2) + a32 * b3
                out[k + 3, j] = (((out[k + 3, j] + a03 * b0) + a13 * b1) + a23 * b2) + a33 * b3
        for k in range(n_outer - n_outer % 4, n_outer):
            a0, a1, a2, a3 = a[r, k], a[r + 1, k], a[r + 2, k], a[r + 3, k]
            for j in range(m):
                b0, b1, b2, b3 = b[r, j], b[r + 1, j], b[r + 2, j], b[r + 3, j]
                out[k, j] = (((out[k, j] + a0 * b0) + a1 * b1) + a2 * b2) + a3 * b3


@compiled
def _fours(rows):
    """Copy rows (rows, n) and add rows of zeros until they come in fours."""
    n_rows, n = rows.shape
    padded = np.zeros((n_rows + -n_rows % 4, n), np.float32)
    padded[:n_rows] = rows
    return padded


@apart
def _copy(target, source):
    """Copy a vector."""
    for j in range(target.size):
        target[j] = source[j]


@compiled
def _load(block, source, row, n_rows, start, n_steps):
    """Copy some rows and steps of (batch, time, n) to `block` (time, rows, n)."""
    for r in range(n_rows):
        for t in range(n_steps):
            _copy(block[t, r], source[row + r, start + t])


@compiled
def _load_from_before(block, source, first, row, n_rows, start, n_steps):
    """Load as above, but from one step earlier; before the first step stands `first` (batch, n)."""
    if start:
        _load(block, source, row, n_rows, start - 1, n_steps)
        return
    for r in range(n_rows):
        _copy(block[0, r], first[row + r])
    _load(block[1:], source, row, n_rows, 0, n_steps - 1)


@compiled
def _store(target, block, row, n_rows, start, n_steps):
    """Copy `block` (time, rows, n) to its place in (batch, time, n), where that is wanted."""
    if target.size:
        for r in range(n_rows):
            for t in range(n_steps):
                _copy(target[row + r, start + t], block[t, r])


@inlined
def _flat(block, n_steps):
    """See the first steps of (time, rows, n) as (time * rows, n)."""
    return block[:n_steps].reshape(-1, block.shape[2])


@compiled
def _steps_at_once(n_inputs, n):
    """So many that what is computed of them stays in the second-level cache."""
    return min(32, max(1, 2**18 // (4 * ROWS * (8 * n + n_inputs))))


@inlined
def _rows_of_piece(piece, batch, n_networks):
    """Give the network and the rows, first and last, of a piece."""
    per_network = batch // n_networks
    pieces = -(-per_network // ROWS)
    network = piece // pieces
    first = network * per_network + piece % pieces * ROWS
    return network, first, min(first + ROWS, (network + 1) * per_network)


@apart
def _activate(sums, scale):
    """Turn sums into gates, in place: sigmoid(x) = tanh(x / 2) / 2 + 1 / 2."""
    for k in range(sums.size):
        s = scale[k]
        sums[k] = s * _tanh(s * sums[k]) + (_ONE - s)


@compiled
def _scales(n_rows, n):
    """1 for the cell gates, 1 / 2 for the others: a vector of n_rows * 4 * n."""
    scale = np.full((n_rows, 4, n), _HALF, np.float32)
    scale[:, 2] = _ONE
    return scale.reshape(-1)


@apart
def _tanh_of(target, source):
    """Apply tanh to all values of an array."""
    target, source = target.reshape(-1), source.reshape(-1)
    for k in range(source.size):
        target[k] = _tanh(source[k])


# ------------------------------------------------------------------------------------- forward


@compiled
def forward(x, mask, kernel, recurrent, bias, h0, c0, gates, hs, cs, h_last, c_last, piece):
    """Compute the rows of a piece over all time steps.

    Parameters
    ----------
    x : ndarray of float32, shape (batch, time, n_inputs)
        Inputs.
    mask : ndarray of bool, shape (batch, time) or (0, 0)
        At steps that are False the states stay as they are.
    kernel : ndarray of float32, shape (n_networks, n_inputs, 4 * n)
        Weights of the inputs.
    recurrent : ndarray of float32, shape (n_networks, n, 4 * n)
        Weights of the state h.
    bias : ndarray of float32, shape (n_networks, 4 * n)
        Biases of the gates.
    h0, c0 : ndarray of float32, shape (batch, n)
        States before the first step.
    gates : ndarray of float32, shape (batch, time, 4 * n) or (0, 0, 0)
        Written: the activated gates, for :func:`backward`.
    hs, cs : ndarray of float32, shape (batch, time, n) or (0, 0, 0)
        Written: the states after each step.
    h_last, c_last : ndarray of float32, shape (batch, n)
        Written: the states after the last step.
    piece : int
        Which rows: :data:`ROWS` of one network, or what is left of its rows.
    """
    network, first, last = _rows_of_piece(piece, x.shape[0], kernel.shape[0])
    n_rows, n = last - first, h0.shape[1]
    h, c = _fours(h0[first:last]), _fours(c0[first:last])
    size = _steps_at_once(x.shape[2], n)
    inputs = np.zeros((size, len(h), x.shape[2]), np.float32)
    sums = np.zeros((size, len(h), 4 * n), np.float32)
    h_block = np.zeros((size, len(h), n), np.float32)
    c_block = np.zeros((size, len(h), n), np.float32)
    tanh_c = np.zeros_like(c)
    scale = _scales(len(h), n)
    for start in range(0, x.shape[1], size):
        n_steps = min(size, x.shape[1] - start)
        _load(inputs, x, first, n_rows, start, n_steps)
        _add_inputs(_flat(sums, n_steps), _flat(inputs, n_steps), kernel[network], bias[network])
        for t in range(n_steps):
            _add_product(sums[t], h, recurrent[network])
            _activate(sums[t].reshape(-1), scale)
            _step(sums[t], h, c, tanh_c, mask, first, n_rows, start + t)
            _copy(h_block[t].reshape(-1), h.reshape(-1))
            _copy(c_block[t].reshape(-1), c.reshape(-1))
        _store(gates, sums, first, n_rows, start, n_steps)
        _store(hs, h_block, first, n_rows, start, n_steps)
        _store(cs, c_block, first, n_rows, start, n_steps)
    h_last[first:last], c_last[first:last] = h[:n_rows], c[:n_rows]


@compiled
def _add_inputs(sums, inputs, kernel, bias):
    """Compute what the inputs (steps, n_inputs) add to the gates: `sums` (steps, 4 * n)."""
    for k in range(len(sums)):
        _copy(sums[k], bias)
    _add_product(sums, inputs, kernel)


@compiled
def _step(gates, h, c, tanh_c, mask, first, n_rows, t):
    """Take the states (rows, n) one step on."""
    for r in range(n_rows):
        if mask.size and not mask[first + r, t]:
            _stand_still(gates[r], h[r])
        _next_c(c[r], gates[r])
    _tanh_of(tanh_c, c)
    for r in range(n_rows):
        if not mask.size or mask[first + r, t]:
            _next_h(h[r], gates[r], tanh_c[r])


@apart
def _next_c(c, gates):
    """Compute the state c (n) of a row from that before."""
    n = c.size
    for j in range(n):
        c[j] = gates[n + j] * c[j] + gates[j] * gates[2 * n + j]


@apart
def _next_h(h, gates, tanh_c):
    """Compute the state h (n) of a row."""
    n = h.size
    for j in range(n):
        h[j] = gates[3 * n + j] * tanh_c[j]


@compiled
def _stand_still(gates, h):
    """Set the gates of a row (4 * n) so that c stays as it is."""
    n = h.size
    for j in range(n):
        gates[j] = gates[2 * n + j] = _ZERO
        gates[n + j] = _ONE


# ------------------------------------------------------------------------------------ backward


@compiled
def backward(
    x, mask, kernel, recurrent, h0, c0, gates, hs, cs, dhs, dh_last, dc_last,
    dx, dh0, dc0, d_weights, piece,
):  # fmt: skip
    """Compute the gradients of the rows of a piece, from the last time step to the first.

    Parameters
    ----------
    x, mask, kernel, recurrent, h0, c0, gates, hs, cs, piece
        As in :func:`forward`.
    dhs : ndarray of float32, shape (batch, time, n) or (0, 0, 0)
        Gradient by the state h after each step.
    dh_last, dc_last : ndarray of float32, shape (batch, n)
        Gradients by the states after the last step, what came by `dhs` not included.
    dx : ndarray of float32, shape (batch, time, n_inputs) or (0, 0, 0)
        Written: the gradient by x.
    dh0, dc0 : ndarray of float32, shape (batch, n)
        Written: the gradients by the states before the first step.
    d_weights : ndarray of float32, shape (n_pieces, n_inputs + n + 1, 4 * n)
        Written: what the piece adds to the gradients by the kernel, by the recurrent kernel and by
        the bias, one below the other.
    """
    network, first, last = _rows_of_piece(piece, x.shape[0], kernel.shape[0])
    n_rows, n, n_inputs = last - first, h0.shape[1], x.shape[2]
    dh, dc = _fours(dh_last[first:last]), _fours(dc_last[first:last])
    size = _steps_at_once(n_inputs, n)
    inputs = np.zeros((size, len(dh), n_inputs), np.float32)
    sums = np.zeros((size, len(dh), 4 * n), np.float32)
    h_before = np.zeros((size, len(dh), n), np.float32)
    c_block = np.zeros((size + 1, len(dh), n), np.float32)
    scratch = np.zeros((2, len(dh), n), np.float32)
    added = d_weights[piece]
    added[:] = _ZERO
    for start in range((x.shape[1] - 1) // size * size, -1, -size):
        n_steps = min(size, x.shape[1] - start)
        _load(sums, gates, first, n_rows, start, n_steps)
        _load_from_before(h_before, hs, h0, first, n_rows, start, n_steps)
        _load_from_before(c_block, cs, c0, first, n_rows, start, n_steps + 1)
        for t in range(n_steps - 1, -1, -1):
            if dhs.size:
                for r in range(n_rows):
                    _add(dh[r], dhs[first + r, start + t])
            _step_back(
                sums[t], c_block[t], c_block[t + 1], dh, dc, scratch, mask, first, n_rows, start + t
            )
            _add_product_of_rows(dh, sums[t], recurrent[network])
        d_sums = _flat(sums, n_steps)
        _load(inputs, x, first, n_rows, start, n_steps)
        _add_product_over_rows(added[:n_inputs], _flat(inputs, n_steps), d_sums)
        _add_product_over_rows(added[n_inputs:-1], _flat(h_before, n_steps), d_sums)
        for k in range(len(d_sums)):
            _add(added[-1], d_sums[k])
        if dx.size:
            inputs[:n_steps] = _ZERO
            _add_product_of_rows(_flat(inputs, n_steps), d_sums, kernel[network])
            _store(dx, inputs, first, n_rows, start, n_steps)
    dh0[first:last], dc0[first:last] = dh[:n_rows], dc[:n_rows]


@apart
def _add(target, source):
    """Add a vector."""
    for j in range(target.size):
        target[j] += source[j]


@compiled
def _step_back(gates, c_before, c, dh, dc, scratch, mask, first, n_rows, t):
    """Take dc (rows, n) one step back, and dh as far as h goes on past the gates.

    The gates (rows, 4 * n) become gradients by their sums.
    """
    tanh_c, kept = scratch[0], scratch[1]
    _tanh_of(tanh_c, c)
    for r in range(n_rows):
        if mask.size and not mask[first + r, t]:
            _copy(kept[r], dh[r])
            gates[r] = _ZERO
        else:
            kept[r] = _ZERO
            _gates_backward(gates[r], c_before[r], tanh_c[r], dh[r], dc[r])
    _copy(dh.reshape(-1), kept.reshape(-1))


@apart
def _gates_backward(gates, c_before, tanh_c, dh, dc):
    """Turn the gates of a row (4 * n) into gradients by their sums, and dc (n) into that before."""
    n = dh.size
    for j in range(n):
        o, tc = gates[3 * n + j], tanh_c[j]
        dc[j] += dh[j] * o * (_ONE - tc * tc)
        gates[3 * n + j] = dh[j] * tc * o * (_ONE - o)
    for j in range(n):
        i, g = gates[j], gates[2 * n + j]
        gates[j] = dc[j] * g * i * (_ONE - i)
        gates[2 * n + j] = dc[j] * i * (_ONE - g * g)
    for j in range(n):
        f, d = gates[n + j], dc[j]
        dc[j] = d * f
        gates[n + j] = d * c_before[j] * f * (_ONE - f)


# ---------------------------------------------------------------------------- pieces of a batch

# A table of int64 words tells where arrays are: of each the address and three sizes.
WORDS_PER_ARRAY = 4


@inlined
def _floats(table, k):
    words = carray(pointer(table + 32 * k), 4, np.int64)
    return carray(pointer(words[0]), (words[1], words[2], words[3]), np.float32)


@inlined
def _rows_of_floats(table, k):
    words = carray(pointer(table + 32 * k), 4, np.int64)
    return carray(pointer(words[0]), (words[1], words[2]), np.float32)


@inlined
def _mask(table, k):
    words = carray(pointer(table + 32 * k), 4, np.int64)
    return carray(pointer(words[0]), (words[1], words[2]), np.bool_)


def forward_piece(table, piece):
    """Call :func:`forward` on arrays in a table at an address, in the order of its arguments."""
    forward(
        _floats(table, 0), _mask(table, 1), _floats(table, 2), _floats(table, 3),
        _rows_of_floats(table, 4), _rows_of_floats(table, 5), _rows_of_floats(table, 6),
        _floats(table, 7), _floats(table, 8), _floats(table, 9),
        _rows_of_floats(table, 10), _rows_of_floats(table, 11), piece,
    )  # fmt: skip


def backward_piece(table, piece):
    """Call :func:`backward` on arrays in a table at an address, in the order of its arguments."""
    backward(
        _floats(table, 0), _mask(table, 1), _floats(table, 2), _floats(table, 3),
        _rows_of_floats(table, 4), _rows_of_floats(table, 5), _floats(table, 6),
        _floats(table, 7), _floats(table, 8), _floats(table, 9),
        _rows_of_floats(table, 10), _rows_of_floats(table, 11), _floats(table, 12),
        _rows_of_floats(table, 13), _rows_of_floats(table, 14), _floats(table, 15), piece,
    )  # fmt: skip


def n_pieces(batch, n_networks):
    """Count the pieces of a batch."""
    return n_networks * -(-(batch // n_networks) // ROWS)
