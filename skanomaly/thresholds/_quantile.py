"""Threshold at a quantile of the scores."""

from numbers import Real

import numpy as np

from skanomaly.thresholds._base import BaseThreshold
from skanomaly.validation import Interval

__all__ = ["QuantileThreshold"]


class QuantileThreshold(BaseThreshold):
    """Flag a given share of the scores seen in fit.

    Parameters
    ----------
    contamination : float, default=0.01
        Share of the scores in ``fit`` to lie above the threshold, in (0, 0.5].

    Attributes
    ----------
    threshold_ : float
        The ``1 - contamination`` quantile, interpolated linearly between neighbouring scores.

    See Also
    --------
    FixedThreshold : A threshold known beforehand.

    Examples
    --------
    >>> import numpy as np
    >>> from skanomaly.thresholds import QuantileThreshold
    >>> selector = QuantileThreshold(contamination=0.1).fit(np.arange(101.0))
    >>> selector.threshold_
    90.0
    >>> selector.predict([89.0, 90.0, 91.0])
    array([ 1,  1, -1])
    """

    _parameter_constraints: dict = {"contamination": [Interval(Real, 0, 0.5, closed="right")]}

    def __init__(self, *, contamination=0.01):
        self.contamination = contamination

    def _select(self, scores, y):
        return np.quantile(scores, 1 - self.contamination)
