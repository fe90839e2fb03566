"""What every detector does once it has an error for each value of X."""

from abc import ABCMeta, abstractmethod
from numbers import Real

import numpy as np
from sklearn.base import BaseEstimator, OutlierMixin, clone
from sklearn.utils.validation import check_is_fitted

from skanomaly.scoring import SCORE_NORMS, error_scale, normalise, step_scores
from skanomaly.sequences import X_DOC, check_sequences
from skanomaly.thresholds import QuantileThreshold
from skanomaly.validation import HasMethods, Interval, StrOptions, fit_context

__all__ = ["ATTRIBUTES_DOC", "THRESHOLD_DOC", "BaseDetector"]

#: Parameters and attributes that every detector has, for the class docstrings.
THRESHOLD_DOC = """score_norm : {"squared", "absolute", "standardised"}, default="squared"
        What makes a residual an error: its square, its absolute value, or its square divided by
        the squared ``error_scale_`` of the feature. The score of a time step is minus the mean
        error over the features.
    contamination : float, default=0.01
        Share of the training data to be flagged, in (0, 0.5]. Ignored when `threshold` is given.
    threshold : threshold selector, default=None
        An estimator from :mod:`skanomaly.thresholds`, cloned and fitted on the anomaly scores of
        the training data. None is ``QuantileThreshold(contamination=contamination)``."""

ATTRIBUTES_DOC = """threshold_ : float
        Anomaly scores above it are flagged: of time steps after fitting one series, of series
        after fitting a panel.
    offset_ : float
        Minus ``threshold_``: ``decision_function = score_samples - offset_``.
    step_threshold_ : float
        The threshold for single time steps, also after fitting a panel.
    threshold_selector_ : threshold selector
        The fitted selector that chose ``threshold_``.
    error_scale_ : ndarray of shape (n_features,)
        Typical size of the residual of each feature on the training data, in units of X.
    n_features_in_ : int
        Number of features seen in fit.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the features, when X had names."""


def _with_x_doc(method):
    method.__doc__ = method.__doc__.replace("{X}", X_DOC)
    return method


class BaseDetector(OutlierMixin, BaseEstimator, metaclass=ABCMeta):
    """Base of all detectors.

    A subclass sets itself up in ``_start(sequences)`` and learns in ``_learn(sequences,
    partial)``. It says what it expected in ``_errors(sequences)``, the error of each value
    (n_total_timesteps, n_features), NaN where it has no opinion, and in ``_expected(sequences)``,
    the reconstruction of the same shape. Inside,
    higher scores are more anomalous; the sign turns in the public methods and nowhere else.
    """

    _parameter_constraints: dict = {
        "score_norm": [StrOptions(set(SCORE_NORMS))],
        "contamination": [Interval(Real, 0, 0.5, closed="right")],
        "threshold": [HasMethods(["fit", "predict"]), None],
    }

    @abstractmethod
    def _start(self, sequences):
        """Check parameters against the data and forget what was learned before."""

    @abstractmethod
    def _learn(self, sequences, partial):
        """Learn from the series; partial asks for one pass over them."""

    @abstractmethod
    def _errors(self, sequences):
        """Return the error of each value."""

    @abstractmethod
    def _expected(self, sequences):
        """Return the reconstruction of each value."""

    # -------------------------------------------------------------------------------- fitting

    @fit_context(prefer_skip_nested_validation=True)
    @_with_x_doc
    def fit(self, X, y=None):
        """Learn what is normal from X, and from its scores the threshold.

        Parameters
        ----------
        X : {X}
            Mostly normal.
        y : None
            Ignored; there for the conventions of scikit-learn.

        Returns
        -------
        self : object
            The fitted detector.
        """
        sequences = check_sequences(self, X, reset=True, min_timesteps=2, observed=True)
        self._start(sequences)
        self._learn(sequences, partial=False)
        return self._calibrate(sequences)

    @fit_context(prefer_skip_nested_validation=True)
    @_with_x_doc
    def partial_fit(self, X, y=None):
        """Go on learning from X: for networks one epoch, from the weights reached so far.

        Threshold and error scale are then those of the present network on the present X.

        Parameters
        ----------
        X : {X}
            Mostly normal.
        y : None
            Ignored; there for the conventions of scikit-learn.

        Returns
        -------
        self : object
            The detector.
        """
        first = not hasattr(self, "error_scale_")
        sequences = check_sequences(self, X, reset=first, min_timesteps=2, observed=True)
        if first:
            self._start(sequences)
        self._learn(sequences, partial=True)
        return self._calibrate(sequences)

    def _calibrate(self, sequences):
        """Set error scale and thresholds from the scores of the training series."""
        errors = self._errors(sequences)
        self.error_scale_ = error_scale(errors, self.score_norm)
        steps = step_scores(normalise(errors, self.error_scale_, self.score_norm))
        samples = sequences.per_sample(steps)
        selector = self.threshold
        if selector is None:
            selector = QuantileThreshold(contamination=self.contamination)
        self.threshold_selector_, self._unknown_sample = _fit_threshold(selector, samples)
        self.threshold_ = self.threshold_selector_.threshold_
        self.offset_ = -self.threshold_
        self.step_threshold_, self._unknown_step = self.threshold_, self._unknown_sample
        self._fitted_on_panel = sequences.nesting != "series"
        if self._fitted_on_panel:
            step_selector, self._unknown_step = _fit_threshold(selector, steps)
            self.step_threshold_ = step_selector.threshold_
        return self

    # -------------------------------------------------------------------------------- scoring

    def _check(self, X):
        check_is_fitted(self)
        return check_sequences(self, X, reset=False)

    def _normalised_errors(self, sequences):
        return normalise(self._errors(sequences), self.error_scale_, self.score_norm)

    def _step_scores(self, sequences):
        """Anomaly score of each time step: (n_total_timesteps,), higher is more anomalous."""
        steps = self._known_step_scores(sequences)
        return np.where(np.isnan(steps), self._unknown_step, steps)

    def _known_step_scores(self, sequences):
        """Score as ``_step_scores``, but NaN for steps that tell nothing."""
        return step_scores(self._normalised_errors(sequences))

    def _sample_scores(self, sequences):
        """Anomaly score of each sample: of a time step of a series, of a series of a panel."""
        scores = sequences.per_sample(self._known_step_scores(sequences))
        of_series = sequences.nesting != "series" and self._fitted_on_panel
        unknown = self._unknown_sample if of_series else self._unknown_step
        return np.where(np.isnan(scores), unknown, scores)

    @_with_x_doc
    def score_samples(self, X):
        """Score each time step of a series, or each series of a panel; higher is more normal.

        Parameters
        ----------
        X : {X}

        Returns
        -------
        scores : ndarray of shape (n_timesteps,) or (n_series,), float64
            Minus the mean error over the features, for a panel also over the time steps.
        """
        sequences = self._check(X)
        return -self._sample_scores(sequences)

    @_with_x_doc
    def decision_function(self, X):
        """Score as ``score_samples``, shifted so that negative means anomalous.

        Parameters
        ----------
        X : {X}

        Returns
        -------
        decision : ndarray of shape (n_timesteps,) or (n_series,), float64
            ``score_samples(X)`` minus the offset: ``offset_`` when X is of the kind seen in fit.
            For one series after fitting a panel it is ``-step_threshold_``.

        Raises
        ------
        ValueError
            If X is a panel and the detector was fitted on one series, which tells nothing about
            how the scores of whole series vary.
        """
        sequences = self._check(X)
        return self._threshold_for(sequences) - self._sample_scores(sequences)

    @_with_x_doc
    def predict(self, X):
        """Label each time step of a series, or each series of a panel.

        Parameters
        ----------
        X : {X}

        Returns
        -------
        labels : ndarray of shape (n_timesteps,) or (n_series,), int
            -1 for anomalies, where ``decision_function`` is negative; +1 for the rest.
        """
        return np.where(self.decision_function(X) < 0, -1, 1)

    def _threshold_for(self, sequences):
        if sequences.nesting == "series":
            return self.step_threshold_
        if not self._fitted_on_panel:
            raise ValueError(
                "X must be one series (n_timesteps, n_features) here, as it was in fit, to be "
                f"labelled; got a {sequences.nesting} panel of {sequences.n_series} series. Fit on "
                "a panel to label whole series, or use predict_timesteps."
            )
        return self.threshold_

    @_with_x_doc
    def score_timesteps(self, X):
        """Score each time step, of panels too; higher is more normal.

        Parameters
        ----------
        X : {X}

        Returns
        -------
        scores : ndarray of shape (n_timesteps,) or (n_series, n_timesteps), or list of ndarray
            As X, without the axis of features; float64.
        """
        sequences = self._check(X)
        return sequences.nest(-self._step_scores(sequences))

    @_with_x_doc
    def predict_timesteps(self, X):
        """Label each time step, of panels too.

        Parameters
        ----------
        X : {X}

        Returns
        -------
        labels : ndarray of shape (n_timesteps,) or (n_series, n_timesteps), or list of ndarray
            -1 where the anomaly score exceeds ``step_threshold_``, else +1; int.
        """
        sequences = self._check(X)
        anomalous = self._step_scores(sequences) > self.step_threshold_
        return sequences.nest(np.where(anomalous, -1, 1))

    @_with_x_doc
    def score_features(self, X):
        """Score each value; higher is more normal. The mean over features scores the time step.

        Parameters
        ----------
        X : {X}

        Returns
        -------
        scores : ndarray or list of ndarray, shaped like X
            Minus the errors; float64, NaN where the detector has no opinion.
        """
        sequences = self._check(X)
        return sequences.nest(-self._normalised_errors(sequences))

    @_with_x_doc
    def reconstruct(self, X):
        """Tell what the detector expected in place of X.

        Parameters
        ----------
        X : {X}

        Returns
        -------
        reconstruction : ndarray or list of ndarray, shaped like X
            float64; NaN where the detector has no opinion.
        """
        sequences = self._check(X)
        return sequences.nest(self._expected(sequences))

    @_with_x_doc
    def score(self, X, y=None):
        """Rate the detector on X without labels, for searches that have none.

        Mind that errors on differently scaled or differenced data are not comparable.

        Parameters
        ----------
        X : {X}
        y : None
            Ignored; there for the conventions of scikit-learn.

        Returns
        -------
        score : float
            Minus the mean error over all values; higher is better.
        """
        sequences = self._check(X)
        return -float(np.mean(self._step_scores(sequences)))

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.three_d_array = True
        return tags


def _fit_threshold(selector, scores):
    """Fit a clone of the selector; return it and the score of what tells nothing.

    That score is as normal as the median, and never above the threshold.
    """
    known = scores[~np.isnan(scores)]
    if not len(known):
        raise ValueError(
            "X must have time steps on which the detector has an opinion; got none. Give longer "
            "series with more observed values."
        )
    fitted = clone(selector).fit(known)
    return fitted, min(float(np.median(known)), fitted.threshold_)
