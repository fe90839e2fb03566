"""Rate detectors by synthetic anomalies, in searches without labels."""

from numbers import Integral, Real
from typing import NamedTuple

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.metrics import average_precision_score, roc_auc_score

from skanomaly.model_selection._forms import nest_like, read_series, with_docs
from skanomaly.model_selection._injection import KINDS, inject, margin_of
from skanomaly.model_selection._walk import score_steps
from skanomaly.preprocessing import suggest_window_size
from skanomaly.validation import Interval, StrOptions, fit_context

__all__ = ["InjectedCopy", "InjectionScorer"]

_SHORTEST = 8
_METRICS = {"average_precision": average_precision_score, "roc_auc": roc_auc_score}


class InjectedCopy(NamedTuple):
    """A copy of X with synthetic anomalies.

    Parameters
    ----------
    X : array, frame or list
        Of the form of the X that was copied.
    y : list of ndarray of shape (n_timesteps_i,), int
        -1 in the altered stretches of each series, 1 elsewhere.
    anomalies : list of InjectedAnomaly
        What was altered, as named tuples ``(series, start, stop, kind, features, size)``.

    Examples
    --------
    >>> import numpy as np
    >>> from skanomaly.model_selection import InjectionScorer
    >>> X = np.sin(np.arange(300) / 5).reshape(-1, 1)
    >>> altered, y, anomalies = InjectionScorer(n_injections=1, kinds=("spike",)).inject(X)[0]
    >>> altered.shape == X.shape, len(y), len(anomalies)
    (True, 1, 1)
    """

    X: object
    y: list
    anomalies: list


class InjectionScorer(BaseEstimator):
    """Rate how well a detector ranks synthetic anomalies that are injected into X.

    Copies of X are altered in a few stretches, before any step of a pipeline sees them, and every
    time step is scored. The metric compares the scores with what was altered. A scorer for the
    ``scoring`` of searches; labels are not needed.

    Parameters
    ----------
    n_injections : int, default=40
        How many anomalies to inject, into as many copies of X as it takes to keep them apart.
    kinds : tuple of str, default=None
        Kinds of anomalies, all equally often; None is all of them.

        - ``"spike"``: one to three time steps are thrown off.
        - ``"level_shift"``: a constant is added.
        - ``"flatline"``: the last value is held, as by a stuck sensor.
        - ``"noise"``: white noise is added.
        - ``"drift"``: the values move away linearly, then snap back.
        - ``"warp"``: the stretch is played up to three times as fast, or as slowly.
        - ``"displaced"``: the values of another time take their place. Each is normal by itself,
          but not then, and not beside the features that were left alone.
        - ``"amplitude"``: the stretch swings more widely around its mean, or less.
    window_size : int or None, default=None
        Anomalies but spikes last from a quarter of it to twice as long, in time steps. None asks
        :func:`~skanomaly.preprocessing.suggest_window_size`, which looks at X alone, so that
        every candidate of a search meets the same anomalies, whatever its own window.
    margin : int or None, default=None
        Time steps on either side of an anomaly that do not count, for the windows and the smoothing
        of a detector reach across its borders. None is `window_size`. Never more than an eighth of
        a series.
    size : tuple of (low, high), default=(0.5, 4.0)
        Smallest and largest size, drawn log-uniformly, in units of the robust spread of each
        feature in X: 1.4826 times the median absolute deviation, or the standard deviation where
        more than half of the values are equal.
    metric : {"average_precision", "roc_auc"} or callable, default="average_precision"
        Called as ``metric(y_true, y_score)``; higher must be better. A callable gets two lists of
        (n_timesteps_i,) arrays, one per series and copy: labels, -1 for anomalies and 1 for the
        rest, and anomaly scores, higher meaning more anomalous; without the steps that do not
        count.
    random_state : int, default=0
        The same int and the same X give the same anomalies. Only an int makes the candidates of a
        search comparable.

    See Also
    --------
    StabilityScorer : Rates whether scores withstand noise.
    reconstruction_skill : Rates the reconstruction of normal values.

    Notes
    -----
    Stretches are drawn anew until they change X visibly: by a quarter of the spread, in root mean
    square, or half the drawn size if that is less. Kinds for which that fails, as a flat line on a
    flat series, are left out; so are features that never change. An anomaly alters one to all of
    the features that change, more often few than many. None is longer than a quarter of its
    series, margins do not overlap, and in each copy at least half of a series is left as it was.
    What is NaN stays NaN, and time steps without any observed value do not count.

    X should be normal. Anomalies that are in it already count as false alarms, for every
    candidate.

    Nothing but detection of these kinds is rated. A detector that is good at them need not be
    good at what really happens; choose `kinds` by what you fear.

    References
    ----------
    .. [1] M. Goswami, C. Challu, L. Callot, L. Minorics, A. Kan, "Unsupervised model selection for
       time-series anomaly detection", International Conference on Learning Representations, 2023.

    Examples
    --------
    >>> import numpy as np
    >>> from skanomaly import LinearForecaster, MeanDetector
    >>> from skanomaly.model_selection import InjectionScorer
    >>> X = np.sin(np.arange(600) / 5).reshape(-1, 1)
    >>> scorer = InjectionScorer(n_injections=24)
    >>> linear, mean = (
    ...     scorer(detector.fit(X[:400]), X[400:])
    ...     for detector in (LinearForecaster(lags=2), MeanDetector())
    ... )
    >>> linear > mean
    True

    In a search, without y:

    >>> from sklearn.model_selection import GridSearchCV, TimeSeriesSplit
    >>> search = GridSearchCV(
    ...     LinearForecaster(),
    ...     {"smoothing": [None, "exponential"]},
    ...     scoring=scorer,
    ...     cv=TimeSeriesSplit(2, gap=16),
    ... ).fit(X)
    >>> len(search.cv_results_["mean_test_score"])
    2
    """

    _parameter_constraints: dict = {
        "n_injections": [Interval(Integral, 1, None, closed="left")],
        "kinds": [tuple, list, None],
        "window_size": [Interval(Integral, 1, None, closed="left"), None],
        "margin": [Interval(Integral, 0, None, closed="left"), None],
        "size": [tuple, list],
        "metric": [StrOptions(set(_METRICS)), callable],
        "random_state": [Interval(Integral, 0, None, closed="left")],
    }

    def __init__(
        self,
        *,
        n_injections=40,
        kinds=None,
        window_size=None,
        margin=None,
        size=(0.5, 4.0),
        metric="average_precision",
        random_state=0,
    ):
        self.n_injections = n_injections
        self.kinds = kinds
        self.window_size = window_size
        self.margin = margin
        self.size = size
        self.metric = metric
        self.random_state = random_state

    @fit_context(prefer_skip_nested_validation=True)
    @with_docs
    def __call__(self, estimator, X, y=None):
        """Rate a fitted estimator.

        Parameters
        ----------
        estimator : estimator
            Fitted: a detector, a Pipeline that ends in one, or a search or wrapper around them.
        X : {X}
            Held out of training, and mostly normal.
        y : None
            Ignored; there for the conventions of scikit-learn.

        Returns
        -------
        separation : float
            Of the metric: from 0 to 1 unless it is a callable; higher is better.
        """
        truth, scores = [], []
        window_size = self._window_size(X)
        for copy in self.inject(X):
            sequences = read_series(copy.X)
            found = score_steps(estimator, copy.X, sequences.lengths)
            for i, x in enumerate(sequences.split()):
                counts = ~np.isnan(x).all(axis=1) & ~self._beside(copy, i, window_size)
                truth.append(copy.y[i][counts])
                scores.append(found[i][counts])
        if callable(self.metric):
            return float(self.metric(truth, scores))
        metric = _METRICS[self.metric]
        return float(metric(np.concatenate(truth) == -1, np.concatenate(scores)))

    @fit_context(prefer_skip_nested_validation=True)
    @with_docs
    def inject(self, X):
        """Make the copies of X that candidates are rated on.

        Parameters
        ----------
        X : {X}

        Returns
        -------
        copies : list of InjectedCopy
            Named tuples ``(X, y, anomalies)``.

        Raises
        ------
        ValueError
            If no series has 8 time steps, or no feature changes.

        Examples
        --------
        >>> import numpy as np
        >>> from skanomaly.model_selection import InjectionScorer
        >>> X = np.sin(np.arange(300) / 5).reshape(-1, 1)
        >>> scorer = InjectionScorer(n_injections=2, kinds=("spike",))
        >>> altered, y, anomalies = scorer.inject(X)[0]
        >>> bool(((altered != X)[:, 0] == (y[0] == -1)).all())
        True
        >>> anomalies[0].kind
        'spike'
        """
        kinds = self._check_kinds()
        size = self._check_size()
        sequences = read_series(X)
        if sequences.lengths.max() < _SHORTEST:
            raise ValueError(
                f"X must have a series of at least {_SHORTEST} time steps to inject anomalies; got "
                f"{int(sequences.lengths.max())} in the longest. Hold out longer series."
            )
        window_size = self._window_size(X)
        copies = inject(
            sequences.split(),
            kinds=kinds,
            n_injections=self.n_injections,
            window_size=window_size,
            margin=window_size if self.margin is None else self.margin,
            size=size,
            seed=self.random_state,
        )
        if not copies:
            raise ValueError(
                f"X must have features that change, so that anomalies of kinds={kinds} would show; "
                f"got none in {sequences.n_timesteps} time steps. Use other kinds, or hold out "
                "longer series."
            )
        return [
            InjectedCopy(nest_like(X, sequences, values), _labels(values, anomalies), anomalies)
            for values, anomalies in copies
        ]

    def _window_size(self, X):
        return suggest_window_size(X) if self.window_size is None else self.window_size

    def _beside(self, copy, series, window_size):
        """Tell which time steps of a series are in the margin of an anomaly: bool."""
        y = copy.y[series]
        margin = margin_of(len(y), window_size if self.margin is None else self.margin)
        beside = np.zeros(len(y), dtype=bool)
        for anomaly in copy.anomalies:
            if anomaly.series == series:
                beside[max(anomaly.start - margin, 0) : anomaly.stop + margin] = True
        return beside & (y == 1)

    def _check_kinds(self):
        kinds = KINDS if self.kinds is None else tuple(self.kinds)
        unknown = [kind for kind in kinds if kind not in KINDS]
        if unknown or not kinds or len(set(kinds)) < len(kinds):
            raise ValueError(
                f"kinds must name kinds of anomalies, each once; got {self.kinds!r}. Choose from "
                f"{', '.join(map(repr, KINDS))}."
            )
        return kinds

    def _check_size(self):
        size = tuple(self.size)
        good = len(size) == 2 and all(isinstance(s, Real) and np.isfinite(s) for s in size)
        if not good or not 0 < size[0] <= size[1]:
            raise ValueError(
                f"size must be two numbers (low, high) with 0 < low <= high; got {self.size!r}. "
                "Use (0.5, 4.0), in units of the spread of each feature."
            )
        return size


def _labels(values, anomalies):
    labels = [np.ones(len(x), dtype=np.int64) for x in values]
    for anomaly in anomalies:
        labels[anomaly.series][anomaly.start : anomaly.stop] = -1
    return labels
