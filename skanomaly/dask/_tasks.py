"""What workers do: gather the cuts of a job, compute, and hand back the rows of its chunks."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from skanomaly._backend import choose_backend
from skanomaly.windows import Reach, carry_forward

__all__ = ["Spans", "Work", "carry", "compute_block", "compute_job", "count_rows", "take"]


class Part(NamedTuple):
    """Rows of a chunk between two steps of a pipeline; a tuple, whose size Dask knows."""

    rows: Any
    entities: Any
    index: Any


@dataclass(eq=False)
class Spans:
    """Rows (from, to) of series in a chunk; no dict, in which Dask would look for keys."""

    rows: dict


@dataclass(eq=False)
class Work:
    """What is done with every cut: shared by all tasks, so that it goes to each worker once."""

    estimator: Any
    method: str  # "transform" for a step before the detector
    reach: Reach = Reach()
    steps: tuple = ()  # transformers that come first, for panels
    threshold: float | None = None  # of a wrapper around the estimator
    backend: str | None = None  # of Keras, where the estimator has networks
    id_column: Any = None
    name: str | None = None  # of the resulting column; None makes arrays

    def apply(self, rows):
        """Compute one value, or one row, for each row."""
        self._check_worker()
        if self.threshold is None:
            return getattr(self.estimator, self.method)(rows)
        scores = self.estimator.score_samples(rows)
        if self.method.startswith("decision"):
            return scores + self.threshold
        return np.where(-scores > self.threshold, -1, 1)

    def _check_worker(self):
        """Raise where Keras would run on another backend than where the work was planned."""
        if self.backend is None:
            return
        found = choose_backend()
        if found != self.backend:
            raise RuntimeError(
                f"KERAS_BACKEND must be {self.backend!r} on every worker, as where the scores were "
                f"asked for, or they would differ; got {found!r}. Start workers with this "
                f"variable set, as in LocalCluster(env={{'KERAS_BACKEND': {self.backend!r}}})."
            )


# ------------------------------------------------------------------------------------- rows


def count_rows(chunk, id_column):
    """Count the rows of each series of a chunk, in the order in which they come."""
    if id_column is None:
        return {None: len(chunk)}
    entities = chunk[id_column]
    if entities.isna().any():
        raise ValueError(
            "id_column must tell the series of every row; got "
            f"{int(entities.isna().sum())} missing values in column {id_column!r}. Leave such rows "
            "out, or name their series."
        )
    return {key: int(n) for key, n in entities.value_counts(sort=False).items() if n}


def take(work, spans, chunk):
    """Copy rows of some series of a chunk, as a dict."""
    part = _read(chunk, work)
    where = _positions(part)
    # Copies, as views would keep the chunk in memory.
    return {key: _slice(part.rows, where[key][a:b]).copy() for key, (a, b) in spans.rows.items()}


def _read(chunk, work):
    """Tell rows from what they belong to."""
    if isinstance(chunk, Part):
        return chunk
    if not hasattr(chunk, "columns"):
        return Part(chunk, None, None)
    if work.id_column is None:
        return Part(chunk, None, chunk.index)
    entities = chunk[work.id_column].to_numpy()
    return Part(chunk.drop(columns=work.id_column), entities, chunk.index)


def _positions(part):
    """Return where the rows of each series are: a slice for a single one, else positions."""
    if part.entities is None:
        return {None: np.arange(len(part.rows))}
    order = np.argsort(part.entities, kind="stable")
    ordered = part.entities[order]
    new = np.flatnonzero(ordered[1:] != ordered[:-1]) + 1
    groups = np.split(order, new) if len(order) else []
    return {part.entities[where[0]]: where for where in groups}


def _slice(rows, where):
    if len(where) == len(rows):
        return rows
    if len(where) and where[-1] - where[0] + 1 == len(where):
        where = slice(where[0], where[-1] + 1)
    return rows.iloc[where] if hasattr(rows, "iloc") else rows[where]


def _join(pieces):
    if len(pieces) == 1:
        return pieces[0]
    if hasattr(pieces[0], "iloc"):
        import pandas as pd

        return pd.concat(pieces)
    return np.concatenate(pieces)


# ------------------------------------------------------------------------------------- jobs


def compute_job(work, job, carried, before, chunks, after):
    """Compute the rows of all chunks of a job.

    Parameters
    ----------
    work : Work
        What to do.
    job : skanomaly.dask._cuts.Job
        With what.
    carried : dict or None
        For each series the values observed last, (seeds, n_features).
    before, after : list of dict
        As :func:`take` has them, of chunks before and after.
    chunks : list of array, frame or Part
        Those of the job.

    Returns
    -------
    results : list
        One array, pandas series or Part for each chunk.
    """
    parts = [_read(chunk, work) for chunk in chunks]
    where = [_positions(part) for part in parts]
    found = [[] for _ in parts]
    for cut in job.cuts:
        values = _compute(work, cut, carried, _gather(cut.entity, before, parts, where, after))
        done = 0
        for places, results in zip(where, found, strict=True):
            here = places.get(cut.entity, ())
            results.append((here, _rows(values, done, done + len(here))))
            done += len(here)
    return [_finish(work, part, of) for part, of in zip(parts, found, strict=True)]


def _gather(entity, before, parts, where, after):
    """Join the rows of a series."""
    pieces = [piece[entity] for piece in before if entity in piece]
    for part, places in zip(parts, where, strict=True):
        if entity in places and len(places[entity]):
            pieces.append(_slice(part.rows, places[entity]))
    pieces += [piece[entity] for piece in after if entity in piece]
    return _join(pieces)


def _rows(values, first, stop):
    return values.iloc[first:stop] if hasattr(values, "iloc") else values[first:stop]


def _compute(work, cut, carried, rows):
    """Compute the values of the steps that a cut is for."""
    reach = work.reach
    if len(rows) != cut.end - cut.start:
        raise ValueError(
            "lengths must be the number of rows of each partition, and X the same as when they "
            f"were counted; got {len(rows)} rows in place of {cut.end - cut.start}. Use "
            "lengths=None, and ask anew when X has changed."
        )
    if reach.carried and cut.start > 0:
        values = _as_floats(rows)
        values[: reach.seeds] = carried[cut.entity]
        rows = _like(rows, values)
    if reach.ahead and cut.end < cut.n_timesteps:
        _refuse_late_starts(_as_floats(rows), cut, reach)
    try:
        values = work.apply(rows)
    except ValueError as error:
        of = "X" if cut.entity is None else f"series {cut.entity!r}"
        error.add_note(f"This is about rows {cut.start} to {cut.end} of {of}, counted from 0.")
        raise
    return _rows(values, cut.first - cut.start, cut.stop - cut.start)


def _like(rows, values):
    """Return values as a frame if rows are."""
    return type(rows)(values, columns=rows.columns) if hasattr(rows, "iloc") else values


def _as_floats(rows):
    """Copy rows as (n, n_features) array of float32 if they are, else float64."""
    if hasattr(rows, "to_numpy"):
        single = all(dtype == np.float32 for dtype in rows.dtypes)
        return rows.to_numpy(np.float32 if single else np.float64, copy=True, na_value=np.nan)
    rows = np.asarray(rows)
    return rows.astype(np.float32 if rows.dtype == np.float32 else np.float64)


def _refuse_late_starts(values, cut, reach):
    """Raise where a feature is first observed and the value after it lies beyond the cut."""
    observed = ~np.isnan(values)
    some = observed.any(axis=0)
    first = observed.argmax(axis=0)
    last = len(values) - 1 - observed[::-1].argmax(axis=0)
    needed = np.minimum(first + reach.ahead, len(values) - reach.ahead) - 1 + reach.ahead
    late = np.flatnonzero(some & (last < needed))
    # Where something was observed before the cut, the first row holds it.
    late = [j for j in late if first[j] >= (reach.seeds if cut.start > 0 else 0)]
    if late:
        raise ValueError(
            f"X must hold a value of each feature at least {reach.ahead} time steps after the "
            "first observed one, in the same chunk or the rows read of the next; got none of "
            f"feature {late[0]} after time step {cut.start + int(first[late[0]])}. Use longer "
            "chunks, or fill the gap."
        )


def _finish(work, part, found):
    """Put the values of all series in the order of the rows of a chunk."""
    if not found:
        values = np.empty(0, int if work.method.startswith("predict") else float)
    else:
        values = _join([result for _, result in found])
    if len(found) > 1:
        places = np.concatenate([np.asarray(where, int) for where, _ in found])
        order = np.argsort(places, kind="stable")
        values = values.iloc[order] if hasattr(values, "iloc") else values[order]
    if work.method == "transform":
        return Part(values, part.entities, part.index)
    if work.name is None:
        return values
    import pandas as pd

    return pd.Series(values, index=part.index, name=work.name)


def carry(work, job, carried, before, chunks, after):
    """Return the values observed last until the next cut of each series, a dict.

    Parameters are those of :func:`compute_job`.
    """
    reach = work.reach
    parts = [_read(chunk, work) for chunk in chunks]
    where = [_positions(part) for part in parts]
    carried = dict(carried or {})
    for cut in job.cuts:
        if cut.next_start == 0:
            continue
        rows = _as_floats(_gather(cut.entity, before, parts, where, after))
        rows = rows[: cut.next_start - cut.start + reach.seeds]
        if cut.start > 0:
            rows[: reach.seeds] = carried[cut.entity]
        carried[cut.entity] = _last_observed(rows, reach, opening=cut.start == 0)
    return carried


def _last_observed(rows, reach, opening):
    """(n, n_features), n a multiple of the lag -> the values observed last, (seeds, n_features)."""
    n_features = rows.shape[1]
    chains = rows.reshape(-1, reach.lag * n_features)
    if opening and reach.opened:
        chains[: reach.carried] = carry_forward(chains[: reach.carried])
    if np.isnan(chains[-reach.carried :]).any():
        order = np.argsort(~np.isnan(chains), axis=0, kind="stable")  # what is missing goes first
        chains = np.take_along_axis(chains, order[-reach.carried :], axis=0)
    return chains[-reach.carried :].reshape(reach.seeds, n_features).copy()


def compute_block(work, panel):
    """Compute what there is to say of whole series, (n_series, n_timesteps, n_features)."""
    for step in work.steps:
        panel = step.transform(panel)
    return work.apply(panel)
