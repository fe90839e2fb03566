"""The scripts behind the guide on explanation, GPUs and reproducibility, in their small form."""

import csv
import json
import os
import runpy
from pathlib import Path

import numpy as np
import pytest

SCRIPTS = Path(__file__).parents[1] / "docs" / "scripts"


@pytest.fixture
def of_this_checkout(monkeypatch):
    """Let the processes that a script starts find the package."""
    paths = [str(SCRIPTS.parents[1]), *filter(None, [os.environ.get("PYTHONPATH")])]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(paths))


def load(name):
    return runpy.run_path(str(SCRIPTS / f"{name}.py"))


def test_a_broken_sensor_is_named_most_where_sensors_move_together(tmp_path, monkeypatch):
    from skanomaly import MeanDetector

    script = load("broken_sensor")
    # Networks take long even when they are small, and are not what the script adds.
    made = [MeanDetector()]
    monkeypatch.setitem(script["measure"].__globals__, "make_detectors", lambda *_: made)
    rows = script["main"](["--small", "--output", str(tmp_path / "table.csv")])
    assert [row[:3] for row in rows] == [
        ("MeanDetector", norm, noise)
        for noise in ("equal", "unequal")
        for norm in ("standardised", "mahalanobis")
    ]
    top = {row[1:3]: row[3] for row in rows}
    assert top["mahalanobis", "equal"] > 0.9 > top["standardised", "equal"] > 1 / 8
    with open(tmp_path / "table.csv", newline="", encoding="utf-8") as file:
        table = list(csv.reader(file))
    assert table[0] == ["detector", "noise", "standardised", "mahalanobis"]
    assert len(table) == 3


@pytest.mark.parametrize("failure", ["stuck", "constant", "noisy", "drifting", "late"])
def test_failures_change_one_sensor_for_forty_steps(failure):
    script = load("broken_sensor")
    x = np.random.default_rng(0).normal(size=(300, 3))
    before = x.copy()
    script["break_sensor"](x, 100, 1, failure, np.random.default_rng(1))
    steps, features = np.nonzero(x != before)
    assert set(features) == {1}
    assert steps.min() >= 100
    assert steps.max() < 140
    assert len(steps) >= 39  # a drift begins at nothing


def test_gaps_are_in_the_training_part_alone():
    X_train, X_test, places = load("broken_sensor")["make_data"](0, unequal=False, gaps=True)
    assert np.isnan(X_train).any(axis=0).all()
    assert not np.isnan(X_test).any()
    assert len(places) == 40


def test_places_are_compared_with_the_first(capsys, monkeypatch):
    script = load("same_results")
    script["serve"](1, True, False)  # as in the process of a place
    first = {name: np.array(found) for name, found in json.loads(capsys.readouterr().out).items()}
    assert len(first["scores"]) == len(first["labels"]) == 2000
    other = {name: values.copy() for name, values in first.items()}
    other["weights"][3] += 1e-3
    other["scores"] += 0.1 * np.abs(first["scores"]).max()
    other["labels"][[5, 7]] *= -1
    answers = {"JAX": first, "the same again": first, "PyTorch": other}
    monkeypatch.setitem(
        script["compare_places"].__globals__, "ask", lambda place, _: answers[place]
    )
    same, different = script["compare_places"](list(answers), 1)
    assert same == ("the same again", True, 0, 0, 0)
    assert different[:2] == ("PyTorch", False)
    assert different[2:] == pytest.approx((1e-3, 0.1, 2))


@pytest.mark.usefixtures("of_this_checkout")
def test_without_a_gpu_the_cpu_is_measured_and_told(capsys):
    rows = load("cpu_or_gpu")["main"](["--small"])
    assert {row[2] for row in rows} <= {"fused", "keras"}
    printed = capsys.readouterr().out
    if {row[1] for row in rows} == {"cpu"}:
        assert "sees no GPU" in printed
    assert rows[0][0] in printed
