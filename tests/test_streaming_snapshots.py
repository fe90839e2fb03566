"""Snapshots of streams: what goes on from one is what would have gone on without."""

import errno
import io
import json
import os
import zipfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny import TINY

from skanomaly import (
    LinearForecaster,
    LSTMForecaster,
    MeanDetector,
    NearestWindowDetector,
    ScoreEnsemble,
)
from skanomaly.streaming import Stream, read_snapshot, write_snapshot
from skanomaly.thresholds import DSPOT, SPOT

X_FIT = np.random.default_rng(0).normal(size=(200, 2))
X_NEW = np.random.default_rng(1).normal(size=(60, 2))
X_NEW[20:24] = X_NEW[30, 0] = np.nan
SMOOTH = {"smoothing": "triangular", "smoothing_span": 3, "smoothing_causal": True}
FORECASTER = LSTMForecaster(**TINY | {"max_epochs": 0}, horizon=2).fit(X_FIT)
STREAMS = {
    "linear": Stream(LinearForecaster(lags=(1, 4), **SMOOTH).fit(X_FIT)),
    "nearest": Stream(NearestWindowDetector(window_size=5, aggregation="last").fit(X_FIT)),
    "forecaster": Stream(FORECASTER, threshold=0.5),
    "carried": Stream(FORECASTER, carry_state=True),
    "spot": Stream(MeanDetector(threshold=SPOT(alpha=0.05, level=0.7)).fit(X_FIT), adaptive=True),
    "ensemble": Stream(
        ScoreEnsemble(
            [("linear", LinearForecaster(lags=3, **SMOOTH)), ("mean", MeanDetector())],
            causal=True,
            spans=(1, 4),
        ).fit(X_FIT)
    ),
    "dspot": Stream(MeanDetector(threshold=DSPOT(alpha=0.05, level=0.7)).fit(X_FIT), adaptive=True),
}


def begin(name):
    """Make a new stream: the same again, where it stood before its first step."""
    return Stream.restore(STREAMS[name].detector, STREAMS[name].snapshot())


def assert_equal(found, expected):
    for field, a, b in zip(found._fields, found, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12, err_msg=field)


def assert_plain(thing):
    """Check that there is nothing in a snapshot but what JSON and NumPy know."""
    if isinstance(thing, dict):
        for key, value in thing.items():
            assert type(key) is str
            assert_plain(value)
    elif isinstance(thing, np.ndarray):
        assert thing.dtype.kind in "fi"
    else:
        json.dumps(thing)


@given(moments=st.lists(st.integers(0, 59), unique=True, min_size=1, max_size=4))
@settings(max_examples=6)
@pytest.mark.parametrize("name", STREAMS)
def test_a_stream_goes_on_from_snapshots_at_any_moment(name, moments):
    stream, detector = begin(name), STREAMS[name].detector
    expected = [stream.update(x) for x in X_NEW]
    stream = begin(name)
    for t, x in enumerate(X_NEW):
        if t in moments:
            snapshot = stream.snapshot()
            stream.update(X_NEW)  # which the snapshot must not notice
            stream = Stream.restore(detector, snapshot)
        assert_equal(stream.update(x), expected[t])


@pytest.mark.parametrize("name", STREAMS)
def test_a_file_holds_all_of_a_snapshot(name, tmp_path):
    stream = begin(name)
    stream.update(X_NEW[:25])
    snapshot = stream.snapshot()
    assert_plain(snapshot)
    write_snapshot(snapshot, tmp_path / "stream.npz")
    again = Stream.restore(stream.detector, read_snapshot(tmp_path / "stream.npz"))
    assert again.n_seen == 25
    assert_equal(again.update(X_NEW[25:]), stream.update(X_NEW[25:]))
    assert os.listdir(tmp_path) == ["stream.npz"]


def test_steps_replayed_after_a_crash_are_scored_once():
    stream = begin("linear")
    expected = stream.update(X_NEW)
    stream = begin("linear")
    stream.update(X_NEW[:30], step=0)
    snapshot = stream.snapshot()
    stream.update(X_NEW[30:45], step=30)  # lost with the process
    stream = Stream.restore(stream.detector, snapshot)
    replayed = stream.update(X_NEW[20:], step=20)  # a sender repeats more than is needed
    assert replayed.scored.tolist() == [False] * 10 + [True] * 30
    np.testing.assert_allclose(replayed.score[10:], expected.score[30:])


def test_options_and_thresholds_are_restored():
    stream = Stream(MeanDetector().fit(X_FIT), n_streams=2, late="raise", max_gap=3, threshold=0.25)
    again = Stream.restore(stream.detector, stream.snapshot())
    assert (again.n_streams, again.late, again.max_gap) == (2, "raise", 3)
    result = again.update(np.zeros((2, 2)))
    np.testing.assert_allclose(result.decision - result.score, 0.25)


def test_a_selector_that_was_given_is_given_again():
    detector = MeanDetector().fit(X_FIT)
    selector = SPOT(alpha=0.05, level=0.7).fit(-detector.score_samples(X_FIT))
    stream = Stream(detector, adaptive=True, threshold=selector)
    stream.update(X_NEW)
    with pytest.raises(ValueError, match="threshold must be a fitted SPOT or DSPOT"):
        Stream.restore(detector, stream.snapshot())
    again = Stream.restore(detector, stream.snapshot(), threshold=selector)
    assert_equal(again.update(X_NEW), stream.update(X_NEW))
    drifting = DSPOT(alpha=0.05, level=0.7).fit(-detector.score_samples(X_FIT))
    with pytest.raises(ValueError, match=r"snapshot\['thresholds'\] must hold.*recent_0"):
        Stream.restore(detector, stream.snapshot(), threshold=drifting)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"schema": 2}, "schema 1.*got 2.*version that wrote it"),
        ({"options": {}}, "options"),
        ({"n_seen": -1}, "n_seen"),
        ({"n_seen": 1.5}, "n_seen"),
        ({"detector": {"class": "MeanDetector", "digest": "0"}}, "of this detector"),
        ({"follower": {}}, r"snapshot\['follower'\] must hold \['n_seen', 'past'\]; got \[\]"),
        ({"follower": {"past": np.zeros((1, 4, 2)), "n_seen": np.zeros(1)}}, "dtype int64"),
        ({"follower": {"past": np.zeros((9, 4, 2)), "n_seen": np.zeros(1, int)}}, r"\(1, 4, 2\)"),
    ],
)
def test_other_snapshots_are_refused(change, message):
    snapshot = begin("linear").snapshot() | change
    with pytest.raises(ValueError, match=message):
        Stream.restore(STREAMS["linear"].detector, snapshot)


@pytest.mark.parametrize("snapshot", [{}, None, 3, "stream.npz"])
def test_what_is_no_snapshot_is_refused(snapshot):
    with pytest.raises(ValueError, match=r"snapshot must be a dict.*snapshot\(\)"):
        Stream.restore(STREAMS["linear"].detector, snapshot)


def test_a_detector_fitted_again_is_another():
    other = LinearForecaster(lags=(1, 4), **SMOOTH).fit(X_FIT[:-1])
    with pytest.raises(ValueError, match="one fitted again is another"):
        Stream.restore(other, begin("linear").snapshot())


def test_a_full_disk_leaves_the_older_file_as_it_was(tmp_path, monkeypatch):
    stream, path = begin("linear"), tmp_path / "stream.npz"
    stream.update(X_NEW[:10])
    write_snapshot(stream.snapshot(), path)
    stream.update(X_NEW[10:])

    def refuse(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(OSError, match="No space left"):
        write_snapshot(stream.snapshot(), path)
    assert os.listdir(tmp_path) == ["stream.npz"]
    assert read_snapshot(path)["n_seen"] == 10


def test_damaged_files_are_refused_and_say_which(tmp_path):
    stream, path = begin("dspot"), tmp_path / "stream.npz"
    stream.update(X_NEW)
    write_snapshot(stream.snapshot(), path)
    good, rng = path.read_bytes(), np.random.default_rng(0)
    for i in range(300):
        bad = bytearray(good)
        if i % 3 == 0:
            bad = bad[: rng.integers(len(bad))]
        else:
            for _ in range(rng.integers(1, 10)):
                bad[rng.integers(len(bad))] = rng.integers(256)
        path.write_bytes(bytes(bad))
        told = ""
        try:
            again = Stream.restore(stream.detector, read_snapshot(path))
        except ValueError as error:
            told = str(error)
        else:  # a byte that does not matter, as in the time of a zip entry
            assert again.n_seen == 60
        assert not told or any(word in told for word in ("Take", "Restore", "Load"))


def test_an_array_that_claims_to_be_huge_takes_no_memory(tmp_path):
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        header, {"descr": "<f8", "fortran_order": False, "shape": (2**40,)}
    )
    with zipfile.ZipFile(tmp_path / "stream.npz", "w") as archive:
        archive.writestr("json.npy", header.getvalue())
    with pytest.raises(ValueError, match="0 bytes cannot be an array"):
        read_snapshot(tmp_path / "stream.npz")


@pytest.mark.parametrize("content", ["objects", "no snapshot", "too large", "text"])
def test_foreign_files_are_refused(content, tmp_path, monkeypatch):
    path = tmp_path / "stream.npz"
    if content == "objects":
        np.savez(path, json=np.array([print], dtype=object))
    elif content == "no snapshot":
        np.savez(path, x=np.zeros(3))
    elif content == "text":
        path.write_text("x,y\n1,2\n")
    else:
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("json.npy", bytes(2**22))
        monkeypatch.setattr("skanomaly.streaming._snapshots._MOST_BYTES", 2**20)
    with pytest.raises(ValueError, match=r"path must be that of a snapshot.*stream\.npz"):
        read_snapshot(path)


def test_a_file_that_is_not_there_is_told_as_such(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_snapshot(tmp_path / "stream.npz")
