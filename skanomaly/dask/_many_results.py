"""The table that fit_many and score_many return."""

from collections import Counter
from collections.abc import Mapping
from typing import Any, NamedTuple

from skanomaly.dask._many_store import decode

__all__ = ["Failure", "ManyResults"]

_SHOWN = 5  # failed entities that the text of a table names


class Failure(NamedTuple):
    """Why there is no result for an entity.

    A named tuple.

    Parameters
    ----------
    entity : str or int
        Which one failed.
    type : str
        Name of the exception, for example "ValueError"; "KilledWorker" if its task ended the
        process of its worker.
    message : str
        Text of the exception.
    traceback : str
        Where it was raised, as Python prints it; empty if there is none.

    Examples
    --------
    >>> import warnings
    >>> import numpy as np
    >>> from skanomaly import MeanDetector
    >>> from skanomaly.dask import fit_many
    >>> groups = {"a": np.ones((20, 1)), "b": np.full((20, 1), np.inf)}
    >>> with warnings.catch_warnings():
    ...     warnings.simplefilter("ignore")
    ...     fitted = fit_many(MeanDetector(), groups, progress=False)
    >>> fitted.failures["b"].type
    'ValueError'
    """

    entity: Any
    type: str
    message: str
    traceback: str


class ManyResults(Mapping):
    """Fitted detectors or scores by entity, and what failed.

    What :func:`~skanomaly.dask.fit_many` and :func:`~skanomaly.dask.score_many` return. A mapping:
    ``results["sensor 7"]`` is the detector, or the scores, of that entity; iteration, ``len`` and
    ``in`` go over the entities that have one, in the order of `groups`. With a store, each access
    reads its file, and nothing is kept in memory; a file that a later run wrote anew is refused.

    Parameters
    ----------
    store : object or None, default=None
        What holds the results in a folder, given by the functions that return this.

    Attributes
    ----------
    failures : dict of Failure
        By entity, what failed.
    warnings : dict of list of str
        By entity, the warnings of its fit or scoring, each text once; without entities that had
        none.
    reused : set
        Entities whose result was taken from the store.
    seconds : dict of float
        By entity, what loading its data and the fit or scoring took on its worker; for a reused
        one, when it was made.
    store : str or None
        Folder that holds the results.

    Examples
    --------
    >>> import numpy as np
    >>> from skanomaly import LinearForecaster
    >>> from skanomaly.dask import fit_many
    >>> rng = np.random.default_rng(0)
    >>> groups = {"pump": rng.normal(size=(50, 2)), "valve": np.full((50, 2), np.nan)}
    >>> fitted = fit_many(LinearForecaster(lags=2), groups, progress=False)
    >>> fitted
    ManyResults: 1 of 2 entities, 1 failed (ValueError 1): 'valve'
    >>> fitted["pump"].n_features_in_
    2
    >>> fitted.failures["valve"].message
    'X must have at least one observed value; got NaN only, in 50 time steps...'
    >>> fitted.to_frame()["status"].to_dict()
    {'pump': 'new', 'valve': 'failed'}
    """

    def __init__(self, store=None):
        self.failures = {}
        self.warnings = {}
        self.reused = set()
        self.seconds = {}
        self.store = None if store is None else str(store.folder)
        self._store = store
        self._values = {}  # the results, or with a store the hashes of their files
        self._order = {}  # of entities, as keys

    def __getitem__(self, entity):
        value = self._value(entity)
        return value if self._store is None else decode(value)

    def _value(self, entity):
        """Return the value as it is kept: an object, or bytes with a store."""
        if entity in self._values:
            kept = self._values[entity]
            return kept if self._store is None else self._store.content(entity, kept)
        if entity in self.failures:
            failure = self.failures[entity]
            raise KeyError(f"{entity!r} failed with {failure.type}: {failure.message}")
        raise KeyError(entity)

    def __contains__(self, entity):
        return entity in self._values

    def __iter__(self):
        return (entity for entity in self._order if entity in self._values)

    def __len__(self):
        return len(self._values)

    def __repr__(self):
        text = f"{type(self).__name__}: {len(self)} of {len(self._order)} entities"
        if self.reused:
            text += f" ({len(self.reused)} from the store)"
        if self.warnings:
            text += f", {len(self.warnings)} with warnings"
        if not self.failures:
            return text
        types = Counter(failure.type for failure in self.failures.values()).most_common()
        counts = ", ".join(f"{name} {count}" for name, count in types)
        named = ", ".join(repr(entity) for entity in list(self.failures)[:_SHOWN])
        more = ", ..." if len(self.failures) > _SHOWN else ""
        return f"{text}, {len(self.failures)} failed ({counts}): {named}{more}"

    def to_frame(self):
        """Make a pandas frame with one row per entity.

        Returns
        -------
        frame : pandas.DataFrame
            Indexed by entity, in the order of `groups`: ``status`` ("new", "reused" or "failed"),
            ``seconds``, ``n_warnings``, ``exception`` and ``message``, which are missing where
            nothing failed.
        """
        import pandas as pd

        return pd.DataFrame(
            [self._row(entity) for entity in self._order],
            index=pd.Index(list(self._order), name="entity"),
            columns=["status", "seconds", "n_warnings", "exception", "message"],
        )

    def _row(self, entity):
        seconds, n_warnings = self.seconds.get(entity), len(self.warnings.get(entity, ()))
        if entity in self.failures:
            failure = self.failures[entity]
            return "failed", seconds, n_warnings, failure.type, failure.message
        return "reused" if entity in self.reused else "new", seconds, n_warnings, None, None

    # What fit_many and score_many add, as it comes in.

    def _expect(self, entity):
        self._order[entity] = None

    def _add(self, entity, value, seconds, warnings, reused=False):
        self._values[entity] = value
        self._about(entity, seconds, warnings)
        if reused:
            self.reused.add(entity)

    def _add_failure(self, failure, seconds, warnings):
        self.failures[failure.entity] = failure
        self._about(failure.entity, seconds, warnings)

    def _about(self, entity, seconds, warnings):
        self.seconds[entity] = seconds
        if warnings:
            self.warnings[entity] = list(warnings)
