"""What the speed suite says of times: ratios, exponents, tables, what became slower, who is absent.

Times here are made up; that the benchmarks measure anything is seen when they run.
"""

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks import __main__ as command
from benchmarks import contenders, results, turns, worker

ROOT = Path(__file__).parents[1]
FAST, SLOW = 0.1, 0.25


class Fake:
    """As much of pytest-benchmark's fixture as is used."""

    def __init__(self):
        self.extra_info, self.group = {}, None

    def pedantic(self, function, setup, rounds):
        for _ in range(rounds):
            setup()
            function()


def run_of(seed, own=FAST, peer=SLOW, machine=1.0, noise=0.1, case="a"):
    """Make a run of 9 rounds on a machine whose speed changes from round to round."""
    rng = np.random.default_rng(seed)
    speed = machine * np.exp(rng.normal(scale=0.3, size=9))
    taken = {
        name: [(wall, wall) for wall in seconds * speed * np.exp(rng.normal(scale=noise, size=9))]
        for name, seconds in (("ours", own), ("theirs", peer))
    }
    return {
        "commit": f"commit {seed}",
        "complete": True,
        "skipped": {},
        "rows": turns.rows_of("training", case, taken, ["theirs"]),
    }


def verdicts(*runs):
    return [change.verdict for change in results.changes(*runs)]


# ------------------------------------------------------------------------------------- exponents


@pytest.mark.parametrize("exponent", [-1.0, 0.0, 1.0, 1.5])
def test_exponent_of_made_up_times_is_found(exponent):
    sizes = np.array([16, 32, 64, 128, 256])
    noise = np.exp(np.random.default_rng(0).normal(scale=0.02, size=5))
    found, factor = turns.fit_exponent(sizes, 3e-3 * sizes**exponent * noise)
    assert found == pytest.approx(exponent, abs=0.03)
    assert factor == pytest.approx(3e-3, rel=0.15)


@pytest.mark.parametrize(("sizes", "seconds"), [([4, 4], [1, 2]), ([4], [1]), ([2, 4], [0, 1])])
def test_exponent_needs_two_sizes_and_positive_seconds(sizes, seconds):
    with pytest.raises(ValueError, match="at least two different positive.*Measure more sizes"):
        turns.fit_exponent(sizes, seconds)


# ----------------------------------------------------------------------------------------- turns


def test_works_take_turns():
    said = []

    def work(name):
        return lambda: said.append(name) or (1.0, 1.0)

    benchmark = Fake()
    works = {name: work(name) for name in "abc"}
    turns.compete(benchmark, group="g", case="c", works=works, rounds=3, peers=["b", "c"])
    assert said[:6] == list("aabbcc")  # two calls each before anything is timed
    assert said[6:] == list("bca") * 3
    assert benchmark.group == "g"
    assert [row["turns"] for row in benchmark.extra_info["rows"]] == [3, 3, 3]


@pytest.mark.parametrize(("seconds", "expected"), [(1, 9), (14, 4), (100, 2), (1e-9, 9)])
def test_long_work_has_fewer_turns(seconds, expected):
    works = {"ours": lambda: (1.0, 1.0), "long": lambda: (seconds, seconds)}
    benchmark = Fake()
    rows = turns.compete(benchmark, group="g", case="c", works=works, rounds=9, peers=["long"])
    assert [row["turns"] for row in rows] == [9, expected]
    assert rows[1]["ratio"] == seconds


def test_a_yardstick_runs_beside_works_without_peers():
    benchmark = Fake()
    rows = turns.compete(
        benchmark, group="g", case="c", works={"ours": lambda: (1.0, 1.0)}, rounds=1
    )
    assert [(row["name"], row["peer"]) for row in rows] == [("ours", False), ("yardstick", True)]
    assert list(rows[0]["against"]) == ["yardstick"]


def test_short_work_is_repeated_within_a_turn_and_told_per_call():
    calls = []
    work = turns.timed(lambda: calls.append(1))
    work()
    first = len(calls)
    assert work()[0] < turns.SHORTEST_TURN
    assert first == 1
    assert len(calls) > 2


def test_ratios_are_taken_within_rounds_and_skip_those_without_a_turn():
    nan = float("nan")
    taken = {"ours": [(1, 2), (10, 2), (4, 2)], "theirs": [(3, 1), (20, 1), (nan, nan)]}
    ours, theirs = turns.rows_of("g", "c", taken, ["theirs"])
    assert (ours["seconds"], ours["processor_seconds"], ours["ratio"]) == (4, 2, 1)
    assert (theirs["seconds"], theirs["turns"], theirs["ratio"]) == (11.5, 2, 2.5)
    assert ours["against"]["theirs"][0] == pytest.approx(6**0.5)  # of the logarithms of 3 and 2
    assert "against" not in theirs


# ------------------------------------------------------------------------------------ comparison


@pytest.mark.parametrize(("factor", "verdict"), [(1.5, "slower"), (1.0, "same"), (0.6, "faster")])
@pytest.mark.parametrize("machine", [1.0, 3.0])
def test_a_planted_change_is_found_on_any_machine(factor, verdict, machine):
    now = run_of(1, own=FAST * factor, machine=machine, noise=0.03)
    (change,) = results.changes(run_of(0, noise=0.03), now)
    assert change.verdict == verdict
    assert change.factor == pytest.approx(factor, rel=0.1)


def test_noise_is_not_taken_for_a_change():
    found = [verdicts(run_of(2 * seed), run_of(2 * seed + 1))[0] for seed in range(100)]
    assert found.count("same") >= 97


def test_only_works_and_peers_of_both_runs_are_compared():
    then, now = run_of(0), run_of(1)
    assert verdicts(then, run_of(1, case="another")) == []
    del then["rows"][0]["against"]["theirs"]
    assert verdicts(then, now) == []


def test_a_row_of_memory_is_not_compared():
    memory = {"group": "memory", "case": "a", "name": "ours", "peer": False, "mib": 3.0}
    run = {"rows": [memory]}
    assert verdicts(run, run) == []


# ----------------------------------------------------------------------------------------- tables


def growth_rows():
    taken = {str(size): [(size * 0.01, size * 0.01)] * 3 for size in (8, 16, 32)}
    taken["yardstick"] = [(1.0, 1.0)] * 3
    return turns.rows_of("growth of training", "units", taken, ["yardstick"])


def test_tables_have_a_line_per_case_and_a_column_per_contender():
    taken = {"fused-jax": [(0.012, 0.02)], "nn.LSTM": [(0.03, 0.03)]}
    rows = [
        *turns.rows_of("scoring", "1, 2, 3", taken, ["nn.LSTM"]),
        *turns.rows_of("scoring", "4, 5, 6", {"fused-jax": [(2.0, 2.0)]}, []),
        *turns.rows_of("something", "small", {"a": [(1e-4, 1e-4)], "b": [(2e-4, 1e-4)]}, []),
        *turns.rows_of("grid search, per fit", "torch", {"b": [(1.0, 1.0)], "c": [(3.0, 3.0)]}, []),
        *turns.rows_of("alone", "small", {"a": [(1, 1)], "yardstick": [(1, 1)]}, ["yardstick"]),
        *growth_rows(),
        {"group": "memory of a fit", "case": "1, 2, 3", "name": "nn.LSTM", "peer": True, "mib": 9},
        {"group": "memory of x", "case": "1", "name": "ours", "peer": False, "mib": 4.4},
    ]
    made = results.tables({"rows": rows, "skipped": {"PyOD": "it is not installed"}})
    assert made["scoring"][0][1:] == ["fused-jax", "nn.LSTM"]
    assert made["scoring"][1:] == [["1, 2, 3", "12.0 ms", "2.50"], ["4, 5, 6", "2.00 s", ""]]
    assert made["others"][1:] == [
        ["something: small", "a", "100 µs", "1.00"],
        ["something: small", "b", "200 µs", "2.00"],
        ["alone: small", "a", "1.00 s", ""],
    ]
    assert made["search"][1:] == [
        ["torch", "b", "1.00 s", "1.00"],
        ["torch", "c", "3.00 s", "3.00"],
    ]
    assert made["growth"][1] == ["units", "8 to 32", "1.00", "1.00", "", ""]
    assert len(made["growth-points"]) == 4
    assert made["memory-fit"][1] == ["1, 2, 3", "9"]
    assert made["memory-other"][1] == ["memory of x, 1", "ours", "4"]
    assert made["absent"][1] == ["PyOD", "it is not installed"]
    assert "training" not in made


def test_lines_show_each_case_once():
    said = list(results.lines(run_of(0)["rows"]))
    assert [line for line in said if not line.startswith("  ")] == ["", "training: a"]
    assert len(said) == 4


def test_a_report_of_pytest_benchmark_is_condensed():
    report = {
        "commit_info": {"id": "abc", "dirty": True},
        "machine_info": {"node": "secret", "cpu": {"count": 2, "brand_raw": "Some CPU"}},
        "datetime": "2026-01-02T03:04:05.678",
        "benchmarks": [
            {"extra_info": {"rows": [{"group": "g"}], "skipped": {"PyOD": "absent"}}},
            {"extra_info": {}},
        ],
    }
    run = results.condense(report, rounds=3)
    assert run == {
        "commit": "abc with changes",
        "date": "2026-01-02T03:04",
        "processor": "2 x Some CPU",
        "rounds": 3,
        "skipped": {"PyOD": "absent"},
        "rows": [{"group": "g"}],
    }


def test_parts_of_a_run_are_joined_and_those_of_two_commits_are_not():
    first, second = run_of(0, case="a"), {**run_of(0, case="b"), "complete": False}
    second["skipped"] = {"PyOD": "absent"}
    run = results.join([first, second, first])
    assert [row["case"] for row in run["rows"]] == ["a", "a", "b", "b"]
    assert (run["complete"], run["skipped"]) == (False, {"PyOD": "absent"})
    with pytest.raises(ValueError, match="one commit; got commit 0, commit 1. Measure them again"):
        results.join([first, run_of(1)])


# ---------------------------------------------------------------------------------------- command


@pytest.fixture
def stored(tmp_path):
    """Return stored(run), which writes a run and returns the path as text."""

    def write(run):
        path = tmp_path / f"{run['commit']}.json"
        path.write_text(json.dumps(run))
        return str(path)

    return write


def test_command_writes_tables_of_a_stored_run(stored, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(command, "TABLES", tmp_path / "tables")
    run = {**run_of(0), "rows": growth_rows()}
    assert command.main(["--run", stored(run), "--docs"]) == 0
    assert "growth.csv" in capsys.readouterr().out
    with open(tmp_path / "tables" / "growth.csv", newline="") as file:
        assert next(csv.reader(file))[:3] == ["varied", "sizes", "training"]
    assert not (tmp_path / "tables" / "scoring.csv").exists()


def test_command_leaves_the_guide_alone_when_benchmarks_failed(stored, tmp_path, monkeypatch):
    monkeypatch.setattr(command, "TABLES", tmp_path / "tables")
    assert command.main(["--run", stored({**run_of(0), "complete": False}), "--docs"]) == 1
    assert not (tmp_path / "tables").exists()


@pytest.mark.parametrize(("factor", "status"), [(1.0, 0), (2.0, 1)])
def test_command_ends_with_an_error_when_something_became_slower(stored, capsys, factor, status):
    then = stored(run_of(0, noise=0.03))
    now = stored(run_of(1, own=FAST * factor, noise=0.03))
    assert command.main(["--run", now, "--compare", then]) == status
    printed = capsys.readouterr().out
    assert "1 works compared with those of commit 0" in printed
    assert ("slower: training: a: ours takes" in printed) == bool(status)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--rounds", "0"], "must be at least 1; got 0"),
        (["--compare", "x"], "got x, which is none"),
    ],
)
def test_command_says_what_is_wrong_with_its_options(capsys, arguments, said):
    with pytest.raises(SystemExit):
        command.main(arguments)
    assert said in capsys.readouterr().err


def test_results_are_kept_out_of_the_repository_by_default(tmp_path, monkeypatch):
    monkeypatch.setattr(command, "HERE", tmp_path)
    command.save(run_of(0), None)
    assert (tmp_path / "results" / "commit.json").exists()
    assert (tmp_path / "results" / ".gitignore").read_text() == "*\n"


# -------------------------------------------------------------------------------------- contenders


def test_absent_contenders_are_left_out_with_a_reason(monkeypatch):
    absent = {"TSB_AD", "tqdm"}
    monkeypatch.setattr(
        contenders.importlib.util, "find_spec", lambda name: None if name in absent else "here"
    )
    names, skipped = contenders.present(["fused-jax", "TSB-AD LSTMAD", "nn.LSTM"])
    assert names == ["fused-jax", "nn.LSTM"]
    assert skipped == {"TSB-AD LSTMAD": "TSB-AD LSTMAD needs TSB_AD and tqdm, not installed here"}


def test_unknown_contenders_are_refused():
    with pytest.raises(ValueError, match="among fused-jax.*got 'fast'. Correct the name"):
        contenders.missing("fast")


def test_a_contender_that_fails_says_what_it_printed():
    with contenders.started(["new-jax"], "search", []) as running:
        with pytest.raises(RuntimeError, match=r"(?s)new-jax ended with status 1.*IndexError"):
            running["new-jax"].ask(work="search", case=0, number=1)


def test_peak_of_memory_sees_what_a_call_has_given_back():
    before, after = worker.memory_of(lambda: np.ones(2**23).sum())
    assert after - before > 50 * 2**20


def test_our_contender_works(monkeypatch):
    """With the layers of Keras, for not every machine has the kernel."""
    from skanomaly import architectures

    monkeypatch.setattr(architectures, "LSTM", architectures.LSTM)
    case = {"shape": [6, 8, 2], "window_size": 8, "hidden_units": 3, "batch_size": 4}
    work = worker.our_autoencoder("keras", case)
    work["train"]()
    assert work["score"]().shape == (6,)
    assert np.isscalar(work["newest"]())
    assert work["score alone"]().shape == (6,)


def test_all_benchmarks_can_be_collected():
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    arguments = ["-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider", "benchmarks"]
    done = subprocess.run(
        [sys.executable, *arguments], cwd=ROOT, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    for name in ("kernels", "peers", "search", "growth", "memory", "thresholds", "metrics"):
        assert f"benchmarks/test_{name}.py::" in done.stdout
