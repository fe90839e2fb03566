"""The baseline that any detector must beat: tomorrow is like today."""

from numbers import Integral

import numpy as np

from skanomaly.detectors._base import ATTRIBUTES_DOC, THRESHOLD_DOC, BaseDetector
from skanomaly.validation import Interval
from skanomaly.windows import Reach, carry_forward

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

    def __init__(
        self,
        *,
        lag=1,
        score_norm="squared",
        smoothing=None,
        smoothing_span=16,
        smoothing_causal=False,
        feature_weights=None,
        contamination=0.01,
        threshold=None,
        after_fit=None,
    ):
        self.lag = lag
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
        if self.lag >= longest:
            raise ValueError(
                f"lag must be less than {longest}, the length of the longest series; got "
                f"{self.lag}. Use a smaller lag or longer series."
            )

    def _learn(self, sequences, partial):
        """Learn nothing: the last value is all that counts."""

    def _error_reach(self):
        lag = int(self.lag)
        return Reach(before=lag, after=lag, carried=1, ahead=lag)

    def _expected(self, sequences):
        for start, stop in zip(sequences.offsets[:-1], sequences.offsets[1:], strict=True):
            ahead = self._ahead(sequences, int(start), int(stop))
            past = np.full((self.lag, sequences.n_features), np.nan)  # last values, `lag` of them
            for first, x in sequences.blocks(int(start), int(stop)):
                past = np.concatenate([past, x])
                if sequences.missing:
                    past = carry_forward(past)
                expected, past = past[: len(x)], past[len(x) :]
                later = ahead[first - start : first - start + len(x)]
                head = expected[: len(later)]
                yield np.concatenate(
                    [np.where(np.isnan(head), later, head), expected[len(later) :]]
                )

    def _ahead(self, sequences, start, stop):
        """First value at least `lag` steps later, for the steps that may have none before them."""
        first = _first_observed(sequences, start, stop) - start
        n_steps = int(first[first < stop - start].max(initial=0)) + self.lag
        n_steps = max(min(n_steps, stop - start - self.lag), 0)
        middle = start + self.lag + n_steps
        ahead = sequences.read(start + self.lag, middle)
        if not sequences.missing:
            return ahead
        ahead = carry_forward(ahead[::-1])[::-1]
        next_value = np.full(sequences.n_features, np.nan)
        step = _first_observed(sequences, middle, stop)
        for feature in np.flatnonzero(step < stop):
            next_value[feature] = sequences.read(step[feature], step[feature] + 1)[0, feature]
        return np.where(np.isnan(ahead), next_value, ahead)


def _first_observed(sequences, start, stop):
    """Return the first time step at which each feature was observed, `stop` where none is."""
    found = np.full(sequences.n_features, start if not sequences.missing else stop)
    for first, x in sequences.blocks(start, stop) if sequences.missing else ():
        observed = ~np.isnan(x)
        here = observed.any(axis=0) & (found == stop)
        found[here] = first + observed[:, here].argmax(axis=0)
        if (found < stop).all():
            break
    return found
