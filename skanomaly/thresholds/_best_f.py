"""Threshold with the highest F-measure on labelled scores."""

from numbers import Real

import numpy as np

from skanomaly.thresholds._base import BaseThreshold
from skanomaly.validation import Interval

__all__ = ["BestFThreshold"]


class BestFThreshold(BaseThreshold):
    """Flag scores above the threshold with the highest F-measure on labelled scores.

    Parameters
    ----------
    beta : float, default=1.0
        How many times as much recall counts as precision.

    Attributes
    ----------
    threshold_ : float
        Halfway between the lowest score to flag and the next lower one in fit. Of several
        thresholds with the same F-measure, the highest.
    f_score_ : float
        F-measure of single scores in fit, in (0, 1].

    Raises
    ------
    ValueError
        If `y` is absent, has another length than `scores`, holds labels other than -1 and 1, or
        no -1. A detector fits its selector without labels, and so with this error.

    See Also
    --------
    FixedThreshold : Takes the threshold found here into a detector.

    Notes
    -----
    F = (1 + beta**2) * tp / ((1 + beta**2) * tp + beta**2 * fn + fp), of the numbers of true
    positives, false negatives and false positives. On the scores in fit it is too good: use other
    labelled scores to tell how well the threshold does.

    Examples
    --------
    >>> from skanomaly.thresholds import BestFThreshold
    >>> selector = BestFThreshold().fit([0.1, 0.5, 0.2, 1.5, 1.0], [1, 1, 1, -1, -1])
    >>> selector.threshold_, selector.f_score_
    (0.75, 1.0)
    >>> selector.predict([0.7, 0.8])
    array([ 1, -1])
    """

    _parameter_constraints: dict = {"beta": [Interval(Real, 0, None, closed="neither")]}

    def __init__(self, *, beta=1.0):
        self.beta = beta

    def _select(self, scores, y):
        anomalous = _read_labels(y, len(scores))
        order = np.argsort(-scores, kind="stable")
        falling = scores[order]
        # Where a threshold may lie: below the last of equal scores.
        last = np.flatnonzero(np.append(falling[1:] < falling[:-1], True))
        found = np.cumsum(anomalous[order])[last]
        weight = self.beta**2
        measures = (1 + weight) * found / (weight * anomalous.sum() + last + 1)
        best = int(np.argmax(measures))
        self.f_score_ = float(measures[best])
        flagged = falling[last[best]]
        if last[best] + 1 == len(falling):
            return np.nextafter(flagged, -np.inf)
        unflagged = falling[last[best] + 1]
        middle = unflagged + (flagged - unflagged) / 2
        return middle if middle < flagged else unflagged

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        return tags


def _read_labels(y, n_scores):
    """Read labels -1 and 1: (n_scores,), bool, True for anomalies."""
    if y is None:
        raise ValueError(
            "y must be the labels of the scores, -1 for anomalies and 1 for the rest, for "
            "BestFThreshold; got None. Detectors fit their selector without labels: fit "
            "BestFThreshold on labelled scores by itself, and give the detector "
            "FixedThreshold(value=selector.threshold_)."
        )
    y = np.asarray(y)
    if y.shape != (n_scores,):
        raise ValueError(
            f"y must be one label for each of the {n_scores} scores; got shape {y.shape}. Give "
            "scores and labels of the same time steps."
        )
    anomalous = y == -1
    if y.dtype == bool or not np.all(anomalous | (y == 1)):
        found = ", ".join(repr(value) for value in np.unique(y)[:5].tolist())
        raise ValueError(
            f"y must hold -1 for anomalies and 1 for the rest; got {found}. Convert labels with "
            "skanomaly.metrics.to_outlier_labels."
        )
    if not anomalous.any():
        raise ValueError(
            f"y must mark at least one anomaly with -1, for without it there is no F-measure; got "
            f"{n_scores} labels 1. Give scores with anomalies, or use a selector without labels."
        )
    return anomalous
