"""An epoch and a scoring of an LSTM autoencoder: the fused kernel, Keras alone, PyTorch's nn.LSTM.

Each contender is a process of its own, so that neither threads nor memory of one touch another,
and they take turns, so that what else the machine does meets all of them. Printed are medians of
wall time and of processor time, and ratios to the first contender.

``ROUNDS`` in the environment sets the number of turns, 7 by default; ``CONTENDERS`` names others
than the default, for example ``"fused-jax keras-jax keras-tensorflow keras-torch fused-torch"``.
"""

import json
import os
import subprocess
import sys

import numpy as np
import pytest

ROUNDS = int(os.environ.get("ROUNDS", "7"))
CONTENDERS = os.environ.get("CONTENDERS", "fused-jax keras-jax nn.LSTM").split()
SHAPES = [
    (89, 1500, 77, 16, 32),
    (2048, 64, 8, 64, 64),
    (4096, 100, 1, 32, 128),
    (1024, 100, 38, 128, 64),
    (8192, 32, 3, 8, 32),
]

WORKER = """
import json
import os
import sys
import time

contender, shape = sys.argv[1], json.loads(sys.argv[2])
os.environ["KERAS_BACKEND"] = contender.split("-")[1] if "-" in contender else "torch"

import numpy as np

n_windows, n_steps, n_features, units, batch_size = shape
X = np.random.default_rng(0).normal(size=(n_windows, n_steps, n_features)).astype(np.float32)

if contender == "nn.LSTM":
    import torch

    class Network(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.encoder = torch.nn.LSTM(n_features, units, batch_first=True)
            self.decoder = torch.nn.LSTM(units, units, batch_first=True)
            self.output = torch.nn.Linear(units, n_features)

        def forward(self, x):
            encoded, state = self.encoder(x)
            return self.output(self.decoder(encoded, state)[0])

    network, windows = Network(), torch.from_numpy(X)
    optimizer = torch.optim.Adam(network.parameters())

    def train():
        for chosen in torch.randperm(n_windows).split(batch_size):
            x = windows[chosen]
            optimizer.zero_grad()
            torch.nn.functional.mse_loss(network(x), x).backward()
            optimizer.step()

    def score():
        with torch.no_grad():
            return torch.cat([((network(x) - x) ** 2).mean((1, 2)) for x in windows.split(256)])
else:
    from skanomaly import LSTMAutoencoder, architectures
    from skanomaly.layers import kernels

    if contender.startswith("fused"):
        assert kernels.obstacle() is None, kernels.obstacle()
    else:
        import keras

        architectures.LSTM = keras.layers.LSTM
    detector = LSTMAutoencoder(
        window_size=n_steps, hidden_units=units, batch_size=batch_size, random_state=0
    ).partial_fit(X)
    sequences = detector._check(X)

    def train():
        detector._learn(sequences, partial=True)

    def score():
        detector.score_samples(X)

for work in (train, score):
    work()
for line in sys.stdin:
    work = {"train": train, "score": score}[line.strip()]
    start = time.perf_counter(), time.process_time()
    work()
    print(time.perf_counter() - start[0], time.process_time() - start[1], flush=True)
"""


class Contender:
    """A process that trains or scores when told to, and says how long that took."""

    def __init__(self, name, shape):
        command = [sys.executable, "-c", WORKER, name, json.dumps(shape)]
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True)

    def time(self, work):
        """Return wall and processor seconds."""
        self.process.stdin.write(f"{work}\n")
        self.process.stdin.flush()
        return [float(part) for part in self.process.stdout.readline().split()]

    def end(self):
        """Let the process end."""
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait()


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_epoch_and_scoring(shape):
    contenders = {name: Contender(name, shape) for name in CONTENDERS}
    try:
        for contender in contenders.values():  # all have compiled before any is timed
            contender.time("train")
        for work in ("train", "score"):
            taken = {name: [] for name in contenders}
            for _ in range(ROUNDS):
                for name, contender in contenders.items():
                    taken[name].append(contender.time(work))
            print(f"\n{shape} {work}, load {os.getloadavg()[0]:.1f}")
            first = np.array(taken[CONTENDERS[0]])
            for name, seconds in taken.items():
                wall, used = np.median(seconds, axis=0)
                ratio = np.median(np.array(seconds) / first, axis=0)
                print(
                    f"  {name:17} {wall:7.3f} s, ratio {ratio[0]:5.2f}; "
                    f"processors {used:7.3f} s, ratio {ratio[1]:5.2f}"
                )
    finally:
        for contender in contenders.values():
            contender.end()
