"""The baseline that any detector must beat: tomorrow is like today."""

from numbers import Integral

import numpy as np

from skanomaly.detectors._base import ATTRIBUTES_DOC, THRESHOLD_DOC, BaseDetector
from skanomaly.scoring import residual_errors
from skanomaly.validation import Interval
from skanomaly.windows import carry_forward

__all__ = ["PersistenceDetector"]


class PersistenceDetector(BaseDetector):
    __doc__ = f"""Expect each value to be what it was `lag` time steps before.

    It learns nothing but the threshold. A network whose errors are no lower has learned nothing
    that the last value does not tell.

    Parameters
    ----------
    lag : int, default=1
        How many time steps to look back; where that value was not observed, to the last one before
        it that was. Where there is none, as for the first `lag` steps of a series, the first value
        observed at least `lag` steps later is taken. What has neither tells nothing: it scores as
        the training median does and is never flagged.
    {THRESHOLD_DOC}

    Attributes
    ----------
    {ATTRIBUTES_DOC}

    See Also
    --------
    LSTMAutoencoder : A network that must do better.

    Examples
    --------
    >>> import numpy as np
    >>> from skanomaly import PersistenceDetector
    >>> X = np.array([[0.0], [0.1], [0.0], [5.0], [5.1], [5.0]])
    >>> detector = PersistenceDetector(contamination=0.2).fit(X)
    >>> detector.predict(X)
    array([ 1,  1,  1, -1,  1,  1])
    """

    _parameter_constraints: dict = {
        **BaseDetector._parameter_constraints,
        "lag": [Interval(Integral, 1, None, closed="left")],
    }

    def __init__(self, *, lag=1, score_norm="squared", contamination=0.01, threshold=None):
        self.lag = lag
        self.score_norm = score_norm
        self.contamination = contamination
        self.threshold = threshold

    def _start(self, sequences):
        longest = int(sequences.lengths.max())
        if self.lag >= longest:
            raise ValueError(
                f"lag must be less than {longest}, the length of the longest series; got "
                f"{self.lag}. Use a smaller lag or longer series."
            )

    def _learn(self, sequences, partial):
        """Learn nothing: the last value is all that counts."""

    def _expected(self, sequences):
        carry = carry_forward if sequences.missing else lambda x: x
        expected = np.full(sequences.values.shape, np.nan)
        for x, y in zip(sequences.split(), sequences.split(expected), strict=True):
            y[: -self.lag] = carry(x[::-1])[::-1][self.lag :]
            past = carry(x)[: -self.lag]
            np.copyto(y[self.lag :], past, where=~np.isnan(past))
        return expected

    def _errors(self, sequences):
        return residual_errors(sequences.values, self._expected(sequences), self.score_norm)
