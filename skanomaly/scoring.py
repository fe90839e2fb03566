"""Residuals to errors: how much a deviation from the reconstruction counts.

What has to be known of a residual before it is an error is learned from the residuals r of the
training data, or of its part held out by early stopping:

============  ==================================================================================
squared       r**2
absolute      abs(r)
standardised  ((r - median) / scale)**2, the scale being 1.4826 times the median absolute deviation
mahalanobis   the squared Mahalanobis distance of r, divided among the features
gaussian      the same of abs(r): how far errors are from the usual errors (EncDec-AD)
============  ==================================================================================

Higher errors are more anomalous. The score of a time step is the mean over the features.
"""

import numpy as np
from sklearn.base import clone
from sklearn.covariance import shrunk_covariance

__all__ = [
    "SCORE_NORMS",
    "ErrorNorm",
    "error_scale",
    "fit_threshold",
    "multiply_rows",
    "step_scores",
]

SCORE_NORMS = ("squared", "absolute", "standardised", "mahalanobis", "gaussian")

# Share of the identity mixed into the correlation of the residuals.
_SHRINKAGE = 0.1
# A feature that hardly varies must not drown the rest.
_LEAST_SCALE = 0.01
# Rows that BLAS multiplies at once: many, for it does so more quickly. From so many operations on
# it shares out columns to threads, evenly if they are a multiple of so many.
_ROWS, _THREADED, _COLUMNS = 96, 2**17, 16
# Makes the median absolute deviation of normal residuals their standard deviation.
_MAD_TO_STD = 1.4826


class ErrorNorm:
    """What makes an error of a residual.

    Parameters
    ----------
    name : str
        One of ``SCORE_NORMS``.
    weights : ndarray of shape (n_features,) or None, default=None
        How much each feature counts, relative to the others.

    Attributes
    ----------
    scale : ndarray of shape (n_features,) or None
        Typical size of the residual of each feature, where :meth:`fit` learned it.
    """

    def __init__(self, name, weights=None):
        self.name = name
        self._weights = None
        if weights is not None:
            weights = np.asarray(weights, dtype=np.float64)
            self._weights = weights / weights.mean()
        self.scale = self._centre = self._matrix = None

    @property
    def must_learn(self):
        """Tell whether :meth:`fit` has to see residuals first."""
        return self.name not in ("squared", "absolute")

    @property
    def is_square(self):
        """Tell whether an error is the square of its residual, weighed like all others."""
        return self.name == "squared" and self._weights is None

    def fit(self, residuals):
        """Learn centre, scale and correlation from residuals (n, n_features), NaN left out."""
        if not self.must_learn:
            return self
        if self.name == "gaussian":
            residuals = np.abs(residuals)
        robust = self.name == "standardised"
        observed = ~np.isnan(residuals).all(axis=0)
        self._centre = np.zeros(residuals.shape[1])
        middle = np.nanmedian if robust else np.nanmean
        self._centre[observed] = middle(residuals[:, observed], axis=0)
        deviations = residuals - self._centre
        self.scale = error_scale(deviations, robust=robust)
        if not robust:
            self._matrix = _whitening(deviations / self.scale) / self.scale
        return self

    def __call__(self, residuals):
        """Turn residuals (..., n_features) into errors of the same shape."""
        if self.name == "squared":
            errors = np.square(residuals)
        elif self.name == "absolute":
            errors = np.abs(residuals)
        else:
            if self.name == "gaussian":
                residuals = np.abs(residuals)
            deviations = residuals - self._centre
            if self.name == "standardised":
                errors = np.square(deviations / self.scale)
            else:
                errors = np.square(_transform(deviations, self._matrix))
        return errors if self._weights is None else errors * self._weights

    def undo(self, errors):
        """Return the sizes of the residuals behind errors, if :attr:`must_learn` is False."""
        if self._weights is not None:
            weights = np.where(self._weights > 0, self._weights, np.nan)
            errors = errors / weights
        return np.sqrt(errors) if self.name == "squared" else errors


def multiply_rows(x, matrix):
    """Multiply x (n, d), float64, by a matrix (d, k), each row rounded alike whatever n is.

    BLAS adds up the products of a row in an order that depends on how many rows there are and,
    where it takes several threads, on how columns are shared out. Here it always gets the same
    numbers, the last ones filled up with zeros, so that a score never depends on what else is
    scored.
    """
    if x.ndim != 2:  # stacks of windows of one size are multiplied window by window
        return x @ matrix
    n, (d, k) = len(x), matrix.shape
    if _ROWS * d * k >= _THREADED and k % _COLUMNS:
        matrix = np.pad(matrix, [(0, 0), (0, -k % _COLUMNS)])
    n_whole = n // _ROWS * _ROWS
    product = np.empty((n, matrix.shape[1]), np.result_type(x, matrix))
    if n_whole:
        blocks = x[:n_whole].reshape(-1, _ROWS, d)
        np.matmul(blocks, matrix, out=product[:n_whole].reshape(len(blocks), _ROWS, -1))
    if n_whole < n:
        rest = np.zeros((_ROWS, d), x.dtype)
        rest[: n - n_whole] = x[n_whole:]
        product[n_whole:] = (rest @ matrix)[: n - n_whole]
    return product[:, :k]


def _transform(deviations, matrix):
    """Apply a matrix to the last axis; what is missing counts as zero and stays missing."""
    missing = np.isnan(deviations)
    if not missing.any():
        return multiply_rows(deviations, matrix.T)
    return np.where(missing, np.nan, multiply_rows(np.where(missing, 0.0, deviations), matrix.T))


def _whitening(deviations):
    """Symmetric inverse root of the shrunk correlation, (n_features, n_features).

    Symmetric, so that each whitened residual stays as close to its own feature as can be.
    """
    known = ~np.isnan(deviations)
    filled = np.where(known, deviations, 0.0)
    counts = known.T.astype(np.float64) @ known
    covariance = filled.T @ filled / np.maximum(counts, 1)
    # Features that hardly vary, or were never observed, are as independent as can be.
    deviation = np.sqrt(np.maximum(np.diag(covariance), _LEAST_SCALE**2))
    correlation = covariance / np.outer(deviation, deviation)
    np.fill_diagonal(correlation, 1.0)
    values, vectors = np.linalg.eigh(shrunk_covariance(correlation, shrinkage=_SHRINKAGE))
    # Pairs counted on different steps need not make a covariance matrix.
    return (vectors / np.sqrt(np.maximum(values, _SHRINKAGE))) @ vectors.T


def error_scale(residuals, *, robust=False):
    """Typical size of the residual of each feature, in the units of X.

    Parameters
    ----------
    residuals : ndarray of shape (n, n_features)
        NaN is left out.
    robust : bool, default=False
        Take 1.4826 times the median of the absolute residuals, where it is not zero, and not the
        root of the mean of their squares.

    Returns
    -------
    scale : ndarray of shape (n_features,), float64
        Never below a hundredth of the median over the features; that median for a feature that
        was never observed; one where all are zero.
    """
    n_features = residuals.shape[1]
    found, observed = np.zeros(n_features), np.zeros(n_features, dtype=bool)
    for j, column in enumerate(residuals.T):  # one by one: copies of all would cost memory
        known = np.abs(column[~np.isnan(column)]).astype(np.float64)
        observed[j] = len(known) > 0
        if robust and observed[j]:
            found[j] = _MAD_TO_STD * np.median(known)
        if observed[j] and not found[j] > 0:
            found[j] = np.sqrt(np.mean(np.square(known)))
    positive = found[found > 0]
    if not len(positive):
        return np.ones(n_features)
    typical = np.median(positive)
    return np.where(observed, np.maximum(found, _LEAST_SCALE * typical), typical)


def step_scores(errors):
    """Mean over the features that have an error: (n, n_features) -> (n,), NaN where none has."""
    # Not .mean(): several times slower where there are few features.
    total = np.einsum("ij->i", errors)
    if np.isfinite(total).all():
        return total / errors.shape[1]
    known = np.isfinite(errors)
    counts = known.sum(axis=1)
    total = np.einsum("ij->i", np.where(known, errors, 0.0))
    return np.where(counts > 0, total / np.maximum(counts, 1), np.nan)


def fit_threshold(selector, scores):
    """Fit a clone of the selector to scores (n,); return it and the score of what tells nothing.

    That score is as normal as the median, and never above the threshold.
    """
    known = scores[~np.isnan(scores)]
    if not len(known):
        raise ValueError(
            "X must have time steps on which the detector has an opinion; got none. Give longer "
            "series with more observed values, or a smaller warm_up where there is one."
        )
    fitted = clone(selector).fit(known)
    return fitted, min(float(np.median(known)), fitted.threshold_)
