"""The baseline that knows no time: each value is expected to be the mean."""

import numpy as np

from skanomaly.detectors._base import ATTRIBUTES_DOC, THRESHOLD_DOC, BaseDetector
from skanomaly.detectors._moments import RunningMoments
from skanomaly.windows import Reach

__all__ = ["MeanDetector"]


class MeanDetector(BaseDetector):
    __doc__ = f"""Expect each value to be the mean of its feature on the training data.

    It knows nothing of time and sees no more than extreme values. A network whose errors are no
    lower has learned nothing of how X moves.

    Parameters
    ----------
    {THRESHOLD_DOC}

    Attributes
    ----------
    mean_ : ndarray of shape (n_features,), float64
        Mean of each feature over its observed training values, those of earlier calls of
        ``partial_fit`` too. NaN for a feature that was never observed, on which the detector has
        no opinion.
    {ATTRIBUTES_DOC}

    See Also
    --------
    PersistenceDetector : Expects the last value.
    LinearForecaster : Expects a weighted sum of the last values.

    Notes
    -----
    Means are accumulated in float64, block by block, from deviations of the mean so far; offsets
    that are large beside the variation do no harm [1]_.

    References
    ----------
    .. [1] T. F. Chan, G. H. Golub, R. J. LeVeque, "Algorithms for computing the sample variance:
       analysis and recommendations", The American Statistician 37(3), 1983.

    Examples
    --------
    >>> import numpy as np
    >>> from skanomaly import MeanDetector
    >>> X = np.array([[1.0], [3.0], [2.0], [9.0], [2.0], [1.0]])
    >>> detector = MeanDetector(contamination=0.2).fit(X)
    >>> detector.mean_
    array([3.])
    >>> detector.predict(X)
    array([ 1,  1,  1, -1,  1,  1])
    """

    def __init__(
        self,
        *,
        score_norm="squared",
        smoothing=None,
        smoothing_span=16,
        smoothing_causal=False,
        feature_weights=None,
        contamination=0.01,
        threshold=None,
        after_fit=None,
    ):
        self.score_norm = score_norm
        self.smoothing = smoothing
        self.smoothing_span = smoothing_span
        self.smoothing_causal = smoothing_causal
        self.feature_weights = feature_weights
        self.contamination = contamination
        self.threshold = threshold
        self.after_fit = after_fit

    def _start(self, sequences):
        self._moments = RunningMoments(sequences.n_features)

    def _learn(self, sequences, partial):
        self._moments.add(sequences)
        self.mean_ = self._moments.mean

    def _error_reach(self):
        return Reach()

    def _expected(self, sequences):
        for _, x in sequences.blocks():
            yield np.tile(self.mean_, (len(x), 1))
