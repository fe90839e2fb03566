"""Estimators come back from files as they were: scores, parameters, learning, text of the file."""

import functools
import inspect
import io
import pickle
import subprocess
import sys
import zipfile

import numpy as np
import pytest
import sklearn
from files import from_bytes, to_bytes
from sklearn.base import BaseEstimator, clone
from sklearn.compose import ColumnTransformer
from sklearn.covariance import EllipticEnvelope
from sklearn.ensemble import IsolationForest
from sklearn.frozen import FrozenEstimator
from sklearn.impute import SimpleImputer
from sklearn.model_selection import GridSearchCV, TimeSeriesSplit
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler
from sklearn.utils import all_estimators
from tiny import NETWORKS, TINY, by_class, tiny_detectors

from skanomaly import (
    LinearForecaster,
    LSTMAutoencoder,
    MeanDetector,
    NearestWindowDetector,
    ScoreEnsemble,
    detectors,
    make_detector,
    metrics,
    model_selection,
    preprocessing,
    thresholds,
)
from skanomaly._backend import load_keras
from skanomaly.exceptions import FileVersionWarning
from skanomaly.inspection import warn_if_identity
from skanomaly.model_selection import (
    ExpandingWindowSplit,
    FixedThresholdDetector,
    OutlierClassifier,
    OutlierScorer,
    TunedThresholdDetectorCV,
)
from skanomaly.persistence import _allowed, _files, load, save
from skanomaly.preprocessing import Differencer, Downsampler, SequenceTransformer, soft_clip


def there_and_back(estimator, trusted=()):
    """Save and load; all of the state is compared, by saving again."""
    content = to_bytes(estimator, trusted)
    loaded = from_bytes(content, trusted=trusted)
    assert to_bytes(loaded, trusted) == content
    assert repr(loaded) == repr(estimator)
    return loaded


def assert_scores_alike(loaded, estimator, X):
    np.testing.assert_array_equal(loaded.score_samples(X), estimator.score_samples(X))
    np.testing.assert_array_equal(loaded.predict(X), estimator.predict(X))


# ------------------------------------------------------------------------ every public estimator


@pytest.mark.parametrize("detector", tiny_detectors(), ids=by_class)
def test_detectors_score_as_before_and_learn_on_as_before(detector, series):
    detector.fit(series)
    loaded = there_and_back(detector)
    assert_scores_alike(loaded, detector, series)
    # Moments, seeds, numbers of epochs and the state of the optimizer go on where they were.
    detector.partial_fit(series[::-1])
    loaded.partial_fit(series[::-1])
    assert to_bytes(loaded) == to_bytes(detector)


def test_every_public_estimator_has_a_place_in_files():
    missing = []
    for module in (detectors, model_selection, preprocessing, thresholds):
        for name in module.__all__:
            one = getattr(module, name)
            concrete = inspect.isclass(one) and not inspect.isabstract(one)
            if concrete and hasattr(one, "get_params") and not _allowed.name_of(one, {}):
                missing.append(name)
    assert missing == []


def test_every_name_that_a_file_may_hold_exists():
    for name in _allowed._PLACES:
        thing = _allowed._get(name)
        assert _allowed.name_of(thing, {}) == name
        assert inspect.isclass(thing) or callable(thing)


def test_every_metric_that_is_a_function_of_labels_or_scores_may_be_in_a_scorer(series):
    for name in ("vus_pr", "nab_score", "point_precision_recall_f"):
        scorer = OutlierScorer(getattr(metrics, name), response="scores")
        detector = TunedThresholdDetectorCV(MeanDetector(), scoring=scorer)
        assert there_and_back(detector).scoring.metric is scorer.metric


@pytest.mark.parametrize("name", [n for n in thresholds.__all__ if n != "BaseThreshold"])
def test_threshold_selectors_label_as_before_and_follow_their_stream(name):
    scores = np.random.default_rng(0).exponential(size=600)
    options = {"value": 3.0} if name == "FixedThreshold" else {}
    options |= {"method": "pwm", "alpha": 0.01} if "SPOT" in name else {}
    selector = getattr(thresholds, name)(**options).fit(scores, np.where(scores > 3, -1, 1))
    loaded = there_and_back(selector)
    np.testing.assert_array_equal(loaded.predict(scores), selector.predict(scores))
    if hasattr(selector, "partial_fit"):
        assert to_bytes(loaded.partial_fit(scores)) == to_bytes(selector.partial_fit(scores))


@pytest.mark.parametrize(
    "transformer",
    [Differencer(lag=2), Downsampler(factor=2), SequenceTransformer(StandardScaler())],
    ids=by_class,
)
def test_transformers_of_series_act_as_before(transformer, ragged):
    transformer.fit(ragged)
    loaded = there_and_back(transformer)
    for one, other in zip(loaded.transform(ragged), transformer.transform(ragged), strict=True):
        np.testing.assert_array_equal(one, other)
    if hasattr(transformer, "inverse_transform"):
        back = loaded.inverse_transform(loaded.transform(ragged))
        np.testing.assert_allclose(np.concatenate(back), np.concatenate(ragged))


def listed_transformers():
    """Yield the transformers of scikit-learn that files may hold and that need no others."""
    for _, cls in all_estimators(type_filter="transformer"):
        name = _allowed.name_of(cls, {}) or ""
        if name.startswith("sklearn.") and cls not in (FeatureUnion, FrozenEstimator):
            if not name.startswith("sklearn.compose"):
                yield cls()


@pytest.mark.parametrize("transformer", list(listed_transformers()), ids=by_class)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_transformers_of_scikit_learn_act_as_before(transformer, series):
    if "n_quantiles" in transformer.get_params():
        transformer.set_params(n_quantiles=10)
    if "n_components" in transformer.get_params():
        transformer.set_params(n_components=1)
    if "quantile_method" in transformer.get_params():
        transformer.set_params(quantile_method="averaged_inverted_cdf")
    X = np.abs(np.round(series, 1))
    transformer.fit(X)
    for one, other in zip(
        map(np.asarray, rows(there_and_back(transformer), X)),
        map(np.asarray, rows(transformer, X)),
        strict=True,
    ):
        np.testing.assert_array_equal(one, other)


def rows(transformer, X):
    changed = transformer.transform(X)
    return changed.toarray() if hasattr(changed, "toarray") else changed


# ------------------------------------------------------------------------ what is put together


@pytest.fixture(scope="module")
def long_series():
    steps = np.arange(240)
    noise = np.random.default_rng(1).normal(size=(240, 2))
    X = np.column_stack([np.sin(steps / 3), np.cos(steps / 5)]) + 0.1 * noise
    X[[30, 90, 130, 170, 210]] += 4
    return X


@pytest.fixture(scope="module")
def labels(long_series):
    y = np.ones(len(long_series), dtype=int)
    y[[30, 90, 130, 170, 210]] = -1
    return y


def combined():
    linear = LinearForecaster(lags=3)
    yield make_pipeline(SequenceTransformer(StandardScaler()), Differencer(), linear)
    yield make_pipeline(
        FeatureUnion([("same", "passthrough"), ("change", Differencer())]), SimpleImputer(), linear
    )
    yield make_pipeline(FunctionTransformer(np.clip, kw_args={"a_min": -1, "a_max": 1}), linear)
    yield make_pipeline(FunctionTransformer(soft_clip, kw_args={"limit": 1}), linear)
    columns = ColumnTransformer([("one", StandardScaler(), [1])], remainder="passthrough")
    yield make_pipeline(columns.set_output(transform="default"), linear)
    yield FixedThresholdDetector(linear, threshold=thresholds.MADThreshold())
    yield TunedThresholdDetectorCV(
        linear, cv=ExpandingWindowSplit(3, window_size=4), store_cv_results=True
    )
    yield TunedThresholdDetectorCV(EllipticEnvelope(random_state=0), cv=TimeSeriesSplit(3))
    seen = MeanDetector().fit(np.arange(40.0).reshape(20, 2))
    yield FixedThresholdDetector(FrozenEstimator(seen), threshold=30.0)
    yield OutlierClassifier(linear)
    yield ScoreEnsemble(
        [
            ("linear", linear),
            ("nearest", make_pipeline(StandardScaler(), NearestWindowDetector(window_size=8))),
            ("rows", EllipticEnvelope(random_state=0)),
            ("none", "drop"),
        ],
        spans=(1, 4),
    )


@pytest.mark.parametrize("estimator", list(combined()), ids=by_class)
def test_combinations_score_as_before(estimator, long_series, labels):
    estimator.fit(long_series, labels)
    loaded = there_and_back(estimator)
    ask = "decision_function"
    np.testing.assert_array_equal(
        getattr(loaded, ask)(long_series), getattr(estimator, ask)(long_series)
    )
    np.testing.assert_array_equal(loaded.predict(long_series), estimator.predict(long_series))
    clone(loaded).fit(long_series, labels)


def test_the_recommended_detector_scores_as_before(series):
    detector = make_detector(series, training_windows=50, random_state=0)
    for name in ("forecaster", "autoencoder"):
        detector.set_params(**{f"detect__{name}__hidden_units": 2})
    detector.fit(series)
    assert_scores_alike(there_and_back(detector), detector, series)


def test_one_object_in_two_places_stays_one(series):
    members = [("linear", LinearForecaster(lags=2))]
    loaded = there_and_back(ScoreEnsemble(members, spans=None).fit(series))
    assert loaded.named_estimators_["linear"] is loaded.estimators_[0]


@pytest.mark.parametrize("kind", ["panel", "ragged"])
def test_detectors_of_panels_keep_both_thresholds(kind, request):
    X = request.getfixturevalue(kind)
    detector = LinearForecaster(lags=3, score_norm="mahalanobis").fit(X)
    loaded = there_and_back(detector)
    assert_scores_alike(loaded, detector, X)
    for one, other in zip(loaded.predict_timesteps(X), detector.predict_timesteps(X), strict=True):
        np.testing.assert_array_equal(one, other)


def test_gaps_names_of_features_and_unfitted_estimators_are_kept(series):
    pandas = pytest.importorskip("pandas")
    series[5:9, 0] = np.nan
    frame = pandas.DataFrame(series, columns=["a", "b"])
    detector = LinearForecaster(lags=2, feature_weights=[1, 2]).fit(frame)
    loaded = there_and_back(detector)
    assert loaded.feature_names_in_.tolist() == ["a", "b"]
    assert_scores_alike(loaded, detector, frame)
    fresh = from_bytes(to_bytes(LSTMAutoencoder(random_state=np.random.RandomState(3))))
    assert fresh.random_state.randint(10**9) == np.random.RandomState(3).randint(10**9)


def test_memory_order_of_arrays_is_kept():
    class Holder(BaseEstimator):
        pass

    holder = Holder()
    values = np.arange(12.0).reshape(3, 4)
    holder.a_, holder.b_, holder.c_ = values, values.T, values[::2, ::-2]
    loaded = there_and_back(holder, trusted=[Holder])
    for name in ("a_", "b_", "c_"):
        one, other = getattr(loaded, name), getattr(holder, name)
        np.testing.assert_array_equal(one, other)
        assert one.flags.writeable
        assert one.flags.f_contiguous == other.flags.f_contiguous


def test_values_of_every_plain_kind_come_back():
    class Holder(BaseEstimator):
        pass

    holder = Holder()
    plain = [None, True, 3, -0.0, 1e-300, np.inf, -np.inf, "ü\n\x00", (1, (2,)), {1, 2}, [[]]]
    plain += [{"a": 1, 2: "b", (1, None): [], np.int64(3): 4, np.int64(4): 5}, slice(1, None)]
    plain += [np.float32, np.dtype("int16"), np.float64(0.1), np.bool_(True), np.array(3.5), object]
    plain += [np.array(["a", None, 1.5], dtype=object), np.array([["a", "bcd"]]), np.zeros((0, 3))]
    plain += [np.arange(3, dtype=">i4"), functools.partial(np.clip, a_min=0), np.log1p]
    holder.values_ = plain
    loaded = there_and_back(holder, trusted=[Holder]).values_
    assert [type(one) for one in loaded] == [type(one) for one in plain]
    for one, other in zip(loaded, plain, strict=True):
        if isinstance(one, np.ndarray):
            np.testing.assert_array_equal(one, other)
        elif not isinstance(one, functools.partial):
            assert one == other
    assert np.isnan(there_and_back(SimpleImputer()).missing_values)
    assert there_and_back(OneHotEncoder(dtype=np.float32)).dtype is np.float32


# ------------------------------------------------------------------------ what Keras makes


def keras_things():
    keras = load_keras()
    schedule = keras.optimizers.schedules.ExponentialDecay(0.01, 10, 0.9)
    yield {"optimizer": keras.optimizers.Adam(schedule, clipnorm=1.0)}
    yield {"optimizer": keras.optimizers.SGD(0.01, momentum=0.5), "loss": keras.losses.LogCosh()}
    yield {"loss": keras.losses.mean_absolute_error}


@pytest.mark.contract
@pytest.mark.parametrize("number", range(3))
def test_optimizers_and_losses_of_keras_are_made_again(number):
    things = list(keras_things())[number]
    detector = LSTMAutoencoder(**TINY, **things)
    loaded = from_bytes(to_bytes(detector))
    for name, thing in things.items():
        again = getattr(loaded, name)
        assert type(again) is type(thing)
        if hasattr(thing, "get_config"):
            assert again.get_config() == thing.get_config()


@pytest.mark.contract
def test_a_network_scores_as_before_on_the_backend_that_made_it(series):
    detector = NETWORKS[0](**TINY).fit(series)
    np.testing.assert_array_equal(
        from_bytes(to_bytes(detector)).score_samples(series), detector.score_samples(series)
    )


LOAD = """
import sys
from skanomaly.persistence import load
print(type(load(sys.argv[1])).__name__, "keras" in sys.modules)
"""


def test_loading_a_network_imports_no_keras(tmp_path):
    path = tmp_path / "detector.skanomaly"
    save(LSTMAutoencoder(), path)
    done = subprocess.run(
        [sys.executable, "-c", LOAD, str(path)], capture_output=True, text=True, timeout=300
    )
    assert done.stdout.split() == ["LSTMAutoencoder", "False"], done.stderr


# ------------------------------------------------------------------------ what is refused


def own_loss(y_true, y_pred):
    return (y_true - y_pred) ** 2


class OwnTransformer(BaseEstimator):
    def fit(self, X, y=None):
        self.mean_ = np.mean(X)
        return self

    def transform(self, X):
        return X - self.mean_


def test_own_classes_and_functions_are_handed_in_twice(series):
    own = [own_loss, OwnTransformer]
    pipeline = make_pipeline(OwnTransformer(), LSTMAutoencoder(**TINY, loss=own_loss))
    pipeline[0].fit(series)
    with pytest.raises(TypeError, match=r"Pipeline.steps\[0\]\[1\] must be one of.*OwnTransformer"):
        save(pipeline, io.BytesIO())
    loaded = there_and_back(pipeline, trusted=own)
    assert loaded[1].loss is own_loss
    assert loaded[0].mean_ == pipeline[0].mean_
    with pytest.raises(ValueError, match="known classes and functions.*trusted"):
        from_bytes(to_bytes(pipeline, trusted=own))


def not_to_be_saved(series):
    keras = load_keras()
    tiny = LSTMAutoencoder(**TINY)
    forest = IsolationForest(n_estimators=2).fit(series)
    marked = MeanDetector()
    marked.note = "mine"
    hiding = MeanDetector()
    hiding._expected = "mine"
    nested = ScoreEnsemble([("a", MeanDetector())])
    for _ in range(40):
        nested = ScoreEnsemble([("a", nested)])
    looped = MeanDetector()
    looped.loop_ = [[]]
    looped.loop_[0].append(looped.loop_)
    search = GridSearchCV(MeanDetector(), {"contamination": [0.1]})
    cached = make_pipeline(MeanDetector(), memory="folder")
    yield clone(tiny).set_params(after_fit=lambda *_: None), TypeError, "after_fit must.*to None"
    yield clone(tiny).set_params(callbacks=[keras.callbacks.Callback()]), TypeError, r"callbacks\[0"
    yield clone(tiny).set_params(loss=own_loss), TypeError, "loss must.*trusted"
    yield clone(tiny).set_params(loss=keras.losses.Huber(0.5)), TypeError, "no delta"
    yield forest, TypeError, "IsolationForest must be.*joblib"
    yield search, TypeError, "Save its best_estimator_"
    yield marked, ValueError, "got 'note', which is neither"
    yield hiding, ValueError, "got '_expected', which .*hide"
    yield nested, ValueError, "nested at most 100"
    yield looped, TypeError, "must not contain itself"
    yield cached, ValueError, "memory of Pipeline must be None"
    yield MeanDetector(contamination=-1.0), ValueError, "contamination"
    yield MeanDetector, TypeError, "instance of an estimator class"
    yield [MeanDetector()], TypeError, "instance of an estimator class"
    yield MeanDetector(feature_weights=[1j]), TypeError, "complex"
    yield MeanDetector(feature_weights=np.ones(2, complex)), TypeError, "dtypes.*got complex128"


@pytest.mark.parametrize("number", range(16))
def test_what_cannot_be_loaded_again_is_not_saved(number, series, tmp_path):
    estimator, kind, message = list(not_to_be_saved(series))[number]
    with pytest.raises(kind, match=message):
        save(estimator, tmp_path / "it.skanomaly")
    assert list(tmp_path.iterdir()) == []


def test_trusted_are_classes_and_functions_of_different_names():
    with pytest.raises(TypeError, match="trusted must be .*; got str"):
        save(MeanDetector(), io.BytesIO(), trusted=["own_loss"])
    twin = type("OwnTransformer", (), {"__module__": OwnTransformer.__module__})
    with pytest.raises(ValueError, match="different names"):
        load(io.BytesIO(), trusted=[twin, OwnTransformer])


def test_a_function_of_ours_needs_no_trust():
    detector = MeanDetector(after_fit=functools.partial(warn_if_identity, random_state=1))
    assert there_and_back(detector).after_fit.func is warn_if_identity


# ------------------------------------------------------------------------ files


def test_detectors_save_themselves_to_paths_and_files(series, tmp_path):
    detector = MeanDetector().fit(series)
    for path in (tmp_path / "a.skanomaly", str(tmp_path / "b")):
        detector.save(path)
        assert_scores_alike(load(path), detector, series)
    with open(tmp_path / "c", "wb") as file:
        detector.save(file)
    with open(tmp_path / "c", "rb") as file:
        assert_scores_alike(load(file), detector, series)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.skanomaly", "b", "c"]


def test_equal_estimators_make_equal_files_that_other_programs_can_read(series):
    content = to_bytes(LinearForecaster(lags=2).fit(series))
    assert content == to_bytes(LinearForecaster(lags=2).fit(series))
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == ["manifest.json", "object.json", "arrays.safetensors"]


def test_a_file_is_about_as_large_as_a_pickle():
    detector = NearestWindowDetector(window_size=20).fit(
        np.random.default_rng(0).normal(size=(500, 1))
    )
    assert len(to_bytes(detector)) < len(pickle.dumps(detector)) + 2000


@pytest.mark.parametrize(
    ("package", "estimator", "warns"),
    [
        ("skanomaly", MeanDetector(), True),
        ("scikit-learn", MeanDetector(), False),
        ("scikit-learn", StandardScaler(), True),
        ("numpy", StandardScaler(), False),
    ],
)
def test_other_versions_of_what_is_in_a_file_are_told(package, estimator, warns, monkeypatch):
    here = _files._versions()
    monkeypatch.setattr(_files, "_versions", lambda: here | {package: "0.0.1"})
    content = to_bytes(estimator)
    monkeypatch.setattr(_files, "_versions", lambda: here)
    if not warns:
        from_bytes(content)
        return
    with pytest.warns(FileVersionWarning, match=rf"written by {package} 0\.0\.1; here is"):
        from_bytes(content)


def test_a_parameter_that_came_later_gets_its_default(monkeypatch):
    detector = MeanDetector()
    del detector.smoothing_span
    monkeypatch.setattr(_allowed, "check_parameters", lambda _: None)
    monkeypatch.setattr("skanomaly.persistence._encode.check_parameters", lambda _: None)
    assert from_bytes(to_bytes(detector)).smoothing_span == 16


def test_versions_in_the_file_are_those_installed():
    assert _files._versions()["scikit-learn"] == sklearn.__version__
