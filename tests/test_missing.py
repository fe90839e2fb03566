"""NaN means not observed: it teaches nothing, scores nothing and is never flagged."""

import pickle

import numpy as np
import pytest
from sklearn.base import clone
from tiny import DETERMINISTIC, NETWORKS, TINY, by_class, tiny_detectors

from skanomaly import LSTMAutoencoder, PersistenceDetector
from skanomaly.thresholds import FixedThreshold

pytestmark = pytest.mark.contract

detectors = pytest.mark.parametrize("detector", tiny_detectors(), ids=by_class)
networks = pytest.mark.parametrize("network", NETWORKS)


@pytest.fixture
def gapped(series):
    """The series with single values, whole steps and a long stretch of one feature missing."""
    X = series.copy()
    X[np.random.default_rng(0).random(X.shape) < 0.1] = np.nan
    X[20:23] = np.nan
    X[35:55, 0] = np.nan
    return X


@detectors
def test_exactly_the_observed_values_have_errors(detector, series, gapped):
    for train in (series, gapped):
        fitted = clone(detector).fit(train)
        unknown = np.isnan(fitted.score_features(gapped))
        np.testing.assert_array_equal(unknown, np.isnan(gapped))
        assert np.isfinite(fitted.score_samples(gapped)).all()
        assert not np.isnan(fitted.score_features(series)).any()


@networks
def test_what_is_missing_is_reconstructed(network, gapped):
    assert np.isfinite(network(**TINY).fit(gapped).reconstruct(gapped)).all()


@detectors
@pytest.mark.parametrize("threshold", [None, FixedThreshold(value=1e-9)])
def test_steps_without_observed_values_are_normal(detector, threshold, series, gapped):
    fitted = clone(detector).set_params(threshold=threshold).fit(series)
    scores, labels = fitted.score_samples(gapped), fitted.predict(gapped)
    assert (labels[20:23] == 1).all()
    assert len(set(scores[20:23])) == 1
    if threshold is None:
        assert scores[20] == np.median(fitted.score_samples(series))
    else:
        assert (labels == -1).sum() > 30


@detectors
def test_unobserved_entries_do_not_dilute_the_score(detector, series):
    fitted = clone(detector).fit(series)
    X = series.copy()
    X[30, 0] = np.nan
    of_features = fitted.score_features(X)
    np.testing.assert_allclose(fitted.score_samples(X)[30], of_features[30, 1])


@detectors
def test_series_of_a_panel_are_scored_by_what_was_observed(detector, panel):
    X = panel.copy()
    X[0, 5:9] = np.nan
    X[1] = np.nan
    fitted = clone(detector).fit(panel)
    errors = fitted.score_features(X)
    scores = fitted.score_samples(X)
    np.testing.assert_allclose(scores[0], np.nanmean(errors[0].mean(axis=-1)))
    assert scores[1] == np.median(fitted.score_samples(panel))
    assert fitted.predict(X)[1] == 1
    assert (fitted.predict_timesteps(X)[1] == 1).all()


@pytest.mark.parametrize("network", DETERMINISTIC)
@pytest.mark.parametrize("form", ["series", "ragged"])
def test_the_loss_is_the_mean_over_observed_values(network, form, gapped):
    X = gapped if form == "series" else [gapped[:20], gapped[20:39], gapped[39:]]  # one batch
    options = TINY | {"window_size": None if form == "ragged" else 8, "learning_rate": 1e-12}
    fitted = network(**options | {"max_epochs": 1, "batch_size": 64}).fit(X)
    if form == "series":
        windows = np.lib.stride_tricks.sliding_window_view(X, 8, axis=0).swapaxes(1, 2)
        residuals = windows - fitted.reconstruct(windows)
    else:
        residuals = np.concatenate(X) - np.concatenate(fitted.reconstruct(X))
    assert fitted.history_["loss"] == pytest.approx([np.nanmean(residuals**2)], rel=1e-5)


@networks
def test_a_network_trained_with_gaps_reads_what_is_missing(network, series, gapped):
    without, told = network(**TINY).fit(series), network(**TINY).fit(gapped)
    assert told.weights_[0].shape[0] == 2 * without.weights_[0].shape[0] == 4
    # A value that was carried forward and one that was observed look alike but for the indicator.
    steps = np.ones((8, 2))
    gap = steps.copy()
    gap[4, 0] = np.nan
    assert not np.array_equal(told.reconstruct(steps), told.reconstruct(gap))
    np.testing.assert_array_equal(without.reconstruct(steps), without.reconstruct(gap))
    observed = np.isfinite(gap).astype(np.float32)[None]
    read = {"x": steps[None].astype(np.float32), "observed": observed}
    expected = np.asarray(told.model_.predict_on_batch(read))[0, :, :2]
    np.testing.assert_allclose(told.reconstruct(gap), expected, atol=1e-6)


@networks
@pytest.mark.parametrize("options", [{}, {"early_stopping": True}])
def test_training_with_gaps_works_as_without(network, options, gapped):
    detector = network(**TINY | {"max_epochs": 15, "learning_rate": 0.02}, **options).fit(gapped)
    for losses in detector.history_.values():
        assert np.isfinite(losses).all()
    assert detector.history_["loss"][-1] < 0.8 * detector.history_["loss"][0]
    again = pickle.loads(pickle.dumps(clone(detector).fit(gapped)))
    np.testing.assert_array_equal(again.score_samples(gapped), detector.score_samples(gapped))


@networks
def test_gaps_may_come_and_go_between_partial_fits(network, series, gapped):
    for first, second in ((series, gapped), (gapped, series)):
        detector = network(**TINY).partial_fit(first).partial_fit(second)
        assert np.isfinite(detector.history_["loss"]).all()
        assert np.isfinite(detector.score_samples(gapped)).all()


@detectors
def test_a_column_that_was_never_observed(detector, series):
    X = series.copy()
    X[:, 1] = np.nan
    for score_norm in ("squared", "standardised"):
        fitted = clone(detector).set_params(score_norm=score_norm).fit(X)
        assert np.isfinite(fitted.score_samples(X)).all()
        assert np.isfinite(fitted.score_samples(series)).all()
        assert np.isfinite(fitted.error_scale_).all()


def test_persistence_looks_back_to_the_last_observed_value():
    X = np.array([[1.0], [2.0], [np.nan], [np.nan], [5.0], [6.0], [7.0]])
    expected = [[2.0], [1.0], [2.0], [2.0], [2.0], [5.0], [6.0]]
    detector = PersistenceDetector().fit(X)
    np.testing.assert_array_equal(detector.reconstruct(X), expected)
    # Without a past, as after a leading gap, it looks ahead.
    ahead = detector.reconstruct(np.array([[np.nan], [2.0], [np.nan], [4.0]]))
    np.testing.assert_array_equal(ahead, [[2.0], [4.0], [2.0], [2.0]])


@networks
def test_a_score_depends_only_on_the_windows_that_cover_the_step(network, gapped):
    detector = network(**TINY).fit(gapped)
    scores = detector.score_samples(gapped)
    changed = gapped.copy()
    changed[30] = np.nan
    touched = np.flatnonzero(detector.score_samples(changed) != scores)
    assert touched.min() >= 23
    assert touched.max() <= 37


def test_only_gaps_teach_nothing():
    with pytest.raises(ValueError, match="X must have at least one observed value; got NaN only"):
        LSTMAutoencoder(**TINY).fit(np.full((20, 2), np.nan))
