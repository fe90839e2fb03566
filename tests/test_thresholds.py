"""Threshold selectors: from scores to labels."""

import copy
import importlib.util
import pickle
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import norm
from sklearn.base import clone
from sklearn.ensemble import IsolationForest
from sklearn.exceptions import NotFittedError, SkipTestWarning
from sklearn.metrics import f1_score, make_scorer
from sklearn.model_selection import GridSearchCV, KFold, TimeSeriesSplit
from sklearn.utils.estimator_checks import check_estimator
from tiny import by_class

import skanomaly.thresholds
from skanomaly import PersistenceDetector
from skanomaly.exceptions import ThresholdWarning
from skanomaly.thresholds import (
    DSPOT,
    SPOT,
    BaseThreshold,
    BestFThreshold,
    ConformalThreshold,
    DynamicThreshold,
    FixedThreshold,
    IQRThreshold,
    MADThreshold,
    PeaksOverThreshold,
    QuantileThreshold,
    SigmaThreshold,
)

# Those whose labels are those of threshold_, and those whose threshold moves along the scores.
STILL = [
    QuantileThreshold(contamination=0.2),
    FixedThreshold(value=1.5),
    SigmaThreshold(n_sigmas=1.5),
    MADThreshold(n_deviations=1.5),
    IQRThreshold(factor=0.5),
    PeaksOverThreshold(alpha=0.02, level=0.8),
    ConformalThreshold(alpha=0.05),
    BestFThreshold(),
]
MOVING = [
    SPOT(alpha=0.02, level=0.8),
    DSPOT(alpha=0.02, level=0.8),
    DynamicThreshold(min_sigmas=1.5, pruning=0.02),
]
SELECTORS = STILL + MOVING
WITHOUT_LABELS = [s for s in SELECTORS if not isinstance(s, BestFThreshold)]
# A value that each parameter does not take, and one other than in the lists above.
PARAMETERS = {
    SigmaThreshold: ("n_sigmas", 0, 1.0),
    MADThreshold: ("n_deviations", -1, 1.0),
    IQRThreshold: ("factor", 0, 0.1),
    QuantileThreshold: ("contamination", 0.6, 0.4),
    FixedThreshold: ("value", np.inf, 0.2),
    PeaksOverThreshold: ("alpha", 0, 0.1),
    ConformalThreshold: ("alpha", 1, 0.2),
    BestFThreshold: ("beta", 0, 5.0),
    SPOT: ("alpha", 1, 0.1),
    DSPOT: ("depth", 0, 3),
    DynamicThreshold: ("max_sigmas", 0, 1.6),
}


def each(selectors):
    return pytest.mark.parametrize("selector", selectors, ids=by_class)


@pytest.fixture
def scores():
    return np.random.default_rng(0).normal(size=200)


@pytest.fixture
def long_series():
    """One series (600, 2) of noise with a few large values."""
    X = np.random.default_rng(3).normal(size=(600, 2))
    X[500:503] += 15
    return X


def fit(selector, scores):
    """Fit a clone, with labels of the highest scores for those that need them."""
    return clone(selector).fit(scores, np.where(scores > 1.0, -1, 1))


def test_every_selector_is_tested():
    public = {getattr(skanomaly.thresholds, name) for name in skanomaly.thresholds.__all__}
    assert {type(s) for s in SELECTORS} == public - {BaseThreshold} == set(PARAMETERS)


@each(SELECTORS)
def test_checks_of_scikit_learn_for_one_dimensional_input(selector):
    with pytest.warns(SkipTestWarning, match="one_d_array=True"):
        check_estimator(selector)


@each(STILL)
def test_labels_follow_from_the_threshold(selector, scores):
    fitted = fit(selector, scores)
    assert isinstance(fitted.threshold_, float)
    np.testing.assert_array_equal(fitted.predict(scores) == -1, scores > fitted.threshold_)
    assert fitted.predict([fitted.threshold_]) == [1]


@each([SPOT(alpha=0.02, level=0.8), DSPOT(alpha=0.02, level=0.8)])
def test_the_threshold_of_a_stream_is_that_of_the_next_score(selector, scores):
    fitted = fit(selector, scores)
    assert isinstance(fitted.threshold_, float)
    assert fitted.thresholds([1.0, 2.0])[0] == fitted.threshold_
    assert fitted.predict([fitted.threshold_]) == [1]
    assert fitted.predict([np.nextafter(fitted.threshold_, np.inf)]) == [-1]


@each(SELECTORS)
def test_labels_are_minus_one_for_few_and_one_for_the_rest(selector, scores):
    labels = fit(selector, scores).predict(scores)
    assert labels.shape == scores.shape
    assert labels.dtype.kind == "i"
    assert set(labels) == {-1, 1}
    assert np.sum(labels == -1) < 100


@each(SELECTORS)
def test_predict_leaves_the_selector_as_it_is(selector, scores):
    fitted = fit(selector, scores)
    before = pickle.dumps(fitted)
    first = fitted.predict(scores + 1)
    assert pickle.dumps(fitted) == before
    np.testing.assert_array_equal(fitted.predict(scores + 1), first)


@each(SELECTORS)
def test_clone_pickle_and_copy_keep_the_threshold(selector, scores):
    fitted = fit(selector, scores)
    assert clone(fitted).get_params() == selector.get_params()
    for other in (pickle.loads(pickle.dumps(fitted)), copy.deepcopy(fitted)):
        assert other.threshold_ == fitted.threshold_
        np.testing.assert_array_equal(other.predict(scores), fitted.predict(scores))


@each(SELECTORS)
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
def test_bad_scores_are_refused(selector, bad, message, scores):
    with pytest.raises(ValueError, match=message):
        clone(selector).fit(bad)
    with pytest.raises(ValueError, match=message):
        fit(selector, scores).predict(bad)


@each(SELECTORS)
def test_predict_before_fit(selector):
    with pytest.raises(NotFittedError):
        clone(selector).predict([1.0])


@each(SELECTORS)
def test_parameters_out_of_range_are_refused(selector, scores):
    name, bad, _ = PARAMETERS[type(selector)]
    for value in (bad, "none", None):
        wrong = clone(selector).set_params(**{name: value})
        with pytest.raises(ValueError, match=f"'{name}' parameter of {type(selector).__name__}"):
            wrong.fit(scores)


@each(SELECTORS)
def test_scores_in_other_units_get_the_same_labels(selector, scores):
    if isinstance(selector, FixedThreshold):
        selector = FixedThreshold(value=1024 * selector.value)
        expected = fit(SELECTORS[1], scores).predict(scores)
        np.testing.assert_array_equal(fit(selector, scores).predict(1024 * scores), expected)
        return
    expected, y = fit(selector, scores).predict(scores), np.where(scores > 1.0, -1, 1)
    found = clone(selector).fit(1024 * scores, y).predict(1024 * scores)
    np.testing.assert_array_equal(found, expected)


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


@pytest.mark.parametrize(
    ("selector", "expected"),
    [
        (SigmaThreshold(n_sigmas=2.5), 2.5),
        (MADThreshold(n_deviations=3.0), 3.0),
        (IQRThreshold(factor=1.5), 4 * norm.ppf(0.75)),
    ],
    ids=by_class,
)
def test_spread_is_measured_in_standard_deviations_of_normal_scores(selector, expected):
    scores = norm.ppf((np.arange(20_000) + 0.5) / 20_000)  # as evenly as they can be
    assert selector.fit(scores).threshold_ == pytest.approx(expected, rel=1e-3)
    assert selector.fit(10 + 3 * scores).threshold_ == pytest.approx(10 + 3 * expected, rel=1e-3)


def test_anomalies_move_the_sigma_threshold_more_than_those_of_medians_and_quartiles(scores):
    spoiled = np.append(scores, np.full(20, 1e3))
    moved = {
        type(s): fit(s, spoiled).threshold_ - fit(s, scores).threshold_
        for s in (SigmaThreshold(), MADThreshold(), IQRThreshold())
    }
    assert moved[SigmaThreshold] > 100
    assert max(moved[MADThreshold], moved[IQRThreshold]) < 2


@each([SigmaThreshold(), MADThreshold(), IQRThreshold()])
@pytest.mark.parametrize("value", [0.0, 0.1, -7.3])
def test_scores_without_spread_warn_and_are_not_flagged(selector, value):
    scores = np.full(30, value)
    with pytest.warns(ThresholdWarning, match=rf"scores is 0.*{by_class(selector)}.*Use Quantile"):
        fitted = clone(selector).fit(scores)
    assert (fitted.predict(scores) == 1).all()
    assert fitted.predict([value + 1e-6]) == [-1]


@each(WITHOUT_LABELS)
def test_scores_of_scikit_learn_detectors(selector):
    X = np.random.default_rng(2).normal(size=(300, 2))
    X[-1] = 12.0
    forest = IsolationForest(random_state=0, n_estimators=10, contamination=0.1).fit(X)
    scores = -forest.score_samples(X)
    if isinstance(selector, FixedThreshold):
        selector = FixedThreshold(value=0.6)
    labels = clone(selector).fit(scores).predict(scores)
    assert labels[-1] == -1
    assert np.sum(labels == -1) <= 60
    if isinstance(selector, QuantileThreshold):
        as_forest = QuantileThreshold(contamination=0.1).fit(scores)
        np.testing.assert_array_equal(as_forest.predict(scores), forest.predict(X))


@each(WITHOUT_LABELS)
def test_a_detector_labels_by_any_selector_without_labels(selector, long_series):
    detector = PersistenceDetector(threshold=selector).fit(long_series)
    scores = -detector.score_samples(long_series)
    assert np.isfinite(detector.threshold_)
    assert detector.offset_ == -detector.threshold_
    assert isinstance(detector.threshold_selector_, type(selector))
    labels = detector.predict(long_series)
    np.testing.assert_array_equal(labels == -1, scores > detector.threshold_)
    assert (labels[[500, 503]] == -1).all()  # the jump up and the jump down


@pytest.mark.data
def test_anomalies_of_taxi_rides_are_found_without_a_false_alarm(data_folder):
    path = Path(data_folder) / "benchmark_data.py"
    spec = importlib.util.spec_from_file_location("benchmark_data", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    X_train, X_test, y = next(
        row[:3] for row in module.load("nab") if row[3]["series"] == "realKnownCause__nyc_taxi"
    )
    scale = X_train.std()
    detector = PersistenceDetector(smoothing="exponential").fit(X_train / scale)
    train_scores, scores = (-detector.score_samples(X / scale) for X in (X_train, X_test))
    for kind in {type(s) for s in WITHOUT_LABELS} - {FixedThreshold}:
        flagged = kind().fit(train_scores).predict(scores) == -1
        assert flagged.sum() > 3, kind
        assert (y[flagged] == 1).all(), kind


def test_a_detector_tells_why_it_cannot_use_a_selector_that_needs_labels(long_series):
    with pytest.raises(ValueError, match=r"y must be the labels.*FixedThreshold\(value="):
        PersistenceDetector(threshold=BestFThreshold()).fit(long_series)


@each([s for s in WITHOUT_LABELS if not isinstance(s, DSPOT)])
def test_a_search_reaches_parameters_of_the_selector_in_a_detector(selector, long_series):
    def share_flagged(detector, X, y=None):
        return float(np.mean(detector.predict(X) == -1))

    name, _, value = PARAMETERS[type(selector)]
    grid = {f"threshold__{name}": [selector.get_params()[name], value]}
    search = GridSearchCV(
        PersistenceDetector(threshold=selector),
        grid,
        scoring=share_flagged,
        cv=TimeSeriesSplit(2, test_size=150),
        refit=False,
    ).fit(long_series)
    shares = search.cv_results_["mean_test_score"]
    assert np.isfinite(shares).all()
    assert shares[0] != shares[1]


def test_a_search_over_labelled_scores(scores):
    y = np.where(scores + np.random.default_rng(1).normal(size=200) > 1.0, -1, 1)
    scorer = make_scorer(f1_score, pos_label=-1)
    cv = KFold(2)
    search = GridSearchCV(BestFThreshold(), {"beta": [0.05, 1.0]}, scoring=scorer, cv=cv)
    assert search.fit(scores, y).best_params_ == {"beta": 1.0}


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


def test_a_factor_multiplies_the_quantile_and_refuses_negative_ones():
    scores = np.arange(11.0)
    assert QuantileThreshold(contamination=0.1, factor=2.5).fit(scores).threshold_ == 22.5
    with pytest.raises(ValueError, match="factor must be 1 .* got 2.0 and a quantile of -2"):
        QuantileThreshold(contamination=0.1, factor=2.0).fit(-1 - scores)
    assert QuantileThreshold(contamination=0.1).fit(-scores).threshold_ == pytest.approx(-1.0)
