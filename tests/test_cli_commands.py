"""The commands beside detect, and options from a file."""

import io
import json
import os
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

import skanomaly
from skanomaly import metrics
from skanomaly.cli import main
from skanomaly.cli._options import ARCHITECTURES, THRESHOLDS

TINY = ["--window-size", "8", "--hidden-units", "2", "--epochs", "1", "--stride", "4", "--quiet"]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder to be in, with data.csv: two features, anomalous in rows 150 to 153."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    rng = np.random.RandomState(0)
    frame = pd.DataFrame(rng.normal(size=(200, 2)), columns=["flow", "heat"])
    frame.loc[150:153, ["flow", "heat"]] += 20
    frame.insert(0, "time", np.arange(200))
    frame["fault"] = ((frame.index >= 150) & (frame.index <= 153)).astype(int)
    frame.to_csv("data.csv", index=False)
    return tmp_path


def run(*arguments):
    assert main(list(map(str, arguments))) == 0


def refused(capsys, *arguments):
    """Run a command that must fail with one line on standard error, and return the line."""
    assert main(list(map(str, arguments))) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    return err


def printed_json(capsys):
    return json.loads(capsys.readouterr().out)


@pytest.mark.parametrize("architecture", ["persistence", "autoencoder"])
def test_a_saved_detector_scores_as_detect_does(folder, architecture):
    options = ["data.csv", "--label-column", "fault", "--architecture", architecture, *TINY]
    run("detect", *options, "--no-plot")
    run("fit", *options, "--output", "model.zip")
    run("score", "model.zip", "data.csv", "--output", "scores.csv", "--no-plot")
    detected, scored = pd.read_csv("skanomaly-labels.csv"), pd.read_csv("scores.csv")
    assert list(scored) == ["time", "score", "label"]
    np.testing.assert_allclose(scored["score"], detected["score"], rtol=1e-5)
    assert (scored["label"] == detected["label"]).all()
    assert skanomaly.load("model.zip").feature_names_in_.tolist() == ["flow", "heat"]


def test_a_model_scores_its_own_columns_by_name(folder, capsys):
    run("fit", "data.csv", "--columns", "heat", "--architecture", "mean")
    capsys.readouterr()
    run("score", "skanomaly-model.zip", "data.csv", "--json")
    assert "1 feature (heat)" in printed_json(capsys)["data"]
    assert (folder / "skanomaly-scores.png").read_bytes().startswith(b"\x89PNG")
    pd.read_csv("data.csv").drop(columns="heat").to_csv("other.csv", index=False)
    assert "'heat'" in refused(capsys, "score", "skanomaly-model.zip", "other.csv")


def test_files_that_are_no_models_are_refused(folder, capsys):
    assert "there is no missing.zip" in refused(capsys, "score", "missing.zip", "data.csv")
    assert "MODEL must be a saved detector" in refused(capsys, "info", "data.csv")
    skanomaly.persistence.save(skanomaly.MeanDetector().fit(np.eye(4)), "bare.zip")
    assert "got a MeanDetector" in refused(capsys, "score", "bare.zip", "data.csv")


@pytest.mark.parametrize("architecture", [a for a in ARCHITECTURES if a != "recommended"])
def test_every_architecture_and_threshold_can_be_chosen(folder, architecture):
    threshold = THRESHOLDS[ARCHITECTURES.index(architecture) % len(THRESHOLDS)]
    run("detect", "data.csv", "--label-column", "fault", "--no-plot", *TINY, "--architecture",
        architecture, "--threshold", threshold, "--smoothing", 3)  # fmt: skip
    scores = pd.read_csv("skanomaly-labels.csv")["score"]
    assert 148 <= scores[100:].idxmin() <= 160


def test_the_recommended_detector_refuses_what_it_decides_itself(folder, capsys):
    options = ["detect", "data.csv", "--architecture", "recommended", "--no-plot"]
    assert "--no-scale must be left out" in refused(capsys, *options, "--no-scale")
    assert "--smoothing must be left out" in refused(capsys, *options, "--smoothing", 4)


def test_json_tells_what_the_summary_tells(folder, capsys):
    run("detect", "data.csv", "--label-column", "fault", "--architecture", "mean", "--json")
    found = printed_json(capsys)
    n_intervals = len(found["intervals"])
    counts = {"anomalies": 1, "hit": 1, "intervals": n_intervals, "false": n_intervals - 1}
    assert found["labelled"] == counts
    highest = max(found["intervals"], key=lambda interval: interval["highest_anomaly_score"])
    assert (highest["start"], highest["end"], highest["length"]) == ("150", "153", 4)
    assert found["flagged_rows"] == sum(interval["length"] for interval in found["intervals"])
    assert found["rows"] == 100


def test_evaluate_gives_the_metrics_of_the_rows_after_training(folder, capsys):
    run("detect", "data.csv", "--label-column", "fault", "--architecture", "mean", "--no-plot")
    capsys.readouterr()
    asked = ["evaluate", "skanomaly-labels.csv", "data.csv", "--label-column", "fault"]
    run(*asked, "--json")
    found, table = printed_json(capsys), pd.read_csv("skanomaly-labels.csv")[100:]
    y_true = np.where(pd.read_csv("data.csv")["fault"][100:] == 1, -1, 1)
    assert found["rows"] == 100
    assert found["VUS-PR"] == metrics.vus_pr(y_true, -table["score"].to_numpy())
    assert (found["recall of rows"], found["missed events"]) == (1.0, 0)
    run(*asked, "--part", "all")
    assert "200" in capsys.readouterr().out.splitlines()[0]
    pd.read_csv("data.csv")[:150].to_csv("short.csv", index=False)
    asked[2] = "short.csv"
    assert "got 200 and 150" in refused(capsys, *asked)
    pd.read_csv("data.csv").assign(fault=0).to_csv("normal.csv", index=False)
    asked[2] = "normal.csv"
    assert "got 0 anomalous ones" in refused(capsys, *asked)


def test_identity_finds_that_persistence_copies(folder, capsys):
    noise = np.random.RandomState(0).normal(size=(400, 2)).cumsum(axis=0)
    pd.DataFrame(noise, columns=["a", "b"]).to_csv("walk.csv", index=False)
    run("identity", "walk.csv", "--architecture", "persistence", "--json")
    assert printed_json(capsys)["verdict"] == "copies its input"
    run("fit", "walk.csv", "--architecture", "persistence", "--output", "model.zip")
    capsys.readouterr()
    run("identity", "walk.csv", "--model", "model.zip")
    assert "copies its input" in capsys.readouterr().out
    assert "got recommended" in refused(capsys, "identity", "--architecture", "recommended")


@pytest.mark.parametrize("architecture", ["linear", "autoencoder"])
def test_a_stream_gets_the_scores_of_the_whole_table(folder, capsys, monkeypatch, architecture):
    options = ["--label-column", "fault", "--online", *TINY[:6], "--architecture", architecture]
    run("fit", "data.csv", *options, "--quiet")
    run("score", "skanomaly-model.zip", "data.csv", "--no-plot")
    capsys.readouterr()
    lines = (folder / "data.csv").read_text().splitlines(keepends=True)
    found = []
    for text in (lines[:121], lines):  # the second time as after a crash, from the beginning
        monkeypatch.setattr("sys.stdin", io.StringIO("".join(text)))
        run("stream", "skanomaly-model.zip", "--snapshot", "state.zip", "--snapshot-every", 50)
        head, *rest = capsys.readouterr().out.splitlines()
        assert head == "time,score,label"
        found += rest
    table = pd.read_csv(io.StringIO("\n".join(["time,score,label", *found])))
    whole = pd.read_csv("skanomaly-labels.csv")
    assert table["time"].tolist() == list(range(200))
    known = table["score"].notna()
    assert (~known).sum() <= 7
    np.testing.assert_allclose(table["score"][known], whole["score"][known], atol=1e-5, rtol=1e-5)
    assert (table["label"][known] == whole["label"][known]).all()


def test_streams_of_wrong_models_or_lines_are_refused(folder, capsys, monkeypatch):
    run("fit", "data.csv", "--label-column", "fault", *TINY)
    capsys.readouterr()
    monkeypatch.setattr("sys.stdin", io.StringIO("flow,heat\n1,2\n"))
    assert "fit with --online" in refused(capsys, "stream", "skanomaly-model.zip")
    run("fit", "data.csv", "--label-column", "fault", "--architecture", "linear")
    capsys.readouterr()
    for text, message in [
        ("", "got nothing"),
        ("flow,tilt\n1,2\n", "must name the columns"),
    ]:
        monkeypatch.setattr("sys.stdin", io.StringIO(text))
        assert message in refused(capsys, "stream", "skanomaly-model.zip")
    monkeypatch.setattr("sys.stdin", io.StringIO("flow,heat\n1,warm\n"))
    assert main(["stream", "skanomaly-model.zip"]) == 2
    assert "got 'warm' in row 0" in capsys.readouterr().err


def test_report_writes_a_page_of_a_new_or_a_saved_detector(folder, capsys):
    options = ["--label-column", "fault", "--architecture", "mean"]
    run("report", "data.csv", *options)
    assert "skanomaly-report.html" in capsys.readouterr().out
    assert "<h1>data.csv</h1>" in (folder / "skanomaly-report.html").read_text(encoding="utf-8")
    run("fit", "data.csv", *options)
    run("report", "data.csv", "--model", "skanomaly-model.zip", "--output", "again.html")
    assert "true anomalies" not in (folder / "again.html").read_text(encoding="utf-8")
    capsys.readouterr()
    assert ".html" in refused(capsys, "report", "data.csv", "--output", "page.pdf")


def test_info_describes_a_model_and_the_machine(folder, capsys):
    run("fit", "data.csv", "--label-column", "fault", *TINY)
    capsys.readouterr()
    run("info", "skanomaly-model.zip", "--json")
    card = printed_json(capsys)
    assert (card["detector"], card["features"]) == ("LSTMAutoencoder", ["flow", "heat"])
    assert card["window"] == "8 time steps, stride 4"
    assert card["parameters"]["hidden_units"] == "(2,)"
    run("info")
    assert f"skanomaly  {skanomaly.__version__}" in capsys.readouterr().out


def test_datasets_are_listed_and_written_and_read_again(folder, capsys):
    run("datasets")
    assert capsys.readouterr().out.startswith("series ")
    run("datasets", "series", "--seed", "3", "--json")
    assert printed_json(capsys) == {"written": "series.csv", "rows": 4000, "training_rows": 2000}
    options = ["--label-column", "anomaly", "--architecture", "linear", "--no-plot"]
    run("detect", "series.csv", *options)
    assert "3 features (sensor_0, sensor_1, sensor_2)" in capsys.readouterr().out
    assert "got 'ecg'" in refused(capsys, "datasets", "ecg")


def test_a_file_sets_options_and_the_command_line_comes_first(folder, capsys):
    (folder / "c.toml").write_text(
        '[detect]\narchitecture = "mean"\nno-plot = true\ncolumns = ["flow"]\njson = true\n'
    )
    run("--config", "c.toml", "detect", "data.csv")
    assert printed_json(capsys)["model"] == "MeanDetector"
    run("--config", "c.toml", "detect", "data.csv", "--architecture", "linear")
    assert printed_json(capsys)["model"].startswith("LinearForecaster")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[detect", "cannot be read as one"),
        ("[find]\nx = 1", "got 'find'"),
        ("detect = 3", "got 'detect'"),
        ("[detect]\nwindow_size = 3", "got 'window_size'"),
        ("[detect]\nepochs = -1", "-1 is not in the range"),
    ],
)
def test_wrong_files_of_options_are_refused(folder, capsys, text, message):
    (folder / "c.toml").write_text(text)
    assert message in refused(capsys, "--config", "c.toml", "detect", "data.csv")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts_name_the_program(capsys, shell):
    run("completion", shell)
    assert "_SKANOMALY_COMPLETE" in capsys.readouterr().out


def test_names_of_commands_are_completed():
    code = "from skanomaly.cli import main; import sys; sys.exit(main())"
    asked = {"COMP_WORDS": "skanomaly de", "COMP_CWORD": "1"}
    environment = {**os.environ, **asked, "_SKANOMALY_COMPLETE": "bash_complete"}
    command = [sys.executable, "-c", code]
    found = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert "detect" in found.stdout
