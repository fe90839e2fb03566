"""What inspection reads: the series of X, and a detector that may be asked about others."""

import copy

import numpy as np
from sklearn.utils.validation import check_is_fitted

from skanomaly.sequences import check_sequences

#: A single series longer than allowed is read in this many stretches.
_STRETCHES = 4
#: Windows that a stretch holds at least: fewer would show the detector mostly edges.
_WINDOWS_PER_STRETCH = 4


def check_detector(detector, *methods):
    """Raise unless the detector is fitted and has the methods."""
    for method in methods:
        if not hasattr(detector, method):
            raise TypeError(
                f"detector must have the method {method}; got {type(detector).__name__}, which "
                "has not. Pass a detector of skanomaly; of a pipeline pass pipeline[-1], and "
                "pipeline[:-1].transform(X) as X."
            )
    check_is_fitted(detector)


def nameless(detector):
    """Copy a fitted detector, weights shared, so that it takes arrays without feature names."""
    bare = copy.copy(detector)
    if hasattr(bare, "feature_names_in_"):
        del bare.feature_names_in_
    return bare


def feature_names(detector, n_features):
    """List the names seen in fit, or x0, x1 and so on."""
    names = getattr(detector, "feature_names_in_", None)
    return [f"x{j}" for j in range(n_features)] if names is None else [str(n) for n in names]


def read_parts(detector, X, max_timesteps):
    """Read a bounded part of X.

    Returns
    -------
    parts : list of ndarray of shape (n_timesteps_i, n_features), float32
        Evenly chosen whole series, as many as `max_timesteps` allows and at least one. A single
        one that is longer comes in four evenly spaced stretches, unless the detector takes whole
        series. Series without any observed value are left out.
    """
    parts = check_sequences(detector, X, reset=False).split()
    parts = [part for part in parts if not np.isnan(part).all()]
    total = sum(map(len, parts))
    if total > max_timesteps:
        n_kept = max(1, int(len(parts) * max_timesteps / total))
        chosen = np.linspace(0, len(parts) - 1, n_kept).round().astype(int)
        parts = [parts[i] for i in chosen]
    if len(parts) == 1 and getattr(detector, "window_size", 1) is not None:
        parts = _stretches(parts[0], max_timesteps, window_size(detector))
    return parts


def _stretches(x, max_timesteps, window):
    length = max(max_timesteps // _STRETCHES, _WINDOWS_PER_STRETCH * window)
    if len(x) <= max(max_timesteps, _STRETCHES * length):
        return [x]
    starts = np.linspace(0, len(x) - length, _STRETCHES).round().astype(int)
    return [x[start : start + length] for start in starts]


def window_size(detector):
    """Return the time steps per window, 1 for detectors without windows."""
    return int(getattr(detector, "window_size_", 1))


def make_rng(random_state):
    """Make a generator; None is fresh entropy, and no global state is touched."""
    if random_state is None:
        return np.random.default_rng()
    if isinstance(random_state, np.random.RandomState):
        return np.random.default_rng(random_state.randint(2**31 - 1))
    return np.random.default_rng(random_state)
