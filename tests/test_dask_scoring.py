"""Lazy scores in chunks equal those in memory, bit for bit, and what cannot is refused."""

import pickle

import dask
import dask.array as da
import dask.dataframe as dd
import numpy as np
import pandas as pd
import pytest
from dask.utils import key_split
from hypothesis import given, reject, settings
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import IsolationForest
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline, make_union
from sklearn.preprocessing import FunctionTransformer, MinMaxScaler, StandardScaler
from tiny import TINY

from skanomaly import (
    LinearForecaster,
    LSTMAutoencoder,
    LSTMForecaster,
    MeanDetector,
    PersistenceDetector,
    ScoreEnsemble,
    make_detector,
)
from skanomaly import dask as lazy
from skanomaly.aggregation import AGGREGATIONS
from skanomaly.detectors import BaseDetector, NearestWindowDetector
from skanomaly.model_selection import FixedThresholdDetector, OutlierClassifier
from skanomaly.preprocessing import Differencer, Downsampler, SequenceTransformer, soft_clip
from skanomaly.scoring import multiply_rows
from skanomaly.thresholds import SPOT

pytest_plugins = ["dask_cluster"]

METHODS = ["score_samples", "decision_function", "predict"]


@pytest.fixture(autouse=True)
def _in_this_thread():
    with dask.config.set(scheduler="synchronous"):
        yield


def make_series(n_timesteps, seed, gaps=False, n_features=2):
    """A series with short gaps, long ones, and a late start of one feature."""
    rng = np.random.default_rng(seed)
    X = np.sin(np.arange(n_timesteps)[:, None] / (3 + np.arange(n_features)))
    X = X + 0.3 * rng.normal(size=X.shape)
    if gaps:
        X[rng.random(X.shape) < 0.1] = np.nan
        for _ in range(2):
            start, length = rng.integers(n_timesteps), rng.integers(1, 40)
            X[start : start + length, rng.integers(n_features)] = np.nan
        X[: rng.integers(12), 0] = np.nan
    return X


TRAIN = make_series(120, 100)


def nearest(**parameters):
    return NearestWindowDetector(**{"window_size": 8, "max_windows": 50, **parameters})


def ensemble(**parameters):
    members = [
        ("nearest", nearest(stride=3)),
        ("linear", LinearForecaster(lags=(2, 5))),
        ("persistence", PersistenceDetector(lag=2)),
        ("scaled", make_pipeline(SequenceTransformer(StandardScaler()), MeanDetector())),
    ]
    return ScoreEnsemble(members, **{"spans": (1, 5), "warm_up": 4, **parameters})


CHEAP = {
    "mean": MeanDetector(score_norm="gaussian"),
    "mean, smoothed": MeanDetector(smoothing="triangular", smoothing_span=5),
    "persistence": PersistenceDetector(smoothing="median", smoothing_span=4),
    "persistence, lag 7": PersistenceDetector(lag=7, threshold=SPOT(level=0.8, alpha=0.05)),
    "linear": LinearForecaster(lags=3, score_norm="mahalanobis"),
    "linear, far": LinearForecaster(lags=(4, 9), smoothing="exponential", smoothing_span=3),
    "linear, causal": LinearForecaster(
        smoothing="triangular", smoothing_span=6, smoothing_causal=True
    ),
    "nearest": nearest(score_norm="standardised"),
    "nearest, strides": nearest(stride=3),
    "nearest, whole strides": nearest(stride=8, smoothing="triangular", smoothing_span=3),
    "nearest, median": nearest(stride=5, aggregation="median"),
    "nearest, last": nearest(aggregation="last"),
    "nearest, last, strides": nearest(aggregation="last", stride=3),
    "ensemble": ensemble(),
    "ensemble, causal": ensemble(causal=True, combination="max", spans=(4,), warm_up=0),
    "scaled": make_pipeline(SequenceTransformer(StandardScaler()), nearest(stride=2)),
    "scaled by scikit-learn": make_pipeline(MinMaxScaler(), LinearForecaster(lags=2)),
    "clipped": make_pipeline(
        SequenceTransformer(
            make_pipeline(
                ColumnTransformer([("all", StandardScaler(), [0, 1])]),
                make_union(FunctionTransformer(np.clip, kw_args={"a_min": -1, "a_max": 1})),
                FunctionTransformer(soft_clip, kw_args={"limit": 0.5}),
                FunctionTransformer(np.sqrt, check_inverse=False).set_params(func=np.arctan),
            )
        ),
        PersistenceDetector(lag=2),
    ),
    "differences": make_pipeline(Differencer(), LinearForecaster(lags=2)),
    "differences, seasonal": make_pipeline(
        Differencer(lag=5, order=2), "passthrough", StandardScaler(), PersistenceDetector()
    ),
    "differences, third": make_pipeline(Differencer(order=3), nearest(stride=3)),
    "differences, kept": make_pipeline(Differencer(lag=3, order=2, fill="keep"), ensemble()),
    "threshold": FixedThresholdDetector(
        make_pipeline(Differencer(), MeanDetector()), threshold=0.2
    ),
    "frozen": FrozenEstimator(LinearForecaster(lags=4).fit(TRAIN)),
}


@pytest.fixture(scope="module", params=CHEAP)
def cheap(request):
    return clone(CHEAP[request.param]).fit(TRAIN, None)


lengths = st.lists(st.one_of(st.integers(0, 3), st.integers(4, 60)), min_size=1, max_size=8)


@given(lengths.filter(any), st.integers(0, 1000), st.booleans(), st.sampled_from(METHODS))
@settings(max_examples=4)
def test_scores_in_chunks_of_any_length_are_those_in_memory(cheap, chunks, seed, gaps, method):
    X = make_series(sum(chunks), seed, gaps)
    expected = getattr(cheap, method)(X)
    found = getattr(lazy, method)(cheap, da.from_array(X, chunks=(tuple(chunks), 1)))
    try:
        found = found.compute()
    except ValueError as error:
        if not gaps or "time steps after the first observed one" not in str(error):
            raise
        reject()
    np.testing.assert_array_equal(found, expected)
    assert found.dtype == expected.dtype


def test_chunks_of_one_row_are_scored_as_in_memory(cheap):
    X = make_series(70, 5, gaps=True)
    X[:12] = make_series(12, 6)
    found = lazy.score_samples(cheap, da.from_array(X, chunks=(1, 2)))
    assert found.chunks == ((1,) * 70,)
    np.testing.assert_array_equal(found.compute(), cheap.score_samples(X))


@pytest.mark.parametrize("order", [1, 2, 3])
@pytest.mark.parametrize("fill", ["zero", "keep"])
@pytest.mark.parametrize("lag", [1, 3])
def test_differences_go_on_across_gaps_longer_than_chunks(order, fill, lag):
    rng = np.random.default_rng(order)
    X = rng.normal(size=(90, 3))
    X[rng.random(X.shape) < 0.7] = np.nan
    X[20:60, 1] = np.nan
    X[:, 2] = np.nan
    X[70:, 2] = 1.0
    for seed in range(3):
        X[: 3 + seed, 0] = np.nan
        train = rng.normal(size=(60, 3))
        detector = make_pipeline(Differencer(lag=lag, order=order, fill=fill), MeanDetector())
        detector.fit(train)
        for chunk in (2, 7, 40):
            found = lazy.score_samples(detector, da.from_array(X, chunks=(chunk, 3))).compute()
            np.testing.assert_array_equal(found, detector.score_samples(X))


@pytest.mark.parametrize("n_features", [1, 7, 38])
def test_rounding_does_not_depend_on_chunks_with_many_features(n_features):
    X = make_series(500, 1, n_features=n_features)
    for detector in (LinearForecaster(lags=3, score_norm="mahalanobis"), nearest(stride=4)):
        detector.fit(make_series(400, 2, n_features=n_features))
        for chunk in (83, 200):
            found = lazy.score_samples(detector, da.from_array(X, chunks=(chunk, -1)))
            np.testing.assert_array_equal(found.compute(), detector.score_samples(X))


def test_a_late_start_beyond_the_rows_read_is_refused_and_no_wrong_score_given():
    X = make_series(60, 0)
    X[:10, 1] = X[11:40, 1] = np.nan
    detector = PersistenceDetector(lag=2).fit(TRAIN)
    in_pieces = lazy.score_samples(detector, da.from_array(X, chunks=(20, 2)))
    with pytest.raises(ValueError, match="none of feature 1 after time step 10. Use longer"):
        in_pieces.compute()
    longer = lazy.score_samples(detector, da.from_array(X, chunks=(45, 2)))
    np.testing.assert_array_equal(longer.compute(), detector.score_samples(X))


# ------------------------------------------------------------------------------------- networks


@pytest.fixture(scope="module", params=AGGREGATIONS)
def network(request):
    """An autoencoder whose windows start every third step."""
    detector = LSTMAutoencoder(**TINY | {"stride": 3}, aggregation=request.param)
    return detector.fit(TRAIN)


@pytest.mark.parametrize("scheduler", ["synchronous", "threads"])
def test_networks_score_in_chunks_as_in_memory(network, scheduler):
    X = make_series(200, 3, gaps=True)
    expected = network.score_samples(X)
    for chunks in [(3, 50, 1, 1, 40, 105), (7,) * 28 + (4,)]:
        found = lazy.score_samples(network, da.from_array(X, chunks=(chunks, 2)))
        found = found.compute(scheduler=scheduler, num_workers=3)
        np.testing.assert_array_equal(found, expected)


def test_forecasts_read_nothing_of_the_chunk_after():
    detector = LSTMForecaster(**TINY).fit(TRAIN)
    X = make_series(150, 4)
    scores = lazy.score_samples(detector, da.from_array(X, chunks=(50, 2)))
    np.testing.assert_array_equal(scores.compute(), detector.score_samples(X))
    read = [key for key in scores.dask if isinstance(key, tuple) and key[0].startswith("reach-")]
    assert sorted(key[1:] for key in read) == [(1, 0), (2, 1)]


def test_the_recommended_detector_scores_in_chunks_as_in_memory():
    small = {"hidden_units": 3, "max_epochs": 1, "window_size": 8}
    detector = make_detector(TRAIN, random_state=0)
    changes = {f"detect__{one}__{k}": v for one in ("forecaster", "autoencoder")
               for k, v in small.items()}  # fmt: skip
    detector.set_params(**changes, detect__nearest__window_size=8, detect__spans=(2, 8)).fit(TRAIN)
    X = make_series(300, 8, gaps=True)
    labels = lazy.predict(detector, da.from_array(X, chunks=(70, 2))).compute()
    np.testing.assert_array_equal(labels, detector.predict(X))
    scores = lazy.score_samples(detector, da.from_array(X, chunks=(110, 2))).compute()
    np.testing.assert_array_equal(scores, detector.score_samples(X))


# --------------------------------------------------------------------------------- forms of data


@pytest.mark.parametrize("method", [*METHODS, "score_timesteps", "predict_timesteps"])
@pytest.mark.parametrize(
    "detector",
    [nearest(stride=3), ensemble(), make_pipeline(Differencer(), LinearForecaster(lags=2)),
     make_pipeline(SequenceTransformer(StandardScaler(), per_series=True), MeanDetector()),
     LSTMAutoencoder(**TINY | {"window_size": None})],
    ids=["nearest", "ensemble", "differences", "per series", "whole series"],
)  # fmt: skip
def test_panels_are_scored_by_blocks_of_series(detector, method):
    panel = make_series(200, 9, gaps=True).reshape(10, 20, 2)
    detector = clone(detector).fit(make_series(200, 10).reshape(10, 20, 2))
    found = getattr(lazy, method)(detector, da.from_array(panel, chunks=((4, 1, 5), 7, 1)))
    if hasattr(detector, method):
        expected = getattr(detector, method)(panel)
    else:
        expected = getattr(detector[-1], method)(detector[:-1].transform(panel))
    assert found.chunks[0] == (4, 1, 5)
    assert found.shape == expected.shape
    np.testing.assert_array_equal(found.compute(), expected)


def test_series_from_a_dataframe_keep_index_and_divisions():
    frame = pd.DataFrame(make_series(100, 3, gaps=True), columns=["a", "b"])
    frame.index = pd.date_range("2026-01-01", periods=100, freq="min")
    detector = make_pipeline(Differencer(), LinearForecaster(lags=2)).fit(frame[:60])
    X = dd.from_pandas(frame, npartitions=7)
    scores = lazy.score_samples(detector, X)
    assert scores.divisions == X.divisions
    expected = pd.Series(detector.score_samples(frame), index=frame.index, name="score_samples")
    pd.testing.assert_series_equal(scores.compute(), expected, check_freq=False)
    counted = [len(part) for part in X.partitions]
    again = lazy.predict(detector, X, lengths=counted).compute()
    np.testing.assert_array_equal(again, detector.predict(frame))


def test_frames_of_mixed_types_are_read_as_in_memory():
    frame = pd.DataFrame({"a": np.arange(80) % 7, "b": make_series(80, 1)[:, 0].astype("f4")})
    frame["c"] = pd.array([None, 1, 2, 3] * 20, dtype="Int64")
    for detector in (LinearForecaster(lags=2), nearest()):
        detector.fit(frame)
        found = lazy.score_samples(detector, dd.from_pandas(frame, npartitions=4))
        np.testing.assert_array_equal(found.compute(), detector.score_samples(frame))


def many_series(sort):
    """Three series of different lengths, one shorter than a window, in one table."""
    parts = []
    for name, n in [("pump", 60), ("fan", 5), ("belt", 90)]:
        part = pd.DataFrame(make_series(n, n, gaps=True), columns=["a", "b"])
        part["b"] = part["b"].fillna(0)  # so that no late start is too late for persistence
        part["a"] = part["a"].bfill()
        parts.append(part.assign(machine=name, step=np.arange(n)))
    frame = pd.concat(parts).sort_values(sort, kind="stable").reset_index(drop=True)
    return frame.drop(columns="step")


@pytest.mark.parametrize(
    ("sort", "kind", "npartitions"),
    [("machine", "object", 1), ("machine", "category", 4), ("step", "object", 4),
     ("step", "category", 12)],
)  # fmt: skip
def test_series_named_by_a_column_are_scored_one_by_one(sort, kind, npartitions):
    frame = many_series(sort).astype({"machine": kind})
    X = dd.from_pandas(frame, npartitions=npartitions)
    detectors = [nearest(stride=3), ensemble(), CHEAP["differences, seasonal"]]
    for detector in detectors:
        detector = clone(detector).fit(pd.DataFrame(TRAIN, columns=["a", "b"]))
        scores = lazy.score_timesteps(detector, X, id_column="machine").compute()
        assert list(scores.index) == list(frame.index)
        for name, part in frame.groupby("machine", observed=True):
            expected = detector.score_samples(part[["a", "b"]])
            np.testing.assert_array_equal(scores[part.index], expected, err_msg=name)


@pytest.mark.filterwarnings("ignore:The inplace keyword:DeprecationWarning")  # in Dask itself
def test_zarr_and_parquet_are_read_and_written(tmp_path):
    X = make_series(100, 3)
    detector = nearest(stride=2).fit(TRAIN)
    da.to_zarr(da.from_array(X, chunks=(30, 2)), str(tmp_path / "X.zarr"))
    scores = lazy.score_samples(detector, da.from_zarr(str(tmp_path / "X.zarr")))
    da.to_zarr(scores, str(tmp_path / "scores.zarr"))
    written = da.from_zarr(str(tmp_path / "scores.zarr")).compute()
    np.testing.assert_array_equal(written, detector.score_samples(X))

    frame = pd.DataFrame(X, columns=["a", "b"])
    named = nearest(stride=2).fit(frame)
    dd.from_pandas(frame, npartitions=4).to_parquet(str(tmp_path / "X"))
    labels = lazy.predict(named, dd.read_parquet(str(tmp_path / "X")))
    labels.to_frame().to_parquet(str(tmp_path / "labels"))
    found = pd.read_parquet(tmp_path / "labels")["predict"]
    np.testing.assert_array_equal(found, named.predict(frame))


def test_scores_behind_searches_and_rows_of_scikit_learn_are_found():
    X = da.from_array(make_series(90, 2), chunks=(25, 2))
    forest = IsolationForest(n_estimators=5, random_state=0).fit(TRAIN)
    np.testing.assert_array_equal(lazy.predict(forest, X).compute(), forest.predict(X.compute()))
    search = GridSearchCV(LinearForecaster(), {"lags": [2, 3]}, cv=2).fit(TRAIN)
    found = lazy.score_timesteps(search, X).compute()
    np.testing.assert_array_equal(found, search.score_samples(X.compute()))


# ------------------------------------------------------------------------------------- refusals


class Unknown(BaseDetector):
    """A detector of somebody else's, which does not say how far it looks."""

    def __init__(self, score_norm="squared"):
        self.score_norm = score_norm
        self.smoothing = self.feature_weights = self.after_fit = self.threshold = None
        self.contamination = 0.1

    def _start(self, sequences):
        pass

    def _learn(self, sequences, partial):
        pass

    def _expected(self, sequences):
        yield np.zeros((sequences.n_timesteps, sequences.n_features))


ARRAY = da.from_array(make_series(60, 0), chunks=(20, 2))
FRAME = dd.from_pandas(pd.DataFrame(make_series(60, 0), columns=["a", "b"]), npartitions=3)


@pytest.mark.parametrize(
    ("detector", "X", "options", "message"),
    [
        (MeanDetector(), ARRAY.compute(), {}, "X must be a dask array or dataframe; got ndarray"),
        (MeanDetector(), [ARRAY], {}, "of a list score one series after the other"),
        (MeanDetector(), ARRAY[:, 0], {}, "X must have 2 dimensions"),
        (MeanDetector(), ARRAY[:0], {}, "X must hold at least one series"),
        (MeanDetector(), ARRAY[:, :1], {}, "X must have 2 features, as in fit; got 1"),
        (MeanDetector(), ARRAY, {"id_column": "a"}, "must be None for a dask array"),
        (MeanDetector(), FRAME, {"id_column": "c"}, "id_column must be the name of one column"),
        (MeanDetector(), FRAME, {"lengths": [60]}, "lengths must be the number of rows of each"),
        (MeanDetector(), FRAME.assign(c=1.0), {}, "X must have 2 features"),
        (MeanDetector(), FRAME.assign(b="text"), {}, "got column 'b'"),
        (MeanDetector(), ARRAY.reshape(3, 20, 2), {}, "X must be one series"),
        (IsolationForest(n_estimators=2), ARRAY.reshape(3, 20, 2), {}, "which scores rows"),
        (LSTMAutoencoder(**TINY | {"window_size": None}), ARRAY, {}, "window_size must be a numb"),
        (Unknown(), ARRAY, {}, "got no method _error_reach"),
        (make_pipeline(SequenceTransformer(StandardScaler(), per_series=True), MeanDetector()),
         ARRAY, {}, "per_series must be False"),
        (make_pipeline(FunctionTransformer(np.gradient, kw_args={"axis": 0}), MeanDetector()),
         ARRAY, {}, "treat every time step alone"),
        (make_pipeline(Differencer(fill="first"), MeanDetector()), ARRAY, {}, "fill must be"),
        (make_pipeline(Downsampler(factor=2), MeanDetector()), ARRAY, {}, "every time step alone"),
        (ScoreEnsemble([("one", make_pipeline(Differencer(), MeanDetector()))]), ARRAY, {},
         "Members must not be pipelines in which something is carried"),
        (OutlierClassifier(MeanDetector()), ARRAY, {}, "detector must be a fitted detector"),
        (FixedThresholdDetector(MeanDetector(), response_method="decision_function"), ARRAY, {},
         "response_method must be 'score_samples'"),
    ],
)  # fmt: skip
def test_what_cannot_be_scored_in_chunks_is_refused_at_once(detector, X, options, message):
    if hasattr(X, "columns"):
        detector.fit(FRAME.compute())
    elif isinstance(detector, OutlierClassifier):
        detector.fit(TRAIN, np.where(np.arange(len(TRAIN)) == 5, -1, 1))
    else:
        detector.fit(TRAIN)
    with pytest.raises((TypeError, ValueError), match=message):
        lazy.predict(detector, X, **options)


def test_unknown_chunks_are_refused_with_the_ways_to_know_them():
    detector = MeanDetector().fit(TRAIN)
    unknown = ARRAY[ARRAY[:, 0] > 0]
    with pytest.raises(ValueError, match=r"compute_chunk_sizes.*to_dask_array\(lengths=True\)"):
        lazy.score_samples(detector, unknown)
    found = lazy.score_samples(detector, unknown.compute_chunk_sizes()).compute()
    np.testing.assert_array_equal(found, detector.score_samples(unknown.compute()))


def test_wrong_lengths_and_missing_names_of_series_are_refused():
    detector = nearest().fit(FRAME.compute())
    with pytest.raises(ValueError, match="got 60 rows in place of 65. Use lengths=None"):
        lazy.score_samples(detector, FRAME, lengths=[25, 20, 20]).compute()
    unnamed = FRAME.assign(c=FRAME.a.where(FRAME.a > 0))
    with pytest.raises(ValueError, match="missing values in column 'c'"):
        lazy.score_samples(detector, unnamed, id_column="c")


def test_errors_of_data_tell_which_rows_they_are_about():
    X = make_series(60, 0)
    X[45, 1] = np.inf
    scores = lazy.score_samples(MeanDetector().fit(TRAIN), da.from_array(X, chunks=(20, 2)))
    with pytest.raises(ValueError, match="time step 5, feature 1") as caught:
        scores.compute()
    assert caught.value.__notes__ == ["This is about rows 40 to 60 of X, counted from 0."]


def test_a_worker_with_another_backend_says_what_to_set(monkeypatch):
    detector = LSTMAutoencoder(**TINY | {"max_epochs": 0}).fit(TRAIN)
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    scores = lazy.score_samples(detector, ARRAY)
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    monkeypatch.setattr("skanomaly._backend._installed", lambda package: True)
    with pytest.raises(RuntimeError, match="KERAS_BACKEND must be 'jax' on every worker"):
        scores.compute()
    monkeypatch.setattr("skanomaly._backend._installed", lambda package: False)
    with pytest.raises(ImportError, match=r"pip install 'skanomaly\[torch\]'"):
        scores.compute()


# ---------------------------------------------------------------------------------------- graphs


def test_the_detector_is_one_node_and_tasks_are_small_and_can_be_read():
    detector = nearest(max_windows=4000).fit(make_series(3000, 0))
    scores = lazy.score_samples(detector, da.from_array(make_series(2000, 1), chunks=(100, 2)))
    (optimised,) = dask.optimize(scores)
    sizes = {}
    for key, task in dict(optimised.dask).items():
        if key_split(key) != "array":
            sizes.setdefault(key_split(key), []).append(len(pickle.dumps(task)))
    large = [name for name, found in sizes.items() if max(found) > 10_000]
    assert large == ["NearestWindowDetector"]
    assert len(sizes["NearestWindowDetector"]) == 1
    assert "score_samples-NearestWindowDetector" in {key_split(key) for key in scores.dask}
    again = lazy.score_samples(detector, da.from_array(make_series(2000, 1), chunks=(100, 2)))
    assert again.name == scores.name


def test_short_chunks_are_joined_so_that_little_is_read_twice():
    detector = nearest().fit(TRAIN)
    scores = lazy.score_samples(detector, da.from_array(make_series(600, 1), chunks=(1, 2)))
    computed = [key for key in scores.dask if str(key[0]).startswith("score_samples-")]
    assert len(computed) == 11
    assert len(scores.chunks[0]) == 600


@given(st.integers(1, 300), st.integers(0, 100), st.integers(1, 40), st.integers(1, 20))
@settings(max_examples=30)
def test_products_of_rows_are_rounded_alike_wherever_they_stand(n, start, d, k):
    rng = np.random.default_rng(d)
    x, matrix = rng.normal(size=(500, d)), rng.normal(size=(k, d)).T
    whole = multiply_rows(x, matrix)
    np.testing.assert_allclose(whole, x @ matrix, rtol=1e-12, atol=1e-12)
    np.testing.assert_array_equal(multiply_rows(x[start : start + n], matrix), whole[start:][:n])


# ------------------------------------------------------------------------------------- processes


def test_a_cluster_of_processes_scores_as_in_memory(client):
    X = make_series(400, 2, gaps=True)
    detector = make_pipeline(Differencer(), StandardScaler(), LinearForecaster(lags=3)).fit(TRAIN)
    scores = lazy.score_samples(detector, da.from_array(X, chunks=(90, 2)))
    found = client.compute(scores).result(timeout=120)
    np.testing.assert_array_equal(found, detector.score_samples(X))
    frame = many_series("step")
    detector = PersistenceDetector().fit(pd.DataFrame(TRAIN, columns=["a", "b"]))
    X = dd.from_pandas(frame, npartitions=5)
    with dask.config.set(scheduler=client):
        labels = lazy.predict(detector, X, id_column="machine").compute()
    part = frame[frame["machine"] == "belt"]
    np.testing.assert_array_equal(labels[part.index], detector.predict(part[["a", "b"]]))


def test_networks_score_on_a_cluster_as_in_memory(client):
    detector = LSTMAutoencoder(**TINY | {"max_epochs": 1}).fit(TRAIN)
    X = make_series(400, 2, gaps=True)
    scores = lazy.score_samples(detector, da.from_array(X, chunks=(90, 2)))
    found = client.compute(scores).result(timeout=200)
    np.testing.assert_array_equal(found, detector.score_samples(X))
