"""Labels and scores as every metric takes them: one boolean or float array per series."""

import numpy as np

__all__ = ["LABELS_DOC", "SCORES_DOC", "read_labels", "read_pair", "read_scores"]

#: What metrics take, for their docstrings.
LABELS_DOC = """array-like of shape (n_timesteps,) or (n_series, n_timesteps), or list of such
        Labels of one series, of a panel, or of a list of series of any lengths: -1 for
        anomalies, 1 for the rest."""
SCORES_DOC = """array-like, nested as `y_true`
        Anomaly scores, higher meaning more anomalous, such as ``-detector.score_timesteps(X)``."""


def to_outlier_labels(y, *, outlier=1):
    """Turn labels of another kind into those of scikit-learn's outlier detectors.

    Parameters
    ----------
    y : array-like of shape (n_timesteps,) or (n_series, n_timesteps)
        Labels of any type; exactly the values equal to `outlier` are anomalies.
    outlier : object, default=1
        The value that stands for an anomaly, such as 1, True or "anomaly".

    Returns
    -------
    labels : ndarray of the same shape, int
        -1 for anomalies, 1 for the rest.

    Examples
    --------
    >>> from skanomaly.metrics import to_outlier_labels
    >>> to_outlier_labels([0, 0, 1, 0])
    array([ 1,  1, -1,  1])
    >>> to_outlier_labels(["ok", "fault"], outlier="fault")
    array([ 1, -1])
    """
    return np.where(np.asarray(y) == outlier, -1, 1)


def read_labels(y, name):
    """Read labels as a list of (n_timesteps_i,) bool, True for anomalies."""
    return [_read_series(part, name) for part in _series_of(y, name)]


def read_scores(scores, name):
    """Read anomaly scores as a list of (n_timesteps_i,) float64."""
    parts = []
    for part in _series_of(scores, name):
        part = np.asarray(part, dtype=np.float64)
        if not np.isfinite(part).all():
            raise ValueError(
                f"{name} must be finite; got {np.count_nonzero(~np.isfinite(part))} values that "
                "are NaN or infinite. Fill them, or leave those time steps out of both arguments."
            )
        parts.append(part)
    return parts


def read_pair(y_true, other, name):
    """Read true labels and what is compared with them, scores or labels by `name`."""
    truth = read_labels(y_true, "y_true")
    read = read_scores if name == "y_score" else read_labels
    parts = read(other, name)
    lengths, other_lengths = [[len(part) for part in each] for each in (truth, parts)]
    if lengths != other_lengths:
        raise ValueError(
            f"y_true and {name} must have the same lengths; got {_short(lengths)} and "
            f"{_short(other_lengths)} time steps. Give one value for each time step of each series."
        )
    return truth, parts


def _series_of(values, name):
    """Divide into series: list of 1-D arrays."""
    is_list = isinstance(values, (list, tuple)) and len(values) and np.ndim(values[0]) >= 1
    if is_list:
        parts = [np.asarray(part) for part in values]
    else:
        array = np.asarray(values)
        parts = list(array) if array.ndim == 2 else [array]
    if any(part.ndim != 1 for part in parts):
        raise ValueError(
            f"{name} must be one value for each time step of a series (n_timesteps,), of a panel "
            f"(n_series, n_timesteps), or a list of series; got shape {np.shape(parts[0])}. Remove "
            "the axis of features."
        )
    if not parts or any(len(part) == 0 for part in parts):
        raise ValueError(f"{name} must not be empty; got a series of 0 time steps. Leave it out.")
    return parts


def _read_series(part, name):
    anomalous = part == -1
    if part.dtype == bool or not np.all(anomalous | (part == 1)):
        found = ", ".join(repr(value) for value in np.unique(part)[:5].tolist())
        raise ValueError(
            f"{name} must hold -1 for anomalies and 1 for the rest; got {found}. Convert labels "
            "with skanomaly.metrics.to_outlier_labels, scores with a threshold."
        )
    return anomalous


def _short(lengths):
    return lengths[0] if len(lengths) == 1 else lengths[:5]
