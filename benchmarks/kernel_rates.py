"""How fast the fused kernel computes, and what share of the machine's rate an epoch reaches.

For each shape: floating-point operations of a training epoch of ``LSTMAutoencoder``, operations per
byte that must move, the rate of the kernels alone on one core, the rate of the whole epoch, and its
share of the rate of a large product of matrices on all cores. Run it on an idle machine::

    KERAS_BACKEND=jax python -m benchmarks.kernel_rates [--output TABLE.csv]
"""

import argparse
import csv
import sys
import time

import numpy as np

from benchmarks.cases import NETWORKS, name_of
from skanomaly import LSTMAutoencoder
from skanomaly.layers.kernels import _layout, _numba

ROUNDS = 9
HEADER = (
    "windows, steps, features, units, batch", "Gflop", "flop per byte",
    "kernels, Gflop/s per core", "epoch, Gflop/s", "share of peak",
)  # fmt: skip


def seconds(work):
    """Median time of a call, the first left out."""
    work()
    taken = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        work()
        taken.append(time.perf_counter() - start)
    return np.median(taken)


def peak():
    """Operations per second of a large product of matrices, on all cores."""
    n = 2048
    a = np.random.default_rng(0).normal(size=(n, n)).astype(np.float32)
    return 2 * n**3 / seconds(lambda: a @ a)


def counts(n_windows, n_steps, n_features, units):
    """Operations of an epoch of training, and bytes of windows and kept arrays, moved once each."""
    rows = n_windows * n_steps
    flop = 2 * rows * 4 * units * (2 * n_features + 9 * units) + 6 * rows * units * n_features
    return flop, 4 * rows * (2 * 6 * units * 2 + 8 * n_features)


def layer(batch, n_steps, n_inputs, units, wants_dx):
    """Make work that runs the loops of one layer, forward and backward, in this thread."""
    rng = np.random.default_rng(0)

    def draw(*shape):
        return rng.normal(scale=0.1, size=shape).astype(np.float32)

    x, kernel = draw(batch, n_steps, n_inputs), draw(1, n_inputs, 4 * units)
    recurrent, bias, h, c = draw(1, units, 4 * units), draw(1, 4 * units), *draw(2, batch, units)
    mask, nothing = np.zeros((0, 0), bool), np.zeros((0, 0, 0), np.float32)
    drops = [np.zeros((0, 0), np.float32)] * 2
    sizes = batch, n_steps, n_inputs, units, 1
    shapes = *_layout.layout(*sizes, True), _layout.layout_of_backward(*sizes)
    gates, cs, scratch, scratch_back = (np.zeros(shape, np.float32) for shape in shapes)
    hs, dhs, last = draw(batch, n_steps, units), draw(batch, n_steps, units), draw(2, batch, units)
    added = np.zeros((len(scratch), n_inputs + units + 1, 4 * units), np.float32)
    dx = np.zeros_like(x) if wants_dx else nothing

    def work():
        for piece in range(len(scratch)):
            _numba.forward(
                x, mask, kernel, recurrent, bias, h, c, *drops, gates, hs, cs, *last, scratch, piece
            )
        for piece in range(len(scratch)):
            _numba.backward(
                x, mask, kernel, recurrent, h, c, *drops, gates, hs, cs, dhs, h, c,
                dx, *last, added, scratch_back, piece,
            )  # fmt: skip

    return work


def measure(shape, most):
    """Return a row of the table."""
    n_windows, n_steps, n_features, units, batch = shape
    flop, n_bytes = counts(*shape[:4])
    in_output = 6 * n_windows * n_steps * units * n_features
    alone = sum(
        seconds(layer(batch, n_steps, n, units, wants_dx))
        for n, wants_dx in ((n_features, False), (units, True))
    )
    alone *= n_windows / batch
    X = np.random.default_rng(0).normal(size=shape[:3]).astype(np.float32)
    detector = LSTMAutoencoder(
        window_size=n_steps, hidden_units=units, batch_size=batch, random_state=0
    ).partial_fit(X)
    sequences = detector._check(X)
    epoch = seconds(lambda: detector._learn(sequences, partial=True))
    return [
        name_of(shape),
        f"{flop / 1e9:.1f}",
        f"{flop / n_bytes:.0f}",
        f"{(flop - in_output) / alone / 1e9:.0f}",
        f"{flop / epoch / 1e9:.0f}",
        f"{flop / epoch / most:.0%}",
    ]


def main():
    """Print the table, and write it where asked to."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", help="write the table to this CSV file")
    output = parser.parse_args().output
    most = peak()
    print(f"a product of matrices on all cores: {most / 1e9:.0f} Gflop/s")
    rows = [measure(shape, most) for shape in NETWORKS]
    for row in [HEADER, *rows]:
        print("  ".join(f"{cell:>26}" for cell in row))
    if output:
        with open(output, "w", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows(rows)
    return 0


if __name__ == "__main__":
    sys.exit(main())
