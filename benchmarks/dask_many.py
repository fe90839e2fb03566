"""What fit_many costs: against a loop in one process, per entity, and in memory of the client.

Each way of fitting has its turn in every round, so that what else the machine does meets all of
them; medians are reported. Run it on an idle machine::

    KERAS_BACKEND=jax python -m benchmarks.dask_many [--rounds 3] [--tiny 300] [--large 48]
        [--networks 8] [--many 5000] [--output TABLE.csv]
"""

import argparse
import csv
import functools
import os
import sys
import tempfile
import threading
import time

import dask
import numpy as np
import psutil
from distributed import Client, LocalCluster
from sklearn.base import clone

from skanomaly import LinearForecaster, LSTMAutoencoder, MeanDetector
from skanomaly.dask import fit_many

HEADER = ("case", "entities", "way", "ms per entity", "entities per s", "times a loop")


def load(n_timesteps, n_features, seed):
    """Make the series of an entity, (n_timesteps, n_features), where it is needed."""
    return np.random.default_rng(seed).normal(size=(n_timesteps, n_features))


def make_groups(n_entities, *shape):
    """Make entity -> a callable that makes its series."""
    return {f"sensor {i}": functools.partial(load, *shape, i) for i in range(n_entities)}


def loop(detector, groups):
    """Fit one after the other, as one would without fit_many."""
    return {name: clone(detector).fit(X()) for name, X in groups.items()}


def compare(case, detector, groups, client, rounds):
    """Return rows of the table for ways to fit a detector to groups, after one turn to warm up."""
    many = functools.partial(fit_many, detector, groups, progress=False)

    def with_store():
        with tempfile.TemporaryDirectory() as folder:
            many(client=client, store=folder)

    ways = {
        "loop": lambda: loop(detector, groups),
        "fit_many, this process": many,
        "fit_many, 2 workers": lambda: many(client=client),
        "fit_many, 2 workers, 32 tasks per thread": lambda: many(
            client=client, tasks_per_thread=32
        ),
        "fit_many, 2 workers, store": with_store,
    }
    seconds = {name: [] for name in ways}
    for _ in range(rounds + 1):
        for name, way in ways.items():
            start = time.perf_counter()
            way()
            seconds[name].append(time.perf_counter() - start)
    rows = []
    for name, taken in seconds.items():
        taken = np.array(taken[1:])
        ratio = np.median(np.array(seconds["loop"][1:]) / taken)
        each = np.median(taken) / len(groups)
        rows.append(
            (case, len(groups), name, f"{1e3 * each:.2f}", f"{1 / each:.1f}", f"{ratio:.2f}")
        )
    return rows


def memory(n_entities, client, folder):
    """Fit many trivial entities: (seconds, processor seconds and MiB that this process took)."""
    process, most, done = psutil.Process(), 0, threading.Event()
    before = process.memory_info().rss

    def watch():
        nonlocal most
        while not done.wait(0.05):
            most = max(most, process.memory_info().rss - before)

    watcher = threading.Thread(target=watch)
    watcher.start()
    start, processor = time.perf_counter(), time.process_time()
    groups = make_groups(n_entities, 200, 2)
    fitted = fit_many(MeanDetector(), groups, client=client, store=folder, progress=False)
    seconds, processor = time.perf_counter() - start, time.process_time() - processor
    done.set()
    watcher.join()
    assert len(fitted) == n_entities
    return seconds, processor, most / 2**20


def report_memory(n_entities, client):
    """Print what many entities take, new, from a store, and without one."""
    with tempfile.TemporaryDirectory() as folder:
        for name, store in (("store", folder), ("same store again", folder), ("no store", None)):
            seconds, processor, most = memory(n_entities, client, store)
            print(
                f"{n_entities} entities, {name}: {1e3 * seconds / n_entities:.2f} ms per entity, "
                f"client and scheduler: {1e3 * processor / n_entities:.2f} ms of processor time "
                f"per entity, grew by {most:.0f} MiB",
                flush=True,
            )


def main():
    """Print the table and what many entities take; write the table where asked to."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--tiny", type=int, default=300, help="entities of a trivial detector")
    parser.add_argument("--large", type=int, default=48, help="entities of a linear detector")
    parser.add_argument("--networks", type=int, default=8, help="entities of a network")
    parser.add_argument("--many", type=int, default=5000, help="entities to measure memory with")
    parser.add_argument("--output", help="write the table to this CSV file")
    options = parser.parse_args()
    network = LSTMAutoencoder(window_size=32, hidden_units=16, max_epochs=5, random_state=0)
    cases = [
        ("mean, 200 x 2", MeanDetector(), make_groups(options.tiny, 200, 2)),
        ("linear, 20000 x 8", LinearForecaster(lags=16), make_groups(options.large, 20_000, 8)),
        ("network, 2000 x 2", network, make_groups(options.networks, 2000, 2)),
    ]
    env = {"KERAS_BACKEND": os.environ.get("KERAS_BACKEND", "jax"), "OMP_NUM_THREADS": "1"}
    with (
        tempfile.TemporaryDirectory() as folder,
        dask.config.set({"temporary-directory": folder}),
        LocalCluster(
            n_workers=2, threads_per_worker=1, host="127.0.0.1", env=env,
            dashboard_address="127.0.0.1:0",
        ) as cluster,
        Client(cluster) as client,
    ):  # fmt: skip
        rows = []
        for case, detector, groups in cases:
            if groups:
                rows += compare(case, detector, groups, client, options.rounds)
                for row in rows[-5:]:
                    print("  ".join(f"{cell!s:>18}" for cell in row), flush=True)
        if options.many:
            report_memory(options.many, client)
    if options.output:
        with open(options.output, "w", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows([HEADER, *rows])
    return 0


if __name__ == "__main__":
    sys.exit(main())
