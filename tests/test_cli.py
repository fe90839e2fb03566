"""The command line: files in, files out, and one line for every error of the user."""

import importlib.util
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

import skanomaly
from skanomaly.cli import main
from skanomaly.cli._group import group
from skanomaly.cli._pipeline import choose_stride

FAST = ["--architecture", "persistence", "--no-plot"]
TINY = ["--window-size", "8", "--hidden-units", "2", "--epochs", "1", "--stride", "4"]


def make_frame(n_rows=200):
    rng = np.random.RandomState(0)
    frame = pd.DataFrame(rng.normal(size=(n_rows, 2)), columns=["flow", "heat"])
    stamps = pd.date_range("2024-01-30", periods=n_rows, freq="5min")
    frame.insert(0, "timestamp", stamps.strftime("%Y-%m-%d %H:%M:%S"))
    frame.loc[150:153, ["flow", "heat"]] += 20
    return frame


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty folder to be in, with a file data.csv."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    make_frame().to_csv("data.csv", index=False)
    return tmp_path


def detect(*arguments):
    """Run ``skanomaly detect`` with the fastest detector."""
    return main(["detect", *map(str, arguments), *FAST])


def refused(capsys, *arguments):
    """Run a command that must fail with one line on standard error, and return the line."""
    assert detect(*arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("skanomaly: error: ")
    assert err.endswith("\n")
    assert err.count("\n") == 1
    assert not os.path.exists("skanomaly-labels.csv")
    return err


# ------------------------------------------------------------------------------- what comes out


def test_network_reads_a_file_and_writes_table_picture_and_summary(folder, capsys):
    assert main(["detect", "data.csv", *TINY]) == 0
    out, err = capsys.readouterr()
    table = pd.read_csv("skanomaly-labels.csv", dtype={"timestamp": str})
    assert list(table) == ["timestamp", "score", "label", "part"]
    assert table["timestamp"].tolist() == make_frame()["timestamp"].tolist()
    assert table["part"].tolist() == ["train"] * 100 + ["test"] * 100
    assert (table["label"][150:154] == -1).all()
    assert table["score"][150:154].max() < table["score"][:100].min()
    assert (folder / "skanomaly-scores.png").read_bytes().startswith(b"\x89PNG")
    assert "data.csv: 200 rows, 2 features (flow, heat)" in out
    assert "LSTMAutoencoder, window 8, stride 4, " in out
    assert "1 epochs, last loss" in out
    assert "skanomaly-labels.csv, skanomaly-scores.png" in out
    assert "epoch 1/1" in err


def test_without_file_a_synthetic_series_is_labelled(folder, capsys):
    assert main(["detect", "--quiet", *TINY, "--architecture", "seq2seq"]) == 0
    out, err = capsys.readouterr()
    assert "a synthetic series: 4000 rows, 3 features" in out
    assert "of 5 true anomalies hit" in out
    assert err == ""
    assert pd.read_csv("skanomaly-labels.csv").columns[0] == "row"


def test_a_label_column_among_the_features_is_pointed_out(folder, capsys):
    make_frame().assign(anomaly=0).to_csv("labelled.csv", index=False)
    assert detect("labelled.csv") == 0
    assert "column 'anomaly' looks like labels but is read as a feature" in capsys.readouterr().out
    assert detect("labelled.csv", "--label-column", "anomaly") == 0
    assert "looks like labels" not in capsys.readouterr().out


def test_result_is_the_same_for_the_same_seed(folder):
    for name in ("one.csv", "two.csv"):
        options = ["--quiet", "--no-plot", "--seed", "3", "--output", name]
        assert main(["detect", "data.csv", *TINY, *options]) == 0
    assert (folder / "one.csv").read_bytes() == (folder / "two.csv").read_bytes()


@pytest.mark.parametrize("suffix", [".csv", ".csv.gz", ".parquet"])
def test_every_format_is_read_and_written_alike(folder, suffix):
    frame = make_frame()
    frame["timestamp"] = pd.to_datetime(frame["timestamp"])
    source, target = f"in{suffix}", f"out{suffix}"
    writer = frame.to_parquet if suffix == ".parquet" else frame.to_csv
    writer(source, index=False)
    assert detect(source, "--output", target) == 0
    assert detect("data.csv", "--output", "expected.csv") == 0
    table = pd.read_parquet(target) if suffix == ".parquet" else pd.read_csv(target)
    expected = pd.read_csv("expected.csv")
    assert table["timestamp"].astype(str).tolist() == expected["timestamp"].tolist()
    pd.testing.assert_frame_equal(table.iloc[:, 1:], expected.iloc[:, 1:], check_dtype=False)


def test_index_of_a_parquet_file_is_its_time_column(folder):
    frame = make_frame().assign(timestamp=lambda f: pd.to_datetime(f["timestamp"], utc=True))
    frame.set_index("timestamp").to_parquet("in.parquet")
    assert detect("in.parquet", "--train", "2024-01-30 05:00", "--output", "out.parquet") == 0
    table = pd.read_parquet("out.parquet")
    assert table["timestamp"].tolist() == frame["timestamp"].tolist()
    assert (table["part"] == "train").sum() == 60


def test_other_separators_and_nameless_index_columns_are_read(folder, capsys):
    frame = make_frame().drop(columns="timestamp")
    frame.to_csv("semicolon.csv", sep=";")
    assert detect("semicolon.csv") == 0
    assert "2 features (flow, heat)" in capsys.readouterr().out
    assert (folder / "skanomaly-labels.csv").read_text().startswith(",score,label,part\n0,")


def test_time_strings_stay_as_they_are(folder):
    frame = make_frame()
    frame["timestamp"] = [f"{1 + i // 48:02}.03.2024 {i % 48 // 2:02}:{i % 2 * 30:02}" for i in
                          range(700)][500:]  # fmt: skip
    frame.to_csv("data.csv", index=False)
    assert detect("data.csv", "--train", "2024-03-12 12:00") == 0
    table = pd.read_csv("skanomaly-labels.csv", dtype=str)
    assert table["timestamp"].tolist() == frame["timestamp"].tolist()
    assert table["timestamp"][table["part"] == "test"].iloc[0] == "12.03.2024 12:00"


@pytest.mark.parametrize(
    ("train", "n_train"), [("50", 50), ("0.25", 50), ("200", 200), ("1.0", 200)]
)
def test_training_part_is_rows_or_a_share(folder, capsys, train, n_train):
    assert detect("data.csv", "--train", train) == 0
    assert f"{n_train} rows, 2024-01-30 00:00:00 to" in capsys.readouterr().out
    assert (pd.read_csv("skanomaly-labels.csv")["part"] == "train").sum() == n_train


def test_columns_can_be_chosen_and_others_are_left_out_with_a_note(folder, capsys):
    make_frame().assign(state="on").to_csv("data.csv", index=False)
    assert detect("data.csv") == 0
    assert "columns without numbers left out: state" in capsys.readouterr().out
    assert detect("data.csv", "--columns", "heat") == 0
    assert "1 feature (heat)" in capsys.readouterr().out


def test_labels_of_a_file_are_compared_with_and_not_used(folder, capsys):
    frame = make_frame()
    frame["fault"] = (frame.index >= 150) & (frame.index < 154)
    frame.astype({"fault": int}).to_csv("data.csv", index=False)
    assert detect("data.csv", "--label-column", "fault") == 0
    out = capsys.readouterr().out
    assert "2 features (flow, heat)" in out
    assert "1 of 1 true anomalies hit" in out


def test_missing_values_are_filled_as_asked(folder, capsys):
    frame = make_frame()
    frame.loc[10, "heat"] = np.nan
    frame.loc[0, "flow"] = np.nan
    frame.to_csv("data.csv", index=False)
    assert detect("data.csv") == 0
    assert "2 missing values, taken as not observed" in capsys.readouterr().out
    assert len(pd.read_csv("skanomaly-labels.csv")) == 200
    assert detect("data.csv", "--fill", "interpolate") == 0
    assert "2 missing values interpolated" in capsys.readouterr().out
    assert len(pd.read_csv("skanomaly-labels.csv")) == 200
    assert detect("data.csv", "--fill", "drop") == 0
    assert "2 rows with missing values left out" in capsys.readouterr().out
    assert pd.read_csv("skanomaly-labels.csv")["timestamp"][0] == "2024-01-30 00:05:00"


def test_repeated_times_are_accepted_with_a_note(folder, capsys):
    frame = make_frame()
    frame.loc[11, "timestamp"] = frame.loc[10, "timestamp"]
    frame.to_csv("data.csv", index=False)
    assert detect("data.csv") == 0
    assert "1 rows repeat the time of the row before" in capsys.readouterr().out


def test_times_out_of_order_are_accepted_by_row(folder):
    frame = make_frame()
    frame.loc[11, "timestamp"] = frame.loc[9, "timestamp"]
    frame.to_csv("data.csv", index=False)
    assert main(["detect", "data.csv", "--by-row", "--architecture", "persistence"]) == 0
    table = pd.read_csv("skanomaly-labels.csv", dtype=str)
    assert table["timestamp"].tolist() == frame["timestamp"].tolist()


def test_differences_and_no_scaling_change_the_scores(folder):
    scores = []
    for options in ([], ["--difference"], ["--no-scale"]):
        assert detect("data.csv", *options) == 0
        scores.append(pd.read_csv("skanomaly-labels.csv")["score"].sum())
    assert len(set(scores)) == 3


@pytest.mark.parametrize(
    ("window_size", "n_train", "stride"),
    [(64, 50, 1), (64, 7999, 1), (64, 20_000, 5), (8, 10**6, 2)],
)
def test_stride_grows_with_the_training_part_up_to_a_quarter_of_a_window(
    window_size, n_train, stride
):
    assert choose_stride(window_size, n_train) == stride


# ------------------------------------------------------------------------------ what is refused


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("none.csv", None, "FILE must exist; there is no none.csv"),
        ("data.txt", b"a\n1\n", "FILE must end in one of .csv, .csv.gz, .parquet; got 'data.txt'"),
        ("bad.csv", b"", "FILE must be a table, as its name says; bad.csv cannot be read"),
        ("bad.csv", b"a,b\n", "FILE must have rows; got none in bad.csv"),
        (
            "bad.csv",
            b"\xff\xfe\x00a",
            "FILE must be a table, as its name says; bad.csv cannot be read",
        ),
        (
            "bad.csv.gz",
            b"a,b\n1,2\n",
            "FILE must be a table, as its name says; bad.csv.gz cannot be read",
        ),
        (
            "bad.parquet",
            b"a,b\n1,2\n",
            "FILE must be a table, as its name says; bad.parquet cannot",
        ),
        (
            "bad.csv",
            b"a,b\n1,2,3\n1,2,3\n",
            "FILE must be a table, as its name says; bad.csv cannot be read",
        ),
        (
            "bad.csv",
            b"a\n1\n2,3\n4\n",
            "FILE must be a table, as its name says; bad.csv cannot be read",
        ),
        ("bad.csv", b"1.5,2\n3,4\n", "FILE must name its columns in the first line; got 1.5, 2"),
        ("bad.csv", b"a,b\nx,y\n", "FILE must have a column of numbers"),
        ("bad.csv", b"time,a\n5,1\n4,2\n6,3\n", "'time' must be in order; got '4' in row 2"),
        ("bad.csv", b"time,a\n5,1\n,2\n6,3\n", "must have a value in every row; 1 have none"),
        (
            "bad.csv",
            b"time,a\n2024-01-01,1\n2024-01-02,2\nsoon,3\n",
            "'time' must hold dates only; got 'soon' in row 3",
        ),
        ("bad.csv", b"time,a\n01/02/2024,1\n02/02/2024,2\n", "'time' must tell day from month"),
        ("bad.csv", b"a,b\n1,2\n3,inf\n4,5\n", "column 'b' must hold finite numbers; got 1"),
        ("bad.csv", b"a\n1\n", "--train must leave between 2 and all 1 rows"),
    ],
)
def test_bad_files_are_refused_in_one_line(folder, capsys, name, content, message):
    if content is not None:
        (folder / name).write_bytes(content)
    assert message in refused(capsys, name)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--columns", "flow,wind"], "--columns must name a column; got 'wind'"),
        (["--columns", "flow,"], "has an empty name"),
        (["--columns", "timestamp"], "'timestamp' has other values, such as '2024-01-30 00:00:00'"),
        (["--time-column", "when"], "There are: 'timestamp', 'flow', 'heat'."),
        (["--label-column", "truth"], "--label-column must name a column"),
        (["--label-column", "heat", "--columns", "heat"], "--columns must not hold the labels"),
        (["--label-column", "flow"], "--label-column must hold 1 (anomaly) and 0 (normal)"),
        (["--train", "soon"], "--train must be a number of rows, a share or a date; got 'soon'"),
        (["--train", "0"], "--train must leave between 2 and all 200 rows"),
        (["--train", "201"], "--train must leave between 2 and all 200 rows"),
        (["--train", "1.5"], "--train as a share must be above 0 and at most 1; got 1.5"),
        (["--train", "2023-01-01"], "which run from 2024-01-30 00:00:00 to 2024-01-30 16:35:00"),
        (["--by-row", "--train", "2024-01-30 05:00"], "--train can be a date only with"),
        (["--output", "nowhere/labels.csv"], "--output must be in a directory that exists"),
        (["--output", "labels.xls"], "--output must end in one of .csv, .csv.gz, .parquet"),
        (["--output", "data.csv"], "--output must not be FILE itself"),
        (["--contamination", "0.7"], "'--contamination': 0.7 is not in the range"),
        (["--hidden-units", "8,x"], "'8,x' is not a positive integer"),
        (["--backend", "theano"], "'theano' is not one of 'jax', 'torch', 'tensorflow'"),
        (["--nonsense"], "No such option"),
        (["--architecture", "seq2seq", "--train", "50"], "--window-size must be at most 50"),
        (["--architecture", "autoencoder", "--window-size", "8", "--stride", "9"], "--stride must"),
    ],
)
def test_bad_options_are_refused_in_one_line(folder, capsys, options, message):
    status = main(["detect", "data.csv", *FAST, *options])
    out, err = capsys.readouterr()
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert err.startswith("skanomaly: error: ")
    assert message in err


def test_directories_and_files_that_cannot_be_written_are_refused(folder, capsys):
    (folder / "sub.csv").mkdir()
    assert "FILE must be a table; got the directory sub.csv" in refused(capsys, "sub.csv")
    assert "--output must be a file" in refused(capsys, "data.csv", "--output", "sub.csv")


def test_options_about_a_file_need_one(folder, capsys):
    assert "--columns needs a FILE" in refused(capsys, "--columns", "a")
    assert "--by-row needs a FILE" in refused(capsys, "--by-row")


def test_backends_that_are_not_there_are_refused(folder, capsys, monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", "theano")
    assert main(["detect", "data.csv", *TINY]) == 2
    assert "KERAS_BACKEND must be one of jax, torch, tensorflow" in capsys.readouterr().err


@pytest.mark.parametrize("package", ["click", "pandas"])
def test_without_a_package_one_line_names_the_extra(monkeypatch, capsys, package):
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == package else find(name)
    )
    assert main(["detect"]) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert f"needs the package {package}" in err
    assert "pip install 'skanomaly[cli]'" in err


def test_without_matplotlib_one_line_names_the_extra(folder, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.dates", None)
    assert main(["detect", "data.csv", "--architecture", "persistence"]) == 2
    assert "pip install 'skanomaly[plot]'" in capsys.readouterr().err


def test_bugs_keep_their_traceback(folder, monkeypatch):
    monkeypatch.setattr("skanomaly.cli._detection.write_summary", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        detect("data.csv")


def test_warnings_are_one_line_each(capsys):
    from skanomaly.cli._group import _show_warning

    _show_warning("first\nsecond", UserWarning, "file.py", 1)
    assert capsys.readouterr().err == "skanomaly: warning: first second\n"


# ----------------------------------------------------------------------------- group and process


def test_help_lists_commands_and_options():
    runner = CliRunner()
    assert "detect" in runner.invoke(group, []).output
    for flag in ("-h", "--help"):
        assert "--window-size" in runner.invoke(group, ["detect", flag]).output
    assert runner.invoke(group, ["--version"]).output == (
        f"skanomaly, version {skanomaly.__version__}\n"
    )


def run_process(*arguments, **options):
    command = [sys.executable, "-m", "skanomaly", *arguments]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options
    )


def test_process_writes_files_and_exits_with_a_status(folder):
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "DISPLAY": ""}
    process = run_process("detect", "data.csv", "--architecture", "persistence", env=environment)
    out, err = process.communicate(timeout=120)
    assert (process.returncode, err) == (0, "")
    assert "written" in out
    assert (folder / "skanomaly-scores.png").exists()
    process = run_process("detect", "none.csv", env=environment)
    assert process.communicate(timeout=120) == (
        "",
        "skanomaly: error: FILE must exist; there is no none.csv. Check the path.\n",
    )
    assert process.returncode == 2


# Where tests run in the background, they and their children inherit that interrupts are ignored.
LISTEN = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)
from skanomaly.cli import main
raise SystemExit(main())
"""


def test_an_interrupt_ends_the_process(folder):
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    arguments = ["detect", *TINY, "--epochs", "100000"]
    with subprocess.Popen(
        [sys.executable, "-c", LISTEN, *arguments],
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    ) as process:
        try:
            for line in process.stderr:
                if line.startswith("epoch"):
                    break
            time.sleep(0.1)
            process.send_signal(signal.SIGINT)
            _, err = process.communicate(timeout=120)
        finally:
            process.kill()
    assert process.returncode == -signal.SIGINT  # a shell says 130
    assert "Traceback" not in err
