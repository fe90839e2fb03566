"""Displays: what is drawn, that nothing is lost by drawing less, and what is refused."""

import sys

import numpy as np
import pandas as pd
import polars as pl
import pytest
from matplotlib import dates as mdates
from matplotlib.collections import QuadMesh
from matplotlib.figure import Figure
from sklearn.covariance import EllipticEnvelope
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skanomaly import PersistenceDetector
from skanomaly.displays import ScoreDisplay
from skanomaly.displays._spans import merge_spans
from skanomaly.displays.decimation import condense, extreme_rows, time_bins
from skanomaly.exceptions import MissingDependencyError
from skanomaly.intervals import find_intervals
from skanomaly.preprocessing import SequenceTransformer


def make_series(n_timesteps=120, n_features=2, seed=0):
    rng = np.random.RandomState(seed)
    X = np.sin(np.arange(n_timesteps)[:, None] / 5 + np.arange(n_features))
    X += 0.1 * rng.normal(size=X.shape)
    X[80:84] += 5
    return X


def draw(X, **options):
    scores = options.pop("scores", np.abs(X).max(axis=1))
    options = {"threshold": 3.0, "ax": Figure()} | options
    return ScoreDisplay.from_predictions(X, scores, **options)


def artists(ax, label):
    return [a for a in ax.get_children() if a.get_label() == label]


def bars(ax, *, black=False):
    """Return start and stop of the bars that shade, or of the strip, (n_spans, 2)."""
    found = []
    for collection in ax.collections:
        if (collection.get_label() == "true anomaly") == black:
            found += [path.vertices[:, 0] for path in collection.get_paths()]
    return np.array([[xs.min(), xs.max()] for xs in found])


# ------------------------------------------------------------------------------ what is drawn


@pytest.mark.parametrize("n_features", [1, 3, 8, 38, 77])
@pytest.mark.parametrize("index", [None, pd.date_range("2024-01-30", periods=120, freq="h")])
def test_every_number_of_features_is_drawn_and_saved(tmp_path, n_features, index):
    X = make_series(n_features=n_features)
    display = draw(X, index=index, y=np.where(np.arange(120) < 10, -1, 1))
    display.figure_.savefig(tmp_path / "scores.png")
    assert (tmp_path / "scores.png").stat().st_size > 5000
    upper, lower = display.axes_
    assert upper.get_xlim() == lower.get_xlim()
    assert "higher = more anomalous" in lower.get_ylabel()
    assert find_intervals(display.labels == -1).tolist() == [[80, 84]]


def test_layout_follows_number_and_size_of_features():
    few, many = make_series(n_features=3), make_series(n_features=38)
    assert {line.get_label() for line in draw(few).axes_[0].lines} == {"x0", "x1", "x2"}
    stacked = draw(few * [1, 1000, 1]).axes_[0]
    assert [t.get_text() for t in stacked.get_yticklabels()] == ["x0", "x1", "x2"]
    assert any(isinstance(c, QuadMesh) for c in draw(many).axes_[0].collections)
    assert len(draw(many, layout="overlay").axes_[0].lines) == 38


def test_flagged_intervals_are_shaded_over_both_panels_and_true_ones_are_a_strip():
    X = make_series()
    y = np.where((np.arange(120) >= 78) & (np.arange(120) < 90), -1, 1)
    for ax in (display := draw(X, y=y)).axes_:
        np.testing.assert_allclose(bars(ax), [[80, 83]])
    np.testing.assert_allclose(bars(display.axes_[1], black=True), [[78, 89]])


def test_one_flagged_step_among_many_stays_visible():
    scores = np.zeros(100_000)
    scores[500] = 9
    display = draw(np.zeros((100_000, 1)), scores=scores)
    start, stop = bars(display.axes_[0])[0]
    assert start < 500 < stop
    assert stop - start > 100


def test_no_labels_and_no_threshold_shade_nothing():
    display = draw(make_series(), threshold=None)
    assert display.labels is None
    assert not artists(display.axes_[1], "flagged")
    assert not len(bars(display.axes_[0]))


def test_many_short_intervals_are_shaded_by_their_share_of_the_time():
    scores = np.zeros(100_000)
    scores[::50] = 9
    scores[40_000:50_000] = 9
    shading = draw(np.zeros((100_000, 1)), scores=scores).axes_[0].collections[0]
    alphas = shading.get_facecolor()[:, 3]
    assert len(alphas) == 800
    assert alphas.max() > 6 * np.median(alphas)


def test_dates_are_dates_on_the_axis_and_accept_datetime64():
    index = pd.date_range("2024-01-30", periods=120, freq="h")
    upper, lower = draw(make_series(), index=index).axes_
    assert isinstance(lower.xaxis.get_major_formatter(), mdates.ConciseDateFormatter)
    assert upper.get_xlim() == tuple(mdates.date2num(index.to_numpy()[[0, -1]]))
    line = lower.axvline(index.to_numpy()[60])
    assert line.get_xdata()[0] is not None
    lower.figure.draw_without_rendering()


def test_index_and_names_come_from_frames():
    X = make_series()
    index = pd.date_range("2024-01-30", periods=120, freq="h", tz="Europe/Paris")
    display = draw(pd.DataFrame(X, index=index, columns=["a", "b"]))
    assert display.feature_names == ["a", "b"]
    assert display.index[0] == np.datetime64("2024-01-29T23:00")
    assert draw(pd.DataFrame(X, index=[f"r{i}" for i in range(120)])).index is None
    assert draw(pl.DataFrame(X, schema=["a", "b"])).feature_names == ["a", "b"]


def test_score_axis_is_logarithmic_when_a_peak_dwarfs_the_threshold():
    scores = np.full(120, 0.1)
    scores[80] = 1000.0
    assert draw(make_series(), scores=scores, threshold=1.0).axes_[1].get_yscale() == "log"
    assert draw(make_series(), threshold=3.0).axes_[1].get_yscale() == "linear"
    assert draw(make_series(), scores=-scores, threshold=1.0).axes_[1].get_yscale() == "linear"
    low, high = draw(make_series(), scores=scores, threshold=1.0).axes_[1].get_ylim()
    assert low < 0.1
    assert high > 1000


@pytest.mark.parametrize("n_features", [1, 3, 8, 20])
def test_what_is_missing_infinite_or_constant_is_drawn(n_features):
    X = make_series(n_features=n_features)
    X[:, 0] = 1.0
    X[30:40] = np.nan
    X[50] = np.inf
    X[:, -1] = np.nan
    scores = np.ones(120)
    scores[30:40] = np.nan
    scores[50] = np.inf
    draw(X, scores=scores).figure_.draw_without_rendering()


def test_series_of_one_time_step_is_drawn():
    draw(np.ones((1, 2)), scores=np.array([9.0])).figure_.draw_without_rendering()


# --------------------------------------------------------------------------- where it is drawn


def test_two_axes_are_drawn_into():
    axes = Figure().subplots(2, 1, sharex=True)
    assert draw(make_series(), ax=axes).axes_ == tuple(axes)


def test_one_axes_is_divided():
    figure = Figure(layout="constrained")
    left, right = figure.subplots(1, 2)
    display = draw(make_series(), ax=right)
    assert display.figure_ is figure
    assert not right.axison
    assert left.axison
    assert display.axes_[0].get_position().x0 > 0.4


def test_subfigures_are_drawn_into():
    upper, _ = Figure(layout="constrained").subfigures(2, 1)
    assert draw(make_series(), ax=upper).figure_ is upper


def test_without_ax_pyplot_makes_the_figure(monkeypatch):
    from matplotlib import pyplot

    monkeypatch.setattr(pyplot, "figure", lambda **options: Figure(**options))
    assert draw(make_series(), ax=None).figure_.get_layout_engine() is not None


def test_missing_matplotlib_names_the_extra(monkeypatch):
    display = draw(make_series())
    monkeypatch.setitem(sys.modules, "matplotlib.dates", None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'skanomaly\[plot\]'"):
        display.plot(Figure())


# ------------------------------------------------------------------------------ from_estimator


def test_from_estimator_equals_from_predictions():
    X = make_series()
    detector = EllipticEnvelope(contamination=0.05, random_state=0).fit(X)
    display = ScoreDisplay.from_estimator(detector, X, ax=Figure())
    np.testing.assert_array_equal(display.scores, -detector.score_samples(X))
    np.testing.assert_array_equal(display.labels, detector.predict(X))
    assert display.threshold == -detector.offset_
    assert display.name == "EllipticEnvelope"


def test_pipeline_draws_what_was_given_and_scores_what_its_steps_make_of_it():
    X = 100 + make_series()
    pipeline = make_pipeline(SequenceTransformer(StandardScaler()), PersistenceDetector()).fit(X)
    display = ScoreDisplay.from_estimator(pipeline, X, ax=Figure())
    np.testing.assert_array_equal(display.values, X)
    np.testing.assert_array_equal(display.scores, -pipeline.score_samples(X))
    np.testing.assert_array_equal(display.labels, pipeline.predict(X))


@pytest.mark.parametrize("as_list", [False, True])
def test_one_series_of_a_panel_is_drawn(as_list):
    panel = np.stack([make_series(seed=seed) for seed in range(3)])
    X = [part[: 100 + i] for i, part in enumerate(panel)] if as_list else panel
    y = [np.where(np.arange(len(part)) < 5, -1, 1) for part in X]
    pipeline = make_pipeline(SequenceTransformer(StandardScaler()), PersistenceDetector()).fit(X)
    display = ScoreDisplay.from_estimator(pipeline, X, y=y, series=2, ax=Figure())
    detector = pipeline[-1]
    np.testing.assert_array_equal(display.values, X[2])
    np.testing.assert_array_equal(
        display.labels, detector.predict_timesteps(pipeline[:-1].transform(X))[2]
    )
    assert display.threshold == detector.step_threshold_
    single = ScoreDisplay.from_estimator(pipeline, X[2], ax=Figure())
    np.testing.assert_array_equal(single.labels, display.labels)


def test_unfit_detectors_and_wrong_series_are_refused():
    X = make_series()
    with pytest.raises(TypeError, match="detector must have offset_"):
        ScoreDisplay.from_estimator(PersistenceDetector(), X)
    detector = PersistenceDetector().fit(X[None])
    with pytest.raises(ValueError, match=r"series must be between 0 and 0.*got 1"):
        ScoreDisplay.from_estimator(detector, X[None], series=1)
    with pytest.raises(TypeError, match="detector must have score_timesteps"):
        ScoreDisplay.from_estimator(EllipticEnvelope().fit(X), X[None])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"scores": np.ones(3)}, r"scores must have one value per time step.*\(120,\)"),
        ({"labels": np.zeros(120)}, "labels must hold -1"),
        ({"y": np.ones(5)}, "y must have one value"),
        ({"index": np.arange(3)}, "index must have one value"),
        ({"index": np.arange(120)[::-1]}, "index must be in order; got 118 after 119 at position"),
        ({"index": ["a"] * 120}, "index must hold numbers or dates"),
        ({"feature_names": ["a"]}, "feature_names must have one name per feature, 2; got 1"),
        ({"layout": "grid"}, "layout must be one of 'auto', 'overlay'"),
        ({"score_scale": "cubic"}, "score_scale must be one of"),
        ({"ax": [None] * 3}, "ax must be one Axes, a Figure or 2 Axes; got 3"),
    ],
)
def test_what_does_not_fit_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        draw(make_series(), **options)


def test_places_that_cannot_be_divided_are_refused():
    figure = Figure()
    ax = figure.add_axes((0.1, 0.1, 0.8, 0.8))
    with pytest.raises(ValueError, match="ax must be part of a grid"):
        draw(make_series(), ax=ax)
    with pytest.raises(ValueError, match="ax must be a Figure without axes"):
        draw(make_series(), ax=figure)
    with pytest.raises(ValueError, match="X must be one series"):
        ScoreDisplay.from_predictions(np.ones(5), np.ones(5))


# ---------------------------------------------------------------------- fewer points, same peaks


def test_decimation_keeps_every_peak_at_its_place():
    rng = np.random.RandomState(0)
    y = rng.normal(size=200_000)
    peaks = rng.choice(200_000, 20, replace=False)
    y[peaks] = np.where(peaks % 2, 50, -50)
    rows = extreme_rows(y, 4000)
    assert len(rows) <= 4002
    assert set(peaks) <= set(rows)
    assert rows[0] == 0
    assert rows[-1] == 199_999
    line = draw(y[:, None], scores=np.abs(y)).axes_[0].lines[0]
    assert line.get_ydata().max() == 50
    assert len(line.get_xdata()) <= 4002


def test_heat_map_keeps_peaks_of_either_sign_and_gaps_in_time():
    rng = np.random.RandomState(0)
    X = rng.normal(size=(10_000, 20))
    X[1234, 3], X[7777, 4] = 90, -90
    x = np.arange(10_000.0)
    x[6000:] += 5000
    first, starts, stops = time_bins(x, 500)
    cells = condense(X, first)
    assert cells[1234 // 20, 3] > 30
    assert cells[np.searchsorted(first, 7777, side="right") - 1, 4] < -30
    gap = np.flatnonzero(starts[1:] > stops[:-1])
    assert [(stops[i], starts[i + 1]) for i in gap] == [(6000, 11_000)]


def test_spans_that_touch_are_merged():
    spans = np.array([[0.0, 1.0], [1.5, 1.5], [8.0, 9.0]])
    np.testing.assert_allclose(merge_spans(spans, 1.2), [[-0.1, 2.1], [7.9, 9.1]])
    assert merge_spans(np.empty((0, 2)), 1.0).shape == (0, 2)
    assert find_intervals([]).shape == (0, 2)
