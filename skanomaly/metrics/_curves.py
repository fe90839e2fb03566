"""Areas under the precision-recall and the ROC curve of time steps."""

from skanomaly.metrics._docs import with_docs
from skanomaly.metrics._pooled import area_of_lines, area_of_steps, count_up, pool, rank

__all__ = ["average_precision", "roc_auc"]


@with_docs
def average_precision(y_true, y_score):
    """Compute the area under the precision-recall curve of time steps.

    The mean of the precision over the thresholds, each weighted by the recall that it gains.
    Anomalies are the positive class and higher scores mean more anomalous, whatever the sign of
    the labels: scores of ``score_samples``, whose sign is turned, need a minus. Random scores
    reach the share of anomalous time steps.

    Parameters
    ----------
    y_true : {y_true}
    y_score : {y_score}
        Several series are ranked together: scores must mean the same in all of them.

    Returns
    -------
    area : float
        Between 0 and 1, best 1. NaN if nothing is anomalous; 1 if everything is.

    Raises
    ------
    ValueError
        If labels are not -1 and 1, if lengths differ, or if a score is NaN or infinite.

    See Also
    --------
    vus_pr : The same with tolerance around the borders of anomalies.
    sklearn.metrics.average_precision_score : The same, where ``y_true == -1`` and one series are
        given.

    Examples
    --------
    >>> from skanomaly.metrics import average_precision
    >>> round(average_precision([1, 1, -1, -1], [0.1, 0.4, 0.35, 0.8]), 4)
    0.8333
    """
    truth, scores, _ = pool(y_true, y_score)
    if not truth.any():
        return float("nan")
    levels, first = rank(scores)
    found = count_up(first[truth], len(levels))
    return area_of_steps(found / found[-1], found / count_up(first, len(levels)))


@with_docs
def roc_auc(y_true, y_score):
    """Compute the area under the ROC curve of time steps.

    The probability that an anomalous time step scores higher than a normal one, ties counting
    half. Anomalies are the positive class and higher scores mean more anomalous. Random scores
    reach 0.5; where anomalies are rare, hundreds of false flags hardly lower it.

    Parameters
    ----------
    y_true : {y_true}
    y_score : {y_score}
        Several series are ranked together: scores must mean the same in all of them.

    Returns
    -------
    area : float
        Between 0 and 1, best 1. NaN if nothing is anomalous, or everything.

    Raises
    ------
    ValueError
        If labels are not -1 and 1, if lengths differ, or if a score is NaN or infinite.

    See Also
    --------
    average_precision : Tells detectors apart where anomalies are rare.
    vus_roc : The same with tolerance around the borders of anomalies.
    sklearn.metrics.roc_auc_score : The same, where ``y_true == -1`` and one series are given.

    Examples
    --------
    >>> from skanomaly.metrics import roc_auc
    >>> roc_auc([1, 1, -1, -1], [0.1, 0.4, 0.35, 0.8])
    0.75
    """
    truth, scores, _ = pool(y_true, y_score)
    if not truth.any() or truth.all():
        return float("nan")
    levels, first = rank(scores)
    found = count_up(first[truth], len(levels))
    wrong = count_up(first[~truth], len(levels))
    return area_of_lines(wrong / wrong[-1], found / found[-1])
