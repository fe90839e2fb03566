"""The input contract: what X may be, and how results take its shape again.

Every estimator reads X through :func:`check_sequences`, which lays all series end to end:

=====================================================  ==========  ==============  ===============
X                                                      nesting     ``len(X)``      one score per
=====================================================  ==========  ==============  ===============
array or frame (n_timesteps, n_features)               "series"    time steps      time step
array (n_series, n_timesteps, n_features)              "panel"     series          series
list or object array of (n_timesteps_i, n_features)    "ragged"    series          series
=====================================================  ==========  ==============  ===============

Memory maps, zarr arrays and h5py datasets count as arrays; where `stored` is allowed they stay on
disk, and only the blocks at work are read.

The nesting follows from the type of X alone, never from its values: a list whose series happen to
have equal lengths is still a list, and results for it are lists.
"""

from contextlib import contextmanager
from dataclasses import dataclass, replace

import numpy as np
from sklearn.utils import check_array
from sklearn.utils.validation import validate_data

from skanomaly.stored import Stored, as_rows, is_stored, refuse_unreadable

__all__ = ["X_DOC", "Sequences", "check_sequences", "nesting", "split_validation"]

# Values that are read at once when X is gone through: 4 MiB in float32.
_BLOCK = 2**20

#: The words in which every public docstring describes X.
X_DOC = """array-like of shape (n_timesteps, n_features), \
(n_series, n_timesteps, n_features), or list of (n_timesteps_i, n_features)
            One series with rows in time order (array, pandas or polars frame), a panel of series
            of equal length, or a list of series of any lengths. Numbers only; NaN means not
            observed. Integers and float64 become float32 inside. Memory maps, zarr arrays and h5py
            datasets are read in parts, never loaded whole."""


@dataclass(frozen=True)
class Sequences:
    """Series laid end to end.

    Parameters
    ----------
    values : ndarray or Stored, of shape (n_total_timesteps, n_features)
        All time steps of all series, in order; of any numeric dtype when they are on disk.
    offsets : ndarray of shape (n_series + 1,), dtype int64
        Series i is ``values[offsets[i]:offsets[i + 1]]``.
    nesting : {"series", "panel", "ragged"}
        The form in which X came, and in which results go back.
    missing : bool, default=False
        Whether any value is NaN, that is not observed.
    dtype : dtype, default=numpy.float32
        In which values are read.
    """

    values: object
    offsets: np.ndarray
    nesting: str
    missing: bool = False
    dtype: object = np.float32

    @property
    def n_series(self):
        """Return the number of series."""
        return len(self.offsets) - 1

    @property
    def n_features(self):
        """Return the number of features."""
        return self.values.shape[1]

    @property
    def n_timesteps(self):
        """Return the number of time steps of all series together."""
        return self.values.shape[0]

    @property
    def lengths(self):
        """Return the number of time steps of each series, of shape (n_series,)."""
        return np.diff(self.offsets)

    @property
    def chunk(self):
        """Return how many time steps are best read at once; 1 if they can be read one by one."""
        return self.values.chunk if isinstance(self.values, Stored) else 1

    def read(self, start, stop):
        """Load time steps: ndarray of shape (stop - start, n_features) in `dtype`."""
        stored = isinstance(self.values, Stored)
        rows = self.values.read(start, stop) if stored else self.values[start:stop]
        with np.errstate(over="ignore"):  # what is too large becomes infinite, and is refused
            return np.asarray(rows).astype(self.dtype, copy=False)

    def blocks(self, start=0, stop=None):
        """Yield (first time step, values) of consecutive blocks, a few MiB each."""
        stop = self.n_timesteps if stop is None else stop
        n_rows = max(1, _BLOCK // self.n_features)
        n_rows = -(-n_rows // self.chunk) * self.chunk if self.chunk < 8 * n_rows else n_rows
        for first in range(start, stop, n_rows):
            yield first, self.read(first, min(first + n_rows, stop))

    def of_steps(self, steps):
        """Return the number of the series of each time step."""
        return np.searchsorted(self.offsets, steps, side="right") - 1

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

    def with_values(self, values):
        """Return the same series with other values, of shape (n_total_timesteps, n_outputs)."""
        return replace(self, values=values)

    def take(self, pieces, *, copy=True):
        """Return pieces of series as series of their own; copied, or read when they are needed.

        Parameters
        ----------
        pieces : list of (start, stop)
            First time step and the one after the last, both in the same series.
        """
        parts = [self.values[start:stop] for start, stop in pieces]
        values = _end_to_end(parts) if copy else Stored.of(parts)
        return replace(self, values=values, offsets=_offsets(parts))


def check_sequences(
    estimator, X, *, reset, dtype=np.float32, min_timesteps=1, observed=False, stored=False
):
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
    stored : bool, default=False
        Whether arrays on disk stay there; they are loaded otherwise.

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
    if stored and _all_stored(X, form):
        sequences = _from_stored(list(X) if form == "ragged" else [X], form, dtype)
        named = np.empty((0, sequences.n_features))
        validate_data(estimator, named, reset=reset, skip_check_array=True)
    elif form == "series":
        _refuse_text(X)
        with _conversion():
            values = validate_data(
                estimator, X, reset=reset, dtype=dtype, ensure_all_finite=False, order="C"
            )
        sequences = Sequences(values, np.array([0, len(values)]), "series", dtype=values.dtype)
    elif form == "panel":
        sequences = _from_panel(X, dtype)
        validate_data(estimator, sequences.values, reset=reset, skip_check_array=True)
    else:
        sequences = _from_list(X, dtype)
        named = X[0] if hasattr(X[0], "columns") else sequences.values
        validate_data(estimator, named, reset=reset, skip_check_array=True)
    n_timesteps = sequences.n_timesteps
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
    refuse_unreadable(X)
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
    for i, part in enumerate(X):
        refuse_unreadable(part, f"[{i}]")
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
    except OverflowError as error:
        raise ValueError(
            f"X{where} must hold numbers that fit a float; {error}. Scale such integers down, or "
            "replace them by NaN, before they become an array."
        ) from error
    except (TypeError, ValueError) as error:
        found = str(error)
        if "could not convert string" not in found and "float() argument must be" not in found:
            raise
        raise type(error)(
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
    _refuse_empty(X.shape)
    n_series, n_timesteps, n_features = X.shape
    values = _as_array(X.reshape(n_series * n_timesteps, n_features), dtype, "")
    offsets = np.arange(n_series + 1) * n_timesteps
    return Sequences(values, offsets, "panel", dtype=values.dtype)


def _refuse_empty(shape, where=""):
    if not all(shape):
        raise ValueError(
            f"X{where} must hold at least one series with at least one time step of at least one "
            f"feature; got shape {shape}, of which a minimum of 1 is required in each axis."
        )


def _all_stored(X, form):
    """Tell whether all of X is on disk; what is partly so, or of objects, is loaded."""
    parts = list(X) if form == "ragged" else [X]
    return all(is_stored(part) and part.dtype.kind in "biuf" for part in parts)


def _from_stored(arrays, form, dtype):
    for i, array in enumerate(arrays):
        _refuse_empty(array.shape, f"[{i}]" if form == "ragged" else "")
    _refuse_other_features([array.shape[-1] for array in arrays])
    offsets = _offsets(arrays)
    if form == "panel":
        n_series, n_timesteps, _ = arrays[0].shape
        offsets = np.arange(n_series + 1) * n_timesteps
    return Sequences(as_rows(arrays), offsets, form, dtype=dtype)


def _from_list(X, dtype):
    for i, part in enumerate(X):
        if len(part) == 0:
            raise ValueError(
                f"X[{i}] must have at least one time step; got shape {np.shape(part)}. Leave "
                "series without time steps out of the list."
            )
    parts = [_as_array(part, dtype, f"[{i}]") for i, part in enumerate(X)]
    _refuse_other_features([part.shape[1] for part in parts])
    names = [list(part.columns) if hasattr(part, "columns") else None for part in X]
    for i, found in enumerate(names):
        if found != names[0]:
            raise ValueError(
                f"All series of X must have the same columns in the same order; got {names[0]} in "
                f"X[0] and {found} in X[{i}]. Select them in one order first."
            )
    values = _end_to_end(parts)
    return Sequences(values, _offsets(parts), "ragged", dtype=values.dtype)


def _refuse_other_features(counts):
    if len(set(counts)) > 1:
        i = next(i for i, count in enumerate(counts) if count != counts[0])
        raise ValueError(
            f"All series of X must have the same features; got {counts[0]} in X[0] and "
            f"{counts[i]} in X[{i}]. Give every series the same columns in the same order."
        )


def _offsets(parts):
    return np.concatenate([[0], np.cumsum([part.shape[0] for part in parts], dtype=np.int64)])


def _end_to_end(parts):
    if len(parts) == 1:
        return parts[0]
    if isinstance(parts[0], (Stored, np.memmap)):
        return Stored.of(parts)
    return np.concatenate(parts)


def _refuse_infinite(sequences):
    """Raise when a value is infinite, saying where the first one is; tell whether any is NaN."""
    missing, infinite, first = False, 0, None
    for start, values in sequences.blocks():
        with np.errstate(over="ignore", invalid="ignore"):
            if np.isfinite(values.sum()):
                continue
        found = np.isinf(values)
        n_found = int(np.count_nonzero(found))
        if n_found and first is None:
            step, feature = np.argwhere(found)[0]
            first = start + int(step), int(feature)
        infinite += n_found
        missing = missing or bool(np.isnan(values).any())  # else the sum overflowed, no value did
    if first is None:
        return missing
    step, feature = first
    series = int(sequences.of_steps(step))
    place = f"time step {step - sequences.offsets[series]}, feature {feature}"
    if sequences.nesting != "series":
        place = f"series {series}, {place}"
    raise ValueError(
        f"X must not contain infinity or a value too large for {np.dtype(sequences.dtype)}; got "
        f"{infinite} of them, the first at {place}. Replace what was not observed by "
        "NaN, clip the rest, or scale X."
    )


def _refuse_unobserved(sequences):
    """Raise when a series has no observed value, from which nothing can be learned."""
    for i, (a, b) in enumerate(zip(sequences.offsets[:-1], sequences.offsets[1:], strict=True)):
        if _all_nan(sequences, a, b):
            where = "X" if sequences.nesting == "series" else f"X[{i}]"
            raise ValueError(
                f"{where} must have at least one observed value; got NaN only, in "
                f"{b - a} time steps. Leave out series in which nothing was observed."
            )


def _all_nan(sequences, start, stop):
    return all(np.isnan(values).all() for _, values in sequences.blocks(start, stop))


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
        return tuple(
            sequences.take(
                [(sequences.offsets[i], sequences.offsets[i + 1]) for i in np.sort(part)]
            )
            for part in (order[n_held:], order[:n_held])
        )
    n_timesteps = sequences.n_timesteps
    n_held = max(window_size, round(fraction * n_timesteps))
    n_train = n_timesteps - n_held - window_size
    if n_train < window_size:
        raise ValueError(
            f"early_stopping needs a series of at least {n_held + 2 * window_size} time steps, "
            f"{n_held} to validate, window_size={window_size} to train and as many between them; "
            f"got {n_timesteps}. Use a smaller window_size, a longer series, or "
            "early_stopping=False."
        )
    pieces = (0, n_train), (n_timesteps - n_held, n_timesteps)
    for name, (start, stop) in zip(("first", "last"), pieces, strict=True):
        if sequences.missing and _all_nan(sequences, start, stop):
            raise ValueError(
                "early_stopping needs observed values to train on and to validate with; got NaN "
                f"only in the {name} {stop - start} time steps. Cut the gap off, use another "
                "validation_fraction, or early_stopping=False."
            )
    return tuple(sequences.take([piece]) for piece in pieces)
