"""How equal are the scores of one random state elsewhere, and how far do random states differ?

Two tables. The first fits the same detector, with the same random state, in processes that differ
in one thing: the number of threads, the kernel, the backend, the devices that train. "bits" says
whether the weights are equal to the last bit to those of the first row, "weights" and "scores" are
the largest differences, of scores as a share of the largest score, and "labels" counts time steps
whose label differs.

The second fits a detector with several random states on the same series, and with ensembles of
networks. It shows the mean and the standard deviation of how well anomalies are ranked.

    python same_results.py                 # some minutes
    python same_results.py --small         # seconds, for a look
"""

import argparse
import importlib.util
import json
import os
import subprocess
import sys

import numpy as np

EPOCHS, SMALL_EPOCHS = 20, 2
#: What differs: environment variables, cores, and whether the fused kernel may run.
PLACES = {
    "JAX": ({"KERAS_BACKEND": "jax"}, None, True),
    "the same again": ({"KERAS_BACKEND": "jax"}, None, True),
    "on one core": ({"KERAS_BACKEND": "jax"}, 1, True),
    "the layers of Keras": ({"KERAS_BACKEND": "jax"}, None, False),
    "two virtual devices": (
        {"KERAS_BACKEND": "jax", "XLA_FLAGS": "--xla_force_host_platform_device_count=2"},
        None,
        True,
    ),
    "PyTorch": ({"KERAS_BACKEND": "torch"}, None, True),
    "TensorFlow": ({"KERAS_BACKEND": "tensorflow"}, None, True),
}


def make_data():
    """Make the series that everything here is fitted on."""
    from skanomaly.datasets import make_series

    return make_series(n_train=2000, n_test=2000, noise=0.2, random_state=0)


def serve(epochs, fused, divided):
    """Fit once, and print weights, scores and labels as JSON: run in a process of its own."""
    from skanomaly import LSTMAutoencoder

    if not fused:
        import keras

        from skanomaly import architectures

        architectures.LSTM = keras.layers.LSTM
    data = make_data()
    detector = LSTMAutoencoder(
        stride=4,
        batch_size=16,
        max_epochs=epochs,
        distribution="data_parallel" if divided else None,
        random_state=0,
    ).fit(data.X_train)
    found = {
        "weights": np.concatenate([w.ravel() for w in detector.weights_]).tolist(),
        "scores": detector.score_samples(data.X_test).tolist(),
        "labels": detector.predict(data.X_test).tolist(),
    }
    print(json.dumps(found))


def ask(place, epochs):
    """Start a process elsewhere and return what it found: dict of arrays."""
    variables, n_cores, fused = PLACES[place]
    divided = "XLA_FLAGS" in variables
    command = [sys.executable, __file__, "--serve", json.dumps([epochs, fused, divided])]
    cores = os.sched_getaffinity(0)
    if n_cores:
        os.sched_setaffinity(0, sorted(cores)[:n_cores])  # which the process inherits
    try:
        answer = subprocess.run(
            command, env=os.environ | variables, stdout=subprocess.PIPE, text=True, check=True
        )
    finally:
        os.sched_setaffinity(0, cores)
    return {name: np.array(values) for name, values in json.loads(answer.stdout).items()}


def compare_places(places, epochs):
    """Print and return how far each place differs from the first: list of tuple."""
    first, rows = ask(places[0], epochs), []
    print(f"{'':22}{'bits':>8}{'weights':>10}{'scores':>10}{'labels':>8}")
    for place in places[1:]:
        other = ask(place, epochs)
        row = (
            place,
            bool((other["weights"] == first["weights"]).all()),
            float(np.abs(other["weights"] - first["weights"]).max()),
            float(np.abs(other["scores"] - first["scores"]).max() / np.abs(first["scores"]).max()),
            int(np.sum(other["labels"] != first["labels"])),
        )
        rows.append(row)
        print(f"{row[0]:22}{'equal' if row[1] else '':>8}{row[2]:10.1g}{row[3]:10.1g}{row[4]:8}")
    return rows


def compare_states(n_states, epochs):
    """Print and return the spread over random states: list of (name, n, mean, std)."""
    from skanomaly import LSTMAutoencoder, Seq2SeqLSTMAutoencoder
    from skanomaly.metrics import average_precision

    data, rows = make_data(), []
    options = {"stride": 4, "batch_size": 16, "max_epochs": epochs}
    for detector in (
        LSTMAutoencoder(**options),
        Seq2SeqLSTMAutoencoder(**options),
        LSTMAutoencoder(**options, n_estimators=5),
    ):
        found = []
        for state in range(n_states):
            scores = detector.set_params(random_state=state).fit(data.X_train)
            found.append(average_precision(data.y_test, -scores.score_samples(data.X_test)))
        name = f"{type(detector).__name__}, {detector.n_estimators} network(s)"
        rows.append((name, n_states, float(np.mean(found)), float(np.std(found, ddof=1))))
        low, high = min(found), max(found)
        print(f"{name:40}{rows[-1][2]:7.3f} +- {rows[-1][3]:.3f}  ({low:.3f} to {high:.3f})")
    return rows


def main(arguments=None):
    """Measure and print both tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--small", action="store_true", help="little training, two places")
    parser.add_argument("--states", type=int, default=10, help="random states to fit with")
    parser.add_argument("--serve", help=argparse.SUPPRESS)
    chosen = parser.parse_args(arguments)
    if chosen.serve:
        return serve(*json.loads(chosen.serve))
    epochs = SMALL_EPOCHS if chosen.small else EPOCHS
    places = [
        name
        for name, (variables, _, _) in PLACES.items()
        if importlib.util.find_spec(variables["KERAS_BACKEND"])
    ]
    first = compare_places(places[:2] if chosen.small else places, epochs)
    return first, compare_states(2 if chosen.small else chosen.states, epochs)


if __name__ == "__main__":
    main()
