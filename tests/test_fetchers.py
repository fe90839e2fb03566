"""Fetchers of public series: parsing, labels, the cache, clones, and what goes wrong on the way.

A server on this machine stands for the network, forged files for those of the repositories.
"""

import hashlib
import http.server
import json
import logging
import pathlib
import re
import runpy
import sys
import threading

import numpy as np
import pytest
from sklearn.pipeline import make_pipeline

from skanomaly import MeanDetector
from skanomaly.cli import main
from skanomaly.datasets import _nab, _skab, _sources, fetch_nab, fetch_skab, nab_series, skab_series
from skanomaly.exceptions import MissingDependencyError

WINDOWS = "labels/combined_windows.json"
SENSORS = ["Current", "Pressure", "Volume Flow RateRMS"]
MODULES = {"NAB": _nab, "SKAB": _skab}


def make_nab_file(n_timesteps, *, line_end="\n", last=True):
    """A file of NAB with one row per hour, whose values are the numbers of the rows."""
    start = np.datetime64("2014-07-01T00:00:00")
    times = [str(start + np.timedelta64(i, "h")).replace("T", " ") for i in range(n_timesteps)]
    rows = ["timestamp,value", *(f"{time},{i}.5" for i, time in enumerate(times))]
    return (line_end.join(rows) + (line_end if last else "")).encode()


def make_skab_file(n_timesteps, *, labelled=True, anomalous=()):
    """A file of SKAB with one row per second; the first sensor counts the rows."""
    start = np.datetime64("2020-03-09T10:14:33")
    rows = [";".join(["datetime", *SENSORS] + ["anomaly", "changepoint"] * labelled)]
    for i in range(n_timesteps):
        time = str(start + np.timedelta64(i, "s")).replace("T", " ")
        labels = [float(i in anomalous), float(i in anomalous and i - 1 not in anomalous)]
        rows.append(";".join(map(str, [time, i, -0.5, 32.0] + labels * labelled)))
    return "\r\n".join(rows).encode() + b"\r\n"


NAB_FILES = {
    "data/realTraffic/speed_1.csv": make_nab_file(40, line_end="\r\n"),
    "data/realTraffic/speed_2.csv": make_nab_file(20, last=False),
    "data/realKnownCause/nyc_taxi.csv": make_nab_file(5100),
    WINDOWS: json.dumps(
        {
            "realTraffic/speed_1.csv": [
                ["2014-07-01 10:00:00.000000", "2014-07-01 12:00:00.000000"],
                ["2014-07-02 05:59:59.000000", "2014-07-02 06:59:59.000000"],
            ],
            "realTraffic/speed_2.csv": [],
            "realKnownCause/nyc_taxi.csv": [["2015-01-01 00:00:00.000000"] * 2],
        }
    ).encode(),
}
SKAB_FILES = {
    "data/anomaly-free/anomaly-free.csv": make_skab_file(500, labelled=False),
    "data/valve1/10.csv": make_skab_file(410, anomalous=range(405, 408)),
    "data/valve1/2.csv": make_skab_file(405, anomalous=[0, 404]),
    "data/other/1.csv": make_skab_file(401),
}
FILES = {"NAB": NAB_FILES, "SKAB": SKAB_FILES}


class Server:
    """Serves bytes by path; `replies` overrides single ones, first come first served."""

    def __init__(self):
        self.files = {
            f"/{path}": content for files in FILES.values() for path, content in files.items()
        }
        self.requests = []
        self.replies = {}
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                outer.requests.append(self.path[1:])
                replies = outer.replies.get(self.path[1:], [])
                status, content, length = replies.pop(0) if replies else (200, None, None)
                content = outer.files[self.path] if content is None else content
                self.send_response(status)
                self.send_header("Content-Length", str(length or len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *args):
                pass

        self.http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = False  # so that closing waits for them
        self.address = f"http://127.0.0.1:{self.http.server_port}/"
        self.thread = threading.Thread(target=self.http.serve_forever, args=(0.01,), daemon=True)
        self.thread.start()

    def close(self):
        self.http.shutdown()
        self.http.server_close()
        self.thread.join()


def forge_registry(monkeypatch, files_by_source):
    """Let the package believe that the sources hold these files."""

    def read_registry(name):
        return {
            path: hashlib.sha256(content).hexdigest()
            for path, content in files_by_source[name].items()
        }

    for module in (_nab, _skab, _sources):
        monkeypatch.setattr(module, "read_registry", read_registry)


@pytest.fixture
def forged(monkeypatch):
    forge_registry(monkeypatch, FILES)


@pytest.fixture
def server(monkeypatch, forged):
    """The network: downloads come from here, and nowhere else."""
    pytest.importorskip("pooch")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    server = Server()
    for module in MODULES.values():
        source = module._SOURCE._replace(raw=server.address)
        monkeypatch.setattr(module, "_SOURCE", source)
    monkeypatch.setattr("pooch.core.time.sleep", lambda seconds: None)  # before it tries again
    yield server
    server.close()


def write_clone(folder, files):
    for path, content in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)
    return folder


@pytest.fixture
def clones(tmp_path, monkeypatch, forged):
    """Folder of a clone by its name; there is neither network nor pooch."""
    monkeypatch.setitem(sys.modules, "pooch", None)
    return {name: write_clone(tmp_path / name, files) for name, files in FILES.items()}


def files_in(folder):
    return {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}


# ---- the real registry ----


def test_registry_names_all_series_by_group():
    assert len(nab_series()) == 58
    assert len(skab_series()) == 34
    assert nab_series() == sorted(nab_series())
    assert [len(skab_series(group)) for group in ("valve1", "valve2", "other")] == [16, 4, 14]
    assert skab_series("other")[8:11] == ["other/9", "other/10", "other/11"]
    assert skab_series("anomaly-free") == ["anomaly-free"]
    assert len(nab_series("realTweets")) == 10


@pytest.mark.parametrize("name", MODULES)
def test_registry_and_source_name_the_same_commit(name):
    source = MODULES[name]._SOURCE
    table = pathlib.Path(_sources.__file__).with_name("_registry") / f"{name.lower()}.csv"
    assert (
        f"{'/'.join(source.repository.split('/')[-2:])} at commit {source.commit}:"
        in (table.read_text("utf-8").splitlines()[0])
    )
    assert source.commit in source.raw
    assert source.raw.endswith("/")
    registry = _sources.read_registry(name)
    assert all(re.fullmatch("[0-9a-f]{64}", checksum) for checksum in registry.values())
    assert len(set(registry.values())) == len(registry) == {"NAB": 60, "SKAB": 35}[name]


# ---- what is in the result ----


def test_nab_labels_windows_with_both_ends_and_splits_off_probation(clones):
    data = fetch_nab("realTraffic/speed_1", data_home=clones["NAB"])
    assert data.name == "realTraffic/speed_1"
    assert data.X.shape == (40, 1)
    assert data.X.dtype == np.float64
    np.testing.assert_array_equal(data.X[:, 0], np.arange(40) + 0.5)
    assert data.y.dtype == np.int64
    # The second window holds one full hour, 06:00 of the second day.
    np.testing.assert_array_equal(np.flatnonzero(data.y == -1), [10, 11, 12, 30])
    assert set(data.y) == {-1, 1}
    assert data.timestamps.dtype == np.dtype("datetime64[s]")
    assert data.timestamps[10] == data.windows[0, 0]
    assert data.windows.shape == (2, 2)
    assert len(data.X_train) == len(data.y_train) == len(data.timestamps_train) == 6
    for key in ("X", "y", "timestamps"):
        joined = np.concatenate([data[f"{key}_train"], data[f"{key}_test"]])
        np.testing.assert_array_equal(joined, data[key])
    assert data.feature_names == ["value"]
    assert "MIT" in data.licence
    assert data.licence in data.DESCR
    assert "realTraffic/speed_1" in data.DESCR


def test_probation_of_nab_is_at_most_750_time_steps(clones):
    data = fetch_nab("realKnownCause/nyc_taxi", data_home=clones["NAB"])
    assert len(data.X) == 5100
    assert len(data.X_train) == 750
    assert (data.y == -1).sum() == 1


def test_series_without_windows_are_normal_throughout(clones):
    data = fetch_nab("realTraffic/speed_2", data_home=clones["NAB"])
    assert data.X.shape == (20, 1)
    assert (data.y == 1).all()
    assert data.windows.shape == (0, 2)


@pytest.mark.parametrize("name", ["realTraffic", ["realTraffic/speed_1", "realTraffic/speed_2"]])
def test_groups_and_lists_give_one_entry_per_series(clones, name):
    data = fetch_nab(name, data_home=clones["NAB"])
    alone = [fetch_nab(f"realTraffic/speed_{i}", data_home=clones["NAB"]) for i in (1, 2)]
    assert data.name == ["realTraffic/speed_1", "realTraffic/speed_2"]
    for key in ("X", "y", "timestamps", "X_train", "X_test", "y_train", "y_test", "windows"):
        for found, expected in zip(data[key], alone, strict=True):
            np.testing.assert_array_equal(found, expected[key])
    assert data.feature_names == ["value"]
    assert isinstance(data.licence, str)


def test_a_list_of_one_gives_lists(clones):
    data = fetch_skab(["other/1"], data_home=clones["SKAB"])
    assert data.name == ["other/1"]
    assert [part.shape for part in data.X_test] == [(1, 3)]


def test_skab_gives_named_sensors_labels_and_changepoints(clones):
    data = fetch_skab("valve1/10", data_home=clones["SKAB"])
    assert data.feature_names == SENSORS
    assert data.X_train.shape == (400, 3)
    assert data.X_test.shape == (10, 3)
    np.testing.assert_array_equal(data.X[:, 0], np.arange(410))
    np.testing.assert_array_equal(np.flatnonzero(data.y_test == -1), [5, 6, 7])
    assert data.changepoint.dtype == bool
    np.testing.assert_array_equal(np.flatnonzero(data.changepoint_test), [5])
    assert (data.timestamps[1] - data.timestamps[0]) == np.timedelta64(1, "s")
    assert data.licence == "GPL-3.0"
    assert "F1 0.70" in data.DESCR


def test_skab_orders_a_group_by_number(clones):
    data = fetch_skab("valve1", data_home=clones["SKAB"])
    assert data.name == ["valve1/2", "valve1/10"] == skab_series("valve1")
    assert data.y_train[0][0] == -1


def test_anomaly_free_series_is_training_part_alone(clones):
    data = fetch_skab("anomaly-free", data_home=clones["SKAB"])
    assert data.X_train.shape == (500, 3)
    assert data.X_test.shape == (0, 3)
    assert (data.y == 1).all()
    assert not data.changepoint.any()
    assert "anomaly-free" not in skab_series()


def test_values_that_are_not_there_are_nan(tmp_path, monkeypatch, clones):
    path = "data/realTraffic/speed_2.csv"
    files = {**NAB_FILES, path: NAB_FILES[path].replace(b",3.5", b",")}
    forge_registry(monkeypatch, {"NAB": files})
    data = fetch_nab("realTraffic/speed_2", data_home=write_clone(tmp_path / "other", files))
    np.testing.assert_array_equal(np.flatnonzero(np.isnan(data.X[:, 0])), [3])


@pytest.mark.parametrize("fetch", [fetch_nab, fetch_skab])
def test_frames_hold_what_arrays_hold(clones, fetch):
    pd = pytest.importorskip("pandas")
    name, home = ("realTraffic/speed_1", "NAB") if fetch is fetch_nab else ("valve1/10", "SKAB")
    arrays = fetch(name, data_home=clones[home])
    frames = fetch(name, data_home=clones[home], as_frame=True)
    for suffix in ("", "_train", "_test"):
        X, y = frames[f"X{suffix}"], frames[f"y{suffix}"]
        np.testing.assert_array_equal(X.to_numpy(), arrays[f"X{suffix}"])
        np.testing.assert_array_equal(y.to_numpy(), arrays[f"y{suffix}"])
        assert list(X.columns) == arrays.feature_names
        pd.testing.assert_index_equal(X.index, y.index)
        np.testing.assert_array_equal(X.index.to_numpy(), arrays[f"timestamps{suffix}"])
    assert list(frames.frame.columns) == [*arrays.feature_names, "label"]
    assert "frame" not in arrays


def test_frames_without_pandas_are_refused_by_name(clones, monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    fetch_nab("realTraffic/speed_1", data_home=clones["NAB"])
    with pytest.raises(MissingDependencyError, match="as_frame=True needs the package pandas"):
        fetch_nab("realTraffic/speed_1", data_home=clones["NAB"], as_frame=True)


# ---- names and parameters ----


@pytest.mark.parametrize(
    ("fetch", "name", "message"),
    [
        (fetch_nab, "nyc_taxi", "got 'nyc_taxi'. Similar: 'realKnownCause/nyc_taxi'. nab_series()"),
        (fetch_nab, "realKnownCause/nyc_taxi.csv", "Similar: 'realKnownCause/nyc_taxi'."),
        (fetch_nab, "realTrafic", "Similar: 'realTraffic', "),
        (fetch_nab, "nyc-taxy", "Similar: 'realKnownCause/nyc_taxi'."),
        (fetch_nab, "", "got ''. nab_series() lists the series."),
        (fetch_nab, [], "must not be an empty list; nab_series() lists"),
        (fetch_nab, ["realTraffic"], "got 'realTraffic'. Similar"),
        (fetch_nab, ["realTraffic/speed_6005", 3], "or a list of series; got 3. nab_series()"),
        (fetch_skab, "valve3/0", "got 'valve3/0'. Similar: 'valve2/0', 'valve1/0'"),
        (fetch_skab, "anomaly-free/anomaly-free", "Similar: 'anomaly-free'."),
    ],
)
def test_unknown_names_are_refused_with_similar_ones(fetch, name, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        fetch(name, data_home="nowhere", download_if_missing=False)


@pytest.mark.parametrize("list_series", [nab_series, skab_series])
def test_unknown_groups_are_refused(list_series):
    with pytest.raises(ValueError, match=r"group must be None or one of '.*; got 'realTaxi'. Use"):
        list_series("realTaxi")


@pytest.mark.parametrize(
    "options",
    [{"name": None}, {"data_home": 3}, {"n_retries": -1}, {"as_frame": "yes"}],
)
def test_parameters_of_other_types_are_refused(options):
    key = next(iter(options))
    with pytest.raises(ValueError, match=f"The '{key}' parameter of fetch_skab must be"):
        fetch_skab(**({"name": "valve1/0", "data_home": "nowhere"} | options))


# ---- the network and the cache ----


def test_second_fetch_makes_no_request(server, tmp_path):
    home = tmp_path / "not" / "there"
    first = fetch_nab("realTraffic/speed_1", data_home=home)
    assert sorted(server.requests) == ["data/realTraffic/speed_1.csv", WINDOWS]
    folder = f"NAB-{_nab._SOURCE.commit}"
    assert files_in(home) == {f"{folder}/data/realTraffic/speed_1.csv", f"{folder}/{WINDOWS}"}
    second = fetch_nab("realTraffic/speed_1", data_home=str(home), download_if_missing=False)
    assert len(server.requests) == 2
    np.testing.assert_array_equal(first.y, second.y)
    # Of a group, what is there is not downloaded again.
    fetch_nab("realTraffic", data_home=home)
    assert server.requests[2:] == ["data/realTraffic/speed_2.csv"]


def test_downloads_tell_their_licence_once(server, tmp_path):
    pooch = pytest.importorskip("pooch")
    records = []
    handler = logging.Handler()
    handler.emit = lambda record: records.append(record.getMessage())
    pooch.get_logger().addHandler(handler)
    try:
        for _ in range(2):
            fetch_skab("valve1", data_home=tmp_path)
    finally:
        pooch.get_logger().removeHandler(handler)
    assert records[0] == "https://github.com/waico/SKAB, licence: GPL-3.0"
    assert sum("licence" in record for record in records) == 1
    assert sum("Downloading" in record for record in records) == 2


def test_home_is_the_parameter_then_the_variable_then_the_cache_of_the_user(
    server, tmp_path, monkeypatch
):
    folder = f"SKAB-{_skab._SOURCE.commit}"
    monkeypatch.delenv("SKANOMALY_DATA_HOME", raising=False)
    monkeypatch.setattr("pooch.os_cache", lambda project: tmp_path / "cache" / project)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    fetch_skab("other/1")
    assert files_in(tmp_path) == {f"cache/skanomaly/{folder}/data/other/1.csv"}
    monkeypatch.setenv("SKANOMALY_DATA_HOME", "~/variable")
    fetch_skab("other/1")
    assert (tmp_path / "variable" / folder / "data" / "other" / "1.csv").is_file()
    fetch_skab("other/1", data_home="~/parameter")
    assert (tmp_path / "parameter" / folder / "data" / "other" / "1.csv").is_file()
    assert len(server.requests) == 3
    monkeypatch.setenv("SKANOMALY_DATA_HOME", "")
    fetch_skab("other/1")
    assert len(server.requests) == 3


FAULTS = {
    "checksum": ((200, b"forged", None), "does not match the known hash"),
    "cut short": ((200, b"half", 400), r"IncompleteRead|Connection broken"),
    "not found": ((404, b"no", None), "404 Client Error"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_failed_downloads_raise_and_leave_nothing_behind(server, tmp_path, fault):
    path = "data/other/1.csv"
    reply, message = FAULTS[fault]
    server.replies[path] = [reply, reply]
    with pytest.raises(OSError, match=f"fetch_skab could not download {path} from ") as caught:
        fetch_skab("other/1", data_home=tmp_path, n_retries=1)
    assert re.search(message, str(caught.value))
    assert "Nothing was kept of it. Check the network, or pass" in str(caught.value)
    assert len(server.requests) == 2
    assert not files_in(tmp_path)
    # The next try finds nothing wrong that the last one left.
    assert fetch_skab("other/1", data_home=tmp_path).X.shape == (401, 3)


def test_downloads_are_tried_again(server, tmp_path):
    server.replies["data/other/1.csv"] = [FAULTS["cut short"][0], FAULTS["checksum"][0]]
    assert fetch_skab("other/1", data_home=tmp_path, n_retries=2).X.shape == (401, 3)
    assert len(server.requests) == 3


def test_no_server_is_an_error_with_a_remedy(server, tmp_path, monkeypatch):
    source = _skab._SOURCE._replace(raw="http://127.0.0.1:9/")
    monkeypatch.setattr(_skab, "_SOURCE", source)
    with pytest.raises(OSError, match=r"data/other/1.csv from http://127.0.0.1:9/: .*Check the"):
        fetch_skab("other/1", data_home=tmp_path, n_retries=0)


def test_interrupted_download_leaves_nothing_behind(server, tmp_path, monkeypatch):
    def read_half(response, chunk_size):
        yield b"half"
        raise KeyboardInterrupt

    monkeypatch.setattr("requests.Response.iter_content", read_half)
    with pytest.raises(KeyboardInterrupt):
        fetch_skab("other/1", data_home=tmp_path)
    assert not files_in(tmp_path)


def test_concurrent_fetches_all_get_whole_files(server, tmp_path):
    n_threads = 8
    barrier = threading.Barrier(n_threads)
    found, errors = [], []

    def fetch():
        barrier.wait()
        try:
            found.append(fetch_nab("realTraffic", data_home=tmp_path))
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=fetch) for _ in range(n_threads)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    assert [len(one.X[0]) for one in found] == [40] * n_threads
    assert len(files_in(tmp_path)) == 3


def test_missing_files_are_not_downloaded_against_the_wish(server, tmp_path):
    with pytest.raises(OSError, match=r"download_if_missing must be True .* of a clone of https"):
        fetch_nab("realTraffic", data_home=tmp_path, download_if_missing=False)
    assert not server.requests
    assert not list(tmp_path.iterdir())


# ---- clones ----


@pytest.mark.parametrize("place", ["is", "holds", "holds an archive of"])
def test_clone_is_read_where_it_is(tmp_path, monkeypatch, forged, place):
    monkeypatch.setitem(sys.modules, "pooch", None)
    folder = {"is": "", "holds": "NAB", "holds an archive of": _nab._SOURCE.folder}[place]
    write_clone(tmp_path / folder, NAB_FILES)
    before = files_in(tmp_path)
    assert fetch_nab("realTraffic/speed_1", data_home=tmp_path).X.shape == (40, 1)
    assert files_in(tmp_path) == before
    monkeypatch.setenv("SKANOMALY_DATA_HOME", str(tmp_path))
    assert fetch_nab("realTraffic/speed_1").X.shape == (40, 1)


@pytest.mark.parametrize("download_if_missing", [True, False])
def test_other_files_in_a_clone_are_refused_and_stay(server, tmp_path, download_if_missing):
    path = "data/other/1.csv"
    write_clone(tmp_path, {path: SKAB_FILES[path].replace(b"\r\n", b"\n")})
    with pytest.raises(
        OSError, match=r"1\.csv must have the SHA-256 .* got .* core.autocrlf=false"
    ):
        fetch_skab("other/1", data_home=tmp_path, download_if_missing=download_if_missing)
    assert not server.requests
    assert (tmp_path / path).read_bytes() == SKAB_FILES[path].replace(b"\r\n", b"\n")


def test_missing_pooch_is_named_with_its_extra(tmp_path, monkeypatch, forged):
    monkeypatch.setitem(sys.modules, "pooch", None)
    monkeypatch.delenv("SKANOMALY_DATA_HOME", raising=False)
    for home in (None, tmp_path):
        with pytest.raises(MissingDependencyError, match=r"pip install 'skanomaly\[data\]'"):
            fetch_nab("realTraffic/speed_1", data_home=home)


# ---- the command line ----


def test_command_line_lists_and_writes_public_series(clones, tmp_path, monkeypatch, capsys):
    pd = pytest.importorskip("pandas")
    pytest.importorskip("click")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SKANOMALY_DATA_HOME", str(tmp_path))
    assert main(["datasets"]) == 0
    assert "\nnab        58 public series" in capsys.readouterr().out
    assert main(["datasets", "skab", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == [
        "skab/valve1/2",
        "skab/valve1/10",
        "skab/other/1",
    ]
    assert main(["datasets", "skab/valve1/10"]) == 0
    frame = pd.read_csv("skab-valve1-10.csv")
    assert list(frame.columns) == ["time", *SENSORS, "anomaly", "part"]
    assert frame["anomaly"].sum() == 3
    assert (frame["part"] == "train").sum() == 400
    capsys.readouterr()
    for name, message in {
        "skab/valve1": "NAME must be a single series; got the group skab/valve1",
        "skab/valve9": "got 'valve9'. Similar: 'valve1'",
        "skab/": "got ''. skab_series() lists",
        "smd/1": "got 'smd/1'. See `skanomaly datasets`",
    }.items():
        assert main(["datasets", name]) == 2
        assert message in capsys.readouterr().err


# ---- the program of the guide ----


def test_program_of_the_guide_rates_both_benchmarks(tmp_path, monkeypatch, capsys):
    files = {
        "data/realKnownCause/nyc_taxi.csv": make_nab_file(400),
        WINDOWS: json.dumps(
            {"realKnownCause/nyc_taxi.csv": [["2014-07-10 00:00:00.0", "2014-07-11 15:00:00.0"]]}
        ).encode(),
    }
    forge_registry(monkeypatch, {"NAB": files, "SKAB": SKAB_FILES})
    write_clone(tmp_path, {**files, **SKAB_FILES})
    script = pathlib.Path(__file__).parents[1] / "docs" / "scripts" / "real_data.py"
    main = runpy.run_path(str(script))["main"]
    # Networks take long to compile; what is fitted does not matter here.
    main.__globals__["LSTMAutoencoder"] = lambda **params: MeanDetector()
    main.__globals__["make_detector"] = lambda X, **params: make_pipeline(MeanDetector())
    rates, rows = main(["--data-home", str(tmp_path), "--skab", "valve1/10"])
    assert rates["time steps inside windows"] == pytest.approx(40 / 340)
    # The forged values grow for ever, so that all that follows is far from the mean.
    assert rates["windows with an alarm"] == "1 of 1"
    assert rates["time steps flagged"] == 1
    assert rows["flag everything"] == pytest.approx((6 / 13, 1, 0))
    assert len(rows) == 3
    printed = capsys.readouterr().out
    assert "GPL-3.0" in printed
    assert "flag everything      0.46        100.0%    0.0%" in printed
