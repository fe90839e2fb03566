"""What scoring on Dask costs: ``python -m benchmarks.dask_scoring``.

Scoring in memory in one process and scoring by a cluster of two processes take turns, and the ratio
of their wall times is printed, for several lengths of chunks. A second cluster scores a series that
is made as it is read, so that what its workers hold can be watched: two series, the second four
times as long, must need the same.
"""

import argparse
import time

import dask.array as da
import numpy as np
import psutil
from distributed import Client, LocalCluster

from skanomaly import LinearForecaster, LSTMAutoencoder
from skanomaly.dask import score_samples

N_FEATURES = 8


def read_arguments():
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.dask_scoring", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="turns of each way")
    parser.add_argument("--steps", type=int, default=200_000, help="time steps that are scored")
    parser.add_argument("--memory-steps", type=int, default=2_000_000, help="for the memory")
    parser.add_argument("--window", type=int, default=64)
    parser.add_argument("--networks", action="store_true", help="an LSTM autoencoder, too")
    return parser.parse_args()


def detectors(chosen):
    """Fit what is measured."""
    X = np.random.default_rng(0).normal(size=(4000, N_FEATURES)).astype(np.float32)
    found = {"LinearForecaster": LinearForecaster(lags=10)}
    if chosen.networks:
        found["LSTMAutoencoder"] = LSTMAutoencoder(
            window_size=chosen.window, stride=8, max_epochs=1, random_state=0
        )
    return {name: one.fit(X) for name, one in found.items()}


def seconds(work):
    """Wall time of one call, and its result."""
    start = time.perf_counter()
    result = work()
    return time.perf_counter() - start, result


def compare(chosen, client, name, detector):
    """Print the ratios of wall times."""
    X = np.random.default_rng(1).normal(size=(chosen.steps, N_FEATURES)).astype(np.float32)
    (lent,) = client.scatter([X], broadcast=True)
    for chunk in (chosen.steps // 20, chosen.steps // 4):
        blocks = [
            da.from_delayed(
                _cut(lent, start, chunk), (min(chunk, chosen.steps - start), N_FEATURES), X.dtype
            )
            for start in range(0, chosen.steps, chunk)
        ]
        scores = score_samples(detector, da.concatenate(blocks))
        taken = []
        for turn in range(chosen.rounds + 1):
            alone, expected = seconds(lambda: detector.score_samples(X))
            lazily, found = seconds(lambda scores=scores: client.compute(scores).result())
            assert np.array_equal(found, expected)
            if turn:  # the first compiles
                taken.append((alone, lazily))
        alone, lazily = np.median(taken, axis=0)
        ratio = np.median([b / a for a, b in taken])
        print(
            f"{name}: chunks of {chunk}: {alone:.3f} s in one process, {lazily:.3f} s by two; "
            f"ratio {ratio:.2f}"
        )


def _cut(lent, start, chunk):
    import dask

    return dask.delayed(lambda X: X[start : start + chunk])(lent)


def watch(chosen, client, name, detector):
    """Print the most memory that a worker took beyond what it had after the first chunks."""
    chunk = 50_000
    for steps in (chosen.memory_steps // 4, chosen.memory_steps):
        X = da.random.default_rng(0).normal(size=(steps, N_FEATURES), chunks=(chunk, N_FEATURES))
        workers = [psutil.Process(pid) for pid in client.run(_pid).values()]
        client.compute(score_samples(detector, X[: 2 * chunk]).sum()).result()
        before = [one.memory_info().rss for one in workers]
        future = client.compute(score_samples(detector, X).sum())
        peaks = list(before)
        while not future.done():
            peaks = [max(p, one.memory_info().rss) for p, one in zip(peaks, workers, strict=True)]
            time.sleep(0.02)
        grown = max(p - b for p, b in zip(peaks, before, strict=True)) / 2**20
        print(
            f"{name}: {steps} time steps in chunks of {chunk}, "
            f"{chunk * N_FEATURES * 8 / 2**20:.1f} MiB each: "
            f"a worker grew by at most {grown:.0f} MiB, to {max(peaks) / 2**20:.0f} MiB"
        )


def _pid():
    import os

    return os.getpid()


def main():
    """Measure and print."""
    chosen = read_arguments()
    with (
        LocalCluster(
            n_workers=2, threads_per_worker=1, host="127.0.0.1", dashboard_address=None
        ) as cluster,
        Client(cluster) as client,
    ):
        for name, detector in detectors(chosen).items():
            compare(chosen, client, name, detector)
            watch(chosen, client, name, detector)


if __name__ == "__main__":
    main()
