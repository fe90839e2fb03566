"""Arrays that stay on disk: memory maps, zarr arrays and h5py datasets, read row by row."""

from dataclasses import dataclass

import numpy as np

__all__ = ["Stored", "as_rows", "chunk_length", "is_stored", "refuse_unreadable"]

_LIBRARIES = ("zarr", "h5py")


def is_stored(X):
    """Tell whether X is an array on disk, which must not be loaded whole."""
    return isinstance(X, np.memmap) or (_library(X) in _LIBRARIES and hasattr(X, "dtype"))


def refuse_unreadable(X, where=""):
    """Raise for groups of arrays, and for arrays whose file is closed."""
    library = _library(X)
    if library not in _LIBRARIES:
        return
    if library == "h5py" and not X:
        raise ValueError(
            f"X{where} must be an open h5py dataset; got one whose file is closed. Open the file "
            "again and keep it open, `with h5py.File(path) as file:`, while X is used."
        )
    if hasattr(X, "keys"):
        names = sorted(X.keys())
        choice = f"[{names[0]!r}]" if names else "[name]"
        raise ValueError(
            f"X{where} must be an array; got a {library} {type(X).__name__} that holds {names}. "
            f"Give one of its arrays, for example X{choice}."
        )


def _library(X):
    return type(X).__module__.partition(".")[0]


@dataclass(frozen=True)
class _Segment:
    """Rows `start` to `stop` of one array (..., n_features), all series of a 3-D one in a row."""

    array: object
    start: int
    stop: int

    def read(self, start, stop):
        """Load the rows from `start` to `stop`, counted from the first of the segment."""
        start, stop = self.start + start, self.start + stop
        if len(self.array.shape) == 2:
            return np.asarray(self.array[start:stop])
        return np.concatenate([rows for rows in self._of_series(start, stop) if len(rows)])

    def _of_series(self, start, stop):
        """Yield the rows of the first series, of whole ones, and of the last: one read each."""
        length = self.array.shape[1]
        first, whole = start // length, -(-start // length)
        last = stop // length
        if first == last:
            yield np.asarray(self.array[first, start % length : stop % length])
            return
        if first < whole:
            yield np.asarray(self.array[first, start % length :])
        if whole < last:
            yield np.asarray(self.array[whole:last]).reshape(-1, self.array.shape[2])
        if stop % length:
            yield np.asarray(self.array[last, : stop % length])


class Stored:
    """Rows of arrays end to end, read when they are needed.

    Parameters
    ----------
    segments : list of _Segment
        The arrays, all of the same number of features.

    Attributes
    ----------
    shape : tuple (n_rows, n_features)
    dtype : dtype
        That holds the values of all of them.
    chunk : int
        Rows that are best read at once; 1 where any row can be read alone.
    """

    def __init__(self, segments):
        self._segments = segments
        lengths = [segment.stop - segment.start for segment in segments]
        self._offsets = np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)])
        self.shape = (int(self._offsets[-1]), int(segments[0].array.shape[-1]))
        self.dtype = np.result_type(*(segment.array.dtype for segment in segments))
        self.chunk = max(chunk_length(segment.array) for segment in segments)

    @classmethod
    def of(cls, parts):
        """Lay arrays (n_timesteps, n_features), 3-D ones or other rows end to end."""
        segments = []
        for part in parts:
            rows = isinstance(part, Stored)
            segments += part._segments if rows else [_Segment(part, 0, _n_rows(part))]
        return cls(segments)

    def __len__(self):
        return self.shape[0]

    def __array__(self, dtype=None, copy=None):
        return self.read(0, len(self)).astype(dtype or self.dtype, copy=False)

    def __getitem__(self, rows):
        """Return the rows of a slice without step, still on disk."""
        start, stop, _ = rows.indices(len(self))
        found = [
            _Segment(segment.array, segment.start + a, segment.start + b)
            for segment, a, b in self._overlaps(start, stop)
        ]
        return Stored(found)

    def read(self, start, stop):
        """Load rows: ndarray of shape (stop - start, n_features)."""
        parts = [segment.read(a, b) for segment, a, b in self._overlaps(start, stop)]
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def _overlaps(self, start, stop):
        """Yield (segment, first row, last row) for what lies between two rows."""
        first = int(np.searchsorted(self._offsets, start, side="right")) - 1
        for i in range(first, len(self._segments)):
            offset = int(self._offsets[i])
            if offset >= stop:
                break
            length = int(self._offsets[i + 1]) - offset
            yield self._segments[i], max(start - offset, 0), min(stop - offset, length)


def as_rows(arrays):
    """Lay arrays (n_timesteps, n_features) or (n_series, n_timesteps, n_features) end to end.

    Returns
    -------
    rows : ndarray or Stored, of shape (n_rows, n_features)
        A memory map whose rows follow each other is only reshaped.
    """
    if len(arrays) == 1 and isinstance(arrays[0], np.memmap):
        array = arrays[0]
        if array.ndim == 2 or array.flags.c_contiguous:
            return array.reshape(-1, array.shape[-1])
    return Stored.of(arrays)


def _n_rows(array):
    return int(np.prod(array.shape[:-1]))


def chunk_length(array):
    """Return how many rows of an array come in one chunk: 1 if it has none."""
    chunks = getattr(array, "shards", None) or getattr(array, "chunks", None)
    return int(np.prod(chunks[:-1])) if chunks else 1
