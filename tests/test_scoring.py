"""Error norms, smoothing and feature weights."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import mahalanobis
from sklearn.base import clone
from sklearn.covariance import shrunk_covariance
from tiny import TINY, by_class, tiny_detectors

from skanomaly import (
    LSTMAutoencoder,
    MeanDetector,
    PersistenceDetector,
    Seq2SeqLSTMAutoencoder,
)
from skanomaly.datasets import make_flights
from skanomaly.scoring import SCORE_NORMS, ErrorNorm, error_scale, fit_threshold, step_scores
from skanomaly.smoothing import Smoother
from skanomaly.thresholds import FixedThreshold, QuantileThreshold

norms = pytest.mark.parametrize("name", SCORE_NORMS)


def correlated(n=2000, seed=0):
    rng = np.random.default_rng(seed)
    mixing = np.array([[1.0, 0.0, 0.0], [0.9, 0.3, 0.0], [0.0, 0.0, 50.0]])
    return rng.normal(size=(n, 3)) @ mixing.T + [0.0, 1.0, -20.0]


def test_mahalanobis_is_the_distance_under_the_shrunk_correlation():
    train, test = correlated(), correlated(50, 1)
    errors = ErrorNorm("mahalanobis").fit(train)(test)
    centre, std = train.mean(axis=0), train.std(axis=0)
    correlation = shrunk_covariance(np.corrcoef(train.T), shrinkage=0.1)
    inverse = np.linalg.inv(correlation)
    expected = [mahalanobis((x - centre) / std, 0 * x, inverse) ** 2 for x in test]
    np.testing.assert_allclose(errors.sum(axis=1), expected, rtol=1e-9)


def test_gaussian_asks_how_far_errors_are_from_the_usual():
    train, test = correlated(), correlated(50, 1)
    errors = ErrorNorm("gaussian").fit(train)(test)
    expected = ErrorNorm("mahalanobis").fit(abs(train))(abs(test))
    np.testing.assert_allclose(errors, expected)


def test_standardised_errors_do_not_mind_outliers():
    train = correlated()
    clean = ErrorNorm("standardised").fit(train).scale
    train[:50] *= 1000
    np.testing.assert_allclose(ErrorNorm("standardised").fit(train).scale, clean, rtol=0.1)
    np.testing.assert_allclose(clean, train[50:].std(axis=0), rtol=0.1)


def test_mahalanobis_finds_what_breaks_the_correlation():
    test = np.zeros((3, 3)) + [0.0, 1.0, -20.0]
    test[1, :2] += [2.0, 1.8]  # as usual, together
    test[2, :2] += [2.0, -1.8]  # against each other
    plain = step_scores(ErrorNorm("standardised").fit(correlated())(test))
    scores = step_scores(ErrorNorm("mahalanobis").fit(correlated())(test))
    assert plain[2] == pytest.approx(plain[1], rel=0.1)
    assert scores[2] > 5 * scores[1]


@norms
@given(seed=st.integers(0, 50), constant=st.booleans(), unseen=st.booleans())
@settings(max_examples=15)
def test_norms_are_safe(name, seed, constant, unseen):
    train, test = correlated(60, seed), correlated(20, seed + 1)
    train[np.random.default_rng(seed).random(train.shape) < 0.2] = np.nan
    test[3, 1], test[4] = np.nan, np.nan
    if constant:
        train[:, 0] = 0.0
    if unseen:
        train[:, 2] = np.nan
    errors = ErrorNorm(name).fit(train)(test)
    np.testing.assert_array_equal(np.isnan(errors), np.isnan(test))
    assert (errors[~np.isnan(errors)] >= 0).all()
    assert errors.shape == test.shape


@norms
def test_norms_of_constants(name):
    errors = ErrorNorm(name).fit(np.zeros((10, 2)))(np.array([[0.0, 0.0], [1.0, 0.0]]))
    assert np.isfinite(errors).all()
    assert errors[1].sum() > errors[0].sum()


def test_a_feature_that_hardly_varies_does_not_drown_the_rest():
    residuals = np.random.default_rng(0).normal(size=(500, 3)) * [1.0, 2.0, 1e-9]
    np.testing.assert_allclose(error_scale(residuals)[2], 0.01, rtol=0.1)
    # Zero more often than not, but not always.
    rare = np.where(np.arange(500) % 9, 0.0, 3.0)[:, None]
    assert error_scale(rare, robust=True) == pytest.approx(np.sqrt(np.mean(rare**2)))


@norms
@pytest.mark.parametrize("detector", tiny_detectors(), ids=by_class)
def test_detectors_take_every_norm(name, detector, series):
    fitted = clone(detector).set_params(score_norm=name, contamination=0.1).fit(series)
    labels = fitted.predict(series)
    assert (labels == -1).sum() == 6
    steps = -fitted.score_features(series).mean(axis=1)
    np.testing.assert_allclose(-fitted.score_samples(series), steps)
    scaled = clone(fitted).fit(np.float32(series) * 4)  # exact in floating point
    if not isinstance(detector, PersistenceDetector):
        return
    np.testing.assert_array_equal(scaled.predict(np.float32(series) * 4), labels)


def test_scales_come_from_the_held_out_part(series):
    options = TINY | {"early_stopping": True, "score_norm": "standardised", "max_epochs": 1}
    detector = LSTMAutoencoder(**options, validation_fraction=0.3).fit(series)
    louder = series.copy()
    louder[-18:] += np.where(np.arange(18)[:, None] % 2, 3.0, -3.0)  # held out
    other = LSTMAutoencoder(**options, validation_fraction=0.3).fit(louder)
    assert (other.error_scale_ > 2 * detector.error_scale_).all()


# ---------------------------------------------------------------------------------- weights


def test_feature_weights_are_relative(series):
    plain = PersistenceDetector().fit(series)
    weighted = PersistenceDetector(feature_weights=[30, 10]).fit(series)
    errors = plain.score_features(series)
    np.testing.assert_allclose(weighted.score_samples(series), errors @ [0.75, 0.25])
    np.testing.assert_allclose(weighted.error_scale_, plain.error_scale_)
    only = PersistenceDetector(feature_weights=[0, 1]).fit(series)
    np.testing.assert_allclose(only.score_samples(series), errors[:, 1])
    assert np.isfinite(only.error_scale_).all()


@pytest.mark.parametrize("weights", [[1.0], [1.0, -1.0], [0.0, 0.0], [1.0, np.nan], 3.0])
def test_wrong_feature_weights(weights, series):
    with pytest.raises(ValueError, match="feature_weights"):
        PersistenceDetector(feature_weights=weights).fit(series)


# --------------------------------------------------------------------------------- smoothing


def pieces(errors, cuts):
    return np.split(errors, sorted(cuts))


def exponential_weights(distances, span):
    weights = ((span - 1) / (span + 1)) ** distances.astype(float)
    return np.where(weights < 1e-3, 0.0, weights)  # the score has a finite reach


def triangular_weights(distances, span):
    return np.maximum(1 - distances / span, 0.0)


def slow_mean(errors, span, causal, weigh):
    smooth = np.full_like(errors, np.nan)
    for t in range(len(errors)):
        for f in range(errors.shape[1]):
            lags = np.arange(len(errors)) - t
            weights = np.where(causal & (lags > 0), 0.0, weigh(abs(lags), span))
            weights[np.isnan(errors[:, f])] = 0
            if not np.isnan(errors[t, f]):
                smooth[t, f] = weights @ np.nan_to_num(errors[:, f]) / weights.sum()
    return smooth


@given(
    st.lists(st.integers(1, 40), min_size=1, max_size=3),
    st.integers(1, 12),
    st.booleans(),
    st.sets(st.integers(0, 90), max_size=6),
    st.booleans(),
)
def test_smoothing_is_that_of_the_slow_loop(lengths, span, causal, cuts, gaps):
    rng = np.random.default_rng(sum(lengths))
    series = [rng.exponential(size=(n, 2)) for n in lengths]
    if gaps:
        for one in series:
            one[rng.random(one.shape) < 0.3] = np.nan
    blocks = pieces(np.concatenate(series), cuts)
    for kind, weigh in (("exponential", exponential_weights), ("triangular", triangular_weights)):
        smooth = np.concatenate(list(Smoother(kind, span, causal)(blocks, lengths)))
        expected = np.concatenate([slow_mean(one, span, causal, weigh) for one in series])
        np.testing.assert_allclose(smooth, expected)

    smooth = np.concatenate(list(Smoother("median", span, causal)(blocks, lengths)))
    expected = []
    for one in series:
        after = 0 if causal else (span - 1) // 2
        frame = pd.DataFrame(np.concatenate([one, np.full((after, 2), np.nan)]))
        rolled = frame.rolling(span, min_periods=1).median().to_numpy()[after:]
        expected.append(np.where(np.isnan(one), np.nan, rolled))
    np.testing.assert_allclose(smooth, np.concatenate(expected))


@pytest.mark.parametrize("smoothing", ["exponential", "median", "triangular"])
def test_causal_scores_use_nothing_later(smoothing, series):
    options = {"smoothing": smoothing, "smoothing_causal": True, "smoothing_span": 5}
    detector = LSTMAutoencoder(**TINY, **options, aggregation="last").fit(series)
    changed = series.copy()
    changed[40:] += 3.0
    before, after = detector.score_samples(series), detector.score_samples(changed)
    np.testing.assert_allclose(after[:40], before[:40], rtol=1e-5)
    assert not np.isclose(after[40], before[40])
    both = clone(detector).set_params(smoothing_causal=False).fit(series)
    assert not np.isclose(both.score_samples(changed)[39], both.score_samples(series)[39])


def test_smoothing_brings_out_long_anomalies():
    rng = np.random.default_rng(0)
    X, X_test = rng.normal(size=(4000, 1)), rng.normal(size=(1000, 1))
    X_test[500:540] *= 2.5
    plain = PersistenceDetector(contamination=0.005).fit(X)
    smooth = clone(plain).set_params(smoothing="exponential", smoothing_span=20).fit(X)
    assert (plain.predict(X_test)[500:540] == -1).mean() < 0.5
    assert (smooth.predict(X_test)[500:540] == -1).mean() > 0.9
    assert (smooth.predict(X_test)[:480] == -1).mean() < 0.03


def test_contributions_of_smoothed_distances_add_up(series):
    options = {"score_norm": "mahalanobis", "smoothing": "exponential", "smoothing_span": 4}
    detector = Seq2SeqLSTMAutoencoder(**TINY, **options).fit(series)
    from skanomaly.inspection import feature_contributions

    total = feature_contributions(detector, series).sum(axis=1)
    np.testing.assert_allclose(total, -detector.score_timesteps(series))


# --------------------------------------------------------------------------------- after fit


def test_what_is_called_after_fit(series, panel):
    called = []

    def note(detector, X):
        called.append((detector.threshold_, X))

    detector = PersistenceDetector(after_fit=note).fit(series)
    assert called == [(detector.threshold_, series)]
    clone(detector).partial_fit(series)
    assert len(called) == 1


def test_a_copier_is_warned_of():
    from skanomaly.exceptions import IdentityWarning
    from skanomaly.inspection import warn_if_identity

    X = np.sin(np.arange(500) / 5).reshape(-1, 1)
    with pytest.warns(IdentityWarning, match="PersistenceDetector must not copy its input"):
        PersistenceDetector(after_fit=warn_if_identity).fit(X)
    flights = make_flights(n_train=4, n_test=1, n_timesteps=200, n_features=4, random_state=0)
    LSTMAutoencoder(**TINY | {"max_epochs": 1}, after_fit=warn_if_identity).fit(flights.X_train)


class _Counting(MeanDetector):
    """Counts how often it learned and was asked what it expected."""

    calls = 0

    def _learn(self, sequences, partial):
        self.calls += 1
        return super()._learn(sequences, partial)

    def _expected(self, sequences):
        self.calls += 1
        return super()._expected(sequences)


def test_wrong_feature_weights_are_refused_before_learning(series):
    detector = _Counting(feature_weights=[1, 1, 1])
    for learn in (detector.fit, detector.partial_fit):
        with pytest.raises(ValueError, match="feature_weights must be 2 numbers"):
            learn(series)
    assert detector.calls == 0


def test_a_panel_is_refused_labels_before_scoring(series, panel):
    detector = _Counting().fit(series)
    before = detector.calls
    for method in (detector.predict, detector.decision_function):
        with pytest.raises(ValueError, match="X must be one series"):
            method(panel)
    assert detector.calls == before


def test_scores_that_tell_nothing_are_refused_and_others_left_out():
    with pytest.raises(ValueError, match="detector has an opinion; got none. Give longer series"):
        fit_threshold(FixedThreshold(value=1.0), np.full(5, np.nan))
    selector, unknown = fit_threshold(
        QuantileThreshold(contamination=0.5), np.array([1, np.nan, 3])
    )
    assert (selector.threshold_, unknown) == (2.0, 2.0)
