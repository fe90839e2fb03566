"""Size of files, and the time to save and load them, against joblib: python -m benchmarks.files."""

import tempfile
import time
from pathlib import Path

import joblib
import numpy as np

from skanomaly import LSTMAutoencoder, NearestWindowDetector, make_detector
from skanomaly.persistence import load, save

REPEATS = 15


def estimators():
    """Yield (name, fitted estimator); networks are trained for one short epoch."""
    steps = np.arange(5000)[:, None]
    X = np.sin(steps / [3, 5, 7, 11]) + 0.1 * np.random.default_rng(0).normal(size=(5000, 4))
    short = {"max_epochs": 1, "max_windows_per_epoch": 200, "random_state": 0}
    yield "LSTMAutoencoder()", LSTMAutoencoder(**short).fit(X)
    yield "LSTMAutoencoder(hidden_units=128)", LSTMAutoencoder(hidden_units=128, **short).fit(X)
    yield "NearestWindowDetector()", NearestWindowDetector(stride=8).fit(X)
    yield "make_detector(X)", make_detector(X, training_windows=200, random_state=0).fit(X)


def seconds(write, read, path):
    """Return the shortest times to write and to read: other work on the machine only adds."""
    spent = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        write(path)
        between = time.perf_counter()
        read(path)
        spent.append((between - start, time.perf_counter() - between))
    return [min(one) for one in zip(*spent, strict=True)]


def main():
    """Print one line per estimator."""
    print(
        f"{'estimator':36}{'kB':>8}{'joblib':>8}{'save ms':>9}{'joblib':>8}{'load':>8}{'joblib':>8}"
    )
    with tempfile.TemporaryDirectory() as folder:
        ours, theirs = Path(folder, "a.skanomaly"), Path(folder, "a.joblib")
        for name, estimator in estimators():
            saved, loaded = seconds(lambda path, one=estimator: save(one, path), load, ours)
            dumped, undumped = seconds(
                lambda path, one=estimator: joblib.dump(one, path), joblib.load, theirs
            )
            sizes = [path.stat().st_size / 1e3 for path in (ours, theirs)]
            times = [1e3 * one for one in (saved, dumped, loaded, undumped)]
            print(
                f"{name:36}{sizes[0]:8.1f}{sizes[1]:8.1f}{times[0]:9.1f}"
                + "".join(f"{one:8.1f}" for one in times[1:])
            )


if __name__ == "__main__":
    main()
