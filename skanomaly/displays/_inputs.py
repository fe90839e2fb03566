"""What a display accepts, and how a detector's scores are asked for."""

import numpy as np
from sklearn.pipeline import Pipeline

from skanomaly.sequences import nesting


def score_series(detector, final, X):
    """Score one series: anomaly scores (n_timesteps,) and the threshold on them."""
    _check_attributes(final, "offset_")
    _check_attributes(detector, "score_samples")
    # After fitting a panel, offset_ is about whole series.
    threshold = getattr(final, "step_threshold_", -final.offset_)
    return -np.asarray(detector.score_samples(X)), float(threshold)


def score_panel(detector, final, X, series):
    """Score one series of a panel by time steps: anomaly scores (n_timesteps,), threshold."""
    _check_attributes(final, "score_timesteps", "step_threshold_")
    check_series_number(X, series)
    if detector is not final:
        X = detector[:-1].transform(X)
    return -np.asarray(final.score_timesteps(X)[series]), float(final.step_threshold_)


def read_series(X, index=None, feature_names=None, name="X"):
    """Read values (n_timesteps, n_features), index and names, from X where they are not given."""
    index = index_of(X) if index is None else index
    names = getattr(X, "columns", None) if feature_names is None else feature_names
    values = np.asarray(X, dtype=np.float64)
    if values.ndim != 2 or not values.size:
        raise ValueError(
            f"{name} must be one series of shape (n_timesteps, n_features) with at least one time "
            f"step; got shape {values.shape}. Reshape one feature with x.reshape(-1, 1)."
        )
    return values, check_index(index, len(values)), check_names(names, values.shape[1])


def take_series(X, series):
    """Cut one series out of a panel, as a panel of one; a series stays as it is."""
    if nesting(X) == "series":
        return X
    check_series_number(X, series)
    return X[series : series + 1]


def check_series_number(X, series):
    """Raise ValueError unless `series` numbers one of the panel X."""
    if not 0 <= series < len(X):
        raise ValueError(
            f"series must be between 0 and {len(X) - 1}, for the {len(X)} series of X; got "
            f"{series!r}. Choose one of them."
        )


def split_pipeline(detector, X):
    """Return the detector at the end of a pipeline and what the steps before make of X."""
    if not isinstance(detector, Pipeline):
        return detector, X
    return detector[-1], X if len(detector) == 1 else detector[:-1].transform(X)


def names_seen(detector, X):
    """Name the features that the last step of a pipeline sees of X; None where nobody knows."""
    names = getattr(X, "columns", None)
    if not isinstance(detector, Pipeline) or len(detector) == 1:
        return names
    try:
        return list(detector[:-1].get_feature_names_out(names))
    except (AttributeError, ValueError):
        return None


def check_length(name, values, n_timesteps):
    """Return values (n_timesteps,), or raise ValueError."""
    values = np.asarray(values)
    if values.shape != (n_timesteps,):
        raise ValueError(
            f"{name} must have one value per time step of X, shape ({n_timesteps},); got shape "
            f"{values.shape}. Pass the {name} of this series alone."
        )
    return values


def check_labels(name, labels, n_timesteps):
    """Return labels (n_timesteps,) of -1 and +1, or None; raise ValueError for others."""
    if labels is None:
        return None
    labels = check_length(name, labels, n_timesteps)
    if not np.isin(labels, (-1, 1)).all():
        raise ValueError(
            f"{name} must hold -1 (anomalous) and +1 (normal) only; got {np.unique(labels)[:5]}. "
            "Convert 1 = anomalous, 0 = normal with np.where(y == 1, -1, 1)."
        )
    return labels


def check_index(index, n_timesteps):
    """Return a time axis (n_timesteps,) of numbers or datetime64, in order, or None."""
    if index is None:
        return None
    if getattr(index, "tz", None) is not None:
        index = index.tz_convert(None)  # times of one day may occur twice in local time
    index = check_length("index", index, n_timesteps)
    if index.dtype.kind not in "iufM":
        raise ValueError(
            f"index must hold numbers or dates; got dtype {index.dtype}. Convert it with "
            "pandas.to_datetime, or leave it out to number the time steps."
        )
    backwards = np.flatnonzero(~(index[1:] >= index[:-1]))
    if len(backwards):
        row = int(backwards[0]) + 1
        raise ValueError(
            f"index must be in order; got {index[row]} after {index[row - 1]} at position {row}. "
            "Sort the series by time, or pass index=numpy.arange(len(X))."
        )
    return index


def choose_index(index, X, n_timesteps):
    """Return index, or that of X where it fits the n_timesteps that a pipeline leaves."""
    if index is None and len(X) == n_timesteps:
        return index_of(X)
    return index


def index_of(X):
    """Return the index of a pandas frame when it holds numbers or dates, else None."""
    index = getattr(X, "index", None)
    kind = getattr(getattr(index, "dtype", None), "kind", "")
    return index if kind in tuple("iufM") else None


def check_names(names, n_features):
    """Return a list of n_features names; None numbers them."""
    if names is None:
        return [f"x{j}" for j in range(n_features)]
    names = [str(name) for name in names]
    if len(names) != n_features:
        raise ValueError(
            f"feature_names must have one name per feature, {n_features}; got {len(names)}. "
            "Leave it out to number the features."
        )
    return names


def shorten(name, longest=28):
    """Cut the middle out of a long name, of which both ends may tell it from others.

    >>> shorten("engine_left_temperature_of_the_third_stage")
    'engine_left_te...third_stage'
    """
    half = longest // 2
    return name if len(name) <= longest else f"{name[:half]}...{name[3 - half :]}"


def check_option(name, value, allowed):
    """Return value, or None for "auto"; raise ValueError unless it is one of those or allowed."""
    if value != "auto" and value not in allowed:
        choices = ", ".join(map(repr, ("auto", *allowed)))
        raise ValueError(f"{name} must be one of {choices}; got {value!r}. Choose one of them.")
    return None if value == "auto" else value


def finite(values):
    """Replace infinite values by NaN."""
    return np.where(np.isinf(values), np.nan, values)


def _check_attributes(detector, *attributes):
    for attribute in attributes:
        if not hasattr(detector, attribute):
            raise TypeError(
                f"detector must have {attribute}; got {type(detector).__name__}, which has not. "
                "Fit it first, or draw scores of your own."
            )
