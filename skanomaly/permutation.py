"""Orders in which windows are visited: computed where they are needed, never stored."""

import numpy as np

__all__ = ["InOrder", "KeyedPermutation", "RunPermutation"]

_ROUNDS = 6


class InOrder:
    """The numbers from 0 to n - 1 as they are."""

    def __call__(self, positions):
        """Return the number at each position."""
        return positions


class KeyedPermutation:
    """A random order of the numbers from 0 to n - 1 that takes no memory.

    A Feistel network mixes the bits of a position with the key; where the result is n or more it
    is mixed again, which visits every number below n exactly once [1]_.

    Parameters
    ----------
    n : int
        How many numbers.
    seed : numpy.random.SeedSequence
        Determines the order.

    References
    ----------
    .. [1] J. Black and P. Rogaway, "Ciphers with arbitrary finite domains", Topics in Cryptology,
       CT-RSA 2002, 114-130.
    """

    def __init__(self, n, seed):
        self.n = n
        bits = max(2, int(n - 1).bit_length())
        self._low, self._high = np.uint64(bits // 2), np.uint64(bits - bits // 2)
        self._keys = seed.generate_state(_ROUNDS, np.uint64)

    def __call__(self, positions):
        """Return the number at each position, of shape (n_positions,), int64."""
        numbers = self._mix(np.asarray(positions, dtype=np.uint64))
        outside = np.flatnonzero(numbers >= self.n)
        while len(outside):
            numbers[outside] = self._mix(numbers[outside])
            outside = outside[numbers[outside] >= self.n]
        return numbers.astype(np.int64)

    def _mix(self, numbers):
        # Each round swaps the halves, and with them their widths.
        low, high = self._low, self._high
        for key in self._keys:
            right = numbers & ((np.uint64(1) << low) - np.uint64(1))
            left = numbers >> low
            left ^= _scramble(right ^ key) >> (np.uint64(64) - high)
            numbers = (right << high) | left
            low, high = high, low
        return numbers


def _scramble(x):
    """Spread every bit of x (uint64) over the upper ones."""
    x = (x ^ (x >> np.uint64(32))) * np.uint64(0x9E3779B97F4A7C15)
    return (x ^ (x >> np.uint64(29))) * np.uint64(0xBF58476D1CE4E5B9)


class RunPermutation:
    """An order for what is read in runs: runs at random, and at random within a shelf of them.

    The numbers from 0 to n - 1 are cut into runs of neighbours, the runs put in random order,
    `runs_per_shelf` of them at a time on a shelf, and the numbers of a shelf shuffled. With one
    shelf it is the :class:`KeyedPermutation` of the same seed.

    Parameters
    ----------
    n : int
        How many numbers.
    run : int
        Numbers per run.
    runs_per_shelf : int
        Runs that are mixed.
    seed : numpy.random.SeedSequence or None
        Determines the order; None leaves it as it is.
    """

    def __init__(self, n, run, runs_per_shelf, seed):
        n_runs = -(-n // run)
        order = np.arange(n_runs)
        self._seed = seed
        if seed is not None and n_runs > runs_per_shelf:
            order = np.random.default_rng(seed).permutation(n_runs)
        self._starts = order * run
        lengths = np.minimum(run, n - self._starts)
        firsts = np.arange(0, n_runs, runs_per_shelf)
        self._runs = [slice(i, i + runs_per_shelf) for i in firsts]
        self._lengths = lengths
        self._bounds = np.concatenate([[0], np.cumsum(np.add.reduceat(lengths, firsts))])

    def shelf_of(self, positions):
        """Return the number of the shelf at each position."""
        return np.searchsorted(self._bounds, positions, side="right") - 1

    def runs(self, shelf):
        """Return first number and length of each run on a shelf: (n_runs,), (n_runs,)."""
        return self._starts[self._runs[shelf]], self._lengths[self._runs[shelf]]

    def numbers(self, shelf, positions):
        """Return the number at each position, all of them on one shelf."""
        starts, lengths = self.runs(shelf)
        inside = positions - self._bounds[shelf]
        if self._seed is not None:
            seed = self._seed
            if len(self._runs) > 1:
                seed = np.random.SeedSequence([*seed.generate_state(4), shelf])
            inside = KeyedPermutation(int(lengths.sum()), seed)(inside)
        ends = np.cumsum(lengths)
        run = np.searchsorted(ends, inside, side="right")
        return starts[run] + inside - (ends[run] - lengths[run])
