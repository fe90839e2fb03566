"""The loops as C functions of two words, which XLA's threads call: a table of arrays, and a piece.

A table of int64 words tells where arrays are: of each the address and three sizes.
"""

import numpy as np

from skanomaly.layers.kernels._compile import carray, inlined, pointer
from skanomaly.layers.kernels._numba import backward, forward
from skanomaly.layers.kernels._numba_output import output_errors, output_loss

__all__ = [
    "WORDS_PER_ARRAY",
    "backward_piece",
    "forward_piece",
    "output_errors_piece",
    "output_loss_piece",
]

WORDS_PER_ARRAY = 4


@inlined
def _words(table, k):
    return carray(pointer(table + 8 * WORDS_PER_ARRAY * k), WORDS_PER_ARRAY, np.int64)


@inlined
def _floats(table, k):
    words = _words(table, k)
    return carray(pointer(words[0]), (words[1], words[2], words[3]), np.float32)


@inlined
def _rows_of_floats(table, k):
    words = _words(table, k)
    return carray(pointer(words[0]), (words[1], words[2]), np.float32)


@inlined
def _mask(table, k):
    words = _words(table, k)
    return carray(pointer(words[0]), (words[1], words[2]), np.bool_)


def forward_piece(table, piece):
    """Call :func:`forward` on arrays in a table, in the order of its arguments."""
    forward(
        _floats(table, 0), _mask(table, 1), _floats(table, 2), _floats(table, 3),
        _rows_of_floats(table, 4), _rows_of_floats(table, 5), _rows_of_floats(table, 6),
        _rows_of_floats(table, 7), _rows_of_floats(table, 8),
        _floats(table, 9), _floats(table, 10), _floats(table, 11),
        _rows_of_floats(table, 12), _rows_of_floats(table, 13), _rows_of_floats(table, 14),
        piece,
    )  # fmt: skip


def backward_piece(table, piece):
    """Call :func:`backward` on arrays in a table, likewise."""
    backward(
        _floats(table, 0), _mask(table, 1), _floats(table, 2), _floats(table, 3),
        _rows_of_floats(table, 4), _rows_of_floats(table, 5),
        _rows_of_floats(table, 6), _rows_of_floats(table, 7),
        _floats(table, 8), _floats(table, 9), _floats(table, 10), _floats(table, 11),
        _rows_of_floats(table, 12), _rows_of_floats(table, 13), _floats(table, 14),
        _rows_of_floats(table, 15), _rows_of_floats(table, 16), _floats(table, 17),
        _rows_of_floats(table, 18), piece,
    )  # fmt: skip


def output_errors_piece(table, piece):
    """Call :func:`output_errors` on arrays in a table, likewise."""
    output_errors(
        _floats(table, 0), _floats(table, 1), _floats(table, 2), _rows_of_floats(table, 3),
        _floats(table, 4), _rows_of_floats(table, 5), _rows_of_floats(table, 6), piece,
    )  # fmt: skip


def output_loss_piece(table, piece):
    """Call :func:`output_loss` on arrays in a table, likewise."""
    output_loss(
        _floats(table, 0), _floats(table, 1), _floats(table, 2), _rows_of_floats(table, 3),
        _rows_of_floats(table, 4), _floats(table, 5), _rows_of_floats(table, 6),
        _rows_of_floats(table, 7), _floats(table, 8), _rows_of_floats(table, 9), piece,
    )  # fmt: skip
