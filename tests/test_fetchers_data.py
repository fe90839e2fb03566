"""Fetched series equal the labelled series, as far as those give the raw files back."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest

from skanomaly.datasets import _sources, fetch_nab, fetch_skab, nab_series, skab_series

pytestmark = pytest.mark.data

WINDOWS = "labels/combined_windows.json"


def write(folder, path, content):
    (folder / path).parent.mkdir(parents=True, exist_ok=True)
    (folder / path).write_bytes(content)


def rebuild(header, separator, columns, expected):
    """Give a file back from text and float32 columns; None where its checksum is not reached.

    What the file holds with more digits than float32 has is lost.
    """
    for trim, line_end, last in [
        (trim, end, last) for trim in "0-" for end in ("\n", "\r\n") for last in (True, False)
    ]:
        fields = [
            [np.format_float_positional(value, trim=trim) for value in column]
            if column.dtype == np.float32
            else column
            for column in columns
        ]
        rows = [header, *(separator.join(row) for row in zip(*fields, strict=True))]
        content = (line_end.join(rows) + (line_end if last else "")).encode()
        if hashlib.sha256(content).hexdigest() == expected:
            return content
    return None


def read_npz(path):
    with np.load(path, allow_pickle=False) as parts:
        return {key: parts[key] for key in parts.files}


def as_text(timestamps):
    return [text.replace("T", " ") for text in np.datetime_as_string(timestamps)]


def assert_same(found, parts):
    for part in ("train", "test"):
        np.testing.assert_array_equal(found[f"X_{part}"].astype(np.float32), parts[f"X_{part}"])
        np.testing.assert_array_equal(found[f"y_{part}"] == -1, parts[f"y_{part}"] == 1)
        np.testing.assert_array_equal(found[f"timestamps_{part}"], parts[f"t_{part}"])


def test_nab_equals_the_labelled_series(data_folder, tmp_path, monkeypatch):
    registry = _sources.read_registry("NAB")
    written, windows = {}, {}
    for name in nab_series():
        path = Path(data_folder) / "nab" / f"{name.replace('/', '__')}.npz"
        if not path.exists():
            continue
        parts = read_npz(path)
        windows[f"{name}.csv"] = json.loads(str(parts["meta"]))["windows"]
        times = as_text(np.concatenate([parts["t_train"], parts["t_test"]]))
        values = np.concatenate([parts["X_train"], parts["X_test"]])[:, 0]
        raw = f"data/{name}.csv"
        content = rebuild("timestamp,value", ",", [np.array(times), values], registry[raw])
        if content is not None:
            write(tmp_path, raw, content)
            written[name] = parts
    assert written
    # The windows of the series that are not there are unknown.
    content = json.dumps(windows).encode()
    write(tmp_path, WINDOWS, content)
    known = {**registry, WINDOWS: hashlib.sha256(content).hexdigest()}
    monkeypatch.setattr(_sources, "read_registry", lambda name: known)
    found = fetch_nab(list(written), data_home=tmp_path, download_if_missing=False)
    for place, parts in enumerate(written.values()):
        assert_same({key: found[key][place] for key in found if key.endswith(("n", "t"))}, parts)


def test_skab_equals_the_labelled_series(data_folder, tmp_path):
    registry = _sources.read_registry("SKAB")
    n_compared = 0
    for name in skab_series():
        path = Path(data_folder) / "skab" / f"{name.replace('/', '_')}.npz"
        if not path.exists():
            continue
        parts = read_npz(path)
        times = as_text(np.concatenate([parts["t_train"], parts["t_test"]]))
        X = np.concatenate([parts["X_train"], parts["X_test"]])
        y = np.concatenate([parts["y_train"], parts["y_test"]]).astype(np.float32)
        no_change = np.zeros(len(parts["y_train"]))
        changes = np.concatenate([no_change, parts["changepoint_test"]]).astype(np.float32)
        header = ";".join(["datetime", *parts["columns"], "anomaly", "changepoint"])
        raw = f"data/{name}.csv"
        columns = [np.array(times), *X.T, y, changes]
        content = rebuild(header, ";", columns, registry[raw])
        if content is None:
            continue
        write(tmp_path, raw, content)
        found = fetch_skab(name, data_home=tmp_path, download_if_missing=False)
        assert_same(found, parts)
        np.testing.assert_array_equal(found.changepoint_test, parts["changepoint_test"] == 1)
        assert found.feature_names == list(parts["columns"])
        n_compared += 1
    assert n_compared
