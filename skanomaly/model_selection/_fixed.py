"""A detector whose threshold the user knows, or a selector finds."""

from numbers import Real

import numpy as np
from sklearn.base import clone
from sklearn.utils import get_tags

from skanomaly.model_selection._base import (
    BaseThresholdDetector,
    copy_features_seen,
    training_scores,
    with_docs,
)
from skanomaly.model_selection._labels import read_labels
from skanomaly.model_selection._responses import RESPONSE_DOC
from skanomaly.thresholds import QuantileThreshold
from skanomaly.validation import HasMethods, Interval, fit_context

__all__ = ["FixedThresholdDetector"]


class FixedThresholdDetector(BaseThresholdDetector):
    __doc__ = f"""Give any outlier detector a threshold that is a number or comes from a selector.

    The detector is cloned and fitted, its anomaly scores are those of ``score_samples`` with the
    sign turned, and what scores above the threshold is flagged. A detector in a
    :class:`sklearn.frozen.FrozenEstimator` is taken as it is: so thresholds can be changed, tried
    and calibrated on data of their own without training again.

    Parameters
    ----------
    estimator : outlier detector or Pipeline that ends in one
        Of skanomaly, of scikit-learn (``IsolationForest``, ``OneClassSVM``, ``LocalOutlierFactor``
        with ``novelty=True``), or of PyOD.
    threshold : float, threshold selector or None, default=None
        A number is compared with anomaly scores, ``-estimator.score_samples(X)``. An estimator
        from :mod:`skanomaly.thresholds` is cloned and fitted on the anomaly scores of the X given
        to ``fit``, with y if it needs labels. None is ``QuantileThreshold()``.
    response_method : {RESPONSE_DOC}

    Attributes
    ----------
    estimator_ : outlier detector
        The fitted clone, or the frozen detector.
    threshold_ : float
        Anomaly scores above it are flagged: of time steps after fitting one series, of series
        after fitting a panel.
    offset_ : float
        Minus ``threshold_``: ``decision_function = score_samples - offset_``.
    step_threshold_ : float
        The threshold for single time steps, also after fitting a panel, if the detector scores
        time steps of panels.
    threshold_selector_ : threshold selector
        The fitted selector; absent if `threshold` is a number.
    n_features_in_ : int
        Number of features seen in fit, if the detector tells it.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the features, if the detector tells them.

    See Also
    --------
    TunedThresholdDetectorCV : The threshold that is best by labels.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.frozen import FrozenEstimator
    >>> from sklearn.svm import OneClassSVM
    >>> from skanomaly.model_selection import FixedThresholdDetector
    >>> from skanomaly.thresholds import QuantileThreshold
    >>> X = np.random.default_rng(0).normal(size=(500, 2))
    >>> fitted = OneClassSVM().fit(X[:300])
    >>> detector = FixedThresholdDetector(
    ...     FrozenEstimator(fitted), threshold=QuantileThreshold(contamination=0.05)
    ... ).fit(X[300:])
    >>> int((detector.predict(X[300:]) == -1).sum())
    10
    """

    _parameter_constraints: dict = {
        **BaseThresholdDetector._parameter_constraints,
        "threshold": [
            Interval(Real, None, None, closed="neither"),
            HasMethods(["fit", "predict"]),
            None,
        ],
    }

    def __init__(self, estimator, *, threshold=None, response_method="score_samples"):
        self.estimator = estimator
        self.threshold = threshold
        self.response_method = response_method

    @fit_context(prefer_skip_nested_validation=False)
    @with_docs
    def fit(self, X, y=None):
        """Fit the detector, unless it is frozen, and choose the threshold.

        Parameters
        ----------
        X : {X}
            What the detector is fitted on; a selector gets its anomaly scores.
        y : {y}
            Used only by a selector that needs labels.

        Returns
        -------
        self : object
            The fitted detector.
        """
        self.estimator_ = clone(self.estimator).fit(X, None)
        copy_features_seen(self, self.estimator_)
        self.__dict__.pop("threshold_selector_", None)
        if isinstance(self.threshold, Real):
            self._set_thresholds(samples=self.threshold, timesteps=self.threshold)
            return self
        selector = QuantileThreshold() if self.threshold is None else self.threshold
        samples, timesteps = training_scores(self.estimator_, X, self.response_method)
        if get_tags(selector).target_tags.required:
            return self._fit_labelled(selector, X, y, samples, timesteps)
        self.threshold_selector_ = clone(selector).fit(samples)
        of_steps = self.threshold_selector_
        if timesteps is not samples and timesteps is not None:
            of_steps = clone(selector).fit(timesteps)
        self._set_thresholds(
            samples=self.threshold_selector_.threshold_,
            timesteps=None if timesteps is None else of_steps.threshold_,
        )
        return self

    def _fit_labelled(self, selector, X, y, samples, timesteps):
        """Fit the selector on the scores of what the labels are about."""
        labels = read_labels(y, X)
        if labels.of_list and labels.level == "timesteps":
            if timesteps is None:
                raise TypeError(
                    "y must be labels per series, (n_series,), for a detector that scores no time "
                    f"steps of panels; got labels per time step for {self.estimator!r}. Use a "
                    "detector of skanomaly with response_method='score_samples'."
                )
            self.threshold_selector_ = clone(selector).fit(timesteps, np.concatenate(labels.values))
            self._set_thresholds(timesteps=self.threshold_selector_.threshold_)
            return self
        self.threshold_selector_ = clone(selector).fit(samples, labels.values)
        found = self.threshold_selector_.threshold_
        self._set_thresholds(samples=found, timesteps=None if labels.of_list else found)
        return self
