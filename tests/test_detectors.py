"""The contract of all detectors, on whichever backend is active."""

import copy
import pickle

import joblib
import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from tiny import DETERMINISTIC, NETWORKS, TINY, by_class, tiny_detectors

from skanomaly import (
    LSTMAutoencoder,
    LSTMForecaster,
    PersistenceDetector,
    Seq2SeqLSTMAutoencoder,
    VariationalLSTMAutoencoder,
)
from skanomaly.exceptions import WindowSizeWarning
from skanomaly.preprocessing import suggest_window_size

pytestmark = pytest.mark.contract

detectors = pytest.mark.parametrize("detector", tiny_detectors(), ids=by_class)
networks = pytest.mark.parametrize("network", NETWORKS)
FORMS = ["series", "panel", "ragged"]


@pytest.fixture(params=FORMS)
def X(request):
    return request.getfixturevalue(request.param)


def shape(nested):
    return [np.shape(part) for part in nested] if isinstance(nested, list) else np.shape(nested)


# --------------------------------------------------------------------------- shapes and signs


@detectors
def test_shapes_types_and_signs(detector, X):
    detector = clone(detector).fit(X)
    scores, decision, labels = (
        getattr(detector, name)(X) for name in ("score_samples", "decision_function", "predict")
    )
    assert scores.shape == decision.shape == labels.shape == (len(X),)
    assert scores.dtype == decision.dtype == np.float64
    assert labels.dtype.kind == "i"
    np.testing.assert_allclose(decision, scores - detector.offset_)
    np.testing.assert_array_equal(labels, np.where(decision < 0, -1, 1))
    assert detector.offset_ == -detector.threshold_
    np.testing.assert_array_equal(detector.fit_predict(X), labels)

    steps, values = detector.score_timesteps(X), detector.score_features(X)
    assert shape(values) == shape(detector.reconstruct(X)) == shape(X)
    assert shape(detector.predict_timesteps(X)) == shape(steps)
    if np.ndim(X[0]) == 1:
        np.testing.assert_array_equal(steps, scores)
        steps, values = [steps], [values]
    else:
        np.testing.assert_allclose([np.mean(part) for part in steps], scores)
    for part, per_value in zip(steps, values, strict=True):
        np.testing.assert_allclose(part, per_value.mean(axis=-1))
    assert isinstance(detector.score(X), float)
    np.testing.assert_allclose(detector.score(X), np.concatenate(list(steps)).mean())
    assert detector.error_scale_.shape == (2,)


# The errors of a variational network are surprises; test_variational.py has their relation.
@pytest.mark.parametrize(
    "detector",
    [d for d in tiny_detectors() if not isinstance(d, VariationalLSTMAutoencoder)],
    ids=by_class,
)
def test_errors_are_squared_residuals(detector, series):
    # With one window per step no aggregation hides the relation.
    if hasattr(detector, "window_size"):
        detector = clone(detector).set_params(stride=6, window_size=6)
    detector = clone(detector).fit(series)
    residual = series - detector.reconstruct(series)
    np.testing.assert_allclose(detector.score_features(series), -(residual**2), atol=1e-5)
    detector.set_params(score_norm="absolute").fit(series)
    np.testing.assert_allclose(detector.score_features(series), -abs(residual), atol=1e-5)
    size = np.sqrt((residual**2).mean(axis=0))
    np.testing.assert_allclose(detector.error_scale_, size, rtol=1e-4)
    detector.set_params(score_norm="standardised").fit(series)
    centred = residual - np.median(residual, axis=0)
    scale = 1.4826 * np.median(abs(centred), axis=0)
    np.testing.assert_allclose(detector.error_scale_, scale, rtol=1e-3)
    np.testing.assert_allclose(
        detector.score_features(series), -((centred / scale) ** 2), rtol=1e-2, atol=1e-4
    )


@detectors
def test_an_obvious_anomaly_scores_lowest(detector, series):
    detector = clone(detector).fit(series)
    X = series.copy()
    X[40] += 5.0
    assert np.argmin(detector.score_samples(X)) in (40, 41)  # persistence errs on the way back too
    assert detector.predict(X)[40] == -1


@detectors
@pytest.mark.parametrize("contamination", [0.05, 0.3])
def test_contamination_is_the_share_of_training_data_flagged(detector, series, contamination):
    labels = clone(detector).set_params(contamination=contamination).fit_predict(series)
    assert np.sum(labels == -1) == round(contamination * len(series))


@detectors
def test_one_series_is_labelled_by_time_steps_after_fitting_a_panel(detector, panel, series):
    detector = clone(detector).fit(panel)
    labels = detector.predict(series)
    assert labels.shape == (60,)
    anomalous = detector.score_timesteps(panel) < -detector.step_threshold_
    np.testing.assert_array_equal(detector.predict_timesteps(panel) == -1, anomalous)


@detectors
def test_whole_series_are_not_labelled_after_fitting_one(detector, panel, series):
    detector = clone(detector).fit(series)
    assert detector.score_samples(panel).shape == (4,)
    assert detector.predict_timesteps(panel).shape == (4, 15)
    with pytest.raises(ValueError, match="X must be one series.*panel of 4 series. Fit on a panel"):
        detector.predict(panel)


# --------------------------------------------------------------------------------- invariance


@detectors
def test_equal_data_in_other_forms_scores_equally(detector, series, panel):
    expected = clone(detector).fit(series).score_samples(series)
    frame = pd.DataFrame(series, columns=["a", "b"])
    for X in (series.tolist(), series.astype(object), frame, pl.DataFrame(series)):
        np.testing.assert_array_equal(clone(detector).fit(X).score_samples(X), expected)
    fitted = clone(detector).fit(panel)
    np.testing.assert_array_equal(fitted.score_samples(list(panel)), fitted.score_samples(panel))


@detectors
def test_the_other_series_of_a_panel_do_not_matter(detector, ragged):
    detector = clone(detector).fit(ragged)
    scores = detector.score_samples(ragged)
    np.testing.assert_allclose(detector.score_samples(ragged[::-1]), scores[::-1], rtol=1e-6)
    for part, score in zip(ragged, scores, strict=True):
        np.testing.assert_allclose(detector.score_samples([part]), [score], rtol=1e-6)


@networks
@pytest.mark.parametrize("aggregation", ["mean", "median", "min", "max", "last"])
def test_a_score_depends_only_on_the_windows_that_cover_the_step(network, aggregation, series):
    detector = network(**TINY, aggregation=aggregation).fit(series)
    scores = detector.score_samples(series)
    changed = series.copy()
    changed[30] += 1.0
    touched = np.flatnonzero(detector.score_samples(changed) != scores)
    assert touched.min() >= (30 if aggregation == "last" else 23)
    assert touched.max() <= 37
    # A piece scores as in the whole, but for the steps that other windows cover there.
    piece = detector.score_samples(series[10:40])
    np.testing.assert_allclose(piece[7:-7], scores[17:33], rtol=1e-5, atol=1e-7)


@networks
def test_last_is_causal(network, series):
    detector = network(**TINY, aggregation="last").fit(series)
    scores = detector.score_samples(series)
    for end in (8, 9, 30):
        np.testing.assert_allclose(
            detector.score_samples(series[:end]), scores[:end], rtol=1e-5, atol=1e-7
        )


# -------------------------------------------------------------------------------- persistence


def test_persistence_is_the_lagged_series(series):
    detector = PersistenceDetector(lag=3).fit(series)
    expected = np.concatenate([series[3:6], series[:-3]])
    np.testing.assert_allclose(detector.reconstruct(series), expected, rtol=1e-6)


def test_persistence_has_no_opinion_on_a_single_step(series):
    detector = PersistenceDetector().fit(series)
    assert np.isnan(detector.score_features(series[:1])).all()
    assert detector.score_samples(series[:1]) == np.median(detector.score_samples(series))
    assert detector.predict(series[:1]) == [1]


def test_lag_must_fit_into_a_series(series):
    with pytest.raises(ValueError, match="lag must be less than 60.*got 60. Use a smaller lag"):
        PersistenceDetector(lag=60).fit(series)


# ------------------------------------------------------------------------------------ windows


@networks
def test_a_window_longer_than_a_series_is_reduced(network, ragged, series):
    detector = network(**TINY | {"window_size": 20})
    with pytest.warns(WindowSizeWarning, match="at most 12, .* got 20, reduced to 12. Use a sma"):
        detector.fit(ragged)
    assert detector.window_size_ == 12
    assert detector.window_size == 20


@networks
def test_auto_takes_the_window_size_that_the_data_suggest(network):
    X = np.sin(2 * np.pi * np.arange(400) / 20)[:, None]
    options = TINY | {"window_size": "auto", "max_epochs": 1}
    for form, most in ((X, 100), (X.reshape(2, 200, 1), 50), ([X[:300], X[300:]], 25)):
        detector = network(**options).fit(form)
        assert detector.window_size_ == suggest_window_size(form, max_size=most) == 20
        assert detector.window_size == "auto"
        assert detector.score_samples(form).shape == (len(form),)
    assert network(**options).fit(X[:12]).window_size_ == 3


@networks
def test_a_shorter_series_is_scored_as_one_shorter_window(network, series):
    detector = network(**TINY).fit(series)
    for length in (1, 5):
        short = series[:length]
        expected = _forward(detector, short)
        np.testing.assert_allclose(detector.reconstruct(short), expected, atol=1e-5)
        # Padding for the sake of a longer neighbour changes nothing.
        beside = detector.reconstruct([series, short])[1]
        np.testing.assert_allclose(beside, expected, atol=1e-5)


@networks
def test_whole_series_mode(network, ragged, series):
    detector = network(**TINY | {"window_size": None}).fit(ragged)
    assert detector.window_size_ == 25
    for part, reconstruction in zip(ragged, detector.reconstruct(ragged), strict=True):
        np.testing.assert_allclose(reconstruction, _forward(detector, part), atol=1e-5)
    np.testing.assert_allclose(detector.reconstruct(series), _forward(detector, series), atol=1e-5)


@networks
def test_reconstruction_is_that_of_plain_loops(network, series):
    detector = network(**TINY | {"hidden_units": (4, 3), "max_epochs": 1}).fit(series)
    window = series[:8]
    expected = _forward(detector, window)
    np.testing.assert_allclose(detector.reconstruct(window), expected, atol=1e-5)
    said = np.asarray(detector.model_.predict_on_batch(window[None].astype(np.float32))[0])
    if network is VariationalLSTMAutoencoder:
        assert said.shape == (8, 5)  # test_variational.py has the other columns
        said = said[:, :2]
    np.testing.assert_allclose(said, expected, atol=1e-5)


@pytest.mark.parametrize("length", [8, 5])
def test_reverse_decoding_is_that_of_plain_loops(series, length):
    detector = Seq2SeqLSTMAutoencoder(**TINY, reverse_decoding=True).fit(series)
    part = series[:length]
    np.testing.assert_allclose(detector.reconstruct(part), _forward(detector, part), atol=1e-5)


def _sigmoid(z):
    return 1 / (1 + np.exp(-z))


def _lstm(x, kernel, recurrent, bias, h=None, c=None):
    """Run one LSTM layer by the textbook: (n_steps, n_inputs) -> (n_steps, n_units), h, c."""
    units = len(recurrent)
    h = np.zeros(units) if h is None else h
    c = np.zeros(units) if c is None else c
    out = []
    for step in x:
        i, f, g, o = np.split(step @ kernel + h @ recurrent + bias, 4)
        c = _sigmoid(f) * c + _sigmoid(i) * np.tanh(g)
        h = _sigmoid(o) * np.tanh(c)
        out.append(h)
    return np.array(out), h, c


def _forward(detector, x):
    """Reconstruct one window (n_steps, n_features) with the detector's weights, in float64."""
    if isinstance(detector, LSTMForecaster):
        return _forecast(detector, x)
    if isinstance(detector, VariationalLSTMAutoencoder):
        return _decode_the_mean(detector, x)
    *layers, kernel, bias = (w.astype(np.float64) for w in detector.weights_)
    layers = [layers[i : i + 3] for i in range(0, len(layers), 3)]
    encoder, decoder = layers[: len(layers) // 2], layers[len(layers) // 2 :]
    out = np.asarray(x, dtype=np.float64)
    for layer in encoder:
        out, h, c = _lstm(out, *layer)
    if isinstance(detector, Seq2SeqLSTMAutoencoder):
        out = np.repeat(out[-1:], len(x), axis=0)
    for i, layer in enumerate(decoder):
        out, *_ = _lstm(out, *layer, *((h, c) if i == 0 else ()))
    out = out @ kernel + bias
    return out[::-1] if getattr(detector, "reverse_decoding", False) else out


def _forecast(detector, x):
    """Forecast each step of one window, one step ahead."""
    *layers, kernel, bias = (w.astype(np.float64) for w in detector.weights_)
    out = np.concatenate([np.zeros((1, x.shape[1])), x[:-1]])
    for i in range(0, len(layers), 3):
        out, *_ = _lstm(out, *layers[i : i + 3])
    return out @ kernel + bias


def _decode_the_mean(detector, x):
    """Reconstruct one window from the mean of the latent."""
    weights = {
        w.path: v.astype(np.float64)
        for w, v in zip(detector.model_.weights, detector.weights_, strict=True)
    }

    def layer(name, of_lstm=True):
        cell = f"{name}/lstm_cell/" if of_lstm else f"{name}/"
        parts = ["kernel", *(["recurrent_kernel"] if of_lstm else []), "bias"]
        return [weights[cell + part] for part in parts]

    n_layers = len(np.atleast_1d(detector.hidden_units))
    out = np.asarray(x, dtype=np.float64)
    for i in range(n_layers):
        out, *_ = _lstm(out, *layer(f"encoder_{i}"))
    kernel, bias = layer("latent_mean", of_lstm=False)
    out = np.repeat((out[-1] @ kernel + bias)[None], len(x), axis=0)
    for i in range(n_layers):
        out, *_ = _lstm(out, *layer(f"decoder_{i}"))
    kernel, bias = layer("output", of_lstm=False)
    return out @ kernel + bias


# ----------------------------------------------------------------------------------- training

HARD = {"dropout": 0.2, "recurrent_dropout": 0.1, "noise_std": 0.1, "weight_decay": 0.01}


@networks
@pytest.mark.parametrize("options", [{}, HARD], ids=["plain", "random"])
def test_refits_are_bit_identical(network, options, series):
    detector = network(**TINY, **options)
    first = clone(detector).fit(series).score_samples(series)
    np.testing.assert_array_equal(detector.fit(series).score_samples(series), first)
    np.testing.assert_array_equal(detector.fit(series).score_samples(series), first)
    detector.set_params(random_state=1)
    assert not np.array_equal(detector.fit(series).score_samples(series), first)


@networks
def test_training_lowers_the_loss(network, series):
    detector = network(**TINY | {"max_epochs": 15, "learning_rate": 0.02}).fit(series)
    losses = detector.history_["loss"]
    assert len(losses) == detector.n_iter_ == 15
    assert losses[-1] < 0.7 * losses[0]
    untrained = network(**TINY | {"max_epochs": 0}).fit(series)
    assert (untrained.n_iter_, untrained.history_) == (0, {})
    assert detector.score(series) > untrained.score(series)


@pytest.mark.parametrize("name", HARD)
def test_every_regulariser_changes_the_weights(name, series):
    plain = LSTMAutoencoder(**TINY).fit(series).weights_
    other = LSTMAutoencoder(**TINY, **{name: HARD[name]}).fit(series).weights_
    assert any(not np.array_equal(a, b) for a, b in zip(plain, other, strict=True))


@pytest.mark.parametrize("network", DETERMINISTIC)
@pytest.mark.parametrize("loss", ["mae", "huber"])
def test_loss_and_optimizer_by_name(network, loss, series):
    detector = network(**TINY, loss=loss, optimizer="rmsprop", learning_rate=0.01).fit(series)
    assert np.isfinite(detector.history_["loss"]).all()


def test_keras_objects_as_parameters_are_left_alone(series):
    import keras

    optimizer = keras.optimizers.Adam(0.01)
    loss = keras.losses.Huber(0.5)
    detector = LSTMAutoencoder(**TINY, optimizer=optimizer, loss=loss)
    first = detector.fit(series).score_samples(series)
    assert not optimizer.built
    np.testing.assert_array_equal(detector.fit(series).score_samples(series), first)
    by_name = LSTMAutoencoder(
        **TINY, optimizer="adam", learning_rate=0.01, loss=keras.losses.Huber(0.5)
    ).fit(series)
    np.testing.assert_array_equal(by_name.score_samples(series), first)
    own = LSTMAutoencoder(**TINY, loss=lambda y, x: keras.ops.mean(keras.ops.abs(y - x), axis=-1))
    mae = LSTMAutoencoder(**TINY, loss="mae").fit(series)
    np.testing.assert_allclose(own.fit(series).history_["loss"], mae.history_["loss"], rtol=1e-5)


def test_learning_rate_of_one_fit_does_not_leak_into_the_next(series):
    before = LSTMAutoencoder(**TINY).fit(series).weights_
    LSTMAutoencoder(**TINY, learning_rate=0.5).fit(series)
    after = LSTMAutoencoder(**TINY).fit(series).weights_
    for a, b in zip(before, after, strict=True):
        np.testing.assert_array_equal(a, b)


@networks
@pytest.mark.parametrize("options", [{}, HARD], ids=["plain", "random"])
def test_partial_fits_equal_one_fit(network, options, series):
    whole = network(**TINY | {"max_epochs": 3}, **options).fit(series)
    steps = network(**TINY, **options)
    for _ in range(3):
        steps = pickle.loads(pickle.dumps(steps.partial_fit(series)))
    assert steps.n_iter_ == 3
    assert steps.history_ == whole.history_
    np.testing.assert_array_equal(steps.score_samples(series), whole.score_samples(series))
    assert steps.threshold_ == whole.threshold_


def test_partial_fit_refuses_other_features(series):
    detector = LSTMAutoencoder(**TINY).partial_fit(series)
    with pytest.raises(ValueError, match="X has 1 features, but LSTMAutoencoder is expecting 2"):
        detector.partial_fit(series[:, :1])


@networks
@pytest.mark.parametrize("form", FORMS)
def test_early_stopping_restores_the_best_weights(network, form, request):
    X = request.getfixturevalue(form)
    options = TINY | {"window_size": 5, "max_epochs": 60, "learning_rate": 0.1}
    if network is VariationalLSTMAutoencoder:
        options["kl_warmup"] = 0  # early stopping watches the epochs after it
    detector = network(**options, early_stopping=True, n_iter_no_change=2, tol=0.0).fit(X)
    losses = detector.history_["val_loss"]
    assert detector.n_iter_ == len(losses) < 60
    best = int(np.argmin(losses))
    assert best == len(losses) - 3
    shorter = network(**options | {"max_epochs": best + 1}, early_stopping=True, tol=0.0).fit(X)
    for a, b in zip(detector.weights_, shorter.weights_, strict=True):
        np.testing.assert_array_equal(a, b)


@networks
@pytest.mark.parametrize("random_state", range(3))
def test_early_stopping_on_whole_series(network, random_state, series):
    ragged = [series[:20], series[20:40], series[10:40]]  # each of them is held out once
    options = TINY | {"window_size": None, "random_state": random_state}
    detector = network(**options, early_stopping=True).fit(ragged)
    assert np.isfinite(detector.history_["val_loss"]).all()
    assert len(detector.score_samples(ragged)) == 3


def test_validation_data_never_reach_the_weights(series):
    options = TINY | {"early_stopping": True, "max_epochs": 9, "learning_rate": 0.02}
    detector = LSTMAutoencoder(**options, validation_fraction=0.3).fit(series)
    changed = series.copy()
    changed[-26:] *= 1.5  # 18 steps to validate, 8 between
    other = LSTMAutoencoder(**options, validation_fraction=0.3).fit(changed)
    losses = [fitted.history_["val_loss"] for fitted in (detector, other)]
    assert losses[0] != losses[1]
    assert np.argmin(losses[0]) == np.argmin(losses[1])  # so that both keep the same epoch
    for a, b in zip(detector.weights_, other.weights_, strict=True):
        np.testing.assert_array_equal(a, b)


def test_callbacks_are_copied_for_each_fit(series):
    import keras

    class Count(keras.callbacks.Callback):
        epochs = []

        def on_epoch_end(self, epoch, logs=None):
            Count.epochs.append(epoch)
            if epoch == 1:
                self.model.stop_training = True

    callback = Count()
    detector = LSTMAutoencoder(**TINY | {"max_epochs": 9}, callbacks=[callback])
    clone(detector).fit(series)
    detector.fit(series)
    assert Count.epochs == [0, 1, 0, 1]
    assert detector.n_iter_ == 2
    assert callback.model is None


@pytest.mark.parametrize("batch_size", [64, 53, 50, 7])
def test_the_loss_is_that_of_the_windows(batch_size, series):
    options = TINY | {"batch_size": batch_size, "max_epochs": 1, "learning_rate": 1e-12}
    loss = LSTMAutoencoder(**options).fit(series).history_["loss"][0]
    untrained = LSTMAutoencoder(**TINY | {"max_epochs": 0}).fit(series)
    windows = np.lib.stride_tricks.sliding_window_view(series, 8, axis=0).swapaxes(1, 2)
    expected = np.mean((windows - untrained.reconstruct(windows)) ** 2)
    # 53 windows do not fill batches of 50 or 7 alike, which the mean over batches shows.
    assert loss == pytest.approx(expected, rel=1e-5 if batch_size >= 53 else 0.02)


def test_diverging_training_says_what_to_do(series):
    detector = LSTMAutoencoder(**TINY, optimizer="sgd")
    with pytest.raises(ValueError, match=r"loss must stay finite; got (nan|inf) in epoch 1.*Scale"):
        detector.fit(series * 1e20)


def test_progress_shows_epochs_losses_and_time_left(series, capsys):
    LSTMAutoencoder(**TINY, early_stopping=True, verbose=1).fit(series)
    out, err = capsys.readouterr()
    assert out == ""
    assert "epoch 1/2" in err
    assert "epoch 2/2" in err
    assert "loss" in err
    assert "val_loss" in err
    assert "left" in err
    LSTMAutoencoder(**TINY).fit(series)
    assert capsys.readouterr() == ("", "")


# -------------------------------------------------------------------------------- persistence


@detectors
def test_clone_pickle_copy_and_joblib(detector, series, tmp_path):
    detector = clone(detector).fit(series)
    expected = detector.score_samples(series)
    joblib.dump(detector, tmp_path / "detector.joblib")
    for other in (
        pickle.loads(pickle.dumps(detector)),
        copy.deepcopy(detector),
        joblib.load(tmp_path / "detector.joblib"),
    ):
        np.testing.assert_array_equal(other.score_samples(series), expected)
        np.testing.assert_array_equal(other.predict(series), detector.predict(series))
    with pytest.raises(NotFittedError):
        clone(detector).score_samples(series)


def test_a_fitted_detector_is_small_and_holds_arrays_only(series):
    detector = LSTMAutoencoder(**TINY).fit(series)
    assert all(type(w) is np.ndarray and w.dtype == np.float32 for w in detector.weights_)
    assert len(pickle.dumps(detector)) < 20_000


# ------------------------------------------------------------------------------- bad parameters

BAD = {
    "window_size": (0, "'window_size' parameter of .* must be an int in the range"),
    "stride": (9, "stride must be at most window_size=8.*got 9. Use a smaller stride"),
    "hidden_units": ((4, 0), r"hidden_units must be a positive int or a tuple.*got \(4, 0\)"),
    "dropout": (1.0, r"'dropout' parameter of .* range \[0.0, 1.0\)"),
    "optimizer": ("adamant", "optimizer must be the name of a Keras optimizer.*got 'adamant'"),
    "loss": ("mess", "loss must be the name of a Keras loss.*got 'mess'. Use for example 'mse'"),
    "learning_rate": (-1.0, "'learning_rate' parameter of"),
    "max_epochs": (-1, "'max_epochs' parameter of"),
    "batch_size": (0, "'batch_size' parameter of"),
    "validation_fraction": (1.0, "'validation_fraction' parameter of"),
    "callbacks": ([3], "callbacks must be a list of keras.callbacks.Callback instances; got 3"),
    "aggregation": ("sum", "'aggregation' parameter of .* must be a str among"),
    "score_norm": ("cubed", "'score_norm' parameter of"),
    "contamination": (0.7, r"'contamination' parameter of .* range \(0.0, 0.5\]. Got 0.7"),
    "random_state": ("now", "'random_state' parameter of"),
}


@networks
@pytest.mark.parametrize("name", BAD)
def test_bad_parameters(network, name, series):
    value, message = BAD[name]
    if name not in network().get_params():
        assert (network, name) == (VariationalLSTMAutoencoder, "loss")
        with pytest.raises(TypeError, match="unexpected keyword argument 'loss'"):
            network(**TINY | {name: value})
        return
    with pytest.raises(ValueError, match=f"(?s){message}"):
        network(**TINY | {name: value}).fit(series)


@detectors
def test_unfitted_detectors_say_so(detector, series):
    for method in (
        "score_samples",
        "decision_function",
        "predict",
        "score_timesteps",
        "predict_timesteps",
        "score_features",
        "reconstruct",
        "score",
    ):
        with pytest.raises(NotFittedError, match=f"This {by_class(detector)} instance is not fit"):
            getattr(clone(detector), method)(series)
    assert not hasattr(clone(detector), "model_")


@detectors
def test_zero_variance_columns(detector, series):
    X = np.column_stack([series, np.full(len(series), 7.0)])
    for score_norm in ("squared", "standardised"):
        fitted = clone(detector).set_params(score_norm=score_norm).fit(X)
        assert np.isfinite(fitted.score_samples(X)).all()
    constant = clone(detector).set_params(score_norm="standardised").fit(np.ones((40, 2)))
    assert np.isfinite(constant.score_samples(np.ones((40, 2)))).all()
    assert (constant.predict(np.ones((40, 2))) == 1).sum() >= 38
