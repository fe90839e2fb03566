"""Outlier detectors as classifiers, for tools of scikit-learn that take classifiers alone."""

import numpy as np
import pytest
from sklearn.base import BaseEstimator, clone
from sklearn.ensemble import IsolationForest
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.metrics import PrecisionRecallDisplay, average_precision_score, f1_score, make_scorer
from sklearn.model_selection import FixedThresholdClassifier, TunedThresholdClassifierCV
from sklearn.neighbors import LocalOutlierFactor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import OneClassSVM
from sklearn.utils.estimator_checks import parametrize_with_checks

from skanomaly import MeanDetector, PersistenceDetector
from skanomaly.datasets import make_series
from skanomaly.model_selection import BlockedSplit, OutlierClassifier, TunedThresholdDetectorCV
from skanomaly.preprocessing import Differencer, SequenceTransformer

made = make_series(n_train=300, n_test=600, random_state=1)
X, Y = made.X_test, np.asarray(made.y_test)
PANEL, Y_PANEL = X.reshape(6, 100, -1), Y.reshape(6, 100)
DETECTORS = [
    PersistenceDetector(lag=2),
    LocalOutlierFactor(novelty=True),
    make_pipeline(StandardScaler(), OneClassSVM()),
    make_pipeline(SequenceTransformer(StandardScaler()), Differencer(), PersistenceDetector()),
]
each_detector = pytest.mark.parametrize("detector", DETECTORS, ids=lambda d: type(d).__name__)


class SecondClassIsOutlier(OutlierClassifier):
    """Knows which label is the outlier, of the many that the checks use."""

    def _outlier_of(self, classes):
        return classes[1]


def expected_failed_checks(estimator):
    if not isinstance(estimator.estimator, PersistenceDetector):
        return {}
    reason = "rows are time steps: what is normal for one depends on those before it"
    return dict.fromkeys(
        ["check_methods_sample_order_invariance", "check_methods_subset_invariance"], reason
    )


@parametrize_with_checks(
    [
        SecondClassIsOutlier(PersistenceDetector()),
        SecondClassIsOutlier(IsolationForest(n_estimators=5, random_state=0)),
    ],
    expected_failed_checks=expected_failed_checks,
)
def test_check_estimator(estimator, check):
    check(estimator)


def test_before_fit_is_an_error():
    with pytest.raises(NotFittedError):
        OutlierClassifier(MeanDetector()).predict(X)


@pytest.mark.parametrize("labels", [(0, 1), (1, -1), (False, True), ("ok", "fault")])
@each_detector
def test_a_classifier_says_what_the_detector_says(detector, labels):
    normal, outlier = labels
    y = np.where(Y == -1, outlier, normal)
    known = "auto" if not isinstance(outlier, str) else outlier
    classifier = OutlierClassifier(detector, outlier_label=known).fit(X, y)
    inner = clone(detector).fit(X)
    assert classifier.outlier_label_ == outlier
    assert classifier.classes_.tolist() == sorted(labels)
    flagged = inner.predict(X) == -1
    np.testing.assert_array_equal(classifier.predict(X) == outlier, flagged)
    sign = -1 if classifier.classes_[1] == outlier else 1
    np.testing.assert_array_equal(
        classifier.decision_function(X), sign * inner.decision_function(X)
    )


def test_scikit_learn_tunes_the_threshold_of_a_classifier():
    y = (Y == -1).astype(int)
    cv = BlockedSplit(3, window_size=1)
    detector = PersistenceDetector(contamination=0.01)
    tuned = TunedThresholdClassifierCV(
        OutlierClassifier(detector), scoring="f1", cv=cv, thresholds=50
    ).fit(X, y)
    plain = OutlierClassifier(detector).fit(X, y)
    assert f1_score(y, tuned.predict(X)) > f1_score(y, plain.predict(X)) + 0.05
    ours = TunedThresholdDetectorCV(detector, cv=cv).fit(X, Y)
    assert f1_score(y, ours.predict(X) == -1) > f1_score(y, plain.predict(X)) + 0.05


def test_labels_minus_one_and_one_need_pos_label_in_scikit_learn():
    detector, cv = PersistenceDetector(contamination=0.01), BlockedSplit(3)
    by_name, by_label = (
        TunedThresholdClassifierCV(
            OutlierClassifier(detector), scoring=scoring, cv=cv, thresholds=50
        ).fit(X, Y)
        for scoring in ("f1", make_scorer(f1_score, pos_label=-1))
    )
    found = [f1_score(Y == -1, tuned.predict(X) == -1) for tuned in (by_name, by_label)]
    assert found[1] > found[0]


def test_other_tools_for_classifiers():
    y = (Y == -1).astype(int)
    classifier = OutlierClassifier(FrozenEstimator(MeanDetector().fit(X))).fit(X, y)
    fixed = FixedThresholdClassifier(classifier, threshold=0.0).fit(X, y)
    np.testing.assert_array_equal(fixed.predict(X), classifier.predict(X))
    pyplot = pytest.importorskip("matplotlib.pyplot")
    display = PrecisionRecallDisplay.from_estimator(classifier, X, y)
    scores = -MeanDetector().fit(X).score_samples(X)
    assert display.average_precision == pytest.approx(average_precision_score(y, scores))
    pyplot.close("all")


def test_a_classifier_of_whole_series():
    y = np.array([0, 1, 0, 0, 1, 0])
    classifier = OutlierClassifier(PersistenceDetector()).fit(PANEL, y)
    assert classifier.predict(PANEL).shape == (6,)
    with pytest.raises(ValueError, match="y should be a 1d array"):
        classifier.fit(PANEL, Y_PANEL)


@pytest.mark.parametrize(
    ("y", "outlier_label", "message"),
    [
        (np.where(Y == -1, 2, 1), "auto", r"one of the classes \[1, 2\].*got 'auto'"),
        (np.where(Y == -1, "fault", "ok"), "auto", r"classes \['fault', 'ok'\]"),
        (Y, 0, r"one of the classes \[-1, 1\].*got 0"),
        (np.ones(600), "auto", r"hold 2 classes; got 1 class\(es\)"),
        (np.arange(600), "auto", "hold 2 classes; got 600"),
        (Y[:-1], "auto", "got 599 labels and 600 samples"),
        (None, "auto", "got no labels"),
    ],
)
def test_a_classifier_refuses_labels_that_it_cannot_tell_apart(y, outlier_label, message):
    with pytest.raises(ValueError, match=message):
        OutlierClassifier(MeanDetector(), outlier_label=outlier_label).fit(X, y)


def test_a_classifier_refuses_what_is_no_detector():
    class NoDetector(BaseEstimator):
        def fit(self, X, y=None):
            return self

    with pytest.raises(ValueError, match="'estimator' parameter of OutlierClassifier"):
        OutlierClassifier(NoDetector()).fit(X, Y)
