"""Precision, recall and F of time steps and of events at every threshold."""

from typing import NamedTuple

import numpy as np

from skanomaly.intervals import find_intervals
from skanomaly.metrics._checks import check_beta
from skanomaly.metrics._docs import with_docs
from skanomaly.metrics._pooled import count_up, just_below, pool, rank
from skanomaly.metrics._results import f_of_ratios

__all__ = ["ThresholdCurve", "threshold_curve"]


class ThresholdCurve(NamedTuple):
    """How good the labels of each threshold are, by time steps and by events.

    A named tuple of arrays of shape (n_distinct_scores + 1,), the highest threshold first. A
    share of nothing is NaN: precision where nothing is flagged, recall where nothing is anomalous.
    F is 0 where one of both is NaN, and NaN where both are.

    Parameters
    ----------
    thresholds : ndarray
        Time steps whose score is above are flagged: none by the first, all by the last.
    precision : ndarray
        Share of the flagged time steps that are anomalous.
    recall : ndarray
        Share of the anomalous time steps that are flagged.
    f : ndarray
        F-beta of both.
    event_precision : ndarray
        Share of the flagged intervals that touch an anomaly.
    event_recall : ndarray
        Share of the anomalies that are flagged anywhere.
    event_f : ndarray
        F-beta of both.
    flagged : ndarray
        Share of all time steps that are flagged.

    Examples
    --------
    >>> from skanomaly.metrics import threshold_curve
    >>> curve = threshold_curve([1, -1, 1], [0.1, 0.9, 0.4])
    >>> curve.recall.tolist(), curve.flagged.round(2).tolist()
    ([0.0, 1.0, 1.0, 1.0], [0.0, 0.33, 0.67, 1.0])
    """

    thresholds: np.ndarray
    precision: np.ndarray
    recall: np.ndarray
    f: np.ndarray
    event_precision: np.ndarray
    event_recall: np.ndarray
    event_f: np.ndarray
    flagged: np.ndarray


@with_docs
def threshold_curve(y_true, y_score, *, beta=1.0):
    """Compute precision, recall and F of every threshold, for time steps and for events.

    An event is an anomalous interval; it is found if any of its time steps is flagged. A flagged
    interval is right if it touches an event. Lower thresholds join flagged intervals, so that
    event-wise precision may rise again: flagging everything is one right interval of each series
    with an event. Look at `flagged` before choosing a threshold by `event_f`.

    Parameters
    ----------
    y_true : {y_true}
    y_score : {y_score}
        All series have the same threshold. Intervals end with their series.
    beta : float, default=1.0
        How many times as much recall weighs as precision in F. Above 0.

    Returns
    -------
    curve : ThresholdCurve
        Named tuple of arrays: ``thresholds``, ``precision``, ``recall``, ``f``,
        ``event_precision``, ``event_recall``, ``event_f``, ``flagged``.

    Raises
    ------
    ValueError
        If labels are not -1 and 1, if lengths differ, if a score is NaN or infinite, or if `beta`
        is not above 0.

    See Also
    --------
    average_precision : The area under precision and recall of time steps.
    sklearn.metrics.precision_recall_curve : The same for time steps; its thresholds flag the
        scores that equal them, too.

    Notes
    -----
    Takes O(n log n). The number of flagged intervals is that of flagged time steps less that of
    neighbours of which both are flagged, which are sums over all that a threshold is below; so
    are those that touch no event.

    Examples
    --------
    >>> import numpy as np
    >>> from skanomaly.metrics import threshold_curve
    >>> y_true = [1, -1, -1, 1, 1, -1, 1]
    >>> y_score = [0.0, 0.2, 0.9, 0.5, 0.0, 0.4, 0.0]
    >>> curve = threshold_curve(y_true, y_score)
    >>> curve.thresholds.round(2).tolist()
    [0.9, 0.9, 0.5, 0.4, 0.2, -0.0]
    >>> curve.f.round(2).tolist()
    [0.0, 0.5, 0.4, 0.67, 0.86, 0.6]
    >>> curve.event_f.round(2).tolist()
    [0.0, 0.67, 0.67, 1.0, 1.0, 1.0]
    >>> best = curve.thresholds[np.argmax(curve.f)]
    >>> np.where(y_score > best, -1, 1)
    array([ 1, -1, -1, -1,  1, -1,  1])
    """
    check_beta(beta)
    truth, scores, limits = pool(y_true, y_score)
    levels, first = rank(scores)
    n_levels = len(levels)
    n_flagged = count_up(first, n_levels)
    n_found = count_up(first[truth], n_levels)
    n_runs, n_false, found = _count_intervals(truth, first, limits, n_levels)
    precision, recall = _shares(n_found, n_flagged, np.count_nonzero(truth))
    event_precision, event_recall = _shares(n_runs - n_false, n_runs, len(found))
    # What is right among flagged intervals, and what is found among events, are counted apart.
    if len(found):
        event_recall[1:] = count_up(found, n_levels) / len(found)
    return ThresholdCurve(
        np.append(levels[0], just_below(levels)),
        precision,
        recall,
        f_of_ratios(precision, recall, beta),
        event_precision,
        event_recall,
        f_of_ratios(event_precision, event_recall, beta),
        np.append(0.0, n_flagged / len(truth)),
    )


def _count_intervals(truth, first, limits, n_levels):
    """Count flagged intervals, and those that touch no event, at each level: two of (n_levels,).

    Also returns the level (n_events,) that finds each event. truth and first (n_timesteps,) hold
    series end to end, limits (n_series + 1,) where they begin.
    """
    joined = np.ones(len(truth) - 1, dtype=bool)
    joined[limits[1:-1] - 1] = False
    # A pair of neighbours joins two flagged steps from the later of their levels on.
    pairs = np.maximum(first[:-1], first[1:])
    inside = joined & ~truth[:-1] & ~truth[1:]
    n_runs = count_up(first, n_levels) - count_up(pairs[joined], n_levels)
    # Intervals within normal stretches, less those that touch an event on one side or the other;
    # what touches one on both sides was taken off twice.
    borders = joined & (truth[:-1] != truth[1:])
    n_false = count_up(first[~truth], n_levels) - count_up(pairs[inside | borders], n_levels)
    pieces = _cut(truth, limits)
    lowest, highest = _extremes(first, pieces)
    is_event = truth[pieces[:-1]]
    # A normal stretch is a bridge when both pieces beside it are events of the same series.
    middle = np.arange(1, len(is_event) - 1)
    middle = middle[~is_event[middle] & is_event[middle - 1] & is_event[middle + 1]]
    middle = middle[joined[pieces[middle] - 1] & joined[pieces[middle + 1] - 1]]
    left, right = pairs[pieces[middle] - 1], pairs[pieces[middle + 1] - 1]
    bridges = np.maximum(highest[middle], np.maximum(left, right))
    return n_runs, n_false + count_up(bridges, n_levels), lowest[is_event]


def _cut(truth, limits):
    """Cut series end to end (n_timesteps,) into pieces that are all normal or all anomalous.

    Returns the first row of each of the pieces, and the number of all rows.
    """
    turns = find_intervals(truth).ravel()
    return np.unique(np.concatenate([turns, limits]))


def _extremes(values, pieces):
    """Return the least and the greatest of the values (n,) in each piece, (n_pieces,) each."""
    starts = pieces[:-1]
    return np.minimum.reduceat(values, starts), np.maximum.reduceat(values, starts)


def _shares(n_right, n_flagged, n_true):
    """Divide what is right (n_levels,) by what is flagged and by what is true.

    Both results are (n_levels + 1,): first comes the threshold that flags nothing.
    """
    precision = np.append(np.nan, n_right / n_flagged)
    recall = np.append(0, n_right) / n_true if n_true else np.full(len(precision), np.nan)
    return precision, recall
