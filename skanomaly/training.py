"""The fit loop and the forward pass: windows in, weights or reconstructions out."""

import copy
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta

import numpy as np
from threadpoolctl import threadpool_limits

from skanomaly._backend import load_keras
from skanomaly.networks import build, compiled, initial_weights
from skanomaly.windows import fill_gaps

keras = load_keras()

__all__ = ["EarlyStopping", "State", "build_model", "new_state", "reconstruct", "train"]


@dataclass
class State:
    """All that training changes, as NumPy arrays and numbers."""

    weights: list
    optimizer: list | None = None
    n_epochs: int = 0
    history: dict = field(default_factory=dict)


@dataclass(frozen=True)
class EarlyStopping:
    """When to stop, in scikit-learn's words, and the windows that decide."""

    windows: object
    n_iter_no_change: int
    tol: float


def new_state(network, seed):
    """Draw the weights of an untrained network."""
    return State(initial_weights(build(network), np.random.RandomState(seed)))


def build_model(network, weights):
    """Make a Keras model with the given weights, for the user to keep."""
    model = build(network)
    model.set_weights(weights)
    return model


# ------------------------------------------------------------------------------------ training


def train(
    state,
    windows,
    *,
    network,
    recipe,
    learning_rate,
    max_epochs,
    batch_size,
    seed,
    early_stopping=None,
    callbacks=(),
    verbose=0,
):
    """Train for up to `max_epochs` more epochs.

    Order and noise of an epoch depend on `seed` and its number alone, so that n epochs in one call
    equal n calls of one epoch.

    Returns
    -------
    state : State
        A new one; the given one is left as it was.
    """
    epochs = state.n_epochs + max_epochs
    with _quiet_torch(), compiled(network, recipe) as lent:
        lent.reset(state.weights, learning_rate, state.optimizer)
        feeder = _Feeder(windows, batch_size, network)
        loop = [_EachEpoch(feeder, lent, seed)]
        validation = None
        if early_stopping is not None:
            validation = _Feeder(early_stopping.windows, batch_size, network)
            loop.append(
                keras.callbacks.EarlyStopping(
                    monitor="val_loss",
                    min_delta=early_stopping.tol,
                    patience=early_stopping.n_iter_no_change,
                    restore_best_weights=True,
                )
            )
        if verbose:
            loop.append(_Progress(epochs))
        history = lent.model.fit(
            feeder,
            validation_data=validation,
            initial_epoch=state.n_epochs,
            epochs=epochs,
            callbacks=[*loop, *copy.deepcopy(list(callbacks))],
            shuffle=False,
            verbose=0,
        )
        trained = State(
            [np.array(w) for w in lent.model.get_weights()],
            lent.read_optimizer(),
            state.n_epochs + len(history.epoch),
            {k: state.history.get(k, []) + v for k, v in history.history.items()},
        )
    return trained


class _Feeder(keras.utils.PyDataset):
    """Windows in batches of one shape; the last batch is filled up with weight zero."""

    def __init__(self, windows, batch_size, network):
        super().__init__()
        self.windows = windows
        self.batch_size = batch_size
        self.network = network
        self.order = np.arange(len(windows))
        # Keras divides by the number of all values fed; this makes it that of the observed ones,
        # so that each of them weighs the same wherever padding and gaps fall.
        fed = len(self) * batch_size * windows.window_size * network.n_features
        self.weight = np.float32(fed / max(windows.n_values, 1))

    def __len__(self):
        return -(-len(self.order) // self.batch_size)

    def __getitem__(self, index):
        numbers = self.order[index * self.batch_size : (index + 1) * self.batch_size]
        x, mask = _gather(self.windows, numbers, self.batch_size)
        return _inputs(x, mask, self.network), x, mask * self.weight


def _inputs(x, mask, network):
    """Arrange what the network reads; gaps in x (batch, time, features) are filled."""
    inputs = {"x": fill_gaps(x)}
    if network.indicator:
        inputs["observed"] = (~np.isnan(x) & mask[:, :, None]).astype(np.float32)
    if network.masked:
        inputs["mask"] = mask
    return inputs["x"] if len(inputs) == 1 else inputs


def _gather(windows, numbers, batch_size):
    """Gather windows and fill up to the batch size: x (batch, time, features), mask."""
    x, mask = windows.gather(numbers)
    missing = batch_size - len(numbers)
    if missing:
        x = np.concatenate([x, np.zeros((missing, *x.shape[1:]), x.dtype)])
        mask = np.concatenate([mask, np.zeros((missing, mask.shape[1]), bool)])
    return x, mask


class _EachEpoch(keras.callbacks.Callback):
    """Set order and noise at the start of an epoch; refuse a loss that is no number at its end."""

    def __init__(self, feeder, lent, seed):
        super().__init__()
        self.feeder, self.lent, self.seed = feeder, lent, seed

    def on_epoch_begin(self, epoch, logs=None):
        order, noise = np.random.SeedSequence([self.seed, epoch]).spawn(2)
        self.feeder.order = np.random.default_rng(order).permutation(len(self.feeder.order))
        self.lent.seed(int(noise.generate_state(1)[0]))

    def on_epoch_end(self, epoch, logs=None):
        loss = (logs or {}).get("loss", 0.0)
        if not np.isfinite(loss):
            raise ValueError(
                f"The training loss must stay finite; got {loss} in epoch {epoch + 1}. Scale the "
                "data first, for example with SequenceTransformer(StandardScaler()), or use a "
                "smaller learning_rate or an optimizer with clipnorm."
            )


class _Progress(keras.callbacks.Callback):
    """One line on standard error: epochs, losses and time left."""

    def __init__(self, epochs):
        super().__init__()
        self.epochs = epochs

    def on_train_begin(self, logs=None):
        self.start, self.done = time.monotonic(), 0
        self.in_place = sys.stderr.isatty() or "ipykernel" in sys.modules

    def on_epoch_end(self, epoch, logs=None):
        self.done += 1
        left = (time.monotonic() - self.start) / self.done * (self.epochs - epoch - 1)
        losses = "  ".join(f"{name} {value:.4g}" for name, value in (logs or {}).items())
        filled = round(20 * (epoch + 1) / self.epochs)
        line = (
            f"epoch {epoch + 1}/{self.epochs} [{'=' * filled:<20}]  {losses}  "
            f"{timedelta(seconds=round(left))} left"
        )
        sys.stderr.write(f"\r{line:<78}" if self.in_place else f"{line}\n")
        sys.stderr.flush()

    def on_train_end(self, logs=None):
        if self.in_place and self.done:
            sys.stderr.write("\n")


# ---------------------------------------------------------------------------------- forward pass


def reconstruct(windows, *, network, recipe, weights):
    """Yield (x, reconstruction), each (n_batch, window_size, n_features), in window order.

    The network always sees batches of one size, so that what is said of a window does not depend
    on how many others there are.
    """
    batch_size = _scoring_batch(network.window_size)
    with _quiet_torch(), compiled(network, recipe) as lent:
        lent.model.set_weights(weights)
        for first in range(0, len(windows), batch_size):
            numbers = np.arange(first, min(first + batch_size, len(windows)))
            x, mask = _gather(windows, numbers, batch_size)
            y = lent.model.predict_on_batch(_inputs(x, mask, network))
            yield x[: len(numbers)], y[: len(numbers)]


def _scoring_batch(window_size):
    """Choose a batch large enough to use the machine, small enough for one short request."""
    return int(np.clip(16384 // window_size, 32, 256))


@contextmanager
def _quiet_torch():
    """Keep PyTorch from spinning and from drawing on the user's random state.

    Its threads wait in a loop when other work has the cores, and its data loader draws a seed.
    """
    if keras.backend.backend() != "torch":
        yield
        return
    import torch

    with threadpool_limits(1, "openmp"), torch.random.fork_rng(devices=[]):
        yield
