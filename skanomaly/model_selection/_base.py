"""What detectors with a threshold from outside share: everything after the threshold."""

import numpy as np
from sklearn.base import BaseEstimator, MetaEstimatorMixin, OutlierMixin
from sklearn.utils import get_tags
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from skanomaly.docstrings import with_texts
from skanomaly.model_selection._labels import Y_DOC
from skanomaly.model_selection._responses import (
    RESPONSE_METHODS,
    ask_for_timesteps,
    last_step,
    sample_scores,
    timestep_scores,
)
from skanomaly.sequences import X_DOC, nesting
from skanomaly.validation import HasMethods, StrOptions

__all__ = [
    "BaseThresholdDetector",
    "copy_features_seen",
    "tags_of",
    "training_scores",
    "with_docs",
]


def _has_timesteps(self):
    """Tell whether scores per time step are to be had; say why not."""
    if self.response_method != "score_samples":
        raise AttributeError(
            "Scores and labels per time step of panels need response_method='score_samples'; got "
            f"{self.response_method!r}, whose threshold is on another scale. Change it."
        )
    return hasattr(last_step(getattr(self, "estimator_", self.estimator)), "score_timesteps")


with_docs = with_texts(X=X_DOC, y=Y_DOC)


class BaseThresholdDetector(OutlierMixin, MetaEstimatorMixin, BaseEstimator):
    """Base of detectors that wrap another one and label by a threshold of their own.

    ``fit`` of a subclass sets ``estimator_`` and calls ``_set_thresholds``. Inside, higher scores
    are more anomalous; the sign turns in the public methods and nowhere else.
    """

    _parameter_constraints: dict = {
        "estimator": [
            HasMethods(["fit", "score_samples"]),
            HasMethods(["fit", "decision_function"]),
        ],
        "response_method": [StrOptions(set(RESPONSE_METHODS))],
    }

    def _set_thresholds(self, *, samples=None, timesteps=None):
        """Keep the thresholds on scores of samples seen in fit and of time steps.

        Either may be None, where nothing was learned of it. Samples are what X had in fit: time
        steps of one series, series of a panel.
        """
        self.threshold_ = float(timesteps if samples is None else samples)
        self.offset_ = -self.threshold_
        self._series_threshold = None if samples is None else float(samples)
        if timesteps is None:
            self.__dict__.pop("step_threshold_", None)
        else:
            self.step_threshold_ = float(timesteps)

    def _sample_scores(self, X):
        check_is_fitted(self, "estimator_")
        return sample_scores(self.estimator_, X, self.response_method)

    def _threshold_for(self, X):
        """Return the threshold on the scores of samples of X."""
        check_is_fitted(self, "estimator_")
        if nesting(X) == "series":
            return self._step_threshold()
        if self._series_threshold is None:
            raise ValueError(
                "X must be one series here, for the threshold was chosen for time steps; got "
                f"{len(X)} series. Use predict_timesteps for panels, or fit on a panel with "
                "labels per series."
            )
        return self._series_threshold

    def _step_threshold(self):
        check_is_fitted(self, "estimator_")
        if not hasattr(self, "step_threshold_"):
            raise ValueError(
                "Labels per time step need a threshold for time steps; got one for whole series, "
                "from labels per series. Fit with labels per time step, nested like X."
            )
        return self.step_threshold_

    @with_docs
    def score_samples(self, X):
        """Score each time step of a series, or each series of a panel; higher is more normal.

        Parameters
        ----------
        X : {X}

        Returns
        -------
        scores : ndarray of shape (n_timesteps,) or (n_series,), float64
            What the detector answers to `response_method`, turned round if it is "pyod".
        """
        return -self._sample_scores(X)

    @with_docs
    def decision_function(self, X):
        """Score as ``score_samples``, shifted so that negative means anomalous.

        Parameters
        ----------
        X : {X}

        Returns
        -------
        decision : ndarray of shape (n_timesteps,) or (n_series,), float64
            ``score_samples(X)`` plus the threshold for samples of X.
        """
        threshold = self._threshold_for(X)
        return threshold - self._sample_scores(X)

    @with_docs
    def predict(self, X):
        """Label each time step of a series, or each series of a panel.

        Parameters
        ----------
        X : {X}

        Returns
        -------
        labels : ndarray of shape (n_timesteps,) or (n_series,), int
            -1 where the anomaly score exceeds the threshold, else 1.
        """
        threshold = self._threshold_for(X)
        return _labels(self._sample_scores(X), threshold)

    @available_if(_has_timesteps)
    @with_docs
    def score_timesteps(self, X):
        """Score each time step, of panels too; higher is more normal.

        Of a pipeline the last step is asked, with what those before make of X.

        Parameters
        ----------
        X : {X}

        Returns
        -------
        scores : ndarray of shape (n_timesteps,) or (n_series, n_timesteps), or list of ndarray
            As X, without the axis of features.
        """
        check_is_fitted(self, "estimator_")
        return ask_for_timesteps(self.estimator_, X, "score_timesteps")

    @available_if(_has_timesteps)
    @with_docs
    def predict_timesteps(self, X):
        """Label each time step, of panels too.

        Parameters
        ----------
        X : {X}

        Returns
        -------
        labels : ndarray of shape (n_timesteps,) or (n_series, n_timesteps), or list of ndarray
            -1 where the anomaly score exceeds ``step_threshold_``, else 1; int.
        """
        threshold = self._step_threshold()
        scores = self.score_timesteps(X)
        if isinstance(scores, list):
            return [_labels(-part, threshold) for part in scores]
        return _labels(-scores, threshold)

    def __sklearn_tags__(self):
        return tags_of(self.estimator, super().__sklearn_tags__())


def training_scores(estimator, X, response_method):
    """Return anomaly scores of samples, and of all time steps of a panel, None without any."""
    samples = sample_scores(estimator, X, response_method)
    if nesting(X) == "series":
        return samples, samples
    if response_method != "score_samples" or not hasattr(last_step(estimator), "score_timesteps"):
        return samples, None
    return samples, np.concatenate(timestep_scores(estimator, X))


def copy_features_seen(meta, estimator):
    """Tell of a fitted meta-estimator which features the inner one saw."""
    for name in ("n_features_in_", "feature_names_in_"):
        if hasattr(estimator, name):
            setattr(meta, name, getattr(estimator, name))
        elif name in vars(meta):
            delattr(meta, name)


def tags_of(estimator, tags):
    """Take over what the inner estimator says of its input, if it says anything."""
    if hasattr(estimator, "__sklearn_tags__"):  # those of PyOD say nothing
        inner = get_tags(estimator).input_tags
        tags.input_tags.allow_nan = inner.allow_nan
        tags.input_tags.sparse = inner.sparse
        tags.input_tags.three_d_array = inner.three_d_array
    return tags


def _labels(scores, threshold):
    return np.where(scores > threshold, -1, 1)
