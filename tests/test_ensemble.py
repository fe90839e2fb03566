"""An ensemble is what its members would be if each were trained alone."""

import pickle

import numpy as np
import pytest
from sklearn.base import clone
from tiny import NETWORKS, TINY

from skanomaly import LSTMAutoencoder, Seq2SeqLSTMAutoencoder, VariationalLSTMAutoencoder
from skanomaly._backend import load_keras
from skanomaly.layers import EnsembleLSTM

pytestmark = pytest.mark.contract

THREE = TINY | {"n_estimators": 3}


def alone(ensemble, X, n_epochs):
    """Train each member alone, from its initial weights, on the batches of the ensemble."""
    start = clone(ensemble).set_params(max_epochs=0).fit(X)
    members = []
    for i in range(ensemble.n_estimators):
        member = clone(ensemble).set_params(n_estimators=1, max_epochs=0).fit(X)
        member.weights_ = [w[i] for w in start.weights_]
        for _ in range(n_epochs):
            member.partial_fit(X)
        members.append(member)
    return members


def gapped(series):
    X = series.copy()
    X[5:9, 0] = np.nan
    X[30:33] = np.nan
    return X


CASES = {
    "one feature": (LSTMAutoencoder, lambda X: X[:, :1], {}),
    "gaps": (Seq2SeqLSTMAutoencoder, gapped, {}),
    "padding": (
        LSTMAutoencoder,
        lambda X: [X[:25], X[25:37], X[37:]],
        {"window_size": None},
    ),
    # Adam would blow up rounding where gradients are nearly 0.
    "layers": (
        Seq2SeqLSTMAutoencoder,
        lambda X: X,
        {
            "hidden_units": (4, 3),
            "layer_normalization": True,
            "bidirectional": True,
            "reverse_decoding": True,
            "optimizer": "sgd",
            "loss": "huber",
            "weight_decay": 0.1,
        },
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_members_equal_networks_trained_alone(case, series):
    network, change, options = CASES[case]
    X = change(series)
    ensemble = network(**THREE | {"learning_rate": 0.02} | options).fit(X)
    members = alone(ensemble, X, n_epochs=2)
    for i, member in enumerate(members):
        for of_ensemble, of_member in zip(ensemble.weights_, member.weights_, strict=True):
            np.testing.assert_allclose(of_ensemble[i], of_member, rtol=1e-4, atol=1e-5)
    losses = np.mean([member.history_["loss"] for member in members], axis=0)
    np.testing.assert_allclose(ensemble.history_["loss"], losses, rtol=1e-4)
    # Errors and reconstructions are means of the members', NaN in the same places.
    for name in ("score_features", "reconstruct"):
        said = [_flat(getattr(member, name)(X)) for member in members]
        mean = _flat(getattr(ensemble, name)(X))
        np.testing.assert_allclose(mean, np.mean(said, axis=0), rtol=1e-3, atol=1e-5)


def _flat(nested):
    return np.concatenate(nested) if isinstance(nested, list) else nested


def test_the_first_members_do_not_depend_on_how_many_follow(series):
    one, two, three = (
        Seq2SeqLSTMAutoencoder(**TINY | {"n_estimators": n}).fit(series).weights_ for n in (1, 2, 3)
    )
    for a, b, c in zip(one, two, three, strict=True):
        np.testing.assert_allclose(b[0], a, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(c[:2], b, rtol=1e-4, atol=1e-5)
        assert a.ndim == 1 or not np.array_equal(c[0], c[1])


@pytest.mark.parametrize("form", ["series", "ragged"])
def test_the_spread_is_that_of_the_members(form, request):
    X = request.getfixturevalue(form)
    ensemble = LSTMAutoencoder(**THREE).fit(X)
    members = alone(ensemble, X, n_epochs=2)
    scores = np.array([member.score_samples(X) for member in members])
    np.testing.assert_allclose(ensemble.score_samples(X), scores.mean(axis=0), rtol=1e-3)
    std = ensemble.score_std(X)
    assert std.shape == ensemble.score_samples(X).shape
    np.testing.assert_allclose(std, scores.std(axis=0), rtol=1e-2, atol=1e-4)
    out = np.empty(len(X))
    assert ensemble.score_std(X, out=out) is out
    np.testing.assert_array_equal(out, std)


def test_the_spread_is_zero_where_nothing_was_observed(series):
    X = gapped(series)
    std = LSTMAutoencoder(**THREE).fit(X).score_std(X)
    assert (std[30:33] == 0).all()
    assert (np.delete(std, [30, 31, 32]) > 0).all()


def test_one_network_has_no_spread(series):
    detector = LSTMAutoencoder(**TINY).fit(series)
    with pytest.raises(ValueError, match="n_estimators must be at least 2 for score_std.*got 1"):
        detector.score_std(series)


RANDOM = {"dropout": 0.2, "recurrent_dropout": 0.1, "noise_std": 0.1}


@pytest.mark.parametrize("network", NETWORKS)
def test_ensembles_are_deterministic(network, series):
    detector = network(**THREE, **RANDOM).fit(series)
    again = pickle.loads(pickle.dumps(clone(detector).fit(series)))
    np.testing.assert_array_equal(again.score_samples(series), detector.score_samples(series))
    np.testing.assert_array_equal(again.score_std(series), detector.score_std(series))
    in_parts = clone(detector).partial_fit(series).partial_fit(series)
    for a, b in zip(in_parts.weights_, detector.weights_, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("name", RANDOM)
def test_members_draw_their_own_noise(name, series):
    """Members of equal weights part ways, and differ from members without noise."""
    fitted = []
    for options in ({}, {name: RANDOM[name]}):
        detector = LSTMAutoencoder(**THREE | {"max_epochs": 0}, **options).fit(series)
        detector.weights_ = [np.stack([w[0]] * 3) for w in detector.weights_]
        fitted.append(detector.partial_fit(series).weights_)
    for quiet, noisy in zip(*fitted, strict=True):
        np.testing.assert_allclose(quiet[0], quiet[1], rtol=1e-5, atol=1e-7)
        assert not np.allclose(noisy, quiet, rtol=1e-5, atol=1e-7)
        assert not np.allclose(noisy[0], noisy[1], rtol=1e-5, atol=1e-7)


def test_early_stopping_watches_the_mean(series):
    options = {"early_stopping": True, "validation_fraction": 0.3, "max_epochs": 3}
    ensemble = LSTMAutoencoder(**THREE | options).fit(series)
    first = LSTMAutoencoder(**THREE | options | {"n_estimators": 1}).fit(series)
    assert len(ensemble.history_["val_loss"]) == 3
    # Losses of comparable size: a mean, not a sum.
    np.testing.assert_allclose(ensemble.history_["val_loss"], first.history_["val_loss"], rtol=0.5)


def test_a_loss_that_is_an_object_counts_as_by_name(series):
    keras = load_keras()
    X = gapped(series)
    by_name = LSTMAutoencoder(**THREE, loss="huber").fit(X)
    by_object = LSTMAutoencoder(**THREE, loss=keras.losses.Huber()).fit(X)
    for a, b in zip(by_name.weights_, by_object.weights_, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-7)


def test_the_keras_model_tells_what_each_member_says(series):
    detector = LSTMAutoencoder(**THREE, layer_normalization=True).fit(series)
    window = series[:8].astype(np.float32)
    said = np.asarray(detector.model_.predict_on_batch(window[None]))
    assert said.shape == (1, 8, 3, 2)
    np.testing.assert_allclose(said[0].mean(axis=1), detector.reconstruct(window), atol=1e-5)


def test_the_keras_model_can_be_saved(series, tmp_path):
    keras = load_keras()
    detector = Seq2SeqLSTMAutoencoder(**THREE, layer_normalization=True, dropout=0.1).fit(series)
    model = detector.model_
    model.save(tmp_path / "ensemble.keras")
    loaded = keras.models.load_model(tmp_path / "ensemble.keras")
    window = series[None, :8].astype(np.float32)
    expected = np.asarray(model.predict_on_batch(window))
    np.testing.assert_array_equal(np.asarray(loaded.predict_on_batch(window)), expected)


def test_a_layer_of_members_runs_each_as_keras_would():
    keras, rng = load_keras(), np.random.default_rng(0)
    x = rng.normal(size=(2 * 4, 6, 3)).astype(np.float32)
    mask = np.arange(6) < rng.integers(1, 7, size=(8, 1))
    layer = EnsembleLSTM(2, 5, return_sequences=True, return_state=True)
    layer.build(x.shape)
    layer.set_weights([rng.normal(size=w.shape) for w in layer.weights])
    said = [np.asarray(keras.ops.convert_to_numpy(y)) for y in layer(x, mask=mask)]
    for i in range(2):
        one = keras.layers.LSTM(5, return_sequences=True, return_state=True)
        one.build(x.shape)
        one.set_weights([w[i] for w in layer.get_weights()])
        rows = slice(4 * i, 4 * i + 4)
        expected = [keras.ops.convert_to_numpy(y) for y in one(x[rows], mask=mask[rows])]
        for a, b in zip(said, expected, strict=True):
            np.testing.assert_allclose(a[rows], b, rtol=1e-4, atol=1e-6)


def test_bad_numbers_of_members_are_refused(series):
    with pytest.raises(ValueError, match="'n_estimators' parameter of LSTMAutoencoder"):
        LSTMAutoencoder(**TINY | {"n_estimators": 0}).fit(series)


@pytest.mark.parametrize("score_by", ["elbo", "reconstruction_probability"])
def test_variational_members_score_as_networks_alone(score_by, series):
    X, options = gapped(series), {"score_by": score_by, "n_samples": 3, "latent_dim": 2}
    ensemble = VariationalLSTMAutoencoder(**THREE, **options).fit(X)
    members = []
    for i in range(3):
        member = VariationalLSTMAutoencoder(**TINY | {"max_epochs": 0}, **options).fit(X)
        member.weights_ = [w[i] for w in ensemble.weights_]
        members.append(member)
    for name in ("score_features", "reconstruct"):
        said = [getattr(member, name)(X) for member in members]
        assert not np.allclose(said[0], said[1], equal_nan=True)
        np.testing.assert_allclose(
            getattr(ensemble, name)(X), np.mean(said, axis=0), rtol=1e-3, atol=1e-5
        )


def test_variational_members_draw_their_own_latents(series):
    detector = VariationalLSTMAutoencoder(**THREE | {"max_epochs": 0}, kl_warmup=0).fit(series)
    detector.weights_ = [np.stack([w[0]] * 3) for w in detector.weights_]
    decoder = detector.partial_fit(series).weights_[-2]
    assert not np.allclose(decoder[0], decoder[1], rtol=1e-4)
    alone = VariationalLSTMAutoencoder(**TINY | {"max_epochs": 1}, kl_warmup=0).fit(series)
    # The latents drawn differ, and with them the losses; but it is their mean, not their sum.
    np.testing.assert_allclose(detector.history_["loss"], alone.history_["loss"], rtol=0.5)
