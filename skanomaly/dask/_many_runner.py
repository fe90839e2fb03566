"""Jobs of many entities, in this process or on a cluster, never more of them than it needs."""

import queue
import time
import uuid
from dataclasses import replace

from distributed import KilledWorker
from distributed.client import FutureCancelledError

from skanomaly.dask._extra import dask
from skanomaly.dask._many_groups import compute_here, is_lazy
from skanomaly.dask._many_results import Failure
from skanomaly.dask._many_task import FAILED, Outcome, attempt, failed

__all__ = ["run"]

_LOOK = 5.0  # seconds between two looks at how many threads the cluster has
# Raised in place of a result when its worker is gone, whatever ended it.
_LOST = (KilledWorker, FutureCancelledError)


def run(jobs, *, name, client, tasks_per_thread, worker_timeout):
    """Do jobs and yield an outcome for each, in any order.

    Parameters
    ----------
    jobs : iterable of Job or Outcome
        Asked for when there is room; outcomes are passed on.
    name : str
        Of the tasks, on Dask's dashboard.
    client : distributed.Client or None
        None does the jobs in this process.
    tasks_per_thread : int
        Tasks that the cluster has at a time, for each of its threads.
    worker_timeout : float
        Seconds to wait for a cluster that has no worker.
    """
    if client is None:
        for job in jobs:
            yield job if isinstance(job, Outcome) else _attempt_here(job)
        return
    tasks = _Tasks(client, name, worker_timeout)
    try:
        suspects = []
        yield from _drain(tasks, jobs, tasks_per_thread, suspects)
        for job, _ in suspects:
            # With nothing beside it, who ended the worker is beyond doubt.
            lost = []
            yield from _drain(tasks, [job], 1, lost)
            yield from (_lost_again(job.entity, error) for job, error in lost)
    finally:
        tasks.cancel()


def _attempt_here(job):
    if not is_lazy(job.X):
        return attempt(job, job.X)
    try:
        X = compute_here(job.X)
    except Exception as error:
        return failed(job.entity, error)
    return attempt(job, X)


def _lost_again(entity, error):
    if not isinstance(error, KilledWorker):
        return failed(entity, error)
    message = (
        f"The task of {entity!r} ended the process of its worker each time it was tried, at last "
        "with no other task beside it. Its worker may have run out of memory: give workers more of "
        "it (memory_limit), or this entity less data; the log of the worker says more."
    )
    failure = Failure(entity, KilledWorker.__name__, message, "")
    return Outcome(entity, FAILED, failure=failure)


def _drain(tasks, jobs, tasks_per_thread, lost):
    """Do jobs and yield outcomes; those that were lost go to a list, as (job, error)."""
    jobs = iter(jobs)
    yield from _fill(tasks, jobs, tasks_per_thread)
    while tasks.pending:
        ended = tasks.wait()
        # Before results are fetched, so that workers are busy in the meantime.
        yield from _fill(tasks, jobs, tasks_per_thread)
        for job, result in tasks.fetch(ended):
            if isinstance(result, _LOST):
                tasks.check_client()
                lost.append((job, result))
            elif isinstance(result, Exception):
                yield failed(job.entity, result)
            else:
                yield result


def _fill(tasks, jobs, tasks_per_thread):
    """Submit jobs while there is room; yield outcomes that need no task, or cannot be sent."""
    while len(tasks.pending) < tasks_per_thread * max(1, tasks.n_threads()):
        job = next(jobs, None)
        if job is None:
            return
        if isinstance(job, Outcome):
            yield job
            continue
        try:
            tasks.submit(job)
        except Exception as error:  # data or a detector that cannot be pickled
            tasks.check_client()
            yield failed(job.entity, error)


class _Tasks:
    """Tasks on a cluster: what was submitted and has not come back yet."""

    def __init__(self, client, name, worker_timeout):
        self.client = client
        self.name = f"{name}-{uuid.uuid4().hex[:8]}"
        self.worker_timeout = worker_timeout
        self.pending = {}  # key -> (future, job)
        self._done = queue.SimpleQueue()
        self._n_submitted = 0
        self._n_threads, self._looked = 0, -_LOOK

    def n_threads(self):
        """Count the threads of the cluster, which may grow and shrink."""
        now = time.monotonic()
        if now - self._looked >= _LOOK:
            self._n_threads, self._looked = self._count_threads(), now
        return self._n_threads

    def _count_threads(self):
        self.check_client()
        try:
            return sum(self.client.nthreads().values())
        except OSError:  # the scheduler cannot be reached, now or for good
            return 0

    def submit(self, job):
        """Send a job; what is large in it travels within the task, so that no worker owns it."""
        # A tuple, so that the dashboard shows the name of the run and that of the entity.
        key = (self.name, f"{job.entity}", self._n_submitted)
        self._n_submitted += 1
        with dask.config.set({"distributed.admin.large-graph-warning-threshold": "1TB"}):
            bare = replace(job, X=None)
            if is_lazy(job.X):
                task = dask.delayed(attempt, pure=False)(bare, job.X, dask_key_name=key)
                future = self.client.compute(task)
            else:
                future = self.client.submit(attempt, bare, job.X, key=key, pure=False)
        self.pending[key] = future, job
        future.add_done_callback(self._done.put)

    def wait(self):
        """Wait until a task ends; return it and others that ended, as (future, job) pairs."""
        keys = [self._next().key]
        while not self._done.empty():
            keys.append(self._done.get().key)
        return [self.pending.pop(key) for key in keys]

    def fetch(self, ended):
        """Yield (job, result) of tasks that ended, an exception as the result if there is none."""
        results = self._results([future for future, _ in ended])
        for (_, job), result in zip(ended, results, strict=True):
            yield job, result

    def _next(self):
        """Wait for a task to end; raise if the cluster has had no worker for too long."""
        deadline = None
        while True:
            try:
                return self._done.get(timeout=min(1.0, self.worker_timeout))
            except queue.Empty:
                self.check_client()
            if self._count_threads():
                deadline = None
            elif deadline is None:
                deadline = time.monotonic() + self.worker_timeout
            elif time.monotonic() > deadline:
                raise TimeoutError(
                    "client must belong to a cluster with workers; it has had none for "
                    f"{self.worker_timeout} s (worker_timeout). Start workers, and call again: "
                    "with a store, what is done is not done again."
                )

    def _results(self, futures):
        """Fetch results, or exceptions; together if all are there, for that is much faster."""
        if all(future.status == "finished" for future in futures):
            try:
                return self.client.gather(futures)
            except Exception:  # noqa: S110  one of them is of no use; which one is seen below
                pass
        return [_result(future) for future in futures]

    def check_client(self):
        """Raise if the client cannot be used any more."""
        if self.client.status in ("closed", "closing"):
            raise RuntimeError(
                f"client must be connected to its scheduler; it is {self.client.status}. Connect a "
                "new one and call again: with a store, what is done is not done again."
            )

    def cancel(self):
        """Drop what has not come back."""
        if self.pending and self.client.status == "running":
            self.client.cancel([future for future, _ in self.pending.values()])
        self.pending.clear()


def _result(future):
    try:
        return future.result()
    except Exception as error:
        return error
