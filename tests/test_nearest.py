"""The detector that expects each window to be like one seen in fit; see also test_detectors.py."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skanomaly.detectors import NearestWindowDetector
from skanomaly.exceptions import WindowSizeWarning


def noise(n_timesteps, seed, n_features=2):
    return np.random.default_rng(seed).normal(size=(n_timesteps, n_features)).astype(np.float32)


def windows_of(X, size):
    return [X[i : i + size].astype(float) for i in range(len(X) - size + 1)]


def slow_reconstruction(X_fit, X, size):
    """Mean over the windows that cover a step of the best matches; no window matches itself.

    X_fit is a list of series.
    """
    known = [(i, j, w) for i, one in enumerate(X_fit) for j, w in enumerate(windows_of(one, size))]
    total, count = np.zeros(X.shape), np.zeros((len(X), 1))
    for start, window in enumerate(windows_of(X, size)):
        distances = np.array([np.square(window - other).sum() for _, _, other in known])
        places = [(i, j) for i, j, other in known if np.array_equal(window, other)]
        for series, place in places[:1]:
            near = [i == series and abs(j - place) < size for i, j, _ in known]
            if not all(near):
                distances[near] = np.inf
        total[start : start + size] += known[int(distances.argmin())][2]
        count[start : start + size] += 1
    return total / count


@given(
    st.lists(st.integers(6, 25), min_size=1, max_size=3),
    st.integers(1, 6),
    st.integers(6, 30),
    st.booleans(),
)
@settings(max_examples=40)
def test_reconstructions_are_those_of_the_slow_search(lengths, size, n_timesteps, seen):
    X_fit = [noise(n, i) for i, n in enumerate(lengths)]
    X = X_fit[-1] if seen else noise(n_timesteps, 99)
    detector = NearestWindowDetector(window_size=size).fit(X_fit)
    expected = slow_reconstruction(X_fit, X, size)
    np.testing.assert_allclose(detector.reconstruct([X])[0], expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("n_features", [2, 30])  # 30: compared by principal components
def test_windows_seen_in_fit_are_scored_as_if_they_were_new(n_features):
    X, X_test = noise(600, 0, n_features), noise(600, 1, n_features)
    detector = NearestWindowDetector(window_size=8).fit(X)
    seen, new = -detector.score_samples(X).mean(), -detector.score_samples(X_test).mean()
    assert seen == pytest.approx(new, rel=0.1)
    part = -detector.score_samples(X[100:400])[8:-8]
    np.testing.assert_allclose(part, -detector.score_samples(X)[108:392], rtol=1e-5)


def test_neighbours_of_a_place_are_no_match_when_windows_are_thinned_out():
    # A slow wave differs little from itself a few steps later, where the next kept window is.
    X = np.cumsum(noise(3000, 0), axis=0)
    detector = NearestWindowDetector(window_size=16, max_windows=500).fit(X)
    assert detector.windows_.shape == (500, 16, 2)
    full = NearestWindowDetector(window_size=16).fit(X)
    thin, dense = (-one.score_samples(X).mean() for one in (detector, full))
    assert thin > 0.9 * dense


def test_a_copy_elsewhere_is_a_match():
    wave = np.tile(noise(20, 0), (5, 1))
    detector = NearestWindowDetector(window_size=20, contamination=0.1).fit(wave)
    np.testing.assert_allclose(detector.score_samples(wave), 0, atol=1e-10)


def test_a_series_of_one_window_matches_itself():
    X = noise(8, 0)
    detector = NearestWindowDetector(window_size=8).fit(X)
    np.testing.assert_allclose(detector.reconstruct(X), X, rtol=1e-6)


def test_an_unseen_shape_stands_out_where_values_and_changes_are_usual():
    steps = np.arange(2000)
    X = np.sin(2 * np.pi * steps / 40)[:, None]
    X_test = X.copy()
    X_test[1000:1040] = np.sin(2 * np.pi * steps[:40] / 20)[:, None]  # twice as fast, once
    detector = NearestWindowDetector(window_size=40, stride=5, smoothing="triangular").fit(X)
    assert 1000 <= np.argmin(detector.score_samples(X_test)) < 1040


def test_the_last_window_alone_makes_scores_causal():
    X, X_test = noise(300, 0), noise(120, 1)
    detector = NearestWindowDetector(window_size=8, aggregation="last").fit(X)
    head = detector.score_samples(X_test[:70])
    np.testing.assert_allclose(detector.score_samples(X_test)[:70], head, rtol=1e-6)


def test_gaps_are_filled_to_find_a_match_and_have_no_error():
    wave = np.tile(noise(20, 0), (8, 1))
    gaps = wave.copy()
    gaps[75:78, 0] = np.nan
    detector = NearestWindowDetector(window_size=20).fit(wave + 0.01 * noise(160, 1))
    values = detector.score_features(gaps)
    assert np.isnan(values[75:78, 0]).all()
    assert -np.nanmin(values) < 0.1
    again = NearestWindowDetector(window_size=20).fit(gaps)
    assert not np.isnan(again.windows_).any()
    assert np.isfinite(again.score_samples(gaps)).all()


def test_a_series_shorter_than_the_window_is_compared_by_the_steps_it_has():
    X = np.tile(noise(20, 0), (3, 1))
    detector = NearestWindowDetector(window_size=20).fit(X)
    np.testing.assert_allclose(detector.reconstruct(X[7:13]), X[7:13], rtol=1e-5)


def test_partial_fit_adds_windows():
    first, second = noise(60, 0), noise(60, 1) + 10
    detector = NearestWindowDetector(window_size=5).partial_fit(first)
    far = -detector.score_samples(second).mean()
    detector.partial_fit(second)
    assert len(detector.windows_) == 2 * 56
    assert -detector.score_samples(second).mean() < far / 10
    np.testing.assert_array_equal(
        NearestWindowDetector(window_size=5, max_windows=30).partial_fit(first).windows_.shape[0],
        30,
    )
    with pytest.raises(ValueError, match="at least 5 time steps, the window_size_.*got 3"):
        detector.partial_fit(noise(3, 0))


def test_a_window_longer_than_the_shortest_series_is_reduced():
    with pytest.warns(WindowSizeWarning, match="at most 12, .* got 64, reduced to 12") as caught:
        detector = NearestWindowDetector().fit([noise(12, 0), noise(40, 1)])
    assert detector.window_size_ == 12
    assert caught[0].filename == __file__


@pytest.mark.parametrize(
    ("params", "name"),
    [({"window_size": 0}, "window_size"), ({"max_windows": 0}, "max_windows"),
     ({"aggregation": "min"}, "aggregation"), ({"stride": 0.5}, "stride")],
)  # fmt: skip
def test_wrong_parameters_are_refused(params, name):
    with pytest.raises(ValueError, match=f"'{name}' parameter of NearestWindowDetector must be"):
        NearestWindowDetector(**params).fit(noise(30, 0))


def test_a_stride_longer_than_the_window_is_refused():
    with pytest.raises(ValueError, match="stride must be at most window_size=8.*got 9"):
        NearestWindowDetector(window_size=8, stride=9).fit(noise(30, 0))
