"""The LSTM recurrence as Numba loops, forward and backward over time, for some rows of a batch.

The four gates stand side by side in the order of Keras: input, forget, cell, output. A batch is
computed in pieces of a few rows, and a piece some steps at a time: what the inputs add to the gates
of these steps comes first, in one matrix product, and gradients of the weights last. So all that is
computed stays in the processor's caches but what must be kept.

Rows are independent of each other, and pieces do not depend on the number of threads, so that
neither the other rows of a batch nor threads change a result. Several networks can be computed at
once: rows then lie one network after the other, and weights have a leading axis of networks. Absent
arrays have no elements.

All that is compiled here calls nothing compiled elsewhere: Numba's cache would not notice changes;
:func:`._compile.digest_of` is for the files that call this one.

Dropout multiplies what each gate reads, inputs or states h, by factors of its own that stay the
same at all steps of a row. They are known to the caller: here they are arrays like others.
"""

import numpy as np

from skanomaly.layers.kernels._compile import apart, compiled, inlined, summing

__all__ = ["backward", "forward"]

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
def _add_product(out, t, a, b):
    """Add the product of (rows, k) and (k, m) to step t of `out` (rows, time, m).

    Four rows meet four rows of b at a time, so that each number loaded is used four times.
    """
    n_rows, n_inner = a.shape
    m = b.shape[1]
    for r in range(0, n_rows - 3, 4):
        for k in range(0, n_inner - 3, 4):
            a00, a01, a02, a03 = a[r, k], a[r, k + 1], a[r, k + 2], a[r, k + 3]
            a10, a11, a12, a13 = a[r + 1, k], a[r + 1, k + 1], a[r + 1, k + 2], a[r + 1, k + 3]
            a20, a21, a22, a23 = a[r + 2, k], a[r + 2, k + 1], a[r + 2, k + 2], a[r + 2, k + 3]
            a30, a31, a32, a33 = a[r + 3, k], a[r + 3, k + 1], a[r + 3, k + 2], a[r + 3, k + 3]
            for j in range(m):
                b0, b1, b2, b3 = b[k, j], b[k + 1, j], b[k + 2, j], b[k + 3, j]
                s0, s1, s2, s3 = out[r, t, j], out[r + 1, t, j], out[r + 2, t, j], out[r + 3, t, j]
                out[r, t, j] = (((s0 + a00 * b0) + a01 * b1) + a02 * b2) + a03 * b3
                out[r + 1, t, j] = (((s1 + a10 * b0) + a11 * b1) + a12 * b2) + a13 * b3
                out[r + 2, t, j] = (((s2 + a20 * b0) + a21 * b1) + a22 * b2) + a23 * b3
                out[r + 3, t, j] = (((s3 + a30 * b0) + a31 * b1) + a32 * b2) + a33 * b3
        for k in range(n_inner - n_inner % 4, n_inner):
            a0, a1, a2, a3 = a[r, k], a[r + 1, k], a[r + 2, k], a[r + 3, k]
            for j in range(m):
                out[r, t, j] += a0 * b[k, j]
                out[r + 1, t, j] += a1 * b[k, j]
                out[r + 2, t, j] += a2 * b[k, j]
                out[r + 3, t, j] += a3 * b[k, j]
    for r in range(n_rows - n_rows % 4, n_rows):
        for k in range(n_inner):
            for j in range(m):
                out[r, t, j] += a[r, k] * b[k, j]


@summing
def _add_product_of_rows(out, a, t, b):
    """Add the product of step t of (rows, time, k) and the transpose of (m, k) to `out`."""
    n_rows, m = out.shape
    n_inner = a.shape[2]
    for r in range(0, n_rows - 3, 4):
        for j in range(0, m - 3, 4):
            s00 = s01 = s02 = s03 = s10 = s11 = s12 = s13 = _ZERO
            s20 = s21 = s22 = s23 = s30 = s31 = s32 = s33 = _ZERO
            for k in range(n_inner):
                a0, a1, a2, a3 = a[r, t, k], a[r + 1, t, k], a[r + 2, t, k], a[r + 3, t, k]
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
                    total += a[r1, t, k] * b[j, k]
                out[r1, j] += total
    for r in range(n_rows - n_rows % 4, n_rows):
        for j in range(m):
            total = _ZERO
            for k in range(n_inner):
                total += a[r, t, k] * b[j, k]
            out[r, j] += total


@inlined
def _add_four(out, j, s0, s1, s2, s3):
    out[j] += s0
    out[j + 1] += s1
    out[j + 2] += s2
    out[j + 3] += s3


@apart
def _add_product_over_rows(out, a, b):
    """Add the product of the transpose of (rows, k) and (rows, m) to `out` (k, m).

    The outer loop is over `out`, so that four rows of it stay in the first-level cache.
    """
    n_rows, n_outer = a.shape
    m = b.shape[1]
    for k in range(0, n_outer - 3, 4):
        for r in range(0, n_rows - 3, 4):
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
        for r in range(n_rows - n_rows % 4, n_rows):
            a0, a1, a2, a3 = a[r, k], a[r, k + 1], a[r, k + 2], a[r, k + 3]
            for j in range(m):
                out[k, j] += a0 * b[r, j]
                out[k + 1, j] += a1 * b[r, j]
                out[k + 2, j] += a2 * b[r, j]
                out[k + 3, j] += a3 * b[r, j]
    _add_last_rows(out, a, b, n_outer - n_outer % 4)


@apart
def _add_last_rows(out, a, b, first):
    """Do the same for the rows of `out` from the given one on."""
    n_rows, n_outer = a.shape
    m = b.shape[1]
    for k in range(first, n_outer):
        for r in range(0, n_rows - 3, 4):
            a0, a1, a2, a3 = a[r, k], a[r + 1, k], a[r + 2, k], a[r + 3, k]
            for j in range(m):
                b0, b1, b2, b3 = b[r, j], b[r + 1, j], b[r + 2, j], b[r + 3, j]
                out[k, j] = (((out[k, j] + a0 * b0) + a1 * b1) + a2 * b2) + a3 * b3
        for r in range(n_rows - n_rows % 4, n_rows):
            for j in range(m):
                out[k, j] += a[r, k] * b[r, j]


# Rows are copied one by one: to assign an array to a slice makes Numba compile the making of error
# messages, which takes as long as all the rest.


@apart
def _copy(target, source):
    """Copy a vector."""
    for j in range(target.size):
        target[j] = source[j]


@compiled
def _load_states(block, source, row, n_rows):
    """Copy some rows of (batch, n) to `block` (rows, n), and let zeros follow."""
    block[:] = _ZERO
    for r in range(n_rows):
        _copy(block[r], source[row + r])


@compiled
def _store_states(target, block, row, n_rows):
    """Copy the first rows of `block` (rows, n) to their places in (batch, n)."""
    for r in range(n_rows):
        _copy(target[row + r], block[r])


@compiled
def rows_per_piece(batch, n_networks):
    """Count the rows of a piece, those included that are added to have them in fours."""
    per_network = batch // n_networks
    pieces = max(1, -(-per_network // ROWS))
    rows = -(-per_network // pieces)
    return -(-rows // 4) * 4


@compiled
def count_pieces(batch, n_networks):
    """Count the pieces of a batch."""
    return n_networks * -(-(batch // n_networks) // ROWS)


@compiled
def steps_at_once(n):
    """Count the steps of a block: so many that it stays in the second-level cache."""
    return min(32, max(2, 2**18 // (32 * ROWS * n)))


@inlined
def _cut(scratch, start, rows, n):
    """Cut an array (rows, n) out of a vector; say where the next one starts."""
    return scratch[start : start + rows * n].reshape(rows, n), start + rows * n


@inlined
def _rows_of_piece(piece, batch, n_networks):
    """Give the network of a piece, its first row, and how many there are."""
    per_network = batch // n_networks
    pieces = count_pieces(per_network, 1)
    network, rows = piece // pieces, rows_per_piece(per_network, 1)
    done = piece % pieces * rows
    return network, network * per_network + done, min(rows, per_network - done)


@apart
def _activate(sums, t, scale):
    """Turn sums (rows, time, 4 * n) at step t into gates: sigmoid(x) = tanh(x / 2) / 2 + 1 / 2."""
    for r in range(len(sums)):
        for k in range(scale.size):
            s = scale[k]
            sums[r, t, k] = s * _tanh(s * sums[r, t, k]) + (_ONE - s)


@apart
def _tanh_of(target, source):
    """Apply tanh to all values of an array."""
    target, source = target.reshape(-1), source.reshape(-1)
    for k in range(source.size):
        target[k] = _tanh(source[k])


@inlined
def _stands(mask, row, t):
    return mask.size > 0 and not mask[row, t]


# ------------------------------------------------------------------------------------- dropout


@apart
def _add_scaled(target, source, factors):
    """Add (k, 4 * n), what reads or makes each gate scaled by its own factors (4 * k)."""
    k, n = len(target), target.shape[1] // 4
    for row in range(k):
        for gate in range(4):
            factor = factors[gate * k + row]
            for j in range(gate * n, gate * n + n):
                target[row, j] += factor * source[row, j]


@compiled
def _block(spare, k, width):
    """Make zeros (k, width) of the spare memory."""
    block = spare[: k * width].reshape(k, width)
    block[:] = _ZERO
    return block


@compiled
def _scaled(spare, weights, factors):
    """Give weights (k, 4 * n) that do to a row what `weights` do once it is dropped."""
    block = _block(spare, *weights.shape)
    _add_scaled(block, weights, factors)
    return block


@compiled
def _split_gates(spare, weights):
    """Copy weights (n, 4 * n) to spare memory, gate after gate; give what is left of it."""
    n = len(weights)
    for gate in range(4):
        for k in range(n):
            place = (gate * n + k) * n
            _copy(spare[place : place + n], weights[k, gate * n : gate * n + n])
    return spare[4 * n * n :]


@apart
def _add_product_by_gate(out, t, h, part, h_drop, first, n_rows, split):
    """Add the product of the dropped states (rows, n) and the split weights, as _add_product."""
    rows, n = h.shape
    for gate in range(4):
        for r in range(rows):
            row = first + min(r, n_rows - 1)
            for j in range(n):
                part[r, j] = h[r, j] * h_drop[row, gate * n + j]
        weights = split[gate * n * n : (gate + 1) * n * n].reshape(n, n)
        _add_product(out.reshape(rows, -1, n), 4 * t + gate, part, weights)


@apart
def _add_product_of_rows_by_gate(out, a, t, part, h_drop, first, n_rows, split):
    """Add the gradient by the states (rows, n) of what the function before computed."""
    rows, n = out.shape
    for gate in range(4):
        part[:] = _ZERO
        weights = split[gate * n * n : (gate + 1) * n * n].reshape(n, n)
        _add_product_of_rows(part, a.reshape(rows, -1, n), 4 * t + gate, weights)
        for r in range(rows):
            row = first + min(r, n_rows - 1)
            for j in range(n):
                out[r, j] += part[r, j] * h_drop[row, gate * n + j]


# ------------------------------------------------------------------------------------- forward


@compiled
def forward(
    x, mask, kernel, recurrent, bias, h0, c0, x_drop, h_drop,
    gates, hs, cs, h_last, c_last, scratch, piece,
):  # fmt: skip
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
    bias, h0, c0 : ndarray of float32, shapes (n_networks, 4 * n), (batch, n) and (batch, n)
        Biases of the gates, and states before the first step.
    x_drop, h_drop : ndarray of float32, (batch, 4 * n_inputs) and (batch, 4 * n), or (0, 0)
        Factors of what each gate reads, gate after gate: of the inputs, and of the states h.
    gates : ndarray of float32, shape (n_pieces, rows, any)
        Written: the activated gates of the rows of each piece, step by step, for
        :func:`backward`; or, where there is room for a block of steps alone, the last block.
    hs : ndarray of float32, shape (batch, time, n) or (0, 0, 0)
        Written: the states h after each step.
    cs : ndarray of float32, shape (n_pieces, n_kept, rows * n)
        Written: the states c after each step, of as many steps as the gates.
    h_last, c_last, scratch : ndarray of float32, shapes (batch, n), (batch, n), (n_pieces, any)
        Written: the states after the last step. Memory to compute in.
    piece : int
        Which rows: :func:`rows_per_piece` of one network, or what is left of its rows.
    """
    network, first, n_rows = _rows_of_piece(piece, x.shape[0], kernel.shape[0])
    rows, n = gates.shape[1], h0.shape[1]
    n_steps, n_kept, size = x.shape[1], cs.shape[1], steps_at_once(n)
    h, end = _cut(scratch[piece], 0, rows, n)
    c, end = _cut(scratch[piece], end, rows, n)
    tanh_c, end = _cut(scratch[piece], end, rows, n)
    scale, spare = scratch[piece, end : end + 4 * n], scratch[piece, end + 4 * n :]
    split = spare
    if h_drop.size:
        spare = _split_gates(split, recurrent[network])
    piece_gates = gates[piece].reshape(rows, -1, 4 * n)
    scale[:] = _HALF
    scale[2 * n : 3 * n] = _ONE
    _load_states(h, h0, first, n_rows)
    _load_states(c, c0, first, n_rows)
    for start in range(0, n_steps, size):
        n_now = min(size, n_steps - start)
        kept = start if n_kept == n_steps else 0
        for r in range(rows):
            sums = piece_gates[r, kept : kept + n_now]
            for t in range(n_now):
                _copy(sums[t], bias[network])
            if r < n_rows:
                inputs, weights = x[first + r, start : start + n_now], kernel[network]
                if x_drop.size:
                    weights = _scaled(spare, weights, x_drop[first + r])
                _add_product(sums.reshape(n_now, 1, 4 * n), 0, inputs, weights)
        for t in range(n_now):
            if h_drop.size:
                _add_product_by_gate(piece_gates, kept + t, h, tanh_c, h_drop, first, n_rows, split)
            else:
                _add_product(piece_gates, kept + t, h, recurrent[network])
            _activate(piece_gates, kept + t, scale)
            c_next = cs[piece, kept + t].reshape(rows, n)
            _next_c(c_next, c, piece_gates, kept + t, mask, first, n_rows, start + t)
            _tanh_of(tanh_c, c_next)
            _next_h(h, tanh_c, piece_gates, kept + t, hs, mask, first, n_rows, start + t)
            c = c_next
    _store_states(h_last, h, first, n_rows)
    _store_states(c_last, c, first, n_rows)


@apart
def _next_c(c_next, c, gates, at, mask, first, n_rows, t):
    """Compute the states c (rows, n) from those before and the gates of step `at` of the block.

    Where step t does not exist the gates become such that c stays.
    """
    rows, n = c.shape
    for r in range(rows):
        if r < n_rows and _stands(mask, first + r, t):
            for j in range(n):
                gates[r, at, j] = gates[r, at, 2 * n + j] = _ZERO
                gates[r, at, n + j] = _ONE
        for j in range(n):
            i, f, g = gates[r, at, j], gates[r, at, n + j], gates[r, at, 2 * n + j]
            c_next[r, j] = f * c[r, j] + i * g


@apart
def _next_h(h, tanh_c, gates, at, hs, mask, first, n_rows, t):
    """Compute the states h (rows, n), and write them to `hs` too where that is wanted."""
    rows, n = h.shape
    for r in range(rows):
        if r >= n_rows or not _stands(mask, first + r, t):
            for j in range(n):
                h[r, j] = gates[r, at, 3 * n + j] * tanh_c[r, j]
        if r < n_rows and hs.size:
            for j in range(n):
                hs[first + r, t, j] = h[r, j]


# ------------------------------------------------------------------------------------ backward


@compiled
def backward(
    x, mask, kernel, recurrent, h0, c0, x_drop, h_drop, gates, hs, cs, dhs, dh_last, dc_last,
    dx, dh0, dc0, d_weights, scratch, piece,
):  # fmt: skip
    """Compute the gradients of the rows of a piece, from the last time step to the first.

    Parameters
    ----------
    x, mask, kernel, recurrent, h0, c0, x_drop, h_drop, gates, hs, cs, scratch, piece
        As in :func:`forward`, with all steps kept.
    dhs : ndarray of float32, shape (batch, time, n) or (0, 0, 0)
        Gradient by the state h after each step.
    dh_last, dc_last : ndarray of float32, shape (batch, n)
        Gradients by the states after the last step, what came by `dhs` not included.
    dx, dh0, dc0 : ndarray of float32, shaped like x and h0, or dx (0, 0, 0)
        Written: the gradients by x and by the states before the first step.
    d_weights : ndarray of float32, shape (n_pieces, n_inputs + n + 1, 4 * n)
        Written: what the piece adds to the gradients by the kernel, by the recurrent kernel and by
        the bias, one below the other.
    """
    network, first, n_rows = _rows_of_piece(piece, x.shape[0], kernel.shape[0])
    rows, n = gates.shape[1], h0.shape[1]
    n_steps, size = x.shape[1], steps_at_once(n)
    d_sums, end = _cut(scratch[piece], 0, rows, 4 * n * (size + 1))
    d_sums = d_sums.reshape(rows, -1, 4 * n)
    piece_gates = gates[piece].reshape(rows, -1, 4 * n)
    dh, end = _cut(scratch[piece], end, rows, n)
    dc, end = _cut(scratch[piece], end, rows, n)
    c_first, end = _cut(scratch[piece], end, rows, n)
    tanh_c, end = _cut(scratch[piece], end, rows, n)
    split = spare = scratch[piece, end:]
    if h_drop.size:
        spare = _split_gates(split, recurrent[network])
    _load_states(dh, dh_last, first, n_rows)
    _load_states(dc, dc_last, first, n_rows)
    _load_states(c_first, c0, first, n_rows)
    added = d_weights[piece]
    added[:] = _ZERO
    for start in range((n_steps - 1) // size * size, -1, -size):
        n_now = min(size, n_steps - start)
        for t in range(start + n_now - 1, start - 1, -1):
            c_before = cs[piece, t - 1].reshape(rows, n) if t else c_first
            _tanh_of(tanh_c, cs[piece, t].reshape(rows, n))
            _step_back(
                d_sums, t - start, piece_gates, c_before, tanh_c, dh, dc, dhs,
                mask, first, n_rows, t,
            )  # fmt: skip
            if h_drop.size:
                _add_product_of_rows_by_gate(
                    dh, d_sums, t - start, tanh_c, h_drop, first, n_rows, split
                )
            else:
                _add_product_of_rows(dh, d_sums, t - start, recurrent[network])
        for r in range(n_rows):
            row, d = first + r, d_sums[r, :n_now]
            _add_by_weights(added, x, hs, h0, x_drop, h_drop, d, row, start, spare)
            if dx.size:
                weights = kernel[network]
                if x_drop.size:
                    weights = _scaled(spare, weights, x_drop[row])
                part = dx[row, start : start + n_now]
                part[:] = _ZERO
                _add_product_of_rows(part, d.reshape(n_now, 1, 4 * n), 0, weights)
    _store_states(dh0, dh, first, n_rows)
    _store_states(dc0, dc, first, n_rows)


@compiled
def _add_by_weights(added, x, hs, h0, x_drop, h_drop, d, row, start, spare):
    """Add what some steps of a row contribute to the gradients of the weights, from d on."""
    n_now, n_inputs, n = len(d), x.shape[2], h0.shape[1]
    of_x, of_h = added[:n_inputs], added[n_inputs:-1]
    part = _block(spare, n_inputs, 4 * n) if x_drop.size else of_x
    _add_product_over_rows(part, x[row, start : start + n_now], d)
    if x_drop.size:
        _add_scaled(of_x, part, x_drop[row])
    part = _block(spare, n, 4 * n) if h_drop.size else of_h
    _add_states_over_rows(part, hs, h0, d, row, start, n_now)
    if h_drop.size:
        _add_scaled(of_h, part, h_drop[row])
    for t in range(n_now):
        _add(added[-1], d[t])


@compiled
def _add_states_over_rows(out, hs, h0, d, row, start, n_steps):
    """Add the product of the states before the steps, transposed, and d to `out` (n, 4 * n)."""
    if start:
        _add_product_over_rows(out, hs[row, start - 1 : start - 1 + n_steps], d)
        return
    _add_product_over_rows(out, h0[row : row + 1], d[:1])
    _add_product_over_rows(out, hs[row, : n_steps - 1], d[1:])


@apart
def _add(target, source):
    """Add a vector."""
    for j in range(target.size):
        target[j] += source[j]


@apart
def _step_back(d_sums, at, gates, c_before, tanh_c, dh, dc, dhs, mask, first, n_rows, t):
    """Take dc (rows, n) one step back, and dh as far as h goes on past the gates.

    Written to `d_sums` (rows, time, 4 * n) at step `at` are the gradients by the sums of the gates
    (rows, time, 4 * n) of step t.
    """
    rows, n = dh.shape
    for r in range(rows):
        if r < n_rows and dhs.size:
            for j in range(n):
                dh[r, j] += dhs[first + r, t, j]
        if r < n_rows and _stands(mask, first + r, t):
            for j in range(4 * n):
                d_sums[r, at, j] = _ZERO
        else:
            for j in range(n):
                o, tc = gates[r, t, 3 * n + j], tanh_c[r, j]
                dc[r, j] += dh[r, j] * o * (_ONE - tc * tc)
                d_sums[r, at, 3 * n + j] = dh[r, j] * tc * o * (_ONE - o)
                dh[r, j] = _ZERO
            for j in range(n):
                i, g = gates[r, t, j], gates[r, t, 2 * n + j]
                d_sums[r, at, j] = dc[r, j] * g * i * (_ONE - i)
                d_sums[r, at, 2 * n + j] = dc[r, j] * i * (_ONE - g * g)
            for j in range(n):
                f, d = gates[r, t, n + j], dc[r, j]
                d_sums[r, at, n + j] = d * c_before[r, j] * f * (_ONE - f)
                dc[r, j] = d * f
