"""A detector for each of many entities: one clone per sensor, over the workers of a cluster."""

import functools
import sys
import time
from collections.abc import Iterable, Mapping
from contextlib import closing
from numbers import Integral, Real
from pathlib import Path

from sklearn.base import clone

from skanomaly.dask._many_fingerprints import (
    base_seeds,
    data_fingerprint,
    detector_fingerprint,
    entity_seeds,
    object_hash,
)
from skanomaly.dask._many_groups import GROUPS_DOC, as_pairs, compute_here, is_lazy
from skanomaly.dask._many_results import ManyResults
from skanomaly.dask._many_runner import run
from skanomaly.dask._many_store import DETECTORS, SCORES, Store, decode
from skanomaly.dask._many_task import FAILED, REUSED, Job, Outcome, failed
from skanomaly.docstrings import with_texts
from skanomaly.validation import HasMethods, Interval, StrOptions, validate_params

__all__ = ["fit_many", "load_many", "score_many"]

_METHODS = (
    "decision_function",
    "predict",
    "reconstruct",
    "score_features",
    "score_samples",
    "score_timesteps",
)
_COMMON_DOC = """store : str, path or None, default=None
        Folder for the results, one file each; made if absent. A result found in it is used if it
        was made from the same data by the same detector: same class, parameters and seed. What
        failed is tried again, and its file of an earlier run, if any, is removed. Only the
        process that calls writes to it. Files hold pickles: use a folder that nobody else writes
        to. None keeps the results in memory.
    client : distributed.Client or None, default=None
        Whose cluster does the work. None does it in this process.
    tasks_per_thread : int, default=4
        Tasks that the cluster has at a time, for each thread of its workers: the data of so many
        entities is on its way. Less takes less memory, more keeps workers busy with tiny tasks.
    worker_timeout : float, default=120
        Seconds to wait for workers while the cluster has none.
    progress : bool or callable, default=True
        Whether to write a line of progress to standard error; a callable is called after each
        entity instead, as ``progress(n_done, n_total, n_failed)``; n_total is None if `groups` has
        no length."""
_CONSTRAINTS = {
    "id_column": [str, None],
    "store": [str, Path, None],
    "client": [HasMethods(["submit", "compute", "gather"]), None],
    "tasks_per_thread": [Interval(Integral, 1, None, closed="left")],
    "worker_timeout": [Interval(Real, 0, None, closed="neither")],
    "progress": ["boolean", callable],
}


_with_docs = with_texts(groups=GROUPS_DOC, common=_COMMON_DOC)


@validate_params(
    {"detector": [HasMethods(["fit", "get_params"])], **_CONSTRAINTS},
    prefer_skip_nested_validation=True,
)
@_with_docs
def fit_many(
    detector,
    groups,
    *,
    id_column=None,
    store=None,
    client=None,
    tasks_per_thread=4,
    worker_timeout=120.0,
    progress=True,
):
    """Fit a clone of the detector to the series of each entity.

    An entity that fails is recorded and stops no other, not even one that ends the process of its
    worker. Its seed depends on `random_state` of the detector and on its name alone: results are
    the same for any order, any number of workers and none.

    Parameters
    ----------
    detector : estimator
        Any detector of skanomaly, a pipeline, or another estimator with `fit`; it is not fitted
        itself.
    groups : {groups}
    id_column : str or None, default=None
        Name of the id column, where `groups` is a frame. All other columns are features.
    {common}

    Returns
    -------
    fitted : ManyResults
        Fitted detectors by entity, failures and warnings.

    Raises
    ------
    TypeError
        If `groups` has another form, or an entity is neither str nor int.
    ValueError
        If an entity comes twice, or `id_column` does not name a column.
    TimeoutError
        If the cluster has no worker for longer than `worker_timeout`.

    See Also
    --------
    score_many : Score the series of each entity with its detector.
    load_many : Read what a store holds.

    Examples
    --------
    >>> import numpy as np
    >>> from skanomaly import LinearForecaster
    >>> from skanomaly.dask import fit_many, score_many
    >>> rng = np.random.default_rng(0)
    >>> groups = {f"sensor {i}": rng.normal(size=(60, 2)) for i in range(3)}
    >>> fitted = fit_many(LinearForecaster(lags=2), groups, progress=False)
    >>> fitted
    ManyResults: 3 of 3 entities
    >>> scores = score_many(fitted, groups, progress=False)
    >>> scores["sensor 1"].shape
    (60,)
    """
    _check_client(client)
    detector = clone(detector)
    seeds = base_seeds(detector)
    described = store and detector_fingerprint(detector, seeds)

    def work(entity):
        own = entity_seeds(seeds, entity)
        return functools.partial(_fit, detector, own), f"{described} {own}"

    return _many(
        "fit_many", groups, work, id_column=id_column, store=_open(store, DETECTORS), client=client,
        tasks_per_thread=tasks_per_thread, worker_timeout=worker_timeout, progress=progress,
    )  # fmt: skip


@validate_params(
    {
        "fitted": [Mapping, str, Path],
        "method": [StrOptions(set(_METHODS))],
        **_CONSTRAINTS,
    },
    prefer_skip_nested_validation=True,
)
@_with_docs
def score_many(
    fitted,
    groups,
    *,
    method="score_samples",
    id_column=None,
    store=None,
    client=None,
    tasks_per_thread=4,
    worker_timeout=120.0,
    progress=True,
):
    """Score the series of each entity with the detector that was fitted for it.

    An entity that fails, for example as it has no detector, is recorded and stops no other.

    Parameters
    ----------
    fitted : ManyResults, dict, str or path
        What :func:`fit_many` returned, a dict of entity to fitted detector, or the folder of a
        store.
    groups : {groups}
        They need not be all those that were fitted.
    method : {"score_samples", "decision_function", "predict", "score_timesteps", \
"score_features", "reconstruct"}, default="score_samples"
        Which method of the detectors is called with X.
    id_column : str or None, default=None
        Name of the id column, where `groups` is a frame. All other columns are features.
    {common}

    Returns
    -------
    scores : ManyResults
        What the method returned by entity, failures and warnings.

    Raises
    ------
    TypeError
        If `groups` has another form, or an entity is neither str nor int.
    ValueError
        If an entity comes twice, or `id_column` does not name a column.
    TimeoutError
        If the cluster has no worker for longer than `worker_timeout`.

    Examples
    --------
    >>> import numpy as np
    >>> from skanomaly import MeanDetector
    >>> from skanomaly.dask import fit_many, score_many
    >>> rng = np.random.default_rng(0)
    >>> train, test = ({name: rng.normal(size=(50, 1)) for name in "ab"} for _ in range(2))
    >>> fitted = fit_many(MeanDetector(), train, progress=False)
    >>> labels = score_many(fitted, test, method="predict", progress=False)
    >>> {name: part.shape for name, part in labels.items()}
    {'a': (50,), 'b': (50,)}
    """
    _check_client(client)
    fitted = fitted if isinstance(fitted, Mapping) else load_many(fitted)

    def work(entity):
        detector, described = _detector_of(fitted, entity, bool(store))
        return functools.partial(_score, detector, method), f"{described} {method}"

    return _many(
        "score_many", groups, work, id_column=id_column, store=_open(store, SCORES), client=client,
        tasks_per_thread=tasks_per_thread, worker_timeout=worker_timeout, progress=progress,
    )  # fmt: skip


@validate_params({"store": [str, Path]}, prefer_skip_nested_validation=True)
def load_many(store):
    """Read which detectors a store holds, without reading the detectors.

    Parameters
    ----------
    store : str or path
        The folder that was given to :func:`fit_many`. Its files hold pickles, which are read when
        a detector is asked for: use none from a source that you do not trust.

    Returns
    -------
    fitted : ManyResults
        All of them are in ``reused``. Files that are not whole are left out.

    Raises
    ------
    FileNotFoundError
        If there is no such folder.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> from skanomaly import MeanDetector
    >>> from skanomaly.dask import fit_many, load_many
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     groups = {"pump": np.ones((5, 1)), "valve": np.zeros((5, 1))}
    ...     _ = fit_many(MeanDetector(), groups, store=folder, progress=False)
    ...     load_many(folder)["pump"].n_features_in_
    1
    """
    opened = Store(store, DETECTORS)
    if not opened.folder.is_dir():
        raise FileNotFoundError(
            f"store must be a folder that fit_many wrote to; got {str(store)!r}, which is none."
        )
    results = ManyResults(opened)
    for about in opened.every():
        results._expect(about["entity"])
        _reuse(results, about)
    return results


# ------------------------------------------------------------------------------------ one entity


def _fit(detector, seeds, X):
    return clone(detector).set_params(**seeds).fit(X)


def _score(detector, method, X):
    detector = decode(detector) if isinstance(detector, bytes) else detector
    return getattr(detector, method)(X)


def _detector_of(fitted, entity, describe):
    """Return a detector, as bytes if it is in a store, and what tells it from others."""
    stored = isinstance(fitted, ManyResults) and fitted._store is not None
    detector = fitted._value(entity) if stored else fitted[entity]
    return detector, object_hash(detector, "detector") if describe else None


# ----------------------------------------------------------------------------------- all of them


def _many(name, groups, work, *, id_column, store, client, progress, **options):
    """Do the work of each entity and gather what comes of it."""
    pairs, n_total = as_pairs(groups, id_column, functools.partial(_compute, client))
    results = ManyResults(store)
    jobs = (_job(results, entity, X, work, store, client) for entity, X in pairs)
    show = _Progress(name, progress, n_total)
    try:
        with closing(run(jobs, name=name, client=client, **options)) as outcomes:
            for outcome in outcomes:
                _take(results, outcome, store)
                show(len(results) + len(results.failures), len(results.failures))
    finally:
        show.end()
    return results


def _job(results, entity, X, work, store, client):
    """Make the job of an entity, or its outcome if it is plain without one."""
    results._expect(entity)
    try:
        task, spec = work(entity)
        if store is None:
            return Job(entity, X, task)
        about = store.about(entity)
        known = about and about["fingerprint"]
        loaded = not callable(X) and not is_lazy(X)
        if known and loaded and data_fingerprint(spec, X) == known:
            return Outcome(entity, REUSED)
    except Exception as error:
        return failed(entity, error)
    return Job(entity, X, task, spec, known, encoded=True)


def _take(results, outcome, store):
    entity = outcome.entity
    if outcome.status == FAILED:
        if store is not None:
            store.discard(entity)
        results._add_failure(outcome.failure, outcome.seconds, outcome.warnings)
    elif outcome.status == REUSED:
        _reuse(results, store.about(entity))
    elif store is None:
        results._add(entity, outcome.value, outcome.seconds, outcome.warnings)
    else:
        digest = store.write(
            entity, outcome.value, fingerprint=outcome.fingerprint, seconds=outcome.seconds,
            warnings=outcome.warnings,
        )  # fmt: skip
        results._add(entity, digest, outcome.seconds, outcome.warnings)


def _reuse(results, about):
    results._add(about["entity"], about["digest"], about["seconds"], about["warnings"], reused=True)


def _open(store, kind):
    if store is None:
        return None
    opened = Store(store, kind)
    opened.create()
    return opened


def _check_client(client):
    if client is not None and getattr(client, "asynchronous", False):
        raise ValueError(
            "client must not be asynchronous; got one with asynchronous=True. Make it with "
            "Client(..., asynchronous=False), and call from a thread of its own."
        )


def _compute(client, collections: Iterable):
    """Compute a list of Dask collections, on the cluster if there is one."""
    if client is None:
        return [compute_here(collection) for collection in collections]
    return client.gather(client.compute(list(collections)))


class _Progress:
    """A line on standard error, written anew as entities are done; or a callable."""

    def __init__(self, name, progress, n_total):
        self.name = name
        self.progress = progress
        self.n_total = n_total
        self._start = time.monotonic()
        self._shown = -1.0
        self._last = None

    def __call__(self, n_done, n_failed):
        if callable(self.progress):
            self.progress(n_done, self.n_total, n_failed)
        elif self.progress:
            self._last = n_done, n_failed
            # A terminal shows one line that changes; a file would grow by a line each time.
            if time.monotonic() - self._shown > (0.5 if sys.stderr.isatty() else 30):
                self._write()

    def _write(self):
        n_done, n_failed = self._last
        now = time.monotonic()
        total = "" if self.n_total is None else f" of {self.n_total}"
        rate = n_done / max(now - self._start, 1e-3)
        text = f"{self.name}: {n_done}{total} entities, {n_failed} failed, {rate:.3g} per second"
        sys.stderr.write(f"\r{text}  " if sys.stderr.isatty() else f"{text}\n")
        sys.stderr.flush()
        self._shown, self._last = now, None

    def end(self):
        """Write how it ended."""
        if self._last is not None:
            self._write()
        if self.progress is True and sys.stderr.isatty():
            sys.stderr.write("\n")
