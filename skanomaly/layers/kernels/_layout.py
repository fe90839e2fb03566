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
    at_once, n_kept = min(n_steps, steps_at_once(n)), n_steps if train else 2
    # What is read and said, states c, biases in both orders, and weights turned.
    scratch = rows * (at_once * (n_inputs + n) + 10 * n) + count_in_panels(n_inputs + n, 4 * n)
    scratch += 5 * rows * (n_inputs + n + 1) if dropped else 0
    return (pieces, n_kept, 4 * n * rows), (pieces, n_kept, n * rows), (pieces, scratch)


def layout_of_backward(batch, n_steps, n_inputs, n, n_networks, dropped=False):
    """Give the shape of what ``backward`` computes in, likewise."""
    pieces, rows = count_pieces(batch, n_networks), rows_per_piece(batch, n_networks)
    at_once = min(n_steps, steps_at_once(n))
    # Gradients by what is said, read and summed, the latter in panels, too; states; what the
    # weights are multiplied by; and weights in panels.
    scratch = rows * (at_once * (6 * n + 2 * n_inputs + 1) + 6 * n)
    scratch += count_in_panels(at_once * rows, 4 * n) + count_in_panels(4 * n, n)
    # Factors, also those of some steps, and what is read with them by one gate.
    scratch += (5 + 5 * at_once) * rows * (n_inputs + n + 1) if dropped else 0
    return pieces, scratch


def output_layout(batch, n_outputs):
    """Give the shape of what the output layer computes in: (n_pieces, any)."""
    return count_pieces(batch, 1), OUTPUTS_AT_ONCE * n_outputs
