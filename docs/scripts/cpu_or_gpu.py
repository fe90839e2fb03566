"""Does a GPU pay for this network? Time a fit and a scoring on the CPU and on the GPU.

Each device has a process of its own, one after the other, so that neither takes memory or threads
from the other. What compiles at its first use has done so before the clock starts. Without a GPU
only the CPU is measured.

    KERAS_BACKEND=jax python cpu_or_gpu.py
    KERAS_BACKEND=jax python cpu_or_gpu.py --shape 20000 100 38 128 1024 --rounds 5
    KERAS_BACKEND=torch python cpu_or_gpu.py --small      # seconds, to see that it works

A shape is the number of windows, their time steps, features, hidden units and the batch size.
Printed are the device, the LSTM layer that ran ("fused" on CPUs with Numba, else "keras"), and the
median of the rounds, in seconds: of a training epoch of LSTMAutoencoder and of a scoring of all
windows.
"""

import argparse
import json
import os
import subprocess
import sys
from time import perf_counter

import numpy as np

#: Windows, time steps, features, hidden units, batch size.
SHAPES = [
    (8192, 32, 3, 8, 32),
    (2048, 64, 8, 64, 64),
    (2048, 64, 8, 64, 512),
    (4096, 100, 38, 128, 64),
    (4096, 100, 38, 128, 512),
]
#: What keeps JAX, PyTorch and TensorFlow off the GPU.
CPU_ONLY = {"JAX_PLATFORMS": "cpu", "CUDA_VISIBLE_DEVICES": "-1"}


def find_device():
    """Name the device that Keras uses in this process: "cpu", "gpu" and the like."""
    import keras

    backend = keras.backend.backend()
    if backend == "jax":
        import jax

        return jax.default_backend()
    if backend == "torch":
        import torch

        return "gpu" if torch.cuda.is_available() else "cpu"
    import tensorflow

    return "gpu" if tensorflow.config.list_physical_devices("GPU") else "cpu"


def serve(shape, rounds):
    """Time one shape in this process, and print what was found as JSON."""
    from skanomaly import LSTMAutoencoder
    from skanomaly.layers import kernels

    n_windows, n_timesteps, n_features, units, batch_size = shape
    X = np.random.default_rng(0).normal(size=(n_windows, n_timesteps, n_features))
    X = X.astype(np.float32)
    epochs = 3
    detector = LSTMAutoencoder(
        window_size=n_timesteps,
        hidden_units=units,
        batch_size=batch_size,
        max_epochs=epochs,
        random_state=0,
    )
    few = X[: max(batch_size, 512)]
    detector.fit(few).score_samples(few)  # compiles
    fits, scorings = [], []
    for _ in range(rounds):
        start = perf_counter()
        untrained = detector.set_params(max_epochs=0).fit(X)
        middle = perf_counter()
        fitted = untrained.set_params(max_epochs=epochs).fit(X)
        # What both fits have in common, checks and thresholds, is no part of training.
        fits.append((perf_counter() - middle - (middle - start)) / epochs)
        start = perf_counter()
        fitted.score_samples(X)
        scorings.append(perf_counter() - start)
    device = find_device()
    layer = "keras" if kernels.obstacle() else "fused"
    print(json.dumps([device, layer, float(np.median(fits)), float(np.median(scorings))]))


def ask(shape, rounds, variables):
    """Start a process and return what it found: device, layer, training, scoring."""
    answer = subprocess.run(
        [sys.executable, __file__, "--serve", json.dumps([shape, rounds])],
        env=os.environ | variables,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return json.loads(answer.stdout.splitlines()[-1])


def measure(shapes, rounds):
    """Print and return a row for every shape and device."""
    rows = []
    heading = "windows, steps, features, units, batch"
    print(f"{heading:40}{'device':8}{'layer':8}{'epoch':>9}{'score':>9}")
    for shape in shapes:
        found = [ask(shape, rounds, {})]
        if found[0][0] != "cpu":
            found.insert(0, ask(shape, rounds, CPU_ONLY))
        for device, layer, training, scoring in found:
            name = ", ".join(map(str, shape))
            rows.append((name, device, layer, training, scoring))
            print(f"{name:40}{device:8}{layer:8}{training:9.3f}{scoring:9.3f}", flush=True)
    if all(row[1] == "cpu" for row in rows):
        print("The backend sees no GPU here: all rows are of the CPU.")
    return rows


def main(arguments=None):
    """Measure the shapes that were asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shape", type=int, nargs=5, help="measure this shape alone")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--small", action="store_true", help="one tiny shape, one round")
    parser.add_argument("--serve", help=argparse.SUPPRESS)
    chosen = parser.parse_args(arguments)
    if chosen.serve:
        return serve(*json.loads(chosen.serve))
    if chosen.small:
        return measure([(64, 8, 2, 4, 16)], 1)
    return measure([tuple(chosen.shape)] if chosen.shape else SHAPES, chosen.rounds)


if __name__ == "__main__":
    main()
