"""Which windows form each batch of an epoch, and reading them.

==================  ==============================================================================
in memory, memmap   every window at random, by a permutation that is computed, not stored
zarr, h5py, lists   runs of neighbouring windows at random, mixed within a shelf of runs that is
of memory maps      read at once (up to 8 MiB), so that each chunk is read about once per epoch
whole series        series of about the same length together, padded to the size of their bucket
==================  ==============================================================================

Every window comes once per epoch, in another order each time; `limit` takes the first so many of
that order, which are other windows in each epoch.
"""

import numpy as np

from skanomaly.permutation import InOrder, KeyedPermutation, RunPermutation

__all__ = ["SeriesBatches", "WindowBatches", "bucket_sizes"]

_SHELF_BYTES = 2**23
_SHORTEST_RUN = 1024
# Positions whose windows are located together.
_AHEAD = 4096
# Lengths of buckets grow by this factor: on average a sixth of what is computed is padding, and
# lengths from 100 to 1000 time steps make seven shapes to compile.
_BUCKET_GROWTH = 1.4
_SHORTEST_BUCKET = 8


class WindowBatches:
    """Batches of windows of one size, evenly filled.

    Parameters
    ----------
    windows : skanomaly.windows.Windows
        The windows.
    batch_size : int
        Most windows per batch.
    limit : int or None, default=None
        Most windows per epoch.
    multiple_of : int, default=1
        Of what the number of rows of a batch is a multiple; which windows it holds stays the same.
    """

    def __init__(self, windows, batch_size, limit=None, multiple_of=1):
        self.windows = windows
        self.batch_size = batch_size
        self._n_rows = round_up(batch_size, multiple_of)
        self._n = len(windows) if limit is None else min(limit, len(windows))
        self._in_memory = isinstance(windows.sequences.values, np.ndarray)
        self.shuffle(None)

    def __len__(self):
        return -(-self._n // self.batch_size)

    @property
    def shape(self):
        """Return the shape of every batch: (n_rows, window_size, n_features)."""
        return self._n_rows, self.windows.window_size, self.windows.sequences.n_features

    def shuffle(self, seed):
        """Set the order by a numpy.random.SeedSequence; None is the order of the windows."""
        n = len(self.windows)
        self._ahead = 0, np.empty((2, 0), np.int64)  # first position, and where windows are
        self._shelf = None  # its number and what was read
        if self._in_memory:
            self._order = InOrder() if seed is None else KeyedPermutation(n, seed)
        else:
            run, runs_per_shelf = self._run()
            self._order = RunPermutation(n, run, runs_per_shelf if seed else 1, seed)

    def _run(self):
        """Choose how many neighbouring windows to read at once, and how many such runs to mix."""
        sequences, stride = self.windows.sequences, self.windows.stride
        row = sequences.n_features * np.dtype(sequences.dtype).itemsize
        most = max(1, _SHELF_BYTES // (row * stride))
        run = min(max(_SHORTEST_RUN, sequences.chunk // stride), most)
        return run, max(1, most // run)

    def gather(self, index):
        """Read a batch: x (n_rows, window_size, n_features), mask, how many are windows.

        Rows beyond those are zero, and their mask False.
        """
        n_batches = len(self)
        first, stop = index * self._n // n_batches, (index + 1) * self._n // n_batches
        positions = np.arange(first, stop)
        if self._in_memory:
            starts, lengths = self._locate(first, stop)
            x, mask = self.windows.gather_at(starts, lengths, n_rows=self._n_rows)
        else:
            x, mask = _fill_up(*self._from_shelves(positions), self._n_rows)
        return x, mask, len(positions)

    def _locate(self, first, stop):
        """Return where the windows at these positions are, computed for many at once: (2, n)."""
        start, places = self._ahead
        if not start <= first <= stop <= start + places.shape[1]:
            end = min(self._n, max(stop, first + _AHEAD))
            places = np.array(self.windows.locate(self._order(np.arange(first, end))))
            start, self._ahead = first, (first, places)
        return places[:, first - start : stop - start]

    def _from_shelves(self, positions):
        shelves = self._order.shelf_of(positions)
        parts = [
            self._load(shelf).gather(self._order.numbers(shelf, positions[shelves == shelf]))
            for shelf in np.unique(shelves)
        ]
        return tuple(np.concatenate(pair) for pair in zip(*parts, strict=True))

    def _load(self, shelf):
        if self._shelf is None or self._shelf[0] != shelf:
            self._shelf = None  # before the next is read: one shelf in memory, not two
            self._shelf = shelf, self.windows.load(*self._order.runs(shelf))
        return self._shelf[1]


class SeriesBatches:
    """Batches of whole series, each padded to the size of its bucket.

    Parameters
    ----------
    windows : skanomaly.windows.Windows
        One window per series.
    batch_size : int
        Series per batch.
    limit : int or None, default=None
        Most series per epoch, drawn in whole batches.
    multiple_of : int, default=1
        Of what the number of rows of a batch is a multiple; which series it holds stays the same.
    """

    def __init__(self, windows, batch_size, limit=None, multiple_of=1):
        self.windows = windows
        self._multiple_of = multiple_of
        self._sizes = bucket_sizes(windows.locate(np.arange(len(windows)))[1])
        sizes, counts = np.unique(self._sizes, return_counts=True)
        capped = limit is not None and limit < len(windows)
        # At least two batches, or TensorFlow would take the shape of the first for that of all.
        least = min(2, len(sizes))
        if capped:
            batch_size = min(batch_size, max(1, limit // least))
        # Few shapes to compile: a bucket holding fewer has batches of the next power of two.
        self._rows = {
            size: min(batch_size, 1 << int(count - 1).bit_length())
            for size, count in zip(sizes, counts, strict=True)
        }
        # Whole batches are drawn, so that their number is the same in every epoch.
        self._n_batches = max(least, limit // batch_size) if capped else None
        self.shuffle(None)

    def __len__(self):
        return len(self._batches)

    @property
    def shape(self):
        """Return the shape of the largest batch: (n_rows, size, n_features)."""
        size, rows = max(self._rows.items(), key=np.prod)
        n_rows = round_up(int(rows), self._multiple_of)
        return n_rows, int(size), self.windows.sequences.n_features

    def shuffle(self, seed):
        """Set the order by a numpy.random.SeedSequence; None goes from short to long."""
        order = np.arange(len(self._sizes))
        if seed is not None:
            rng = np.random.default_rng(seed)
            order = rng.permutation(order)
        batches = []
        for size, rows in self._rows.items():
            bucket = order[self._sizes[order] == size]
            batches += np.array_split(bucket, -(-len(bucket) // rows))
        if seed is not None:
            rng.shuffle(batches)
        else:
            # TensorFlow takes what varies in shape from the first two batches.
            batches.insert(1, batches.pop())
        self._batches = batches[: self._n_batches]

    def gather(self, index):
        """Read a batch: x (n_rows, size, n_features), mask, how many are series."""
        chosen = self._batches[index]
        size = self._sizes[chosen[0]]
        n_rows = round_up(self._rows[size], self._multiple_of)
        x, mask = self.windows.gather(chosen, int(size), n_rows)
        return x, mask, len(chosen)


def round_up(number, multiple_of):
    """Return the next multiple of an int: round_up(5, 2) is 6."""
    return -(-number // multiple_of) * multiple_of


def bucket_sizes(lengths):
    """Round lengths up to a fixed set of sizes, so that each depends on no other: shape kept."""
    sizes = [_SHORTEST_BUCKET]
    while sizes[-1] < lengths.max():
        sizes.append(int(sizes[-1] * _BUCKET_GROWTH) + 1)
    return np.array(sizes)[np.searchsorted(sizes, lengths)]


def _fill_up(x, mask, n_rows):
    """Append rows of zeros that do not exist, up to `n_rows`."""
    if len(x) == n_rows:
        return x, mask  # padding by nothing would copy
    missing = [(0, n_rows - len(x)), (0, 0)]
    return np.pad(x, [*missing, (0, 0)]), np.pad(mask, missing)
