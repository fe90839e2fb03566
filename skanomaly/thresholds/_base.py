"""What all threshold selectors share."""

from abc import ABCMeta, abstractmethod

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils import check_array
from sklearn.utils.validation import check_is_fitted

from skanomaly.validation import fit_context

__all__ = ["BaseThreshold", "check_scores"]


class BaseThreshold(BaseEstimator, metaclass=ABCMeta):
    """Base of threshold selectors; a subclass defines ``_select(scores, y)``.

    Attributes
    ----------
    threshold_ : float
        Scores above it are anomalies.

    Examples
    --------
    >>> from skanomaly.thresholds import BaseThreshold
    >>> class MaximumThreshold(BaseThreshold):
    ...     def _select(self, scores, y):
    ...         return scores.max()
    >>> MaximumThreshold().fit([0.2, 0.7, 0.4]).predict([0.7, 0.8])
    array([ 1, -1])
    """

    _parameter_constraints: dict = {}

    @fit_context(prefer_skip_nested_validation=True)
    def fit(self, scores, y=None):
        """Choose the threshold.

        Parameters
        ----------
        scores : array-like of shape (n_scores,)
            Anomaly scores, higher meaning more anomalous.
        y : array-like of shape (n_scores,), default=None
            True labels, -1 for anomalies and +1 for the rest; used only by selectors that say so.

        Returns
        -------
        self : object
            The fitted selector.
        """
        self.threshold_ = float(self._select(check_scores(scores), y))
        return self

    @abstractmethod
    def _select(self, scores, y):
        """Return the threshold for scores (n_scores,), float64."""

    def predict(self, scores):
        """Label scores.

        Parameters
        ----------
        scores : array-like of shape (n_scores,)
            Anomaly scores, higher meaning more anomalous.

        Returns
        -------
        labels : ndarray of shape (n_scores,), int
            -1 where the score exceeds ``threshold_``, else +1.
        """
        check_is_fitted(self)
        return np.where(check_scores(scores) > self.threshold_, -1, 1)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.one_d_array = True
        tags.input_tags.two_d_array = False
        return tags


def check_scores(scores):
    """Validate anomaly scores: array-like -> (n_scores,), float64."""
    if np.ndim(scores) != 1:
        raise ValueError(
            f"scores must have 1 dimension, one score each; got shape {np.shape(scores)}. Reduce "
            "per-feature scores first, or use np.ravel on a single column."
        )
    return check_array(scores, ensure_2d=False, dtype=np.float64, input_name="scores")
