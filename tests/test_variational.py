"""VariationalLSTMAutoencoder: the latent, its price, and the scores made of it."""

import pickle

import numpy as np
import pytest
from sklearn.base import clone
from tiny import TINY

from skanomaly import PersistenceDetector, VariationalLSTMAutoencoder, training
from skanomaly.windows import fill_gaps

pytestmark = pytest.mark.contract

SIZE = TINY["window_size"]
SMALL = TINY | {"latent_dim": 3, "kl_warmup": 2}
PROBABILITY = {"score_by": "reconstruction_probability"}


def noisy_sines(n_timesteps, seed=0):
    noise = np.random.default_rng(seed).normal(size=(n_timesteps, 2))
    phase = np.arange(n_timesteps)[:, None] / 4
    return np.sin(phase + [0, 1]) + 0.1 * noise


def windows_of(X):
    return np.lib.stride_tricks.sliding_window_view(X, SIZE, axis=0).swapaxes(1, 2)


def named_weights(detector):
    paths = [w.path for w in detector.model_.weights]
    return dict(zip(paths, detector.weights_, strict=True))


def with_weights(detector, **changes):
    """Copy a fitted detector and replace some of its weights, named by layer and variable."""
    other = pickle.loads(pickle.dumps(detector))
    names = [path.replace("/", "_") for path in named_weights(other)]
    for name, value in changes.items():
        place = names.index(name)
        other.weights_[place] = np.broadcast_to(value, other.weights_[place].shape).astype("f4")
    return other


def said_of(detector, windows):
    """Say what the model says: mean, log-variance, divergence per value."""
    windows = np.asarray(windows, dtype=np.float32)
    read = fill_gaps(windows)
    if detector._indicator:
        read = {"x": read, "observed": np.isfinite(windows).astype(np.float32)}
    said = np.asarray(detector.model_.predict_on_batch(read), dtype=np.float64)
    return said[..., :2], said[..., 2:4], said[..., 4:]


@pytest.fixture(scope="module")
def learned():
    options = {"window_size": 24, "hidden_units": 12, "latent_dim": 4, "kl_weight": 0.1}
    training = {"max_epochs": 25, "kl_warmup": 10, "learning_rate": 0.01, "batch_size": 32}
    return VariationalLSTMAutoencoder(**options, **training, random_state=0).fit(noisy_sines(500))


@pytest.fixture(scope="module")
def fitted():
    return VariationalLSTMAutoencoder(**SMALL | {"max_epochs": 4}).fit(noisy_sines(60))


# ------------------------------------------------------------------------------------ learning


def test_it_reconstructs_far_better_than_persistence_and_the_mean(learned):
    X = noisy_sines(200, seed=1)
    error = np.mean((X - learned.reconstruct(X)) ** 2)
    assert error < 0.5 * -PersistenceDetector().fit(X).score(X)
    assert error < 0.1 * X.var()


@pytest.mark.parametrize("score_by", ["elbo", "reconstruction_probability"])
def test_a_spike_stands_out(learned, score_by):
    X = noisy_sines(200, seed=1)
    X[100, 1] += 2.0
    detector = pickle.loads(pickle.dumps(learned)).set_params(score_by=score_by)
    scores = detector.score_samples(X)
    assert np.argmin(scores) == 100
    assert np.argmin(detector.score_features(X)[100]) == 1
    assert scores[100] < 2 * np.delete(scores, 100).min()


def test_the_variance_of_each_feature_is_learned():
    X = noisy_sines(400)
    X[:, 1] = 0.1 * np.random.default_rng(0).normal(size=400)
    options = TINY | {"max_epochs": 20, "learning_rate": 0.05}
    detector = VariationalLSTMAutoencoder(**options, kl_weight=10.0).fit(X)
    _, log_variance, _ = said_of(detector, windows_of(X))
    variances = np.exp(log_variance[0, 0])
    residuals = ((X - detector.reconstruct(X)) ** 2).mean(axis=0)
    np.testing.assert_allclose(variances, residuals, rtol=0.5)
    assert variances[1] < 0.1 * variances[0]


# --------------------------------------------------------------------------- loss and warm-up


def test_the_divergence_is_the_closed_form():
    detector = VariationalLSTMAutoencoder(**SMALL).fit(noisy_sines(30))
    mean, log_variance = np.array([0.5, -1.0, 0.0]), np.array([-2.0, 0.0, 1.0])
    given = with_weights(
        detector,
        latent_mean_kernel=0.0,
        latent_mean_bias=mean,
        latent_log_variance_kernel=0.0,
        latent_log_variance_bias=10 * np.arctanh(log_variance / 10),  # bounded smoothly
    )
    # KL(N(m, s^2) || N(0, 1)) = -log s + (s^2 + m^2) / 2 - 1/2
    s = np.exp(log_variance / 2)
    expected = np.sum(-np.log(s) + (s**2 + mean**2) / 2 - 0.5)
    for n_steps in (SIZE, 5):  # a whole window, a padded one
        X = noisy_sines(n_steps)
        log_variance = said_of(given, noisy_sines(SIZE)[None])[1][0, 0]
        squares = (X - given.reconstruct(X)) ** 2 / np.exp(log_variance)
        shares = -given.score_features(X) / 2 / np.exp(log_variance.mean()) - squares / 2
        np.testing.assert_allclose(shares, expected / X.size, rtol=1e-4)
    standard = with_weights(given, latent_mean_bias=0.0, latent_log_variance_bias=0.0)
    np.testing.assert_allclose(said_of(standard, noisy_sines(SIZE)[None])[2], 0, atol=1e-7)


@pytest.mark.parametrize("form", ["whole", "gaps", "padded"])
def test_the_loss_is_the_evidence_bound_per_observed_value(form):
    X = noisy_sines(40)
    options = SMALL | {"batch_size": 64, "max_epochs": 0, "learning_rate": 1e-12, "kl_warmup": 0}
    if form == "gaps":
        X[np.random.default_rng(0).random(X.shape) < 0.2] = np.nan
    if form == "padded":
        options["window_size"], X = None, [X[:20], X[:24]]  # one bucket
    untrained = VariationalLSTMAutoencoder(**options, kl_weight=2.0).fit(X)
    # Latents that hardly vary, so that what training draws is nearly the mean.
    detector = with_weights(
        untrained, latent_log_variance_bias=-50.0, log_variance_bias=np.array([0.5, -1.0])
    ).partial_fit(X)
    total, n_observed = 0.0, 0
    for window in X if form == "padded" else windows_of(X):
        (y,), (log_variance,), (share,) = said_of(detector, window[None])
        surprise = ((window - y) ** 2 / np.exp(log_variance) + log_variance) / 2
        total += np.nansum(surprise) + 2.0 * share[0, 0] * window.size
        n_observed += np.isfinite(window).sum()
    assert detector.history_["loss"] == pytest.approx([total / n_observed], rel=0.01)


def test_the_divergence_gets_its_weight_over_the_first_epochs(monkeypatch):
    weights = []
    target = training._Feeder._target

    def note(feeder, x):
        result = target(feeder, x)
        weights.append((feeder.per_row is None, float(result[0, 0, -1])))
        return result

    monkeypatch.setattr(training._Feeder, "_target", note)
    X = noisy_sines(30)
    options = SMALL | {"kl_warmup": 4, "kl_weight": 0.5, "batch_size": 64}
    VariationalLSTMAutoencoder(**options | {"max_epochs": 6}, early_stopping=True).fit(X)
    expected = [0.0, 0.125, 0.25, 0.375, 0.5]
    for part in (True, False):  # training, validation
        assert list(dict.fromkeys(w for trains, w in weights if trains == part)) == expected
    weights.clear()
    detector = VariationalLSTMAutoencoder(**options)
    for _ in range(6):
        detector = pickle.loads(pickle.dumps(detector.partial_fit(X)))
        assert weights[-1] == (True, 0.125 * min(detector.n_iter_ - 1, 4))


def test_early_stopping_waits_for_the_whole_objective():
    options = SMALL | {"max_epochs": 20, "kl_warmup": 6, "n_iter_no_change": 1, "tol": 10.0}
    detector = VariationalLSTMAutoencoder(**options, early_stopping=True).fit(noisy_sines(40))
    assert detector.n_iter_ == 6 + 2  # the first epoch that counts, and one no better


def test_partial_fits_equal_one_fit_through_the_warm_up():
    X = noisy_sines(30)
    options = SMALL | {"kl_warmup": 3, "dropout": 0.1}
    whole = VariationalLSTMAutoencoder(**options | {"max_epochs": 5}).fit(X)
    steps = VariationalLSTMAutoencoder(**options)
    for _ in range(5):
        steps = pickle.loads(pickle.dumps(steps.partial_fit(X)))
    assert steps.history_ == whole.history_
    np.testing.assert_array_equal(steps.score_samples(X), whole.score_samples(X))
    other = VariationalLSTMAutoencoder(**options | {"max_epochs": 5, "kl_warmup": 0}).fit(X)
    assert other.history_["loss"][0] > whole.history_["loss"][0]


def test_a_high_price_empties_the_latent():
    X = noisy_sines(60)
    options = SMALL | {"max_epochs": 15, "learning_rate": 0.05, "kl_warmup": 0}
    dear, cheap = (
        VariationalLSTMAutoencoder(**options, kl_weight=weight).fit(X) for weight in (100.0, 0.0)
    )
    divergences = [said_of(one, windows_of(X))[2].mean() for one in (dear, cheap)]
    assert divergences[0] < 0.01 * divergences[1]


def test_extreme_weights_and_data_stay_finite(fitted):
    extreme = with_weights(fitted, latent_log_variance_bias=1e6, log_variance_bias=-1e6)
    assert np.isfinite(extreme.score_samples(noisy_sines(20))).all()
    assert np.isfinite(fitted.score_samples(1e6 * noisy_sines(20))).all()


# -------------------------------------------------------------------------------------- scores


@pytest.mark.parametrize(
    "options", [{}, PROBABILITY | {"n_samples": 3}], ids=["elbo", "probability"]
)
@pytest.mark.parametrize("score_norm", ["squared", "absolute"])
def test_errors_are_made_of_the_surprise(options, score_norm):
    X = noisy_sines(40)
    tiles = {"stride": SIZE, "score_norm": score_norm}  # one window per step
    detector = VariationalLSTMAutoencoder(**SMALL, **tiles, **options, kl_weight=0.5).fit(X)
    windows = X.reshape(-1, SIZE, 2)
    y, log_variance, share = said_of(detector, windows)
    if options:
        deviance = slow_deviance(detector, windows, detector.n_samples)
    else:
        deviance = (windows - y) ** 2 / np.exp(log_variance) + 2 * 0.5 * share
    deviance *= np.exp(log_variance.mean(axis=-1, keepdims=True))  # in the units of X
    errors = -detector.score_features(X).reshape(windows.shape)
    if score_norm == "absolute":
        errors = errors**2
    np.testing.assert_allclose(errors, deviance, rtol=1e-3, atol=1e-5)
    np.testing.assert_allclose(detector.error_scale_**2, errors.mean(axis=(0, 1)), rtol=1e-4)


def slow_deviance(detector, windows, n_samples):
    """Mean over draws of the squared residual over the variance, one draw after the other."""
    named = named_weights(detector)
    points = np.random.RandomState(0).normal(size=(1, n_samples, 3))[0]
    deviance = []
    for x in windows:
        _, log_variance, _ = said_of(detector, x[None])
        code = _encode(named, x)
        mean = code @ named["latent_mean/kernel"] + named["latent_mean/bias"]
        spread = code @ named["latent_log_variance/kernel"] + named["latent_log_variance/bias"]
        spread = 10 * np.tanh(spread / 10)
        draws = [
            # The mean of the latent of this copy is the draw, whatever it reads.
            with_weights(
                detector, latent_mean_kernel=0.0, latent_mean_bias=mean + np.exp(spread / 2) * point
            )
            for point in points
        ]
        squares = [(x - said_of(draw, x[None])[0][0]) ** 2 for draw in draws]
        deviance.append(np.mean(squares, axis=0) / np.exp(log_variance[0]))
    return np.array(deviance)


def _encode(named, x):
    """Run the encoder's only layer by the textbook: (n_steps, n_features) -> (n_units,)."""
    kernel, recurrent, bias = (
        named[f"encoder_0/lstm_cell/{part}"] for part in ("kernel", "recurrent_kernel", "bias")
    )
    h = c = np.zeros(len(recurrent))
    for step in x:
        i, f, g, o = np.split(step @ kernel + h @ recurrent + bias, 4)
        c = c / (1 + np.exp(-f)) + np.tanh(g) / (1 + np.exp(-i))
        h = np.tanh(c) / (1 + np.exp(-o))
    return h


def test_the_sampled_probability_settles(fitted):
    X = noisy_sines(40, seed=2)
    scores = {}
    for n_samples in (4, 64, 256):
        sampled = pickle.loads(pickle.dumps(fitted))
        sampled.set_params(**PROBABILITY, n_samples=n_samples)
        scores[n_samples] = sampled.score_samples(X)
        np.testing.assert_array_equal(sampled.score_samples(X), scores[n_samples])
    far, near = (np.abs(scores[n] - scores[256]).max() for n in (4, 64))
    assert 0 < near < 0.1 * np.abs(scores[256]).max()
    assert near < far


def test_draws_do_not_depend_on_place_or_company(fitted):
    sampled = pickle.loads(pickle.dumps(fitted)).set_params(**PROBABILITY)
    panel = np.stack([noisy_sines(15, seed) for seed in range(5)])
    together = sampled.score_timesteps(panel)
    for one, scores in zip(panel, together, strict=True):
        np.testing.assert_allclose(sampled.score_timesteps(one), scores, rtol=1e-5)
    np.testing.assert_allclose(sampled.score_timesteps(panel[::-1]), together[::-1], rtol=1e-5)


@pytest.mark.parametrize("options", [{}, PROBABILITY], ids=["elbo", "probability"])
def test_whole_series_gaps_and_early_stopping(options, ragged):
    ragged[0][3:6, 0] = np.nan
    options = options | {"window_size": None, "early_stopping": True, "noise_std": 0.1}
    detector = VariationalLSTMAutoencoder(**SMALL | options, n_samples=3).fit(ragged)
    steps = detector.score_timesteps(ragged)
    for part, scores in zip(ragged, steps, strict=True):
        (alone,) = detector.score_timesteps([part])
        np.testing.assert_allclose(alone, scores, rtol=1e-5)
    unknown = np.isnan(np.concatenate(detector.score_features(ragged)))
    np.testing.assert_array_equal(unknown, np.isnan(np.concatenate(ragged)))
    assert np.isfinite(detector.history_["val_loss"]).all()


def test_refits_are_bit_identical_and_seeds_differ(series):
    detector = VariationalLSTMAutoencoder(**SMALL, **PROBABILITY)
    first = clone(detector).fit(series).score_samples(series)
    np.testing.assert_array_equal(detector.fit(series).score_samples(series), first)
    again = pickle.loads(pickle.dumps(detector))
    np.testing.assert_array_equal(again.score_samples(series), first)


def test_the_model_can_be_saved_by_keras(fitted, tmp_path):
    import keras

    fitted.model_.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    x = noisy_sines(SIZE)[None].astype(np.float32)
    np.testing.assert_array_equal(loaded.predict_on_batch(x), fitted.model_.predict_on_batch(x))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *[("latent_dim", 0), ("kl_weight", -1.0), ("kl_warmup", -1), ("n_samples", 0)],
        ("score_by", "likelihood"),
    ],
)
def test_bad_parameters(name, value, series):
    with pytest.raises(ValueError, match=f"'{name}' parameter of"):
        VariationalLSTMAutoencoder(**SMALL | {name: value}).fit(series)


def test_the_likelihood_is_the_loss():
    assert "loss" not in VariationalLSTMAutoencoder().get_params()
    assert "keras.losses" not in VariationalLSTMAutoencoder.__doc__
    assert "deviance residual r (see Notes) an error" in VariationalLSTMAutoencoder.__doc__
