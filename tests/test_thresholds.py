"""Threshold selectors: from scores to labels."""

import copy
import pickle

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.ensemble import IsolationForest
from sklearn.exceptions import NotFittedError, SkipTestWarning
from sklearn.utils.estimator_checks import check_estimator

from skanomaly import PersistenceDetector
from skanomaly.thresholds import BaseThreshold, FixedThreshold, QuantileThreshold

SELECTORS = [QuantileThreshold(contamination=0.2), FixedThreshold(value=1.5)]
each = pytest.mark.parametrize("selector", SELECTORS, ids=lambda s: type(s).__name__)


@pytest.fixture
def scores():
    return np.random.default_rng(0).normal(size=200)


@each
def test_checks_of_scikit_learn_for_one_dimensional_input(selector):
    with pytest.warns(SkipTestWarning, match="one_d_array=True"):
        check_estimator(selector)


@each
def test_labels_follow_from_the_threshold(selector, scores):
    fitted = clone(selector).fit(scores)
    assert isinstance(fitted.threshold_, float)
    np.testing.assert_array_equal(fitted.predict(scores) == -1, scores > fitted.threshold_)
    assert fitted.predict([fitted.threshold_]) == [1]


@each
def test_clone_pickle_and_copy_keep_the_threshold(selector, scores):
    fitted = clone(selector).fit(scores)
    assert clone(fitted).get_params() == selector.get_params()
    for other in (pickle.loads(pickle.dumps(fitted)), copy.deepcopy(fitted)):
        assert other.threshold_ == fitted.threshold_


@each
@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ([[1.0], [2.0]], r"scores must have 1 dimension.*got shape \(2, 1\).*np.ravel"),
        ([1.0, np.nan], "scores contains NaN"),
        ([1.0, np.inf], "scores contains infinity"),
        ([], "minimum of 1 is required"),
        (["a", "b"], "could not convert string"),
    ],
)
def test_bad_scores_are_refused(selector, bad, message):
    with pytest.raises(ValueError, match=message):
        clone(selector).fit(bad)
    with pytest.raises(ValueError, match=message):
        clone(selector).fit([1.0, 2.0]).predict(bad)


@each
def test_predict_before_fit(selector):
    with pytest.raises(NotFittedError):
        clone(selector).predict([1.0])


@pytest.mark.parametrize("contamination", [0, 0.6, -0.1, "auto", None])
def test_contamination_out_of_range(contamination):
    with pytest.raises(ValueError, match=r"'contamination' parameter of QuantileThreshold"):
        QuantileThreshold(contamination=contamination).fit([1.0, 2.0])


@pytest.mark.parametrize("value", [np.inf, np.nan, "high", None])
def test_fixed_value_must_be_a_number(value):
    with pytest.raises(ValueError, match=r"'value' parameter of FixedThreshold"):
        FixedThreshold(value=value).fit([1.0, 2.0])


@pytest.mark.parametrize("contamination", [0.01, 0.1, 0.5])
def test_quantile_flags_the_share_asked_for(contamination):
    scores = np.random.default_rng(1).permutation(1000.0 * np.arange(1000))
    labels = QuantileThreshold(contamination=contamination).fit(scores).predict(scores)
    assert np.sum(labels == -1) == round(1000 * contamination)


def test_scores_of_scikit_learn_detectors():
    X = np.random.default_rng(2).normal(size=(300, 2))
    forest = IsolationForest(random_state=0, n_estimators=10, contamination=0.1).fit(X)
    scores = -forest.score_samples(X)
    labels = QuantileThreshold(contamination=0.1).fit(scores).predict(scores)
    np.testing.assert_array_equal(labels, forest.predict(X))


class _Highest(BaseThreshold):
    """A selector of a user's own."""

    def _select(self, scores, y):
        return scores.max()


def test_a_detector_takes_any_selector(series):
    fixed = PersistenceDetector(threshold=FixedThreshold(value=0.3)).fit(series)
    assert (fixed.threshold_, fixed.offset_) == (0.3, -0.3)
    highest = PersistenceDetector(threshold=_Highest()).fit(series)
    assert highest.threshold_ == -highest.score_samples(series).min()
    assert (highest.predict(series) == 1).all()
    assert not hasattr(highest.threshold, "threshold_")  # the parameter itself is left alone


def test_a_detector_refuses_what_is_no_selector(series):
    with pytest.raises(ValueError, match="'threshold' parameter of PersistenceDetector must be"):
        PersistenceDetector(threshold=0.5).fit(series)


def test_parameters_of_a_selector_are_reached_through_the_detector():
    detector = PersistenceDetector(threshold=QuantileThreshold())
    detector.set_params(threshold__contamination=0.25)
    assert detector.get_params()["threshold__contamination"] == 0.25
