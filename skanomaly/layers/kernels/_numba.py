"""The LSTM recurrence as Numba loops, forward and backward over time, for some rows of a batch.

The four gates stand side by side in the order of Keras: input, forget, cell, output. A batch is
computed in pieces of a few rows, and a piece some steps at a time: what the inputs add to the gates
of these steps comes first, in one matrix product, and gradients of the weights last. For these
products step follows step, with the rows of a step side by side. So all that is computed stays in
the processor's caches but what must be kept, and weights and their gradients are gone through once
for all rows of some steps.

Rows are independent of each other, and pieces do not depend on the number of threads, so that
neither the other rows of a batch nor threads change a result. Several networks can be computed at
once: rows then lie one network after the other, and weights have a leading axis of networks. Absent
arrays have no elements.

Dropout multiplies what each gate reads, inputs or states h, by factors of its own that stay the
same at all steps of a row. They are known to the caller: here they are arrays like others.
"""

import numpy as np

from skanomaly.layers.kernels._compile import apart, compiled, inlined
from skanomaly.layers.kernels._numba_products import (
    add_product,
    add_product_by_panels,
    add_product_of_rows,
    add_rows,
    copy,
    copy_to_rows,
    count_in_panels,
    to_panels,
)

__all__ = [
    "backward",
    "count_pieces",
    "forward",
    "rows_of_piece",
    "rows_per_piece",
    "steps_at_once",
]

# Rows whose steps are computed together: enough to hide the latency of one, and few enough for
# their gates to stay in the fastest cache.
ROWS = 16
# Steps from which on it takes less time to copy weights to panels first.
_MANY = 8
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


@compiled
def _load_states(block, source, row, n_rows):
    """Copy some rows of (batch, n) to `block` (rows, n), and let zeros follow."""
    block[:] = _ZERO
    for r in range(n_rows):
        copy(block[r], source[row + r])


@apart
def _load_steps(block, source, first, n_rows, start):
    """Copy some steps of rows of (batch, time, n) to `block` (steps, rows, n); zeros follow."""
    n_steps, rows, n = block.shape
    for t in range(n_steps):
        for r in range(rows):
            if r < n_rows:
                for j in range(n):
                    block[t, r, j] = source[first + r, start + t, j]
            else:
                for j in range(n):
                    block[t, r, j] = _ZERO


@compiled
def _load_steps_before(block, hs, h0, first, n_rows, start):
    """Copy likewise the states h after the step before each, or those before the first step."""
    if start:
        _load_steps(block, hs, first, n_rows, start - 1)
    else:
        _load_steps(block[1:], hs, first, n_rows, 0)
        _load_states(block[0], h0, first, n_rows)


@compiled
def _store_steps(target, block, first, n_rows, start):
    """Copy the first rows of `block` (steps, rows, n) to their places in (batch, time, n)."""
    for t in range(len(block)):
        for r in range(n_rows):
            copy(target[first + r, start + t], block[t, r])


@compiled
def _store_states(target, block, row, n_rows):
    """Copy the first rows of `block` (rows, n) to their places in (batch, n)."""
    for r in range(n_rows):
        copy(target[row + r], block[r])


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
def _row_by_row(x_drop, h_drop, rows, n_rows):
    """Say whether the inputs of some steps are multiplied apart for each row.

    Dropped rows have weights of their own; and if most rows of a piece are made up, as for a single
    window, together they cost more.
    """
    return x_drop.size > 0 or h_drop.size > 0 or 2 * n_rows < rows


@inlined
def _cut(scratch, start, rows, n):
    """Cut an array (rows, n) out of a vector; say where the next one starts."""
    return scratch[start : start + rows * n].reshape(rows, n), start + rows * n


@inlined
def rows_of_piece(piece, batch, n_networks):
    """Give the network of a piece, its first row, and how many there are."""
    per_network = batch // n_networks
    pieces = count_pieces(per_network, 1)
    network, rows = piece // pieces, rows_per_piece(per_network, 1)
    done = piece % pieces * rows
    return network, network * per_network + done, min(rows, per_network - done)


@apart
def _activate(sums, scale):
    """Turn sums (rows, 4 * n) into gates: sigmoid(x) = tanh(x / 2) / 2 + 1 / 2.

    The scale of each, a half or one, is an array like them: one loop goes over all.
    """
    sums, scale = sums.reshape(-1), scale.reshape(-1)
    for k in range(scale.size):
        s = scale[k]
        sums[k] = s * _tanh(s * sums[k]) + (_ONE - s)


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
            copy(spare[place : place + n], weights[k, gate * n : gate * n + n])
    return spare[4 * n * n :]


@apart
def _add_product_by_gate(out, h, part, h_drop, first, n_rows, split):
    """Add the product of the dropped states (rows, n) and the split weights to (rows, 4 * n)."""
    rows, n = h.shape
    for gate in range(4):
        for r in range(rows):
            row = first + min(r, n_rows - 1)
            for j in range(n):
                part[r, j] = h[r, j] * h_drop[row, gate * n + j]
        weights = split[gate * n * n : (gate + 1) * n * n].reshape(n, n)
        add_product(out.reshape(rows, 4, n)[:, gate], part, weights)


@apart
def _add_product_of_rows_by_gate(out, a, part, h_drop, first, n_rows, split):
    """Add the gradient by the states (rows, n) of what the function before computed."""
    rows, n = out.shape
    for gate in range(4):
        part[:] = _ZERO
        weights = split[gate * n * n : (gate + 1) * n * n].reshape(n, n)
        add_product_of_rows(part, a.reshape(rows, 4, n)[:, gate], weights)
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
    gates : ndarray of float32, shape (n_pieces, n_kept, rows * 4 * n)
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
    network, first, n_rows = rows_of_piece(piece, x.shape[0], kernel.shape[0])
    n = h0.shape[1]
    n_steps, n_kept, rows, size = x.shape[1], cs.shape[1], cs.shape[2] // n, steps_at_once(n)
    h, end = _cut(scratch[piece], 0, rows, n)
    c, end = _cut(scratch[piece], end, rows, n)
    tanh_c, end = _cut(scratch[piece], end, rows, n)
    scale, end = _cut(scratch[piece], end, rows, 4 * n)
    spare = scratch[piece, end:]
    states, spare = _in_panels(n_steps >= _MANY, recurrent[network], spare)
    inputs, spare = _in_panels(n_steps >= _MANY, kernel[network], spare)
    split = spare
    if h_drop.size:
        spare = _split_gates(split, recurrent[network])
    piece_gates = gates[piece].reshape(n_kept, rows, 4 * n)
    scale[:] = _HALF
    scale[:, 2 * n : 3 * n] = _ONE
    _load_states(h, h0, first, n_rows)
    _load_states(c, c0, first, n_rows)
    for start in range(0, n_steps, size):
        n_now = min(size, n_steps - start)
        kept = start if n_kept == n_steps else 0
        sums = piece_gates[kept : kept + n_now]
        if _row_by_row(x_drop, h_drop, rows, n_rows):
            for r in range(n_rows):
                _sum_inputs_of_row(sums, x, kernel, bias, x_drop, network, first, r, start, spare)
            for t in range(n_now):
                for r in range(n_rows, rows):
                    copy(sums[t, r], bias[network])
        else:
            _sum_inputs(
                sums, x, kernel[network], inputs, bias[network], first, n_rows, start, spare
            )
        for t in range(n_now):
            step = sums[t]
            if h_drop.size:
                _add_product_by_gate(step, h, tanh_c, h_drop, first, n_rows, split)
            elif states.size:
                add_product_by_panels(step, h, states)
            else:
                add_product(step, h, recurrent[network])
            _activate(step, scale)
            c_next = cs[piece, kept + t].reshape(rows, n)
            _next_c(c_next, c, step, mask, first, n_rows, start + t)
            _tanh_of(tanh_c, c_next)
            _next_h(h, tanh_c, step, hs, mask, first, n_rows, start + t)
            c = c_next
    _store_states(h_last, h, first, n_rows)
    _store_states(c_last, c, first, n_rows)


@compiled
def _in_panels(wanted, matrix, spare):
    """Copy a matrix to panels if that is wanted; give them, or nothing, and what is left."""
    size = 0
    if wanted:
        size = count_in_panels(len(matrix), matrix.shape[1])
        to_panels(spare, matrix)
    return spare[:size], spare[size:]


@compiled
def _sum_inputs(sums, x, weights, panels, bias, first, n_rows, start, spare):
    """Compute biases and what the inputs add, for all rows of a piece: (steps, rows, 4 * n)."""
    n_now, rows, width = sums.shape
    block = spare[: n_now * rows * x.shape[2]].reshape(n_now, rows, -1)
    _load_steps(block, x, first, n_rows, start)
    flat = sums.reshape(n_now * rows, width)
    copy_to_rows(flat, bias)
    block = block.reshape(n_now * rows, -1)
    if panels.size:
        add_product_by_panels(flat, block, panels)
    else:
        add_product(flat, block, weights)


@compiled
def _sum_inputs_of_row(sums, x, kernel, bias, x_drop, network, first, r, start, spare):
    """Compute the same for one row."""
    n_now, _, width = sums.shape
    part, spare = spare[: n_now * width].reshape(n_now, width), spare[n_now * width :]
    weights = kernel[network]
    if x_drop.size:
        weights = _scaled(spare, weights, x_drop[first + r])
    copy_to_rows(part, bias[network])
    add_product(part, x[first + r, start : start + n_now], weights)
    for t in range(n_now):
        copy(sums[t, r], part[t])


@apart
def _next_c(c_next, c, gates, mask, first, n_rows, t):
    """Compute the states c (rows, n) from those before and the gates of step t.

    Where the step does not exist the gates become such that c stays.
    """
    rows, n = c.shape
    for r in range(rows):
        if r < n_rows and _stands(mask, first + r, t):
            for j in range(n):
                gates[r, j] = gates[r, 2 * n + j] = _ZERO
                gates[r, n + j] = _ONE
        for j in range(n):
            i, f, g = gates[r, j], gates[r, n + j], gates[r, 2 * n + j]
            c_next[r, j] = f * c[r, j] + i * g


@apart
def _next_h(h, tanh_c, gates, hs, mask, first, n_rows, t):
    """Compute the states h (rows, n), and write them to `hs` too where that is wanted."""
    rows, n = h.shape
    for r in range(rows):
        if r >= n_rows or not _stands(mask, first + r, t):
            for j in range(n):
                h[r, j] = gates[r, 3 * n + j] * tanh_c[r, j]
    if hs.size:
        for r in range(n_rows):
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
    network, first, n_rows = rows_of_piece(piece, x.shape[0], kernel.shape[0])
    n = h0.shape[1]
    n_steps, rows, size = x.shape[1], cs.shape[2] // n, steps_at_once(n)
    d_sums, end = _cut(scratch[piece], 0, min(size, n_steps), rows * 4 * n)
    d_sums = d_sums.reshape(-1, rows, 4 * n)
    piece_gates = gates[piece].reshape(n_steps, rows, 4 * n)
    dh, end = _cut(scratch[piece], end, rows, n)
    dc, end = _cut(scratch[piece], end, rows, n)
    c_first, end = _cut(scratch[piece], end, rows, n)
    tanh_c, end = _cut(scratch[piece], end, rows, n)
    spare = scratch[piece, end:]
    by_states, spare = _in_panels(h_drop.size == 0, recurrent[network].T, spare)
    by_inputs, spare = _in_panels(dx.size > 0, kernel[network].T, spare)
    split = spare
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
            d = d_sums[t - start]
            c_before = cs[piece, t - 1].reshape(rows, n) if t else c_first
            _tanh_of(tanh_c, cs[piece, t].reshape(rows, n))
            _step_back(d, piece_gates[t], c_before, tanh_c, dh, dc, dhs, mask, first, n_rows, t)
            if h_drop.size:
                _add_product_of_rows_by_gate(dh, d, tanh_c, h_drop, first, n_rows, split)
            else:
                add_product_by_panels(dh, d, by_states)
        d_block = d_sums[:n_now]
        if _row_by_row(x_drop, h_drop, rows, n_rows):
            for r in range(n_rows):
                _end_row(
                    added, dx, x, hs, h0, kernel[network], x_drop, h_drop, d_block, first, r,
                    start, spare,
                )  # fmt: skip
        else:
            _end_block(added, dx, x, hs, h0, by_inputs, d_block, first, n_rows, start, spare)
    _store_states(dh0, dh, first, n_rows)
    _store_states(dc0, dc, first, n_rows)


@compiled
def _end_block(added, dx, x, hs, h0, by_inputs, d_block, first, n_rows, start, spare):
    """Add what some steps of a piece give to the gradients of the weights; write dx there."""
    (n_now, rows, width), n_inputs, n = d_block.shape, x.shape[2], h0.shape[1]
    n_all = n_now * rows
    d = d_block.reshape(n_all, width)
    panels, spare = _in_panels(True, d, spare)
    block = spare[: n_all * n_inputs].reshape(n_now, rows, n_inputs)
    _load_steps(block, x, first, n_rows, start)
    add_product_by_panels(added[:n_inputs], block.reshape(n_all, n_inputs).T, panels)
    if dx.size:
        block[:] = _ZERO
        add_product_by_panels(block.reshape(n_all, n_inputs), d, by_inputs)
        _store_steps(dx, block, first, n_rows, start)
    block = spare[: n_all * n].reshape(n_now, rows, n)
    _load_steps_before(block, hs, h0, first, n_rows, start)
    add_product_by_panels(added[n_inputs:-1], block.reshape(n_all, n).T, panels)
    add_rows(added[-1], d)


@compiled
def _end_row(
    added, dx, x, hs, h0, weights, x_drop, h_drop, d_block, first, r, start, spare
):  # fmt: skip
    """Do the same for one row."""
    (n_now, _, width), row = d_block.shape, first + r
    d, spare = spare[: n_now * width].reshape(n_now, width), spare[n_now * width :]
    for t in range(n_now):
        copy(d[t], d_block[t, r])
    _add_by_weights(added, x, hs, h0, x_drop, h_drop, d, row, start, spare)
    if dx.size:
        if x_drop.size:
            weights = _scaled(spare, weights, x_drop[row])
        part = dx[row, start : start + n_now]
        part[:] = _ZERO
        add_product_of_rows(part, d, weights)


@compiled
def _add_by_weights(added, x, hs, h0, x_drop, h_drop, d, row, start, spare):
    """Add what some steps of a row contribute to the gradients of the weights, from d on."""
    n_now, n_inputs, n = len(d), x.shape[2], h0.shape[1]
    of_x, of_h = added[:n_inputs], added[n_inputs:-1]
    part = _block(spare, n_inputs, 4 * n) if x_drop.size else of_x
    add_product(part, x[row, start : start + n_now].T, d)
    if x_drop.size:
        _add_scaled(of_x, part, x_drop[row])
    part = _block(spare, n, 4 * n) if h_drop.size else of_h
    _add_states_over_rows(part, hs, h0, d, row, start, n_now)
    if h_drop.size:
        _add_scaled(of_h, part, h_drop[row])
    add_rows(added[-1], d)


@compiled
def _add_states_over_rows(out, hs, h0, d, row, start, n_steps):
    """Add the product of the states before the steps, transposed, and d to `out` (n, 4 * n)."""
    if start:
        add_product(out, hs[row, start - 1 : start - 1 + n_steps].T, d)
        return
    add_product(out, h0[row : row + 1].T, d[:1])
    add_product(out, hs[row, : n_steps - 1].T, d[1:])


@apart
def _step_back(d_sums, gates, c_before, tanh_c, dh, dc, dhs, mask, first, n_rows, t):
    """Take dc (rows, n) one step back, and dh as far as h goes on past the gates.

    Written to `d_sums` (rows, 4 * n) are the gradients by the sums of the gates of step t.
    """
    rows, n = dh.shape
    if dhs.size:
        for r in range(n_rows):
            for j in range(n):
                dh[r, j] += dhs[first + r, t, j]
    for r in range(rows):
        if r < n_rows and _stands(mask, first + r, t):
            for j in range(4 * n):
                d_sums[r, j] = _ZERO
        else:
            for j in range(n):
                o, tc = gates[r, 3 * n + j], tanh_c[r, j]
                dc[r, j] += dh[r, j] * o * (_ONE - tc * tc)
                d_sums[r, 3 * n + j] = dh[r, j] * tc * o * (_ONE - o)
                dh[r, j] = _ZERO
            for j in range(n):
                i, g = gates[r, j], gates[r, 2 * n + j]
                d_sums[r, j] = dc[r, j] * g * i * (_ONE - i)
                d_sums[r, 2 * n + j] = dc[r, j] * i * (_ONE - g * g)
            for j in range(n):
                f, d = gates[r, n + j], dc[r, j]
                d_sums[r, n + j] = d * c_before[r, j] * f * (_ONE - f)
                dc[r, j] = d * f
