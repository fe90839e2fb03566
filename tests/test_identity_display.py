"""IdentityDisplay: bars, probes, response, title, and what is refused."""

import numpy as np
import pytest
from matplotlib.figure import Figure

from skanomaly import PersistenceDetector
from skanomaly.displays import IdentityDisplay
from skanomaly.inspection import identity_report

REPORT = {
    "errors": {
        "raw": {"detector": 0.02, "persistence": 0.04, "mean": 2.0, "untrained": 3.0},
        "differenced": {"detector": 1.1, "persistence": 2.0, "mean": 1.0, "untrained": 1.0},
    },
    "probes": {"white noise": 0.93, "flat line": 0.99, "shuffled": -0.5},
    "response": np.array([0.05, 0.95, -0.05]),
    "lags": np.array([-1, 0, 1]),
    "verdict": "copies its input",
    "rule": "R² of white noise above 0.5",
}


def draw(**changed):
    return IdentityDisplay(**REPORT | changed).plot(Figure(figsize=(10, 5)))


def bars(ax):
    """Return start and end of each bar, (n_bars, 2), from top to bottom."""
    found = [(p.get_y(), p.get_x(), p.get_x() + p.get_width()) for p in ax.patches]
    return np.sort(np.array([sorted(bar[1:]) for bar in sorted(found)]), axis=1)


def texts(ax):
    return [text.get_text() for text in ax.texts]


def test_bars_lead_from_the_error_of_the_mean_to_that_of_each():
    errors = draw().axes_[0]
    assert errors.get_xscale() == "log"
    ends = [0.01, 0.02, 1, 1.5, 1.1, 2, 1, 1]
    np.testing.assert_allclose(bars(errors), [sorted((1, end)) for end in ends])
    assert [tick.get_text() for tick in errors.get_yticklabels()] == [
        *REPORT["errors"]["raw"],
        *REPORT["errors"]["differenced"],
    ]
    assert {"raw data", "differenced data", "0.01", "1.5"} <= set(texts(errors))
    low, high = errors.get_xlim()
    assert low < 0.01
    assert high > 2


def test_detector_has_a_colour_of_its_own():
    colours = [patch.get_facecolor() for patch in draw().axes_[0].patches]
    assert colours[0] == colours[4]
    assert colours[1:4] == colours[5:]
    assert colours[0] != colours[1]


def test_probes_and_response_are_drawn():
    _, probes, response = draw().axes_
    np.testing.assert_allclose(bars(probes), [[0, 0.93], [0, 0.99], [-0.5, 0]])
    assert [tick.get_text() for tick in probes.get_yticklabels()] == list(REPORT["probes"])
    points = response.lines[-1]
    np.testing.assert_array_equal(points.get_xdata(), [-1, 0, 1])
    np.testing.assert_array_equal(points.get_ydata(), REPORT["response"])
    stems = response.collections[0].get_segments()
    np.testing.assert_array_equal([stem[1, 1] for stem in stems], REPORT["response"])


def test_verdict_and_rule_are_the_title():
    errors = draw(rule="many words " * 30).axes_[0]
    assert errors.get_title().strip() == "copies its input"
    lines = errors.get_title(loc="left").splitlines()
    assert 2 <= len(lines) <= 6
    assert " ".join(lines).split() == ["many", "words"] * 30
    untold = draw(verdict="", rule="").axes_[0]
    assert untold.get_title() == untold.get_title(loc="left") == ""


def test_what_is_undefined_or_extreme_is_written():
    display = draw(
        errors={"raw": {"detector": 0.0, "persistence": np.nan, "mean": 1.0, "untrained": None}},
        probes={"white noise": None, "flat line": np.nan, "shuffled": -42.0},
        response=[np.nan],
        lags=None,
    )
    display.figure_.draw_without_rendering()
    errors, probes, _ = display.axes_
    assert texts(errors)[1:] == ["0", " undefined", "1", " undefined"]
    assert texts(probes) == ["undefined", "undefined", "-42.00"]
    assert bars(probes)[2].tolist() == [-1, 0]
    assert bars(errors)[0, 0] == pytest.approx(errors.get_xlim()[0])


def test_empty_probes_and_one_kind_of_data_are_drawn():
    display = draw(errors={"raw": {"mean": 1.0}}, probes={}, response=[], lags=None)
    display.figure_.draw_without_rendering()


def test_lags_count_from_zero():
    np.testing.assert_array_equal(draw(lags=None).axes_[2].lines[-1].get_xdata(), [0, 1, 2])


def test_reports_are_drawn():
    X = np.sin(np.arange(500) / 5).reshape(-1, 1)
    report = identity_report(PersistenceDetector().fit(X), X, random_state=0)
    display = IdentityDisplay.from_report(report, ax=Figure())
    assert display.verdict == "copies its input"
    assert display.rule == report.reason
    assert display.errors["raw"]["persistence"] == report.errors["persistence"]["mse"]
    assert display.errors["differenced"]["mean"] == report.errors["mean"]["mse_of_changes"]
    assert display.probes["white noise"] == pytest.approx(1.0)
    assert display.lags[np.argmax(display.response)] == 1
    with pytest.raises(TypeError, match="report must be an IdentityReport; got dict"):
        IdentityDisplay.from_report({})


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"errors": {}}, "errors must hold the errors on at least one kind of data"),
        ({"errors": {"raw": {"detector": 1.0}}}, r"errors\['raw'\]\['mean'\] must be there"),
        ({"errors": {"raw": {"mean": 0.0}}}, r"must be there and positive.*got 0.0"),
        ({"lags": [0, 1]}, r"lags must have one value per response, shape \(3,\); got \(2,\)"),
        ({"response": 1.0, "lags": None}, "lags must have one value per response"),
        ({"response": [[1.0]]}, "lags must have one value per response"),
    ],
)
def test_what_cannot_be_drawn_is_refused(changed, message):
    with pytest.raises(ValueError, match=message):
        draw(**changed)
