"""Products of small matrices as Numba loops, and what else is done with whole rows.

See :mod:`._numba` for what holds of all loops.
"""

import numpy as np

from skanomaly.layers.kernels._compile import apart, compiled, inlined, summing
from skanomaly.layers.kernels._tiles import COLUMNS, PANEL, add_tiles

__all__ = [
    "add_product",
    "add_product_by_panels",
    "add_product_of_rows",
    "add_rows",
    "copy",
    "copy_to_rows",
    "count_in_panels",
    "to_panels",
]

_ZERO = np.float32(0.0)


@apart
def add_product(out, a, b):
    """Add the product of (rows, k) and (k, m) to `out` (rows, m); `a` may be a transpose."""
    n_rows, n = a.shape
    m = b.shape[1]
    add_tiles(
        out.ctypes.data, out.strides[0], n_rows, m,
        a.ctypes.data, a.strides[1], a.strides[0], b.ctypes.data, b.strides[0], 4 * PANEL, n,
    )  # fmt: skip
    for r in range(n_rows):
        for j in range(m - m % COLUMNS, m):
            total = out[r, j]
            for k in range(n):
                total += a[r, k] * b[k, j]
            out[r, j] = total


# Rows of a wide matrix compete for the same places of the first-level cache where some columns of
# many are needed. In panels these columns stand together.


@compiled
def count_in_panels(n_rows, m):
    """Count the numbers of a matrix in panels."""
    return -(-m // PANEL) * PANEL * n_rows


@apart
def to_panels(spare, source):
    """Copy a matrix (rows, m), or a transpose, to a vector, some columns after the other."""
    n_rows, m = source.shape
    for first in range(0, m, PANEL):
        width = min(PANEL, m - first)
        for k in range(n_rows):
            for j in range(width):
                spare[first * n_rows + k * PANEL + j] = source[k, first + j]


@apart
def add_product_by_panels(out, a, panels):
    """Do as :func:`add_product` with b in panels."""
    n_rows, n = a.shape
    add_tiles(
        out.ctypes.data, out.strides[0], n_rows, out.shape[1],
        a.ctypes.data, a.strides[1], a.strides[0],
        panels.ctypes.data, 4 * PANEL, 4 * PANEL * n, n,
    )  # fmt: skip
    m = out.shape[1]
    for r in range(n_rows):
        for j in range(m - m % COLUMNS, m):
            place = (j - j % PANEL) * n + j % PANEL
            total = out[r, j]
            for k in range(n):
                total += a[r, k] * panels[place + k * PANEL]
            out[r, j] = total


@summing
def add_product_of_rows(out, a, b):
    """Add the product of (rows, k) and the transpose of (m, k) to `out` (rows, m).

    Four rows meet two at a time: eight sums and what they need fit into the 16 vector registers of
    processors without AVX-512.
    """
    n_rows, m = out.shape
    n = a.shape[1]
    for r in range(0, n_rows - 3, 4):
        for j in range(0, m - 1, 2):
            s00 = s01 = s10 = s11 = s20 = s21 = s30 = s31 = _ZERO
            for k in range(n):
                a0, a1, a2, a3 = a[r, k], a[r + 1, k], a[r + 2, k], a[r + 3, k]
                b0, b1 = b[j, k], b[j + 1, k]
                s00, s01 = s00 + a0 * b0, s01 + a0 * b1
                s10, s11 = s10 + a1 * b0, s11 + a1 * b1
                s20, s21 = s20 + a2 * b0, s21 + a2 * b1
                s30, s31 = s30 + a3 * b0, s31 + a3 * b1
            _add_two(out[r], j, s00, s01)
            _add_two(out[r + 1], j, s10, s11)
            _add_two(out[r + 2], j, s20, s21)
            _add_two(out[r + 3], j, s30, s31)
        if m % 2:
            for r1 in range(r, r + 4):
                total = _ZERO
                for k in range(n):
                    total += a[r1, k] * b[m - 1, k]
                out[r1, m - 1] += total
    for r in range(n_rows - n_rows % 4, n_rows):
        for j in range(m):
            total = _ZERO
            for k in range(n):
                total += a[r, k] * b[j, k]
            out[r, j] += total


@inlined
def _add_two(out, j, s0, s1):
    out[j] += s0
    out[j + 1] += s1


# Rows are copied one by one: to assign an array to a slice makes Numba compile the making of error
# messages, which takes as long as all the rest.


@apart
def copy(target, source):
    """Copy a vector."""
    for j in range(target.size):
        target[j] = source[j]


# What is done with all rows is one call: a call takes as long as to copy a few values.


@apart
def copy_to_rows(target, source):
    """Copy a vector to all rows of an array."""
    for r in range(len(target)):
        for j in range(source.size):
            target[r, j] = source[j]


@apart
def add_rows(target, source):
    """Add all rows of an array to a vector."""
    for r in range(len(source)):
        for j in range(target.size):
            target[j] += source[r, j]
