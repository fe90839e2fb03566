"""Spans that draw runs of flagged time steps."""

import numpy as np

from skanomaly.displays.decimation import time_bins
from skanomaly.intervals import find_intervals

# A share of the time axis: about a pixel.
_SHORTEST_SPAN = 0.00125
_MOST_SPANS = 200
_N_BINS = 800


def merge_spans(spans, shortest):
    """Widen spans to a shortest length about their middle, then merge those that touch.

    (n_spans, 2) sorted by start -> (n_merged, 2): what is narrower than a pixel stays visible, and
    thousands of spans stay a drawing of few shapes.

    >>> merge_spans(np.array([[0.0, 0.0], [0.5, 4.0], [9.0, 9.0]]), shortest=2.0).tolist()
    [[-1.0, 4.0], [8.0, 10.0]]
    """
    middle = spans.mean(axis=1)
    half = np.maximum(spans[:, 1] - spans[:, 0], shortest) / 2
    starts, stops = middle - half, np.maximum.accumulate(middle + half)
    opens = np.concatenate([[True], starts[1:] > stops[:-1]])[: len(spans)]
    closes = np.concatenate([opens[1:], [True]])[: len(spans)]
    return np.stack([starts[opens], stops[closes]], axis=1)


def spans_of(flags, x):
    """Turn flags (n_timesteps,) into spans (n_spans, 2) of x, none too short to be seen."""
    rows = find_intervals(flags)
    spans = np.column_stack([x[rows[:, 0]], x[rows[:, 1] - 1]])
    return merge_spans(spans, _SHORTEST_SPAN * ((x[-1] - x[0]) or 1.0))


def weighted_spans(flags, x):
    """Turn flags (n_timesteps,) into spans (n_spans, 2) of x and weights (n_spans,) in (0, 1].

    So many intervals that most are narrower than a pixel would fill the axis, however few steps
    are flagged. Bins of time then weigh what share of their steps is; the less there is to see,
    the less a bin with few is faded.
    """
    if len(find_intervals(flags)) <= _MOST_SPANS:
        spans = spans_of(flags, x)
        return spans, np.ones(len(spans))
    first, starts, stops = time_bins(x, _N_BINS)
    shares = np.add.reduceat(flags.astype(float), first) / np.diff(np.append(first, len(x)))
    seen = shares > 0
    faintest = np.clip(100 / seen.sum(), 0.15, 1.0)
    return np.column_stack([starts, stops])[seen], np.maximum(shares[seen], faintest)
