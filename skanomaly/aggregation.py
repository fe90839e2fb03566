"""What all windows say about a time step, reduced to one value, block by block.

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

Windows come in order, so a step is finished as soon as the next window starts after it; only the
steps that are not finished are kept. What was not observed stays NaN.
"""

import numpy as np

from skanomaly.windows import Reach

__all__ = ["AGGREGATIONS", "aggregate", "aggregated_reach"]

AGGREGATIONS = ("mean", "median", "min", "max", "last")


def aggregate(windows, batches, how):
    """Reduce what all windows say about each time step to one value.

    Parameters
    ----------
    windows : Windows
        The windows, of fixed size.
    batches : iterable of ndarray of shape (n_batch, window_size, n_values)
        One value per window and step, the windows in the order of their numbers.
    how : {"mean", "median", "min", "max", "last"}
        The reduction over the windows that cover a step.

    Yields
    ------
    values : ndarray of shape (n_rows, n_values), float64
        Of consecutive time steps, all of them in the end.
    """
    unfinished = _Median(windows) if how == "median" else _Running(how, windows.stride)
    done, seen, waiting = 0, 0, False
    for batch in batches:
        starts, lengths = windows.locate(np.arange(seen, seen + len(batch)))
        seen += len(batch)
        if seen == len(windows):
            ready = windows.sequences.n_timesteps
        else:
            ready = int(windows.locate(np.array([seen]))[0][0])
        if not waiting and lengths.sum() == ready - done:  # windows that share no step
            if lengths.min() < windows.window_size:
                batch = batch[np.arange(windows.window_size) < lengths[:, None]]
            yield batch.reshape(-1, batch.shape[-1]).astype(np.float64)
            done = ready
            continue
        unfinished.add(starts - done, lengths, batch)
        if ready > done:
            yield unfinished.pop(ready - done)
            done = ready
        waiting = int((starts + lengths).max()) > done


def aggregated_reach(window_size, stride, how):
    """Tell how far the value of a step depends on others, as a :class:`skanomaly.windows.Reach`.

    The end of a piece of a series may add a window, flush with it, that the series has not. For
    "last" it comes too late to matter; otherwise it must not cover the step.
    """
    after = stride - 1 if how == "last" else window_size - 1 + (stride > 1)
    return Reach(before=window_size - 1, after=after, align=stride, shortest=window_size)


class _Running:
    """Mean, min, max or last of the steps that further windows may cover."""

    def __init__(self, how, stride):
        self._how, self._stride = how, stride
        self._initial = {"mean": 0.0, "min": np.inf, "max": -np.inf, "last": np.nan}[how]
        self._values = self._counts = None

    def add(self, starts, lengths, batch):
        """Take in windows that start at `starts`, counted from the first step kept."""
        if self._values is None:
            self._values, self._counts = np.empty((0, batch.shape[2])), np.empty(0, np.int64)
        more = int((starts + lengths).max()) - len(self._values)
        fresh = np.full((more, batch.shape[2]), self._initial)
        self._values = np.concatenate([self._values, fresh])
        self._counts = np.concatenate([self._counts, np.zeros(more, np.int64)])
        for steps, said in _columns(starts, lengths, batch, self._stride):
            self._reduce(steps, said)

    def _reduce(self, steps, said):
        values = self._values
        if self._how == "mean":
            values[steps] += said
        elif self._how == "min":
            values[steps] = np.minimum(values[steps], said)
        elif self._how == "max":
            values[steps] = np.maximum(values[steps], said)
        else:
            new = self._counts[steps] == 0
            if new.any():
                values[steps] = np.where(new[:, None], said, values[steps])
        self._counts[steps] += 1

    def pop(self, n_steps):
        """Hand out the first steps, which no further window covers."""
        values, counts = self._values[:n_steps], self._counts[:n_steps]
        self._values, self._counts = self._values[n_steps:], self._counts[n_steps:]
        return values / counts[:, None] if self._how == "mean" else values


def _columns(starts, lengths, batch, stride):
    """Yield (steps, values (n, n_values)) with no step twice in one pair.

    Along the shorter axis: by window, or by the position in the window, where the steps of
    different windows differ because their starts do. Windows come before later ones and positions
    from the last to the first, so that the first value met for a step is the one of "last".
    """
    n_windows, window_size, _ = batch.shape
    if n_windows <= window_size:
        for start, length, said in zip(starts, lengths, batch, strict=True):
            yield slice(start, start + length), said[:length]
        return
    full = bool(lengths.min() == window_size)
    even = full and bool((np.diff(starts) == stride).all())
    for position in range(window_size - 1, -1, -1):
        if even:  # a slice is several times faster than an index array
            yield slice(starts[0] + position, starts[-1] + position + 1, stride), batch[:, position]
            continue
        exists = slice(None) if full else position < lengths
        yield starts[exists] + position, batch[exists, position]


class _Median:
    """All that was said of the steps that further windows may cover."""

    def __init__(self, windows):
        self._size = windows.window_size
        # Windows that can cover one step, the flush one included.
        self._most = -(-windows.window_size // windows.stride) + 1
        self._held = None

    def add(self, starts, lengths, batch):
        """Take in windows that start at `starts`, counted from the first step kept."""
        new = starts, lengths, batch
        if self._held is None:
            self._held = new
        else:
            self._held = tuple(np.concatenate(pair) for pair in zip(self._held, new, strict=True))

    def pop(self, n_steps):
        """Hand out the first steps, which no further window covers."""
        starts, lengths, batch = self._held
        said = np.full((n_steps, self._most, batch.shape[2]), np.nan)
        slots = np.arange(len(batch)) % self._most  # windows that share a step are neighbours
        for position in range(self._size):
            steps = starts + position
            here = (position < lengths) & (steps >= 0) & (steps < n_steps)
            said[steps[here], slots[here]] = batch[here, position]
        kept = starts + lengths > n_steps
        self._held = starts[kept] - n_steps, lengths[kept], batch[kept]
        return _middle(said)


def _middle(said):
    """Median along axis 1, leaving out NaN: (n, k, n_values) -> (n, n_values)."""
    count = np.sum(~np.isnan(said), axis=1, keepdims=True)
    ordered = np.sort(said, axis=1)  # NaN goes last
    low = np.take_along_axis(ordered, np.maximum(count - 1, 0) // 2, axis=1)
    high = np.take_along_axis(ordered, count // 2, axis=1)
    return ((low + high) / 2)[:, 0]
