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
        Share of the scores in ``fit`` to lie above the quantile, in (0, 0.5].
    factor : float, default=1.0
        How many times the quantile the threshold is. Above 1 it leaves room for data that drift
        after training; scores must not be negative then.

    Attributes
    ----------
    threshold_ : float
        `factor` times the ``1 - contamination`` quantile, interpolated linearly between
        neighbouring scores.

    Raises
    ------
    ValueError
        In fit: if `factor` is not 1 and the quantile is negative.

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
    >>> QuantileThreshold(contamination=0.1, factor=1.5).fit(np.arange(101.0)).threshold_
    135.0
    """

    _parameter_constraints: dict = {
        "contamination": [Interval(Real, 0, 0.5, closed="right")],
        "factor": [Interval(Real, 0, None, closed="neither")],
    }

    def __init__(self, *, contamination=0.01, factor=1.0):
        self.contamination = contamination
        self.factor = factor

    def _select(self, scores, y):
        quantile = np.quantile(scores, 1 - self.contamination)
        if quantile < 0 and self.factor != 1:
            raise ValueError(
                "factor must be 1 where the quantile of the scores is negative, for a multiple of "
                f"it has no meaning; got {self.factor} and a quantile of {quantile:.3g}. Use "
                "scores that are not negative, or SigmaThreshold."
            )
        return self.factor * quantile
