"""The LSTM layer against that of Keras, whichever kernel runs."""

import itertools

import numpy as np
import pytest
from tiny import TINY

from skanomaly import LSTMAutoencoder, networks
from skanomaly._backend import load_keras
from skanomaly.detectors import Seq2SeqLSTMAutoencoder
from skanomaly.layers import LSTM, EnsembleLSTM, kernels

pytestmark = pytest.mark.contract
keras = load_keras()
NO_KERNEL = kernels.obstacle()
fused = pytest.mark.skipif(NO_KERNEL is not None, reason=f"no fused kernel: {NO_KERNEL}")
BATCH, STEPS, N, UNITS = 5, 6, 3, 7
rng = np.random.default_rng(0)
X = rng.normal(size=(BATCH, STEPS, N)).astype(np.float32)
MASK = rng.random((BATCH, STEPS)) < 0.6
MASK[0] = False
STATE = [rng.normal(size=(BATCH, UNITS)).astype(np.float32) for _ in range(2)]


def both(kernel="fused", **options):
    """Make our layer and that of Keras with the same weights."""
    ours, theirs = LSTM(UNITS, kernel=kernel, **options), keras.layers.LSTM(UNITS, **options)
    for layer in (ours, theirs):
        layer.build(X.shape)
    values = [rng.normal(size=w.shape).astype(np.float32) for w in ours.get_weights()]
    ours.set_weights(values)
    theirs.set_weights(values)
    return ours, theirs


def arrays(said):
    said = said if isinstance(said, (list, tuple)) else [said]
    return [keras.ops.convert_to_numpy(tensor) for tensor in said]


@fused
@pytest.mark.parametrize(
    ("sequences", "backwards", "zero"), list(itertools.product([False, True], repeat=3))
)
@pytest.mark.parametrize("mask", [None, MASK], ids=["full", "masked"])
@pytest.mark.parametrize("state", [None, STATE], ids=["zero state", "state given"])
def test_outputs_and_states_equal_those_of_keras(sequences, backwards, zero, mask, state):
    ours, theirs = both(
        return_sequences=sequences,
        return_state=True,
        go_backwards=backwards,
        zero_output_for_mask=zero,
    )
    said = [arrays(layer(X, mask=mask, initial_state=state)) for layer in (ours, theirs)]
    assert ours.kernel_used == "fused"
    for mine, other in zip(*said, strict=True):
        np.testing.assert_allclose(mine, other, atol=3e-6)


def trained(layer, masked):
    """Take two steps of training; return all weights."""
    x, mask = keras.Input((None, N)), keras.Input((None,), dtype="bool")
    outputs, h, c = layer(x, mask=mask if masked else None)
    y = keras.ops.sum(outputs, axis=(1, 2)) + keras.ops.sum(h * c, axis=1)
    model = keras.Model([x, mask] if masked else x, y)
    model.compile(optimizer=keras.optimizers.SGD(0.01), loss="mse")
    for _ in range(2):
        model.train_on_batch([X, MASK] if masked else X, np.ones(BATCH, np.float32))
    return model.get_weights()


DROPPED = {
    "inputs": {"dropout": 0.3},
    "states": {"recurrent_dropout": 0.4},
    "both": {"dropout": 0.3, "recurrent_dropout": 0.4},
    "all": {"dropout": 1.0, "recurrent_dropout": 1.0},
}


@fused
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("options", DROPPED.values(), ids=DROPPED)
def test_training_equals_that_of_keras(masked, options):
    options = {"go_backwards": masked, **options}
    layers = both(return_sequences=True, return_state=True, seed=1, **options)
    ours, theirs = (trained(layer, masked) for layer in layers)
    assert layers[0].kernel_used == "fused"
    for mine, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(mine, other, atol=1e-5)


@fused
def test_dropout_goes_on_as_in_keras_from_the_states_given():
    ours, theirs = both(return_state=True, dropout=0.2, recurrent_dropout=0.4, seed=1)
    for _ in range(2):  # each call draws anew
        said = [
            arrays(layer(X, mask=MASK, initial_state=STATE, training=True))
            for layer in (ours, theirs)
        ]
        for mine, other in zip(*said, strict=True):
            np.testing.assert_allclose(mine, other, atol=3e-6)
        np.testing.assert_array_equal(said[0][1][0], STATE[0][0])  # a row without steps


@fused
def test_nothing_is_dropped_but_in_training():
    ours, theirs = both(dropout=0.3, recurrent_dropout=0.4, seed=1)
    plain, _ = both()
    plain.set_weights(ours.get_weights()[:3])
    said = arrays(ours(X))[0]
    np.testing.assert_allclose(said, arrays(theirs(X))[0], atol=3e-6)
    np.testing.assert_array_equal(said, arrays(plain(X))[0])
    assert not np.allclose(said, arrays(ours(X, training=True))[0], atol=1e-2)


@fused
def test_a_layer_without_bias_equals_that_of_keras():
    ours, theirs = both(use_bias=False)
    np.testing.assert_allclose(arrays(ours(X))[0], arrays(theirs(X))[0], atol=3e-6)


@fused
def test_states_are_kept_between_batches():
    ours, theirs = both(stateful=True)
    for _ in range(2):
        mine, other = arrays(ours(X))[0], arrays(theirs(X))[0]
    np.testing.assert_allclose(mine, other, atol=3e-6)


@pytest.mark.parametrize("first", ["ours", "theirs"])
def test_weight_files_can_be_exchanged_with_keras(tmp_path, first):
    layers = dict(zip(("ours", "theirs"), both(kernel="auto"), strict=True))
    models = {name: keras.Sequential([layer]) for name, layer in layers.items()}
    for model in models.values():
        model.build(X.shape)
    source = models.pop(first)
    source.set_weights([w + 1 for w in source.get_weights()])
    source.save_weights(tmp_path / "all.weights.h5")
    (target,) = models.values()
    target.load_weights(tmp_path / "all.weights.h5")
    for mine, other in zip(source.get_weights(), target.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, other)


def test_weights_have_the_names_and_first_values_of_keras():
    options = {
        "kernel_initializer": keras.initializers.GlorotUniform(seed=1),
        "recurrent_initializer": keras.initializers.Orthogonal(seed=2),
    }
    ours, theirs = LSTM(UNITS, **options), keras.layers.LSTM(UNITS, **options)
    for layer in (ours, theirs):
        layer.build(X.shape)
    assert [w.name for w in ours.weights] == [w.name for w in theirs.weights]
    for mine, other in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, other)


def test_a_saved_model_is_read_again(tmp_path):
    model = keras.Sequential([keras.Input((STEPS, N)), LSTM(UNITS, kernel="keras", dropout=0.1)])
    model.save(tmp_path / "model.keras")
    read = keras.models.load_model(tmp_path / "model.keras")
    assert isinstance(read.layers[0], LSTM)
    assert read.layers[0].kernel == "keras"
    assert read.layers[0].dropout == 0.1
    np.testing.assert_array_equal(arrays(read(X))[0], arrays(model(X))[0])


def test_config_is_that_of_keras_and_the_kernel():
    ours, theirs = both(kernel="auto", return_sequences=True, go_backwards=True, name="one")
    config = ours.get_config()
    assert config.pop("kernel") == "auto"
    assert config == theirs.get_config()


# ------------------------------------------------------------------------------ which one runs


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"activation": "relu"}, "activation must be tanh"),
        ({"recurrent_activation": "hard_sigmoid"}, "recurrent_activation must be sigmoid"),
        ({"unroll": True}, "unroll must be False"),
        ({"dtype": "float16", "recurrent_initializer": "zeros"}, "dtype must be float32"),
    ],
)
def test_fused_is_refused_where_it_cannot_run_and_auto_says_why(options, reason):
    with pytest.raises(ValueError, match=f"kernel must be .* got 'fused', and {reason}"):
        LSTM(UNITS, kernel="fused", **options)(X)
    layer, theirs = both(kernel="auto", **options)
    assert layer.kernel_used is None
    np.testing.assert_allclose(arrays(layer(X))[0], arrays(theirs(X))[0], atol=1e-3)
    assert layer.kernel_used == "keras"
    assert reason in layer.obstacles


@fused  # TensorFlow's own layer takes no batch without rows
def test_no_rows_are_no_rows():
    layer, _ = both(kernel="auto")
    assert arrays(layer(X[:0]))[0].shape == (0, UNITS)


def test_without_the_kernel_all_works_as_in_keras(monkeypatch):
    monkeypatch.setattr(kernels, "obstacle", lambda: "Numba is not installed")
    ours, theirs = both(kernel="auto")
    np.testing.assert_array_equal(arrays(ours(X))[0], arrays(theirs(X))[0])
    assert ours.kernel_used == "keras"
    assert ours.obstacles == ["Numba is not installed"]
    with pytest.raises(ValueError, match="got 'fused', and Numba is not installed"):
        LSTM(UNITS, kernel="fused")(X)


def test_keras_runs_where_it_is_asked_for():
    ours, _ = both(kernel="keras")
    ours(X)
    assert ours.kernel_used == "keras"
    assert ours.obstacles == []


def test_an_unknown_kernel_is_refused():
    with pytest.raises(ValueError, match="kernel must be one of auto, fused, keras; got 'fast'"):
        LSTM(UNITS, kernel="fast")


# ------------------------------------------------------------------------- ensembles, detectors


@fused
@pytest.mark.parametrize("masked", [False, True])
def test_an_ensemble_says_the_same_with_both_kernels(monkeypatch, masked):
    layer = EnsembleLSTM(3, 4, return_sequences=True, return_state=True)
    x = rng.normal(size=(6, STEPS, N)).astype(np.float32)
    mask = rng.random((6, STEPS)) < 0.6 if masked else None
    layer.build(x.shape)
    layer.set_weights([rng.normal(size=w.shape) for w in layer.get_weights()])
    said = arrays(layer(x, mask=mask))
    monkeypatch.setattr(kernels, "obstacle", lambda: "not wanted")
    for mine, other in zip(said, arrays(layer(x, mask=mask)), strict=True):
        np.testing.assert_allclose(mine, other, atol=3e-6)


@fused
def test_an_ensemble_drops_the_same_with_both_kernels(monkeypatch):
    x, mask = rng.normal(size=(6, STEPS, N)).astype(np.float32), rng.random((6, STEPS)) < 0.6
    weights, said = None, []
    for obstacle in (None, "not wanted"):
        layer = EnsembleLSTM(3, 4, dropout=0.2, recurrent_dropout=0.4, return_sequences=True)
        layer.build(x.shape)
        trainable = layer.trainable_variables
        weights = weights or [rng.normal(size=w.shape) for w in trainable]
        for variable, value in zip(trainable, weights, strict=True):
            variable.assign(value)
        monkeypatch.setattr(kernels, "obstacle", lambda obstacle=obstacle: obstacle)
        said.append([arrays(layer(x, mask=mask, training=on))[0] for on in (True, True, False)])
    for mine, other in zip(*said, strict=True):
        np.testing.assert_allclose(mine, other, atol=3e-6)
    assert not np.allclose(said[0][0], said[0][1], atol=1e-2)


@fused
def test_an_ensemble_without_rows_says_nothing():
    layer = EnsembleLSTM(3, 4)
    layer.build((6, STEPS, N))
    assert arrays(layer(X[:0]))[0].shape == (0, 4)


@pytest.fixture
def no_models_kept():
    """Models are kept by what they compute, not by the kernel."""
    networks._idle.clear()
    yield
    networks._idle.clear()


@fused
@pytest.mark.parametrize(
    "options",
    [{}, {"n_estimators": 2}, {"dropout": 0.2, "recurrent_dropout": 0.2}],
    ids=["one network", "an ensemble", "dropout"],
)
def test_a_detector_learns_the_same_with_both_kernels(monkeypatch, no_models_kept, series, options):
    detector = Seq2SeqLSTMAutoencoder(**TINY, **options)
    scores = detector.fit(series).score_samples(series)
    networks._idle.clear()
    monkeypatch.setattr(kernels, "obstacle", lambda: "not wanted")
    np.testing.assert_allclose(scores, detector.fit(series).score_samples(series), rtol=1e-3)


@fused
def test_detectors_run_the_fused_kernel(no_models_kept, series):
    detector = LSTMAutoencoder(**TINY, recurrent_dropout=0.2)
    detector.fit(series)
    (models,) = networks._idle.values()
    layers = [layer for layer in models[0].model.layers if isinstance(layer, LSTM)]
    assert len(layers) == 2
    assert {layer.kernel_used for layer in layers} == {"fused"}
