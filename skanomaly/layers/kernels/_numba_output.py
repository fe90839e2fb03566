"""The output layer, its errors and loss as Numba loops, for some rows of a batch.

See :mod:`._numba` for what holds of all loops.
"""

import numpy as np

from skanomaly.layers.kernels._compile import compiled, inlined, summing
from skanomaly.layers.kernels._numba import rows_of_piece
from skanomaly.layers.kernels._numba_products import (
    add_product,
    add_product_of_rows,
    add_rows,
    copy_to_rows,
)

__all__ = ["OUTPUTS_AT_ONCE", "output_errors", "output_loss"]

# Steps whose outputs are computed together.
OUTPUTS_AT_ONCE = 32
_ZERO = np.float32(0.0)
_ONE = np.float32(1.0)


@summing
def _compare(said, x, count):
    """Return the loss of a step, and turn what was said into the gradient by it."""
    total = _ZERO
    for j in range(x.size):
        error = said[j] - x[j]
        total += error * error
        said[j] = (count + count) * error
    return count * total


@summing
def _sum_squares(said, x, totals, counts):
    """Sum the squared errors of steps (n_steps, n) over what is known, and count how much is."""
    for t in range(len(x)):
        total, n_known = _ZERO, _ZERO
        for j in range(x.shape[1]):
            known = x[t, j] == x[t, j]
            error = said[t, j] - x[t, j] if known else _ZERO
            total += error * error
            n_known += _ONE if known else _ZERO
        totals[t], counts[t] = total, n_known


@inlined
def _speak(said, read, weights, bias):
    """Compute the outputs (n_steps, n_outputs) of a layer that reads (n_steps, n)."""
    copy_to_rows(said, bias)
    if said.shape[1] >= read.shape[1]:
        add_product(said, read, weights)
    else:
        add_product_of_rows(said, read, weights)


@compiled
def output_errors(h, x, weights, bias, said, totals, counts, piece):
    """Compute the outputs of a dense layer and their errors, for the rows of a piece.

    Parameters
    ----------
    h, x, weights, bias
        As for :func:`output_loss`; x may have NaN.
    said : ndarray of float32, shape (batch, time, n_outputs)
        Written: the outputs.
    totals, counts : ndarray of float32, shape (batch, time)
        Written: the sum of the squared errors over the values of x that are not NaN, and how
        many these are.
    piece
        As in :func:`._numba.forward`.
    """
    _, first, n_rows = rows_of_piece(piece, h.shape[0], 1)
    n_steps = h.shape[1]
    for row in range(first, first + n_rows):
        for start in range(0, n_steps, OUTPUTS_AT_ONCE):
            stop = min(start + OUTPUTS_AT_ONCE, n_steps)
            _speak(said[row, start:stop], h[row, start:stop], weights[0], bias[0])
            part = slice(start, stop)
            _sum_squares(said[row, part], x[row, part], totals[row, part], counts[row, part])


@compiled
def output_loss(h, x, weights, bias, counts, dh, losses, d_bias, d_weights, scratch, piece):
    """Compare the outputs of a dense layer with x, for the rows of a piece.

    Outputs never leave the first-level cache: errors and gradients are taken where they are
    made.

    Parameters
    ----------
    h : ndarray of float32, shape (batch, time, n)
        What the layer reads.
    x : ndarray of float32, shape (batch, time, n_outputs)
        What it should say.
    weights : ndarray of float32, shape (1, n, n_outputs) or (1, n_outputs, n)
        Its weights, transposed where n_outputs is below n, as inner loops are long then.
    bias, counts : ndarray of float32, shapes (1, n_outputs) and (batch, time)
        Its biases, and how much each step counts.
    dh : ndarray of float32, shape (batch, time, n) or (0, 0, 0)
        Written: the gradient by h; without elements no gradient is computed.
    losses, d_bias, d_weights : ndarray of float32, shape (n_pieces, ...)
        Written, of each piece: the sum of the squared errors, times what their steps count; and
        what it adds to the gradients. The shapes are (n_pieces, 1), and those of bias and
        weights.
    scratch, piece
        As in :func:`._numba.forward`.
    """
    _, first, n_rows = rows_of_piece(piece, h.shape[0], 1)
    n_steps, n, n_outputs = h.shape[1], h.shape[2], x.shape[2]
    block = scratch[piece].reshape(OUTPUTS_AT_ONCE, n_outputs)
    d_weights[piece, :] = _ZERO
    d_bias[piece, :] = _ZERO
    total = 0.0
    for row in range(first, first + n_rows):
        for start in range(0, n_steps, OUTPUTS_AT_ONCE):
            n_now = min(OUTPUTS_AT_ONCE, n_steps - start)
            read, said = h[row, start : start + n_now], block[:n_now]
            _speak(said, read, weights[0], bias[0])
            for t in range(n_now):
                total += _compare(said[t], x[row, start + t], counts[row, start + t])
            if not dh.size:
                continue
            add_rows(d_bias[piece], said)
            part = dh[row, start : start + n_now]
            part[:] = _ZERO
            if n_outputs >= n:
                add_product(d_weights[piece], read.T, said)
                add_product_of_rows(part, said, weights[0])
            else:
                add_product(d_weights[piece], said.T, read)
                add_product(part, said, weights[0])
    losses[piece, 0] = total
