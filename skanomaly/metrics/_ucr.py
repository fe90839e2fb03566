"""Whether the highest score is at the one anomaly of a series."""

import numpy as np

from skanomaly.intervals import find_intervals
from skanomaly.metrics._checks import check_whole
from skanomaly.metrics._docs import with_docs
from skanomaly.metrics._inputs import read_pair

__all__ = ["ucr_accuracy"]


@with_docs
def ucr_accuracy(y_true, y_score, *, tolerance=100):
    """Compute the share of series whose highest anomaly score is at their only anomaly.

    The rule of the UCR anomaly archive [1]_: each series has one anomaly, and a detector names one
    time step. With the anomaly's first and last step and its length L, that step P is correct if
    ``first - margin < P < last + margin``, where the margin is the larger of L and `tolerance`.
    Where several steps share the highest score, the series counts as the share of them that is
    correct, which is what choosing among them at random gets.

    With the margin around a long anomaly much of a short series is correct. Compare with
    ``np.zeros``, which gets what chance gets.

    Parameters
    ----------
    y_true : {y_true}
        Each series must have exactly one run of anomalies.
    y_score : {y_score}
    tolerance : int, default=100
        The least margin, in time steps; 100 in the archive.

    Returns
    -------
    accuracy : float
        Between 0 and 1, mean over the series.

    Raises
    ------
    ValueError
        If labels are not -1 and 1, if scores are not finite, if lengths differ, if a series has no
        anomalous interval or more than one, or if `tolerance` is not a whole number from 0.

    References
    ----------
    .. [1] R. Wu and E. J. Keogh, "Current time series anomaly detection benchmarks are flawed and
       are creating the illusion of progress", IEEE Transactions on Knowledge and Data Engineering
       35(3), 2023, 2421-2429. The rule is on the slides in the archive.

    Examples
    --------
    >>> import numpy as np
    >>> from skanomaly.metrics import ucr_accuracy
    >>> y_true = np.ones((2, 1000), dtype=int)
    >>> y_true[:, 500:520] = -1
    >>> y_score = np.zeros((2, 1000))
    >>> y_score[0, 401] = y_score[1, 400] = 1.0
    >>> ucr_accuracy(y_true, y_score)
    0.5
    """
    check_whole("tolerance", tolerance, 0, "It is counted in time steps.")
    truth, scores = read_pair(y_true, y_score, "y_score")
    correct = []
    for i, (series, score) in enumerate(zip(truth, scores, strict=True)):
        start, stop = _only_interval(series, i)
        margin = max(stop - start, tolerance)
        highest = np.flatnonzero(score == score.max())
        correct.append(np.mean((highest > start - margin) & (highest < stop - 1 + margin)))
    return float(np.mean(correct))


def _only_interval(series, i):
    intervals = find_intervals(series)
    if len(intervals) != 1:
        raise ValueError(
            "y_true must have exactly one anomalous interval in each series; got "
            f"{len(intervals)} in series {i}. Leave such series out, divide them, or use "
            "skanomaly.metrics.event_precision_recall_f on labels."
        )
    return intervals[0].tolist()
