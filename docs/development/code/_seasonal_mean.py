"""The baseline that knows the season: this hour is like the same hour of the days before."""

from numbers import Integral

import numpy as np

from skanomaly.detectors._base import ATTRIBUTES_DOC, THRESHOLD_DOC, BaseDetector
from skanomaly.detectors._moments import RunningMoments
from skanomaly.validation import Interval
from skanomaly.windows import Reach

__all__ = ["SeasonalMeanDetector"]


class SeasonalMeanDetector(BaseDetector):
    __doc__ = f"""Expect each value to be the mean of those one, two, ... periods before it.

    Parameters
    ----------
    period : int, default=24
        Time steps from one season to the next. Where nothing was observed in the seasons before,
        as in the first of a series, the mean of the training data is expected.
    n_periods : int, default=3
        How many periods to look back.
    {THRESHOLD_DOC}

    Attributes
    ----------
    mean_ : ndarray of shape (n_features,), float64
        Mean of each feature over its observed training values.
    {ATTRIBUTES_DOC}

    Examples
    --------
    >>> import numpy as np
    >>> from skanomaly.detectors import SeasonalMeanDetector
    >>> X = np.array([0.0, 1, 0, 1, 0, 1, 0, 0, 0, 1])[:, None]
    >>> SeasonalMeanDetector(period=2, contamination=0.1).fit_predict(X)
    array([ 1,  1,  1,  1,  1,  1,  1, -1,  1,  1])
    """

    _parameter_constraints: dict = {
        **BaseDetector._parameter_constraints,
        "period": [Interval(Integral, 1, None, closed="left")],
        "n_periods": [Interval(Integral, 1, None, closed="left")],
    }

    def __init__(
        self, *, period=24, n_periods=3, score_norm="squared", smoothing=None, smoothing_span=16,
        smoothing_causal=False, feature_weights=None, contamination=0.01, threshold=None,
        after_fit=None,
    ):  # fmt: skip
        self.period = period
        self.n_periods = n_periods
        self.score_norm = score_norm
        self.smoothing = smoothing
        self.smoothing_span = smoothing_span
        self.smoothing_causal = smoothing_causal
        self.feature_weights = feature_weights
        self.contamination = contamination
        self.threshold = threshold
        self.after_fit = after_fit

    def _start(self, sequences):
        longest = int(sequences.lengths.max())
        if self.period >= longest:
            raise ValueError(
                f"period must be less than {longest}, the length of the longest series; got "
                f"{self.period}. Use a smaller period or longer series."
            )
        self._moments = RunningMoments(sequences.n_features)

    def _learn(self, sequences, partial):
        self._moments.add(sequences)
        self.mean_ = self._moments.mean

    def _error_reach(self):
        return Reach(before=self.period * self.n_periods)

    def _expected(self, sequences):
        reach = self.period * self.n_periods
        for start, stop in zip(sequences.offsets[:-1], sequences.offsets[1:], strict=True):
            past = np.full((reach, sequences.n_features), np.nan)
            for _, x in sequences.blocks(int(start), int(stop)):
                past = np.concatenate([past, x])
                seasons = np.array([past[i : i + len(x)] for i in range(0, reach, self.period)])
                past, known = past[len(x) :], ~np.isnan(seasons)
                total, count = np.where(known, seasons, 0.0).sum(axis=0), known.sum(axis=0)
                yield np.where(count > 0, total / np.maximum(count, 1), self.mean_)
