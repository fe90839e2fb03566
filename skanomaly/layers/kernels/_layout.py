"""Shapes of what the kernel computes in, before its loops are called."""

from skanomaly.layers.kernels._numba import count_pieces, rows_per_piece, steps_at_once
from skanomaly.layers.kernels._numba_output import OUTPUTS_AT_ONCE
from skanomaly.layers.kernels._numba_products import count_in_panels

__all__ = ["layout", "layout_of_backward", "output_layout"]


def layout(batch, n_steps, n_inputs, n, n_networks, train, dropped=False):
    """Give the shapes of what a call of ``forward`` computes in and does not return.

    Parameters
    ----------
    batch, n_steps, n_inputs, n, n_networks : int
        Sizes of its arguments.
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
    # States and scales, the weights in panels, and what is read.
    scratch = 7 * n * rows + count_in_panels(n_inputs + n, 4 * n)
    scratch += _spare(at_once, rows, n_inputs, n, dropped)
    return (pieces, n_kept, 4 * n * rows), (pieces, n_kept, n * rows), (pieces, scratch)


def layout_of_backward(batch, n_steps, n_inputs, n, n_networks, dropped=False):
    """Give the shape of what ``backward`` computes in, likewise."""
    pieces, rows = count_pieces(batch, n_networks), rows_per_piece(batch, n_networks)
    at_once = min(n_steps, steps_at_once(n))
    # Gradients of some steps and of the states, the former in panels, too; weights in panels; and
    # what these steps read.
    scratch = 4 * n * rows * (at_once + 1) + count_in_panels(at_once * rows, 4 * n)
    scratch += count_in_panels(4 * n, n) + count_in_panels(4 * n, n_inputs)
    return pieces, scratch + _spare(at_once, rows, n_inputs, n, dropped)


def _spare(n_steps, rows, n_inputs, n, dropped):
    """Count what some steps of all rows read, or the gates of one row and what dropout needs."""
    wide = max(n, n_inputs)
    # Weights by gate, and weights of a row or what it adds to their gradients.
    weights = 4 * n * (n + wide) if dropped else 0
    return max(n_steps * rows * wide, 4 * n * n_steps + weights)


def output_layout(batch, n_outputs):
    """Give the shape of what the output layer computes in: (n_pieces, any)."""
    return count_pieces(batch, 1), OUTPUTS_AT_ONCE * n_outputs
