"""Point adjustment: parity with tadpak, and flags at random against all that could be drawn."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from label_strings import label_pairs, labels, reference_cases, runs

from skanomaly.metrics import (
    pa_k_area,
    pa_k_precision_recall_f,
    point_adjusted_precision_recall_f,
    point_precision_recall_f,
)

TRUE = "..###...#.##"
N_FLAGGED = 3


def adjust(true, pred, k):
    """Adjust a string, interval by interval."""
    adjusted = list(pred)
    for start, stop in runs(true):
        if 100 * pred[start:stop].count("#") > k * (stop - start):
            adjusted[start:stop] = "#" * (stop - start)
    return "".join(adjusted)


def naive(true, pred, k, beta=1.0):
    return point_precision_recall_f(labels(true), labels(adjust(true, pred, k)), beta=beta)


def naive_area(true, pred, beta=1.0):
    """Mean over k, by one k between all percentages that can be flagged of these anomalies."""
    lengths = {1, *(stop - start for start, stop in runs(true))}
    edges = sorted({100 * i / n for n in lengths for i in range(n + 1)})
    widths = np.diff(edges) / 100
    levels = [
        naive(true, pred, (low + high) / 2, beta)
        for low, high in zip(edges, edges[1:], strict=False)
    ]
    return widths @ np.array(levels)


def test_pa_k_agrees_with_tadpak():
    for case in reference_cases("pa_k"):
        y_true, y_pred = labels(case["y_true"]), labels(case["y_pred"])
        result = pa_k_precision_recall_f(y_true, y_pred, k=case["k"])
        np.testing.assert_allclose(result[:3], case["expected"], rtol=1e-12, err_msg=str(case))
        if case["k"] == 0:
            assert point_adjusted_precision_recall_f(y_true, y_pred) == result


@given(pair=label_pairs(), k=st.integers(0, 100) | st.floats(0, 100))
def test_pa_k_agrees_with_loops(pair, k):
    result = pa_k_precision_recall_f(*map(labels, pair), k=k, beta=2.0)
    assert result[:3] == pytest.approx(naive(*pair, k, 2.0), nan_ok=True)


@given(pair=label_pairs())
def test_without_adjustment_points_are_left(pair):
    y_true, y_pred = map(labels, pair)
    result = pa_k_precision_recall_f(y_true, y_pred, k=100)
    assert result[:3] == pytest.approx(point_precision_recall_f(y_true, y_pred), nan_ok=True)


@given(pair=label_pairs(max_size=16))
def test_area_over_k_agrees_with_a_mean_over_all_k(pair):
    result = pa_k_area(*map(labels, pair), beta=2.0)
    np.testing.assert_allclose(result[:3], naive_area(*pair, 2.0), rtol=1e-9)


@pytest.mark.parametrize(
    ("metric", "oracle"),
    [
        (point_adjusted_precision_recall_f, lambda pred, beta: naive(TRUE, pred, 0, beta)[2]),
        (pa_k_precision_recall_f, lambda pred, beta: naive(TRUE, pred, 20, beta)[2]),
        (
            lambda *y, **options: pa_k_precision_recall_f(*y, k=40, **options),
            lambda pred, beta: naive(TRUE, pred, 40, beta)[2],
        ),
        (pa_k_area, lambda pred, beta: naive_area(TRUE, pred, beta)[2]),
    ],
)
@pytest.mark.parametrize("beta", [1.0, 2.0])
def test_random_f_is_the_mean_over_all_places_of_as_many_flags(metric, oracle, beta):
    fs = []
    for places in combinations(range(len(TRUE)), N_FLAGGED):
        pred = "".join("#" if i in places else "." for i in range(len(TRUE)))
        fs.append(oracle(pred, beta))
    y_pred = labels("#" * N_FLAGGED + "." * (len(TRUE) - N_FLAGGED))
    random_f = metric(labels(TRUE), y_pred, beta=beta).random_f
    assert random_f == pytest.approx(np.mean(fs), abs=4 * np.std(fs) / np.sqrt(1000))


def test_random_f_depends_on_the_number_of_flags_alone():
    y_true = labels(TRUE)
    one, other = labels("###........."), labels("..#.....#.#.")
    metric = point_adjusted_precision_recall_f
    assert metric(y_true, one).random_f == metric(y_true, other).random_f
    assert metric(y_true, one).f < metric(y_true, other).f


def test_random_f_of_thousands_of_anomalies_agrees_with_loops():
    rng = np.random.default_rng(0)
    y_true = np.ones(12_000, dtype=int)
    y_true[::6] = y_true[1::6] = -1
    y_pred = rng.permutation(np.repeat([-1, 1], [1200, 10_800]))
    result = point_adjusted_precision_recall_f(y_true, y_pred)
    drawn = []
    for _ in range(50):
        flags = rng.permutation(y_pred) == -1
        found = flags.reshape(-1, 6)[:, :2].any(axis=1).sum()
        wrong = flags.reshape(-1, 6)[:, 2:].sum()
        drawn.append(4 * found / (2 * found + wrong + 4000))
    error = np.std(drawn) / np.sqrt(50)
    assert result.random_f == pytest.approx(np.mean(drawn), abs=5 * error)
    assert result.f == pytest.approx(result.random_f, abs=5 * np.std(drawn))


def test_flags_that_know_nothing_look_good_on_long_anomalies_and_random_f_tells():
    rng = np.random.default_rng(0)
    y_true = np.ones(10_000, dtype=int)
    y_true[4000:4500] = y_true[8000:8400] = -1
    y_pred = np.where(rng.random(10_000) < 0.01, -1, 1)
    result = point_adjusted_precision_recall_f(y_true, y_pred)
    assert result.f > 0.9
    assert result.f - result.random_f < 0.05
    assert pa_k_precision_recall_f(y_true, y_pred).f < 0.05


def test_draws_are_the_same_for_a_seed_and_others_for_another():
    y = labels(TRUE), labels("#..#....#...")
    metric = point_adjusted_precision_recall_f
    assert metric(*y).random_f == metric(*y, random_state=0).random_f
    assert metric(*y).random_f != metric(*y, random_state=1).random_f
    generator = np.random.default_rng(0)
    assert metric(*y, random_state=generator).random_f == metric(*y).random_f
    assert metric(*y, random_state=generator).random_f != metric(*y).random_f
    assert metric(*y, random_state=None).random_f != metric(*y, random_state=None).random_f


@pytest.mark.parametrize("random_state", [-1, 0.5, "0", True, np.random.RandomState(0)])
def test_random_state_of_another_kind_is_refused(random_state):
    with pytest.raises(ValueError, match="random_state must be a whole number from 0, a numpy"):
        point_adjusted_precision_recall_f([1, -1], [1, -1], random_state=random_state)


@pytest.mark.parametrize("k", [-1, 101, np.nan, "20", None, True])
def test_k_outside_its_range_is_refused(k):
    with pytest.raises(ValueError, match="k must be a number from 0 to 100; got "):
        pa_k_precision_recall_f([1, -1], [1, -1], k=k)
