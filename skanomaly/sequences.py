"""The input contract: what X may be, and how results take its shape again.

Every estimator reads X through :func:`check_sequences`, which lays all series end to end:

=====================================================  ==========  ==============  ===============
X                                                      nesting     ``len(X)``      one score per
=====================================================  ==========  ==============  ===============
array or frame (n_timesteps, n_features)               "series"    time steps      time step
array (n_series, n_timesteps, n_features)              "panel"     series          series
list or object array of (n_timesteps_i, n_features)    "ragged"    series          series
=====================================================  ==========  ==============  ===============

The nesting follows from the type of X alone, never from its values: a list whose series happen to
have equal lengths is still a list, and results for it are lists.
"""

from contextlib import contextmanager
from dataclasses import dataclass, replace

import numpy as np
from sklearn.utils import check_array
from sklearn.utils.validation import validate_data

__all__ = ["X_DOC", "Sequences", "check_sequences", "nesting", "split_validation"]

#: The words in which every public docstring describes X.
X_DOC = """array-like of shape (n_timesteps, n_features), \
(n_series, n_timesteps, n_features), or list of (n_timesteps_i, n_features)
            One series with rows in time order (array, pandas or polars frame), a panel of series
            of equal length, or a list of series of any lengths. Numbers only; NaN means not
            observed. Integers and float64 become float32 inside."""


@dataclass(frozen=True)
class Sequences:
    """Series laid end to end.

    Parameters
    ----------
    values : ndarray of shape (n_total_timesteps, n_features)
        All time steps of all series, in order.
    offsets : ndarray of shape (n_series + 1,), dtype int64
        Series i is ``values[offsets[i]:offsets[i + 1]]``.
    nesting : {"series", "panel", "ragged"}
        The form in which X came, and in which results go back.
    missing : bool, default=False
        Whether any value is NaN, that is not observed.
    """

    values: np.ndarray
    offsets: np.ndarray
    nesting: str
    missing: bool = False

    @property
    def n_series(self):
        """Return the number of series."""
        return len(self.offsets) - 1

    @property
    def n_features(self):
        """Return the number of features."""
        return self.values.shape[1]

    @property
    def lengths(self):
        """Return the number of time steps of each series, of shape (n_series,)."""
        return np.diff(self.offsets)

    def split(self, flat=None):
        """Cut an array of shape (n_total_timesteps, ...) into views, one per series."""
        flat = self.values if flat is None else flat
        return [flat[a:b] for a, b in zip(self.offsets[:-1], self.offsets[1:], strict=True)]

    def nest(self, flat):
        """Give an array of shape (n_total_timesteps, ...) the nesting that X had."""
        if self.nesting == "series":
            return flat
        if self.nesting == "panel":
            return flat.reshape(self.n_series, -1, *flat.shape[1:])
        return self.split(flat)

    def per_sample(self, step_scores):
        """Reduce scores of time steps to one per ``len(X)``: as they are, or the mean per series.

        (n_total_timesteps,) -> (n_timesteps,) for a series, (n_series,) for a panel. NaN, the
        score of a step without any observed value, is left out; it stays where all are NaN.
        """
        if self.nesting == "series":
            return step_scores
        known = [part[~np.isnan(part)] for part in self.split(step_scores)]
        return np.array([part.mean() if len(part) else np.nan for part in known])

    def with_values(self, values):
        """Return the same series with other values, of shape (n_total_timesteps, n_outputs)."""
        return replace(self, values=values)


def check_sequences(estimator, X, *, reset, dtype=np.float32, min_timesteps=1, observed=False):
    """Validate X against the input contract and lay its series end to end.

    Parameters
    ----------
    estimator : estimator instance
        Whose ``n_features_in_`` and ``feature_names_in_`` are set (``reset=True``) or compared.
    X : array-like, frame or list of them
        As the table at the top of this module says.
    reset : bool
        True in ``fit``, False elsewhere.
    dtype : dtype, default=numpy.float32
        Of the values.
    min_timesteps : int, default=1
        How many time steps X must have in total.
    observed : bool, default=False
        Whether each series must have an observed value, one that is not NaN.

    Returns
    -------
    sequences : Sequences

    Raises
    ------
    ValueError
        If X is empty, ragged in its features, not numeric, infinite, or of a wrong rank or
        number of features. The message names the remedy.
    """
    form = nesting(X)
    if form == "series":
        _refuse_text(X)
        with _conversion():
            values = validate_data(
                estimator, X, reset=reset, dtype=dtype, ensure_all_finite=False, order="C"
            )
        sequences = Sequences(values, np.array([0, len(values)]), "series")
    elif form == "panel":
        sequences = _from_panel(X, dtype)
        validate_data(estimator, sequences.values, reset=reset, skip_check_array=True)
    else:
        sequences = _from_list(X, dtype)
        named = X[0] if hasattr(X[0], "columns") else sequences.values
        validate_data(estimator, named, reset=reset, skip_check_array=True)
    n_timesteps = len(sequences.values)
    if n_timesteps < min_timesteps:
        raise ValueError(
            f"X must have at least {min_timesteps} time steps for {type(estimator).__name__}; got "
            f"{n_timesteps} sample(s), that is n_samples={n_timesteps}. Give a longer series."
        )
    if not _refuse_infinite(sequences):
        return sequences
    if observed:
        _refuse_unobserved(sequences)
    return replace(sequences, missing=True)


def nesting(X):
    """Tell "series", "panel" or "ragged" from the type of X; refuse other ranks."""
    if isinstance(X, (list, tuple)) or _is_object_vector(X):
        return _nesting_of_list(X)
    rank = _rank(X)
    if rank not in (2, 3):
        raise ValueError(
            "X must have 2 dimensions (n_timesteps, n_features) or 3 dimensions (n_series, "
            f"n_timesteps, n_features); got {rank}, shape {np.shape(X)}. Reshape your data: a "
            "series of one feature is x.reshape(-1, 1), a panel of one feature X[..., None]."
        )
    return "panel" if rank == 3 else "series"


def _nesting_of_list(X):
    if len(X) == 0:
        raise ValueError(
            "X must hold at least one series; got an empty list. A minimum of 1 is required: "
            "give a list of arrays of shape (n_timesteps_i, n_features)."
        )
    ranks = [_rank(part) for part in X]
    if set(ranks) == {1} and all(isinstance(part, (list, tuple)) for part in X):
        return "series"  # rows of numbers, for scikit-learn to read
    for i, rank in enumerate(ranks):
        if rank != 2:
            raise ValueError(
                "X given as a list must hold arrays of shape (n_timesteps_i, n_features); got "
                f"{rank} dimension(s) at position {i}. Reshape your data: a series of one feature "
                "is x.reshape(-1, 1); one series of many features is the array itself, not a list."
            )
    return "ragged"


def _is_object_vector(X):
    return isinstance(X, np.ndarray) and X.dtype == object and X.ndim == 1


def _rank(part):
    """Return the number of dimensions of an array, a frame or a nested list."""
    if hasattr(part, "columns"):
        return 2
    shape = getattr(part, "shape", None)
    if shape is not None:
        return len(shape)
    if hasattr(part, "__array__"):
        return np.asarray(part).ndim
    rank = 0
    while isinstance(part, (list, tuple)):
        rank += 1
        part = part[0] if len(part) else None
    return rank


def _as_array(part, dtype, where):
    """Convert one array-like to a 2-D array of dtype; `where` completes the error message."""
    _refuse_text(part, where)
    with _conversion(where):
        return check_array(
            part, dtype=dtype, ensure_all_finite=False, order="C", input_name=f"X{where}"
        )


@contextmanager
def _conversion(where=""):
    """Name the remedy where text meets float(); what overflows is reported as infinite later."""
    try:
        with np.errstate(over="ignore"):
            yield
    except ValueError as error:
        if "could not convert string" not in str(error):
            raise
        raise ValueError(
            f"X{where} must hold numbers; {error}. Drop what is text, or encode it."
        ) from error


def _refuse_text(part, where=""):
    """Raise for values that are text, with the column's name where there is one."""
    for name in getattr(part, "columns", ()):
        column = np.asarray(part[name])
        if column.dtype.kind in "OUSMm" and not _all_numbers(column):
            raise ValueError(
                f"X{where} must hold numbers; got column {str(name)!r} of dtype "
                f"{part[name].dtype}. Drop the column, encode it, or make a date column the index."
            )
    if isinstance(part, np.ndarray) and part.dtype.kind in "USMm":
        raise ValueError(
            f"X{where} must hold numbers; got an array of dtype {part.dtype}. Convert text with "
            "X.astype(float), and drop what is not a number."
        )


def _all_numbers(column):
    """Tell whether an object column holds only numbers (None counts as missing)."""
    if column.dtype.kind != "O":
        return False
    return all(value is None or isinstance(value, (int, float, np.number)) for value in column)


def _from_panel(X, dtype):
    X = np.asarray(X)
    n_series, n_timesteps, n_features = X.shape
    if not n_series or not n_timesteps:
        raise ValueError(
            "X must hold at least one series with at least one time step; got shape "
            f"{X.shape}, of which a minimum of 1 is required in each axis."
        )
    values = _as_array(X.reshape(n_series * n_timesteps, n_features), dtype, "")
    return Sequences(values, np.arange(n_series + 1) * n_timesteps, "panel")


def _from_list(X, dtype):
    for i, part in enumerate(X):
        if len(part) == 0:
            raise ValueError(
                f"X[{i}] must have at least one time step; got shape {np.shape(part)}. Leave "
                "series without time steps out of the list."
            )
    parts = [_as_array(part, dtype, f"[{i}]") for i, part in enumerate(X)]
    counts = [part.shape[1] for part in parts]
    if len(set(counts)) > 1:
        i = next(i for i, count in enumerate(counts) if count != counts[0])
        raise ValueError(
            f"All series of X must have the same features; got {counts[0]} in X[0] and "
            f"{counts[i]} in X[{i}]. Give every series the same columns in the same order."
        )
    names = [list(part.columns) if hasattr(part, "columns") else None for part in X]
    for i, found in enumerate(names):
        if found != names[0]:
            raise ValueError(
                f"All series of X must have the same columns in the same order; got {names[0]} in "
                f"X[0] and {found} in X[{i}]. Select them in one order first."
            )
    return _end_to_end(parts, "ragged")


def _end_to_end(parts, nesting):
    offsets = np.concatenate([[0], np.cumsum([len(part) for part in parts])])
    values = parts[0] if len(parts) == 1 else np.concatenate(parts)
    return Sequences(values, offsets.astype(np.int64), nesting)


def _refuse_infinite(sequences):
    """Raise when a value is infinite, saying where the first one is; tell whether any is NaN."""
    values = sequences.values
    with np.errstate(over="ignore", invalid="ignore"):
        if np.isfinite(values.sum(dtype=np.float64)):
            return False
    infinite = np.isinf(values)
    if not infinite.any():
        return bool(np.isnan(values).any())  # else the sum overflowed, no value did
    step, feature = np.argwhere(infinite)[0]
    series = int(np.searchsorted(sequences.offsets, step, side="right")) - 1
    place = f"time step {step - sequences.offsets[series]}, feature {feature}"
    if sequences.nesting != "series":
        place = f"series {series}, {place}"
    raise ValueError(
        f"X must not contain infinity or a value too large for {values.dtype}; got "
        f"{int(infinite.sum())} of them, the first at {place}. Replace what was not observed by "
        "NaN, clip the rest, or scale X."
    )


def _refuse_unobserved(sequences):
    """Raise when a series has no observed value, from which nothing can be learned."""
    for i, part in enumerate(sequences.split()):
        if np.isnan(part).all():
            where = "X" if sequences.nesting == "series" else f"X[{i}]"
            raise ValueError(
                f"{where} must have at least one observed value; got NaN only, in "
                f"{len(part)} time steps. Leave out series in which nothing was observed."
            )


def split_validation(sequences, fraction, window_size, seed):
    """Split off a validation part that shares no time step with the training part.

    Of several series, whole ones are taken at random. Of one series, the end is taken, and the
    `window_size` steps before it belong to neither part.

    Parameters
    ----------
    sequences : Sequences
        The series to split.
    fraction : float
        Share of the series, or of the time steps of the only one, to hold out.
    window_size : int
        Time steps per window; the least length of either part of a single series.
    seed : int
        Determines which series are held out.

    Returns
    -------
    train, validation : Sequences

    Raises
    ------
    ValueError
        If the only series is shorter than three windows, or nothing was observed in a part of it.
    """
    n_series = sequences.n_series
    if n_series > 1:
        n_held = min(max(1, round(fraction * n_series)), n_series - 1)
        order = np.random.default_rng(seed).permutation(n_series)
        parts = sequences.split()
        return tuple(
            replace(
                _end_to_end([parts[i] for i in np.sort(chosen)], sequences.nesting),
                missing=sequences.missing,
            )
            for chosen in (order[n_held:], order[:n_held])
        )
    n_timesteps = len(sequences.values)
    n_held = max(window_size, round(fraction * n_timesteps))
    n_train = n_timesteps - n_held - window_size
    if n_train < window_size:
        raise ValueError(
            f"early_stopping needs a series of at least {n_held + 2 * window_size} time steps, "
            f"{n_held} to validate, window_size={window_size} to train and as many between them; "
            f"got {n_timesteps}. Use a smaller window_size, a longer series, or "
            "early_stopping=False."
        )
    parts = sequences.values[:n_train], sequences.values[n_timesteps - n_held :]
    for name, part in zip(("first", "last"), parts, strict=True):
        if sequences.missing and np.isnan(part).all():
            raise ValueError(
                "early_stopping needs observed values to train on and to validate with; got NaN "
                f"only in the {name} {len(part)} time steps. Cut the gap off, use another "
                "validation_fraction, or early_stopping=False."
            )
    return tuple(
        replace(sequences, values=part, offsets=np.array([0, len(part)])) for part in parts
    )
