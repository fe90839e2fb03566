"""Shapes of what the kernel computes in, before its loops are called."""

from skanomaly.layers.kernels._numba import count_pieces, rows_per_piece, steps_at_once
from skanomaly.layers.kernels._numba_output import OUTPUTS_AT_ONCE

__all__ = ["layout", "output_layout"]


def layout(batch, n_steps, n, n_networks, train, n_dropped=None):
    """Give the shapes of what a call computes in and does not return.

    The gates of a row have room for one step more than there are, lest rows compete for the same
    places of the first-level cache.

    Parameters
    ----------
    batch, n_steps, n, n_networks : int
        Sizes of the arguments of ``forward``.
    train : bool
        Whether ``backward`` follows.
    n_dropped : int or None, default=None
        The number of inputs where there are factors of dropout.

    Returns
    -------
    gates, cs, scratch : tuple of int
    """
    pieces, rows = count_pieces(batch, n_networks), rows_per_piece(batch, n_networks)
    n_kept = n_steps if train else min(n_steps, steps_at_once(n))
    # Weights by gate, and weights of a row or what it adds to their gradients.
    spare = 0 if n_dropped is None else 4 * n * (n + max(n, n_dropped))
    return (
        (pieces, rows, 4 * n * (n_kept + 1)),
        (pieces, n_kept, rows * n),
        (pieces, rows * (4 * n * (steps_at_once(n) + 1) + 8 * n) + spare),
    )


def output_layout(batch, n_outputs):
    """Give the shape of what the output layer computes in: (n_pieces, any)."""
    return count_pieces(batch, 1), OUTPUTS_AT_ONCE * n_outputs
