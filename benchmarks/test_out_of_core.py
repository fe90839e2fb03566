"""Windows of data larger than memory: how fast they are fed, and how much memory that takes.

The data are sparse: files of 3 GB that hold nothing but zeros and take no room. What is measured is
the work of the package, not of a disk.
"""

import itertools
import json
import subprocess
import sys

import h5py
import numpy as np
import pytest
import zarr
from sklearn.base import BaseEstimator

from benchmarks.turns import timed
from skanomaly.batches import WindowBatches
from skanomaly.sequences import check_sequences
from skanomaly.windows import Windows

N_BYTES, N_FEATURES, SIZE, BATCH = 3 * 10**9, 8, 100, 256
N_TIMESTEPS = N_BYTES // (4 * N_FEATURES)
# Time steps per chunk of zarr and h5py: 4 MiB, of which a shelf holds two.
CHUNK = 2**17
N_BATCHES = 400


class Reader(BaseEstimator):
    """What check_sequences sets attributes of."""


def _memmap(folder):
    shape = (N_TIMESTEPS, N_FEATURES)
    return np.lib.format.open_memmap(folder / "X.npy", "w+", np.float32, shape)


def _zarr(folder):
    # Noise in the first chunks, so that there is something to decompress.
    options = {"shape": (8 * CHUNK, N_FEATURES), "chunks": (CHUNK, N_FEATURES), "dtype": "float32"}
    array = zarr.create_array(folder / "X.zarr", **options)
    array[:] = np.random.default_rng(0).normal(size=array.shape).astype(np.float32)
    return array


def _h5py(folder):
    noise = np.random.default_rng(0).normal(size=(8 * CHUNK, N_FEATURES)).astype(np.float32)
    file = h5py.File(folder / "X.h5", "w")
    return file.create_dataset("X", data=noise, chunks=(CHUNK, N_FEATURES), compression="lzf")


def _in_memory(folder):
    return np.random.default_rng(0).normal(size=(8 * CHUNK, N_FEATURES)).astype(np.float32)


def _feed(X):
    sequences = check_sequences(Reader(), X, reset=True, stored=True)
    batches = WindowBatches(Windows(sequences, SIZE, 1), BATCH)
    epochs = itertools.count()

    def feed():
        batches.shuffle(np.random.SeedSequence(next(epochs)))
        for i in range(N_BATCHES):
            batches.gather(i)

    return feed


def test_feed(turns, tmp_path):
    stores = {"in memory": _in_memory, "numpy.memmap": _memmap, "zarr": _zarr, "h5py": _h5py}
    works = {name: timed(_feed(make(tmp_path))) for name, make in stores.items()}
    turns(f"feeding {N_BATCHES * BATCH} windows of stored data", f"{SIZE} x {N_FEATURES}", works)


MEMORY = """
import itertools
import json
import sys
import threading
import time

import numpy as np
import psutil

from skanomaly import LSTMAutoencoder, PersistenceDetector

path, out_path, n_bytes, n_features = sys.argv[1], sys.argv[2], *map(int, sys.argv[3:])
shape = n_bytes // (4 * n_features), n_features
X = np.lib.format.open_memmap(path, "w+", np.float32, shape)
out = np.lib.format.open_memmap(out_path, "w+", np.float64, shape[:1])


def anonymous():
    info = psutil.Process().memory_full_info()
    return (info.rss - info.shared) / 2**20


def watch():
    while True:
        peaks[-1] = max(peaks[-1], anonymous())
        time.sleep(0.01)


peaks = [0.0]
threading.Thread(target=watch, daemon=True).start()
network = LSTMAutoencoder(
    window_size=100, stride=100, hidden_units=4, max_epochs=1, max_windows_per_epoch=20_000,
    batch_size=256, random_state=0,
)
growth = {}
for detector in (network, PersistenceDetector()):
    detector.fit(X[:40_000]).score_samples(X[:40_000])  # imports and compiles
    before = anonymous()
    peaks = []
    for work in (lambda: detector.fit(X), lambda: detector.score_samples(X, out=out)):
        peaks.append(0.0)
        work()
    growth[type(detector).__name__] = [peak - before for peak in peaks]
print(json.dumps(growth))
"""


@pytest.mark.parametrize("n_features", [8, 64])
def test_memory(benchmark, n_features, tmp_path):
    command = [sys.executable, "-c", MEMORY, tmp_path / "X.npy", tmp_path / "out.npy"]
    command = [str(part) for part in [*command, N_BYTES, n_features]]
    benchmark.group = "memory beside 3 GB of data"
    done = benchmark.pedantic(
        lambda: subprocess.run(command, capture_output=True, text=True, check=True), rounds=1
    )
    benchmark.extra_info["rows"] = [
        {
            "group": benchmark.group,
            "case": f"{what}, {n_features} features",
            "name": detector,
            "peer": False,
            "mib": mib,
        }
        for detector, growth in json.loads(done.stdout).items()
        for what, mib in zip(("fit", "scoring"), growth, strict=True)
    ]
    assert max(row["mib"] for row in benchmark.extra_info["rows"]) < 100
