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
What a window says about a step becomes one value by `aggregation`, over the windows that cover it
and nothing else:

========  ==================================================================================
mean      their mean
median    their median
min       the smallest: an error must be seen by every window
max       the largest: an error need be seen by one window only
last      the window in which the step stands latest. With a stride of 1 that is the window
          that ends at the step, so nothing after the step is used (causal), except for the
          first ``window_size - 1`` steps, which only the first window can tell about
========  ==================================================================================

A series shorter than the window is one window, padded at its end; a mask says which steps exist.
Values that were not observed stay NaN in the windows, and in what is aggregated from them.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

__all__ = ["AGGREGATIONS", "Windows", "aggregate", "carry_forward", "fill_gaps"]

AGGREGATIONS = ("mean", "median", "min", "max", "last")


@dataclass(frozen=True)
class Windows:
    """The windows of a set of series, numbered in order; nothing is copied until gathered.

    Parameters
    ----------
    sequences : skanomaly.sequences.Sequences
        The series.
    window_size : int
        Time steps per window.
    stride : int
        Time steps between the starts of neighbouring windows, at most window_size.
    """

    sequences: object
    window_size: int
    stride: int

    @cached_property
    def _first(self):
        """Number of the first window of each series, and the total: (n_series + 1,)."""
        room = np.maximum(self.sequences.lengths - self.window_size, 0)
        counts = -(-room // self.stride) + 1
        return np.concatenate([[0], np.cumsum(counts)])

    def __len__(self):
        """Return the number of windows."""
        return int(self._first[-1])

    @property
    def n_values(self):
        """Return the number of observed values in all windows together, padding left out."""
        starts, lengths = self.locate(np.arange(len(self)))
        if not self.sequences.missing:
            return int(lengths.sum()) * self.sequences.n_features
        change = np.zeros(len(self.sequences.values) + 1, dtype=np.int64)
        np.add.at(change, starts, 1)
        np.add.at(change, starts + lengths, -1)
        coverage = np.cumsum(change[:-1])
        return int(coverage @ np.isfinite(self.sequences.values).sum(axis=1))

    @property
    def padded(self):
        """Tell whether any series is shorter than the window."""
        return bool(self.sequences.lengths.min() < self.window_size)

    def locate(self, numbers):
        """Return first step and length of the windows with the given numbers: (n,), (n,)."""
        series = np.searchsorted(self._first, numbers, side="right") - 1
        offsets = self.sequences.offsets
        lengths = np.minimum(offsets[series + 1] - offsets[series], self.window_size)
        starts = offsets[series] + (numbers - self._first[series]) * self.stride
        return np.minimum(starts, offsets[series + 1] - lengths), lengths

    def gather(self, numbers):
        """Copy the windows with the given numbers out of the series.

        Returns
        -------
        x : ndarray of shape (n_windows, window_size, n_features)
            Zero after the end of a series that is shorter than the window.
        mask : ndarray of bool, shape (n_windows, window_size)
            True where the step exists.
        """
        starts, lengths = self.locate(np.asarray(numbers))
        position = np.arange(self.window_size)
        mask = position < lengths[:, None]
        if not self.padded:
            return self._view[starts], mask
        steps = starts[:, None] + np.minimum(position, lengths[:, None] - 1)
        x = np.take(self.sequences.values, steps, axis=0)
        x[~mask] = 0.0
        return x, mask

    @cached_property
    def _view(self):
        """Every window at every step, (n, window_size, n_features), without copying anything.

        Some cross from one series to the next; `locate` never asks for those.
        """
        view = np.lib.stride_tricks.sliding_window_view(
            self.sequences.values, self.window_size, axis=0
        )
        return view.swapaxes(1, 2)


def carry_forward(x):
    """Replace NaN by the last value before it: (..., n_timesteps, n_features), NaN where none."""
    position = np.arange(x.shape[-2])[:, None]
    source = np.maximum.accumulate(np.where(np.isnan(x), 0, position), axis=-2)
    return np.take_along_axis(x, source, axis=-2)


def fill_gaps(x):
    """Replace NaN by the last value before it in the same window, else by the first after it.

    Parameters
    ----------
    x : ndarray of shape (n_windows, window_size, n_features)
        Windows; the same array comes back when nothing is missing.

    Returns
    -------
    x : ndarray of shape (n_windows, window_size, n_features)
        Zero where a feature has no value in the whole window.
    """
    if not np.isnan(x).any():
        return x
    x = carry_forward(carry_forward(x)[:, ::-1])[:, ::-1]
    return np.nan_to_num(x, nan=0.0)


def aggregate(windows, batches, how):
    """Reduce what all windows say about each time step to one value.

    Parameters
    ----------
    windows : Windows
        The windows.
    batches : iterable of ndarray of shape (n_batch, window_size, n_values)
        One value per window and step, the windows in the order of their numbers.
    how : {"mean", "median", "min", "max", "last"}
        The reduction over the windows that cover a step.

    Returns
    -------
    values : ndarray of shape (n_total_timesteps, n_values), float64
    """
    if how == "median":
        return _median(windows, batches)
    reduce_batch, initial = {
        "mean": (_add, 0.0),
        "min": (_lower, np.inf),
        "max": (_raise, -np.inf),
        "last": (_keep_first, np.nan),
    }[how]
    values, counts = None, np.zeros(len(windows.sequences.values), np.int64)
    for starts, lengths, batch in _located(windows, batches):
        if values is None:
            values = np.full((len(counts), batch.shape[2]), initial)
        for steps, said in _columns(starts, lengths, batch):
            reduce_batch(values, steps, said, counts)
    if how == "mean":
        values /= counts[:, None]
    return values


def _located(windows, batches):
    """Yield (starts, lengths, batch) for consecutive batches of windows."""
    done = 0
    for batch in batches:
        starts, lengths = windows.locate(np.arange(done, done + len(batch)))
        done += len(batch)
        yield starts, lengths, batch


def _columns(starts, lengths, batch):
    """Yield (steps, values (n, n_values)) with no step twice in one pair.

    Along the shorter axis: by window, or by the position in the window, where the steps of
    different windows differ because their starts do. Windows come before later ones and positions
    from the last to the first, so that the first value met for a step is the one of "last".
    """
    n_windows, window_size, _ = batch.shape
    if n_windows <= window_size:
        for start, length, said in zip(starts, lengths, batch, strict=True):
            yield np.arange(start, start + length), said[:length]
    else:
        full = bool(lengths.min() == window_size)
        for position in range(window_size - 1, -1, -1):
            exists = slice(None) if full else position < lengths
            yield starts[exists] + position, batch[exists, position]


def _add(values, steps, said, counts):
    values[steps] += said
    counts[steps] += 1


def _lower(values, steps, said, counts):
    values[steps] = np.minimum(values[steps], said)


def _raise(values, steps, said, counts):
    values[steps] = np.maximum(values[steps], said)


def _keep_first(values, steps, said, counts):
    new = counts[steps] == 0
    values[steps[new]] = said[new]
    counts[steps] = 1


def _median(windows, batches):
    """Median over the windows that cover a step, finished as soon as no further one can."""
    size, stride = windows.window_size, windows.stride
    n_steps = len(windows.sequences.values)
    most = -(-size // stride) + 1  # windows that can cover one step, the flush one included
    values, done, seen = None, 0, 0
    held = None  # starts, lengths, batch of the windows that cover unfinished steps
    for starts, lengths, batch in _located(windows, batches):
        seen += len(batch)
        if values is None:
            values = np.empty((n_steps, batch.shape[2]))
        else:
            starts, lengths, batch = (
                np.concatenate(pair) for pair in zip(held, (starts, lengths, batch), strict=True)
            )
        ready = n_steps if seen == len(windows) else int(windows.locate(np.array([seen]))[0][0])
        said = np.full((ready - done, most, batch.shape[2]), np.nan)
        slots = np.arange(len(batch)) % most  # windows that share a step are neighbours
        for position in range(size):
            steps = starts + position
            here = (position < lengths) & (steps >= done) & (steps < ready)
            said[steps[here] - done, slots[here]] = batch[here, position]
        values[done:ready] = _middle(said)
        unfinished = starts + lengths > ready
        held = starts[unfinished], lengths[unfinished], batch[unfinished]
        done = ready
    return values


def _middle(said):
    """Median along axis 1, leaving out NaN: (n, k, n_values) -> (n, n_values)."""
    count = np.sum(~np.isnan(said), axis=1, keepdims=True)
    ordered = np.sort(said, axis=1)  # NaN goes last
    low = np.take_along_axis(ordered, np.maximum(count - 1, 0) // 2, axis=1)
    high = np.take_along_axis(ordered, count // 2, axis=1)
    return ((low + high) / 2)[:, 0]
