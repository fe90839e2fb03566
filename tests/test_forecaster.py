"""LSTMForecaster: what it learns, what it may read, and how its forecasts are joined."""

import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny import TINY

from skanomaly import LSTMForecaster, PersistenceDetector

pytestmark = pytest.mark.contract

SIZE = TINY["window_size"]


def noisy_sines(n_timesteps, seed=0):
    noise = np.random.default_rng(seed).normal(size=(n_timesteps, 2))
    return np.sin(np.arange(n_timesteps)[:, None] / [3, 5]) + 0.1 * noise


@pytest.fixture(scope="module")
def learned():
    options = {"window_size": 24, "hidden_units": 12, "max_epochs": 12, "learning_rate": 0.02}
    return LSTMForecaster(**options, random_state=0).fit(noisy_sines(600))


def test_it_forecasts_far_better_than_persistence_and_the_mean(learned):
    X = noisy_sines(300, seed=1)
    error = np.mean((X - learned.reconstruct(X)) ** 2)
    persistence = -PersistenceDetector().fit(X).score(X)
    assert error < 0.5 * persistence
    assert error < 0.1 * X.var()
    assert error < 0.025  # the noise alone makes 0.01


def test_a_spike_stands_out(learned):
    X = noisy_sines(300, seed=1)
    X[200, 1] += 1.0
    scores = learned.score_samples(X)
    assert np.argmin(scores) == 200
    assert learned.predict(X)[200] == -1
    assert scores[200] < 3 * np.delete(scores, range(200, 206)).min()


def test_the_longest_past_forecasts_best(learned):
    X = noisy_sines(300, seed=1)
    last = pickle.loads(pickle.dumps(learned))
    mean = pickle.loads(pickle.dumps(learned)).set_params(aggregation="mean")
    assert last.aggregation == "last"
    assert last.score(X) > 0.8 * mean.score(X)
    errors = [np.mean((X - one.reconstruct(X)) ** 2) for one in (last, mean)]
    assert errors[0] < errors[1]


# ----------------------------------------------------------------------------------- causality


@pytest.fixture(scope="module", params=[(1, 1), (3, 1), (2, 3)], ids=str)
def fitted(request):
    horizon, stride = request.param
    X = noisy_sines(80)
    X[np.random.default_rng(0).random(X.shape) < 0.1] = np.nan
    return LSTMForecaster(**TINY | {"stride": stride}, horizon=horizon).fit(X)


@given(st.integers(1, 40), st.integers(0, 39), st.integers(0, 50), st.booleans(), st.booleans())
@settings(max_examples=15)
def test_no_forecast_reads_its_step_or_later_ones(fitted, n, step, seed, gaps, vanish):
    X, step = noisy_sines(n, seed), step % n
    if gaps:
        X[np.random.default_rng(seed).random(X.shape) < 0.3] = np.nan
    changed = X.copy()
    changed[step:] = np.nan if vanish else 5.0
    forecast = fitted.reconstruct(X)
    np.testing.assert_array_equal(fitted.reconstruct(changed)[: step + 1], forecast[: step + 1])
    scores = fitted.score_features(X)
    np.testing.assert_array_equal(fitted.score_features(changed)[:step], scores[:step])


def test_within_a_window_every_forecast_is_causal():
    X = noisy_sines(40)
    whole = LSTMForecaster(**TINY | {"window_size": None}, horizon=3).fit([X, X[:25]])
    for part in (X, X[:25], X[:11]):  # exact, padded
        changed = part.copy()
        changed[7:] = -3.0
        kept = whole.reconstruct([part])[0][:8]
        np.testing.assert_allclose(whole.reconstruct([changed])[0][:8], kept, atol=1e-6)


def test_the_first_step_is_forecast_from_nothing(fitted):
    X = noisy_sines(2 * SIZE)
    first = fitted.reconstruct(X)[0]
    assert np.isfinite(first).all()
    np.testing.assert_array_equal(fitted.reconstruct(X + 1)[0], first)


# ------------------------------------------------------------------------------------- horizon


def slow_average(detector, X, of):
    """Average of(value, forecast) over the forecasts of each value, by loops."""
    horizon, (n, n_features) = detector.horizon, X.shape
    result = np.empty(X.shape)
    for step in range(n):
        start = min(max(step - SIZE + 1, 0), n - SIZE)
        window = X[start : start + SIZE][None].astype(np.float32)
        said = np.asarray(detector.model_.predict_on_batch(window))[0]
        said = said.reshape(SIZE, horizon, n_features)
        at = step - start
        for feature in range(n_features):
            known = [
                of(X[step, feature], said[at, lead, feature])
                for lead in range(horizon)
                if at - lead >= 0  # made at a position of the window
            ]
            result[step, feature] = np.mean(known)
    return result


@pytest.mark.parametrize("score_norm", ["squared", "absolute"])
def test_averages_over_the_horizon_are_those_of_plain_loops(score_norm):
    X = noisy_sines(20)
    detector = LSTMForecaster(**TINY, horizon=3, score_norm=score_norm).fit(X)

    def error(x, y):
        return (x - y) ** 2 if score_norm == "squared" else abs(x - y)

    np.testing.assert_allclose(
        -detector.score_features(X), slow_average(detector, X, error), rtol=1e-4, atol=1e-6
    )
    np.testing.assert_allclose(
        detector.reconstruct(X), slow_average(detector, X, lambda x, y: y), atol=1e-5
    )


def test_a_forecast_far_ahead_reads_less():
    detector = LSTMForecaster(**TINY, horizon=3).fit(noisy_sines(40))
    window = noisy_sines(SIZE).astype(np.float32)
    said = np.asarray(detector.model_.predict_on_batch(window[None]))[0].reshape(SIZE, 3, 2)
    for lead in range(3):
        assert np.isnan(said[:lead, lead]).all()
        assert np.isfinite(said[lead:, lead]).all()
        changed = window.copy()
        changed[4] += 1.0
        other = np.asarray(detector.model_.predict_on_batch(changed[None]))[0].reshape(SIZE, 3, 2)
        differs = (other != said)[lead:, lead].any(axis=-1)
        assert np.flatnonzero(differs)[0] == 4 + 1  # counted from step `lead`


@pytest.mark.parametrize("loss", ["mse", "mae"])
@pytest.mark.parametrize("form", ["whole", "gaps", "padded"])
def test_the_loss_is_the_mean_error_over_horizon_and_steps(form, loss):
    X = noisy_sines(40)
    options = TINY | {"batch_size": 64, "max_epochs": 1, "learning_rate": 1e-12}
    if form == "gaps":
        X[np.random.default_rng(0).random(X.shape) < 0.2] = np.nan
    if form == "padded":
        options["window_size"], windows = None, [X[:25], X]
    else:
        windows = list(np.lib.stride_tricks.sliding_window_view(X, SIZE, axis=0).swapaxes(1, 2))
    norm = {"mse": "squared", "mae": "absolute"}[loss]
    detector = LSTMForecaster(**options, horizon=3, loss=loss, score_norm=norm)
    detector.fit(windows if form == "padded" else X)
    errors = [-detector.score_features([window])[0] for window in windows]
    if form == "padded":  # two buckets, a batch each
        expected = np.mean([error.mean() for error in errors])
    else:
        expected = np.nanmean(errors)
    assert detector.history_["loss"] == pytest.approx([expected], rel=1e-4)


def test_a_keras_loss_and_its_name_train_alike(series):
    import keras

    by_name = LSTMForecaster(**TINY, horizon=2, loss="huber").fit(series)
    instance = LSTMForecaster(**TINY, horizon=2, loss=keras.losses.Huber()).fit(series)
    np.testing.assert_allclose(instance.history_["loss"], by_name.history_["loss"], rtol=1e-6)


@pytest.mark.parametrize("X", ["series", "panel", "ragged"])
def test_every_form_and_option_works_with_a_horizon(X, request):
    X = request.getfixturevalue(X)
    options = TINY | {"dropout": 0.1, "noise_std": 0.1, "early_stopping": True}
    detector = LSTMForecaster(**options | {"window_size": 5}, horizon=4).fit(X)
    scores = detector.score_samples(X)
    np.testing.assert_array_equal(detector.fit(X).score_samples(X), scores)
    again = pickle.loads(pickle.dumps(detector))
    np.testing.assert_array_equal(again.score_samples(X), scores)
    steps = LSTMForecaster(**TINY | {"window_size": 5}, horizon=4)
    whole = LSTMForecaster(**TINY | {"window_size": 5}, horizon=4).fit(X)
    steps.partial_fit(X).partial_fit(X)
    np.testing.assert_array_equal(steps.score_samples(X), whole.score_samples(X))


def test_series_shorter_than_the_horizon_are_scored(series):
    detector = LSTMForecaster(**TINY, horizon=5).fit(series)
    for n in (1, 3):
        assert np.isfinite(detector.score_features(series[:n])).all()


def test_bad_horizons(series):
    with pytest.raises(ValueError, match="horizon must be at most 8, the time steps.*got 9. Use a"):
        LSTMForecaster(**TINY, horizon=9).fit(series)
    with pytest.raises(ValueError, match="'horizon' parameter of"):
        LSTMForecaster(**TINY, horizon=0).fit(series)


def test_the_documented_defaults_are_the_defaults():
    doc = LSTMForecaster.__doc__
    assert '"last"}, default="last"' in doc
    assert "decoder mirrors" not in doc
    assert "(denoising)" not in doc
