"""Precision and recall over intervals that are found or missed, and how late they are found."""

from typing import NamedTuple

import numpy as np

from skanomaly.intervals import find_intervals
from skanomaly.metrics._checks import check_beta, check_choice
from skanomaly.metrics._docs import with_docs
from skanomaly.metrics._joined import count_flags, read_joined
from skanomaly.metrics._results import PrecisionRecallF, divide, f_of_ratios

__all__ = ["DetectionDelay", "detection_delay", "event_precision_recall_f"]


@with_docs
def event_precision_recall_f(y_true, y_pred, *, beta=1.0, count="flagged"):
    """Compute precision, recall and F over intervals, each of which is right or wrong as a whole.

    An anomalous interval is found if at least one of its time steps is flagged: recall is the
    share of anomalous intervals that are found. A flagged interval is right if at least one of its
    time steps is anomalous: precision is the share of flagged intervals that are right. Intervals
    of all series are counted together; none joins two series.

    A detector that flags everything in one interval finds all anomalies with a precision of 1.
    Look at :func:`point_precision_recall_f` beside this.

    Parameters
    ----------
    y_true : {y_true}
    y_pred : {y_pred}
    beta : {beta}
    count : "flagged" or "anomalies", default="flagged"
        What precision counts as right, against flagged intervals that touch no anomaly as wrong.
        "flagged": flagged intervals that touch an anomaly, as range-based precision with alpha=1
        [1]_. "anomalies": anomalies that are found, each once by however many intervals [2]_.

    Returns
    -------
    result : {prf}

    Raises
    ------
    ValueError
        {label_errors} or if `beta` or `count` is outside its range.

    See Also
    --------
    range_precision_recall_f : How much of intervals is covered.
    detection_delay : How late anomalies are found.

    References
    ----------
    .. [1] N. Tatbul, T. J. Lee, S. Zdonik, M. Alam and J. Gottschlich, "Precision and recall for
       time series", NeurIPS 2018.
    .. [2] K. Hundman, V. Constantinou, C. Laporte, I. Colwell and T. Soderstrom, "Detecting
       spacecraft anomalies using LSTMs and nonparametric dynamic thresholding", KDD 2018,
       section 4.3.

    Examples
    --------
    >>> from skanomaly.metrics import event_precision_recall_f
    >>> y_true = [1, -1, -1, -1, 1, 1, 1, -1]
    >>> y_pred = [1, -1, 1, -1, 1, -1, 1, 1]
    >>> result = event_precision_recall_f(y_true, y_pred)
    >>> round(result.precision, 3), result.recall  # two of three intervals, one of two anomalies
    (0.667, 0.5)
    >>> event_precision_recall_f(y_true, y_pred, count="anomalies").precision
    0.5
    """
    check_beta(beta)
    check_choice("count", count, ("flagged", "anomalies"))
    truth, flags, _ = read_joined(y_true, y_pred)
    anomalies, flagged = find_intervals(truth), find_intervals(flags)
    found = np.count_nonzero(count_flags(flags, anomalies))
    touching = np.count_nonzero(count_flags(truth, flagged))
    right = touching if count == "flagged" else found
    precision = divide(right, right + len(flagged) - touching)
    recall = divide(found, len(anomalies))
    return PrecisionRecallF(precision, recall, f_of_ratios(precision, recall, beta))


class DetectionDelay(NamedTuple):
    """How late anomalies are found, in time steps.

    Parameters
    ----------
    delays : ndarray of shape (n_anomalies,), float64
        Of each anomalous interval, in order, series after series: time steps from its first one to
        the first flagged one in it; 0 if its first is flagged, NaN if none is.
    mean : float
        Of the delays that are not NaN; NaN if there are none.
    median : float
        Of the same.
    n_missed : int
        How many delays are NaN.

    Examples
    --------
    >>> from skanomaly.metrics import detection_delay
    >>> delays, mean, median, n_missed = detection_delay([-1, -1, 1, -1], [1, -1, 1, 1])
    >>> delays, n_missed
    (array([ 1., nan]), 1)
    """

    delays: np.ndarray
    mean: float
    median: float
    n_missed: int


@with_docs
def detection_delay(y_true, y_pred):
    """Measure how many time steps after its beginning each anomaly is first flagged.

    Mean and median are of the anomalies that are found: a detector that misses all but the easy
    ones has short delays, so read them beside `n_missed`. Flags before an anomaly do not count as
    its detection; where they go on into it, its delay is 0.

    Parameters
    ----------
    y_true : {y_true}
    y_pred : {y_pred}

    Returns
    -------
    result : DetectionDelay
        With `delays`, `mean`, `median` and `n_missed`.

    Raises
    ------
    ValueError
        If labels are not -1 and 1, or if lengths differ.

    Examples
    --------
    >>> from skanomaly.metrics import detection_delay
    >>> y_true = [1, -1, -1, -1, 1, -1, 1, -1, -1]
    >>> y_pred = [1, 1, 1, -1, 1, 1, 1, -1, -1]
    >>> detection_delay(y_true, y_pred)
    DetectionDelay(delays=array([ 2., nan,  0.]), mean=1.0, median=1.0, n_missed=1)
    """
    truth, flags, _ = read_joined(y_true, y_pred)
    starts, stops = find_intervals(truth).T
    # A last entry that is in no anomaly, for anomalies after the last flag.
    flagged = np.append(np.flatnonzero(flags), len(flags))
    first = flagged[np.searchsorted(flagged, starts)]
    delays = np.where(first < stops, first - starts, np.nan)
    found = delays[~np.isnan(delays)]
    mean, median = (float(np.mean(found)), float(np.median(found))) if len(found) else [np.nan] * 2
    return DetectionDelay(delays, mean, median, len(delays) - len(found))
