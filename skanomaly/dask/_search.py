"""Searches of scikit-learn on a Dask cluster that survive the death of workers."""

import threading
import time
import traceback
from contextlib import contextmanager
from numbers import Real
from uuid import uuid4

import cloudpickle
import joblib
from joblib._dask import DaskDistributedBackend

from skanomaly.dask import _remote
from skanomaly.dask._extra import dask, distributed
from skanomaly.validation import Interval, validate_params

__all__ = ["SearchBackend", "WorkerDiedError", "search_backend"]

# Arguments of at least so many bytes travel once per call, not once per task.
_SHARED_FROM = 2**14
# Seconds between two looks at whether there are workers.
_LOOK_EVERY = 1.0
_NAME = "skanomaly-dask"


class WorkerDiedError(distributed.KilledWorker):
    """Every worker that ran a task died of it, so that it was given up.

    A :class:`distributed.KilledWorker` whose message says which task it was, how many workers died
    and what to do.

    Parameters
    ----------
    task : str
        Key of the task.
    last_worker : distributed.scheduler.WorkerState
        The worker that died last.
    allowed_failures : int
        Workers that may die of a task before it is given up.

    Examples
    --------
    >>> from distributed import KilledWorker
    >>> from skanomaly.dask import WorkerDiedError
    >>> issubclass(WorkerDiedError, KilledWorker)  # what caught that one before catches this one
    True
    """

    def __str__(self):
        n_workers = self.allowed_failures + 1
        return (
            f"The task {_readable(self.task)!r} must leave its worker alive; got {n_workers} "
            f"workers that died while running it, the last of them {self.last_worker.address}. "
            "Most often they ran out of memory: give workers more (memory_limit), let each run "
            "fewer tasks at once (threads_per_worker), or make the task smaller (batch_size, "
            "fewer rows). client.get_worker_logs() may say more."
        )


@validate_params(
    {
        "client": [distributed.Client, None],
        "worker_timeout": [Interval(Real, 0, None, closed="neither")],
        "resources": [dict, None],
    },
    prefer_skip_nested_validation=True,
)
def search_backend(client=None, *, worker_timeout=60.0, resources=None):
    """Run what scikit-learn does in parallel on the workers of a Dask cluster.

    Within ``with search_backend(client):`` searches such as
    :class:`~sklearn.model_selection.GridSearchCV` and all else that uses joblib sends its fits to
    the cluster. Scores are bit for bit those of one process. Unlike with joblib's own backend
    "dask", a search goes on when a worker dies, and ends with an error, not in endless waiting,
    when a fit kills each worker it comes to or no worker is left.

    Parameters
    ----------
    client : distributed.Client or None, default=None
        Client of the cluster; None is the current one.
    worker_timeout : float, default=60.0
        Seconds for which the cluster may be without any worker, at the start and later. Clusters
        that start workers through a queue need more.
    resources : dict or None, default=None
        What each task needs of the resources that workers were started with, such as
        ``{"GPU": 1}``.

    Returns
    -------
    config : context manager
        As from :func:`joblib.parallel_config`.

    Raises
    ------
    ValueError
        If there is no current client, or the client is asynchronous.

    See Also
    --------
    WorkerDiedError : Raised by a search when a task killed all workers it came to.

    Notes
    -----
    ``joblib.parallel_config(backend="skanomaly-dask")`` is the same with default parameters, for
    programs that take a backend by name; it is known once skanomaly.dask has been imported.

    What fits share, such as X, is sent to the cluster once per call and kept by the scheduler until
    the call ends, so that workers that start later get it, too.

    ``n_jobs`` of a search is either 1, which is this process, or left out, which is all workers.

    Examples
    --------
    >>> from dask.distributed import Client
    >>> from sklearn.model_selection import GridSearchCV, TimeSeriesSplit
    >>> from skanomaly import LinearForecaster
    >>> from skanomaly.dask import search_backend
    >>> from skanomaly.datasets import make_series
    >>> X = make_series(n_train=300, random_state=0).X_train
    >>> search = GridSearchCV(LinearForecaster(), {"lags": [2, 8]}, cv=TimeSeriesSplit(2))
    >>> with Client(processes=False, dashboard_address=":0") as client:
    ...     with search_backend(client):
    ...         best = search.fit(X).best_params_
    >>> best
    {'lags': 8}
    """
    if client is None:
        client = _current_client()
    if client.asynchronous:
        raise ValueError(
            "client must be synchronous, for a search waits for its results; got one with "
            "asynchronous=True. Make another with Client(address) and search in a thread."
        )
    options = {"client": client, "worker_timeout": worker_timeout}
    if resources is not None:
        options["resources"] = resources
    return joblib.parallel_config(backend=_NAME, **options)


def _current_client():
    try:
        return distributed.get_client()
    except ValueError as error:
        raise ValueError(
            "client must be a dask.distributed.Client where none is current; got None. Make one: "
            "client = Client('scheduler-address:8786'), or Client() for this machine."
        ) from error


class SearchBackend(DaskDistributedBackend):
    """joblib's backend for Dask with other ways to send tasks and to learn what became of them.

    joblib's own puts large arguments on some workers: with these die the arguments, and every task
    that needs them is cancelled. Here an argument is the result of a task, which the scheduler
    repeats. joblib's own never hears of a task that was given up; here each future calls back
    however it ended.
    """

    def __init__(self, client=None, worker_timeout=60.0, **options):
        super().__init__(
            client=_current_client() if client is None else client,
            wait_for_workers_timeout=worker_timeout,
            **options,
        )
        self._pending = {}
        self._shared = {}

    def __reduce__(self):
        return SearchBackend, ()

    def get_nested_backend(self):
        """Return (backend, n_jobs) for what runs in tasks; it is made anew on the worker."""
        return None, 1

    def effective_n_jobs(self, n_jobs):
        """Return 1 for this process alone, else how many tasks the workers run at once."""
        if n_jobs == 1:
            return 1
        try:
            self.client.wait_for_workers(1, timeout=self.wait_for_workers_timeout)
        except TimeoutError as error:
            raise self._no_workers() from error
        # joblib would take 1 for the order to compute here, not on the cluster's only thread.
        return max(2, sum(self.client.ncores().values()))

    # joblib calls these in turn: start_call, submit for each batch of calls, stop_call.

    def start_call(self):
        """Forget the call before."""
        self._pending, self._shared = {}, {}

    def stop_call(self):
        """Let the cluster forget the arguments."""
        self._pending, self._shared = {}, {}

    def submit(self, func, callback=None):
        """Send a batch of calls; `callback` gets the list of results, or the error."""
        calls, shared = func.items, []
        keras = _remote.describe_keras() if _remote.needs_keras(calls) else None

        def sent(value):
            if not self._is_shared(value):
                return value
            shared.append(self._share(value))
            return _remote.Argument(len(shared) - 1)

        items = [
            (f, [*map(sent, args)], {key: sent(value) for key, value in kwargs.items()})
            for f, args, kwargs in calls
        ]
        future = self._send(
            _remote.run,
            cloudpickle.dumps(items),
            shared,
            keras,
            SearchBackend,
            name=_remote.name_of(calls),
            **self.submit_kwargs,
        )
        self._pending[future] = callback
        future.add_done_callback(self._finish)
        return future

    def _is_shared(self, value):
        return id(value) in self._shared or dask.sizeof.sizeof(value) >= _SHARED_FROM

    def _share(self, value):
        """Return the future of an argument, the same for the same object."""
        if id(value) not in self._shared:
            future = self._send(_remote.load, cloudpickle.dumps(value), name="data of the search")
            # The object is kept so that its id stays its own.
            self._shared[id(value)] = future, value
        return self._shared[id(value)][0]

    def _send(self, function, *args, name, **options):
        # The warning of large graphs tells to do what is done here.
        with dask.config.set({"distributed.admin.large-graph-warning-threshold": "1 TiB"}):
            key = f"{name}-{uuid4().hex}"
            return self.client.submit(function, *args, key=key, pure=False, **options)

    def _finish(self, future):
        if future in self._pending:
            outcome = _outcome(future)
            self._report(future, outcome)

    def _report(self, future, outcome):
        """Tell joblib, once, how a task ended."""
        callback = self._pending.pop(future, None)
        if callback is not None:
            callback(outcome)

    def retrieve_result_callback(self, out):
        """Return the results of a batch or raise its error."""
        if isinstance(out, BaseException):
            raise out
        return out

    def abort_everything(self, ensure_ready=True):
        """Cancel what was sent."""
        futures, self._pending = list(self._pending), {}
        if futures and self.client.status == "running":
            self.client.cancel(futures)

    @contextmanager
    def retrieval_context(self):
        """Watch, while joblib waits for results, that there are workers to give them."""
        ended = threading.Event()
        watch = threading.Thread(target=self._watch, args=(ended,), daemon=True)
        with super().retrieval_context():
            watch.start()
            try:
                yield
            finally:
                ended.set()

    def _watch(self, ended):
        seen, cause = time.monotonic(), None
        while not ended.wait(_LOOK_EVERY):
            try:
                n_workers, cause = len(self.client.ncores()), None
            except (OSError, RuntimeError) as error:  # the scheduler may be too busy to answer
                n_workers, cause = 0, error
            if n_workers:
                seen = time.monotonic()
            elif time.monotonic() - seen > self.wait_for_workers_timeout:
                outcome = self._no_workers()
                outcome.__cause__ = cause
                for future in list(self._pending):
                    self._report(future, outcome)
                return

    def _no_workers(self):
        return TimeoutError(
            f"The cluster must have a worker; got none for {self.wait_for_workers_timeout:g} s. "
            "Start workers, or let them restart with a nanny, or give a longer worker_timeout to "
            "search_backend."
        )


def _readable(key):
    """Take the unique part off the key of a task."""
    return str(key).rpartition("-")[0]


def _outcome(future):
    """Return what a future that is done holds, or its error with what is known about it."""
    try:
        return future.result()
    except distributed.KilledWorker as error:
        return WorkerDiedError(*error.args)
    except BaseException as error:  # noqa: BLE001 -- joblib raises it in the thread of the user
        # joblib drops the traceback.
        where = "".join(traceback.format_tb(future.traceback()))
        error.add_note(f"From the task {_readable(future.key)!r} on the Dask cluster:\n{where}")
        return error


joblib.register_parallel_backend(_NAME, SearchBackend)
