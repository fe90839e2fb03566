"""Arrays on disk, which are read in parts: the same results, and the same manners."""

import subprocess
import sys

import h5py
import numpy as np
import pytest
import zarr
from sklearn.base import clone
from tiny import NETWORKS, TINY, by_class, tiny_detectors

from skanomaly import LSTMAutoencoder, PersistenceDetector, sequences
from skanomaly.detectors import _calibration
from skanomaly.preprocessing import Differencer
from skanomaly.stored import Stored

detectors = pytest.mark.parametrize("detector", tiny_detectors(), ids=by_class)
networks = pytest.mark.parametrize("network", NETWORKS)
METHODS = [
    "score_samples", "decision_function", "predict", "score_timesteps", "predict_timesteps",
    "score_features", "reconstruct",
]  # fmt: skip


def as_memmap(folder, X, order="C"):
    path = folder / f"{len(list(folder.iterdir()))}.npy"
    np.save(path, np.asarray(X, order=order))
    return np.load(path, mmap_mode="r")


def as_zarr(folder, X, chunks=None):
    path = folder / f"{len(list(folder.iterdir()))}.zarr"
    chunks = chunks or tuple(min(n, 7) for n in X.shape)
    array = zarr.create_array(path, shape=X.shape, chunks=chunks, dtype=X.dtype)
    array[...] = X
    return array


def as_h5py(folder, X):
    file = h5py.File(folder / f"{len(list(folder.iterdir()))}.h5", "w")
    return file.create_dataset("X", data=X, chunks=tuple(min(n, 7) for n in X.shape))


STORES = {
    "memmap": as_memmap,
    "Fortran memmap": lambda folder, X: as_memmap(folder, X, order="F"),
    "zarr": as_zarr,
    "h5py": as_h5py,
}
stores = pytest.mark.parametrize("store", STORES.values(), ids=STORES)


@pytest.fixture
def small_blocks(monkeypatch):
    """Let a few rows be many."""
    monkeypatch.setattr(sequences, "_BLOCK", 16)


def gapped(X):
    X = np.array(X)
    X[np.random.default_rng(0).random(X.shape) < 0.2] = np.nan
    return X


def assert_equal(a, b):
    if isinstance(b, list):
        assert len(a) == len(b)
        for one, other in zip(a, b, strict=True):
            np.testing.assert_array_equal(one, other)
    else:
        np.testing.assert_array_equal(a, b)


@detectors
@stores
@pytest.mark.parametrize("form", ["series", "panel", "ragged"])
@pytest.mark.parametrize("change", [np.asarray, gapped], ids=["whole", "gaps"])
def test_results_are_those_of_arrays_in_memory(
    detector, store, form, change, request, tmp_path, small_blocks
):
    X = request.getfixturevalue(form)
    X = [change(part) for part in X] if form == "ragged" else change(X)
    on_disk = [store(tmp_path, part) for part in X] if form == "ragged" else store(tmp_path, X)
    expected, fitted = clone(detector).fit(X), clone(detector).fit(on_disk)
    assert fitted.threshold_ == expected.threshold_
    for method in METHODS:
        assert_equal(getattr(fitted, method)(on_disk), getattr(expected, method)(X))
    again = clone(detector).partial_fit(on_disk).partial_fit(on_disk)
    assert_equal(
        again.score_samples(X), clone(expected).partial_fit(X).partial_fit(X).score_samples(X)
    )


@pytest.mark.contract
@networks
def test_whole_series_on_disk(network, ragged, tmp_path):
    options = TINY | {"window_size": None}
    on_disk = [as_zarr(tmp_path, part) for part in ragged]
    expected, fitted = network(**options).fit(ragged), network(**options).fit(on_disk)
    assert_equal(fitted.score_features(on_disk), expected.score_features(ragged))


@pytest.mark.parametrize("dtype", ["int16", "uint8", "float64", "float16", ">f4", "bool"])
def test_every_numeric_dtype(dtype, series, tmp_path):
    X = (series * 20 + 30).astype(dtype)
    detector = LSTMAutoencoder(**TINY).fit(X)
    for store in (as_memmap, as_zarr, as_h5py):
        if (store, dtype) == (as_zarr, ">f4"):
            continue  # zarr stores native byte order only
        assert_equal(detector.score_samples(store(tmp_path, X)), detector.score_samples(X))


@pytest.mark.parametrize("options", [
    {"window_size": "auto"}, {"early_stopping": True}, {"max_windows_per_epoch": 20},
    {"stride": 3, "aggregation": "median"}, {"score_norm": "standardised"},
], ids=str)  # fmt: skip
@pytest.mark.parametrize("form", ["series", "ragged"])
def test_options_work_on_disk(options, form, request, tmp_path):
    X = request.getfixturevalue(form)
    on_disk = [as_h5py(tmp_path, x) for x in X] if form == "ragged" else as_h5py(tmp_path, X)
    detector = LSTMAutoencoder(**TINY | options)
    expected, fitted = clone(detector).fit(X), clone(detector).fit(on_disk)
    assert fitted.window_size_ == expected.window_size_
    assert_equal(fitted.score_samples(on_disk), expected.score_samples(X))


def test_transformers_load_what_is_on_disk(series, panel, tmp_path):
    for X in (series, panel):
        for store in STORES.values():
            assert_equal(
                Differencer().fit_transform(store(tmp_path, X)), Differencer().fit_transform(X)
            )


# ------------------------------------------------------------------------------- given results


def empty_like(result, store, folder):
    if isinstance(result, list):
        return [empty_like(part, store, folder) for part in result]
    zeros = np.zeros_like(result)
    if store is np.asarray:
        return zeros
    if store is as_memmap:
        shape = zeros.shape
        path = folder / f"{len(list(folder.iterdir()))}.npy"
        return np.lib.format.open_memmap(path, "w+", zeros.dtype, shape)
    return store(folder, zeros)


@pytest.mark.parametrize("store", [np.asarray, np.asfortranarray, as_memmap, as_zarr, as_h5py])
@pytest.mark.parametrize("form", ["series", "panel", "ragged"])
def test_scores_are_written_into_given_arrays(store, form, request, tmp_path, small_blocks):
    X = request.getfixturevalue(form)
    detector = PersistenceDetector().fit(X)
    for method in METHODS:
        expected = getattr(detector, method)(X)
        if store is np.asfortranarray:
            out = (
                [np.zeros_like(part, order="F") for part in expected]
                if isinstance(expected, list)
                else np.zeros_like(expected, order="F")
            )
        else:
            out = empty_like(expected, store, tmp_path)
        assert getattr(detector, method)(X, out=out) is out
        assert_equal([part[...] for part in out] if isinstance(out, list) else out[...], expected)


def test_single_precision_results(series):
    detector = PersistenceDetector().fit(series)
    out = detector.score_samples(series, out=np.empty(60, np.float32))
    np.testing.assert_allclose(out, detector.score_samples(series), rtol=1e-6)


BAD_OUT = {
    "shape": ("score_samples", np.empty(59), r"of shape \(60,\) and a floating dtype; got ndarray "
              r"of shape \(59,\) and dtype float64. Use for example np.empty\(\(60,\)"),
    "dtype": ("score_samples", np.empty(60, int), "floating dtype; got ndarray .* dtype int64"),
    "labels": ("predict", np.empty(60), "an integer dtype; got ndarray .* dtype float64"),
    "features": ("score_features", np.empty(60), r"shape \(60, 2\)"),
    "a list": ("score_samples", [0.0] * 60, "got list of length 60"),
}  # fmt: skip


@pytest.mark.parametrize(("method", "out", "message"), BAD_OUT.values(), ids=BAD_OUT)
def test_wrong_results_are_refused(method, out, message, series):
    detector = PersistenceDetector().fit(series)
    with pytest.raises(ValueError, match=message):
        getattr(detector, method)(series, out=out)


def test_results_of_a_list_need_a_list(ragged):
    detector = PersistenceDetector().fit(ragged)
    with pytest.raises(ValueError, match="out must be a list of 3 arrays, one per series"):
        detector.score_timesteps(ragged, out=np.empty(60))
    with pytest.raises(ValueError, match=r"out\[1\] must be .* of shape \(12,\)"):
        detector.score_timesteps(ragged, out=[np.empty(25)] * 3)


# ----------------------------------------------------------------------------------- refusals


def test_groups_and_closed_files_are_refused(series, tmp_path):
    group = zarr.open_group(tmp_path / "group.zarr", mode="w")
    group.create_array("values", data=series)
    message = r"got a zarr Group that holds \['values'\]. Give one.*X\['values'\]"
    with pytest.raises(ValueError, match=message):
        PersistenceDetector().fit(group)
    with pytest.raises(ValueError, match=r"X\[1\] must be an array; got a zarr Group"):
        PersistenceDetector().fit([series, group])
    dataset = as_h5py(tmp_path, series)
    with pytest.raises(ValueError, match=r"got a h5py File that holds \['X'\]"):
        PersistenceDetector().fit(dataset.file)
    detector = PersistenceDetector().fit(dataset)
    dataset.file.close()
    with pytest.raises(ValueError, match="X must be an open h5py dataset.*Open the file again"):
        detector.score_samples(dataset)


@pytest.mark.parametrize("value", [np.inf, 1e300])
@stores
def test_infinite_values_on_disk_are_found(value, store, series, tmp_path, small_blocks):
    series[37, 1] = value
    with pytest.raises(ValueError, match="got 1 of them, the first at time step 37, feature 1"):
        PersistenceDetector().fit(store(tmp_path, series))


@stores
def test_gaps_only_on_disk(store, tmp_path, small_blocks):
    with pytest.raises(ValueError, match=r"X\[1\] must have at least one observed value"):
        PersistenceDetector().fit(
            store(tmp_path, np.stack([np.zeros((9, 1)), np.full((9, 1), np.nan)]))
        )


def test_wrong_shapes_on_disk(series, tmp_path):
    with pytest.raises(ValueError, match="got 1, shape"):
        PersistenceDetector().fit(as_zarr(tmp_path, series[:, 0]))
    with pytest.raises(ValueError, match=r"at least one series.*got shape \(0, 2\)"):
        PersistenceDetector().fit(as_zarr(tmp_path, series[:0], chunks=(1, 2)))
    with pytest.raises(ValueError, match=r"same features; got 2 in X\[0\] and 1 in X\[1\]"):
        PersistenceDetector().fit([as_zarr(tmp_path, series), as_zarr(tmp_path, series[:, :1])])
    with pytest.raises(ValueError, match="X has 1 features, but PersistenceDetector is expecting"):
        PersistenceDetector().fit(series).predict(as_zarr(tmp_path, series[:, :1]))


# -------------------------------------------------------------------------------- large inputs


def test_reading_a_part_of_a_panel(tmp_path):
    X = np.arange(4 * 5 * 2.0).reshape(4, 5, 2)
    flat = X.reshape(20, 2)
    rows = Stored.of([as_zarr(tmp_path, X), as_memmap(tmp_path, flat[:3])])
    expected = np.concatenate([flat, flat[:3]])
    for start in range(23):
        for stop in range(start + 1, 24):
            np.testing.assert_array_equal(rows.read(start, stop), expected[start:stop])
            np.testing.assert_array_equal(rows[start:stop], expected[start:stop])


@pytest.mark.parametrize("score_norm", ["squared", "standardised"])
@pytest.mark.parametrize("form", ["series", "panel"])
def test_thresholds_of_long_data_come_from_an_even_part(score_norm, form, monkeypatch):
    X = np.random.default_rng(0).normal(size=(40_000, 2))
    X = X if form == "series" else X.reshape(400, 100, 2)
    detector = PersistenceDetector(contamination=0.1, score_norm=score_norm)
    whole = clone(detector).fit(X)
    monkeypatch.setattr(_calibration, "_STEPS", 4000)
    monkeypatch.setattr(_calibration, "_RESIDUALS", 3000)
    part = clone(detector).fit(X)
    assert part.threshold_ != whole.threshold_
    assert part.threshold_ == pytest.approx(whole.threshold_, rel=0.15)
    assert part.step_threshold_ == pytest.approx(whole.step_threshold_, rel=0.15)
    np.testing.assert_allclose(part.error_scale_, whole.error_scale_, rtol=0.1)


MEMORY = """
import sys
import numpy as np
import psutil

from skanomaly import LSTMAutoencoder


def anonymous():
    info = psutil.Process().memory_full_info()
    return (info.rss - info.shared) / 2**20


n_timesteps = 2_000_000
X = np.lib.format.open_memmap(sys.argv[1], "w+", np.float32, (n_timesteps, 64))
out = np.lib.format.open_memmap(sys.argv[2], "w+", np.float64, (n_timesteps,))
options = {"window_size": 100, "stride": 100, "hidden_units": 2, "random_state": 0}
detector = LSTMAutoencoder(**options, max_epochs=1, max_windows_per_epoch=5000)
detector.fit(X[:20_000]).score_samples(X[:20_000])  # imports and compiles
before = anonymous()
detector.fit(X)
fitted = anonymous()
detector.score_samples(X, out=out)
print(fitted - before, anonymous() - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="counts anonymous memory as Linux does")
def test_memory_does_not_grow_with_the_data(tmp_path):
    # 512 MB, all zero: a file with one hole, which takes no room on the disk.
    command = [sys.executable, "-c", MEMORY, tmp_path / "X.npy", tmp_path / "out.npy"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    growth = [float(number) for number in done.stdout.split()]
    assert max(growth) < 100
