"""What a display accepts, and how a detector's scores are asked for."""

import numpy as np


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
    if not 0 <= series < len(X):
        raise ValueError(
            f"series must be between 0 and {len(X) - 1}, for the {len(X)} series of X; got "
            f"{series!r}. Choose one of them."
        )
    if detector is not final:
        X = detector[:-1].transform(X)
    return -np.asarray(final.score_timesteps(X)[series]), float(final.step_threshold_)


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


def check_option(name, value, allowed):
    """Return value, or None for "auto"; raise ValueError unless it is one of those or allowed."""
    if value != "auto" and value not in allowed:
        choices = ", ".join(map(repr, ("auto", *allowed)))
        raise ValueError(f"{name} must be one of {choices}; got {value!r}. Choose one of them.")
    return None if value == "auto" else value


def _check_attributes(detector, *attributes):
    for attribute in attributes:
        if not hasattr(detector, attribute):
            raise TypeError(
                f"detector must have {attribute}; got {type(detector).__name__}, which has not. "
                "Fit it first, or use ScoreDisplay.from_predictions with scores of your own."
            )
