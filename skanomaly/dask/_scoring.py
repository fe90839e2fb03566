"""Scores and labels of data in chunks, computed chunk by chunk when they are asked for."""

from numbers import Integral

import dask
import dask.array as da
import numpy as np
from dask.base import tokenize
from dask.highlevelgraph import HighLevelGraph

from skanomaly.dask._detector import check_features, panel_work, series_works, take_apart
from skanomaly.dask._graph import add_stage
from skanomaly.dask._tasks import compute_block, count_rows
from skanomaly.docstrings import with_texts

__all__ = [
    "decision_function",
    "predict",
    "predict_timesteps",
    "score_samples",
    "score_timesteps",
]

_PARAMETERS_DOC = """detector : fitted detector
        Of skanomaly (or one of scikit-learn that scores rows), alone, at the end of a
        :class:`~sklearn.pipeline.Pipeline`, in a search, or behind a threshold of
        :mod:`skanomaly.model_selection`.
    X : dask array of shape (n_timesteps, n_features) or (n_series, n_timesteps, n_features), or \
dask dataframe
        One series with rows in time order, a panel of series of equal length, or a dataframe of
        one series or many. NaN means not observed. Chunks may have any lengths, which must be
        known; they are joined along all axes but the first.
    id_column : str or None, default=None
        The column of a dataframe that tells which series a row belongs to. The rows of each series
        must be in time order; other series may lie between them. Each series is scored as if
        given alone, with one value per row. None takes the rows for one series.
    lengths : sequence of int or None, default=None
        Rows of each partition of a dataframe without `id_column`. None reads one column of X once
        to count them, or the `id_column`."""

_RETURNS_DOC = """    Raises
    ------
    ValueError
        If the lengths of chunks are unknown, X does not fit the detector, or the detector or a
        step of the pipeline needs a series whole (``window_size=None``, ``per_series=True``, a
        function that is not known to treat every row alone).
    TypeError
        If X is no Dask collection, or what ends the pipeline is no such detector."""


_with_docs = with_texts(parameters=_PARAMETERS_DOC, raises=_RETURNS_DOC.strip())


@_with_docs
def score_samples(detector, X, *, id_column=None, lengths=None):
    """Score each time step of a series, or each series of a panel; higher is more normal.

    Exactly what ``detector.score_samples`` gives in memory, computed chunk by chunk.

    Parameters
    ----------
    {parameters}

    Returns
    -------
    scores : dask array of shape (n_timesteps,) or (n_series,), or dask series, float64
        Lazy, in the chunks of X; a series has the index and the divisions of the dataframe.

    {raises}

    See Also
    --------
    score_timesteps : Of panels, a score per time step.

    Examples
    --------
    >>> import dask.array as da
    >>> import numpy as np
    >>> from skanomaly import PersistenceDetector
    >>> from skanomaly.dask import score_samples
    >>> X = np.random.default_rng(0).normal(size=(1000, 2))
    >>> detector = PersistenceDetector().fit(X)
    >>> scores = score_samples(detector, da.from_array(X, chunks=(300, 2)))
    >>> scores.chunks
    ((300, 300, 300, 100),)
    >>> bool(np.array_equal(scores.compute(), detector.score_samples(X)))
    True
    """
    return _ask(detector, "score_samples", X, id_column, lengths)


@_with_docs
def decision_function(detector, X, *, id_column=None, lengths=None):
    """Score as ``score_samples``, shifted so that negative means anomalous.

    Exactly what ``detector.decision_function`` gives in memory, computed chunk by chunk.

    Parameters
    ----------
    {parameters}

    Returns
    -------
    decision : dask array of shape (n_timesteps,) or (n_series,), or dask series, float64
        Lazy, in the chunks of X.

    {raises}

    Examples
    --------
    >>> import dask.array as da
    >>> import numpy as np
    >>> from skanomaly import MeanDetector
    >>> from skanomaly.dask import decision_function
    >>> X = np.random.default_rng(0).normal(size=(1000, 2))
    >>> detector = MeanDetector(contamination=0.02).fit(X)
    >>> decision = decision_function(detector, da.from_array(X, chunks=(300, 2)))
    >>> int((decision < 0).sum().compute())
    20
    """
    return _ask(detector, "decision_function", X, id_column, lengths)


@_with_docs
def predict(detector, X, *, id_column=None, lengths=None):
    """Label each time step of a series, or each series of a panel.

    Exactly what ``detector.predict`` gives in memory, computed chunk by chunk.

    Parameters
    ----------
    {parameters}

    Returns
    -------
    labels : dask array of shape (n_timesteps,) or (n_series,), or dask series, int
        Lazy, in the chunks of X: -1 for anomalies, 1 for the rest.

    {raises}

    Examples
    --------
    >>> import dask.dataframe as dd
    >>> import pandas as pd
    >>> import numpy as np
    >>> from skanomaly import MeanDetector
    >>> from skanomaly.dask import predict
    >>> frame = pd.DataFrame({"machine": ["a", "b"] * 50, "load": np.sin(np.arange(100.0))})
    >>> frame.loc[70, "load"] = 9.0
    >>> detector = MeanDetector().fit(frame[["load"]][:60])
    >>> labels = predict(detector, dd.from_pandas(frame, npartitions=3), id_column="machine")
    >>> int(labels.compute()[70])
    -1
    """
    return _ask(detector, "predict", X, id_column, lengths)


@_with_docs
def score_timesteps(detector, X, *, id_column=None, lengths=None):
    """Score each time step, of panels too; higher is more normal.

    Exactly what ``detector.score_timesteps`` gives in memory, computed chunk by chunk.

    Parameters
    ----------
    {parameters}

    Returns
    -------
    scores : dask array of shape (n_timesteps,) or (n_series, n_timesteps), or dask series, float64
        Lazy; chunks of the first axis are those of X.

    {raises}

    Examples
    --------
    >>> import dask.array as da
    >>> import numpy as np
    >>> from skanomaly import MeanDetector
    >>> from skanomaly.dask import score_timesteps
    >>> panel = np.random.default_rng(0).normal(size=(20, 50, 2))
    >>> detector = MeanDetector().fit(panel)
    >>> score_timesteps(detector, da.from_array(panel, chunks=(8, 25, 2))).chunks
    ((8, 8, 4), (50,))
    """
    return _ask(detector, "score_timesteps", X, id_column, lengths)


@_with_docs
def predict_timesteps(detector, X, *, id_column=None, lengths=None):
    """Label each time step, of panels too.

    Exactly what ``detector.predict_timesteps`` gives in memory, computed chunk by chunk.

    Parameters
    ----------
    {parameters}

    Returns
    -------
    labels : dask array of shape (n_timesteps,) or (n_series, n_timesteps), or dask series, int
        Lazy: -1 for anomalies, 1 for the rest.

    {raises}

    Examples
    --------
    >>> import dask.array as da
    >>> import numpy as np
    >>> from skanomaly import MeanDetector
    >>> from skanomaly.dask import predict_timesteps
    >>> panel = np.random.default_rng(0).normal(size=(20, 50, 2))
    >>> detector = MeanDetector(contamination=0.1).fit(panel)
    >>> labels = predict_timesteps(detector, da.from_array(panel, chunks=(8, 50, 2)))
    >>> int((labels == -1).sum().compute())
    100
    """
    return _ask(detector, "predict_timesteps", X, id_column, lengths)


# ------------------------------------------------------------------------------------- planning


def _ask(detector, method, X, id_column, lengths):
    taken = take_apart(detector)
    if isinstance(X, da.Array):
        if id_column is not None or lengths is not None:
            raise ValueError(
                "id_column and lengths must be None for a dask array, for they tell of dataframes; "
                f"got id_column={id_column!r} and lengths={lengths!r}. Leave them out."
            )
        return _of_array(taken, method, X)
    if hasattr(X, "divisions") and hasattr(X, "columns"):
        return _of_frame(taken, method, X, id_column, lengths)
    raise TypeError(
        f"X must be a dask array or dataframe; got {type(X).__name__}. Use "
        f"detector.{method}(X) for what is in memory, or dask.array.from_array(X, chunks=...); of "
        "a list score one series after the other."
    )


def _of_array(taken, method, X):
    if X.ndim not in (2, 3):
        raise ValueError(
            "X must have 2 dimensions (n_timesteps, n_features) or 3 dimensions (n_series, "
            f"n_timesteps, n_features); got {X.ndim}, shape {X.shape}. Use x[:, None] for a series "
            "of one feature."
        )
    if any(np.isnan(length) for axis in X.chunks for length in axis):
        raise ValueError(
            "X must have chunks of known lengths, for a score depends on rows of the chunks beside "
            f"it; got chunks {X.chunks}. Call X.compute_chunk_sizes() first, make the array by "
            "frame.to_dask_array(lengths=True), or give the dataframe itself."
        )
    if not all(X.shape):
        raise ValueError(
            "X must hold at least one series with at least one time step of at least one feature; "
            f"got shape {X.shape}. Give more data."
        )
    check_features(taken, np.zeros((1, X.shape[-1])))
    X = X.rechunk(dict.fromkeys(range(1, X.ndim), -1))
    if X.ndim == 3:
        return _of_panel(taken, method, X)
    keys = [(X.name, i, 0) for i in range(X.numblocks[0])]
    counts = [{None: n_rows} for n_rows in X.chunks[0]]
    graph, name = _add_series(series_works(taken, method), method, keys, counts, X.name)
    layers = HighLevelGraph.from_collections(name, graph, dependencies=[X])
    return da.Array(layers, name, (X.chunks[0],), dtype=_dtype(method))


def _of_panel(taken, method, X):
    work = panel_work(taken, method, X.shape)
    token = tokenize(work, X.name)
    name = f"{method}-{type(work.estimator).__name__}-{token}"
    shared, of_steps = f"detector-{token}", method.endswith("timesteps")
    graph = {shared: work}
    for i in range(X.numblocks[0]):
        key = (name, i, 0) if of_steps else (name, i)
        graph[key] = (compute_block, shared, (X.name, i, 0, 0))
    layers = HighLevelGraph.from_collections(name, graph, dependencies=[X])
    chunks = X.chunks[:2] if of_steps else X.chunks[:1]
    return da.Array(layers, name, chunks, dtype=_dtype(method))


def _of_frame(taken, method, X, id_column, lengths):
    import dask.dataframe as dd
    import pandas as pd

    columns = list(X.columns)
    if id_column is not None:
        if columns.count(id_column) != 1:
            raise ValueError(
                f"id_column must be the name of one column of X; got {id_column!r}, and columns "
                f"{columns}. Name the column that tells the series of a row; reset_index makes a "
                "column of the index."
            )
        columns.remove(id_column)
    check_features(taken, X._meta_nonempty[columns])
    counts = _count(X, id_column, lengths)
    if not sum(sum(of_series.values()) for of_series in counts):
        raise ValueError("X must hold at least one row; got none. Give more data.")
    X = X.optimize()
    works = series_works(taken, method, id_column=id_column, name=method)
    graph, name = _add_series(works, method, X.__dask_keys__(), counts, X._name)
    graph = {**dict(X.__dask_graph__()), **graph}
    meta = pd.Series(np.empty(0, _dtype(method)), index=X._meta.index, name=method)
    return dd.from_graph(graph, meta, X.divisions, [(name, i) for i in range(len(counts))], name)


def _add_series(works, method, keys, counts, source):
    """Make the graph of all steps of a pipeline; return it and the name of its last keys."""
    token, graph = tokenize(works, method, source), {}
    for number, work in enumerate(works):
        keys = add_stage(graph, work, keys, counts, f"{token}{number}")
    return graph, keys[0][0]


def _count(X, id_column, lengths):
    """Return how many rows of each series each partition has: a list of dict."""
    if lengths is not None:
        return _given(X, id_column, lengths)
    column = X.columns[0] if id_column is None else id_column
    parts = X[[column]].to_delayed()
    count = dask.delayed(count_rows, pure=True)
    return list(dask.compute(*(count(part, id_column) for part in parts)))


def _given(X, id_column, lengths):
    lengths = list(lengths)
    good = all(isinstance(n, Integral) and n >= 0 for n in lengths)
    if id_column is not None or len(lengths) != X.npartitions or not good:
        raise ValueError(
            f"lengths must be the number of rows of each of the {X.npartitions} partitions of X, "
            f"without id_column; got {lengths!r} and id_column={id_column!r}. Use None to have the "
            "rows counted."
        )
    return [{None: int(n)} for n in lengths]


def _dtype(method):
    return np.dtype(int) if method.startswith("predict") else np.dtype(float)
