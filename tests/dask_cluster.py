"""A Dask cluster for tests: two processes on this machine, one for all tests of a session.

A test file takes the fixtures by ``pytest_plugins = ["dask_cluster"]`` and imports the rest by
name, for which PYTEST_DONT_REWRITE is needed. Estimators that run on workers are here, too: workers
import this file by its name.
"""

import faulthandler
import logging
import multiprocessing
import os
import signal
import time
from contextlib import contextmanager
from pathlib import Path

import dask
import numpy as np
import pytest
from dask.distributed import Client, LocalCluster
from sklearn.base import BaseEstimator

from skanomaly._backend import choose_backend

__all__ = ["Mortal", "client", "cluster", "in_worker", "local_cluster", "watchdog", "workers_of"]

# Seconds after which a test that waits for a cluster is ended, with the stacks of all threads.
LONGEST = 300
# Dask tells of each worker that dies, which here is meant.
QUIET = logging.CRITICAL


@contextmanager
def local_cluster(folder, *, n_workers=2, threads_per_worker=1, **options):
    """Start worker processes that keep their files in a folder and run on the tests' backend."""
    environment = {"KERAS_BACKEND": choose_backend(), "OMP_NUM_THREADS": "1"}
    if "JAX_DISABLE_MOST_OPTIMIZATIONS" in os.environ:
        environment["JAX_DISABLE_MOST_OPTIMIZATIONS"] = os.environ["JAX_DISABLE_MOST_OPTIMIZATIONS"]
    settings = {
        "temporary-directory": str(folder),
        "distributed.deploy.lost-worker-timeout": LONGEST,  # not 15 s until it is given up
        "distributed.worker.profile.enabled": False,
    }
    with (
        dask.config.set(settings),
        LocalCluster(
            n_workers=n_workers,
            threads_per_worker=threads_per_worker,
            processes=True,
            host="127.0.0.1",
            dashboard_address="127.0.0.1:0",  # None is a port of its own choice, which may be taken
            local_directory=str(folder),
            silence_logs=QUIET,
            env=environment,
            **options,
        ) as made,
    ):
        yield made


@pytest.fixture(scope="session")
def cluster(tmp_path_factory):
    """Two worker processes of one thread each, until the end of the session."""
    with local_cluster(tmp_path_factory.mktemp("dask")) as made:
        yield made


@pytest.fixture
def watchdog(request):
    """End the run, rather than let it hang, when a test takes too long."""
    capture = request.config.pluginmanager.getplugin("capturemanager")
    with capture.global_and_fixture_disabled():
        stderr = os.dup(2)
    faulthandler.dump_traceback_later(LONGEST, exit=True, file=stderr)
    yield
    faulthandler.cancel_dump_traceback_later()
    os.close(stderr)


@pytest.fixture
def client(cluster, watchdog):
    """Client of the cluster, both of whose workers are there."""
    with Client(cluster, timeout=LONGEST) as made:
        workers_of(made)
        yield made


def workers_of(client):
    """Wait until both workers answer and return their process ids."""
    deadline = time.monotonic() + LONGEST
    while True:
        # What the client remembers of its workers may be older than their death.
        found = client.run(os.getpid, on_error="ignore")
        if len(found) == 2:
            return set(found.values())
        if time.monotonic() > deadline:
            raise TimeoutError(f"the cluster must have 2 workers; got {found}")
        time.sleep(0.05)


def in_worker():
    """Tell whether this process is one that a nanny started."""
    return multiprocessing.parent_process() is not None


class Mortal(BaseEstimator):
    """Learns the mean of X; one of its fits or scores on a worker kills that worker.

    Parameters
    ----------
    factor : float
        Something to search over.
    folder : str
        Where fits, scores and deaths are counted, over all processes.
    dies : tuple (method, count) or None
        "fit" or "score", and in which of its calls; 0 is in each.
    """

    def __init__(self, factor=1.0, folder=".", dies=None):
        self.factor = factor
        self.folder = folder
        self.dies = dies

    def fit(self, X, y=None):
        self._live("fit")
        self.mean_ = self.factor * float(np.mean(X))
        return self

    def score(self, X, y=None):
        self._live("score")
        return -abs(float(np.mean(X)) - self.mean_)

    def _live(self, method):
        if self.dies is None or not in_worker():
            return
        if self.dies[0] == method and self.dies[1] in (0, _count(self.folder, method)):
            os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(0.05)  # so that both workers have something to do


def _count(folder, method):
    """Count the calls of a method, this one included."""
    number = 1
    while True:
        try:
            Path(folder, f"{method}-{number}").touch(exist_ok=False)
        except FileExistsError:
            number += 1
        else:
            return number
