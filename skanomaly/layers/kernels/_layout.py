"""Shapes of what the kernel computes in, before its loops are called."""

from skanomaly.layers.kernels._numba import count_pieces, rows_per_piece, steps_at_once
from skanomaly.layers.kernels._numba_output import OUTPUTS_AT_ONCE

__all__ = ["layout", "output_layout"]


def layout(batch, n_steps, n_inputs, n, n_networks, train, dropped=False):
    """Give the shapes of what a call computes in and does not return.

    Parameters
    ----------
    batch, n_steps, n_inputs, n, n_networks : int
        Sizes of the arguments of ``forward``.
    train : bool
        Whether ``backward`` follows.
    dropped : bool, default=False
        Whether there are factors of dropout.

    Returns
    -------
    gates, cs, scratch : tuple of int
    """
    pieces, rows = count_pieces(batch, n_networks), rows_per_piece(batch, n_networks)
    at_once = min(n_steps, steps_at_once(n))
    n_kept = n_steps if train else at_once
    # The gradients of some steps, the states, and what these steps of all rows read.
    size = 4 * n * rows * steps_at_once(n) + 8 * n * rows + at_once * rows * max(n, n_inputs)
    # Or the gates of one row, weights by gate, and weights of a row or what it adds to gradients.
    spare = 4 * n * at_once + (4 * n * (n + max(n, n_inputs)) if dropped else 0)
    return (pieces, n_kept, 4 * n * rows), (pieces, n_kept, rows * n), (pieces, size + spare)


def output_layout(batch, n_outputs):
    """Give the shape of what the output layer computes in: (n_pieces, any)."""
    return count_pieces(batch, 1), OUTPUTS_AT_ONCE * n_outputs
