"""Layer normalisation and reading from both ends, against plain loops; and what is refused."""

import pickle

import numpy as np
import pytest
from sklearn.base import clone
from tiny import NETWORKS, TINY

from skanomaly import LSTMAutoencoder, Seq2SeqLSTMAutoencoder

pytestmark = pytest.mark.contract

networks = pytest.mark.parametrize("network", NETWORKS)
OPTIONS = {
    "normalised": {"layer_normalization": True},
    "both ends": {"bidirectional": True},
    "all": {"layer_normalization": True, "bidirectional": True, "reverse_decoding": True},
}
options_of_seq2seq = pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)


def _sigmoid(z):
    return 1 / (1 + np.exp(-z))


def _lstm(x, weights, h=None, c=None):
    """Run one LSTM layer by the textbook: (n_steps, n_inputs) -> (n_steps, n_units), h, c."""
    kernel, recurrent, bias = weights
    h = np.zeros(len(recurrent)) if h is None else h
    c = np.zeros(len(recurrent)) if c is None else c
    out = []
    for step in x:
        i, f, g, o = np.split(step @ kernel + h @ recurrent + bias, 4)
        c = _sigmoid(f) * c + _sigmoid(i) * np.tanh(g)
        h = _sigmoid(o) * np.tanh(c)
        out.append(h)
    return np.array(out), h, c


def _forward(detector, x):
    """Reconstruct one series (n_steps, n_features) by layers taken from the model by name."""
    model = detector.model_
    weights = {
        layer.name: [w.astype(np.float64) for w in layer.get_weights()] for layer in model.layers
    }

    def normalised(name, out):
        if not detector.layer_normalization:
            return out
        gamma, beta = weights[name]
        centred = out - out.mean(axis=-1, keepdims=True)
        return centred / np.sqrt(out.var(axis=-1, keepdims=True) + 1e-3) * gamma + beta

    out = np.asarray(x, np.float64)
    for i in range(len(detector.hidden_units)):
        ahead, h, c = _lstm(out, weights[f"encoder_{i}"])
        if detector.bidirectional:
            back, h_back, c_back = _lstm(out[::-1], weights[f"encoder_{i}_backward"])
            h, c = np.concatenate([h, h_back]), np.concatenate([c, c_back])
            ahead = np.concatenate([ahead, back[::-1]], axis=1)
        last = normalised(f"encoder_{i}_norm", h)
        out = normalised(f"encoder_{i}_norm", ahead)
    if isinstance(detector, Seq2SeqLSTMAutoencoder):
        out = np.repeat(last[None], len(x), axis=0)
    for i in range(len(detector.hidden_units)):
        out, *_ = _lstm(out, weights[f"decoder_{i}"], *((h, c) if i == 0 else ()))
        out = normalised(f"decoder_{i}_norm", out)
    kernel, bias = weights["output"]
    out = out @ kernel + bias
    return out[::-1] if getattr(detector, "reverse_decoding", False) else out


@options_of_seq2seq
@pytest.mark.parametrize("window_size", [8, None])
def test_the_bottleneck_is_that_of_plain_loops(options, window_size, ragged):
    detector = Seq2SeqLSTMAutoencoder(
        **TINY | {"window_size": window_size, "hidden_units": (4, 3)}, **options
    ).fit(ragged)
    # Shorter than any window, so padded: in neither direction may padding reach the state.
    for part in (ragged[0][:8], ragged[0][:5], ragged[1][:1]):
        expected = _forward(detector, part)
        np.testing.assert_allclose(detector.reconstruct(part), expected, atol=1e-5)


@pytest.mark.parametrize("length", [8, 5])
def test_layer_normalisation_is_that_of_plain_loops(length, series):
    detector = LSTMAutoencoder(
        **TINY | {"hidden_units": (4, 3)}, layer_normalization=True, weight_decay=0.1
    ).fit(series)
    part = series[:length]
    np.testing.assert_allclose(detector.reconstruct(part), _forward(detector, part), atol=1e-5)


def test_both_ends_double_the_bottleneck(series):
    detector = Seq2SeqLSTMAutoencoder(**TINY, bidirectional=True).fit(series)
    assert detector.model_.get_layer("decoder_0").units == 6
    halves = [detector.model_.get_layer(f"encoder_0{end}") for end in ("", "_backward")]
    assert [layer.units for layer in halves] == [3, 3]


@networks
def test_layer_normalisation_starts_as_one_and_zero(network, series):
    detector = network(**TINY | {"max_epochs": 0}, layer_normalization=True).fit(series)
    layers = [layer for layer in detector.model_.layers if layer.name.endswith("_norm")]
    assert layers
    gamma, beta = layers[-1].get_weights()
    np.testing.assert_array_equal(gamma, np.ones(3))
    np.testing.assert_array_equal(beta, np.zeros(3))


def test_weight_decay_leaves_layer_normalisation_alone(series):
    # So small a step that only decay moves anything.
    options = TINY | {"optimizer": "sgd", "learning_rate": 1e-9, "weight_decay": 1e8}
    detector = LSTMAutoencoder(**options, layer_normalization=True).fit(series)
    gamma, _ = detector.model_.get_layer("encoder_0_norm").get_weights()
    kernel, *_ = detector.model_.get_layer("encoder_0").get_weights()
    np.testing.assert_allclose(gamma, 1, atol=1e-6)
    start = LSTMAutoencoder(**options | {"max_epochs": 0}, layer_normalization=True).fit(series)
    assert abs(kernel).max() < 0.9 * abs(start.weights_[0]).max()


def test_options_train_deterministically(series):
    options = TINY | {"max_epochs": 15, "learning_rate": 0.02} | OPTIONS["all"]
    detector = Seq2SeqLSTMAutoencoder(**options).fit(series)
    losses = detector.history_["loss"]
    assert losses[-1] < 0.8 * losses[0]
    again = pickle.loads(pickle.dumps(clone(detector).fit(series)))
    np.testing.assert_array_equal(again.score_samples(series), detector.score_samples(series))


def test_both_ends_stay_within_the_window(series):
    detector = Seq2SeqLSTMAutoencoder(**TINY, bidirectional=True, aggregation="last").fit(series)
    scores = detector.score_samples(series)
    for end in (8, 9, 30):
        np.testing.assert_allclose(
            detector.score_samples(series[:end]), scores[:end], rtol=1e-5, atol=1e-7
        )


@networks
def test_gaps_work_with_layer_normalisation(network, series):
    series[5:9, 0] = np.nan
    detector = network(**TINY, layer_normalization=True).fit(series)
    assert np.isfinite(detector.score_samples(series)).all()


def test_reading_from_both_ends_is_refused_where_it_would_help_copying(series):
    with pytest.raises(ValueError, match="bidirectional must be False for LSTMAutoencoder: .*copy"):
        LSTMAutoencoder(**TINY, bidirectional=True).fit(series)


@networks
def test_one_unit_alone_cannot_be_normalised(network, series):
    options = TINY | {"hidden_units": (4, 1), "layer_normalization": True}
    with pytest.raises(ValueError, match=r"hidden_units must be at least 2 .*; got \(4, 1\)"):
        network(**options).fit(series)


@networks
def test_there_is_no_teacher_forcing(network):
    with pytest.raises(TypeError, match="teacher_forcing"):
        network(teacher_forcing=True)
    assert "teacher forcing" in network.__doc__
