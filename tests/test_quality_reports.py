"""What the quality suite makes of its results: ranks, tests, leaderboards, tables, pictures."""

import sys
import warnings

import numpy as np
import pandas as pd
import pytest
from quality_folder import Counting, write_folder

from benchmarks.quality.suite import comparison, evaluate, leaderboards, report
from benchmarks.quality.suite.__main__ import main
from benchmarks.quality.suite.estimators import ALWAYS


@pytest.fixture
def folder(tmp_path):
    """A folder of labelled series, small."""
    return write_folder(tmp_path / "data")


@pytest.fixture
def counting(monkeypatch):
    monkeypatch.setattr(Counting, "fitted", [])
    monkeypatch.setattr(Counting, "trouble", {})
    return Counting


def silent(line):
    """Say nothing."""


def suite(folder, tmp_path, estimators, **options):
    return evaluate(estimators, folder, tmp_path / "cache", say=silent, **options)


# ----------------------------------------------------------------------------------- comparison

VALUES = pd.DataFrame(
    {"a": [0.9, 0.8, 0.7, np.nan], "b": [0.5, 0.8, 0.6, 1], "c": [0.1, 0.2, 0.3, 0]}
)


def test_ranks_and_wins_by_hand():
    table = comparison.compare(VALUES)
    assert table["rank"].tolist() == pytest.approx([(1 + 1.5 + 1) / 3, (2 + 1.5 + 2) / 3, 3])
    assert table["wins"].tolist() == [2.5, 0.5, 0]
    assert table["mean"].tolist() == pytest.approx([0.8, 1.9 / 3, 0.2])
    assert table["median"].tolist() == [0.8, 0.6, 0.2]


def ordered(n_series):
    """a is above b, b above c, by another difference on each series."""
    steps = np.arange(1.0, n_series + 1)
    return pd.DataFrame({"c": 0 * steps, "a": 3 * steps, "b": steps})


def test_friedman_by_hand():
    # Rank sums 4, 8 and 12: chi squared is 12 / (4 * 3 * 4) * 224 - 3 * 4 * 4 = 8, of 2 degrees.
    assert comparison.friedman(ordered(4)) == pytest.approx(np.exp(-8 / 2))
    assert np.isnan(comparison.friedman(ordered(4)[["a", "b"]]))
    assert np.isnan(comparison.friedman(0 * ordered(4)))


def test_paired_tests_by_hand():
    # The most extreme of 2**8 signs, twice; Holm multiplies the least by 3, and none may be less.
    p = comparison.paired_tests(ordered(8))
    assert p.loc["a", "b"] == p.loc["b", "a"] == pytest.approx(3 * 2 / 2**8)
    assert (np.diag(p) == 1).all()
    same = comparison.paired_tests(ordered(8).assign(d=ordered(8)["a"]))
    assert same.loc["a", "d"] == 1
    assert same.loc["b", "c"] == pytest.approx(6 * 2 / 2**8)


def test_summary_tests_each_against_the_best():
    table = comparison.summarise(ordered(8))
    assert table["p"].to_dict() == {
        "a": 1.0,
        "b": pytest.approx(4 / 2**8),
        "c": pytest.approx(4 / 2**8),
    }


def test_holm_is_that_of_the_textbook():
    corrected = comparison._holm([0.01, 0.04, 0.03, 0.005])
    assert corrected.tolist() == pytest.approx([0.03, 0.06, 0.06, 0.02])


def test_cliques_are_the_longest_runs_without_a_difference():
    names = list("abcd")
    p = pd.DataFrame(1.0, index=names, columns=names)
    for one, other in ("ac", "ad", "bd"):
        p.loc[one, other] = p.loc[other, one] = 0.01
    ranks = pd.Series([1.2, 2.0, 3.0, 3.8], index=names)
    assert comparison.cliques(ranks, p) == [("a", "b"), ("b", "c"), ("c", "d")]
    assert comparison.cliques(ranks, p * 0) == []
    assert comparison.cliques(ranks, p * 0 + 1) == [("a", "d")]


# --------------------------------------------------------------------------------- leaderboards


def test_skab_pools_time_steps(folder, tmp_path, counting):
    results = suite(folder, tmp_path, {"a": counting}, protocols=["skab"])
    table = leaderboards.skab(results, folder).set_index("detector")
    tp, fp, fn = (results[name].sum() for name in ("tp", "fp", "fn"))
    assert 0 < tp <= 15
    assert table.loc["a", "F1"] == pytest.approx(2 * tp / (2 * tp + fp + fn))
    assert table.loc["a", "FAR"] == pytest.approx(100 * fp / 165)
    assert table.loc["a", "MAR"] == pytest.approx(100 * fn / 15)
    valve = results[results["group"] == "valve"]
    assert table.loc["a", "F1 valve"] == pytest.approx(leaderboards._pooled(valve)["F1"])
    assert table.loc["Conv-AE (published)", ["F1", "files"]].tolist() == [0.78, 34]


def test_nab_scores_own_labels_and_the_best_threshold(folder, tmp_path, counting):
    results = suite(folder, tmp_path, {"a": counting}, protocols=["nab"])
    table = leaderboards.nab(results, folder).set_index("detector")
    assert "Perfect (published)" in table.index[:2]
    assert table.loc["a", "standard"] == pytest.approx(100)  # the first step of the window is found
    assert table.loc["a", "own standard"] <= table.loc["a", "standard"]
    assert table.loc["Numenta HTM (published)", "standard"] == "70.5-69.7"


def test_common_scale_is_0_at_the_median_and_1_at_the_high_quantile():
    scores = np.array([2.0, 3.0, 6.0])
    assert leaderboards._on_common_scale(scores, 2.0, 4.0).tolist() == [0.0, 0.5, 2.0]
    assert leaderboards._on_common_scale(scores, 3.0, 3.0).tolist() == [0.0, 1.0, 2.0]


def test_telemanom_and_orion_count_sequences_of_the_same_channels(folder, tmp_path, counting):
    results = suite(folder, tmp_path, {"a": counting}, protocols=["telemanom", "orion"])
    table = leaderboards.telemanom(results, folder).set_index("detector")
    assert table.loc["telemanom (2018)", ["channels", "SMAP TP", "all F0.5"]].tolist() == [1, 1, 1]
    own = results[results["protocol"] == "telemanom"].iloc[0]
    assert own["events"] == 1
    assert table.loc["a", "all TP"] == own["events_found"] == 1
    assert table.loc["a", "all FP"] == own["false_alarms"]
    table = leaderboards.orion(results, folder).set_index("detector")
    assert table.loc["aer (Orion)", "SMAP"] == pytest.approx(2 / 3)
    assert table.loc["aer (Orion)", "realTweets"] == 1
    assert table.loc["aer (Orion)", "mean F1"] == pytest.approx(5 / 6)
    assert table.loc["a", "signals"] == 2


def test_published_values_of_tsb_ad_are_set_beside_ours(folder, tmp_path, counting):
    results = suite(folder, tmp_path, {"a": counting}, protocols=["tsb-ad"])
    assert leaderboards.tsb_ad_values(results, folder, "m").empty
    values = leaderboards.tsb_ad_values(results, folder, "u")
    assert values.columns.tolist() == ["a", "POLY (published)", "LOF (published)"]
    assert values.iloc[0].tolist() == [results["vus_pr"][0], 0.4, 0.9]
    series = report.make_tables(results, folder)["tsb-ad-u-series"]
    assert series[["best published", "by"]].to_numpy().tolist() == [[0.9, "LOF"]]


# --------------------------------------------------------------------------------------- report


def test_command_reports_the_rows_that_are_always_there(folder, tmp_path, monkeypatch, capsys):
    pytest.importorskip("matplotlib")
    monkeypatch.setenv("SKANOMALY_DATA", str(folder))
    out = tmp_path / "out"
    arguments = ["--cache", str(tmp_path / "cache"), "--estimator", "linear", "--report", str(out)]
    arguments += ["--most", "1"]
    pictures = ["--pictures", str(out), "--markdown", str(tmp_path / "all.md")]
    assert main([*arguments, *pictures]) == 0
    printed = capsys.readouterr()
    assert "split runs s0: linear" in printed.err
    for name in [*ALWAYS, "linear"]:
        assert f"| {name} |" in printed.out
    assert (tmp_path / "all.md").read_text() in printed.out
    written = {path.name for path in out.iterdir()}
    kinds = ("", "-measures", "-data", "-tests")
    tables = [f"{protocol}{kind}" for protocol in ("split", "tsb-ad") for kind in kinds]
    tables += ["tsb-ad-u", "tsb-ad-u-series", "skab", "nab", "telemanom", "orion"]
    expected = {f"{name}.csv" for name in tables}
    expected |= {f"quality-{name}.png" for name in ("split", "tsb-ad", "tsb-ad-u")}
    assert written == expected
    table = pd.read_csv(out / "split.csv").set_index("detector")
    assert set(table.index) == {*ALWAYS, "linear"}
    assert (table["series"] == 5).all()
    assert table.loc["random", "mean"] < table.loc["PCA", "mean"]
    by_data = pd.read_csv(out / "split-data.csv").set_index("data")
    assert by_data.index[-1] == "mean of data sets"
    assert by_data["linear"].iloc[-1] == pytest.approx(by_data["linear"].iloc[:-1].mean(), abs=1e-3)


def test_command_exits_with_1_if_anything_failed(folder, tmp_path, monkeypatch, capsys, counting):
    monkeypatch.setenv("SKANOMALY_DATA", str(folder))
    monkeypatch.setitem(sys.modules, "my_detectors", sys.modules[__name__])
    counting.trouble[1] = RuntimeError("diverged")
    arguments = ["--cache", str(tmp_path), "--protocol", "tsb-ad"]
    assert main([*arguments, "--estimator", "mine=my_detectors:Counting"]) == 1
    assert "| tsb-ad | nab | realTweets__T | mine | RuntimeError: diverged |" in (
        capsys.readouterr().out
    )


class Complaining(Counting):
    def fit(self, X, y=None):
        warnings.warn("half converged", stacklevel=2)
        return super().fit(X)


def test_warnings_of_estimators_are_reported_and_kept(folder, tmp_path, counting):
    for _ in range(2):
        results = suite(folder, tmp_path, {"a": Complaining}, protocols=["skab"])
        (row,) = report.make_tables(results, folder)["warnings"].to_numpy().tolist()
        assert row == ["a", "UserWarning: half converged", 3]
    assert len(counting.fitted) == 3


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.12345, "0.123"),
        (12.345, "12.3"),
        (1234.5, "1234"),
        (2e-5, "2e-05"),
        (3.0, "3"),
        (np.nan, ""),
    ],
)
def test_tables_have_the_digits_that_matter(value, text):
    assert report.rounded(pd.DataFrame({"x": [value]}))["x"][0] == text
