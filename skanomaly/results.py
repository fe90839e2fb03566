"""Results computed block by block, in the nesting of X: as arrays, or into given ones."""

import numpy as np

from skanomaly.stored import is_stored

__all__ = ["check_out", "collect", "deliver", "sample_means"]

# Steps of a series that are added up at once: fixed, so that a mean never depends on the blocks.
_PART = 2**16


def collect(sequences, blocks, out=None, dtype=np.float64):
    """Write consecutive blocks of rows into one result.

    Parameters
    ----------
    sequences : skanomaly.sequences.Sequences
        What was scored.
    blocks : iterable of ndarray of shape (n_rows, ...)
        All rows, in order.
    out : array, list of arrays or None, default=None
        Where to write, as checked by :func:`check_out`. None makes new arrays.
    dtype : dtype, default=numpy.float64
        Of new arrays.

    Returns
    -------
    result : `out`, or new arrays nested like X
    """
    if out is None:
        flat = None
        for start, block in _numbered(blocks):
            if flat is None:
                flat = np.empty((sequences.n_timesteps, *block.shape[1:]), dtype)
            flat[start : start + len(block)] = block
        return sequences.nest(flat)
    if isinstance(out, np.ndarray) and out.dtype != object and out.flags.c_contiguous:
        rest = out.shape[1:] if sequences.nesting == "series" else out.shape[2:]
        flat = out.reshape(sequences.n_timesteps, *rest)
        for start, block in _numbered(blocks):
            flat[start : start + len(block)] = block
        return out
    for start, block in _numbered(blocks):
        _write(sequences, start, block, out)
    return out


def deliver(result, out):
    """Write a whole result into `out`, if there is one, and return what holds it."""
    if out is None:
        return result
    out[:] = result
    return out


def _numbered(blocks):
    start = 0
    for block in blocks:
        yield start, block
        start += len(block)


def _write(sequences, start, block, out):
    """Write a block into the arrays of the series that it belongs to."""
    offsets, stop = sequences.offsets, start + len(block)
    for i in range(int(sequences.of_steps(start)), sequences.n_series):
        if offsets[i] >= stop:
            break
        a, b = max(start, offsets[i]), min(stop, offsets[i + 1])
        rows = slice(int(a - offsets[i]), int(b - offsets[i]))
        part = block[a - start : b - start]
        if sequences.nesting == "series":
            out[rows] = part
        elif sequences.nesting == "panel":
            out[i, rows] = part
        else:
            out[i][rows] = part


def check_out(out, sequences, *, of, dtype=np.float64):
    """Raise unless `out` is None or can take a result.

    Parameters
    ----------
    out : array, list of arrays or None
        What the user gave.
    sequences : skanomaly.sequences.Sequences
        What is scored.
    of : {"sample", "step", "value"}
        Whether the result has one entry per sample, time step or value of X.
    dtype : dtype, default=numpy.float64
        Of the result.
    """
    if out is None:
        return
    last = (sequences.n_features,) if of == "value" else ()
    lengths = [int(length) for length in sequences.lengths]
    if sequences.nesting == "series":
        shape = (lengths[0], *last)
    elif of == "sample":
        shape = (len(lengths),)
    elif sequences.nesting == "panel":
        shape = (len(lengths), lengths[0], *last)
    else:
        _check_list(out, [(length, *last) for length in lengths], dtype)
        return
    _check_array(out, shape, dtype, "out")


def _check_list(out, shapes, dtype):
    if not isinstance(out, (list, tuple)) or len(out) != len(shapes):
        raise ValueError(
            f"out must be a list of {len(shapes)} arrays, one per series of X; got "
            f"{_describe(out)}. Use for example [np.empty(len(part)) for part in X]."
        )
    for i, (array, shape) in enumerate(zip(out, shapes, strict=True)):
        _check_array(array, shape, dtype, f"out[{i}]")


def _check_array(array, shape, dtype, name):
    kind = np.dtype(dtype).kind
    if not (isinstance(array, np.ndarray) or is_stored(array)) or (
        tuple(array.shape) != shape or array.dtype.kind != kind
    ):
        word = "a floating" if kind == "f" else "an integer"
        raise ValueError(
            f"{name} must be a NumPy, zarr or h5py array of shape {shape} and {word} dtype; got "
            f"{_describe(array)}. Use for example np.empty({shape}, dtype={np.dtype(dtype).name!r})"
            ", or None for a new array."
        )


def _describe(thing):
    if hasattr(thing, "shape") and hasattr(thing, "dtype"):
        return f"{type(thing).__name__} of shape {tuple(thing.shape)} and dtype {thing.dtype}"
    if hasattr(thing, "__len__"):
        return f"{type(thing).__name__} of length {len(thing)}"
    return f"{type(thing).__name__}"


def sample_means(sequences, blocks):
    """Mean over the time steps of each series: (n_series,), NaN where no step has a score.

    Parameters
    ----------
    sequences : skanomaly.sequences.Sequences
        A panel.
    blocks : iterable of ndarray of shape (n_rows,)
        Scores of all time steps, in order; NaN is left out.
    """
    totals, counts = np.zeros(sequences.n_series), np.zeros(sequences.n_series, np.int64)
    for series, scores in _parts(sequences, blocks):
        some = slice(series, series + len(scores))
        known = ~np.isnan(scores)
        if known.all():
            totals[some] += scores.sum(axis=1)
        else:
            # One by one, for sums of what is known must not depend on where it stands.
            totals[some] += [row[here].sum() for row, here in zip(scores, known, strict=True)]
        counts[some] += known.sum(axis=1)
    return np.where(counts > 0, totals / np.maximum(counts, 1), np.nan)


def _parts(sequences, blocks):
    """Yield (series, scores): scores (n_series, n_steps) of consecutive series from that number on.

    A part ends with the series or after `_PART` steps of it, however the blocks lie. Whole series
    of the same length that lie in one block make one array.
    """
    held, series, done = [], 0, 0  # scores not yet yielded, the series they are of, steps before
    lengths = sequences.lengths
    for block in blocks:
        while len(block):
            alike = 0 if held or done else _alike(lengths, series, len(block))
            if alike:
                length = int(lengths[series])
                yield series, block[: alike * length].reshape(alike, length)
                series, block = series + alike, block[alike * length :]
                continue
            room = min(_PART, int(lengths[series]) - done) - sum(map(len, held))
            held.append(block[:room])
            block = block[room:]
            if len(held[-1]) == room:
                part = np.concatenate(held)
                yield series, part[None]
                done += len(part)
                held = []
                if done == lengths[series]:
                    series, done = series + 1, 0


def _alike(lengths, series, n_steps):
    """Count the series from this one on that are as long as it and lie whole in so many steps."""
    length = int(lengths[series])
    if length > min(_PART, n_steps):
        return 0
    ahead = lengths[series : series + n_steps // length]
    others = np.flatnonzero(ahead != length)
    return int(others[0]) if len(others) else len(ahead)
