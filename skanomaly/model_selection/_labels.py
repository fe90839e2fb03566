"""True labels as scorers and thresholds take them, and parts of X and y."""

from typing import NamedTuple

import numpy as np

from skanomaly.sequences import nesting

__all__ = ["Y_DOC", "Labels", "check_both_classes", "length_of", "read_labels", "take"]

#: What y may be, for docstrings.
Y_DOC = """array-like of shape (n_timesteps,), (n_series,) or (n_series, n_timesteps), \
or list of (n_timesteps_i,)
            True labels, -1 for anomalies and 1 for the rest. Of a single series, one per time
            step. Of a panel or list, one per series, or one per time step, nested like X."""


class Labels(NamedTuple):
    """Labels that were read.

    Attributes
    ----------
    values : ndarray of shape (n_timesteps,) or (n_series,), or list of (n_timesteps_i,)
        Of time steps or of whole series.
    level : {"timesteps", "series"}
        What each label is about.
    of_list : bool
        Whether X is a panel or a list, and not one series.
    """

    values: object
    level: str
    of_list: bool


def read_labels(y, X, name="y"):
    """Check labels against X and tell whether they are about time steps or about series.

    Parameters
    ----------
    y : array-like or list of array-like
        Of -1 and 1; nested as `Y_DOC` says.
    X : array-like or list of array-like
        What was labelled.
    name : str, default="y"
        For error messages.

    Returns
    -------
    labels : Labels

    Raises
    ------
    ValueError
        If there are no labels, if they are not -1 and 1, or if they do not fit X.
    """
    if y is None:
        raise ValueError(
            f"{name} must hold labels, -1 for anomalies and 1 for the rest; got None. Pass the "
            "labels, or use a scorer or threshold selector that needs none."
        )
    of_list = nesting(X) != "series"
    _check_length(name, length_of(y), length_of(X), "series" if of_list else "time step")
    if not of_list:
        return Labels(_one_series(y, name), "timesteps", of_list)
    parts = list(np.asarray(y)) if hasattr(y, "dtype") else list(y)
    if all(np.ndim(part) == 0 for part in parts):
        return Labels(_one_series(y, name), "series", of_list)
    values = [_one_series(part, f"{name}[{i}]") for i, part in enumerate(parts)]
    for i, (part, x) in enumerate(zip(values, X, strict=True)):
        _check_length(f"{name}[{i}]", len(part), length_of(x), "time step")
    return Labels(values, "timesteps", of_list)


def check_both_classes(values, what="y"):
    """Raise unless labels, an array or a list of arrays, hold anomalies and others."""
    flat = np.concatenate(values) if isinstance(values, list) else values
    n_anomalous = int(np.count_nonzero(flat == -1))
    if 0 < n_anomalous < len(flat):
        return
    found = "no anomaly" if n_anomalous == 0 else "anomalies only"
    raise ValueError(
        f"{what} must hold both labels, -1 and 1; got {found} among {len(flat)} labels, of which "
        "nothing can be measured. Use fewer or longer folds, so that each of them has an anomaly "
        "and normal time steps, or choose the splits by hand as an iterable of (train, test)."
    )


def length_of(X):
    """Return the number of entries of an array, frame, sparse matrix or list."""
    shape = getattr(X, "shape", None)
    if shape is not None:
        return shape[0] if shape else 0
    return len(X) if hasattr(X, "__len__") else len(np.asarray(X))


def take(X, indices):
    """Take entries of X or y, in the form that they have.

    Neighbouring entries are sliced, so that memory maps and other stored arrays are not loaded.
    """
    indices = np.asarray(indices)
    if indices.dtype == bool:
        indices = np.flatnonzero(indices)
    if isinstance(X, (list, tuple)):
        return [X[i] for i in indices]
    rows = indices
    if len(indices) and (np.diff(indices) == 1).all():
        rows = slice(int(indices[0]), int(indices[-1]) + 1)
    return X.iloc[rows] if hasattr(X, "iloc") else X[rows]


def _one_series(y, name):
    """Read labels (n_labels,) of -1 and 1."""
    labels = np.asarray(y)
    if labels.ndim != 1:
        raise ValueError(
            f"{name} must have 1 dimension, one label each; got shape {labels.shape}. Remove the "
            "other axis, for example with np.ravel."
        )
    if labels.dtype == bool or not np.isin(labels, (-1, 1)).all():
        found = ", ".join(repr(value) for value in np.unique(labels.astype(str))[:5].tolist())
        raise ValueError(
            f"{name} must hold -1 for anomalies and 1 for the rest; got {found}. Convert labels "
            "with skanomaly.metrics.to_outlier_labels."
        )
    return labels.astype(int)


def _check_length(name, found, wanted, what):
    if found != wanted:
        raise ValueError(
            f"{name} must have one entry for each {what} of X, {wanted}; got {found}. Pass the "
            "labels of this X, nested like it."
        )
