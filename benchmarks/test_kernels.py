"""An epoch of an LSTM autoencoder: the fused kernel, Keras alone, and PyTorch's nn.LSTM.

The three take turns in one process, so that what else the machine does meets all of them. Printed
are medians of wall and processor time, and ratios to the fused kernel. ``ROUNDS`` in the
environment sets the number of turns, 5 by default.
"""

import os
import time
from collections import OrderedDict

import numpy as np
import pytest

from skanomaly import LSTMAutoencoder, architectures, networks
from skanomaly._backend import load_keras
from skanomaly.layers import LSTM, kernels

torch = pytest.importorskip("torch")
keras = load_keras()
ROUNDS = int(os.environ.get("ROUNDS", "5"))
SHAPES = [  # windows, time steps, features, hidden units, batch size
    (89, 1500, 77, 16, 32),
    (2048, 64, 8, 64, 64),
    (4096, 100, 1, 32, 128),
    (1024, 100, 38, 128, 64),
    (8192, 32, 3, 8, 32),
]


class Detector:
    """A detector of ours with one class of LSTM layers, and compiled models of its own."""

    def __init__(self, layer, X, units, batch_size):
        self.layer, self.models = layer, OrderedDict()
        self.use()
        self.detector = LSTMAutoencoder(
            window_size=X.shape[1], hidden_units=units, batch_size=batch_size, random_state=0
        ).partial_fit(X)
        self.sequences = self.detector._check(X)

    def use(self):
        """Let networks be made of this layer, and none be borrowed from elsewhere."""
        architectures.LSTM, networks._idle = self.layer, self.models

    def train(self):
        self.use()
        self.detector._learn(self.sequences, partial=True)


class Loop(torch.nn.Module):
    """The same network in PyTorch, with the training loop that one would write by hand."""

    def __init__(self, X, units, batch_size):
        super().__init__()
        self.windows, self.batch_size = torch.from_numpy(X), batch_size
        self.encoder = torch.nn.LSTM(X.shape[2], units, batch_first=True)
        self.decoder = torch.nn.LSTM(units, units, batch_first=True)
        self.output = torch.nn.Linear(units, X.shape[2])
        self.optimizer = torch.optim.Adam(self.parameters())
        self.train_epoch()

    def forward(self, x):
        encoded, state = self.encoder(x)
        return self.output(self.decoder(encoded, state)[0])

    def train_epoch(self):
        for chosen in torch.randperm(len(self.windows)).split(self.batch_size):
            x = self.windows[chosen]
            self.optimizer.zero_grad()
            torch.nn.functional.mse_loss(self(x), x).backward()
            self.optimizer.step()


@pytest.fixture(autouse=True)
def own_models():
    kept = networks._idle
    yield
    networks._idle, architectures.LSTM = kept, LSTM


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_epoch(shape):
    if kernels.obstacle():
        pytest.skip(kernels.obstacle())
    n_windows, n_steps, n_features, units, batch_size = shape
    X = np.random.default_rng(0).normal(size=(n_windows, n_steps, n_features)).astype(np.float32)
    contenders = {
        "fused": Detector(LSTM, X, units, batch_size).train,
        "Keras": Detector(keras.layers.LSTM, X, units, batch_size).train,
        "nn.LSTM": Loop(X, units, batch_size).train_epoch,
    }
    wall, processor = ({name: [] for name in contenders} for _ in range(2))
    for _ in range(ROUNDS):
        for name, epoch in contenders.items():
            start = time.perf_counter(), time.process_time()
            epoch()
            wall[name].append(time.perf_counter() - start[0])
            processor[name].append(time.process_time() - start[1])
    print(f"\n{shape} on {keras.backend.backend()}, load {os.getloadavg()[0]:.1f}")
    for name in contenders:
        seconds, used = np.median(wall[name]), np.median(processor[name])
        print(
            f"  {name:8} {seconds:7.3f} s, {seconds / np.median(wall['fused']):.2f} times fused; "
            f"processors {used:7.3f} s, {used / np.median(processor['fused']):.2f} times fused"
        )
