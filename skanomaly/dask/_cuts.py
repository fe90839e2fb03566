"""Which piece of each series a chunk must see, planned before anything is computed.

A chunk holds rows of one series, or of many. The rows `first` to `stop` of a series that lie in it
get their values from a cut of that series, from `start` to `end`, which reaches into the chunks
before and after as far as a :class:`skanomaly.windows.Reach` says::

    chunk            |---- 3 ----|---- 4 ----|---- 5 ----|
    rows of chunk 4              first       stop
    cut                   start  |-----------|  end
                          seeds, before       after

Short neighbouring chunks of a single series are joined, so that a cut is not mostly reach.
"""

from bisect import bisect_left, bisect_right
from dataclasses import dataclass, field

__all__ = ["Cut", "Job", "make_jobs"]

# Chunks are joined until they have so many times the steps that are read beside them.
_LEAST_PER_REACH = 4


@dataclass(eq=False)
class Cut:
    """A piece of the series `entity`, (n_steps,), in steps of that series.

    What was observed until `start` + seeds comes with the piece, if start > 0; the cut of the next
    chunk that has rows of the series starts at `next_start`.
    """

    entity: object
    start: int
    first: int
    stop: int
    end: int
    n_timesteps: int
    next_start: int


@dataclass(eq=False)
class Job:
    """The cuts of one chunk, or of a few joined ones, and where their rows lie.

    Attributes
    ----------
    chunks : list of int
        The chunks whose rows get values.
    cuts : list of Cut
        One per series that has rows in them.
    before, after : dict of int to dict
        For other chunks that are read: for each series, which of its rows there, (from, to).
    """

    chunks: list
    cuts: list = field(default_factory=list)
    before: dict = field(default_factory=dict)
    after: dict = field(default_factory=dict)

    def slim(self):
        """Return what the task needs of it, which gets the other chunks' rows as they are."""
        return Job(self.chunks, self.cuts)


def make_jobs(counts, reach, join):
    """Plan all jobs.

    Parameters
    ----------
    counts : list of dict
        For each chunk, how many rows it has of each series; those of a series in time order.
    reach : skanomaly.windows.Reach
        How far what is computed of a step depends on others.
    join : bool
        Whether short neighbouring chunks may be joined.

    Returns
    -------
    jobs : list of Job
        In the order of the chunks, each of which is in one of them.
    """
    places = {}  # series -> (chunks, first steps in them, total)
    for chunk, of_series in enumerate(counts):
        for entity, n_rows in of_series.items():
            chunks, firsts, total = places.get(entity, ([], [], 0))
            chunks.append(chunk)
            firsts.append(total)
            places[entity] = chunks, firsts, total + n_rows
    jobs = []
    for chunks in _groups(counts, reach, join):
        job = Job(chunks)
        entities = dict.fromkeys(entity for chunk in chunks for entity in counts[chunk])
        for entity in entities:
            _add_cut(job, entity, counts, places[entity], reach)
        jobs.append(job)
    return jobs


def _groups(counts, reach, join):
    """Yield runs of chunks, each long enough beside its reach, but for the last."""
    least = _LEAST_PER_REACH * (reach.before + reach.seeds + reach.after) if join else 0
    group, n_rows = [], 0
    for chunk, of_series in enumerate(counts):
        group.append(chunk)
        n_rows += sum(of_series.values())
        if n_rows >= max(least, 1) or not join:
            yield group
            group, n_rows = [], 0
    if group:
        yield group


def _add_cut(job, entity, counts, place, reach):
    chunks, firsts, total = place
    of_job = [chunk for chunk in job.chunks if counts[chunk].get(entity)]
    if not of_job:
        return
    first = firsts[bisect_left(chunks, of_job[0])]
    stop = first + sum(counts[chunk][entity] for chunk in of_job)
    start = _start(first, reach)
    end = min(total, max(stop + reach.after, start + reach.shortest))
    cut = Cut(entity, start, first, stop, end, total, _start(stop, reach))
    job.cuts.append(cut)
    for i in range(bisect_right(firsts, start) - 1, len(chunks)):
        if firsts[i] >= end:
            break
        chunk = chunks[i]
        if chunk in of_job or not counts[chunk][entity]:
            continue
        rows = max(start - firsts[i], 0), min(end - firsts[i], counts[chunk][entity])
        side = job.before if chunk < of_job[0] else job.after
        side.setdefault(chunk, {})[entity] = rows


def _start(first, reach):
    """Return where the cut starts that tells about a step."""
    start = max(first - reach.before - reach.seeds, 0)
    return start - start % reach.align
