"""The forms in which many series come: by entity, in pairs, or in one frame with an id column."""

from collections.abc import Iterable, Mapping
from numbers import Integral

import numpy as np

from skanomaly.dask._extra import dask

__all__ = ["GROUPS_DOC", "as_pairs", "compute_here", "is_lazy"]

#: How fit_many and score_many describe `groups` and `id_column`.
GROUPS_DOC = """dict, iterable of (entity, X), or frame
        The series of each entity; entities are str or int. X is what detectors take: a series, a
        panel or a list of series, or else a callable without arguments that returns it, or a Dask
        collection; these two are loaded by the worker that needs them. Pairs of an iterable are
        asked for as workers become free. A pandas, polars or Dask frame holds the rows of all
        entities, of each in time order, and the column `id_column`."""


def as_pairs(groups, id_column, compute):
    """Return an iterable of (entity, X) and their number, None if only the end will tell.

    Parameters
    ----------
    groups : dict, iterable of pairs, or frame
    id_column : str or None
        Id column, of frames alone.
    compute : callable
        Computes a list of Dask collections.
    """
    if hasattr(groups, "columns"):
        _check_column(groups, id_column)
        if is_lazy(groups):
            return _of_dask_frame(groups, id_column, compute)
        return _of_frame(groups, id_column)
    if id_column is not None:
        raise ValueError(
            f"id_column must be None unless groups is a frame; got {id_column!r} with a "
            f"{type(groups).__name__}. Leave id_column out."
        )
    if isinstance(groups, Mapping):
        return _checked(groups.items()), len(groups)
    if isinstance(groups, np.ndarray) or not isinstance(groups, Iterable) or is_lazy(groups):
        raise TypeError(
            "groups must be a dict of entity to X, an iterable of (entity, X) pairs, or a frame "
            f"with an id column; got {type(groups).__name__}. Of a panel of arrays make pairs with "
            "enumerate(panel)."
        )
    return _checked(groups), len(groups) if hasattr(groups, "__len__") else None


def is_lazy(X):
    """Tell whether X is a Dask collection."""
    return dask.is_dask_collection(X)


def compute_here(X):
    """Load a Dask collection in this thread."""
    return dask.compute(X, scheduler="synchronous")[0]


def _checked(pairs):
    """Yield pairs with entities that can be names; refuse others, and those that come again."""
    seen = set()
    for pair in pairs:
        if not isinstance(pair, (tuple, list)) or len(pair) != 2:
            raise TypeError(
                "groups given as an iterable must yield (entity, X) pairs; got "
                f"{type(pair).__name__}. Use for example enumerate(series)."
            )
        entity = _as_entity(pair[0])
        if entity in seen:
            raise ValueError(
                f"groups must hold each entity once; got {entity!r} again. Put the series of one "
                "entity in a list, as one X."
            )
        seen.add(entity)
        yield entity, pair[1]


def _as_entity(entity):
    if isinstance(entity, Integral) and not isinstance(entity, bool):
        return int(entity)
    if isinstance(entity, str):
        return str(entity)
    raise TypeError(
        f"entities must be str or int; got {entity!r} of type {type(entity).__name__}. Name them "
        "with str(entity), and fill in those that are missing."
    )


def _check_column(frame, id_column):
    names = list(frame.columns)
    if id_column is None or id_column not in names:
        raise ValueError(
            f"id_column must name a column where groups is a frame, one of {names}; got "
            f"{id_column!r}."
        )


def _of_frame(frame, id_column):
    """Divide a frame in memory, one entity after the other."""
    if hasattr(frame, "partition_by"):
        parts = frame.partition_by(id_column, maintain_order=True)
        pairs = ((part[id_column][0], part.drop(id_column)) for part in parts)
        return _checked(pairs), len(parts)
    grouped = frame.groupby(id_column, sort=False, dropna=False, observed=True)
    return _checked(
        (entity, part.drop(columns=id_column)) for entity, part in grouped
    ), grouped.ngroups


def _of_dask_frame(frame, id_column, compute):
    """Find which partitions each entity is in; its worker reads these alone."""
    partitions = frame.to_delayed()
    ids = dask.delayed(_ids, pure=False)
    found = compute([ids(partition, id_column) for partition in partitions])
    places = {}
    for i, entities in enumerate(found):
        for entity in entities:
            places.setdefault(_as_entity(entity), []).append(i)
    select = dask.delayed(_select, pure=False)
    pairs = (
        (entity, select([partitions[i] for i in numbers], id_column, entity))
        for entity, numbers in places.items()
    )
    return pairs, len(places)


def _ids(partition, id_column):
    return partition[id_column].unique().tolist()


def _select(partitions, id_column, entity):
    """Take the rows of an entity out of partitions, in their order."""
    import pandas as pd

    rows = [
        partition[partition[id_column] == entity].drop(columns=id_column)
        for partition in partitions
    ]
    return pd.concat(rows)
