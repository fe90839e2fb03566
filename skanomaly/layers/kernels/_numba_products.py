"""Products of small matrices as Numba loops, and what else is done with whole rows.

See :mod:`._numba` for what holds of all loops.
"""

import numpy as np

from skanomaly.layers.kernels._compile import apart, compiled, inlined, summing
from skanomaly.layers.kernels._tiles import COLUMNS, PANEL, add_tiles, turn_4, turn_8

__all__ = [
    "add_product",
    "add_product_by_panels",
    "add_product_of_rows",
    "add_rows",
    "copy",
    "copy_to_rows",
    "count_in_panels",
    "lanes_to_panels",
    "sum_products",
    "sum_products_by_panels",
    "to_panels",
    "transpose",
]

_ZERO = np.float32(0.0)


@apart
def add_product(out, a, b):
    """Add the product of (rows, k) and (k, m) to `out` (rows, m); `a` may be a transpose."""
    n_rows, n = a.shape
    m = b.shape[1]
    place = out.ctypes.data
    add_tiles(
        m, 4 * PANEL, n_rows, place, place, out.strides[0], b.strides[0],
        a.ctypes.data, a.strides[1], a.strides[0], b.ctypes.data, n, 0, 0, 0, 0, 0,
    )  # fmt: skip
    for r in range(n_rows):
        for j in range(m - m % COLUMNS, m):
            total = out[r, j]
            for k in range(n):
                total += a[r, k] * b[k, j]
            out[r, j] = total


@apart
def sum_products(out, before, a1, b1, a2, b2):
    """Compute before + a1 @ b1 + a2 @ b2, of columns in fours; a1 and a2 may be transposes."""
    add_tiles(
        out.shape[1], 4 * PANEL, len(out), out.ctypes.data, before.ctypes.data, out.strides[0],
        b1.strides[0], a1.ctypes.data, a1.strides[1], a1.strides[0], b1.ctypes.data, len(b1),
        a2.ctypes.data, a2.strides[1], a2.strides[0], b2.ctypes.data, len(b2),
    )  # fmt: skip


@apart
def sum_products_by_panels(out, before, a1, a2, panels):
    """Do the same with b1 and b2, one below the other, in panels."""
    n1, n2, step, place = a1.shape[1], a2.shape[1], 4 * PANEL, panels.ctypes.data
    add_tiles(
        out.shape[1], step * (n1 + n2), len(out), out.ctypes.data, before.ctypes.data,
        out.strides[0], step, a1.ctypes.data, a1.strides[1], a1.strides[0], place, n1,
        a2.ctypes.data, a2.strides[1], a2.strides[0], place + n1 * step, n2,
    )  # fmt: skip


# Rows of a wide matrix compete for the same places of the first-level cache where some columns of
# many are needed. In panels these columns stand together.


@compiled
def count_in_panels(n_rows, m):
    """Count the numbers of a matrix in panels."""
    return -(-m // PANEL) * PANEL * n_rows


@apart
def transpose(target, source):
    """Copy the transpose of (n, m) to `target` (m, n), each with its rows in one piece."""
    n, m = source.shape
    to, by, at, step = (
        target.ctypes.data, target.strides[0], source.ctypes.data, source.strides[0]
    )  # fmt: skip
    i = 0
    while i + 4 <= n:
        j = 0
        if i + 8 <= n:
            while j + 8 <= m:
                turn_8(to + j * by + 4 * i, by, at + i * step + 4 * j, step)
                j += 8
        size = 8 if i + 8 <= n else 4
        while j + 4 <= m:
            turn_4(to + j * by + 4 * i, by, at + i * step + 4 * j, step)
            if size == 8:
                turn_4(to + j * by + 4 * i + 16, by, at + (i + 4) * step + 4 * j, step)
            j += 4
        for k in range(i, i + size):
            for last in range(j, m):
                target[last, k] = source[k, last]
        i += size
    for k in range(i, n):
        for j in range(m):
            target[j, k] = source[k, j]


@apart
def to_panels(panels, first, second):
    """Copy two matrices of equal rows, one below the other, to a vector of panels."""
    n_first, m = first.shape
    n = n_first + len(second)
    for start in range(0, m, PANEL):
        width = min(PANEL, m - start)
        panel = panels[start * n : (start + PANEL) * n].reshape(n, PANEL)
        for k in range(n):
            for j in range(width):
                above = k < n_first
                panel[k, j] = first[k, start + j] if above else second[k - n_first, start + j]


@apart
def lanes_to_panels(panels, source):
    """Copy (steps, m, rows) to a vector of panels: of a matrix (steps * rows, m)."""
    n_steps, m, rows = source.shape
    n = n_steps * rows
    for j in range(0, m, PANEL):
        width = min(PANEL, m - j)
        panel = panels[j * n : (j + PANEL) * n].reshape(n, PANEL)
        for t in range(n_steps):
            transpose(panel[t * rows : (t + 1) * rows, :width], source[t, j : j + width])


@apart
def add_product_by_panels(out, a, panels):
    """Do as :func:`add_product` with b in panels."""
    n_rows, n = a.shape
    place = out.ctypes.data
    add_tiles(
        out.shape[1], 4 * PANEL * n, n_rows, place, place, out.strides[0], 4 * PANEL,
        a.ctypes.data, a.strides[1], a.strides[0], panels.ctypes.data, n, 0, 0, 0, 0, 0,
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
