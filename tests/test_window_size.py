"""suggest_window_size: known periods and memories, noise, gaps, forms of X, bounds and messages."""

import re

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import lfilter

from skanomaly.preprocessing import _window_size, suggest_window_size
from skanomaly.preprocessing._window_size import _autocorrelation, _remove_trend, _suggest

WAVES = {
    "sine": lambda t: np.sin(2 * np.pi * t),
    "loud overtone": lambda t: np.sin(2 * np.pi * t) + 1.5 * np.sin(4 * np.pi * t + 1),
    "pulse": lambda t: (t % 1 < 0.3).astype(float),
    "spike": lambda t: np.exp(-0.5 * ((t % 1 - 0.5) / 0.03) ** 2),
}


def make_wave(period, n_timesteps, noise=0.0, wave="sine", seed=0):
    """A wave of unit variance in noise, (n_timesteps, 1); noise is relative to the wave."""
    rng = np.random.default_rng(seed)
    x = WAVES[wave](np.arange(n_timesteps) / period + rng.uniform())
    x = (x - x.mean()) / x.std()
    return (x + noise * rng.normal(size=n_timesteps))[:, None]


def make_memory(factor, n_timesteps, seed=0, n_features=1):
    """x[t] = factor * x[t - 1] + noise: white noise for 0, a random walk for 1."""
    noise = np.random.default_rng(seed).normal(size=(n_timesteps + 500, n_features))
    return lfilter([1], [1, -factor], noise, axis=0)[500:]


# Periods --------------------------------------------------------------------------------------


@pytest.mark.parametrize("wave", WAVES)
@pytest.mark.parametrize("noise", [0, 0.5, 1])
@pytest.mark.parametrize("period", [12, 24.3, 48, 100, 288, 450])
def test_the_period_of_a_wave_is_found_within_10_percent(period, noise, wave):
    x = make_wave(period, int(30 * period), noise, wave)
    assert suggest_window_size(x) == pytest.approx(period, rel=0.1)


@pytest.mark.parametrize("wave", ["sine", "pulse", "spike"])
@pytest.mark.parametrize("period", [24.3, 48, 100, 288])
def test_two_clean_repetitions_or_five_noisy_ones_are_enough(period, wave):
    assert suggest_window_size(make_wave(period, int(2.5 * period), 0, wave)) == pytest.approx(
        period, rel=0.1
    )
    assert suggest_window_size(make_wave(period, 5 * int(period), 0.5, wave)) == pytest.approx(
        period, rel=0.1
    )


def test_of_several_periods_the_strongest_is_taken():
    fast, slow = make_wave(40, 4000), make_wave(170, 4000, seed=1)
    assert suggest_window_size(3 * fast + 2 * slow) == pytest.approx(40, rel=0.1)
    assert suggest_window_size(2 * fast + 3 * slow) == pytest.approx(170, rel=0.1)


def test_a_weak_longer_season_does_not_hide_the_day():
    days = make_wave(48, 3000, 0.3, "pulse")
    weeks = make_wave(336, 3000, seed=1)
    assert suggest_window_size(days + 0.3 * weeks) == 48


def test_trends_levels_and_units_change_nothing():
    x = make_wave(60, 900, 0.4)
    ramp = np.arange(900.0)[:, None]
    for other in (x + 1e4, x * 1e-9, x * 1e200, x - 0.5 * ramp, (x * 100).round().astype(int)):
        assert suggest_window_size(other) == pytest.approx(60, abs=1)
    assert suggest_window_size((x + 1e3).astype(np.float32)) == pytest.approx(60, abs=1)


def test_a_single_anomaly_changes_nothing():
    x = make_wave(60, 900, 0.2)
    x[455] = 1e6
    assert suggest_window_size(x) == 60


@pytest.mark.parametrize("period", [3, 1000])
def test_periods_out_of_bounds_give_the_bound(period):
    x = make_wave(period, 8000)
    assert suggest_window_size(x) == (8 if period == 3 else 512)
    assert suggest_window_size(x, min_size=2, max_size=2000) == pytest.approx(period, abs=1)


def test_what_seems_a_period_in_noise_or_a_random_walk_rarely_is():
    """Of 60 series of each kind, at most 3 are said to have a period."""
    for factor, n_timesteps in ((0, 100), (0, 2000), (0.9, 1000), (1, 300), (1, 2000)):
        n_found = 0
        for seed in range(60):
            x = make_memory(factor, n_timesteps, seed)
            n_found += bool(periods_found(x))
        assert n_found <= 3, (factor, n_timesteps)


def periods_found(x):
    """Return the lag of the period that was found in a series, or 0."""
    n_lags = min(2048, 3 * len(x) // 4)
    ends = np.array([0, len(x)])
    correlation, n_pairs = _autocorrelation(_window_size._residuals(x, ends), ends, n_lags)
    memory = int((correlation < np.exp(-1)).argmax()) or n_lags
    return _window_size._dominant_period(correlation, n_pairs, memory)


# Memory ---------------------------------------------------------------------------------------


def test_white_noise_gives_the_smallest_size():
    for seed in range(10):
        assert suggest_window_size(make_memory(0, 2000, seed, 3)) == 8
    assert suggest_window_size(make_memory(0, 2000), min_size=3) == 4


@pytest.mark.parametrize("lag", [5, 20, 60])
def test_without_a_period_it_is_four_times_the_lag_of_decay(lag):
    sizes = [suggest_window_size(make_memory(np.exp(-1 / lag), 50_000, seed)) for seed in range(5)]
    assert np.median(sizes) == pytest.approx(4 * lag, rel=0.25)


def test_a_long_random_walk_gives_the_largest_size():
    for seed in range(5):
        assert suggest_window_size(make_memory(1, 20_000, seed)) == 512
        assert suggest_window_size(make_memory(1, 20_000, seed), max_size=100) == 100


@pytest.mark.parametrize("value", [0.0, 0.1, 1e9, -1e-300])
def test_constants_and_straight_lines_give_the_smallest_size(value):
    x = np.full((300, 2), value)
    assert suggest_window_size(x) == 8
    assert suggest_window_size(x.astype(np.float32)) == 8
    x[:, 1] = 1.7e9 + 0.1 * np.arange(300)
    assert suggest_window_size(x) == 8


@pytest.mark.parametrize("n_timesteps", range(1, 12))
def test_series_shorter_than_the_smallest_size_give_their_length(n_timesteps):
    x = make_wave(4, n_timesteps + 20)[:n_timesteps]
    assert suggest_window_size(x) == min(8, n_timesteps)
    assert suggest_window_size([x, make_wave(48, 600)]) == min(48, n_timesteps)


# Several features and series ------------------------------------------------------------------


def test_features_are_pooled_and_constants_left_out():
    x = make_wave(60, 1200, 0.3)
    noise = make_memory(0, 1200)
    flat = np.full((1200, 5), 3.0)
    assert suggest_window_size(np.hstack([flat, x * 1e-6, noise * 1e6])) == pytest.approx(60, abs=2)


def test_series_too_short_to_show_their_period_show_it_together():
    panel = np.stack([make_wave(30, 70, 1.0, seed=seed) for seed in range(40)])
    assert suggest_window_size(panel) == pytest.approx(30, rel=0.1)
    ragged = [x[: 45 + i % 20] for i, x in enumerate(panel)]
    assert suggest_window_size(ragged) == pytest.approx(30, rel=0.1)


def test_levels_that_differ_between_series_change_nothing():
    ragged = [make_wave(40, 300 + 50 * i, 0.3, seed=i) + 1000 * i for i in range(4)]
    assert suggest_window_size(ragged) == pytest.approx(40, abs=2)


def test_every_form_of_the_same_data_gives_the_same_size():
    parts = [make_wave(40, 400, 0.5, seed=seed) for seed in range(3)]
    frames = [pd.DataFrame(x, columns=["a"]) for x in parts]
    objects = np.empty(3, dtype=object)
    objects[:] = parts
    forms = [parts, tuple(parts), objects, frames, [x.tolist() for x in parts]]
    forms += [np.stack(parts), [pl.from_pandas(frame) for frame in frames]]
    sizes = {suggest_window_size(X) for X in forms}
    assert sizes == {suggest_window_size(parts)}
    dates = pd.date_range("2026-01-01", periods=400, freq="min")
    x = parts[0]
    forms = [x, x[None], [x], x.tolist(), frames[0].set_index(dates), pl.from_pandas(frames[0])]
    assert {suggest_window_size(X) for X in forms} == {suggest_window_size(x)}
    assert type(suggest_window_size(x)) is int


def test_x_stays_untouched():
    x = make_wave(40, 400, 0.5)
    x[7] = 1e9
    before = x.copy()
    suggest_window_size(x)
    _suggest(x, np.array([0, 400]), 100)
    np.testing.assert_array_equal(x, before)


# What was not observed ------------------------------------------------------------------------


def test_gaps_do_not_hide_the_period():
    x = np.hstack([make_wave(60, 2000, 0.5, seed=seed) for seed in range(2)])
    x[np.random.default_rng(0).random(x.shape) < 0.5] = np.nan
    x[300:700] = np.nan
    x = np.hstack([x, np.full((2000, 1), np.nan)])
    found = _suggest(np.vstack([x, x * np.nan]), np.array([0, 2000, 4000]), 2048)
    assert found == pytest.approx(60, rel=0.05)


@pytest.mark.parametrize("n_observed", [0, 1, 2])
def test_hardly_any_observed_value_gives_the_smallest_size(n_observed):
    x = np.full((50, 2), np.nan)
    x[10 : 10 + n_observed] = np.arange(n_observed)[:, None]
    assert _suggest(x, np.array([0, 50]), 2048) <= 4


def slow_autocorrelation(parts, n_lags):
    """Mean over all observed pairs, one pair at a time."""
    sums, counts = np.zeros(n_lags + 1), np.zeros(n_lags + 1)
    for x in parts:
        for feature in x.T:
            for lag in range(n_lags + 1):
                for t in range(len(feature) - lag):
                    product = feature[t] * feature[t + lag]
                    if not np.isnan(product):
                        sums[lag] += product
                        counts[lag] += 1
    means = sums / np.maximum(counts, 1)
    return means / means[0], np.maximum(counts / parts[0].shape[1], 1)


@settings(deadline=None, max_examples=40)
@given(
    st.lists(st.integers(2, 20), min_size=1, max_size=3),
    st.integers(1, 3),
    st.sampled_from([0, 0.3]),
    st.integers(0, 999),
)
def test_the_autocorrelation_equals_that_of_loops(lengths, n_features, missing, seed):
    rng = np.random.default_rng(seed)
    parts = [rng.normal(size=(n, n_features)) for n in lengths]
    for x in parts:
        x[rng.random(x.shape) < missing] = np.nan
    parts[0][0] = 1.5
    n_lags = max(lengths) - 1
    offsets = np.cumsum([0, *lengths])
    correlation, n_pairs = _autocorrelation(np.vstack(parts), offsets, n_lags)
    expected, n_expected = slow_autocorrelation(parts, n_lags)
    np.testing.assert_allclose(correlation, expected, atol=1e-9)
    np.testing.assert_allclose(n_pairs, n_expected)


def test_the_trend_is_that_of_least_squares():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(30, 2)) + 3 * np.arange(30)[:, None]
    x[rng.random(x.shape) < 0.3] = np.nan
    residuals = x.copy()
    _remove_trend(residuals)
    for before, after in zip(x.T, residuals.T, strict=True):
        seen = ~np.isnan(before)
        line = np.polynomial.Polynomial.fit(np.flatnonzero(seen), before[seen], 1)
        np.testing.assert_allclose(after[seen], before[seen] - line(np.flatnonzero(seen)))
        np.testing.assert_array_equal(np.isnan(after), ~seen)


# What is read ---------------------------------------------------------------------------------


class Counting(np.ndarray):
    """An array that remembers how many values were taken of it."""

    n_read = 0

    def __getitem__(self, key):
        part = np.asarray(self)[key]
        Counting.n_read += part.size
        return part


@pytest.mark.parametrize("shape", [(3_000_000, 2), (100_000, 10, 2), (4, 500_000, 3)])
def test_no_more_than_a_bounded_part_is_read(shape):
    Counting.n_read = 0
    X = np.broadcast_to(np.array(0.5), shape).view(Counting)
    assert suggest_window_size(X) == 8
    n_one_series = 2 * shape[-2] * shape[-1]  # and a look at the shape of the first one
    assert 0 < Counting.n_read <= _window_size._MAX_VALUES + n_one_series


def test_of_many_series_some_are_chosen_from_first_to_last():
    parts = [np.full((20, 1), 1.0)] * 299 + [np.full((3, 1), 1.0)]
    part, shortest = _window_size._read(parts)
    assert len(part) == 256
    assert shortest == 3
    assert len(part[-1]) == 3


def test_of_many_features_some_are_used(monkeypatch):
    x = np.hstack([make_wave(60, 900, 0.3)] * 6)
    monkeypatch.setattr(_window_size, "_MAX_VALUES", 2000)
    assert suggest_window_size(x) == pytest.approx(60, abs=1)


# Messages -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("X", "params", "words"),
    [
        (0, {"min_size": 0}, ["'min_size' parameter", "range [1, inf)", "Got 0"]),
        (0, {"max_size": 2.5}, ["'max_size' parameter", "an int", "Got 2.5"]),
        (
            0,
            {"min_size": 600},
            ["max_size must be at least min_size=600", "got 512", "a larger max_size"],
        ),
        ([], {}, ["X must hold at least one series", "empty list"]),
        (np.zeros((0, 2)), {}, ["0 sample(s)", "minimum of 1"]),
        (np.zeros((2, 0, 2)), {}, ["X must hold at least one series", "got shape (2, 0, 2)"]),
        ([np.zeros((0, 2))], {}, ["X[0] must have at least one time step"]),
        (np.zeros(9), {}, ["X must have 2 dimensions", "got 1", "x.reshape(-1, 1)"]),
        (np.full((9, 1), np.inf), {}, ["X must not contain infinity", "time step 0"]),
        (np.array([["a"], ["b"]]), {}, ["X must hold numbers", "Convert text"]),
        ([np.zeros((9, 1)), np.zeros((9, 2))], {}, ["same features", "2 in X[1]"]),
    ],
)
def test_errors_name_parameter_rule_value_and_remedy(X, params, words):
    X = make_wave(20, 100) if isinstance(X, int) else X
    with pytest.raises(ValueError, match=re.escape(words[0])) as error:
        suggest_window_size(X, **params)
    for word in words:
        assert word in str(error.value)


def test_sizes_are_keyword_only():
    with pytest.raises(TypeError, match="positional"):
        suggest_window_size(make_wave(20, 100), 8)
