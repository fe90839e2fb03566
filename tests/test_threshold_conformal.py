"""Conformal p-values: their exact rates of false alarms."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import false_discovery_control

from skanomaly import PersistenceDetector
from skanomaly.exceptions import ThresholdWarning
from skanomaly.thresholds import ConformalThreshold

SCORES = st.lists(st.integers(-5, 5).map(float) | st.floats(-1e3, 1e3), min_size=1, max_size=40)


@pytest.mark.parametrize(
    ("n_calibration", "alpha"),
    [(1, 0.5), (9, 0.1), (9, 0.29), (50, 0.07), (50, 0.5), (99, 0.01), (99, 0.29), (100, 0.58)],
)
def test_rate_of_false_alarms_is_exact_over_all_ranks_of_a_new_score(n_calibration, alpha):
    """Among n + 1 exchangeable scores, any is as likely to be the new one."""
    scores = np.arange(n_calibration + 1.0)
    flagged = 0
    for i in range(n_calibration + 1):
        selector = ConformalThreshold(alpha=alpha).fit(np.delete(scores, i))
        flagged += int(selector.predict(scores[i : i + 1])[0] == -1)
    # In integers, for 0.29 * 100 is 28.999999999999996 in floating point.
    assert flagged == round(alpha * 100) * (n_calibration + 1) // 100


def test_the_order_of_calibration_scores_does_not_matter():
    for scores in itertools.permutations([1.0, 2.0, 3.0, 4.0]):
        assert ConformalThreshold(alpha=0.4).fit(scores).threshold_ == 3.0


def test_rate_per_block_is_exact_over_all_ranks_of_a_new_block():
    size, n_blocks, alpha = 5, 19, 0.1
    scores = np.random.default_rng(0).normal(size=(n_blocks + 1, size))
    scores[:, 0] *= 4  # within a block scores may differ as they like
    flagged = 0
    for i in range(n_blocks + 1):
        calibration = np.delete(scores, i, axis=0).ravel()
        selector = ConformalThreshold(alpha=alpha, block_size=size).fit(calibration)
        flagged += int((selector.predict(scores[i]) == -1).any())
    assert flagged == 2  # 0.1 of 20


@given(SCORES, SCORES)
def test_p_values_count_calibration_scores_that_are_not_lower(calibration, new):
    selector = ConformalThreshold(alpha=0.99).fit(calibration)
    expected = [
        (1 + sum(c >= score for c in calibration)) / (len(calibration) + 1) for score in new
    ]
    np.testing.assert_array_equal(selector.p_values(new), expected)


@given(SCORES, SCORES, st.sampled_from([0.5, 0.6, 0.9]))
def test_labels_of_single_scores_follow_from_p_values_and_from_the_threshold(
    calibration, new, alpha
):
    selector = ConformalThreshold(alpha=alpha).fit(calibration)
    labels = selector.predict(new)
    np.testing.assert_array_equal(labels == -1, selector.p_values(new) <= alpha)
    np.testing.assert_array_equal(labels == -1, np.array(new) > selector.threshold_)


def test_an_incomplete_block_is_left_out():
    whole = ConformalThreshold(alpha=0.3, block_size=4).fit(np.arange(12.0))
    np.testing.assert_array_equal(whole.calibration_scores_, [3.0, 7.0, 11.0])
    longer = ConformalThreshold(alpha=0.3, block_size=4).fit([*np.arange(12.0), 99.0])
    np.testing.assert_array_equal(longer.calibration_scores_, whole.calibration_scores_)


@pytest.mark.parametrize("n_anomalies", [0, 1, 10])
def test_benjamini_and_hochberg_reject_as_in_scipy(n_anomalies):
    random = np.random.default_rng(n_anomalies)
    new = np.append(random.normal(size=60), random.normal(4, 1, size=n_anomalies))
    selector = ConformalThreshold(alpha=0.2, method="benjamini-hochberg")
    selector.fit(random.normal(size=1000))
    adjusted = false_discovery_control(selector.p_values(new), method="bh")
    np.testing.assert_array_equal(selector.predict(new) == -1, adjusted <= 0.2)


def test_a_p_value_at_its_limit_is_rejected_in_spite_of_rounding():
    # The ninth of ten p-values may be 9 / 10 * 0.3 = 0.27, a little less in floating point.
    selector = ConformalThreshold(alpha=0.3, method="benjamini-hochberg").fit(np.arange(99.0))
    new = np.append(np.full(9, 72.5), 0.0)
    assert selector.p_values(new)[0] == 0.27
    assert np.sum(selector.predict(new) == -1) == 9


def test_share_of_false_alarms_among_alarms_is_controlled():
    random = np.random.default_rng(0)
    alpha, n_normal, n_anomalous, n_rounds = 0.2, 40, 10, 300
    shares, found = [], 0
    for _ in range(n_rounds):
        selector = ConformalThreshold(alpha=alpha, method="benjamini-hochberg")
        selector.fit(random.normal(size=400))
        new = np.append(random.normal(size=n_normal), random.normal(4, 1, size=n_anomalous))
        flagged = selector.predict(new) == -1
        shares.append(flagged[:n_normal].sum() / max(flagged.sum(), 1))
        found += flagged[n_normal:].sum()
    error = np.std(shares) / np.sqrt(n_rounds)
    assert np.mean(shares) <= alpha * n_normal / (n_normal + n_anomalous) + 3 * error
    assert np.mean(shares) > 0.05
    assert found / (n_rounds * n_anomalous) > 0.7


def test_blocks_are_judged_together():
    selector = ConformalThreshold(alpha=0.2, method="benjamini-hochberg", block_size=10)
    selector.fit(np.random.default_rng(0).normal(size=1000))
    new = np.zeros(45)
    new[[12, 13, 41]] = 20.0  # in the second block and in the last, incomplete one
    np.testing.assert_array_equal(np.flatnonzero(selector.predict(new) == -1), [12, 13, 41])


@pytest.mark.parametrize(("n_scores", "block_size"), [(98, 1), (989, 10)])
def test_too_few_calibration_scores_warn_and_flag_nothing(n_scores, block_size):
    n_calibration = n_scores // block_size
    message = rf"alpha=0.01 needs at least 99 calibration scores; got {n_calibration}.*infinite"
    with pytest.warns(ThresholdWarning, match=message):
        selector = ConformalThreshold(alpha=0.01, block_size=block_size).fit(np.zeros(n_scores))
    assert selector.threshold_ == np.inf
    assert (selector.predict([1e9]) == 1).all()


def test_a_block_longer_than_the_scores_is_refused():
    with pytest.raises(ValueError, match="at most the number of scores, 5; got 6"):
        ConformalThreshold(block_size=6).fit(np.arange(5.0))


def test_a_detector_with_an_infinite_threshold_flags_nothing(series):
    with pytest.warns(ThresholdWarning):
        detector = PersistenceDetector(threshold=ConformalThreshold(alpha=0.001)).fit(series)
    assert detector.threshold_ == np.inf
    assert (detector.predict(100 * series) == 1).all()
