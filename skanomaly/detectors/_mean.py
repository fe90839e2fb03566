"""The baseline that knows no time: each value is expected to be the mean."""

import numpy as np

from skanomaly.detectors._base import ATTRIBUTES_DOC, THRESHOLD_DOC, BaseDetector

__all__ = ["MeanDetector", "RunningMoments", "even_blocks"]

# Values that are added up at once.
_BLOCK = 2**18


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

    def _expected(self, sequences):
        for _, x in sequences.blocks():
            yield np.tile(self.mean_, (len(x), 1))


def even_blocks(sequences, start, stop, n_rows):
    """Yield (first time step, values in float64) of blocks of exactly n_rows, but for the last.

    Blocks of :meth:`Sequences.blocks` depend on how X is stored; sums over these do not.
    """
    kept, first = np.empty((0, sequences.n_features)), start
    for _, x in sequences.blocks(start, stop):
        kept = np.concatenate([kept, x])
        n_whole = len(kept) // n_rows * n_rows
        for row in range(0, n_whole, n_rows):
            yield first + row, kept[row : row + n_rows]
        kept, first = kept[n_whole:], first + n_whole
    if len(kept):
        yield first, kept


class RunningMoments:
    """Mean and variance of each feature over its observed values, in float64, block by block.

    Parameters
    ----------
    n_features : int
        Number of features.
    """

    def __init__(self, n_features):
        self.count = np.zeros(n_features)
        self._mean = np.zeros(n_features)
        self._squares = np.zeros(n_features)

    def add(self, sequences):
        """Take in all time steps of some series."""
        n_rows = max(1, _BLOCK // sequences.n_features)
        for _, x in even_blocks(sequences, 0, sequences.n_timesteps, n_rows):
            self._add(x)

    def _add(self, x):
        """Take in a block: (n, n_features), NaN left out."""
        observed = ~np.isnan(x)
        count = observed.sum(axis=0)
        mean = np.where(observed, x, 0.0).sum(axis=0) / np.maximum(count, 1)
        deviation = np.where(observed, x - mean, 0.0)
        rounding = deviation.sum(axis=0) / np.maximum(count, 1)  # of the long sum
        mean, squares = mean + rounding, np.square(deviation - rounding * observed).sum(axis=0)
        total = self.count + count
        step, share = mean - self._mean, count / np.maximum(total, 1)
        self._mean = self._mean + step * share
        self._squares = self._squares + squares + np.square(step) * self.count * share
        self.count = total

    @property
    def mean(self):
        """Return the means, NaN for what was never observed: (n_features,)."""
        return np.where(self.count > 0, self._mean, np.nan)

    @property
    def std(self):
        """Return the standard deviations, zero for what was never observed: (n_features,)."""
        return np.sqrt(self._squares / np.maximum(self.count, 1))
