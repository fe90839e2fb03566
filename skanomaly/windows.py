"""Windows over series, gathered batch by batch, and the way back to time steps.

Windows start every `stride` steps; one more, flush with the end, is added when the last would stop
short of it, so that every time step is covered. Here 8 steps, a window of 4 and a stride of 3::

    step       0  1  2  3  4  5  6  7
    window 0   #  #  #  #
    window 1            #  #  #  #
    window 2               #  #  #  #        flush with the end
    covered    1  1  1  2  2  2  2  1

Near the edges fewer windows cover a step than in the middle, but never none: with a stride of 1 the
first step and the last are covered by one window, the second by two, and so on up to `window_size`.
A series shorter than the window is one window, padded at its end; a mask says which steps exist.
Values that were not observed stay NaN in the windows. Nothing is copied before it is asked for, so
that the series may be on disk.
"""

import math
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

__all__ = ["Reach", "Windows", "carry_forward", "fill_gaps"]

# Windows on disk are read at one go if they fill at least this share of what lies between them.
_DENSE = 0.25
# Bytes of a window from which on a call to copy it costs little beside the copy.
_LONG_WINDOW = 2**13
_ALIGNMENT = 64


@dataclass(frozen=True)
class Reach:
    """How far what is said of a time step depends on the steps around it.

    What is said of the steps `first` to `stop` of a series is the same, bit for bit, when a piece
    of the series is all there is, provided that the piece

    - starts with the series, or at a multiple of `align` at least ``before + seeds`` steps before
      `first`, its first `seeds` steps being replaced by the values last observed until then,
    - ends with the series, or at least `after` steps after `stop`, and
    - has at least `shortest` steps, if the series has.

    Parameters
    ----------
    before, after : int, default=0
        Steps on either side.
    align : int, default=1
        Distance of windows, for example; a multiple of `lag`.
    shortest : int, default=1
        Least number of steps, as of one window.
    carried : int, default=0
        How many of the values observed last matter, however long ago: 0 where a gap is forgotten
        after `before` steps.
    lag : int, default=1
        Every lag-th step has a memory of its own.
    opened : bool, default=False
        Whether, for the first `seeds` steps of a series, what was not observed counts as the value
        observed before it.
    ahead : int, default=0
        Where nothing was observed before a step, the next value at least so many steps later is
        looked for, however late it comes; at most `after`.
    """

    before: int = 0
    after: int = 0
    align: int = 1
    shortest: int = 1
    carried: int = 0
    lag: int = 1
    opened: bool = False
    ahead: int = 0

    @property
    def seeds(self):
        """Return how many steps hold the values observed last."""
        return self.carried * self.lag

    def extended(self, before, after):
        """Return the reach of an average over so many steps on either side."""
        return replace(self, before=self.before + before, after=self.after + after)

    def joined(self, other):
        """Return the reach of what depends on both; of two that carry, the lag must be the same."""
        return Reach(
            before=max(self.before, other.before),
            after=max(self.after, other.after),
            align=math.lcm(self.align, other.align),
            shortest=max(self.shortest, other.shortest),
            carried=max(self.carried, other.carried),
            lag=max(self.lag, other.lag),
            opened=self.opened or other.opened,
            ahead=max(self.ahead, other.ahead),
        )


@dataclass(frozen=True)
class Windows:
    """The windows of a set of series, numbered in order; nothing is copied until gathered.

    Parameters
    ----------
    sequences : skanomaly.sequences.Sequences
        The series.
    window_size : int or None
        Time steps per window. None takes every series as one window of its own length.
    stride : int, default=1
        Time steps between the starts of neighbouring windows, at most window_size.
    """

    sequences: object
    window_size: int | None
    stride: int = 1

    @cached_property
    def _size(self):
        """Time steps of the longest window there may be."""
        return int(self.sequences.lengths.max()) if self.window_size is None else self.window_size

    @cached_property
    def _first(self):
        """Number of the first window of each series, and the total: (n_series + 1,)."""
        room = np.maximum(self.sequences.lengths - self._size, 0)
        counts = -(-room // self.stride) + 1
        return np.concatenate([[0], np.cumsum(counts)])

    def __len__(self):
        """Return the number of windows."""
        return int(self._first[-1])

    @property
    def padded(self):
        """Tell whether any series is shorter than the window."""
        return bool(self.sequences.lengths.min() < self._size)

    def locate(self, numbers):
        """Return first step and length of the windows with the given numbers: (n,), (n,)."""
        series = np.searchsorted(self._first, numbers, side="right") - 1
        offsets = self.sequences.offsets
        lengths = np.minimum(offsets[series + 1] - offsets[series], self._size)
        starts = offsets[series] + (numbers - self._first[series]) * self.stride
        return np.minimum(starts, offsets[series + 1] - lengths), lengths

    def gather(self, numbers, size=None, n_rows=None):
        """Copy the windows with the given numbers out of the series.

        Parameters
        ----------
        numbers : ndarray of shape (n_windows,)
            Which windows.
        size : int or None, default=None
            Time steps to pad the windows to; None is that of the longest there may be.
        n_rows : int or None, default=None
            Rows to pad the windows with, up to so many; None adds none.

        Returns
        -------
        x : ndarray of shape (n_rows, size, n_features)
            Zero after the end of a series that is shorter than the window, and in rows that are
            no window.
        mask : ndarray of bool, shape (n_rows, size)
            True where the step exists.
        """
        return self.gather_at(*self.locate(np.asarray(numbers)), size, n_rows)

    def gather_at(self, starts, lengths, size=None, n_rows=None):
        """Copy the windows with the given first steps and lengths likewise."""
        size = size or self._size
        n_rows, dtype = n_rows or len(starts), self.sequences.dtype
        if isinstance(self.sequences.values, np.ndarray):
            return cut(self.sequences.values, starts, lengths, (n_rows, size), dtype)
        first, stop = int(starts.min()), int((starts + lengths).max())
        if lengths.sum() >= _DENSE * (stop - first):
            rows = self.sequences.read(first, stop)
            return cut(rows, starts - first, lengths, (n_rows, size), dtype)
        x = np.zeros((n_rows, size, self.sequences.n_features), dtype)
        for i, (start, length) in enumerate(zip(starts, lengths, strict=True)):
            x[i, :length] = self.sequences.read(int(start), int(start + length))
        return x, _existing(lengths, n_rows, size)

    def load(self, starts, lengths):
        """Read runs of windows: those from number starts[i] to starts[i] + lengths[i] - 1.

        Returns
        -------
        loaded : Loaded
            From which they are gathered without further reading.
        """
        first, _ = self.locate(starts)
        last, length = self.locate(starts + lengths - 1)
        spans = list(zip(first, last + length, strict=True))
        rows = [self.sequences.read(int(a), int(b)) for a, b in spans]
        return Loaded(self, starts, first, rows)


class Loaded:
    """Runs of windows read from disk.

    Parameters
    ----------
    windows : Windows
        All windows.
    numbers : ndarray of shape (n_runs,)
        Number of the first window of each run.
    steps : ndarray of shape (n_runs,)
        First time step of each run.
    rows : list of ndarray of shape (n_rows, n_features)
        Time steps of each run.
    """

    def __init__(self, windows, numbers, steps, rows):
        self._windows = windows
        self._order = np.argsort(numbers)
        self._numbers = numbers[self._order]
        places = np.concatenate([[0], np.cumsum([len(part) for part in rows])[:-1]])
        self._shift = (places - steps)[self._order]
        self._rows = np.concatenate(rows)

    def gather(self, numbers, size=None):
        """Copy windows as :meth:`Windows.gather` does."""
        starts, lengths = self._windows.locate(numbers)
        run = np.searchsorted(self._numbers, numbers, side="right") - 1
        shape = len(numbers), size or self._windows._size
        return cut(self._rows, starts + self._shift[run], lengths, shape, self._rows.dtype)


def cut(rows, starts, lengths, shape, dtype):
    """Copy windows out of rows: (n_rows, size, n_features), and which steps exist."""
    n, (n_rows, size) = len(starts), shape
    x = _aligned((n_rows, size, rows.shape[1]), dtype)
    x[n:] = 0
    mask = _existing(lengths, n_rows, size)
    if lengths.min() < size:
        position = np.arange(size)
        steps = starts[:, None] + np.minimum(position, lengths[:, None] - 1)
        x[:n] = np.take(rows, steps, axis=0)
        x[~mask] = 0
    elif x[0].nbytes < _LONG_WINDOW:
        # Each window is one run of memory.
        rows = np.ascontiguousarray(rows)
        shape = len(rows) - size + 1, size * rows.shape[1]
        runs = np.ndarray(shape, rows.dtype, rows, strides=(rows.strides[0], rows.itemsize))
        x[:n].reshape(n, -1)[:] = runs[starts]
    else:  # one by one: each is copied once
        for window, start in zip(x, starts, strict=False):
            window[:] = rows[start : start + size]
    return x, mask


def _existing(lengths, n_rows, size):
    """Tell which steps of windows exist, and that those of further rows do not."""
    if len(lengths) == n_rows and lengths.min() == size:
        return np.ones((n_rows, size), dtype=bool)
    return np.arange(size) < np.append(lengths, np.zeros(n_rows - len(lengths), int))[:, None]


def _aligned(shape, dtype):
    """Allocate memory that starts at a multiple of 64 bytes, which JAX can use without a copy."""
    n_bytes = math.prod(shape) * np.dtype(dtype).itemsize
    memory = np.empty(n_bytes + _ALIGNMENT, np.uint8)
    first = -memory.ctypes.data % _ALIGNMENT
    return memory[first : first + n_bytes].view(dtype).reshape(shape)


def carry_forward(x):
    """Replace NaN by the last value before it: (..., n_timesteps, n_features), NaN where none."""
    position = np.arange(x.shape[-2])[:, None]
    source = np.maximum.accumulate(np.where(np.isnan(x), 0, position), axis=-2)
    return np.take_along_axis(x, source, axis=-2)


def fill_gaps(x, causal=False):
    """Replace NaN by the last value before it in the same window, else by the first after it.

    Parameters
    ----------
    x : ndarray of shape (n_windows, window_size, n_features)
        Windows; the same array comes back when nothing is missing.
    causal : bool, default=False
        Never look after a gap: what no value comes before is zero.

    Returns
    -------
    x : ndarray of shape (n_windows, window_size, n_features)
        Zero where a feature has no value in the whole window.
    """
    if not np.isnan(x.min()):  # which is NaN if any is, and quicker than looking for one
        return x
    x = carry_forward(x)
    if not causal:
        x = carry_forward(x[:, ::-1])[:, ::-1]
    return np.nan_to_num(x, nan=0.0)
