"""Residuals to errors, errors to one score per time step; higher is more anomalous here."""

import numpy as np

__all__ = ["SCORE_NORMS", "ErrorScale", "normalise", "residual_errors", "step_scores"]

SCORE_NORMS = ("squared", "absolute", "standardised")


def residual_errors(x, y, score_norm):
    """Error of each value: (..., n_features), (..., n_features) -> (..., n_features)."""
    residual = x - y
    return np.abs(residual) if score_norm == "absolute" else np.square(residual)


class ErrorScale:
    """Typical size of the residual of each feature, from errors block by block.

    Root mean squared residual, for "absolute" the mean absolute one, in the units of X. Never below
    a hundredth of the median over the features, so that a feature which hardly varies cannot drown
    the rest; the median for a feature that was never observed; one where all are zero.

    Parameters
    ----------
    score_norm : {"squared", "absolute", "standardised"}
        What the errors are.
    """

    def __init__(self, score_norm):
        self._score_norm = score_norm
        self._total = self._count = 0

    def add(self, errors):
        """Take in errors as :func:`residual_errors` gives them, (n, n_features), or NaN."""
        known = np.isfinite(errors)
        self._count = self._count + known.sum(axis=0)
        self._total = self._total + np.where(known, errors, 0.0).sum(axis=0)

    def result(self):
        """Return the scale: ndarray of shape (n_features,), float64."""
        scale = self._total / np.maximum(self._count, 1)
        if self._score_norm != "absolute":
            scale = np.sqrt(scale)
        positive = scale[scale > 0]
        if not len(positive):
            return np.ones_like(scale)
        typical = np.median(positive)
        return np.where(self._count > 0, np.maximum(scale, 0.01 * typical), typical)


def normalise(errors, scale, score_norm):
    """Divide squared errors by the squared scale if asked: shape kept."""
    return errors / np.square(scale) if score_norm == "standardised" else errors


def step_scores(errors):
    """Mean over the features that have an error: (n, n_features) -> (n,), NaN where none has."""
    known = np.isfinite(errors)
    if known.all():
        return errors.mean(axis=1)
    counts = known.sum(axis=1)
    total = np.where(known, errors, 0.0).sum(axis=1)
    return np.where(counts > 0, total / np.maximum(counts, 1), np.nan)
