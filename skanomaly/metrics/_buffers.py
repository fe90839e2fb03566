"""Time steps around true anomalies, and how much they count as anomalous at a buffer length."""

from typing import NamedTuple

import numpy as np

from skanomaly.intervals import find_intervals

__all__ = ["Surroundings", "find_surroundings", "weigh"]


class Surroundings(NamedTuple):
    """True anomalies and the normal time steps within some reach of one, nearest first.

    Attributes
    ----------
    events : ndarray of shape (n_events, 2), int
        First row of each true anomaly and the row after its last, in order.
    gaps : ndarray of shape (n_events - 1,), int
        Steps from the last row of an event to the first of the next; endless between two series.
    rows : ndarray of shape (n_steps,), int
        Normal time steps within reach of an event.
    distance : ndarray of shape (n_steps,), int
        Steps to the nearest event of the same series, rising from 1.
    second : ndarray of shape (n_steps,), int
        Steps to the second nearest.
    owner : ndarray of shape (n_steps,), int
        Number of the nearest event.
    """

    events: np.ndarray
    gaps: np.ndarray
    rows: np.ndarray
    distance: np.ndarray
    second: np.ndarray
    owner: np.ndarray


def find_surroundings(truth, limits, reach):
    """Find the true anomalies and the time steps up to `reach` steps from one.

    truth (n_timesteps,) bool holds series end to end, limits (n_series + 1,) where they begin.
    Takes time for the rows found, not for all.
    """
    events, series = _events_of_series(truth, limits)
    # So far apart, no event reaches into another series, from either side.
    shift = series * (2 * reach + 2)
    starts, stops = events[:, 0] + shift, events[:, 1] + shift
    opens, closes = limits[series] + shift, limits[series + 1] + shift
    after = np.minimum(np.minimum(stops + reach, closes), np.append(starts[1:], closes[-1:]))
    before = np.maximum(np.maximum(starts - reach, opens), np.append(opens[:1], after[:-1]))
    left, left_of = _ranges(before, starts)
    right, right_of = _ranges(stops, after)
    steps = np.concatenate([left, right])
    # The number of the event that follows each step.
    following = np.concatenate([left_of, right_of + 1])
    far = np.iinfo(np.int64).max // 4
    # Two events that nothing reaches on either side, for steps at the borders.
    ends = np.concatenate([[-far, -far], stops - 1])
    begins = np.concatenate([starts, [far, far]])
    behind, second_behind = steps - ends[following + 1], steps - ends[following]
    ahead, second_ahead = begins[following] - steps, begins[following + 1] - steps
    distance = np.minimum(behind, ahead)
    second = np.minimum(np.maximum(behind, ahead), np.minimum(second_behind, second_ahead))
    owner = np.where(behind <= ahead, following - 1, following)
    order = np.argsort(distance, kind="stable")
    gaps = starts[1:] - (stops[:-1] - 1)
    rows = steps - shift[owner]
    return Surroundings(events, gaps, rows[order], distance[order], second[order], owner[order])


def weigh(around, buffer):
    """Weigh the time steps within half a buffer of an event: (n_near,), in the order of `around`.

    Falls with the distance d as sqrt(1 - d / buffer). Where several events reach, their weights
    add up, to 1 at most; each is above 0.7, so that two are enough.
    """
    n_near = np.searchsorted(around.distance, buffer // 2, side="right")
    if not n_near:
        return np.zeros(0)
    weights = np.sqrt(1 - around.distance[:n_near] / buffer)
    weights[around.second[:n_near] <= buffer // 2] = 1.0
    return weights


def _events_of_series(truth, limits):
    """Find events (n_events, 2) that end with their series, and the series (n_events,) of each."""
    events = find_intervals(truth)
    borders = limits[1:-1]
    cut = borders[truth[borders] & truth[borders - 1]]
    starts, stops = np.sort(np.append(events[:, 0], cut)), np.sort(np.append(events[:, 1], cut))
    series = np.searchsorted(limits, starts, side="right") - 1
    return np.stack([starts, stops], axis=1), series


def _ranges(starts, stops):
    """Join the numbers from each start to its stop; with the number of the range of each."""
    lengths = np.maximum(stops - starts, 0)
    which = np.repeat(np.arange(len(starts)), lengths)
    within = np.arange(len(which)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    return starts[which] + within, which
