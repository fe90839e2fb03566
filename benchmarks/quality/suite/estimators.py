"""The detectors that are always compared, those known by name, and how others are given."""

import importlib
import inspect
import re

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from sklearn.base import BaseEstimator, OutlierMixin, clone
from sklearn.decomposition import PCA
from sklearn.ensemble import IsolationForest
from sklearn.utils.validation import check_is_fitted

import skanomaly

__all__ = [
    "ALWAYS",
    "BY_NAME",
    "RandomDetector",
    "WindowDetector",
    "find_factories",
    "make",
    "multiscale",
]

# Windows that are scored at once.
_BLOCK = 2048


class _Thresholded(OutlierMixin, BaseEstimator):
    """A detector by its anomaly scores of time steps; the threshold is a quantile of them in fit.

    A series (n_timesteps, n_features) or a list of such is scored by time steps, a panel
    (n_runs, n_timesteps, n_features) by runs.
    """

    def fit(self, X, y=None):
        self._learn(_as_list(X))
        self.offset_ = np.quantile(self.score_samples(X), self.contamination)
        return self

    def score_samples(self, X):
        scores = [-self._scores(series) for series in _as_list(X)]
        return np.array([s.mean() for s in scores]) if _is_panel(X) else np.concatenate(scores)

    def decision_function(self, X):
        check_is_fitted(self)
        return self.score_samples(X) - self.offset_

    def predict(self, X):
        return np.where(self.decision_function(X) < 0, -1, 1)


class RandomDetector(_Thresholded):
    """Scores at random: what chance gets."""

    def __init__(self, *, contamination=0.01, random_state=0):
        self.contamination = contamination
        self.random_state = random_state

    def _learn(self, series):
        """Learn nothing."""

    def _scores(self, X):
        return np.random.default_rng([self.random_state, len(X)]).uniform(size=len(X))


class WindowDetector(_Thresholded):
    """Any estimator of scikit-learn on flattened windows; a time step has the mean of its windows.

    The score of a window is the mean squared error of ``inverse_transform(transform(window))``
    where the estimator has these, else minus its ``score_samples``.

    Parameters
    ----------
    estimator : estimator
        Cloned and fitted on windows (n_windows, window_size * n_features).
    window_size : int, default=32
        At most the length of the shortest series to fit on; 1 for rows.
    max_windows : int, default=3000
        Most windows to fit on, chosen evenly.
    contamination : float, default=0.01
        Share of the time steps in fit to be flagged.
    """

    def __init__(self, estimator, *, window_size=32, max_windows=3000, contamination=0.01):
        self.estimator = estimator
        self.window_size = window_size
        self.max_windows = max_windows
        self.contamination = contamination

    def _learn(self, series):
        self.window_size_ = min(self.window_size, *map(len, series))
        windows = [_windows(part, self.window_size_) for part in series]
        counts = [len(part) for part in windows]
        n_chosen = min(self.max_windows, sum(counts))
        chosen = np.linspace(0, sum(counts) - 1, n_chosen).round().astype(int)
        ends = np.cumsum(counts)
        parts = np.searchsorted(ends, chosen, side="right")
        rows = chosen - (ends - counts)[parts]
        flat = [windows[part][row].ravel() for part, row in zip(parts, rows, strict=True)]
        self.estimator_ = clone(self.estimator).fit(np.stack(flat))

    def _scores(self, X):
        if len(X) < self.window_size_:
            raise ValueError(
                f"X must have at least {self.window_size_} time steps, one window; got {len(X)}. "
                "Use a smaller window_size or a longer series."
            )
        windows = _windows(X, self.window_size_)
        blocks = [windows[first : first + _BLOCK] for first in range(0, len(windows), _BLOCK)]
        scores = np.concatenate([self._window_scores(b.reshape(len(b), -1)) for b in blocks])
        # Step t is covered by the windows from t - window_size_ + 1 to t, as far as they exist.
        covering = np.ones(self.window_size_)
        return np.convolve(scores, covering) / np.convolve(np.ones(len(scores)), covering)

    def _window_scores(self, windows):
        if hasattr(self.estimator_, "inverse_transform"):
            restored = self.estimator_.inverse_transform(self.estimator_.transform(windows))
            return ((windows - restored) ** 2).mean(axis=1)
        return -self.estimator_.score_samples(windows)


def _is_panel(X):
    return isinstance(X, np.ndarray) and X.ndim == 3


def _as_list(X):
    """Return the series of X: itself, or those that it nests."""
    return [X] if isinstance(X, np.ndarray) and X.ndim == 2 else list(X)


def _windows(X, size):
    """Return all windows of a series, (n_windows, size, n_features), without copying."""
    return sliding_window_view(X, size, axis=0).transpose(0, 2, 1)


def _pca():
    return WindowDetector(PCA(n_components=0.9, svd_solver="full"))


def _isolation_forest():
    return WindowDetector(IsolationForest(random_state=0))


#: Part of every comparison.
ALWAYS = {
    "random": RandomDetector,
    "mean": skanomaly.MeanDetector,
    "persistence": skanomaly.PersistenceDetector,
    "PCA": _pca,
    "isolation forest": _isolation_forest,
}


def _network(name):
    def factory():
        return getattr(skanomaly, name)(random_state=0)

    return factory


def _recommended(X):
    return skanomaly.make_detector(X, random_state=0)


def multiscale(estimator):
    """Give any detector the averages over several spans that the recommended one has."""
    return skanomaly.ScoreEnsemble([("detector", estimator)])


#: Factories that ``--estimator NAME`` finds.
BY_NAME = {
    "recommended": _recommended,
    "linear": skanomaly.LinearForecaster,
    "autoencoder": _network("LSTMAutoencoder"),
    "seq2seq": _network("Seq2SeqLSTMAutoencoder"),
    "forecaster": _network("LSTMForecaster"),
    "variational": _network("VariationalLSTMAutoencoder"),
}


def find_factories(given, wrap=None):
    """Return factories by name: those of ALWAYS, then the given ones.

    Parameters
    ----------
    given : list of str
        Names of BY_NAME, or "name=module:factory": what calling the factory returns is an
        estimator, as it is for a class. A factory with a required argument is called with the
        part to fit on.
    wrap : str or None, default=None
        "module:function" that takes any estimator and returns one. Each estimator, the baselines
        included, is then compared as it is and wrapped, such as for the same post-processing.
    """
    factories = dict(ALWAYS)
    for text in given:
        name, _, path = text.partition("=")
        if path:
            factories[name] = _import(path, text)
        elif name in BY_NAME:
            factories[name] = BY_NAME[name]
        else:
            raise ValueError(
                f"estimator must be one of {', '.join(BY_NAME)} or name=module:factory; got "
                f"{text!r}. Name a factory that can be imported."
            )
    if wrap is not None:
        wrapper = _import(wrap, wrap)
        for name, factory in list(factories.items()):
            factories[f"{name}, {wrapper.__name__}"] = _wrapped(factory, wrapper)
    return factories


def _import(path, text):
    module, _, name = path.partition(":")
    if not module or not name:
        raise ValueError(f"must be written module:name; got {text!r}. Write it so.")
    try:
        return getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise ValueError(
            f"{path} of {text!r} must be importable; got {error}. Run from the folder that has it."
        ) from error


def _wrapped(factory, wrapper):
    def wrapped(X):
        return wrapper(make(factory, X)[0])

    return wrapped


def make(factory, X_fit):
    """Make an estimator for X_fit; return it with a text of all its parameters."""
    estimator = factory(X_fit) if _takes_data(factory) else factory()
    return estimator, _describe(estimator)


def _takes_data(factory):
    parameters = inspect.signature(factory).parameters.values()
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return any(p.kind in positional and p.default is p.empty for p in parameters)


def _describe(estimator):
    """Write class and all parameters, so that changed defaults are seen as such."""
    if not hasattr(estimator, "get_params"):
        raise TypeError(
            "a factory must return an estimator with fit, score_samples, predict and get_params; "
            f"got {estimator!r}. Derive it from sklearn.base.BaseEstimator."
        )
    params = estimator.get_params(deep=True).items()
    told = {
        name: type(value).__qualname__ if hasattr(value, "get_params") else value
        for name, value in sorted(params)
    }
    text = f"{type(estimator).__module__}.{type(estimator).__qualname__} {told}"
    return re.sub(r" at 0x[0-9a-f]+", "", text)  # where a function happens to lie in memory
