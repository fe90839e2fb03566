"""MetricDisplay and ThresholdDisplay: what is drawn, marked and refused."""

import numpy as np
import pytest
from matplotlib.figure import Figure
from sklearn.covariance import EllipticEnvelope
from sklearn.metrics import average_precision_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skanomaly import PersistenceDetector
from skanomaly.displays import MetricDisplay, ThresholdDisplay
from skanomaly.metrics import range_auc_pr, threshold_curve, vus_pr
from skanomaly.preprocessing import SequenceTransformer
from skanomaly.thresholds import FixedThreshold, QuantileThreshold

RNG = np.random.default_rng(0)
Y = np.where(np.arange(300) // 20 == 7, -1, 1)
SCORES = RNG.gamma(2, size=300) + 3 * (Y == -1)
PANEL = RNG.normal(size=(3, 80, 2))
Y_PANEL = np.where(np.arange(240).reshape(3, 80) % 80 // 5 == 8, -1, 1)
PANEL[Y_PANEL == -1] *= 5
both = pytest.mark.parametrize("display", [MetricDisplay, ThresholdDisplay])


def texts(display):
    return [text.get_text() for text in display.ax_.get_legend().get_texts()]


def test_areas_under_both_curves_are_kept_and_written():
    display = MetricDisplay.from_predictions(Y, SCORES, buffer=20, name="scores", ax=Figure())
    area = average_precision_score(Y == -1, SCORES)
    assert display.average_precision == pytest.approx(area)
    assert display.vus_pr == vus_pr(Y, SCORES, max_buffer=20)
    assert display.range_area == range_auc_pr(Y, SCORES, buffer=20, n_thresholds=None)
    assert display.prevalence == pytest.approx(20 / 300)
    assert display.ax_.get_title(loc="left") == "scores"
    assert texts(display) == [
        f"time steps\n  average precision {area:.3f}",
        f"ranges, buffer 20\n  area {display.range_area:.3f}\n  VUS-PR {display.vus_pr:.3f}",
        "prevalence 0.0667",
    ]


def test_area_under_the_drawn_steps_is_that_of_the_legend():
    display = MetricDisplay.from_predictions(Y, SCORES, buffer=20, ax=Figure())
    points, ranges = display.ax_.lines[:2]
    for line, area in ((points, display.average_precision), (ranges, display.range_area)):
        recall, precision = line.get_data()
        assert line.get_drawstyle() == "steps-pre"
        assert np.sum(np.diff(recall) * precision[1:]) == pytest.approx(area, abs=0.002)
        assert recall[[0, -1]].tolist() == [0, 1]


def test_long_curves_are_drawn_with_few_points():
    y, scores = np.where(RNG.random(30_000) < 0.1, -1, 1), RNG.random(30_000)
    display = MetricDisplay.from_predictions(y, scores, buffer=3, ax=Figure())
    assert len(display.precision) == 30_000
    assert len(display.ax_.lines[0].get_xdata()) < 3000
    display = ThresholdDisplay.from_predictions(y, scores, ax=Figure())
    drawn = [line for line in display.ax_.lines if line.get_drawstyle() == "steps-pre"]
    assert len(drawn) == 2
    assert all(len(line.get_xdata()) < 4100 for line in drawn)


@pytest.mark.parametrize("beta", [1.0, 2.0])
def test_marks_reach_what_their_threshold_flags(beta):
    thresholds = {
        "number": 3.5,
        "selector": QuantileThreshold(contamination=0.1).fit(SCORES),
        "above all": FixedThreshold(value=1e6).fit(SCORES),
        "below all": -1e6,
    }
    display = ThresholdDisplay.from_predictions(
        Y, SCORES, thresholds=thresholds, beta=beta, ax=Figure()
    )
    curve = threshold_curve(Y, SCORES, beta=beta)
    assert list(display.marked_) == list(thresholds)
    for name, threshold in display.marks.items():
        row = np.flatnonzero(np.isclose(curve.flagged, np.mean(SCORES > threshold)))[0]
        assert display.marked_[name] == (curve.f[row], curve.event_f[row])
        low, high = display.ax_.get_xlim()
        assert low <= threshold <= high
    assert display.ax_.get_ylabel() == f"F{beta:g}"
    number = display.marked_["number"]
    mark = f"number: 3.5\n  F{beta:g} {number[0]:.3f}, events {number[1]:.3f}"
    assert texts(display)[2] == mark


def test_a_mark_at_a_score_does_not_flag_it():
    display = ThresholdDisplay.from_predictions(
        [1, -1, 1, 1], [0, 2, 1, 1], thresholds={"two": 2, "one": 1}, ax=Figure()
    )
    assert display.marked_ == {"two": (0, 0), "one": (1, 1)}


def test_drawn_steps_are_the_values_between_scores():
    display = ThresholdDisplay.from_predictions(Y, SCORES, thresholds={"t": 4.0}, ax=Figure())
    line = display.ax_.lines[0] if len(display.ax_.lines[0].get_xdata()) > 1 else None
    line = line or display.ax_.lines[1]
    x, y = line.get_data()
    for threshold in (2.5, 4.0, 6.1):
        # In steps-pre, a point holds from the one before it on.
        drawn = y[np.searchsorted(x, threshold)]
        flags = SCORES > threshold
        found = np.sum(flags & (Y == -1))
        assert drawn == pytest.approx(2 * found / (flags.sum() + 20))


@pytest.mark.parametrize("metric", ["precision", "recall"])
def test_precision_and_recall_are_drawn_on_request(metric):
    display = ThresholdDisplay.from_predictions(Y, SCORES, thresholds={"t": 1e6}, ax=Figure())
    display.plot(Figure(), metric=metric)
    assert display.ax_.get_ylabel() == metric
    expected = "undefined" if metric == "precision" else "0.000"
    assert texts(display) == [
        "time steps",
        "events",
        f"t: 1e+06\n  {metric} {expected}, events {expected}",
    ]


def test_thresholds_that_flag_nearly_everything_are_not_shown():
    display = ThresholdDisplay.from_predictions(Y, SCORES, ax=Figure())
    assert display.curve.event_f[-1] == 1
    assert display.ax_.get_xlim()[0] > np.quantile(SCORES, 0.3)


def test_scale_is_logarithmic_where_the_first_mark_would_touch_the_edge():
    scores = np.exp(2 * SCORES)
    display = ThresholdDisplay.from_predictions(
        Y, scores, thresholds={"t": np.quantile(scores, 0.9)}, ax=Figure()
    )
    assert display.ax_.get_xscale() == "log"
    display.plot(Figure(), score_scale="linear")
    assert display.ax_.get_xscale() == "linear"
    display = ThresholdDisplay.from_predictions(
        Y, scores, thresholds={"t": 50.0, "negative": -1.0}, ax=Figure(), score_scale="log"
    )
    display.figure_.draw_without_rendering()


@both
def test_panels_and_lists_are_scored_altogether(display):
    detector = PersistenceDetector(contamination=0.05).fit(PANEL)
    scores = -detector.score_timesteps(PANEL)
    panel = display.from_estimator(detector, PANEL, Y_PANEL, ax=Figure())
    ragged = display.from_estimator(detector, list(PANEL), list(Y_PANEL), ax=Figure())
    expected = display.from_predictions(Y_PANEL, scores, ax=Figure())
    for made in (panel, ragged):
        assert made.name == "PersistenceDetector"
        if display is MetricDisplay:
            assert made.vus_pr == pytest.approx(expected.vus_pr)
        else:
            np.testing.assert_allclose(made.curve.thresholds, expected.curve.thresholds)
            assert made.marks == {"detector": detector.step_threshold_}


@both
def test_pipelines_are_scored_as_their_last_step_sees_the_data(display):
    pipeline = make_pipeline(
        SequenceTransformer(StandardScaler()), PersistenceDetector(contamination=0.05)
    )
    for X, y in ((PANEL, Y_PANEL), (PANEL[0], Y_PANEL[0])):
        pipeline.fit(X)
        made = display.from_estimator(pipeline, X, y, ax=Figure())
        last = display.from_estimator(pipeline[-1], pipeline[:-1].transform(X), y, ax=Figure())
        assert texts(made) == texts(last)
        assert made.name == "PersistenceDetector"


def test_detectors_of_scikit_learn_are_marked_at_their_offset():
    X = np.column_stack([SCORES, RNG.normal(size=300)])
    detector = EllipticEnvelope(contamination=0.1, random_state=0).fit(X)
    display = ThresholdDisplay.from_estimator(
        detector, X, Y, thresholds={"more": 20.0}, name="", ax=Figure()
    )
    assert display.marks == {"detector": -detector.offset_, "more": 20.0}
    assert display.ax_.get_title(loc="left") == ""
    with pytest.raises(TypeError, match="detector must have score_timesteps; got EllipticEnv"):
        MetricDisplay.from_estimator(detector, PANEL, Y_PANEL)


@both
@pytest.mark.parametrize("scores", [np.zeros(300), SCORES - 20, np.arange(300) > 150])
def test_constant_negative_and_two_valued_scores_are_drawn(display, scores):
    made = display.from_predictions(Y, scores, ax=Figure())
    made.figure_.draw_without_rendering()
    low, high = made.ax_.get_xlim()
    assert low < high


@both
def test_one_time_step_is_drawn(display):
    display.from_predictions([-1], [0.5], ax=Figure()).figure_.draw_without_rendering()


@both
def test_labels_without_anomalies_are_refused(display):
    for y, scores in ((np.ones(5), np.arange(5)), ([np.ones(5)], [np.arange(5)])):
        with pytest.raises(ValueError, match=r"y_true must hold at least one .*ScoreDisplay"):
            display.from_predictions(y, scores)


@both
def test_labels_that_do_not_fit_are_refused(display):
    detector = PersistenceDetector(contamination=0.05).fit(PANEL[0])
    with pytest.raises(ValueError, match="same lengths; got 70 and 80"):
        display.from_estimator(detector, PANEL[0], Y_PANEL[0][:70])
    with pytest.raises(ValueError, match=r"y_true must hold -1 .*to_outlier_labels"):
        display.from_predictions(Y == -1, SCORES)


@pytest.mark.parametrize("threshold", ["high", None, np.nan, QuantileThreshold(), True])
def test_what_is_no_threshold_is_refused(threshold):
    with pytest.raises(TypeError, match="thresholds must hold numbers or fitted .* for 'mine'"):
        ThresholdDisplay.from_predictions(Y, SCORES, thresholds={"mine": threshold})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"metric": "vus"}, "metric must be one of 'f', 'precision', 'recall'; got 'vus'"),
        ({"score_scale": "square"}, "score_scale must be one of"),
    ],
)
def test_unknown_options_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        ThresholdDisplay.from_predictions(Y, SCORES, ax=Figure(), **options)
