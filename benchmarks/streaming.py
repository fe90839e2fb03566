"""What a new time step costs: ``python -m benchmarks.streaming --output docs/guide/streams.csv``.

Streams of fitted detectors, a call of their Keras model per step, and ``score_samples`` of the last
window per step, as who has no stream would do. All take turns; medians are printed, of wall and of
processor time, and the file gets the latter, which other work on the machine changes less. Streams
per core are those that one core follows at one step per second each.
"""

import argparse
import csv
from pathlib import Path

import numpy as np

from benchmarks.turns import timed
from skanomaly import (
    LinearForecaster,
    LSTMAutoencoder,
    LSTMForecaster,
    NearestWindowDetector,
    Seq2SeqLSTMAutoencoder,
)
from skanomaly.layers import kernels
from skanomaly.streaming import Stream

N_FEATURES, MANY = 8, 100


def make_detectors(window_size, hidden_units):
    """Fit the detectors; of networks the weights need no training to be timed."""
    X = np.random.default_rng(0).normal(size=(2000, N_FEATURES)).astype(np.float32)
    network = {
        "window_size": window_size,
        "hidden_units": hidden_units,
        "max_epochs": 0,
        "random_state": 0,
        "aggregation": "last",
    }
    detectors = [
        LSTMAutoencoder(**network),
        Seq2SeqLSTMAutoencoder(**network),
        LSTMForecaster(**network),
        LinearForecaster(),
        NearestWindowDetector(window_size=window_size, aggregation="last"),
    ]
    return X, [detector.fit(X) for detector in detectors]


def follow(stream, X):
    """Return work that takes in the next step."""
    steps = np.broadcast_to(X[:, None], (len(X), stream.n_streams, X.shape[1]))
    steps = steps[:, 0] if stream.n_streams == 1 else steps
    stream.update(np.moveaxis(steps[: stream.warm_up + 1], 0, -2))
    at = 0

    def work():
        nonlocal at
        at = (at + 1) % len(X)
        stream.update(steps[at])

    return work


def contenders(detector, X):
    """Return works by name, each of one step."""
    works = {}
    carried = [False, True] if isinstance(detector, LSTMForecaster) else [False]
    if hasattr(detector, "hidden_units"):
        engines = ["numpy"] if kernels.array_obstacle() else ["numba", "numpy"]
    else:
        engines = ["auto"]
    for carry in carried:
        for engine in engines:
            options = {"carry_state": carry, "engine": engine}
            name = " ".join(["stream", *(["carried"] * carry), *([engine] * (engine != "auto"))])
            works[name] = follow(Stream(detector, **options), X)
            if engine != "numpy":
                works[f"{name}, {MANY} together"] = follow(
                    Stream(detector, n_streams=MANY, **options), X
                )
    window = X[: getattr(detector, "window_size_", 11)]
    if hasattr(detector, "model_"):
        model, batch = detector.model_, window[None]
        works["Keras model(window)"] = lambda: np.asarray(model(batch))
        works["Keras predict_on_batch"] = lambda: model.predict_on_batch(batch)
    works["score_samples"] = lambda: detector.score_samples(window)
    return works


def measure(detector, X, rounds):
    """Yield (detector, work, microseconds of wall time, of processor time), per step and stream."""
    works = {name: timed(work) for name, work in contenders(detector, X).items()}
    for work in works.values():  # compiles, and finds how often to repeat
        work()
        work()
    taken = {name: [] for name in works}
    for _ in range(rounds):
        for name, work in works.items():
            taken[name].append(work())
    for name, seconds in taken.items():
        wall, processor = np.median(seconds, axis=0) * 1e6
        share = MANY if "together" in name else 1
        yield type(detector).__name__, name, wall / share, processor / share


def main():
    """Measure, print, and write the table of the guide where that is asked for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.streaming", description=__doc__)
    parser.add_argument("--window-size", type=int, default=64)
    parser.add_argument("--hidden-units", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--output", type=Path, help="a CSV file")
    chosen = parser.parse_args()
    X, detectors = make_detectors(chosen.window_size, chosen.hidden_units)
    rows = [("detector", "what runs", "microseconds per step", "streams per core")]
    for detector in detectors:
        for name, work, wall, processor in measure(detector, X, chosen.rounds):
            print(f"{name:24}{work:36}wall {wall:10.1f}   processor {processor:10.1f}", flush=True)
            rows.append(
                (name, work, f"{float(f'{processor:.3g}'):g}", int(float(f"{1e6 / processor:.2g}")))
            )
    if chosen.output is not None:
        with chosen.output.open("w", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows(rows)


if __name__ == "__main__":
    main()
