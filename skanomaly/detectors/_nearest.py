"""A detector that learns nothing but examples: each window is expected to be like one of them."""

from numbers import Integral

import numpy as np
from sklearn.utils.extmath import randomized_svd

from skanomaly.aggregation import AGGREGATIONS, aggregate, aggregated_reach
from skanomaly.detectors._base import ATTRIBUTES_DOC, THRESHOLD_DOC, BaseDetector
from skanomaly.detectors._network import limit_window_size
from skanomaly.scoring import multiply_rows
from skanomaly.validation import Interval, StrOptions
from skanomaly.windows import Windows, fill_gaps

__all__ = ["NearestWindowDetector"]

# Windows are compared by so many of their principal components, if they have more values.
_COMPONENTS = 64
# Distances that are computed at once: 16 MiB.
_DISTANCES = 2**21
# Stands for what lies beyond the ends of a series: no value of X is infinite.
_NOTHING = np.inf


class NearestWindowDetector(BaseDetector):
    __doc__ = f"""Expect each window to be a copy of the training window that is most like it.

    The nearest-neighbour rule for subsequences, known from discords and the matrix profile [1]_,
    [2]_, as a reconstruction: what differs from the best match, at each time step and feature, is
    the residual. It needs no model of how X moves and no periodicity, only that what is normal was
    seen before. A network must do better, and may be combined with it: the two err differently.

    Parameters
    ----------
    window_size : int, default=64
        Time steps per window; at most the length of the shortest training series, to which it is
        reduced.
    stride : int, default=1
        Time steps between the starts of neighbouring windows in scoring, at most `window_size`. An
        eighth of the window says about as much and is so many times faster, but for
        ``aggregation="last"``, which with 1 alone looks at nothing later.
    max_windows : int, default=4000
        Most training windows to keep, evenly spaced over the training data.
    aggregation : {{"mean", "median", "last"}}, default="mean"
        How the matches of several windows, at one time step, become one expected value; "last"
        takes the window in which the step stands latest.
    {THRESHOLD_DOC}
    random_state : int, RandomState instance or None, default=0
        For the principal components of wide windows, which are computed by a randomised method.

    Attributes
    ----------
    windows_ : ndarray of shape (n_windows, window_size, n_features), float32
        The training windows that are kept, gaps filled.
    window_size_ : int
        Time steps per window.
    {ATTRIBUTES_DOC}

    See Also
    --------
    LSTMAutoencoder : Learns what windows have in common.
    PersistenceDetector : Copies the values before, not those of a like situation.

    Notes
    -----
    *Distance.* Windows are compared by the Euclidean distance of their values, so that features
    should be on one scale; see :class:`~skanomaly.preprocessing.SequenceTransformer`. Windows of
    more than {_COMPONENTS} values are compared by their first {_COMPONENTS} principal components
    [3]_. What those leave out still counts in the residual.

    *Windows seen in fit.* A window that occurs verbatim in the training data is not matched with
    itself, nor with windows that overlap the place where it was found, as in the self-join of a
    matrix profile. So training data are scored as if each of their windows were new, which is how
    threshold and error scale are learned, and data that merely contain training data are scored
    alike. Such a place is looked for around the best match alone. A series shorter than two windows
    has no other window; then the overlapping ones are allowed.

    *Missing values.* A gap is filled by the last value before it in the window, else by the next,
    to find a match. It has no residual.

    *Cost.* O(n_windows * n_timesteps / stride) distances in {_COMPONENTS} dimensions. Kept windows
    take twice their size in memory.

    References
    ----------
    .. [1] E. Keogh, J. Lin and A. Fu, "HOT SAX: efficiently finding the most unusual time series
       subsequence", ICDM 2005.
    .. [2] C.-C. M. Yeh et al., "Matrix profile I: all pairs similarity joins for time series",
       ICDM 2016.
    .. [3] N. Halko, P. G. Martinsson and J. A. Tropp, "Finding structure with randomness", SIAM
       Review 53(2), 2011.

    Examples
    --------
    >>> import numpy as np
    >>> from skanomaly import NearestWindowDetector
    >>> X = np.sin(np.arange(400) / 5)[:, None]
    >>> detector = NearestWindowDetector(window_size=20, stride=5).fit(X)
    >>> X_test = X.copy()
    >>> X_test[200] = 4.0
    >>> int(np.argmin(detector.score_samples(X_test)))
    200
    """

    _parameter_constraints: dict = {
        **BaseDetector._parameter_constraints,
        "window_size": [Interval(Integral, 1, None, closed="left")],
        "stride": [Interval(Integral, 1, None, closed="left")],
        "max_windows": [Interval(Integral, 1, None, closed="left")],
        "aggregation": [StrOptions(set(AGGREGATIONS) - {"min", "max"})],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        *,
        window_size=64,
        stride=1,
        max_windows=4000,
        aggregation="mean",
        score_norm="squared",
        smoothing=None,
        smoothing_span=16,
        smoothing_causal=False,
        feature_weights=None,
        contamination=0.01,
        threshold=None,
        after_fit=None,
        random_state=0,
    ):
        self.window_size = window_size
        self.stride = stride
        self.max_windows = max_windows
        self.aggregation = aggregation
        self.score_norm = score_norm
        self.smoothing = smoothing
        self.smoothing_span = smoothing_span
        self.smoothing_causal = smoothing_causal
        self.feature_weights = feature_weights
        self.contamination = contamination
        self.threshold = threshold
        self.after_fit = after_fit
        self.random_state = random_state

    # ------------------------------------------------------------------------------- learning

    def _start(self, sequences):
        if self.stride > self.window_size:
            raise ValueError(
                f"stride must be at most window_size={self.window_size}, or some time steps would "
                f"be in no window; got {self.stride}. Use a smaller stride or a larger window."
            )
        self.window_size_ = limit_window_size(self.window_size, sequences, stacklevel=5)
        self._margin = self.window_size_ // 2
        n_steps = self.window_size_ + 2 * self._margin
        self._segments = np.empty((0, n_steps, sequences.n_features), np.float32)
        self._places = np.empty(0, np.int64)

    def _learn(self, sequences, partial):
        segments, places = self._cut(sequences)
        # A place after all those of earlier calls, which nothing can overlap with.
        places = places + self._places.max(initial=0) + 2 * self.window_size_
        segments = np.concatenate([self._segments, segments])
        places = np.concatenate([self._places, places])
        kept = _evenly(len(segments), self.max_windows)
        self._segments, self._places = segments[kept], places[kept]
        flat = self.windows_.reshape(len(kept), -1).astype(np.float64)
        self._mean, self._axes = flat.mean(axis=0), None
        if flat.shape[1] > _COMPONENTS:
            n_components = min(_COMPONENTS, len(flat))
            _, _, self._axes = randomized_svd(
                flat - self._mean, n_components, random_state=self.random_state
            )
        self._codes = self._encode(self.windows_)
        self._squares = np.square(self._codes).sum(axis=1)

    def _cut(self, sequences):
        """Return training windows with a margin, and places: steps, series set wide apart."""
        size, margin = self.window_size_, self._margin
        windows = Windows(sequences, size, 1)
        starts, lengths = windows.locate(_evenly(len(windows), self.max_windows))
        series = sequences.of_steps(starts)
        segments = np.full(
            (len(starts), size + 2 * margin, sequences.n_features), _NOTHING, np.float32
        )
        for i, start in enumerate(starts):
            first = max(start - margin, sequences.offsets[series[i]])
            stop = min(start + size + margin, sequences.offsets[series[i] + 1])
            rows = slice(int(first - start + margin), int(stop - start + margin))
            segments[i, rows] = sequences.read(int(first), int(stop))
        whole = lengths == size
        if not whole.any():
            raise ValueError(
                f"X must have a series of at least {size} time steps, the window_size_ that was "
                f"fixed in the first fit; got {int(lengths.max())}. Give longer series."
            )
        return segments[whole], (starts + series * size)[whole]

    @property
    def windows_(self):
        """Training windows that are kept, gaps filled: (n_windows, window_size, n_features)."""
        return self._windows_of(self._segments)

    def _windows_of(self, segments):
        return fill_gaps(segments[:, self._margin : self._margin + self.window_size_])

    # -------------------------------------------------------------------------------- scoring

    def _error_reach(self):
        stride = min(int(self.stride), self.window_size_)
        return aggregated_reach(self.window_size_, stride, self.aggregation)

    def _expected(self, sequences):
        windows = Windows(sequences, self.window_size_, min(int(self.stride), self.window_size_))
        n_rows = max(1, _DISTANCES // len(self._codes))
        matches = (
            self._match(*windows.gather(np.arange(i, min(i + n_rows, len(windows)))))
            for i in range(0, len(windows), n_rows)
        )
        yield from aggregate(windows, matches, self.aggregation)

    def _match(self, x, mask):
        """Find the training windows most like x, (n, window_size_, n_features), of its shape."""
        if not mask.all():
            return np.concatenate(
                [self._match_short(one[: here.sum()]) for one, here in zip(x, mask, strict=True)]
            )
        distances = self._squares - multiply_rows(2 * self._encode(fill_gaps(x)), self._codes.T)
        best = distances.argmin(axis=1)
        found, shifts = _copies(x, self._segments[best], self._margin)
        again = np.flatnonzero(found)
        places = self._places[best[again]] + shifts[again]
        own = np.abs(self._places - places[:, None]) < self.window_size_
        own[own.all(axis=1)] = False
        best[again] = np.where(own, np.inf, distances[again]).argmin(axis=1)
        return self._windows_of(self._segments[best])

    def _match_short(self, x):
        """Match a series shorter than the window by the steps it has; (1, window_size_, ...)."""
        windows = self.windows_
        x = fill_gaps(x[None])
        best = np.square(windows[:, : x.shape[1]] - x).sum(axis=(1, 2)).argmin()
        return windows[best][None]

    def _encode(self, windows):
        """(n, window_size_, n_features) -> (n, n_components), float64."""
        flat = windows.reshape(len(windows), -1) - self._mean
        return flat if self._axes is None else multiply_rows(flat, self._axes.T)


def _evenly(n, most):
    """Return min(n, most) of the integers below n, as evenly spaced as possible."""
    return np.linspace(0, n - 1, min(n, int(most))).round().astype(np.int64)


def _copies(x, segments, margin):
    """Tell which x, (n, size, n_features), occur verbatim in their segments, and how far off.

    segments (n, size + 2 * margin, n_features) -> found (n,), shifts (n,) from -margin to margin.
    """
    found, shifts = np.zeros(len(x), dtype=bool), np.zeros(len(x), dtype=np.int64)
    for shift in sorted(range(-margin, margin + 1), key=abs):
        begin = margin + shift
        same = _equal(x[:, 0], segments[:, begin]).all(axis=1) & ~found
        rows = np.flatnonzero(same)  # few, so that whole windows need be compared for few
        there = segments[rows, begin : begin + x.shape[1]]
        rows = rows[_equal(x[rows], there).all(axis=(1, 2))]
        found[rows], shifts[rows] = True, shift
    return found, shifts


def _equal(a, b):
    return (a == b) | (np.isnan(a) & np.isnan(b))
