"""Precision and recall over time steps."""

import numpy as np

from skanomaly.metrics._checks import check_beta
from skanomaly.metrics._docs import with_docs
from skanomaly.metrics._inputs import read_pair
from skanomaly.metrics._results import PrecisionRecallF, divide, f_of_ratios

__all__ = ["point_precision_recall_f"]


@with_docs
def point_precision_recall_f(y_true, y_pred, *, beta=1.0):
    """Compute precision, recall and F over time steps.

    Each time step counts once, so that long anomalies weigh more than short ones, and a flag one
    step beside an anomaly is as wrong as one far away. Time steps of all series are counted
    together.

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

    See Also
    --------
    range_precision_recall_f : Over intervals, each of which counts once.
    sklearn.metrics.precision_recall_fscore_support : The same for one series, with
        ``pos_label=-1, average="binary"``.

    Examples
    --------
    >>> from skanomaly.metrics import point_precision_recall_f
    >>> result = point_precision_recall_f([1, 1, -1, -1, 1], [1, -1, -1, -1, 1])
    >>> round(result.precision, 3), result.recall, round(result.f, 3)
    (0.667, 1.0, 0.8)
    """
    check_beta(beta)
    truth, flags = [np.concatenate(parts) for parts in read_pair(y_true, y_pred, "y_pred")]
    right = np.count_nonzero(truth & flags)
    precision = divide(right, np.count_nonzero(flags))
    recall = divide(right, np.count_nonzero(truth))
    return PrecisionRecallF(precision, recall, f_of_ratios(precision, recall, beta))
