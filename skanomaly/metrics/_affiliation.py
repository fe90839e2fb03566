"""Precision and recall by distances in time, against what a random time step would get."""

import numpy as np

from skanomaly.intervals import find_intervals
from skanomaly.metrics._checks import check_beta
from skanomaly.metrics._docs import with_docs
from skanomaly.metrics._inputs import read_pair
from skanomaly.metrics._results import PrecisionRecallF, divide, f_of_ratios

__all__ = ["affiliation_precision_recall_f"]


@with_docs
def affiliation_precision_recall_f(y_true, y_pred, *, beta=1.0):
    """Compute affiliation precision, recall and F, which forgive flags near an anomaly [1]_.

    A series is divided into one zone around each anomaly, halfway between neighbours. In each
    zone, precision is how near the flags are to the anomaly, and recall how near the anomaly is to
    the flags. A distance is turned into the probability that a time step drawn at random from the
    zone is at least as far: 1 for none, 0 for the farthest. Precision is the mean over the zones
    with flags, recall over all zones, and an anomaly without flags in its zone has recall 0.

    So flags at random get about a half or more of both, not 0: compare with them. A few flags in
    the right place cover a long anomaly well, for they are near all of it.

    Parameters
    ----------
    y_true : {y_true}
    y_pred : {y_pred}
    beta : {beta}

    Returns
    -------
    result : {prf}

    Raises
    ------
    ValueError
        {label_errors} or if `beta` is not above 0.

    Notes
    -----
    Zones of all series are averaged together; none reaches into another series. A series without
    anomalies has no zone. If something is flagged there, it counts as one zone of precision 0:
    its anomaly is infinitely far away. (The authors refuse such a series.)

    Time step t is the interval from t to t + 1. All integrals are in closed form, and time is
    linear in the number of time steps.

    References
    ----------
    .. [1] A. Huet, J. M. Navarro and D. Rossi, "Local evaluation of time series anomaly detection
       algorithms", KDD 2022.

    Examples
    --------
    >>> import numpy as np
    >>> from skanomaly.metrics import affiliation_precision_recall_f
    >>> y_true, near, far = np.ones((3, 100), dtype=int)
    >>> y_true[50:60] = near[46:52] = far[10:16] = -1
    >>> [round(float(x), 2) for x in affiliation_precision_recall_f(y_true, near)]
    [0.91, 0.94, 0.92]
    >>> [round(float(x), 2) for x in affiliation_precision_recall_f(y_true, far)]
    [0.16, 0.22, 0.19]
    """
    check_beta(beta)
    precisions, recalls = [], []
    for truth, flags in zip(*read_pair(y_true, y_pred, "y_pred"), strict=True):
        of_zones = _zones(find_intervals(truth), find_intervals(flags), len(truth))
        precisions.append(of_zones[0])
        recalls.append(of_zones[1])
    precision, recall = [
        divide(values.sum(), len(values))
        for values in (np.concatenate(precisions), np.concatenate(recalls))
    ]
    return PrecisionRecallF(precision, recall, f_of_ratios(precision, recall, beta))


def _zones(anomalies, flagged, n_timesteps):
    """Measure one series: precision (n_zones_with_flags,) and recall (n_zones,)."""
    if not len(anomalies):
        return np.zeros(min(len(flagged), 1)), np.zeros(0)
    between = (anomalies[:-1, 1] + anomalies[1:, 0]) / 2
    edges = np.concatenate([[0.0], between, [float(n_timesteps)]])
    starts, stops = _cut(flagged, between)
    zone = np.searchsorted(between, starts, side="right")
    a, b = anomalies[zone].T.astype(np.float64)
    low, high = edges[zone], edges[zone + 1]

    n_zones = len(anomalies)
    n_pieces = np.bincount(zone, minlength=n_zones)
    near = np.bincount(zone, _near_anomaly(starts, stops, a, b, low, high), n_zones)
    n_flagged = np.bincount(zone, stops - starts, n_zones)
    precision = near[n_pieces > 0] / n_flagged[n_pieces > 0]

    # Within a zone, the steps that are nearer to a piece than to its neighbours.
    left, right = low.copy(), high.copy()
    same = zone[1:] == zone[:-1]
    middle = (stops[:-1] + starts[1:]) / 2
    left[1:][same], right[:-1][same] = middle[same], middle[same]
    near = _near_flags(np.maximum(a, left), np.minimum(b, right), starts, stops, low, high)
    recall = np.bincount(zone, near, n_zones) / (anomalies[:, 1] - anomalies[:, 0])
    return precision, recall


def _cut(intervals, points):
    """Cut intervals (n, 2) at the points (k,) inside them: starts and stops (n + up to k,)."""
    starts, stops = intervals.T.astype(np.float64)
    owner = np.searchsorted(starts, points, side="left") - 1
    inside = points[owner >= 0]
    inside = inside[inside < stops[owner[owner >= 0]]]
    return np.sort(np.append(starts, inside)), np.sort(np.append(stops, inside))


def _near_anomaly(starts, stops, a, b, low, high):
    """Integrate, over flagged pieces, P(a random step of the zone is as far from [a, b] or more).

    At distance d that is ((a - low - d)+ + (high - b - d)+) / (high - low), and 1 inside.
    """
    inside = np.maximum(np.minimum(stops, b) - np.maximum(starts, a), 0)

    def integral(distance):
        ways = [
            np.square(gap) - np.square(_positive(gap - distance)) for gap in (a - low, high - b)
        ]
        return (ways[0] + ways[1]) / 2

    before = integral(_positive(a - starts)) - integral(_positive(a - stops))
    after = integral(_positive(stops - b)) - integral(_positive(starts - b))
    return inside + (before + after) / (high - low)


def _near_flags(first, last, starts, stops, low, high):
    """Integrate, over steps [first, last], P(a random step is as far from there as the piece).

    From y, at distance d from the piece [start, stop], that is ((y - low - d)+ + (high - y - d)+)
    / (high - low). Before the piece d is start - y, so that the second part is high - start; after
    it the first part is stop - low. Where last is below first, there are no such steps.
    """
    inside = np.maximum(np.minimum(last, stops) - np.maximum(first, starts), 0)

    end = np.minimum(last, starts)
    before = (high - starts) * _positive(end - first)
    before += _squares(2 * end - starts - low, 2 * first - starts - low)
    before[end <= first] = 0

    begin = np.maximum(first, stops)
    after = (stops - low) * _positive(last - begin)
    after += _squares(high + stops - 2 * begin, high + stops - 2 * last)
    after[last <= begin] = 0
    return inside + (before + after) / (high - low)


def _squares(upper, lower):
    """Integrate max(x, 0) from lower to upper, where x moves two steps for each time step."""
    return (np.square(_positive(upper)) - np.square(_positive(lower))) / 4


def _positive(values):
    return np.maximum(values, 0)
