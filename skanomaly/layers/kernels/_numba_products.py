"""Products of small matrices as Numba loops, and what else is done with whole rows.

See :mod:`._numba` for what holds of all loops. A number loaded is used four times, or twice; more
sums at once do not fit into the 16 vector registers of processors without AVX-512.
"""

import numpy as np

from skanomaly.layers.kernels._compile import apart, inlined, summing

__all__ = [
    "add_product",
    "add_product_of_rows",
    "add_product_over_rows",
    "add_rows",
    "copy",
    "copy_to_rows",
]

_ZERO = np.float32(0.0)


@apart
def add_product(out, t, a, b):
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
def add_product_of_rows(out, a, t, b):
    """Add the product of step t of (rows, time, k) and the transpose of (m, k) to `out`.

    Four rows meet two at a time: eight sums and what they need fit into the 16 vector registers of
    processors without AVX-512.
    """
    n_rows, m = out.shape
    n_inner = a.shape[2]
    for r in range(0, n_rows - 3, 4):
        for j in range(0, m - 1, 2):
            s00 = s01 = s10 = s11 = s20 = s21 = s30 = s31 = _ZERO
            for k in range(n_inner):
                a0, a1, a2, a3 = a[r, t, k], a[r + 1, t, k], a[r + 2, t, k], a[r + 3, t, k]
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
                for k in range(n_inner):
                    total += a[r1, t, k] * b[m - 1, k]
                out[r1, m - 1] += total
    for r in range(n_rows - n_rows % 4, n_rows):
        for j in range(m):
            total = _ZERO
            for k in range(n_inner):
                total += a[r, t, k] * b[j, k]
            out[r, j] += total


@inlined
def _add_two(out, j, s0, s1):
    out[j] += s0
    out[j + 1] += s1


@apart
def add_product_over_rows(out, a, b):
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
