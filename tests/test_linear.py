"""Detectors in closed form: the mean, and the vector autoregression."""

import math
import pickle

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.linear_model import Ridge

from skanomaly import LinearForecaster, MeanDetector, PersistenceDetector, sequences
from skanomaly.datasets import make_series
from skanomaly.detectors import _linear, _moments

LAGS = [(1,), (1, 2), (3, 1, 7), (5,)]


def make_var(n_timesteps, coef, noise=1.0, seed=0):
    """Generate a vector autoregression with coefficients (n_lags, n_features, n_features)."""
    rng = np.random.default_rng(seed)
    X = np.zeros((n_timesteps + 100, len(coef[0])))
    for t in range(len(coef), len(X)):
        X[t] = noise * rng.normal(size=X.shape[1])
        X[t] += sum(A @ X[t - k] for k, A in enumerate(coef, start=1))
    return X[100:].astype(np.float32).astype(np.float64)


VAR_2 = np.array([[[0.5, 0.2], [-0.1, 0.6]], [[-0.3, 0.0], [0.1, 0.2]]])


def design(series, lags):
    """Regressors and targets of all steps with a full past, of a list of series."""
    most = max(lags)
    past = [np.hstack([x[most - k : len(x) - k] for k in lags]) for x in series if len(x) > most]
    return np.concatenate(past), np.concatenate([x[most:] for x in series])


def by_sklearn(series, lags, alpha, fit_intercept=True):
    """Coefficients (n_lags, n_features, n_features) and intercept, by Ridge on the design."""
    lags = sorted(lags)
    std = np.concatenate(series).std(axis=0)
    past, target = design([x / std for x in series], lags)
    ridge = Ridge(alpha=alpha, fit_intercept=fit_intercept, solver="svd").fit(past, target)
    coef = ridge.coef_.reshape(len(std), len(lags), len(std)).swapaxes(0, 1)
    return coef * (std[:, None] / std), ridge.intercept_ * std


# ------------------------------------------------------------------------------------ the fit


@pytest.mark.parametrize("lags", LAGS)
@pytest.mark.parametrize("offset", [0.0, 1e4])
def test_without_a_ridge_it_is_least_squares(lags, offset):
    X = np.float32(make_var(500, VAR_2) + offset).astype(np.float64)
    past, target = design([X - X.mean(axis=0)], sorted(lags))
    past = np.column_stack([np.ones(len(past)), past])
    expected = np.linalg.lstsq(past, target)[0][1:].reshape(-1, 2, 2).swapaxes(1, 2)
    detector = LinearForecaster(lags=lags, alpha=0).fit(X)
    np.testing.assert_allclose(detector.coef_, expected, rtol=0, atol=1e-11)
    np.testing.assert_array_equal(detector.lags_, sorted(lags))


@pytest.mark.parametrize("lags", LAGS)
@pytest.mark.parametrize("alpha", [1.0, 300.0])
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_with_a_ridge_it_is_that_of_scikit_learn(lags, alpha, fit_intercept):
    X = np.float32(make_var(400, VAR_2) * [1.0, 40.0] + [3.0, -50.0]).astype(np.float64)
    series = [X[:150], X[150:153], X[153:290], X[290:]]
    coef, intercept = by_sklearn(series, lags, alpha, fit_intercept) if max(lags) < 3 else (
        by_sklearn([series[0], *series[2:]], lags, alpha, fit_intercept)
    )  # fmt: skip
    series = series if max(lags) < 3 else [series[0], *series[2:]]
    detector = LinearForecaster(lags=lags, alpha=alpha, fit_intercept=fit_intercept).fit(series)
    np.testing.assert_allclose(detector.coef_, coef, rtol=0, atol=1e-9)
    np.testing.assert_allclose(detector.intercept_, intercept, rtol=1e-9, atol=1e-9)
    assert detector.alpha_ == alpha


def test_a_known_autoregression_is_recovered():
    X = make_var(20_000, VAR_2, noise=[1.0, 3.0]) + [5.0, -7.0]
    detector = LinearForecaster(lags=2).fit(X)
    np.testing.assert_allclose(detector.coef_ * [1.0, 3.0] / [[1.0], [3.0]],
                               VAR_2 * [1.0, 3.0] / [[1.0], [3.0]], atol=0.02)  # fmt: skip
    np.testing.assert_allclose(detector.error_scale_, [1.0, 3.0], rtol=0.02)
    longer = LinearForecaster(lags=6).fit(X)
    assert np.abs(longer.coef_[2:]).max() < 0.1


def test_series_are_never_mixed():
    rng = np.random.default_rng(0)
    series = [rng.normal(size=(30, 1)) + 100 * i for i in range(4)]
    series = [x.astype(np.float32).astype(np.float64) for x in series]
    coef, _ = by_sklearn(series, (1, 3), 1.0)
    detector = LinearForecaster(lags=(1, 3), alpha=1.0).fit(series)
    np.testing.assert_allclose(detector.coef_, coef, atol=1e-9)


def test_reconstruct_is_the_forecast_of_one_step():
    X = make_var(80, VAR_2)
    detector = LinearForecaster(lags=(1, 4)).fit(X)
    expected = detector.intercept_ + X[3:-1] @ detector.coef_[0].T + X[:-4] @ detector.coef_[1].T
    np.testing.assert_allclose(detector.reconstruct(X)[4:], expected, atol=1e-12)


@pytest.mark.parametrize("alpha", ["auto", 0, 5.0])
def test_units_do_not_matter(alpha):
    X = make_var(200, VAR_2)
    units, offset = np.array([2.0**20, 2.0**-15]), np.array([2.0**22, 0.0])
    plain = LinearForecaster(lags=3, alpha=alpha).fit(X)
    scaled = clone(plain).fit(X * units)
    np.testing.assert_allclose(scaled.reconstruct(X * units) / units, plain.reconstruct(X))
    assert scaled.alpha_ == pytest.approx(plain.alpha_)
    moved = np.float32(X * units + offset)
    assert np.isfinite(clone(plain).fit(moved).score_samples(moved)).all()


# ---------------------------------------------------------------------------- choice of alpha


def test_auto_weakens_the_ridge_when_it_need_not_guard():
    smooth = np.sin(np.arange(400)[:, None] / [7, 11])
    assert LinearForecaster().fit(smooth).alpha_ < 0.01
    noise = np.random.default_rng(0).normal(size=(150, 10))
    detector = LinearForecaster().fit(noise[:100])
    assert detector.alpha_ > 1000
    assert np.mean((noise[100:] - detector.reconstruct(noise[100:])) ** 2) < 1.1


def test_auto_is_near_the_best_ridge_on_new_data():
    X = make_var(2200, 0.8 * np.eye(8)[None])
    train, test = X[:150], X[150:]

    def error(alpha):
        detector = LinearForecaster(alpha=alpha).fit(train)
        return np.mean((test - detector.reconstruct(test)) ** 2)

    assert error("auto") < 1.1 * min(error(10.0**power) for power in range(-3, 5))
    assert error("auto") < 0.8 * error(0)


def test_auto_minimises_the_criterion():
    X = make_var(90, VAR_2)
    detector = LinearForecaster(lags=8).fit(X)
    std = X.std(axis=0)
    past, target = design([X / std], range(1, 9))
    past, target = past - past.mean(axis=0), target - target.mean(axis=0)

    def criterion(alpha):
        hat = past @ np.linalg.solve(past.T @ past + alpha * np.eye(16), past.T)
        left = 1 - 1.4 * (1 + np.trace(hat)) / len(past)
        rss = np.square(target - hat @ target).mean(axis=0)
        return np.log(rss).mean() - 2 * np.log(left) if left > 0 else np.inf

    best = criterion(detector.alpha_)
    assert best <= min(criterion(alpha) for alpha in np.geomspace(1e-6, 1e6, 40)) + 0.01


# ------------------------------------------------------------------------- starts and gaps


@pytest.mark.parametrize("lags", [(1, 2, 3), (2, 5)])
def test_the_start_of_a_series_is_forecast_from_the_lags_that_there_are(lags):
    X = make_var(300, VAR_2) + 3.0
    detector = LinearForecaster(lags=lags, alpha=0).fit(X)
    most, least = max(lags), min(lags)
    target = X[most:]

    def regress(y, past):
        past = np.column_stack([np.ones(len(y)), past])
        return np.linalg.lstsq(past, y)[0]

    expected = []
    for t in range(most):
        there = [lag for lag in lags if lag <= t]
        if there:
            weights = regress(target, design([X], lags)[0][:, : 2 * len(there)])
            expected.append(weights[0] + np.concatenate([X[t - k] for k in there]) @ weights[1:])
        else:
            weights = regress(X[most - least : len(X) - least], target)
            expected.append(weights[0] + X[t + least] @ weights[1:])
    np.testing.assert_allclose(detector.reconstruct(X)[:most], expected, atol=1e-9)


def test_a_start_far_from_the_mean_raises_no_alarm():
    rng = np.random.default_rng(0)
    series = [10.0 * rng.normal() + 0.05 * rng.normal(size=(60, 1)).cumsum(axis=0)
              for _ in range(30)]  # fmt: skip
    scores = np.stack(LinearForecaster(lags=5).fit(series).score_timesteps(series))
    assert scores[:, 0].mean() > 3 * scores[:, 5:].mean()


def test_short_series_are_scored():
    X = make_var(100, VAR_2)
    detector = LinearForecaster(lags=(3, 6)).fit(X)
    for length in range(1, 9):
        short = X[:length]
        assert np.isfinite(detector.score_samples(short)).all()
        n_mean = max(0, min(3, length) - max(0, length - 3))
        expected = np.tile(X.mean(axis=0), (n_mean, 1))
        start = min(3, length) - n_mean
        np.testing.assert_allclose(detector.reconstruct(short)[start : start + n_mean], expected)


def test_a_missing_past_value_is_the_last_one_observed_else_the_mean():
    X = make_var(200, VAR_2) + [5.0, 0.0]
    detector = LinearForecaster(lags=2).fit(X)
    gapped, filled = X[:20].copy(), X[:20].copy()
    gapped[[8, 9, 10], 0] = np.nan
    filled[[8, 9, 10], 0] = X[7, 0]
    gapped[:4, 1] = np.nan
    filled[:4, 1] = detector.mean_[1]
    expected = detector.reconstruct(filled)
    np.testing.assert_allclose(detector.reconstruct(gapped), expected, atol=1e-6)  # float32 inside


@pytest.mark.parametrize("pattern", ["values", "steps", "a dead sensor"])
def test_gaps_hardly_change_what_is_learned(pattern):
    X = make_var(20_000, VAR_2) + [5.0, -7.0]
    gapped = X.copy()
    rng = np.random.default_rng(1)
    if pattern == "values":
        gapped[rng.random(X.shape) < 0.3] = np.nan
    elif pattern == "steps":
        gapped[rng.random(len(X)) < 0.3] = np.nan
    else:
        gapped[8000:, 1] = np.nan
    detector = LinearForecaster(lags=2).fit(gapped)
    error = np.nanmean((gapped - detector.reconstruct(gapped)) ** 2)
    whole = LinearForecaster(lags=2).fit(X)
    assert error < 1.01 * np.nanmean((gapped - whole.reconstruct(gapped)) ** 2)
    assert np.mean((X - detector.reconstruct(X)) ** 2) < 1.05
    assert np.isfinite(detector.score_samples(gapped)).all()


def test_gaps_in_smooth_features_that_move_together():
    steps = np.arange(3000)[:, None]
    rng = np.random.default_rng(0)
    X = np.sin(steps / 20 + np.arange(8)) + 0.02 * rng.normal(size=(3000, 8)).cumsum(axis=0)
    gapped = X.copy()
    gapped[rng.random(X.shape) < 0.1] = np.nan
    whole, detector = LinearForecaster().fit(X), LinearForecaster().fit(gapped)
    error = np.mean((X - whole.reconstruct(X)) ** 2)
    assert np.mean((X - detector.reconstruct(X)) ** 2) < 2 * error
    filled = np.nanmean((gapped - detector.reconstruct(gapped)) ** 2)
    assert filled < 0.8 * np.nanmean(
        (gapped - PersistenceDetector().fit(X).reconstruct(gapped)) ** 2
    )


@pytest.mark.parametrize("lags", [(1, 2), (2, 3)])
def test_missing_steps_are_left_out(lags):
    X = make_var(300, VAR_2) + 5.0
    X[[40, 41, 120, 200, 201, 202, 203], :] = np.nan
    last = np.maximum.accumulate(np.where(np.isnan(X[:, 0]), 0, np.arange(300)))
    age = np.arange(300) - last
    filled = X[last]
    past, _ = design([filled], lags)
    first = max(lags)
    use = ~np.isnan(X[first:, 0])
    for lag in lags:  # a value is known for max(lags) steps
        use &= age[first - lag : 300 - lag] <= first
    past = np.column_stack([np.ones(use.sum()), past[use]])
    expected = np.linalg.lstsq(past, X[first:][use])[0][1:].reshape(-1, 2, 2).swapaxes(1, 2)
    detector = LinearForecaster(lags=lags, alpha=0).fit(X)
    np.testing.assert_allclose(detector.coef_, expected, atol=0.03)


def test_sensors_that_fail_for_long_do_no_harm():
    steps = np.arange(2000)[:, None]
    rng = np.random.default_rng(0)
    X = np.sin(steps / 20 + np.arange(6)) + 0.02 * rng.normal(size=(2000, 6)).cumsum(axis=0)
    series = np.array_split(X.copy(), 5)
    series[0][:, 2] = np.nan
    series[1][100:, 3] = np.nan
    series[3][:300, 4] = np.nan
    whole, detector = LinearForecaster().fit(X), LinearForecaster().fit(series)
    error = np.mean((X - whole.reconstruct(X)) ** 2)
    assert np.mean((X - detector.reconstruct(X)) ** 2) < 1.5 * error


def test_long_gaps_everywhere_are_refused(series):
    gappy = series.copy()
    gappy[np.arange(60) % 20 > 0, 0] = np.nan
    gappy[np.arange(60) % 20 != 10, 1] = np.nan
    detector = LinearForecaster(lags=3).partial_fit(series)
    mean = detector.mean_
    message = "stretch of more than 3 time steps, the largest lag, .* Fill the gaps, or leave out"
    with pytest.raises(ValueError, match=message):
        detector.partial_fit(gappy)
    np.testing.assert_array_equal(detector.mean_, mean)
    assert np.isfinite(LinearForecaster(lags=15).fit(gappy).coef_).all()


def test_many_gaps_leave_the_equations_solvable():
    rng = np.random.default_rng(0)
    X = make_var(60, 0.9 * np.eye(6)[None], noise=[1, 1, 1, 1e-3, 1e-3, 1e-3])
    X[:, 3:] += X[:, :3]
    X[rng.random(X.shape) < 0.6] = np.nan
    for alpha in (0, "auto"):
        detector = LinearForecaster(lags=4, alpha=alpha).fit(X)
        assert np.isfinite(detector.coef_).all()
        assert np.isfinite(detector.score_samples(X)).all()


def test_no_opinion_on_what_was_never_observed():
    X = make_var(50, VAR_2)
    X[:, 1] = np.nan
    for detector in (LinearForecaster(lags=2), MeanDetector()):
        detector.fit(X)
        assert np.isnan(detector.mean_).tolist() == [False, True]
        expected = detector.reconstruct(np.nan_to_num(X))
        assert np.isnan(expected[:, 1]).all()
        assert np.isfinite(expected[:, 0]).all()
        known = clone(detector).fit(X[:, :1])
        np.testing.assert_allclose(expected[:, :1], known.reconstruct(X[:, :1]), atol=1e-6)


# -------------------------------------------------------------------------- degenerate inputs


@pytest.mark.parametrize("alpha", ["auto", 0, 1.0])
def test_constant_and_collinear_features(alpha):
    X = make_var(120, VAR_2)
    plain = LinearForecaster(lags=3, alpha=alpha).fit(X)
    wide = np.column_stack([X, X[:, 0], 2 * X[:, 1], np.full(len(X), 7.0)])
    detector = clone(plain).fit(wide)
    assert np.isfinite(detector.coef_).all()
    np.testing.assert_array_equal(detector.reconstruct(wide)[:, 4], 7.0)
    if alpha == 0:
        np.testing.assert_allclose(
            detector.reconstruct(wide)[:, :2], plain.reconstruct(X), atol=1e-3
        )


@pytest.mark.parametrize("alpha", ["auto", 0, 1.0])
@pytest.mark.parametrize("n_timesteps", [5, 6, 8])
def test_hardly_more_time_steps_than_the_largest_lag(alpha, n_timesteps, series):
    detector = LinearForecaster(lags=4, alpha=alpha).fit(series[:n_timesteps])
    assert np.isfinite(detector.score_samples(series)).all()


def test_lags_may_reach_far_back():
    X = np.tile(np.random.default_rng(0).normal(size=(500, 1)), (4, 1))
    detector = LinearForecaster(lags=(1, 500)).fit(X)
    np.testing.assert_allclose(detector.coef_.ravel(), [0, 1], atol=1e-3)
    assert np.abs(X - detector.reconstruct(X))[500:].max() < 0.02


BAD = {
    "too long": ({"lags": 60}, "lags must be less than 60, the length of the longest.*got 60. Use"),
    "too far": ({"lags": (1, 99)}, "lags must be less than 60.*got 99. Use smaller lags"),
    "zero": ({"lags": 0}, "'lags' parameter of LinearForecaster must be"),
    "text": ({"lags": "many"}, "'lags' parameter of LinearForecaster must be"),
    "none": ({"lags": ()}, r"lags must be a positive int or a sequence.*got \(\). Use for example"),
    "negative": ({"lags": (1, -2)}, r"lags must be a positive int or .*got \(1, -2\)"),
    "fraction": ({"lags": [1.5]}, r"lags must be a positive int or .*got \[1.5\]"),
    "twice": ({"lags": (2, 2)}, r"lags must differ from each other; got \(2, 2\). Name each"),
    "alpha": ({"alpha": -1.0}, "'alpha' parameter of LinearForecaster must be"),
    "word": ({"alpha": "cv"}, "'alpha' parameter of LinearForecaster must be"),
}


@pytest.mark.parametrize(("options", "message"), BAD.values(), ids=BAD)
def test_bad_parameters(options, message, series):
    with pytest.raises(ValueError, match=message):
        LinearForecaster(**options).fit(series)


def test_partial_fit_refuses_series_without_a_full_past(series):
    detector = LinearForecaster(lags=10).partial_fit(series)
    with pytest.raises(ValueError, match="lags must be less than 8.*got 10"):
        detector.partial_fit(series[:8])


# ------------------------------------------------------------------------- blocks and batches


def gapped(X):
    X = X.copy()
    X[np.random.default_rng(0).random(X.shape) < 0.2] = np.nan
    return X


@pytest.mark.parametrize("detector", [LinearForecaster(lags=(1, 2, 9)), MeanDetector()], ids=str)
@pytest.mark.parametrize("change", [np.asarray, gapped])
def test_blocks_do_not_matter(detector, change, monkeypatch):
    X = change(make_var(700, VAR_2) + 100.0)
    for form in (X, X.reshape(7, 100, 2), [X[:5], X[5:300], X[300:]]):
        expected = clone(detector).fit(form)
        with monkeypatch.context() as patch:  # how X is read
            patch.setattr(sequences, "_BLOCK", 14)
            found = clone(detector).fit(form)
            assert found.threshold_ == expected.threshold_
            np.testing.assert_array_equal(found.score_samples(form), expected.score_samples(form))
        with monkeypatch.context() as patch:  # how it is added up
            patch.setattr(_linear, "_BLOCK", 64)
            patch.setattr(_moments, "_BLOCK", 50)
            found = clone(detector).fit(form)
            np.testing.assert_allclose(
                found.score_samples(form), expected.score_samples(form), rtol=1e-7, atol=1e-9
            )


@pytest.mark.parametrize("detector", [LinearForecaster(lags=3), MeanDetector()], ids=str)
@pytest.mark.parametrize("first_gapped", [False, True])
@pytest.mark.parametrize("second_gapped", [False, True])
def test_partial_fits_learn_as_one_fit(detector, first_gapped, second_gapped):
    X = make_var(400, VAR_2) + 50.0
    first, second = X[:150], 3 * X[150:] - 20.0
    first = gapped(first) if first_gapped else first
    second = gapped(second) if second_gapped else second
    both = clone(detector).fit([first, second])
    steps = clone(detector).partial_fit(first)
    steps = pickle.loads(pickle.dumps(steps)).partial_fit(second)
    np.testing.assert_allclose(steps.mean_, both.mean_, rtol=1e-13)
    np.testing.assert_allclose(
        steps.score_features(second), both.score_features([second])[0], rtol=1e-6, atol=1e-9
    )
    if isinstance(detector, LinearForecaster):
        np.testing.assert_allclose(steps.coef_, both.coef_, atol=1e-9)
    again = steps.fit(first)
    expected = clone(detector).fit(first)
    np.testing.assert_array_equal(again.score_samples(X), expected.score_samples(X))


def test_a_feature_that_comes_late():
    X = make_var(300, VAR_2) * 1000 + 1e5
    first = X[:100].copy()
    first[:, 1] = np.nan
    both = LinearForecaster(lags=2).fit([first, X[100:]])
    steps = LinearForecaster(lags=2).partial_fit(first).partial_fit(X[100:])
    np.testing.assert_allclose(steps.coef_, both.coef_, atol=1e-9)


# --------------------------------------------------------------------------------- baselines


def test_it_beats_persistence():
    steps = np.arange(600)
    rng = np.random.default_rng(0)
    sine = np.sin(steps / 4)[:, None] + 0.2 * rng.normal(size=(600, 1))
    for X in (sine, make_var(600, VAR_2), np.cumsum(make_var(600, VAR_2), axis=0)):
        train, test = X[:400], X[400:]
        linear = LinearForecaster(lags=10).fit(train).score(test)
        assert linear > 0.8 * PersistenceDetector().fit(train).score(test)


def test_it_finds_what_persistence_cannot():
    data = make_series(random_state=0)
    detector = LinearForecaster(contamination=0.002).fit(data.X_train)
    persistence = PersistenceDetector().fit(data.X_train)
    truth = data.y_test == -1

    def separation(fitted):
        scores = fitted.score_samples(data.X_test)
        return np.median(scores[truth]) / np.quantile(scores[~truth], 0.05)

    assert separation(detector) > 2 * separation(persistence)


# ---------------------------------------------------------------------------------- the mean


def test_the_mean_is_exact_beside_a_huge_offset(monkeypatch):
    monkeypatch.setattr(_moments, "_BLOCK", 1000)
    rng = np.random.default_rng(0)
    X = (rng.normal(size=(50_000, 2)) + [1e6, -3.0]).astype(np.float32)
    X[rng.random(X.shape) < 0.1] = np.nan
    expected = [math.fsum(x[~np.isnan(x)].tolist()) / (~np.isnan(x)).sum() for x in X.T]
    np.testing.assert_allclose(MeanDetector().fit(X).mean_, expected, rtol=1e-15)
    moments = _moments.RunningMoments(2)
    moments.add(sequences.check_sequences(MeanDetector(), X, reset=True))
    np.testing.assert_allclose(moments.std, np.nanstd(X.astype(np.float64), axis=0), rtol=1e-9)


def test_the_mean_is_expected_everywhere(series):
    detector = MeanDetector().fit(series)
    expected = np.tile(series.astype(np.float32).mean(axis=0), (60, 1))
    np.testing.assert_allclose(detector.reconstruct(series), expected, rtol=1e-6)
