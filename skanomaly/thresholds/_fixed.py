"""A threshold known beforehand."""

from numbers import Real

import numpy as np

from skanomaly.thresholds._base import BaseThreshold
from skanomaly.validation import Interval

__all__ = ["FixedThreshold"]


class FixedThreshold(BaseThreshold):
    """Flag scores above a value that the user knows, whatever the scores in fit are.

    Parameters
    ----------
    value : float, default=0.0
        Scores above it are anomalies.

    Attributes
    ----------
    threshold_ : float
        The value.

    See Also
    --------
    QuantileThreshold : A threshold that flags a given share of the training scores.

    Examples
    --------
    >>> from skanomaly.thresholds import FixedThreshold
    >>> FixedThreshold(value=3.0).fit([1.0, 2.0]).predict([2.5, 3.5])
    array([ 1, -1])
    """

    _parameter_constraints: dict = {"value": [Interval(Real, None, None, closed="neither")]}

    def __init__(self, *, value=0.0):
        self.value = value

    def _select(self, scores, y):
        return np.float64(self.value)
