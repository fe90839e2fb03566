"""What every detector does once it has an error for each value of X."""

import importlib
from abc import ABCMeta, abstractmethod
from numbers import Integral, Real

import numpy as np
from sklearn.base import BaseEstimator, OutlierMixin
from sklearn.utils.validation import check_is_fitted

from skanomaly.detectors._calibration import (
    EvenSample,
    calibration_part,
    residuals_apart,
    scores_to_fit,
)
from skanomaly.docstrings import with_texts
from skanomaly.results import check_out, collect, deliver, sample_means
from skanomaly.scoring import SCORE_NORMS, ErrorNorm, error_scale, fit_threshold, step_scores
from skanomaly.sequences import X_DOC, check_sequences
from skanomaly.smoothing import SMOOTHINGS, Smoother
from skanomaly.thresholds import QuantileThreshold
from skanomaly.validation import HasMethods, Interval, StrOptions, fit_context

__all__ = ["ATTRIBUTES_DOC", "THRESHOLD_DOC", "BaseDetector"]

#: Parameters and attributes that every detector has, for the class docstrings.
THRESHOLD_DOC = """score_norm : {"squared", "absolute", "standardised", "mahalanobis", \
"gaussian"}, default="squared"
        What makes a residual r an error. "squared" and "absolute" are r**2 and abs(r).
        "standardised" is ((r - median) / ``error_scale_``)**2 of each feature. "mahalanobis" is the
        squared Mahalanobis distance of the residuals of a step, by their shrunk correlation,
        divided among the features; "gaussian" the same of abs(r), as in EncDec-AD. What has to be
        known of residuals is learned from those of the training data, or of its validation part
        if there is early stopping. The score of a time step is minus the mean error over the
        features.
    smoothing : {"exponential", "median", "triangular"} or None, default=None
        Average errors over neighbouring time steps: by a mean whose weights fall by the factor
        (span - 1) / (span + 1) per step, by the median, or by a mean whose weights fall evenly to 0
        at a distance of `span` steps. Anomalies that last longer than a single step stand out much
        better. For several spans at once see :class:`~skanomaly.ScoreEnsemble`.
    smoothing_span : int, default=16
        How wide to smooth, in time steps.
    smoothing_causal : bool, default=False
        Smooth over the step itself and those before it only.
    feature_weights : array-like of shape (n_features,) or None, default=None
        How much the error of each feature counts, relative to the others; not negative.
    contamination : float, default=0.01
        Share of the training data to be flagged, in (0, 0.5]. Ignored when `threshold` is given.
    threshold : threshold selector, default=None
        An estimator from :mod:`skanomaly.thresholds`, cloned and fitted on the anomaly scores of
        the training data, or of an even part of it beyond 2**20 time steps. None is
        ``QuantileThreshold(contamination=contamination)``.
    after_fit : callable or None, default=None
        Called as ``after_fit(detector, X)`` at the end of ``fit``, for example
        :func:`~skanomaly.inspection.warn_if_identity`, which warns of a detector that copies its
        input."""

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
        Typical size of the residual of each feature on the training data, in units of X: for
        "standardised" 1.4826 times the median absolute deviation, for "mahalanobis" and "gaussian"
        the standard deviation, else the root mean square.
    n_features_in_ : int
        Number of features seen in fit.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the features, when X had names."""


#: How scoring methods describe where results go.
_OUT_DOC = """array, list of arrays or None, default=None
            Where to write the result: a NumPy, zarr or h5py array of its shape, or a list of them
            for a list of series. None makes a new array."""

_with_docs = with_texts(X=X_DOC, out=_OUT_DOC)


class BaseDetector(OutlierMixin, BaseEstimator, metaclass=ABCMeta):
    """Base of all detectors.

    A subclass sets itself up in ``_start(sequences)`` and learns in ``_learn(sequences,
    partial)``. In ``_expected(sequences)`` it yields what it expected of consecutive time steps,
    (n_rows, n_features), NaN where it has no opinion. A detector with several opinions on a step
    yields the errors that ``measure`` makes of their residuals in ``_errors(sequences, measure)``.
    Inside, higher scores are more anomalous; the sign turns in the public methods and nowhere else.

    Examples
    --------
    A detector that expects zero:

    >>> import numpy as np
    >>> from skanomaly.detectors import BaseDetector
    >>> class ZeroDetector(BaseDetector):
    ...     def __init__(
    ...         self, *, score_norm="squared", smoothing=None, smoothing_span=16,
    ...         smoothing_causal=False, feature_weights=None, contamination=0.01, threshold=None,
    ...         after_fit=None,
    ...     ):
    ...         self.score_norm = score_norm
    ...         self.smoothing = smoothing
    ...         self.smoothing_span = smoothing_span
    ...         self.smoothing_causal = smoothing_causal
    ...         self.feature_weights = feature_weights
    ...         self.contamination = contamination
    ...         self.threshold = threshold
    ...         self.after_fit = after_fit
    ...     def _start(self, sequences):
    ...         pass
    ...     def _learn(self, sequences, partial):
    ...         pass
    ...     def _expected(self, sequences):
    ...         for _, x in sequences.blocks():
    ...             yield np.zeros(x.shape)
    >>> X = np.array([[0.1], [-0.2], [3.0], [0.1]])
    >>> ZeroDetector(contamination=0.25).fit_predict(X)
    array([ 1,  1, -1,  1])
    """

    _parameter_constraints: dict = {
        "score_norm": [StrOptions(set(SCORE_NORMS))],
        "smoothing": [StrOptions(set(SMOOTHINGS)), None],
        "smoothing_span": [Interval(Integral, 1, None, closed="left")],
        "smoothing_causal": ["boolean"],
        "feature_weights": ["array-like", None],
        "after_fit": [callable, None],
        "contamination": [Interval(Real, 0, 0.5, closed="right")],
        "threshold": [HasMethods(["fit", "predict"]), None],
    }

    @abstractmethod
    def _start(self, sequences):
        """Check parameters against the data and forget what was learned before."""

    @abstractmethod
    def _learn(self, sequences, partial):
        """Learn from the series; partial asks for one pass. Return what was held out, if any."""

    @abstractmethod
    def _expected(self, sequences):
        """Yield the reconstruction of consecutive time steps."""

    def _error_reach(self):
        """Tell how far the error of a time step depends on others, as skanomaly.windows.Reach."""
        raise TypeError(
            f"{type(self).__name__} must say how far the error of a time step depends on others "
            "for a series to be scored in pieces; got no method _error_reach. Score it whole."
        )

    def _errors(self, sequences, measure):
        """Yield what `measure` makes of the residuals of consecutive time steps."""
        done = 0
        for expected in self._expected(sequences):
            x = sequences.read(done, done + len(expected))
            yield measure(x - expected)
            done += len(expected)

    # -------------------------------------------------------------------------------- fitting

    @fit_context(prefer_skip_nested_validation=True)
    @_with_docs
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
        sequences = self._check_training(X, reset=True)
        self._start(sequences)
        held_out = self._learn(sequences, partial=False)
        self._calibrate(sequences, held_out)
        if self.after_fit is not None:
            self.after_fit(self, X)
        return self

    @fit_context(prefer_skip_nested_validation=True)
    @_with_docs
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
        sequences = self._check_training(X, reset=first)
        if first:
            self._start(sequences)
        self._learn(sequences, partial=True)
        return self._calibrate(sequences)

    def _check_training(self, X, reset):
        sequences = check_sequences(
            self, X, reset=reset, min_timesteps=2, observed=True, stored=True
        )
        self._check_feature_weights()
        return sequences

    def _calibrate(self, sequences, held_out=None):
        """Set error norm and thresholds from the residuals of the training series."""
        sequences = calibration_part(sequences)
        self._norm = ErrorNorm(self.score_norm, self._check_feature_weights())
        if self._norm.must_learn:
            unseen = sequences if held_out is None else calibration_part(held_out)
            residuals = EvenSample(residuals_apart(unseen))
            for block in self._errors(unseen, np.asarray):
                residuals.take(block)
            self._norm.fit(residuals.join())
            steps, samples = scores_to_fit(sequences, self._known_step_scores(sequences))
            self.error_scale_ = self._norm.scale
        else:
            errors = EvenSample(residuals_apart(sequences))
            blocks = self._known_step_scores(sequences, errors.take)
            steps, samples = scores_to_fit(sequences, blocks)
            self.error_scale_ = error_scale(self._norm.undo(errors.join()))
        selector = self.threshold
        if selector is None:
            selector = QuantileThreshold(contamination=self.contamination)
        self.threshold_selector_, self._unknown_sample = fit_threshold(selector, samples)
        self.threshold_ = self.threshold_selector_.threshold_
        self.offset_ = -self.threshold_
        self.step_threshold_, self._unknown_step = self.threshold_, self._unknown_sample
        self._fitted_on_panel = sequences.nesting != "series"
        if self._fitted_on_panel:
            step_selector, self._unknown_step = fit_threshold(selector, steps)
            self.step_threshold_ = step_selector.threshold_
        return self

    # -------------------------------------------------------------------------------- scoring

    def _check(self, X):
        check_is_fitted(self)
        return check_sequences(self, X, reset=False, stored=True)

    def _check_feature_weights(self):
        weights = self.feature_weights
        if weights is None:
            return None
        weights = np.asarray(weights, dtype=np.float64)
        good = weights.shape == (self.n_features_in_,) and np.isfinite(weights).all()
        if not good or weights.min() < 0 or not weights.any():
            raise ValueError(
                f"feature_weights must be {self.n_features_in_} numbers, one per feature, none "
                f"negative and not all zero; got {self.feature_weights!r}. Use None to weigh all "
                "features the same."
            )
        return weights

    def _smoother(self):
        return Smoother(self.smoothing, self.smoothing_span, self.smoothing_causal)

    def _smooth(self, sequences, errors):
        """Yield errors of consecutive time steps as they make up the scores."""
        if self.smoothing is None:
            return errors
        return self._smoother()(errors, sequences.lengths)

    def _reach(self):
        """Tell how far the score of a time step depends on others, as skanomaly.windows.Reach."""
        reach = self._error_reach()
        return reach if self.smoothing is None else reach.extended(*self._smoother().reach)

    def _final_errors(self, sequences):
        return self._smooth(sequences, self._errors(sequences, self._norm))

    def _errors_to_average(self, sequences, show=None):
        """Yield errors, of which nothing but the mean over the features of a step will be used.

        A detector that makes these means more quickly than the errors may yield them instead,
        (n_rows, 1), if smoothing them is the same. `show` is called with the errors of all
        features, if given.
        """
        for errors in self._errors(sequences, self._norm):
            if show is not None:
                show(errors)
            yield errors

    def _known_step_scores(self, sequences, show=None):
        """Yield anomaly scores of time steps, (n_rows,), NaN for those that tell nothing."""
        for block in self._smooth(sequences, self._errors_to_average(sequences, show)):
            yield step_scores(block)

    def _step_scores(self, sequences):
        """Yield anomaly scores of time steps, (n_rows,), higher is more anomalous."""
        for scores in self._known_step_scores(sequences):
            yield np.where(np.isnan(scores), self._unknown_step, scores)

    def _sample_scores(self, sequences):
        """Yield anomaly scores of samples: of steps of a series, of all series of a panel."""
        if sequences.nesting == "series":
            yield from self._step_scores(sequences)
            return
        scores = sample_means(sequences, self._known_step_scores(sequences))
        unknown = self._unknown_sample if self._fitted_on_panel else self._unknown_step
        yield np.where(np.isnan(scores), unknown, scores)

    @_with_docs
    def score_samples(self, X, out=None):
        """Score each time step of a series, or each series of a panel; higher is more normal.

        Parameters
        ----------
        X : {X}
        out : {out}

        Returns
        -------
        scores : ndarray of shape (n_timesteps,) or (n_series,), float64
            Minus the mean error over the features, for a panel also over the time steps.
        """
        return self._sample_result(self._check(X), out, np.negative)

    @_with_docs
    def decision_function(self, X, out=None):
        """Score as ``score_samples``, shifted so that negative means anomalous.

        Parameters
        ----------
        X : {X}
        out : {out}

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
        threshold = self._threshold_for(sequences)
        return self._sample_result(sequences, out, lambda scores: threshold - scores)

    @_with_docs
    def predict(self, X, out=None):
        """Label each time step of a series, or each series of a panel.

        Parameters
        ----------
        X : {X}
        out : {out}

        Returns
        -------
        labels : ndarray of shape (n_timesteps,) or (n_series,), int
            -1 for anomalies, where ``decision_function`` is negative; +1 for the rest.
        """
        sequences = self._check(X)
        threshold = self._threshold_for(sequences)
        return self._sample_result(sequences, out, lambda scores: _labels(scores, threshold), int)

    def _sample_result(self, sequences, out, finish, dtype=np.float64):
        """Return what `finish(scores)` makes of the scores of samples."""
        check_out(out, sequences, of="sample", dtype=dtype)
        blocks = (finish(scores) for scores in self._sample_scores(sequences))
        if sequences.nesting == "series":
            return collect(sequences, blocks, out, dtype)
        (result,) = blocks
        return deliver(result, out)

    def _step_result(self, X, out, finish, dtype=np.float64):
        """Return what `finish(scores)` makes of the scores of time steps."""
        sequences = self._check(X)
        check_out(out, sequences, of="step", dtype=dtype)
        blocks = (finish(scores) for scores in self._step_scores(sequences))
        return collect(sequences, blocks, out, dtype)

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

    @_with_docs
    def score_timesteps(self, X, out=None):
        """Score each time step, of panels too; higher is more normal.

        Parameters
        ----------
        X : {X}
        out : {out}

        Returns
        -------
        scores : ndarray of shape (n_timesteps,) or (n_series, n_timesteps), or list of ndarray
            As X, without the axis of features; float64.
        """
        return self._step_result(X, out, np.negative)

    @_with_docs
    def predict_timesteps(self, X, out=None):
        """Label each time step, of panels too.

        Parameters
        ----------
        X : {X}
        out : {out}

        Returns
        -------
        labels : ndarray of shape (n_timesteps,) or (n_series, n_timesteps), or list of ndarray
            -1 where the anomaly score exceeds ``step_threshold_``, else +1; int.
        """
        return self._step_result(X, out, lambda scores: _labels(scores, self.step_threshold_), int)

    @_with_docs
    def score_features(self, X, out=None):
        """Score each value; higher is more normal. The mean over features scores the time step.

        Parameters
        ----------
        X : {X}
        out : {out}

        Returns
        -------
        scores : ndarray or list of ndarray, shaped like X
            Minus the errors; float64, NaN where the detector has no opinion.
        """
        sequences = self._check(X)
        check_out(out, sequences, of="value")
        return collect(sequences, (-errors for errors in self._final_errors(sequences)), out)

    @_with_docs
    def reconstruct(self, X, out=None):
        """Tell what the detector expected in place of X.

        Parameters
        ----------
        X : {X}
        out : {out}

        Returns
        -------
        reconstruction : ndarray or list of ndarray, shaped like X
            float64; NaN where the detector has no opinion.
        """
        sequences = self._check(X)
        check_out(out, sequences, of="value")
        return collect(sequences, self._expected(sequences), out)

    def stream(self, **options):
        """Follow a series whose steps come one by one, or many at once.

        Parameters
        ----------
        **options : dict
            As for :class:`skanomaly.streaming.Stream`, for example ``n_streams=100``.

        Returns
        -------
        stream : skanomaly.streaming.Stream
            Its ``update`` takes new steps and returns their scores and labels.

        Raises
        ------
        ValueError
            If the detector would have to look at steps that are yet to come.
        """
        # By name: detectors know nothing of what is built on them.
        streaming = importlib.import_module("skanomaly.streaming")
        return streaming.Stream(self, **options)

    @_with_docs
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
        total = sum(float(scores.sum()) for scores in self._step_scores(sequences))
        return -total / sequences.n_timesteps

    def save(self, path, *, trusted=()):
        """Write a file that :func:`~skanomaly.persistence.load` reads without running code.

        Parameters
        ----------
        path : str, path-like or binary file
            Where to write; a file of that name is replaced when all is on disk.
        trusted : sequence of class and function, default=()
            Your own classes and functions among the parameters, such as a loss. They are to be
            given in loading too.

        Raises
        ------
        TypeError
            If a parameter can be in no file, such as a callback.
        OSError
            If the file cannot be written.

        See Also
        --------
        skanomaly.persistence.save : The same for pipelines and other estimators.
        """
        # By name: what uses detectors is below them in the order of imports.
        importlib.import_module("skanomaly.persistence").save(self, path, trusted=trusted)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.three_d_array = True
        return tags


def _labels(scores, threshold):
    return np.where(scores > threshold, -1, 1)
