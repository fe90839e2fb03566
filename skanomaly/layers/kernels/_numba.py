"""The LSTM recurrence as Numba loops, forward and backward over time, for some rows of a batch.

The four gates follow each other in the order of Keras: input, forget, cell, output. A batch is
computed in pieces of a few rows, and a piece some steps at a time, so that all that is computed
stays in the processor's caches but what must be kept. Within a piece rows lie side by side, where
callers have them one below the other: arrays are (units, rows), and loops over all units are one
run of memory, however few units there are.

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
    copy,
    copy_to_rows,
    count_in_panels,
    lanes_to_panels,
    sum_products,
    sum_products_by_panels,
    to_panels,
    transpose,
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


@inlined
def _sigmoid(x):
    return _HALF * _tanh(_HALF * x) + _HALF


@compiled
def rows_per_piece(batch, n_networks):
    """Count the rows of a piece: 4, 8 or ROWS, those included that are added for that."""
    per_network = batch // n_networks
    pieces = max(1, -(-per_network // ROWS))
    rows = -(-per_network // pieces)
    return ROWS if rows > ROWS // 2 else -(-rows // 4) * 4


@compiled
def count_pieces(batch, n_networks):
    """Count the pieces of a batch."""
    return n_networks * -(-(batch // n_networks) // ROWS)


@compiled
def steps_at_once(n):
    """Count the steps of a block: so many that it stays in the second-level cache."""
    return min(32, max(2, 2**18 // (32 * ROWS * n)))


@inlined
def rows_of_piece(piece, batch, n_networks):
    """Give the network of a piece, its first row, and how many there are."""
    per_network = batch // n_networks
    pieces = count_pieces(per_network, 1)
    network, rows = piece // pieces, rows_per_piece(per_network, 1)
    done = piece % pieces * rows
    return network, network * per_network + done, min(rows, per_network - done)


@inlined
def _cut(spare, k, rows):
    """Cut an array (k, rows) out of spare memory; give what is left of it."""
    return spare[: k * rows].reshape(k, rows), spare[k * rows :]


@inlined
def _quarter(array, gate):
    """Give what belongs to a gate of an array whose rows are those of four gates."""
    n = len(array) // 4
    return array[gate * n : (gate + 1) * n]


@inlined
def _flat(array):
    """See (steps, k, ...) as (steps, all the rest)."""
    return array.reshape(len(array), -1)


# ------------------------------------------------------------------------------------- dropout


@apart
def _multiply(target, source, factors):
    """Multiply a vector by factors."""
    for k in range(target.size):
        target[k] = source[k] * factors[k]


@apart
def _add_multiplied(target, source, factors):
    """Add a vector multiplied by factors."""
    for k in range(target.size):
        target[k] += source[k] * factors[k]


@compiled
def _factors(x_drop, h_drop, n_inputs, n, rows, first, n_rows, spare):
    """Load factors (4, n_inputs + n + 1, rows), ones for what is never dropped, or nothing.

    Given are also memory for what one gate reads with them, and what is left.
    """
    k = n_inputs + n + 1 if x_drop.size or h_drop.size else 0
    factors, part = spare[: 4 * k * rows].reshape(4, k, rows), spare[4 * k * rows : 5 * k * rows]
    factors[:] = _ONE
    last = first + n_rows
    for gate in range(4):
        if x_drop.size:
            source = x_drop[first:last, gate * n_inputs : (gate + 1) * n_inputs]
            transpose(factors[gate, :n_inputs, :n_rows], source)
        if h_drop.size:
            source = h_drop[first:last, gate * n : (gate + 1) * n]
            transpose(factors[gate, n_inputs:-1, :n_rows], source)
    return factors, part, spare[5 * k * rows :]


@compiled
def _for_steps(factors, n_steps, spare):
    """Repeat factors (4, k, rows) for some steps: (4, k, steps * rows)."""
    _, k, rows = factors.shape
    width = n_steps * rows
    repeated = spare[: 4 * k * width].reshape(4, k, width)
    for gate in range(4):
        for i in range(k):
            for t in range(n_steps):
                copy(repeated[gate, i, t * rows : (t + 1) * rows], factors[gate, i])
    return repeated, spare[repeated.size :]


@compiled
def _add_product_by_gate(out, weights, b, factors, skipped, part):
    """Add the product of weights (4 * n, k) and b (k, rows), dropped for each gate, to `out`.

    Their factors are those that follow the skipped ones.
    """
    k, flat = len(b), part[: b.size]
    for gate in range(4):
        _multiply(flat, b.reshape(-1), factors[gate, skipped : skipped + k].reshape(-1))
        add_product(_quarter(out, gate), _quarter(weights, gate), flat.reshape(b.shape))


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
    gates : ndarray of float32, shape (n_pieces, n_kept, 4 * n * rows)
        Written: the activated gates (4 * n, rows) of each piece, step by step, for
        :func:`backward`; or of the last steps, if fewer are kept.
    hs : ndarray of float32, shape (batch, time, n) or (0, 0, 0)
        Written: the states h after each step.
    cs : ndarray of float32, shape (n_pieces, n_kept, n * rows)
        Written: the states c (n, rows) after each step, of as many steps, two or more.
    h_last, c_last, scratch : ndarray of float32, shapes (batch, n), (batch, n), (n_pieces, any)
        Written: the states after the last step. Memory to compute in.
    piece : int
        Which rows: :func:`rows_per_piece` of one network, or what is left of its rows.
    """
    network, first, n_rows = rows_of_piece(piece, x.shape[0], kernel.shape[0])
    last = first + n_rows
    n_steps, n_inputs, n = x.shape[1], x.shape[2], h0.shape[1]
    n_kept, rows = cs.shape[1], cs.shape[2] // n
    size = min(n_steps, steps_at_once(n))
    # Rows that are made up start from zeros.
    spare = scratch[piece]
    if n_rows < rows:
        spare[: (size * (n_inputs + n) + 2 * n) * rows] = _ZERO
    read, spare = _cut(spare, size * n_inputs, rows)
    said, spare = _cut(spare, (size + 1) * n, rows)
    c_first, spare = _cut(spare, n, rows)
    biases, spare = _cut(spare, 4 * n, rows)
    biases_of_rows, spare = _cut(spare, rows, 4 * n)
    factors, part, spare = _factors(x_drop, h_drop, n_inputs, n, rows, first, n_rows, spare)
    copy_to_rows(biases_of_rows, bias[network])
    # Few rows are multiplied row by row, and then transposed: there are more gates to multiply at
    # once than rows.
    few, sums_of_rows = rows < ROWS and not factors.size, biases.reshape(rows, 4 * n)
    panels = spare[: count_in_panels(n_inputs + n, 4 * n) if few and n_steps >= _MANY else 0]
    by_inputs, spare = _cut(spare, 4 * n, n_inputs)
    by_states, spare = _cut(spare, 4 * n, n)
    if panels.size:
        to_panels(panels, kernel[network], recurrent[network])
    elif not few:
        transpose(biases, biases_of_rows)
        transpose(by_inputs, kernel[network])
        transpose(by_states, recurrent[network])
    transpose(said[:n, :n_rows], h0[first:last])
    transpose(c_first[:, :n_rows], c0[first:last])
    c, flat_biases, n_all = c_first.reshape(-1), biases.reshape(-1), n * rows
    inputs, states = read.reshape(size, n_inputs, rows), said.reshape(size + 1, n, rows)
    flat_states = said.reshape(size + 1, n_all)
    piece_gates = gates[piece].reshape(n_kept, 4 * n, rows)
    piece_cs = cs[piece].reshape(n_kept, n, rows)
    for start in range(0, n_steps, size):
        n_now = min(size, n_steps - start)
        source = _flat(x)[first:last, start * n_inputs : (start + n_now) * n_inputs]
        transpose(read[: n_now * n_inputs, :n_rows], source)
        for t in range(n_now):
            kept = (start + t) % n_kept
            step, sums = gates[piece, kept], piece_gates[kept]
            if factors.size:
                copy(step, flat_biases)
                _add_product_by_gate(sums, by_inputs, inputs[t], factors, 0, part)
                _add_product_by_gate(sums, by_states, states[t], factors, n_inputs, part)
            elif few:
                _sum_few(
                    sums_of_rows, biases_of_rows, inputs[t].T, states[t].T, kernel[network],
                    recurrent[network], panels,
                )  # fmt: skip
                transpose(sums, sums_of_rows)
            else:
                sum_products(sums, biases, by_inputs, inputs[t], by_states, states[t])
            c_next = cs[piece, kept]
            _advance(step, c, c_next, flat_states[t + 1])
            if mask.size:
                before = piece_cs[kept - 1] if start + t else c_first
                _stay(
                    sums, states[t + 1], piece_cs[kept], states[t], before, mask, first, n_rows,
                    start + t,
                )  # fmt: skip
            c = c_next
        if hs.size:
            target = _flat(hs)[first:last, start * n : (start + n_now) * n]
            transpose(target, said[n : (n_now + 1) * n, :n_rows])
        copy(flat_states[0], flat_states[n_now])
    transpose(h_last[first:last], said[:n, :n_rows])
    transpose(c_last[first:last], c.reshape(n, rows)[:, :n_rows])


@compiled
def _sum_few(out, biases, x, h, kernel, recurrent, panels):
    """Compute biases + x @ kernel + h @ recurrent (rows, 4 * n), by weights in panels if any."""
    if panels.size:
        sum_products_by_panels(out, biases, x, h, panels)
    else:
        sum_products(out, biases, x, kernel, h, recurrent)


@apart
def _advance(gates, c, c_next, h):
    """Turn sums into gates, and compute the states after the step."""
    n = c.size
    i, f, g, o = gates[:n], gates[n : 2 * n], gates[2 * n : 3 * n], gates[3 * n :]
    for k in range(n):
        i_k, f_k, g_k, o_k = _sigmoid(i[k]), _sigmoid(f[k]), _tanh(g[k]), _sigmoid(o[k])
        i[k], f[k], g[k], o[k] = i_k, f_k, g_k, o_k
        c_k = f_k * c[k] + i_k * g_k
        c_next[k] = c_k
        h[k] = o_k * _tanh(c_k)


@apart
def _stay(gates, h_next, c_next, h, c, mask, first, n_rows, t):
    """Where a step does not exist let states stay, by gates that no gradient passes."""
    n = len(h)
    for r in range(n_rows):
        if not mask[first + r, t]:
            for j in range(n):
                gates[j, r] = gates[2 * n + j, r] = gates[3 * n + j, r] = _ZERO
                gates[n + j, r] = _ONE
                h_next[j, r], c_next[j, r] = h[j, r], c[j, r]


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
    last = first + n_rows
    n_steps, n_inputs, n = x.shape[1], x.shape[2], h0.shape[1]
    rows = cs.shape[2] // n
    size, n_all = min(n_steps, steps_at_once(n)), n * rows
    # No gradient of rows that are made up.
    spare = scratch[piece]
    spare[: (size + 5) * n_all] = _ZERO
    given, spare = _cut(spare, size * n, rows)
    dh, spare = _cut(spare, n, rows)
    dh_before, spare = _cut(spare, n, rows)
    dc, spare = _cut(spare, n, rows)
    c_first, spare = _cut(spare, n, rows)
    none, spare = _cut(spare, n, rows)
    d, spare = _cut(spare, size * 4 * n, rows)
    d = d.reshape(size, 4 * n, rows)
    d_inputs, spare = _cut(spare, size * n_inputs, rows)
    factors, part, spare = _factors(x_drop, h_drop, n_inputs, n, rows, first, n_rows, spare)
    repeated, spare = _for_steps(factors, size, spare)
    dh_of_rows, spare = _cut(spare, rows, n)
    few = rows < ROWS and not factors.size
    by_states = spare[: count_in_panels(4 * n, n) if few else 0]
    if few:
        lanes_to_panels(by_states, recurrent[network : network + 1])
    spare = spare[by_states.size :]
    flat_dc, flat_c_first = dc.reshape(-1), c_first.reshape(-1)
    transpose(dh[:, :n_rows], dh_last[first:last])
    transpose(dc[:, :n_rows], dc_last[first:last])
    transpose(c_first[:, :n_rows], c0[first:last])
    added = d_weights[piece]
    added[:] = _ZERO
    for start in range((n_steps - 1) // size * size, -1, -size):
        n_now = min(size, n_steps - start)
        if dhs.size:
            source = _flat(dhs)[first:last, start * n : (start + n_now) * n]
            transpose(given[: n_now * n, :n_rows], source)
        for t in range(n_now - 1, -1, -1):
            come = given[t * n : (t + 1) * n] if dhs.size else none
            c_before = cs[piece, start + t - 1] if start + t else flat_c_first
            _go_back(
                d[t].reshape(-1), gates[piece, start + t], c_before, cs[piece, start + t],
                dh.reshape(-1), come.reshape(-1), flat_dc, dh_before.reshape(-1),
            )  # fmt: skip
            if mask.size:
                _stay_back(dh_before, dh, come, mask, first, n_rows, start + t)
            if few:  # as above
                dh_of_rows[:] = _ZERO
                add_product_by_panels(dh_of_rows, d[t].T, by_states)
                _add_transpose(dh_before, dh_of_rows)
            else:
                _add_back(dh_before, recurrent[network], d[t], factors, n_inputs, part)
            dh, dh_before = dh_before, dh
        if dx.size:
            d_inputs[:] = _ZERO
            for t in range(n_now):
                d_now = d_inputs[t * n_inputs : (t + 1) * n_inputs]
                _add_back(d_now, kernel[network], d[t], factors, 0, part)
            target = _flat(dx)[first:last, start * n_inputs : (start + n_now) * n_inputs]
            transpose(target, d_inputs[: n_now * n_inputs, :n_rows])
        _add_by_weights(added, x, hs, h0, repeated, d[:n_now], first, n_rows, start, spare)
    transpose(dh0[first:last], dh[:, :n_rows])
    transpose(dc0[first:last], dc[:, :n_rows])


@apart
def _go_back(d, gates, c_before, c, dh, come, dc, dh_before):
    """Take dc one step back, compute the gradients by the sums of the gates, and clear the next dh.

    The gradient by h is `dh` from the step after and `come` from outside.
    """
    n = c.size
    i, f, g, o = gates[:n], gates[n : 2 * n], gates[2 * n : 3 * n], gates[3 * n :]
    d_i, d_f, d_g, d_o = d[:n], d[n : 2 * n], d[2 * n : 3 * n], d[3 * n :]
    for k in range(n):
        i_k, f_k, g_k, o_k, h_k, t_k = i[k], f[k], g[k], o[k], dh[k] + come[k], _tanh(c[k])
        c_k = dc[k] + h_k * o_k * (_ONE - t_k * t_k)
        d_o[k] = h_k * t_k * o_k * (_ONE - o_k)
        d_i[k] = c_k * g_k * i_k * (_ONE - i_k)
        d_g[k] = c_k * i_k * (_ONE - g_k * g_k)
        d_f[k] = c_k * c_before[k] * f_k * (_ONE - f_k)
        dc[k] = c_k * f_k
        dh_before[k] = _ZERO


@apart
def _add_transpose(target, source):
    """Add the transpose of (rows, n) to (n, rows)."""
    for j in range(len(target)):
        for r in range(target.shape[1]):
            target[j, r] += source[r, j]


@apart
def _stay_back(dh_before, dh, come, mask, first, n_rows, t):
    """Where a step does not exist hand the gradient by h on."""
    for r in range(n_rows):
        if not mask[first + r, t]:
            for j in range(len(dh)):
                dh_before[j, r] = dh[j, r] + come[j, r]


@compiled
def _add_back(out, weights, d, factors, skipped, part):
    """Add the gradient by b (k, rows) of the sums of the gates, whose weights are (k, 4 * n)."""
    if not factors.size:
        add_product(out, weights, d)
        return
    k, flat = len(out), part[: out.size]
    for gate in range(4):
        flat[:] = _ZERO
        add_product(flat.reshape(out.shape), _quarter(weights.T, gate).T, _quarter(d, gate))
        of_gate = factors[gate, skipped : skipped + k].reshape(-1)
        _add_multiplied(out.reshape(-1), flat, of_gate)


@compiled
def _add_by_weights(added, x, hs, h0, factors, d, first, n_rows, start, spare):
    """Add what some steps of a piece give to the gradients of the weights."""
    n_now, width, rows = d.shape
    n_inputs, n, n_all = x.shape[2], h0.shape[1], n_now * rows
    last = first + n_rows
    read, spare = _cut(spare, n_inputs + n + 1, n_all)
    if n_rows < rows:
        read[:] = _ZERO
    for t in range(n_now):
        here = slice(t * rows, t * rows + n_rows)
        transpose(read[:n_inputs, here], x[first:last, start + t])
        if start + t:
            transpose(read[n_inputs:-1, here], hs[first:last, start + t - 1])
        else:
            transpose(read[n_inputs:-1, here], h0[first:last])
    read[-1] = _ONE
    if not factors.size:
        panels = spare[: count_in_panels(n_all, width)]
        lanes_to_panels(panels, d)
        add_product_by_panels(added, read, panels)
        return
    part, spare = _cut(spare, len(read), n_all)
    panels = spare[: count_in_panels(n_all, n)]
    for gate in range(4):
        for k in range(len(read)):
            _multiply(part[k], read[k], factors[gate, k])
        lanes_to_panels(panels, d[:, gate * n : (gate + 1) * n])
        add_product_by_panels(added[:, gate * n : (gate + 1) * n], part, panels)
