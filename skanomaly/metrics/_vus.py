"""Range-based areas under curves, and the volumes under surfaces that they make up."""

from typing import NamedTuple

import numpy as np

from skanomaly.metrics._buffers import find_surroundings, weigh
from skanomaly.metrics._checks import check_whole
from skanomaly.metrics._docs import with_docs
from skanomaly.metrics._pooled import (
    area_of_lines,
    area_of_steps,
    count_up,
    just_below,
    pool,
    rank,
)

__all__ = [
    "RangeCurve",
    "range_auc_pr",
    "range_auc_roc",
    "range_curve",
    "vus_pr",
    "vus_roc",
]


class RangeCurve(NamedTuple):
    """What each threshold finds, with tolerance around the borders of anomalies.

    A named tuple of arrays of shape (n_thresholds,), the highest threshold first. Where nothing
    is anomalous, all but the thresholds are NaN.

    Parameters
    ----------
    thresholds : ndarray
        Time steps whose score is above are flagged.
    precision : ndarray
        Weights of the flagged time steps over their number.
    recall : ndarray
        Share of the weight found, times the share of anomalies found. Never falls.
    false_positive_rate : ndarray
        What is flagged beyond its weight over what is not anomalous. NaN if everything is.

    Examples
    --------
    >>> from skanomaly.metrics import range_curve
    >>> curve = range_curve([1, -1, -1, 1], [0.1, 0.8, 0.9, 0.2], buffer=2, n_thresholds=5)
    >>> curve.recall.shape, bool((curve.recall[1:] >= curve.recall[:-1]).all())
    ((5,), True)
    """

    thresholds: np.ndarray
    precision: np.ndarray
    recall: np.ndarray
    false_positive_rate: np.ndarray


@with_docs
def range_curve(y_true, y_score, *, buffer=100, n_thresholds=250):
    """Compute precision, recall and false-positive rate with a buffer around each anomaly.

    Labels of anomalies are often a little early or late. Here time steps up to half a buffer
    before and after an anomaly count as partly anomalous.

    Parameters
    ----------
    y_true : {y_true}
    y_score : {y_score}
        Several series are ranked together: scores must mean the same in all of them. Buffers end
        with their series.
    buffer : int, default=100
        Length of the buffer in time steps, half of it on each side. 0 and 1 give none.
    n_thresholds : int or None, default=250
        How many thresholds to take, at equal distances in the ranks of the scores; at least 2.
        None takes every score.

    Returns
    -------
    curve : RangeCurve
        Named tuple ``(thresholds, precision, recall, false_positive_rate)`` of arrays.

    Raises
    ------
    ValueError
        If labels are not -1 and 1, if lengths differ, if a score is NaN or infinite, or if a
        parameter is out of its range.

    See Also
    --------
    vus_pr : The area under precision and recall, averaged over buffers.

    Notes
    -----
    With the buffer :math:`l`, a time step :math:`d \\leq l/2` steps away from an anomaly has the
    weight :math:`\\sqrt{1 - d/l}`, an anomalous one the weight 1. Anomalies whose buffers overlap
    count as one, and where they do the weights add up, to 1 at most. Let a threshold flag
    :math:`N` of :math:`n` time steps with the weights :math:`T` in all, :math:`B` of it outside
    the :math:`P` anomalous time steps. Then

    - the precision is :math:`T / N`,
    - the recall is :math:`\\min(T / (P + B/2), 1)` times the share of anomalies that are flagged
      anywhere, buffer included,
    - the false-positive rate is :math:`(N - T) / (n - P - B/2)`.

    References
    ----------
    .. [Pap2022] J. Paparrizos et al., "Volume under the surface: a new accuracy evaluation measure
       for time-series anomaly detection", PVLDB 15(11), 2022.

    Examples
    --------
    >>> from skanomaly.metrics import range_curve
    >>> y_true = [1, 1, 1, -1, -1, 1, 1, 1]
    >>> y_score = [0.1, 0.1, 0.9, 0.8, 0.2, 0.1, 0.1, 0.1]  # one step early
    >>> curve = range_curve(y_true, y_score, buffer=0, n_thresholds=None)
    >>> curve.precision.round(2).tolist()
    [0.0, 0.5, 0.67, 0.25]
    >>> curve = range_curve(y_true, y_score, buffer=4, n_thresholds=None)
    >>> curve.precision.round(2).tolist()
    [0.87, 0.93, 0.96, 0.64]
    """
    truth, scores, limits = _read(y_true, y_score, "buffer", buffer, n_thresholds)
    levels, first = rank(scores, n_thresholds)
    if not truth.any():
        return RangeCurve(just_below(levels), *np.full((3, len(levels)), np.nan))
    (curve,) = _curves(truth, limits, first, len(levels), [buffer])
    return RangeCurve(just_below(levels), *curve)


@with_docs
def range_auc_roc(y_true, y_score, *, buffer=100, n_thresholds=250):
    """Compute the area under the ROC curve with a buffer around each anomaly.

    Parameters
    ----------
    y_true : {y_true}
    y_score : {y_score}
    buffer : int, default=100
        Length of the buffer in time steps, half of it on each side.
    n_thresholds : int or None, default=250
        How many thresholds to take, see :func:`range_curve`.

    Returns
    -------
    area : float
        Best 1. NaN if nothing is anomalous, or everything.

    Raises
    ------
    ValueError
        As :func:`range_curve` does.

    See Also
    --------
    range_curve : How the curve is defined.
    vus_roc : The mean over all buffers up to a largest one.

    Notes
    -----
    This is one slice of the volume of :func:`vus_roc`. The functions ``RangeAUC`` in the packages
    of the authors of [1]_ differ from the slices of their own volume.

    References
    ----------
    .. [1] J. Paparrizos et al., "Volume under the surface: a new accuracy evaluation measure for
       time-series anomaly detection", PVLDB 15(11), 2022.

    Examples
    --------
    >>> from skanomaly.metrics import range_auc_roc
    >>> y_true = [1, 1, 1, -1, -1, 1, 1, 1]
    >>> y_score = [0.1, 0.1, 0.9, 0.8, 0.2, 0.1, 0.1, 0.1]  # one step early
    >>> [round(range_auc_roc(y_true, y_score, buffer=buffer), 3) for buffer in (0, 2, 4)]
    [0.833, 0.956, 0.98]
    """
    return _areas(y_true, y_score, "buffer", buffer, n_thresholds, [buffer])[0]


@with_docs
def range_auc_pr(y_true, y_score, *, buffer=100, n_thresholds=250):
    """Compute the area under the precision-recall curve with a buffer around each anomaly.

    Parameters
    ----------
    y_true : {y_true}
    y_score : {y_score}
    buffer : int, default=100
        Length of the buffer in time steps, half of it on each side.
    n_thresholds : int or None, default=250
        How many thresholds to take, see :func:`range_curve`.

    Returns
    -------
    area : float
        Between 0 and 1, best 1. NaN if nothing is anomalous.

    Raises
    ------
    ValueError
        As :func:`range_curve` does.

    See Also
    --------
    range_curve : How the curve is defined.
    vus_pr : The mean over all buffers up to a largest one.

    Notes
    -----
    This is one slice of the volume of :func:`vus_pr`. The functions ``RangeAUC`` in the packages
    of the authors of [1]_ differ from the slices of their own volume.

    References
    ----------
    .. [1] J. Paparrizos et al., "Volume under the surface: a new accuracy evaluation measure for
       time-series anomaly detection", PVLDB 15(11), 2022.

    Examples
    --------
    >>> from skanomaly.metrics import range_auc_pr
    >>> y_true = [1, 1, 1, -1, -1, 1, 1, 1]
    >>> y_score = [0.1, 0.1, 0.9, 0.8, 0.2, 0.1, 0.1, 0.1]  # one step early
    >>> [round(range_auc_pr(y_true, y_score, buffer=buffer), 3) for buffer in (0, 2, 4)]
    [0.583, 0.823, 0.914]
    """
    return _areas(y_true, y_score, "buffer", buffer, n_thresholds, [buffer])[1]


@with_docs
def vus_roc(y_true, y_score, *, max_buffer=100, n_thresholds=250):
    """Compute the volume under the ROC surface: the mean area over buffers around anomalies.

    Parameters
    ----------
    y_true : {y_true}
    y_score : {y_score}
        Several series are ranked together: scores must mean the same in all of them. Buffers end
        with their series.
    max_buffer : int, default=100
        The largest buffer in time steps, see :func:`vus_pr`.
    n_thresholds : int or None, default=250
        How many thresholds to take, see :func:`vus_pr`.

    Returns
    -------
    volume : float
        Best 1. NaN if nothing is anomalous, or everything. Random scores reach 0.5 only without
        buffers: the recall rises with buffers, the more so the shorter the anomalies are. For ten
        anomalies in 10 000 time steps random scores reach 0.62 if each lasts 100 steps, 0.83 if
        it lasts 10, and 0.94 for single ones.

    Raises
    ------
    ValueError
        If labels are not -1 and 1, if lengths differ, if a score is NaN or infinite, or if a
        parameter is out of its range.

    See Also
    --------
    vus_pr : Tells detectors apart where anomalies are rare; with more on the parameters.
    roc_auc : Without tolerance.

    References
    ----------
    .. [1] J. Paparrizos et al., "Volume under the surface: a new accuracy evaluation measure for
       time-series anomaly detection", PVLDB 15(11), 2022.

    Examples
    --------
    >>> import numpy as np
    >>> from skanomaly.metrics import roc_auc, vus_roc
    >>> y_true = np.where(np.arange(500) // 20 == 10, -1, 1)
    >>> y_score = np.roll(y_true == -1, 5)  # five steps late
    >>> round(roc_auc(y_true, y_score), 3), round(vus_roc(y_true, y_score, max_buffer=20), 3)
    (0.87, 0.918)
    """
    return _areas(y_true, y_score, "max_buffer", max_buffer, n_thresholds)[0]


@with_docs
def vus_pr(y_true, y_score, *, max_buffer=100, n_thresholds=250):
    """Compute the volume under the precision-recall surface: the mean area over buffers.

    The area under the curve of :func:`range_curve`, averaged over the buffers 0, 1, ...,
    `max_buffer`: a detector that is a little early or late loses a little.

    Parameters
    ----------
    y_true : {y_true}
    y_score : {y_score}
        Several series are ranked together: scores must mean the same in all of them. Buffers end
        with their series.
    max_buffer : int, default=100
        The largest buffer in time steps, half of it on each side. Published as
        ``slidingWindow``. Values are comparable for the same `max_buffer` only. The TSB-AD
        benchmark takes the period of each series, the highest peak of its autocorrelation, which
        :func:`skanomaly.preprocessing.suggest_window_size` also looks for, and 125 where there is
        no peak between 3 and 300; 100 is the default of its functions.
    n_thresholds : int or None, default=250
        How many thresholds to take, at equal distances in the ranks of the scores; at least 2.
        Published values have 250. In a series of 100 000 time steps these flag 1 time step, then
        402, then 804: what lies between is not looked at. Where anomalies are rarer than one time
        step in 250, even perfect scores fall far short of 1. None takes every score.

    Returns
    -------
    volume : float
        Between 0 and 1, best 1. NaN if nothing is anomalous. Random scores reach about the share
        of anomalous time steps, the weights of the buffers included: 0.14, 0.05 and 0.04 for ten
        anomalies of 100, 10 and 1 of 10 000 time steps.

    Raises
    ------
    ValueError
        If labels are not -1 and 1, if lengths differ, if a score is NaN or infinite, or if a
        parameter is out of its range.

    See Also
    --------
    range_auc_pr : The area at one buffer.
    average_precision : Without tolerance, all thresholds.

    Notes
    -----
    Values equal ``VUS_PR`` of the packages ``vus`` and ``TSB_AD``, to rounding, for one series
    that is not anomalous throughout. Scores are sorted once; then each buffer takes time for the
    time steps near anomalies and for the thresholds, not for all time steps.

    References
    ----------
    .. [1] J. Paparrizos et al., "Volume under the surface: a new accuracy evaluation measure for
       time-series anomaly detection", PVLDB 15(11), 2022.
    .. [2] Q. Liu and J. Paparrizos, "The elephant in the room: towards a reliable time-series
       anomaly detection benchmark", NeurIPS 2024.

    Examples
    --------
    >>> import numpy as np
    >>> from skanomaly.metrics import average_precision, vus_pr
    >>> y_true = np.where(np.arange(500) // 20 == 10, -1, 1)
    >>> y_score = np.roll(y_true == -1, 5)  # five steps late
    >>> round(average_precision(y_true, y_score), 3), round(vus_pr(y_true, y_score), 3)
    (0.573, 0.869)
    """
    return _areas(y_true, y_score, "max_buffer", max_buffer, n_thresholds)[1]


def _read(y_true, y_score, name, buffer, n_thresholds):
    check_whole(name, buffer, 0, "It is counted in time steps.")
    if n_thresholds is not None:
        check_whole("n_thresholds", n_thresholds, 2, "None takes every score.")
    return pool(y_true, y_score)


def _areas(y_true, y_score, name, buffer, n_thresholds, buffers=None):
    """Average the areas under ROC and precision-recall curves over buffers, or all up to one."""
    truth, scores, limits = _read(y_true, y_score, name, buffer, n_thresholds)
    if not truth.any():
        return float("nan"), float("nan")
    levels, first = rank(scores, n_thresholds)
    buffers = range(buffer + 1) if buffers is None else buffers
    areas = [
        (area_of_lines(rate, recall), area_of_steps(recall, precision))
        for precision, recall, rate in _curves(truth, limits, first, len(levels), buffers)
    ]
    return tuple(float(area) for area in np.mean(areas, axis=0))


def _curves(truth, limits, first, n_levels, buffers):
    """Yield precision, recall and false-positive rate, each (n_levels,), for rising buffers.

    first (n_timesteps,) numbers the level from which on each time step is flagged.
    """
    around = find_surroundings(truth, limits, max(buffers) // 2)
    n_flagged = count_up(first, n_levels)
    n_found = count_up(first[truth], n_levels)
    near = first[around.rows]
    # The level from which on each event is found, and a level after all for reduceat to end at.
    edges = around.events.ravel()
    found = np.minimum.reduceat(np.append(first, n_levels), edges)[::2]
    n_seen = 0
    for buffer in buffers:
        weights = weigh(around, buffer)
        new = slice(n_seen, len(weights))
        np.minimum.at(found, around.owner[new], near[new])
        n_seen = len(weights)
        extra = count_up(near[:n_seen], n_levels, weights)
        existence = _existence(found, around.gaps, buffer // 2, n_levels)
        weight, positive = n_found + extra, n_found[-1] + extra / 2
        with np.errstate(invalid="ignore"):
            # Where all time steps are anomalous, 0 / 0 is meant to be NaN.
            rate = (n_flagged - weight) / (len(first) - positive)
        yield weight / n_flagged, np.minimum(weight / positive, 1) * existence, rate


def _existence(found, gaps, half, n_levels):
    """Compute the share of events found by each level (n_levels,), those whose buffers meet as one.

    found (n_events,) numbers the levels that find them, gaps (n_events - 1,) are between them.
    """
    opens = np.append(0, np.flatnonzero(gaps > 2 * half) + 1)
    return count_up(np.minimum.reduceat(found, opens), n_levels) / len(opens)
