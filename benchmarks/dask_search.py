"""Searches on a Dask cluster beside one process and loky: time, memory and a worker that is killed.

``python -m benchmarks.dask_search`` starts two worker processes on this machine. All ways take
turns within a round; ratios are taken within a round and their median is printed. Each way has
searched once before, so that networks are compiled. Run it on an idle machine of two cores or more.
"""

import argparse
import logging
import os
import resource
import signal
import statistics
import sys
import tempfile
import threading
import time

import dask
import joblib
import numpy as np
from dask.distributed import Client, LocalCluster
from sklearn.model_selection import GridSearchCV, TimeSeriesSplit

from skanomaly import LSTMAutoencoder, MeanDetector
from skanomaly._backend import choose_backend
from skanomaly.dask import search_backend

N_WORKERS = 2
FOLDS = 3
NETWORK = {"window_size": 32, "hidden_units": 16, "batch_size": 64, "random_state": 0}


def network_search(n_candidates, max_epochs):
    """Search over learning rates, which all have the same compiled network."""
    rates = np.geomspace(1e-4, 1e-1, n_candidates).tolist()
    detector = LSTMAutoencoder(**NETWORK, max_epochs=max_epochs)
    return _search(detector, {"learning_rate": rates})


def empty_search(n_candidates):
    """Search over something whose fits take next to no time."""
    return _search(MeanDetector(), {"smoothing_span": list(range(1, n_candidates + 1))})


def _search(detector, grid):
    return GridSearchCV(detector, grid, cv=TimeSeriesSplit(FOLDS, gap=32), refit=False)


def seconds(search, X, how):
    """Fit the search in one way and return its wall seconds."""
    with how():
        start = time.perf_counter()
        search.fit(X)
    return time.perf_counter() - start


def compare(search, X, ways, rounds):
    """Return the wall seconds of each round for each way, which must agree in their scores."""
    taken = {name: [] for name in ways}
    for turn in range(rounds + 1):
        scores = []
        for name, how in ways.items():
            wall = seconds(search, X, how)
            scores.append(search.cv_results_["mean_test_score"])
            if turn:  # the first compiles
                taken[name].append(wall)
        for other in scores[1:]:
            np.testing.assert_array_equal(other, scores[0])
    return taken


def peak_memory():
    """Return the most bytes that this process has had in memory."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def with_a_kill(search, X, how, client, after):
    """Fit the search, one worker being killed so many seconds after its start; return seconds."""
    killer = threading.Timer(after, os.kill, (_workers(client)[0], signal.SIGKILL))
    killer.start()
    wall = seconds(search, X, how)
    killer.join()
    return wall


def _workers(client):
    """Wait until all workers answer and return their process ids."""
    while len(found := client.run(os.getpid, on_error="ignore")) < N_WORKERS:
        time.sleep(0.05)
    return list(found.values())


def report(title, taken, n_fits):
    """Print a line per way: median seconds and ratio to the first."""
    first = next(iter(taken.values()))
    print(f"\n{title}: {n_fits} fits, {len(first)} rounds, medians")
    print(f"{'':14}{'seconds':>10}{'ms per fit':>12}{'of one process':>16}{'of its half':>13}")
    for name, walls in taken.items():
        middle = statistics.median(walls)
        ratio = statistics.median(np.divide(walls, first))
        of_half = "" if walls is first else f"{ratio * N_WORKERS:>13.2f}"
        print(f"{name:14}{middle:>10.2f}{1000 * middle / n_fits:>12.1f}{ratio:>16.2f}{of_half}")


def main():
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--candidates", type=int, default=20, help="candidates of each search")
    parser.add_argument("--epochs", type=int, default=10, help="epochs of each network")
    parser.add_argument("--steps", type=int, default=4000, help="time steps of the series")
    parser.add_argument("--rounds", type=int, default=5, help="turns of each way")
    options = parser.parse_args()
    n_fits = FOLDS * options.candidates
    X = np.random.default_rng(0).normal(size=(options.steps, 4)).cumsum(axis=0)
    environment = {"KERAS_BACKEND": choose_backend(), "OMP_NUM_THREADS": "1"}
    with (
        tempfile.TemporaryDirectory() as folder,
        # On a busy machine a killed worker may take more than the usual 15 s to start again.
        dask.config.set({"distributed.deploy.lost-worker-timeout": 120}),
        LocalCluster(
            n_workers=N_WORKERS,
            threads_per_worker=1,
            host="127.0.0.1",
            dashboard_address="127.0.0.1:0",
            local_directory=folder,
            env=environment,
            silence_logs=logging.CRITICAL,
        ) as cluster,
        Client(cluster) as client,
    ):

        def on_dask():
            return search_backend(client)

        ways = {
            "one process": lambda: joblib.parallel_config(backend="sequential"),
            "loky": lambda: joblib.parallel_config(backend="loky", n_jobs=N_WORKERS),
            "Dask": on_dask,
        }
        idle = client.run(peak_memory)
        taken = compare(empty_search(options.candidates), X, ways, options.rounds)
        report("fits of no work", taken, n_fits)
        search = network_search(options.candidates, options.epochs)
        taken = compare(search, X, ways, options.rounds)
        report("networks", taken, n_fits)
        print("\nmost memory of a worker, MB")
        print(f"started     {max(idle.values()) / 1e6:8.0f}")
        print(f"searched    {max(client.run(peak_memory).values()) / 1e6:8.0f}")
        whole = statistics.median(taken["Dask"])
        expected = search.cv_results_["mean_test_score"]
        print("\none of two workers is killed, seconds")
        print(f"{'at':>8}{'search':>10}{'more than undisturbed':>24}")
        for share in (0.1, 0.5, 0.9):
            wall = with_a_kill(search, X, on_dask, client, share * whole)
            np.testing.assert_array_equal(search.cv_results_["mean_test_score"], expected)
            print(f"{share * whole:>8.2f}{wall:>10.2f}{wall - whole:>24.2f}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
