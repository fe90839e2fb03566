"""The NAB score: published values, random cases of its program, and what is not defined."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skanomaly.metrics import best_nab_score, nab_score

REFERENCE = json.loads((Path(__file__).parent / "reference_metrics" / "nab.json").read_text())
PROFILES = {"standard": (0.11, 1), "reward_low_FP": (0.22, 1), "reward_low_FN": (0.11, 2)}


def read_case(case):
    """Labels and whole-numbered scores of all series."""
    y_true, scores = [], []
    series = zip(case["lengths"], case["windows"], case["fortieths"], strict=True)
    for n_timesteps, windows, fortieths in series:
        labels = np.ones(n_timesteps, dtype=int)
        for first, last in windows:
            labels[first : last + 1] = -1
        y_true.append(labels)
        scores.append(np.array(fortieths))
    return y_true, scores


def label(scores, threshold):
    return [np.where(part > threshold, -1, 1) for part in scores]


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("case", REFERENCE["cases"])
def test_scores_equal_those_of_the_published_program(case, profile):
    y_true, scores = read_case(case)
    for least, expected in case["scores"][profile].items():
        score = nab_score(y_true, label(scores, float(least) - 0.5), profile=profile)
        assert score == pytest.approx(expected, abs=1e-10)
    if "best" in case:
        best = best_nab_score(y_true, scores, profile=profile)
        assert best.score == pytest.approx(max(case["best"][profile], 0), abs=1e-10)


@pytest.mark.parametrize(
    ("name", "width", "n_left", "n_missed", "published"),
    [
        ("occupancy_6005", 239, 120, 0, 0.861272490375),
        ("ec2_network_in_257a54", 403, 202, 0, 0.86067182427),
        ("art_daily_flatmiddle", 403, 200, 0, 0.85712688145),
        ("rds_cpu_utilization_cc0c53", 201, 101, 1, -0.138449197924),
    ],
)
def test_scores_of_single_series_equal_those_of_the_scoreboard(
    name, width, n_left, n_missed, published
):
    # numentaTM, profile "standard", without false alerts: results/numentaTM of NAB 1.1 at 98003f8.
    y_true = np.ones(5000, dtype=int)
    y_true[2000 : 2000 + width] = -1
    n_windows = 1 + n_missed
    if n_missed:
        y_true[4000:4201] = -1
    alerts = np.ones(5000, dtype=int)
    alerts[2000 + width - n_left] = -1
    # The scoreboard scales the sum of all series: 33.7640374371 of 116 windows is 64.5535 there.
    raw = nab_score(y_true, alerts) / 100 * 2 * n_windows - n_windows
    assert raw == pytest.approx(published, abs=1e-11)


@st.composite
def panels(draw):
    """Labels and scores with ties of a list of series."""
    y_true, y_score = [], []
    for _ in range(draw(st.integers(1, 3))):
        n = draw(st.integers(1, 40))
        flags = draw(st.lists(st.booleans(), min_size=n, max_size=n))
        y_true.append(np.where(flags, -1, 1))
        y_score.append(draw(st.lists(st.integers(-2, 4), min_size=n, max_size=n)))
    return y_true, y_score


@given(panels(), st.sampled_from(list(PROFILES)), st.sampled_from([0.0, 0.15, 0.6]))
def test_best_score_is_that_of_the_best_of_all_thresholds(panel, profile, probation):
    y_true, y_score = panel
    options = {"profile": profile, "probation": probation}
    best = best_nab_score(y_true, y_score, **options)
    scores = [np.array(part) for part in y_score]
    candidates = [nab_score(y_true, label(scores, t), **options) for t in range(-3, 5)]
    if np.isnan(best.score):
        assert np.isnan(candidates).all()
        assert np.isnan(best.threshold)
    else:
        assert best.score == pytest.approx(max(candidates), abs=1e-9)
        assert best.score == nab_score(y_true, label(scores, best.threshold), **options)
        assert best.score >= 0


@given(panels(), st.sampled_from(list(PROFILES)))
def test_null_is_0_and_perfect_is_100(panel, profile):
    y_true, _ = panel
    nothing = nab_score(y_true, [np.ones_like(part) for part in y_true], profile=profile)
    starts = []
    for part in y_true:
        n_ignored = int(0.15 * len(part))
        alerts = np.ones_like(part)
        first = np.append(True, part[:-1] == 1) | (np.arange(len(part)) == n_ignored)
        alerts[(part == -1) & first & (np.arange(len(part)) >= n_ignored)] = -1
        starts.append(alerts)
    perfect = nab_score(y_true, starts, profile=profile)
    assert nothing == pytest.approx(0) or np.isnan(nothing)
    # A window that began in the probationary part is late when it counts at last.
    assert perfect <= 100 + 1e-9 or np.isnan(perfect)
    cut = any(part[int(0.15 * len(part)) - 1 :][:2].tolist() == [-1, -1] for part in y_true)
    if not cut and not np.isnan(perfect):
        assert perfect == pytest.approx(100)


@pytest.mark.parametrize("profile", PROFILES)
def test_false_alerts_and_missed_windows_cost_what_the_profile_says(profile):
    false_cost, missed_cost = PROFILES[profile]
    y_true = np.where(np.arange(1000) // 50 == 10, -1, 1)
    alerts = np.ones(1000, dtype=int)
    alerts[200] = -1
    assert nab_score(y_true, alerts, profile=profile) == pytest.approx(
        -100 * false_cost / (1 + missed_cost)
    )


def test_only_the_first_alert_of_a_window_counts_and_early_ones_count_more():
    y_true = np.where(np.arange(1000) // 50 == 10, -1, 1)

    def score(*rows):
        return nab_score(y_true, np.where(np.isin(np.arange(1000), rows), -1, 1))

    assert score(500) > score(510) > score(549) > 0
    assert score(510, 520, 549) == score(510)
    # Right after the window an alert is almost free, three windows later it is not.
    assert score(500, 551) > score(500, 560) > score(500, 550 + 151)
    assert score(500, 549 + 49 * 3) == pytest.approx(100 - 100 * 0.11 / 2)


def test_nothing_counts_in_the_probationary_part():
    y_true = np.where(np.arange(1000) // 50 == 10, -1, 1)
    y_true[20:40] = -1
    alerts = np.where(np.arange(1000) < 150, -1, 1)
    alerts[500] = -1
    assert nab_score(y_true, alerts) == pytest.approx(100)
    assert nab_score(y_true, alerts, probation=0) < 0
    long = np.ones(10_000, dtype=int)
    long[5000:5100] = -1
    alerts = np.ones(10_000, dtype=int)
    alerts[[749, 5000]] = -1
    assert nab_score(long, alerts) == pytest.approx(100)
    alerts[750] = -1
    assert nab_score(long, alerts) == pytest.approx(100 - 5.5)


def test_scores_without_windows_are_nan():
    for y_true in (np.ones(20), np.where(np.arange(100) < 10, -1, 1), [1]):
        flags = np.full(len(y_true), -1)
        assert np.isnan(nab_score(y_true, flags))
        assert np.isnan(best_nab_score(y_true, flags)).all()


def test_one_step_windows_and_all_anomalous_series_are_scored():
    assert nab_score([1, -1, 1, 1, 1], [1, -1, 1, 1, 1], probation=0) == pytest.approx(100)
    late = nab_score([1, -1, 1, 1, 1], [1, -1, -1, 1, 1], probation=0)
    assert late == pytest.approx(100 - 5.5 * np.tanh(2.5))
    assert nab_score([-1], [-1], probation=0) == pytest.approx(100)
    assert nab_score(-np.ones(50), -np.ones(50), probation=0) == pytest.approx(100)
    assert best_nab_score([-1, 1], [2, 2], probation=0).threshold < 2
    assert best_nab_score([1] * 50 + [-1] + [1] * 50, np.zeros(101)).threshold == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"profile": "lenient"}, "profile must be one of 'standard', .*; got 'lenient'"),
        ({"profile": None}, "profile must be one of"),
        ({"probation": 1}, "probation must be a share .* from 0 to below 1; got 1. Use 0"),
        ({"probation": np.nan}, "probation must be a share"),
        ({"probation": True}, "probation must be a share"),
    ],
)
def test_parameters_out_of_their_range_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        nab_score([1, -1, 1], [1, -1, 1], **options)
    with pytest.raises(ValueError, match=message):
        best_nab_score([1, -1, 1], [0, 2, 1], **options)


def test_scores_in_place_of_labels_are_refused():
    with pytest.raises(ValueError, match=r"y_pred must hold -1 .*scores with a threshold"):
        nab_score([1, -1, 1], [0.1, 0.9, 0.2])
