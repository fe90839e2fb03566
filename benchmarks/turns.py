"""Work that takes turns, so that what else the machine does meets all of it; and what that says.

A piece of work is a function of no arguments that does it once and returns (wall seconds,
processor seconds). Rounds follow one another; in each, every piece has one turn. Ratios are taken
within a round and their median is reported: on a machine whose speed changes from minute to minute
they differ much less than the seconds.
"""

import math
import time

import numpy as np

__all__ = ["compete", "fit_exponent", "rows_of", "timed", "yardstick"]

# Seconds of wall time that short work is repeated for, and that all turns of long work may take.
SHORTEST_TURN, LONGEST_STAY, FEWEST_TURNS = 0.01, 60.0, 2


def timed(function):
    """Make work of a function: repeated within a turn when it is short, seconds are per call."""
    number = None

    def work():
        nonlocal number
        start = time.perf_counter(), time.process_time()
        for _ in range(number or 1):
            function()
        taken = [
            (time.perf_counter() - start[0]) / (number or 1),
            (time.process_time() - start[1]) / (number or 1),
        ]
        number = number or max(1, math.ceil(SHORTEST_TURN / max(taken[0], 1e-9)))
        return taken

    return work


def yardstick():
    """Do some fixed work in one thread, to measure the machine where there is no peer."""
    values = np.random.default_rng(0).random(100_000)
    total = 0.0
    for value in np.sort(np.exp(values))[::10]:
        total += float(value)
    return total


def compete(benchmark, *, group, case, works, rounds, peers=(), skipped=None):
    """Let works take turns within pytest-benchmark and leave the rows in its ``extra_info``.

    Parameters
    ----------
    benchmark : fixture of pytest-benchmark
        It times the turns of the first work by itself, too.
    group, case : str
        What is measured, and on what.
    works : dict of str to work
        The first is what ratios refer to.
    rounds : int
        Turns of each; fewer for work of which all turns would take over a minute.
    peers : collection of str
        Names of works that are not ours. Without any, a yardstick takes turns with ours.
    skipped : dict of str to str, default=None
        Reasons why others could not take part.

    Returns
    -------
    rows : list of dict
        As from `rows_of`.
    """
    works = dict(works)
    if not peers:
        works["yardstick"], peers = timed(yardstick), ("yardstick",)
    first = next(iter(works))
    turns = {name: _turns(_warm(work), rounds) for name, work in works.items()}
    taken = {name: [] for name in works}

    def others():
        for name, work in works.items():
            if name != first:
                has_turn = len(taken[name]) < turns[name]
                taken[name].append(work() if has_turn else (np.nan, np.nan))

    benchmark.group = group
    benchmark.pedantic(lambda: taken[first].append(works[first]()), setup=others, rounds=rounds)
    rows = rows_of(group, case, taken, peers)
    benchmark.extra_info.update(rows=rows, skipped=dict(skipped or {}))
    return rows


def _warm(work):
    """Let work compile and load what it needs, and return its wall seconds."""
    seconds, _ = work()
    if seconds < LONGEST_STAY / 3:  # else it has shown enough
        seconds, _ = work()  # short work now knows how often to repeat
    return seconds


def _turns(seconds, rounds):
    return int(np.clip(LONGEST_STAY // max(seconds, 1e-9), min(FEWEST_TURNS, rounds), rounds))


def rows_of(group, case, taken, peers):
    """Describe what works took.

    Parameters
    ----------
    group, case : str
    taken : dict of str to list of (wall, processor) seconds
        Of every round, NaN where a work had no turn.
    peers : collection of str

    Returns
    -------
    rows : list of dict
        One per work: medians of ``seconds`` and ``processor_seconds``, the number of ``turns``, the
        median ``ratio`` of its wall seconds to those of the first work, and for our own works
        ``against``: for each peer the median of peer / own, and its standard error relative to it.
    """
    seconds = {name: np.array(rounds)[:, 0] for name, rounds in taken.items()}
    first = next(iter(seconds.values()))
    rows = []
    for name, rounds in taken.items():
        medians = np.nanmedian(rounds, axis=0)
        row = {
            "group": group,
            "case": case,
            "name": name,
            "peer": name in peers,
            "seconds": float(medians[0]),
            "processor_seconds": float(medians[1]),
            "turns": int(np.isfinite(seconds[name]).sum()),
            "ratio": float(np.nanmedian(seconds[name] / first)),
        }
        if name not in peers:
            row["against"] = {peer: _ratio(seconds[peer], seconds[name]) for peer in peers}
        rows.append(row)
    return rows


def _ratio(peer, own):
    """Median of the ratios of (n_rounds,) seconds and its relative standard error."""
    logs = np.log(peer / own)
    logs = logs[np.isfinite(logs)]
    middle = np.median(logs)
    spread = 1.4826 * np.median(np.abs(logs - middle))
    # 1.25 is how much wider a median varies than a mean, of normal errors.
    return [float(np.exp(middle)), float(1.25 * spread / np.sqrt(len(logs)))]


def fit_exponent(sizes, seconds):
    """Fit seconds = a * size ** exponent on logarithmic axes.

    Parameters
    ----------
    sizes, seconds : array-like of shape (n_points,), positive
        At least two points with different sizes.

    Returns
    -------
    exponent : float
    factor : float
        a, the seconds at size 1.
    """
    sizes, seconds = np.asarray(sizes, float), np.asarray(seconds, float)
    if len(np.unique(sizes)) < 2 or min(sizes.min(), seconds.min()) <= 0:
        raise ValueError(
            "sizes must be at least two different positive numbers with positive seconds; got "
            f"{sizes.tolist()} and {seconds.tolist()}. Measure more sizes."
        )
    exponent, logarithm = np.polyfit(np.log(sizes), np.log(seconds), 1)
    return float(exponent), float(np.exp(logarithm))
