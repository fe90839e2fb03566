"""The tasks of a planned computation, as a Dask graph with names that can be read."""

import operator

from skanomaly.dask._cuts import make_jobs
from skanomaly.dask._tasks import Spans, carry, compute_job, take

__all__ = ["add_stage"]


def add_stage(graph, work, keys, counts, token):
    """Add the tasks that apply a transformer or a detector to every chunk.

    Parameters
    ----------
    graph : dict
        To which tasks are added: per job one, ``<method>-<class>``, what it reads of other chunks,
        ``reach-<class>``, and what is carried from job to job, ``carry-<class>``.
    work : skanomaly.dask._tasks.Work
        What to do; one node of the graph, on which all tasks depend.
    keys : list
        Of the chunks.
    counts : list of dict
        Rows of each series in each chunk.
    token : str
        Makes names unique.

    Returns
    -------
    keys : list
        Of the results, one per chunk.
    """
    kind = type(work.estimator).__name__
    shared, results = f"{kind}-{token}", f"rows-{kind}-{token}"
    computed, carried = f"{work.method}-{kind}-{token}", f"carry-{kind}-{token}"
    graph[shared] = work
    before = None
    jobs = make_jobs(counts, work.reach, join=work.id_column is None)
    for number, job in enumerate(jobs):
        sides = []
        for spans in (job.before, job.after):
            names = [(f"reach-{kind}-{token}", number, chunk) for chunk in sorted(spans)]
            for name in names:
                chunk = name[2]
                graph[name] = (take, shared, Spans(spans[chunk]), keys[chunk])
            sides.append(names)
        own = [keys[chunk] for chunk in job.chunks]
        data = sides[0], own, sides[1]
        graph[computed, number] = (compute_job, shared, job.slim(), before, *data)
        for place, chunk in enumerate(job.chunks):
            graph[results, chunk] = (operator.getitem, (computed, number), place)
        if work.reach.carried and job is not jobs[-1]:
            graph[carried, number] = (carry, shared, job.slim(), before, *data)
            before = (carried, number)
    return [(results, chunk) for chunk in range(len(keys))]
