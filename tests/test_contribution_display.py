"""ContributionDisplay: rows, their order and names, colours, and what is refused."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.collections import QuadMesh
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from sklearn.covariance import EllipticEnvelope
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from tiny import TINY

from skanomaly import LSTMAutoencoder, PersistenceDetector
from skanomaly.displays import ContributionDisplay
from skanomaly.preprocessing import SequenceTransformer


def make_contributions(n_timesteps=120, n_features=3, seed=0):
    """Small contributions, and much of feature 1 from time step 80 to 84."""
    rng = np.random.RandomState(seed)
    contributions = rng.uniform(0, 0.1, size=(n_timesteps, n_features))
    contributions[80:84, min(1, n_features - 1)] += 20.0
    return contributions


def draw(contributions, **options):
    options = {"threshold": 15.0, "ax": Figure()} | options
    return ContributionDisplay.from_contributions(contributions, **options)


def cells(display):
    """Return the colours drawn (n_rows, n_bins)."""
    (mesh,) = (c for c in display.axes_[1].collections if isinstance(c, QuadMesh))
    return mesh.get_array()[:, ::2]


def row_names(display):
    return [tick.get_text() for tick in display.axes_[1].get_yticklabels()]


@pytest.mark.parametrize("n_features", [1, 3, 38, 77])
@pytest.mark.parametrize("index", [None, pd.date_range("2024-01-30", periods=120, freq="h")])
def test_every_number_of_features_is_drawn(n_features, index):
    contributions = make_contributions(n_features=n_features)
    y = np.where(np.arange(120) < 10, -1, 1)
    display = draw(contributions, index=index, y=y)
    display.figure_.draw_without_rendering()
    upper, lower = display.axes_
    assert upper.get_xlim() == lower.get_xlim()
    np.testing.assert_allclose(display.scores, contributions.sum(axis=1))
    np.testing.assert_allclose(upper.lines[0].get_ydata(), display.scores)
    assert (np.flatnonzero(display.labels == -1) == range(80, 84)).all()
    assert len(display.features_) == min(n_features, 20)
    assert len(row_names(display)) == min(n_features, 20) + (n_features > 20)


def test_cells_are_the_contributions_sorted_by_their_part_of_flagged_scores():
    contributions = make_contributions()
    display = draw(contributions)
    assert display.features_[0] == 1
    np.testing.assert_array_equal(cells(display), contributions[:, display.features_].T)
    np.testing.assert_array_equal(cells(draw(contributions, order="given")), contributions.T)
    flagged = contributions[80:84]
    shares = (flagged / flagged.sum(axis=1, keepdims=True)).mean(axis=0)
    np.testing.assert_allclose(display.shares_, shares)
    assert row_names(display)[0].split() == ["x1", f"{100 * shares[1]:.0f}", "%"]


def test_each_flagged_step_counts_the_same():
    contributions = np.full((120, 3), 0.1)
    contributions[10, 0] = 1e6
    contributions[50:60, 2] = 20
    assert draw(contributions).features_[0] == 2


def test_without_flagged_steps_all_count():
    contributions = make_contributions()
    for options in ({"threshold": None}, {"threshold": 1e9}):
        display = draw(contributions, **options)
        np.testing.assert_allclose(display.shares_, contributions.sum(axis=0) / contributions.sum())
        assert "share of all scores" in [text.get_text() for text in display.axes_[1].texts]


def test_of_many_features_the_last_row_shows_the_greatest_of_the_others():
    contributions = make_contributions(n_features=77)
    contributions[30, 50] = 9
    display = draw(contributions, max_features=5)
    others = np.delete(contributions, display.features_, axis=1)
    np.testing.assert_array_equal(cells(display)[-1], others.max(axis=1))
    assert row_names(display)[-1].startswith("72 others (max)")
    np.testing.assert_allclose(display.shares_.sum(), 1)


def test_all_77_features_can_have_a_row_and_a_name_that_does_not_touch_the_next():
    display = draw(make_contributions(n_features=77), max_features=None, order="given")
    assert [name.split()[0] for name in row_names(display)] == [f"x{j}" for j in range(77)]
    figure = Figure(figsize=(10, 10.8))
    display.plot(figure, max_features=None, order="given").figure_.draw_without_rendering()
    boxes = [tick.get_window_extent() for tick in display.axes_[1].get_yticklabels()]
    assert all(upper.y0 >= lower.y1 - 1 for upper, lower in zip(boxes, boxes[1:], strict=False))


def test_where_there_is_no_room_the_names_with_the_greatest_shares_stay():
    contributions = make_contributions(n_features=300)
    contributions[80:84, 250] += 30
    names = row_names(draw(contributions, max_features=None, order="given"))
    assert len(names) <= 100
    assert {"x1", "x250"} <= {name.split()[0] for name in names}


def test_long_series_keep_their_peaks():
    contributions = make_contributions(n_timesteps=20_000)
    contributions[12_345, 2] = 99
    shown = cells(draw(contributions))
    assert shown.shape[1] <= 700
    assert shown.max() == 99


def test_missing_values_are_grey_and_add_nothing():
    contributions = make_contributions()
    contributions[20:30] = np.nan
    contributions[82, 0] = np.nan
    contributions[:, 2] = np.nan
    display = draw(contributions, order="given")
    display.figure_.draw_without_rendering()
    assert np.isnan(display.scores[20:30]).all()
    assert display.scores[82] == contributions[82, 1]
    np.testing.assert_array_equal(cells(display).mask, np.isnan(contributions).T)
    assert display.shares_[2] == 0


@pytest.mark.parametrize("value", [np.nan, 0.0, -1.0])
@pytest.mark.parametrize("n_timesteps", [1, 120])
def test_contributions_without_anything_to_see_are_drawn(value, n_timesteps):
    draw(np.full((n_timesteps, 2), value), threshold=None).figure_.draw_without_rendering()


def test_scale_is_logarithmic_when_a_peak_dwarfs_the_threshold():
    contributions = make_contributions()
    display = draw(contributions, threshold=0.3)
    assert display.axes_[0].get_yscale() == "log"
    (mesh,) = (c for c in display.axes_[1].collections if isinstance(c, QuadMesh))
    assert isinstance(mesh.norm, LogNorm)
    assert mesh.norm.vmin == pytest.approx(0.003)
    assert draw(contributions, threshold=0.3, scale="linear").axes_[0].get_yscale() == "linear"


def test_scores_and_labels_may_be_given():
    contributions = make_contributions()
    scores, labels = np.arange(120.0), np.where(np.arange(120) > 100, -1, 1)
    display = draw(contributions, scores=scores, labels=labels)
    np.testing.assert_array_equal(display.axes_[0].lines[0].get_ydata(), scores)
    assert display.labels is labels


# ------------------------------------------------------------------------------ from_estimator


def make_series(seed=0):
    X = np.random.RandomState(seed).normal(size=(120, 3))
    X[100, 1] += 30
    return X


def test_contributions_of_a_detector_add_up_to_its_scores():
    X = make_series()
    X[20:30], X[40:60, 0] = np.nan, np.nan
    pipeline = make_pipeline(SequenceTransformer(StandardScaler()), LSTMAutoencoder(**TINY)).fit(
        pd.DataFrame(make_series(1), columns=["a", "b", "c"])
    )
    frame = pd.DataFrame(X, columns=["a", "b", "c"])
    display = ContributionDisplay.from_estimator(pipeline, frame, ax=Figure())
    np.testing.assert_allclose(display.scores, -pipeline.score_samples(frame))
    known = ~np.isnan(X).all(axis=1)
    np.testing.assert_allclose(
        np.nansum(display.contributions, axis=1)[known], display.scores[known], rtol=1e-6
    )
    assert np.isnan(display.contributions[~known]).all()
    assert display.threshold == pipeline[-1].step_threshold_
    assert display.feature_names == ["a", "b", "c"]
    assert display.features_[0] == 1


@pytest.mark.parametrize("as_list", [False, True])
def test_one_series_of_a_panel_is_drawn(as_list):
    panel = np.stack([make_series(seed) for seed in range(3)])
    X = [part[: 110 + i] for i, part in enumerate(panel)] if as_list else panel
    y = [np.where(np.arange(len(part)) == 100, -1, 1) for part in X]
    detector = PersistenceDetector().fit(X)
    display = ContributionDisplay.from_estimator(detector, X, y=y, series=2, ax=Figure())
    np.testing.assert_allclose(display.scores, -detector.score_timesteps(X)[2])
    np.testing.assert_allclose(display.contributions.sum(axis=1), display.scores)
    np.testing.assert_array_equal(display.labels, detector.predict_timesteps(X)[2])
    np.testing.assert_array_equal(display.y, y[2])
    with pytest.raises(ValueError, match="series must be between 0 and 2"):
        ContributionDisplay.from_estimator(detector, X, series=3)


def test_detectors_without_scores_of_features_are_refused():
    X = make_series()
    with pytest.raises(TypeError, match="detector must have score_features; got EllipticEnv"):
        ContributionDisplay.from_estimator(EllipticEnvelope().fit(X), X)
    with pytest.raises(TypeError, match="detector must have offset_.*Fit it first"):
        ContributionDisplay.from_estimator(PersistenceDetector(), X)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"scores": np.ones(3)}, r"scores must have one value per time step.*\(120,\)"),
        ({"labels": np.zeros(120)}, "labels must hold -1"),
        ({"y": np.ones(5)}, "y must have one value"),
        ({"feature_names": ["a"]}, "feature_names must have one name per feature, 3; got 1"),
        ({"order": "alphabet"}, "order must be one of 'contribution', 'given'; got 'alphabet'"),
        ({"scale": "cubic"}, "scale must be one of 'auto', 'linear', 'log'; got 'cubic'"),
        ({"max_features": 0}, "max_features must be at least 1 or None; got 0"),
    ],
)
def test_what_does_not_fit_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        draw(make_contributions(), **options)


def test_other_shapes_are_refused():
    with pytest.raises(ValueError, match="contributions must be one series"):
        draw(np.ones(120))
