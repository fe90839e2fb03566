"""What metrics of labels return, and what a ratio is when there is nothing to divide by."""

from typing import NamedTuple

import numpy as np

__all__ = ["PrecisionRecallF", "divide", "f_of_counts", "f_of_ratios"]


class PrecisionRecallF(NamedTuple):
    """Precision, recall and their weighted harmonic mean.

    A named tuple. The three mean the same in every metric that returns it where there is nothing
    to measure: a share of nothing is NaN, and `f` is NaN only if nothing is flagged and nothing is
    anomalous. If one of the two is so, there was something to find or to leave alone, and all of
    it went wrong: `f` is 0.

    Parameters
    ----------
    precision : float
        Between 0 and 1, how much of what is flagged is right. NaN if nothing is flagged.
    recall : float
        Between 0 and 1, how much of what is anomalous is found. NaN if nothing is anomalous.
    f : float
        Between 0 and 1, F-beta: the harmonic mean of both, weighted by `beta`.

    Examples
    --------
    >>> from skanomaly.metrics import point_precision_recall_f
    >>> precision, recall, f = point_precision_recall_f([1, -1, -1, 1], [1, 1, -1, 1])
    >>> precision, recall, round(f, 3)
    (1.0, 0.5, 0.667)
    >>> point_precision_recall_f([1, -1, -1, 1], [1, 1, 1, 1])
    PrecisionRecallF(precision=nan, recall=0.0, f=0.0)
    """

    precision: float
    recall: float
    f: float


def divide(part, whole):
    """Divide two numbers as a float; by 0 is NaN."""
    return float(part / whole) if whole else float("nan")


def f_of_ratios(precision, recall, beta):
    """Compute F-beta of shares, numbers or arrays of one shape.

    0 where one of them is NaN or 0, NaN where both are NaN.
    """
    # Weights, not beta squared times precision: that would overflow for a large beta.
    weight = 1 / (1 + beta**2)
    with np.errstate(divide="ignore", invalid="ignore"):
        f = 1 / (weight / np.asarray(precision) + (1 - weight) / np.asarray(recall))
    f = np.where((np.asarray(precision) > 0) & (np.asarray(recall) > 0), f, 0.0)
    f = np.where(np.isnan(precision) & np.isnan(recall), np.nan, f)
    return f if f.ndim else float(f)


def f_of_counts(n_true_positives, n_flagged, n_anomalous, beta):
    """Compute F-beta of counts, arrays of any one shape; NaN where nothing is counted."""
    total = n_flagged + beta**2 * n_anomalous
    with np.errstate(invalid="ignore"):
        return np.true_divide((1 + beta**2) * n_true_positives, total)
