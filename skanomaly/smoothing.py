"""Errors smoothed in time, series by series and block by block."""

import numpy as np
from scipy.ndimage import correlate1d

__all__ = ["SMOOTHINGS", "Smoother"]

SMOOTHINGS = ("exponential", "median", "triangular")

# Weights below this share of the largest are left out, so that a score has a finite reach.
_LEAST_WEIGHT = 1e-3
# Values that a median sorts at once: 8 MiB.
_MOST_SORTED = 2**20


class Smoother:
    """An average over neighbouring time steps.

    Parameters
    ----------
    kind : {"exponential", "median", "triangular"}
        A mean whose weights fall by the factor (span - 1) / (span + 1) per step, the median of
        `span` steps, or a mean whose weights fall evenly, from 1 to 0 at a distance of `span`
        steps.
    span : int
        How wide, in time steps.
    causal : bool
        Whether only the step itself and steps before it count, not those after it.
    """

    def __init__(self, kind, span, causal):
        self._kind = kind
        if kind == "median":
            before = span - 1 if causal else span // 2
            after = 0 if causal else span - 1 - before
        else:
            weights = _falling_weights(kind, span)
            before = len(weights) - 1
            after = 0 if causal else before
            later = np.zeros(before) if causal else weights[1:]
            self._weights = np.concatenate([weights[::-1], later])
        self._before, self._after = before, after

    @property
    def reach(self):
        """Return how many steps before and after a step count: two integers."""
        return self._before, self._after

    def __call__(self, blocks, lengths):
        """Yield smoothed errors of consecutive time steps.

        Parameters
        ----------
        blocks : iterable of ndarray of shape (n_rows, n_features)
            Errors, NaN where there is none; there is none after smoothing either.
        lengths : ndarray of shape (n_series,)
            Time steps of each series.
        """
        held, series, seen, done = None, 0, 0, 0  # steps of the series read, and handed out
        for block in blocks:
            while len(block):
                room = int(lengths[series]) - seen
                part, block = block[:room], block[room:]
                if held is None:  # nothing lies before the series
                    held = np.full((self._before, part.shape[1]), np.nan)
                held = np.concatenate([held, part])
                seen += len(part)
                ends = seen == lengths[series]
                if ends:
                    held = np.concatenate([held, np.full((self._after, part.shape[1]), np.nan)])
                ready = len(held) - self._before - self._after
                if ready > 0:
                    yield self._smooth(held)
                    held, done = held[ready:], done + ready
                if ends:
                    held, series, seen, done = None, series + 1, 0, 0

    def _smooth(self, errors):
        """(before + n + after, n_features) -> (n, n_features)."""
        if self._kind == "median":
            return self._median(errors)
        middle = slice(self._before, len(errors) - self._after)
        known = ~np.isnan(errors)
        total = self._average(np.where(known, errors, 0.0))[middle]
        weight = self._average(known.astype(np.float64))[middle]
        known = known[middle]
        return np.where(known, total / np.where(known, weight, 1.0), np.nan)

    def _average(self, values):
        return correlate1d(values, self._weights, axis=0, mode="constant")

    def _median(self, errors):
        size = self._before + 1 + self._after
        windows = np.lib.stride_tricks.sliding_window_view(errors, size, axis=0)
        n_rows = max(1, _MOST_SORTED // (size * errors.shape[1]))
        parts = [
            np.where(np.isnan(windows[i : i + n_rows, :, self._before]), np.nan, median)
            for i in range(0, len(windows), n_rows)
            for median in [_median(windows[i : i + n_rows])]
        ]
        return np.concatenate(parts)


def _falling_weights(kind, span):
    """Weights of the steps 0, 1, 2, ... away, up to the last that counts."""
    if kind == "triangular":
        return 1 - np.arange(span) / span
    if span == 1:
        return np.ones(1)
    decay = (span - 1) / (span + 1)
    return decay ** np.arange(int(np.log(_LEAST_WEIGHT) / np.log(decay)) + 1)


def _median(values):
    """Median along the last axis, leaving out NaN; NaN where there is nothing else."""
    count = np.sum(~np.isnan(values), axis=-1, keepdims=True)
    ordered = np.sort(values, axis=-1)  # NaN goes last
    low = np.take_along_axis(ordered, np.maximum(count - 1, 0) // 2, axis=-1)
    high = np.take_along_axis(ordered, np.minimum(count // 2, values.shape[-1] - 1), axis=-1)
    return ((low + high) / 2)[..., 0]
