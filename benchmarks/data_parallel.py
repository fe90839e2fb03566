"""Training on one device and on two virtual ones, by turns, and the rates of training and scoring.

The virtual devices share the cores of this machine: what they cost beside one device is the
overhead of dividing batches, not the gain of a second machine. Rates are for the arithmetic of
docs/guide/scaling.rst; those per second of a core say what work costs, and suffer less from what
else the machine does. Every contender is a process of its own, and they take turns. Run it on an
idle machine::

    python -m benchmarks.data_parallel [--rounds 5] [--output TABLE.csv]
"""

import argparse
import csv
import json
import os
import subprocess
import sys
from time import perf_counter, process_time

import numpy as np

# Time steps of the series, features, window, units, batch: windows start every 16 steps.
SHAPES = [(65_536, 8, 64, 32, 64), (65_536, 8, 64, 32, 256), (65_536, 38, 100, 64, 64)]
STRIDE = 16
#: Contenders: virtual devices, cores, whether batches are divided.
CONTENDERS = {
    "one core": (1, 1, None),
    "two cores": (1, 2, None),
    "two devices on two cores": (2, 2, "data_parallel"),
}
HEADER = (
    "steps, features, window, units, batch", "contender", "training, steps/s",
    "training, steps per core second", "scoring, steps/s", "scoring, steps per core second",
    "training, of two cores", "peak memory, MiB",
)  # fmt: skip


def serve():
    """Do what is asked for line by line: fit a detector, and answer with seconds and memory."""
    import resource

    from skanomaly import LSTMAutoencoder

    for line in sys.stdin:
        (length, n_features, window_size, units, batch_size), distribution = json.loads(line)
        X = np.random.default_rng(0).normal(size=(length, n_features)).astype(np.float32)
        detector = LSTMAutoencoder(
            window_size=window_size,
            stride=STRIDE,
            hidden_units=units,
            batch_size=batch_size,
            distribution=distribution,
            random_state=0,
        ).partial_fit(X[: 64 * window_size])
        sequences = detector._check(X)
        detector._learn(sequences, partial=True)  # compiles; the thresholds have no part in this
        detector.score_samples(X)
        times = [(perf_counter(), process_time())]
        detector._learn(sequences, partial=True)
        times.append((perf_counter(), process_time()))
        detector.score_samples(X)
        times.append((perf_counter(), process_time()))
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(json.dumps([*np.diff(times, axis=0).ravel(), peak]), flush=True)


def start_contender(n_devices, n_cores, _):
    """Start a process that has so many devices and cores."""
    environment = os.environ | {
        "KERAS_BACKEND": "jax",
        "JAX_PLATFORMS": "cpu",
        "XLA_FLAGS": f"--xla_force_host_platform_device_count={n_devices}",
    }
    cores = sorted(os.sched_getaffinity(0))[:n_cores]
    return subprocess.Popen(
        [sys.executable, "-m", "benchmarks.data_parallel", "--serve"],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: os.sched_setaffinity(0, cores),
    )


def ask(process, shape, distribution):
    """Let a process have its turn; the others wait."""
    process.stdin.write(json.dumps([shape, distribution]) + "\n")
    process.stdin.flush()
    answer = process.stdout.readline()
    if not answer:
        raise RuntimeError(f"a contender ended with status {process.wait()} during {shape}")
    return json.loads(answer)


def rows(rounds):
    """Yield the rows of the table: medians over the rounds."""
    processes = {name: start_contender(*how) for name, how in CONTENDERS.items()}
    try:
        for shape in SHAPES:
            taken = {name: [] for name in CONTENDERS}
            for _ in range(rounds):
                for name, process in processes.items():
                    taken[name].append(ask(process, shape, CONTENDERS[name][2]))
            whole = np.array(taken["two cores"])[:, 0]
            for name, turns in taken.items():
                *seconds, peak = np.array(turns).T
                yield (
                    ", ".join(map(str, shape)),
                    name,
                    *(f"{shape[0] / np.median(s):,.0f}" for s in seconds),
                    f"{np.median(seconds[0] / whole):.2f}",
                    f"{peak.max():.0f}",
                )
    finally:
        for process in processes.values():
            process.stdin.close()
            process.wait()


def main():
    """Print the table, and write it where asked to."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5, help="turns of each contender")
    parser.add_argument("--output", help="write the table to this CSV file")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve()
        return 0
    table = [HEADER]
    print(" | ".join(HEADER))
    for row in rows(options.rounds):
        print(" | ".join(row), flush=True)
        table.append(row)
    if options.output:
        with open(options.output, "w", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows(table)
    return 0


if __name__ == "__main__":
    sys.exit(main())
