"""The threshold with the highest F-measure on labelled scores."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import fbeta_score

from skanomaly.metrics import to_outlier_labels
from skanomaly.thresholds import BestFThreshold

VALUES = st.floats(-1e6, 1e6) | st.integers(0, 3).map(float)
LABELLED = st.lists(st.tuples(VALUES, st.sampled_from([-1, 1])), min_size=1, max_size=30)


@given(LABELLED, st.sampled_from([0.5, 1.0, 2.0]))
def test_no_other_threshold_has_a_higher_f_measure(pairs, beta):
    scores, y = (np.array(part) for part in zip(*pairs, strict=True))
    y[0] = -1
    selector = BestFThreshold(beta=beta).fit(scores, y)

    def measure(threshold):
        flagged = scores > threshold
        found = np.sum(flagged & (y == -1))
        return (1 + beta**2) * found / (beta**2 * np.sum(y == -1) + np.sum(flagged))

    tried = [measure(t) for t in [*scores, np.nextafter(scores.min(), -np.inf)]]
    assert selector.f_score_ == pytest.approx(max(tried))
    assert measure(selector.threshold_) == pytest.approx(selector.f_score_)


def test_the_f_measure_is_that_of_scikit_learn():
    random = np.random.default_rng(0)
    scores, y = random.normal(size=100), random.choice([-1, 1], size=100, p=[0.2, 0.8])
    selector = BestFThreshold(beta=2).fit(scores, y)
    expected = fbeta_score(y, selector.predict(scores), beta=2, pos_label=-1)
    assert selector.f_score_ == pytest.approx(expected)


def test_the_threshold_lies_halfway_to_the_next_lower_score():
    selector = BestFThreshold().fit([1.0, 2.0, 6.0, 8.0], [1, 1, -1, -1])
    assert (selector.threshold_, selector.f_score_) == (4.0, 1.0)


def test_the_highest_of_equally_good_thresholds_is_taken():
    # Flagging 4 alone and flagging 4, 3 and 2 both give 2 / 3.
    assert BestFThreshold().fit([1, 2, 3, 4], [1, -1, 1, -1]).f_score_ == pytest.approx(0.8)
    selector = BestFThreshold().fit([1.0, 2.0, 3.0, 4.0, 5.0], [-1, 1, 1, 1, -1])
    assert selector.threshold_ == 4.5


@pytest.mark.parametrize("low", [1.0, np.nextafter(1.0, 2.0)])
def test_neighbouring_floats_are_told_apart(low):
    high = np.nextafter(low, 2.0)  # halfway there rounds down or up
    selector = BestFThreshold().fit([low, high], [1, -1])
    np.testing.assert_array_equal(selector.predict([low, high]), [1, -1])


def test_all_scores_may_be_flagged():
    selector = BestFThreshold().fit([1.0, 1.0, 1.0], [-1, -1, 1])
    assert (selector.predict([1.0]) == -1).all()


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (None, r"y must be the labels.*got None.*FixedThreshold\(value=selector.threshold_\)"),
        ([-1, 1], r"each of the 3 scores; got shape \(2,\)"),
        ([[-1], [1], [1]], r"each of the 3 scores; got shape \(3, 1\)"),
        ([0, 1, 1], "got 0, 1. Convert labels with skanomaly.metrics.to_outlier_labels"),
        ([True, False, False], "got False, True. Convert"),
        (["a", "b", "a"], "got 'a', 'b'. Convert"),
        ([1, 1, 1], "at least one anomaly with -1.*got 3 labels 1"),
    ],
)
def test_bad_labels_are_refused(y, message):
    with pytest.raises(ValueError, match=message):
        BestFThreshold().fit([1.0, 2.0, 3.0], y)


def test_the_remedy_for_labels_of_another_kind_works():
    selector = BestFThreshold().fit([1.0, 2.0, 3.0], to_outlier_labels([0, 0, 1]))
    assert selector.threshold_ == 2.5
