"""Splits of series that keep time order and leave a gap between training and test.

What a detector with windows says about a time step depends on ``window_size - 1`` neighbours on
either side, and neighbours resemble each other. So the steps next to a test block are in neither
part: the split is purged.
"""

from numbers import Integral

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.model_selection import BaseCrossValidator

from skanomaly.model_selection._labels import length_of
from skanomaly.sequences import nesting
from skanomaly.validation import Interval, StrOptions, fit_context

__all__ = ["BlockedSplit", "ExpandingWindowSplit", "SegmentSplit"]

_POSITIVE = [Interval(Integral, 1, None, closed="left")]


class _BaseSplit(BaseEstimator, BaseCrossValidator):
    """Base of the splitters; a subclass defines ``_folds(X)``, a list of (train, test).

    An estimator by its parameters alone: they can be cloned, set and checked like those of any.
    """

    _parameter_constraints: dict = {
        "n_splits": [Interval(Integral, 2, None, closed="left")],
        "window_size": _POSITIVE,
    }

    @fit_context(prefer_skip_nested_validation=True)
    def split(self, X, y=None, groups=None):
        """Split X.

        Parameters
        ----------
        X : array-like or list of array-like
            What to split; only its form and its lengths are read.
        y : object
            Ignored; there for the conventions of scikit-learn.
        groups : object
            Ignored; there for the conventions of scikit-learn.

        Returns
        -------
        splits : iterator of (ndarray, ndarray)
            Indices of training and of test, both in order.

        Raises
        ------
        ValueError
            If X has another form than the splitter is for, or folds are shorter than a window.
        """
        return iter(self._folds(X))

    def get_n_splits(self, X=None, y=None, groups=None):
        """Return the number of splits.

        Parameters
        ----------
        X : object
            Ignored; there for the conventions of scikit-learn.
        y : object
            Ignored; there for the conventions of scikit-learn.
        groups : object
            Ignored; there for the conventions of scikit-learn.

        Returns
        -------
        n_splits : int
            How many pairs :meth:`split` yields.
        """
        return self.n_splits


class ExpandingWindowSplit(_BaseSplit):
    """Train on the past of one series, test on the block after it, with a gap between them.

    The test blocks follow each other up to the end of the series. The training part starts with
    the series and grows from split to split, as in production, where a detector never sees the
    future. The beginning of the series is never tested. It is
    :class:`sklearn.model_selection.TimeSeriesSplit` with ``gap=window_size``, which in addition
    refuses folds shorter than a window.

    Parameters
    ----------
    n_splits : int, default=5
        How many test blocks; at least 2.
    window_size : int, default=1
        Time steps per window of the detector: so many between training and test are in neither,
        and no training or test block may be shorter.
    test_size : int or None, default=None
        Time steps of each test block. None is ``n_timesteps // (n_splits + 1)``.

    See Also
    --------
    BlockedSplit : Every time step is tested, also with training data that come later.
    SegmentSplit : For a list of segments.

    Examples
    --------
    >>> import numpy as np
    >>> from skanomaly.model_selection import ExpandingWindowSplit
    >>> splitter = ExpandingWindowSplit(n_splits=2, window_size=3)
    >>> for train, test in splitter.split(np.zeros((18, 1))):
    ...     print(train, test)
    [0 1 2] [ 6  7  8  9 10 11]
    [0 1 2 3 4 5 6 7 8] [12 13 14 15 16 17]
    """

    _parameter_constraints: dict = {
        **_BaseSplit._parameter_constraints,
        "test_size": [*_POSITIVE, None],
    }

    def __init__(self, n_splits=5, *, window_size=1, test_size=None):
        self.n_splits = n_splits
        self.window_size = window_size
        self.test_size = test_size

    def _folds(self, X):
        n_timesteps = _length_of_series(X, self)
        test_size = self.test_size or n_timesteps // (self.n_splits + 1)
        first = n_timesteps - self.n_splits * test_size
        shortest = min(first - self.window_size, test_size)
        if shortest < self.window_size:
            needed = f"window_size={self.window_size}"
            raise ValueError(
                f"n_splits and test_size must leave training and test blocks of at least {needed} "
                f"time steps, and as many between them; got n_splits={self.n_splits}, test blocks "
                f"of {test_size} and a first training block of {max(0, first - self.window_size)} "
                f"out of n_samples={n_timesteps} time steps. Use fewer splits, a smaller "
                "window_size or a longer series."
            )
        steps = np.arange(n_timesteps)
        starts = range(first, n_timesteps, test_size)
        return [(steps[: a - self.window_size], steps[a : a + test_size]) for a in starts]


class BlockedSplit(_BaseSplit):
    """Test every block of one series in turn, train on what lies before or after it.

    The series is cut into `n_splits` blocks of about the same length. Every time step is tested
    once. On either side of the test block `window_size` time steps are left out.

    What comes before and what comes after the test block are not neighbours. A detector that reads
    windows would see a jump where they meet that never was. So the training part is by default
    the longer of both alone: with five blocks at least two fifths of the series, less
    `window_size`. To train on both, cut the series into a list of segments, for example
    ``numpy.array_split(X, 20)``, which no window crosses, and use :class:`SegmentSplit`.

    Parameters
    ----------
    n_splits : int, default=5
        How many blocks; at least 2.
    window_size : int, default=1
        Time steps per window of the detector: so many next to the test block are in neither part,
        and no training or test block may be shorter.
    side : {"longest", "both"}, default="longest"
        "longest" trains on the longer of what comes before and after, the part before if they are
        equal. "both" trains on both, one after the other with a seam: right for detectors that
        take each time step by itself, such as :class:`sklearn.ensemble.IsolationForest`, and
        wrong for those with windows or lags.

    See Also
    --------
    ExpandingWindowSplit : Never trains on what comes after the test block.
    SegmentSplit : For a list of segments.

    Examples
    --------
    >>> import numpy as np
    >>> from skanomaly.model_selection import BlockedSplit
    >>> for train, test in BlockedSplit(n_splits=3, window_size=2).split(np.zeros((12, 1))):
    ...     print(train, test)
    [ 6  7  8  9 10 11] [0 1 2 3]
    [0 1] [4 5 6 7]
    [0 1 2 3 4 5] [ 8  9 10 11]
    """

    _parameter_constraints: dict = {
        **_BaseSplit._parameter_constraints,
        "side": [StrOptions({"longest", "both"})],
    }

    def __init__(self, n_splits=5, *, window_size=1, side="longest"):
        self.n_splits = n_splits
        self.window_size = window_size
        self.side = side

    def _folds(self, X):
        n_timesteps = _length_of_series(X, self)
        steps = np.arange(n_timesteps)
        folds = []
        for test in np.array_split(steps, self.n_splits):
            if len(test) < self.window_size:
                self._refuse("test", len(test), n_timesteps)
            before = steps[: max(0, test[0] - self.window_size)]
            after = steps[test[-1] + 1 + self.window_size :]
            longest = before if len(before) >= len(after) else after
            if len(longest) < self.window_size:
                self._refuse("training", len(longest), n_timesteps)
            train = longest if self.side == "longest" else np.concatenate([before, after])
            folds.append((train, test))
        return folds

    def _refuse(self, part, length, n_timesteps):
        raise ValueError(
            f"n_splits must leave {part} blocks of at least window_size={self.window_size} time "
            f"steps, and as many between training and test; got a block of {length} with n_splits="
            f"{self.n_splits} and n_samples={n_timesteps} time steps. Use another n_splits, a "
            "smaller window_size or a longer series."
        )


class SegmentSplit(_BaseSplit):
    """Test blocks of neighbouring segments in turn, train on the other segments.

    For a list of segments in the order of time, of any lengths, such as the runs of a machine or
    the parts of a series that was cut; also for a panel whose series follow each other. No window
    crosses from one segment into the next, so training on segments from both sides of the test
    block is sound. For independent series that have no order, scikit-learn's ``KFold`` does; for
    series that belong together in groups its ``GroupKFold``.

    Parameters
    ----------
    n_splits : int, default=5
        How many blocks of segments; at least 2.
    gap : int, default=1
        How many segments on either side of the test block are left out of training, for they
        resemble it most. 0 is right if time passes between the segments.
    window_size : int, default=1
        Time steps per window of the detector: the test block and the training part must each have
        a segment that is as long.
    past_only : bool, default=False
        Train on segments before the test block alone. The segments are then cut into
        ``n_splits + 1`` blocks, of which the first is never tested.

    See Also
    --------
    ExpandingWindowSplit : For one series.

    Examples
    --------
    >>> import numpy as np
    >>> from skanomaly.model_selection import SegmentSplit
    >>> segments = np.array_split(np.zeros((40, 1)), 8)
    >>> for train, test in SegmentSplit(n_splits=4).split(segments):
    ...     print(train, test)
    [3 4 5 6 7] [0 1]
    [0 5 6 7] [2 3]
    [0 1 2 7] [4 5]
    [0 1 2 3 4] [6 7]
    """

    _parameter_constraints: dict = {
        **_BaseSplit._parameter_constraints,
        "gap": [Interval(Integral, 0, None, closed="left")],
        "past_only": ["boolean"],
    }

    def __init__(self, n_splits=5, *, gap=1, window_size=1, past_only=False):
        self.n_splits = n_splits
        self.gap = gap
        self.window_size = window_size
        self.past_only = past_only

    def _folds(self, X):
        if nesting(X) == "series":
            raise ValueError(
                "X must be a list of segments or a panel for SegmentSplit; got one series of "
                f"{length_of(X)} time steps. Use ExpandingWindowSplit or BlockedSplit, or cut it "
                "with numpy.array_split."
            )
        lengths = np.array([length_of(part) for part in X])
        segments = np.arange(len(lengths))
        n_blocks = self.n_splits + int(self.past_only)
        if n_blocks > len(segments):
            raise ValueError(
                f"n_splits must leave at least one segment per block; got n_splits={self.n_splits} "
                f"with n_samples={len(segments)} segments, which are {n_blocks} blocks. Use fewer "
                "splits or more segments."
            )
        blocks = np.array_split(segments, n_blocks)[int(self.past_only) :]
        return [(self._train(segments, test, lengths), test) for test in blocks]

    def _train(self, segments, test, lengths):
        keep = segments < test[0] - self.gap
        if not self.past_only:
            keep |= segments > test[-1] + self.gap
        train = segments[keep]
        for name, part in (("training", train), ("test", test)):
            longest = int(lengths[part].max(initial=0))
            if longest < self.window_size:
                raise ValueError(
                    f"{name} parts must have a segment of at least window_size={self.window_size} "
                    f"time steps; got {len(part)} segments, the longest of {longest} time steps, "
                    f"where segments {test[0]} to {test[-1]} are tested with gap={self.gap}. Use "
                    "another n_splits, a smaller gap or window_size, or longer segments."
                )
        return train


def _length_of_series(X, splitter):
    if nesting(X) != "series":
        raise ValueError(
            f"X must be one series (n_timesteps, n_features) for {type(splitter).__name__}; got "
            f"{length_of(X)} series. Use SegmentSplit for segments in the order of time, and "
            "KFold or GroupKFold of scikit-learn for independent series."
        )
    return length_of(X)
