"""Where displays are drawn: in Axes, a Figure, a SubFigure, or a figure of pyplot."""

import sys

import numpy as np
import pytest
from matplotlib.figure import Figure

from skanomaly.displays import (
    ContributionDisplay,
    IdentityDisplay,
    MetricDisplay,
    ReconstructionDisplay,
    ScoreDisplay,
    ThresholdDisplay,
    TrainingHistoryDisplay,
)
from skanomaly.exceptions import MissingDependencyError

X = np.sin(np.arange(60)[:, None] / [3, 4])


def draw_score(ax):
    return ScoreDisplay.from_predictions(X, np.abs(X[:, 0]), threshold=0.9, ax=ax)


def draw_contribution(ax):
    return ContributionDisplay.from_contributions(np.abs(X), threshold=1.5, ax=ax)


def draw_reconstruction(ax):
    return ReconstructionDisplay.from_predictions(X, 0.5 * X, ax=ax)


def draw_history(ax):
    return TrainingHistoryDisplay.from_history({"loss": [3, 2, 1]}, ax=ax)


def draw_identity(ax):
    return IdentityDisplay(
        errors={"raw": {"detector": 0.1, "mean": 1.0}},
        probes={"flat line": 0.5},
        response=[0.1, 0.9, 0.1],
        verdict="copies its input",
        rule="a rule of many words " * 10,
    ).plot(ax)


def draw_metric(ax):
    return MetricDisplay.from_predictions(np.where(X[:, 0] > 0.9, -1, 1), X[:, 1], ax=ax)


def draw_threshold(ax):
    return ThresholdDisplay.from_predictions(np.where(X[:, 0] > 0.9, -1, 1), X[:, 1], ax=ax)


N_AXES = {
    draw_score: 2,
    draw_contribution: 2,
    draw_reconstruction: 2,
    draw_history: 1,
    draw_identity: 3,
    draw_metric: 1,
    draw_threshold: 1,
}
every_display = pytest.mark.parametrize("draw", N_AXES)


def axes_of(display):
    return display.axes_ if hasattr(display, "axes_") else (display.ax_,)


@every_display
def test_empty_figures_and_subfigures_get_the_axes(draw):
    figure = Figure()
    display = draw(figure)
    assert display.figure_ is figure
    assert figure.axes == list(axes_of(display))
    assert len(figure.axes) == N_AXES[draw]
    assert figure.get_layout_engine() is not None
    figure.draw_without_rendering()
    for parent in (Figure(layout="constrained"), Figure()):
        upper, _ = parent.subfigures(2, 1)
        assert draw(upper).figure_ is upper
        assert len(parent.axes) == N_AXES[draw]


@every_display
def test_one_axes_is_divided_where_more_are_needed(draw):
    left, right = Figure(figsize=(12, 5), layout="constrained").subplots(1, 2)
    display = draw(right)
    if N_AXES[draw] == 1:
        assert display.ax_ is right
    else:
        assert not right.axison
        assert len(display.axes_) == N_AXES[draw]
    assert left.axison
    assert all(ax.get_position().x0 > 0.4 for ax in axes_of(display))
    display.figure_.draw_without_rendering()


@every_display
def test_as_many_axes_as_needed_are_drawn_into(draw):
    axes = Figure().subplots(N_AXES[draw], 1, squeeze=False)
    assert axes_of(draw(axes)) == tuple(axes.ravel())
    assert axes_of(draw(list(axes.ravel()))) == tuple(axes.ravel())
    with pytest.raises(ValueError, match=rf"ax must be .* {N_AXES[draw]} Axes; got 5 of them"):
        draw([None] * 5)


@every_display
def test_places_that_are_taken_are_refused(draw):
    figure = Figure()
    figure.subplots()
    with pytest.raises(ValueError, match="ax must be a Figure without axes"):
        draw(figure)


@every_display
def test_pyplot_makes_the_figure_when_no_place_is_given(draw, monkeypatch):
    from matplotlib import pyplot

    made = []
    monkeypatch.setattr(
        pyplot, "figure", lambda **options: made.append(Figure(**options)) or made[0]
    )
    display = draw(None)
    assert display.figure_ is made[0]
    assert made[0].get_layout_engine() is not None


@every_display
def test_pyplot_is_left_alone_when_a_place_is_given(draw, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    draw(Figure())


@every_display
def test_missing_matplotlib_names_the_extra(draw, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.dates", None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'skanomaly\[plot\]'"):
        draw(Figure())
