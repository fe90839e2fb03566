"""Networks of the user's own: built by a function, otherwise detectors like all others."""

import copy
import functools
import pickle
import random

import numpy as np
import own_builders
import pytest
from own_builders import ALL, attention, conv, dense, forecaster, gru, keras, normalised
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, TimeSeriesSplit
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import skanomaly
from skanomaly import KerasDetector, networks
from skanomaly.builders import Builder, content_key
from skanomaly.export import export_onnx
from skanomaly.inspection import feature_contributions, identity_report
from skanomaly.reseeding import draw_weights
from skanomaly.windows import Reach

layers = keras.layers

TINY = {"window_size": 8, "max_epochs": 1, "batch_size": 16, "random_state": 0}
UNTRAINED = TINY | {"max_epochs": 0}


def identity(x, n_features):
    return x


@pytest.fixture
def compilations(monkeypatch):
    """List of the networks compiled from here on, the store of idle models being empty."""
    compiled = []
    original = networks._compile

    def count(network, *how):
        compiled.append(network)
        return original(network, *how)

    monkeypatch.setattr(networks, "_compile", count)
    monkeypatch.setattr(networks, "_idle", type(networks._idle)())
    return compiled


# --------------------------------------------------------------------------------- determinism


@pytest.mark.contract
@pytest.mark.parametrize("build", ALL, ids=lambda build: build.__name__)
def test_random_state_determines_everything_and_nothing_global_changes(build, series):
    detector = KerasDetector(build, **TINY)
    random.seed(1)
    before, numpy_before = random.getstate(), np.random.get_state()[1].copy()
    scores, weights = detector.fit(series).score_samples(series), detector.weights_
    assert detector.model_.count_params() == sum(w.size for w in weights)
    assert random.getstate() == before
    np.testing.assert_array_equal(np.random.get_state()[1], numpy_before)
    random.seed(2)
    again = clone(detector).fit(series)
    for one, other in zip(again.weights_, weights, strict=True):
        np.testing.assert_array_equal(one, other)
    np.testing.assert_array_equal(again.score_samples(series), scores)
    other = clone(detector).set_params(random_state=1, max_epochs=0).fit(series)
    assert any((one != first).any() for one, first in zip(other.weights_, weights, strict=True))
    assert np.isfinite(scores).all()
    assert scores.shape == (60,)


def make(build, shape=(8, 2)):
    """Return what makes a model of a builder."""

    def make_model():
        x = keras.Input(shape)
        return keras.Model(x, build(x, shape[-1]))

    return make_model


def draw(build, seed=0):
    return draw_weights(make(build), np.random.RandomState(seed))


def test_every_random_weight_of_nested_layers_is_drawn_again():
    def nested(x, n_features):
        y = layers.Bidirectional(layers.SimpleRNN(1, return_sequences=True))(x)
        y = layers.TimeDistributed(keras.Sequential([layers.Dense(3), layers.PReLU()]))(y)
        return layers.SeparableConv1D(n_features, 3, padding="same")(y)

    random.seed(0)
    weights = draw(nested)
    assert sum(w.any() for w in weights) == 7  # all but biases and slopes
    random.seed(1)
    for one, other in zip(draw(nested), weights, strict=True):
        np.testing.assert_array_equal(one, other)


def test_drawn_weights_are_of_the_distribution_that_the_layer_names():
    def wide(x, n_features):
        return layers.Dense(400, kernel_initializer=keras.initializers.RandomNormal(3.0, 0.5))(x)

    kernel, bias = draw(wide)
    assert kernel.mean() == pytest.approx(3.0, abs=0.1)
    assert kernel.std() == pytest.approx(0.5, abs=0.05)
    assert not bias.any()
    forget = draw(lambda x, n: layers.LSTM(2)(x))[2]
    np.testing.assert_array_equal(forget, [0, 0, 1, 1, 0, 0, 0, 0])


def test_weights_with_a_seed_or_loaded_stay():
    loaded = np.random.default_rng(0).normal(size=(2, 3)).astype(np.float32)

    def build(x, n_features):
        first = layers.Dense(3)
        y = first(x)
        first.set_weights([loaded, np.ones(3)])
        seeded = keras.initializers.GlorotUniform(seed=5)
        return layers.Dense(n_features, kernel_initializer=seeded)(y)

    kernel, bias, seeded, _ = draw(build)
    np.testing.assert_array_equal(kernel, loaded)
    np.testing.assert_array_equal(bias, np.ones(3))
    np.testing.assert_array_equal(seeded, draw(build, seed=1)[2])


class Gain(keras.Layer):
    """A layer of the user's; `keep` is how it keeps the initializer of its weight."""

    def __init__(self, initializer, keep):
        super().__init__()
        self.own = keras.initializers.get(initializer)
        if keep:
            self.gain_initializer = self.own

    def build(self, shape):
        self.gain = self.add_weight(shape=shape[-1:], initializer=self.own, name="gain")

    def call(self, x):
        return x * self.gain


def test_a_layer_of_the_user_keeps_its_initializer_or_is_refused():
    (ones,) = draw(lambda x, n: Gain("ones", keep=False)(x))
    np.testing.assert_array_equal(ones, [1, 1])
    (gain,) = draw(lambda x, n: Gain("random_normal", keep=True)(x))
    np.testing.assert_array_equal(gain, draw(lambda x, n: Gain("random_normal", True)(x))[0])
    with pytest.raises(ValueError, match=r"random weight 'gain.*/gain'.*Set self.gain_initializer"):
        draw(lambda x, n: Gain("random_normal", keep=False)(x))


@pytest.mark.contract
def test_moving_means_are_weights_and_are_used(series):
    detector = KerasDetector(normalised, **TINY).fit(series + 5)
    moving = detector.weights_[4:6]
    assert moving[0].all()  # they begin at 0
    scores = detector.score_samples(series + 5)
    detector.weights_ = [*detector.weights_[:4], moving[0] + 1, *detector.weights_[5:]]
    assert (detector.score_samples(series + 5) != scores).any()


# --------------------------------------------------------------------------- forms of the data


@pytest.mark.contract
def test_panels_lists_and_gaps(panel, ragged, series):
    gaps = series.copy()
    gaps[10:13, 0] = gaps[30] = np.nan
    detector = KerasDetector(conv, **TINY | {"early_stopping": True, "max_epochs": 2}).fit(gaps)
    errors = -detector.score_features(gaps)
    np.testing.assert_array_equal(np.isnan(errors), np.isnan(gaps))
    assert detector.predict(gaps)[30] == 1
    assert detector.weights_[0].shape == (3, 4, 3)  # it reads two values and whether they are there
    assert set(detector.history_) == {"loss", "val_loss"}
    detector = KerasDetector(conv, **TINY).fit(panel)
    assert detector.predict(panel).shape == (4,)
    assert [len(scores) for scores in detector.score_timesteps(ragged)] == [25, 12, 23]


@pytest.mark.contract
def test_without_a_mask_a_short_series_is_filled_with_its_last_value(series):
    detector = KerasDetector(conv, **TINY).fit(series)
    short = series[:5]
    filled = np.concatenate([short, np.repeat(short[-1:], 3, axis=0)])
    said = np.asarray(detector.model_.predict_on_batch(filled[None].astype(np.float32)))[0, :5]
    np.testing.assert_allclose(detector.reconstruct(short), said, atol=1e-5)
    beside = detector.reconstruct([series, short])[1]
    np.testing.assert_allclose(beside, said, atol=1e-5)


def test_a_mask_hides_what_a_series_lacks(ragged):
    def around_the_mean(x, n_features, mask=None):
        ops = keras.ops
        exists = ops.ones_like(x) if mask is None else ops.cast(mask[:, :, None], "float32")
        mean = ops.sum(x * exists, axis=1) / ops.sum(exists, axis=1)
        return layers.Dense(n_features)(x - ops.expand_dims(mean, 1))

    detector = KerasDetector(around_the_mean, **TINY | {"window_size": None}).fit(ragged)
    assert detector.model_.input_shape == (None, None, 2)
    for part, reconstruction in zip(ragged, detector.reconstruct(ragged), strict=True):
        said = np.asarray(detector.model_.predict_on_batch(part[None].astype(np.float32)))[0]
        np.testing.assert_allclose(reconstruction, said, atol=1e-5)


def test_a_score_depends_on_the_windows_that_cover_the_step_alone(series):
    detector = KerasDetector(attention, **TINY | {"stride": 3}).fit(series)
    assert detector._reach() == Reach(before=7, after=8, align=3, shortest=8)
    scores = detector.score_samples(series)
    changed = series.copy()
    changed[30] += 1.0
    touched = np.flatnonzero(np.abs(detector.score_samples(changed) - scores) > 1e-6)
    assert touched.min() >= 23
    assert touched.max() <= 37


# ---------------------------------------------------------------------------------- forecasts


@pytest.mark.contract
def test_a_causal_network_forecasts_and_gaps_tell_nothing_of_what_comes(series):
    options = TINY | {"causal": True, "aggregation": "last"}
    detector = KerasDetector(forecaster, **options).fit(series)
    expected = detector.reconstruct(series)
    changed = series.copy()
    changed[30:] += 1.0
    np.testing.assert_allclose(detector.reconstruct(changed)[:31], expected[:31], atol=1e-5)
    gaps = series.copy()
    gaps[:20] = np.nan
    detector = KerasDetector(forecaster, **options | {"max_epochs": 0}).fit(gaps)
    other = gaps.copy()
    other[20] += 1.0
    np.testing.assert_array_equal(detector.reconstruct(other)[:21], detector.reconstruct(gaps)[:21])


def test_a_network_that_looks_ahead_is_no_forecaster(series):
    for build in (conv, gru):  # both read the step itself
        with pytest.raises(ValueError, match=r"forecasts with causal=True.*ZeroPadding1D\(\(1, 0"):
            KerasDetector(build, **UNTRAINED, causal=True).fit(series)


# --------------------------------------------------------------------------------- parameters


def test_parameters_of_the_builder_are_parameters_of_the_detector():
    detector = KerasDetector(conv, build_params={"filters": 5})
    assert detector.get_params(deep=False)["build_params"] == {"filters": 5}
    params = detector.get_params()
    assert (params["build__filters"], params["build__kernel_size"]) == (5, 3)
    given = detector.build_params
    detector.set_params(build__kernel_size=7, window_size=9)
    assert detector.build_params == {"filters": 5, "kernel_size": 7}
    assert given == {"filters": 5}
    assert clone(detector).get_params()["build__kernel_size"] == 7
    detector.set_params(build=gru, build__units=2, build_params=None)
    assert (detector.build, detector.build_params) == (gru, {"units": 2})
    with pytest.raises(ValueError, match=r"are \['units'\]; got \['filters'\]. Correct the names"):
        detector.set_params(build__filters=2)
    with pytest.raises(ValueError, match="Invalid parameter 'units'"):
        detector.set_params(units=2)
    detector = KerasDetector(functools.partial(conv, filters=2))
    assert detector.get_params()["build__filters"] == 2


def test_a_grid_search_in_a_pipeline_varies_the_builder(series):
    pipeline = make_pipeline(StandardScaler(), KerasDetector(conv, **UNTRAINED))
    grid = {"kerasdetector__build__filters": [1, 4], "kerasdetector__build__kernel_size": [3]}
    search = GridSearchCV(pipeline, grid, cv=TimeSeriesSplit(2, gap=8)).fit(series)
    assert len(search.cv_results_["params"]) == 2
    best = search.best_estimator_[-1]
    assert best.weights_[0].shape == (3, 2, search.best_params_["kerasdetector__build__filters"])


def test_partial_fit_goes_on(series):
    detector = KerasDetector(normalised, **TINY)
    whole = clone(detector).set_params(max_epochs=2).fit(series)
    detector.partial_fit(series).partial_fit(series)
    for one, other in zip(detector.weights_, whole.weights_, strict=True):
        np.testing.assert_array_equal(one, other)


# ------------------------------------------------------------------------------------- errors


def wrong_shape(x, n_features):
    return layers.Dense(n_features + 1)(x)


def too_short(x, n_features):
    return layers.Conv1D(n_features, 3)(x)


def a_model(x, n_features):
    return keras.Sequential([layers.Dense(n_features)])


def nothing(x, n_features):
    layers.Dense(n_features)(x)


def one_argument(x):
    return x


SHARED = layers.Dense(2)


def shared_layer(x, n_features):
    return SHARED(x)


calls = []


def changing(x, n_features):
    calls.append(x)
    return layers.Dense(n_features)(layers.Dense(len(calls))(x))


@pytest.mark.parametrize(
    ("build", "params", "message"),
    [
        (wrong_shape, None, r"of the shape of the windows, \(None, 8, 2\); got .* \(None, 8, 3\)"),
        (too_short, None, r"\(None, 8, 2\); got float32 of shape \(None, 6, 2\). End the network"),
        (a_model, None, "got Sequential. Return model.x., not the model"),
        (nothing, None, "got NoneType. Return y"),
        (identity, None, "with weights to train; got none. Give it a layer"),
        (one_argument, None, r"build must take x and n_features.*got the signature \(x\)"),
        (conv, {"units": 3}, r"are \['filters', 'kernel_size'\]; got \['units'\]. Correct"),
        (gru, {"mask": None}, r"build_params must name parameters of build.*got \['mask'\]"),
        (shared_layer, None, "must make new layers each time.*Make them inside the function"),
        (changing, None, "must make the same network each time it is called; got weights"),
        (dict, None, "build must be a function whose signature Python can tell; got <class 'dict'"),
    ],
)
def test_what_a_builder_does_wrong_is_told(build, params, message, series):
    with pytest.raises(ValueError, match=message):
        KerasDetector(build, build_params=params, **UNTRAINED).fit(series)


def test_parameters_of_wrong_types_are_refused(series):
    with pytest.raises(ValueError, match="The 'build' parameter of KerasDetector must be a callab"):
        KerasDetector("conv", **UNTRAINED).fit(series)
    with pytest.raises(ValueError, match="The 'build_params' parameter of KerasDetector must be"):
        KerasDetector(conv, build_params=[3], **UNTRAINED).fit(series)


def test_an_error_in_the_builder_comes_with_how_it_was_called(ragged):
    with pytest.raises(Exception, match=".") as caught:  # of a type that Keras chooses
        KerasDetector(dense, **TINY | {"window_size": None}).fit(ragged)
    (note,) = caught.value.__notes__
    assert "raised by build=dense, called with x of shape (None, None, 2)" in note
    assert "x.shape[1] is None where whole series" in note


def test_a_network_that_changed_after_fit_is_refused(series):
    detector = KerasDetector(conv, **UNTRAINED).fit(series)
    detector.set_params(build__filters=9)
    with pytest.raises(ValueError, match="must be the one that was trained, with weights of shap"):
        detector.score_samples(series)


# ------------------------------------------------------------------------ models that are kept

UNITS = 3


def helper(units):
    return layers.Dense(units)


def names_a_global(x, n_features):
    return layers.Dense(n_features)((lambda y: helper(UNITS)(y))(x))


def test_the_same_builder_with_the_same_parameters_is_compiled_once(compilations, series):
    def fit(**params):
        KerasDetector(conv, build_params=params, **UNTRAINED).fit(series)
        return len(compilations)

    assert fit(filters=2) == fit(filters=2) == 1
    assert fit(filters=3) == 2


def test_builders_are_equal_only_if_they_build_the_same(monkeypatch):
    def closure(units):
        return lambda x, n_features: layers.Dense(n_features)(layers.Dense(units)(x))

    def of(build, **params):
        return Builder.of(build, params)

    assert of(conv) == of(copy.deepcopy(conv)) != of(gru)
    assert of(conv, filters=2) == of(conv, filters=2) != of(conv, filters=3)
    assert of(closure(2)) == of(closure(2)) != of(closure(3))
    assert of(functools.partial(conv, filters=2)) == of(functools.partial(conv, filters=2))
    assert of(functools.partial(conv, filters=2)) != of(functools.partial(conv, filters=3))
    assert of(own_builders.Named()) == of(own_builders.Named()) != of(dense)
    before = of(names_a_global)
    assert before == of(names_a_global)
    monkeypatch.setitem(globals(), "UNITS", 4)
    assert of(names_a_global) != before
    assert [of(build).__name__ for build in (conv, closure(2), functools.partial(conv))] == [
        "conv",
        "lambda",
        "conv",
    ]


def test_values_are_told_apart_by_type_and_content():
    key = content_key
    for one, other in [
        (1, True),
        (1, 1.0),
        (0.0, -0.0),
        ([1], (1,)),
        ({"a": 1}, {"a": 2}),
        (np.zeros(2), np.zeros(2, np.float32)),
        (keras.initializers.Constant(1.0), keras.initializers.Constant(2.0)),
        (lambda: 1, lambda: 2),
        (lambda a=1: a, lambda a=2: a),
        (random.Random, np.random.RandomState),
    ]:
        assert key(one) == key(one)
        assert hash(key(one)) == hash(key(one))
        assert key(one) != key(other)
    assert key([1, {"a": np.ones(2)}]) == key([1, {"a": np.ones(2)}])
    assert key(float("nan")) == key(float("nan"))
    assert key(recursive) == key(recursive)


def recursive(n):
    return n and recursive(n - 1)


# --------------------------------------------------------------------- around a fitted detector


@pytest.fixture(scope="module")
def fitted():
    steps = np.arange(60)
    X = np.column_stack([np.sin(steps / 3), np.cos(steps / 5)])
    return KerasDetector(conv, **TINY, aggregation="last").fit(X), X


def test_pickles_of_functions_in_modules(fitted):
    detector, X = fitted
    again = pickle.loads(pickle.dumps(detector))  # noqa: S301
    np.testing.assert_array_equal(again.score_samples(X), detector.score_samples(X))
    with pytest.raises((pickle.PicklingError, AttributeError)):
        pickle.dumps(KerasDetector(lambda x, n_features: x))


def test_a_file_holds_the_name_of_a_trusted_builder(fitted, tmp_path):
    detector, X = fitted
    path = tmp_path / "own.skanomaly"
    with pytest.raises(TypeError, match=r"KerasDetector.build must be one of.*trusted=\[...\]"):
        detector.save(path)
    detector.save(path, trusted=[conv])
    with pytest.raises(skanomaly.exceptions.FileFormatError, match="own_builders.conv"):
        skanomaly.load(path)
    again = skanomaly.load(path, trusted=[conv])
    assert again.build is own_builders.conv
    np.testing.assert_array_equal(again.score_samples(X), detector.score_samples(X))


def test_onnx_is_refused(fitted, tmp_path):
    pytest.importorskip("onnx")
    with pytest.raises(TypeError, match=r"got KerasDetector. Its network.*model_.export\("):
        export_onnx(fitted[0], tmp_path / "own.onnx")


@pytest.mark.contract
def test_a_stream_says_what_score_samples_says(fitted):
    detector, X = fitted
    stream = detector.stream()
    assert stream.engine_used == "keras"
    scores = np.concatenate([stream.update(X[:20]).score, stream.update(X[20:]).score])
    assert np.isnan(scores[:7]).all()
    np.testing.assert_allclose(scores[7:], detector.score_samples(X)[7:], rtol=1e-4, atol=1e-6)
    with pytest.raises(ValueError, match="engine must be 'auto' for a KerasDetector.*got 'numpy'"):
        detector.stream(engine="numpy")


def test_reports_and_contributions(fitted):
    detector, X = fitted
    report = identity_report(detector, X, random_state=0)
    assert {"detector", "untrained", "persistence", "mean"} <= set(report.errors)
    contributions = feature_contributions(detector, X)
    np.testing.assert_allclose(
        np.asarray(contributions).sum(axis=1), -detector.score_samples(X), rtol=1e-5
    )
