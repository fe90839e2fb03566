"""What is done for one entity, on a worker or in this process, and what comes back."""

import threading
import time
import traceback
import warnings
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from skanomaly.dask._many_fingerprints import data_fingerprint
from skanomaly.dask._many_results import Failure
from skanomaly.dask._many_store import encode

__all__ = ["FAILED", "NEW", "REUSED", "Job", "Outcome", "attempt", "failed"]

NEW, REUSED, FAILED = "new", "reused", "failed"


@dataclass(frozen=True)
class Job:
    """Something to do with the data of one entity.

    `X` may be a callable or a Dask collection, for the worker to load. `spec` describes what is
    done, for a store; `known` is the fingerprint of what the store has. With `encoded` the result
    comes back as bytes.
    """

    entity: Any
    X: Any
    work: Any
    spec: str | None = None
    known: str | None = None
    encoded: bool = False


@dataclass
class Outcome:
    """What became of a job."""

    entity: Any
    status: str
    value: Any = None
    fingerprint: str | None = None
    seconds: float = 0.0
    warnings: list = field(default_factory=list)
    failure: Failure | None = None


def attempt(job, X):
    """Do a job on its data, or on what a callable X returns, and tell also what failed."""
    start = time.perf_counter()
    with _collected_warnings() as caught:
        try:
            outcome = _do(job, X)
        except (Exception, SystemExit) as error:
            outcome = failed(job.entity, error)
    outcome.seconds = time.perf_counter() - start
    outcome.warnings = list(dict.fromkeys(caught))
    return outcome


def _do(job, X):
    X = X() if callable(X) else X
    fingerprint = None
    if job.spec is not None:
        fingerprint = data_fingerprint(job.spec, X)
        if fingerprint == job.known:
            return Outcome(job.entity, REUSED)
    value = job.work(X)
    return Outcome(job.entity, NEW, encode(value) if job.encoded else value, fingerprint)


def failed(entity, error):
    """Make the outcome of an exception."""
    lines = traceback.format_exception(error)
    failure = Failure(entity, type(error).__name__, str(error), "".join(lines))
    return Outcome(entity, FAILED, failure=failure)


# ---------------------------------------------------------------------------- warnings of a thread

_lock = threading.Lock()
_here = threading.local()
_n_inside = 0
_restore: Any = None
_COLLECTED = (UserWarning, RuntimeWarning, FutureWarning)


@contextmanager
def _collected_warnings():
    """Collect the warnings of this thread alone, as texts; a worker may run several threads.

    What the module `warnings` holds belongs to all threads: the first to enter changes it, the
    last to leave puts it back.
    """
    global _n_inside
    with _lock:
        if not _n_inside:
            _divert()
        _n_inside += 1
    before, _here.caught = getattr(_here, "caught", None), []
    try:
        yield _here.caught
    finally:
        _here.caught = before
        with _lock:
            _n_inside -= 1
            if not _n_inside:
                _restore.__exit__(None, None, None)


def _divert():
    global _restore
    _restore = warnings.catch_warnings()
    _restore.__enter__()
    for category in _COLLECTED:
        warnings.simplefilter("always", category)
    show = warnings.showwarning

    def collect(message, category, filename, lineno, file=None, line=None):
        caught = getattr(_here, "caught", None)
        if caught is None:
            show(message, category, filename, lineno, file, line)
        else:
            caught.append(f"{category.__name__}: {message}")

    warnings.showwarning = collect
