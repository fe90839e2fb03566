"""Sums over a training set that may be larger than memory, the same however it is stored."""

import numpy as np

__all__ = ["RunningMoments", "even_blocks"]

# Values that are added up at once.
_BLOCK = 2**18


def even_blocks(sequences, start, stop, n_rows):
    """Yield (first time step, values in float64) of blocks of exactly n_rows, but for the last.

    Blocks of :meth:`Sequences.blocks` depend on how X is stored; sums over these do not.
    """
    kept, first = np.empty((0, sequences.n_features)), start
    for _, x in sequences.blocks(start, stop):
        kept = np.concatenate([kept, x])
        n_whole = len(kept) // n_rows * n_rows
        for row in range(0, n_whole, n_rows):
            yield first + row, kept[row : row + n_rows]
        kept, first = kept[n_whole:], first + n_whole
    if len(kept):
        yield first, kept


class RunningMoments:
    """Mean and variance of each feature over its observed values, in float64, block by block.

    Parameters
    ----------
    n_features : int
        Number of features.
    """

    def __init__(self, n_features):
        self.count = np.zeros(n_features)
        self._mean = np.zeros(n_features)
        self._squares = np.zeros(n_features)

    def add(self, sequences):
        """Take in all time steps of some series."""
        n_rows = max(1, _BLOCK // sequences.n_features)
        for _, x in even_blocks(sequences, 0, sequences.n_timesteps, n_rows):
            self._add(x)

    def _add(self, x):
        """Take in a block: (n, n_features), NaN left out."""
        observed = ~np.isnan(x)
        count = observed.sum(axis=0)
        mean = np.where(observed, x, 0.0).sum(axis=0) / np.maximum(count, 1)
        deviation = np.where(observed, x - mean, 0.0)
        rounding = deviation.sum(axis=0) / np.maximum(count, 1)  # of the long sum
        mean, squares = mean + rounding, np.square(deviation - rounding * observed).sum(axis=0)
        total = self.count + count
        step, share = mean - self._mean, count / np.maximum(total, 1)
        self._mean = self._mean + step * share
        self._squares = self._squares + squares + np.square(step) * self.count * share
        self.count = total

    @property
    def mean(self):
        """Return the means, NaN for what was never observed: (n_features,)."""
        return np.where(self.count > 0, self._mean, np.nan)

    @property
    def std(self):
        """Return the standard deviations, zero for what was never observed: (n_features,)."""
        return np.sqrt(self._squares / np.maximum(self.count, 1))
