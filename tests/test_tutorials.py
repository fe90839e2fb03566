"""What the tutorials of the gallery say of known recipes, checked on tiny networks."""

import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view
from tiny import TINY

from skanomaly import LSTMAutoencoder, Seq2SeqLSTMAutoencoder


@pytest.fixture
def series():
    rng = np.random.default_rng(0)
    return np.sin(np.arange(60) / 3)[:, None] + 0.1 * rng.standard_normal((60, 2))


@pytest.mark.parametrize(("window_size", "same"), [(1, True), (8, False)])
def test_only_windows_of_one_step_are_blind_to_the_order_of_time(series, window_size, same):
    detector = Seq2SeqLSTMAutoencoder(**TINY | {"window_size": window_size}).fit(series)
    order = np.random.default_rng(1).permutation(len(series))
    in_order, shuffled = (
        detector.score_samples(series)[order],
        detector.score_samples(series[order]),
    )
    assert np.allclose(in_order, shuffled) == same


def test_all_windows_above_a_threshold_is_the_smallest_of_their_errors_above_it(series):
    window = TINY["window_size"]
    detector = LSTMAutoencoder(**TINY, score_norm="absolute").fit(series)
    windows = np.moveaxis(sliding_window_view(series, window, axis=0), -1, 1)
    errors = -detector.score_samples(windows)
    # Of a panel the score is that of whole windows: their mean absolute error.
    expected = np.abs(windows - detector.model_.predict(windows, verbose=0)).mean(axis=(1, 2))
    np.testing.assert_allclose(errors, expected, rtol=1e-4)
    edge = np.full(window - 1, np.inf)
    smallest = sliding_window_view(np.concatenate([edge, errors, edge]), window).min(axis=1)
    threshold = np.median(smallest)
    flagged = [
        all(errors[i] > threshold for i in range(len(errors)) if i <= row < i + window)
        for row in range(len(series))
    ]
    np.testing.assert_array_equal(smallest > threshold, flagged)


def test_aggregation_min_takes_the_smallest_error_at_the_row(series):
    window = TINY["window_size"]
    detector = LSTMAutoencoder(**TINY, score_norm="absolute", aggregation="min").fit(series)
    windows = np.moveaxis(sliding_window_view(series, window, axis=0), -1, 1)
    errors = np.abs(windows - detector.model_.predict(windows, verbose=0))
    smallest = np.full(series.shape, np.inf)
    for start, error in enumerate(errors):
        smallest[start : start + window] = np.minimum(smallest[start : start + window], error)
    np.testing.assert_allclose(-detector.score_samples(series), smallest.mean(axis=1), rtol=1e-3)
