"""Whole series of different lengths: padding and masks must change nothing."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny import DETERMINISTIC, NETWORKS

from skanomaly import VariationalLSTMAutoencoder

pytestmark = pytest.mark.contract

networks = pytest.mark.parametrize("network", NETWORKS)
deterministic = pytest.mark.parametrize("network", DETERMINISTIC)
STEP = 0.5
OPTIONS = {
    **{"window_size": None, "hidden_units": 3, "random_state": 0, "max_epochs": 1},
    **{"optimizer": "sgd", "learning_rate": STEP},
}


def make_series(lengths, seed=0):
    rng = np.random.default_rng(seed)
    return [rng.normal(size=(length, 2)).astype(np.float32) for length in lengths]


def train_alone(detector, series, order):
    """Train the network of a detector by plain Keras, one series at a time; weights, losses."""
    import keras

    model = detector.model_
    model.compile(optimizer=keras.optimizers.SGD(STEP), loss="mse")
    losses = []
    for i in order:
        losses.append(float(model.train_on_batch(series[i][None], series[i][None])))
    return model.get_weights(), losses


def assert_same_weights(a, b):
    for one, other in zip(a, b, strict=True):
        np.testing.assert_allclose(one, other, atol=2e-6)


def distance(a, b):
    return max(np.abs(one - other).max() for one, other in zip(a, b, strict=True))


@deterministic
def test_batches_of_one_train_as_the_series_one_at_a_time(network):
    series = make_series([25, 12, 31])  # three buckets
    together = network(**OPTIONS, batch_size=1).fit(series)
    untrained = network(**OPTIONS | {"max_epochs": 0}).fit(series)
    # The order of the epoch is one of these.
    orders = itertools.permutations(range(3))
    alone = [train_alone(untrained, series, order) for order in orders]
    weights, losses = min(alone, key=lambda pair: distance(pair[0], together.weights_))
    assert_same_weights(together.weights_, weights)
    assert together.history_["loss"] == pytest.approx([np.mean(losses)], rel=1e-5)
    assert distance(together.weights_, untrained.weights_) > 1e-3


@deterministic
def test_a_batch_of_padded_series_has_the_gradient_of_all_their_steps(network):
    lengths = [19, 24, 20]
    series = make_series(lengths)
    together = network(**OPTIONS, batch_size=3).fit(series)
    untrained = network(**OPTIONS | {"max_epochs": 0}).fit(series)
    start = untrained.weights_
    moved = [train_alone(untrained, series, [i])[0] for i in range(3)]
    expected = [
        before + np.average([after[k] - before for after in moved], axis=0, weights=lengths)
        for k, before in enumerate(start)
    ]
    assert_same_weights(together.weights_, expected)
    residuals = np.concatenate(series) - np.concatenate(untrained.reconstruct(series))
    assert together.history_["loss"] == pytest.approx([np.mean(residuals**2)], rel=1e-5)


@networks
@pytest.mark.parametrize("early_stopping", [False, True])
def test_many_lengths_are_learned(network, early_stopping):
    lengths = (6, 8, 7, 30, 32, 44) * 3
    series = [np.sin(np.arange(n) / 3)[:, None] for n in lengths]
    options = {"optimizer": "adam", "learning_rate": 0.03, "max_epochs": 8, "batch_size": 4}
    detector = network(**OPTIONS | options, early_stopping=early_stopping).fit(series)
    assert detector.window_size_ == 44
    for losses in detector.history_.values():
        assert losses[-1] < 0.95 * losses[0]
    assert len(detector.score_samples(series)) == 18


@networks
def test_an_epoch_of_whole_series_can_be_capped(network):
    series = make_series([9] * 5 + [30] * 5)
    detector = network(**OPTIONS | {"max_epochs": 3}, batch_size=2, max_windows_per_epoch=4)
    detector.fit(series)
    assert np.isfinite(detector.history_["loss"]).all()
    assert len(set(detector.history_["loss"])) == 3


@pytest.fixture(scope="module", params=NETWORKS)
def fitted(request):
    return request.param(**OPTIONS).fit(make_series([16, 40, 25]))


# Few sizes of padding, for each is compiled: up to 8, 12 and 48; 40 is not padded.
@given(
    st.lists(st.sampled_from([1, 5, 8, 11, 36, 40, 47]), min_size=1, max_size=5), st.integers(0, 3)
)
@settings(max_examples=10)
def test_padding_never_influences_a_score(fitted, lengths, seed):
    series = make_series(lengths, seed)
    together = fitted.score_timesteps(series)
    for one, scores in zip(series, together, strict=True):
        (alone,) = fitted.score_timesteps([one])
        np.testing.assert_allclose(alone, scores, rtol=1e-5, atol=1e-7)
        plain = np.asarray(fitted.model_.predict_on_batch(one[None]))[0]
        errors = (one - plain[:, :2]) ** 2
        if isinstance(fitted, VariationalLSTMAutoencoder):
            errors = errors * np.exp(-plain[:, 2:4]) + 2 * plain[:, 4:]
            errors *= np.exp(plain[:, 2:4].mean(axis=1, keepdims=True))
        np.testing.assert_allclose(-scores, errors.mean(axis=1), atol=1e-5)
