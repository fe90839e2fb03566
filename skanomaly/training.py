"""The fit loop and the forward pass: windows in, weights or reconstructions out."""

import copy
import functools
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta

import numpy as np
from threadpoolctl import threadpool_limits

from skanomaly._backend import load_keras
from skanomaly.batches import SeriesBatches, WindowBatches, bucket_sizes
from skanomaly.networks import (
    Pace,
    build,
    compiled,
    find_devices,
    initial_weights,
    set_weights,
    spread,
)
from skanomaly.reseeding import draw_weights
from skanomaly.windows import fill_gaps

keras = load_keras()

__all__ = [
    "EarlyStopping",
    "State",
    "build_model",
    "find_devices",
    "new_state",
    "reconstruct",
    "reconstruct_series",
    "say",
    "train",
]

# Values of whole series that are reconstructed before they are handed on: 32 MiB in float32.
_TURN = 2**23
# Values of windows that are handed on together: 1 MiB in float32.
_PART = 2**18
# Bytes of an array that takes longer to copy than to tell JAX where it is.
_LARGE = 2**20
# Bytes of batches that may wait for the network.
_QUEUE = 2**24
# Batches that JAX lets wait for the network.
_MOST_WAITING = 32
# Windows of the smallest batch, for one step, of what others are multiples of, and of the largest.
_FEWEST_WINDOWS, _FEW_WINDOWS, _MANY_WINDOWS = 4, 32, 2**11
# Time steps of a large batch, and values of a layer's output for it: fewer take less time than what
# comes with each batch, more than 8 MiB of float32 leave the caches.
_STEPS, _LEAST_STATES, _MOST_STATES = 2**15, 2**19, 2**21
# Small batches between which Keras need not look after its state, which takes as long as they do.
_BATCHES_AT_ONCE = 8 if keras.backend.backend() == "jax" else 1


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
    random_state = np.random.RandomState(seed)
    if network.is_own:
        return State(draw_weights(functools.partial(build, network), random_state))
    return State(initial_weights(build(network), random_state, network.n_members))


def build_model(network, weights):
    """Make a Keras model with the given weights, for the user to keep."""
    model = build(network)
    set_weights(model, weights)
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
    max_windows_per_epoch=None,
    early_stopping=None,
    callbacks=(),
    verbose=0,
    devices=(),
):
    """Train for up to `max_epochs` more epochs.

    Order and noise of an epoch depend on `seed` and its number alone, so that n epochs in one call
    equal n calls of one epoch. With `devices`, as from :func:`find_devices`, each of them computes
    its share of every batch.

    Returns
    -------
    state : State
        A new one; the given one is left as it was.
    """
    epochs = state.n_epochs + max_epochs
    batches = _batches(windows, batch_size, max_windows_per_epoch, devices)
    feeder = _Feeder(batches, network, recipe)
    feeders = [feeder]
    pace = _KeepPace(feeder)
    # Callbacks of the user are called after every batch.
    together = _BATCHES_AT_ONCE if pace.every >= _MOST_WAITING and not callbacks else 1
    pace_of_model = Pace(together, bool(callbacks))
    with _quiet_torch(), compiled(network, recipe, pace_of_model, devices) as lent:
        feeder.loss_inside = lent.loss_inside
        lent.reset(state.weights, learning_rate, state.optimizer)
        loop = [_EachEpoch(feeders, lent, seed)]
        if pace.every < _MOST_WAITING:
            loop.append(pace)
        validation = None
        if early_stopping is not None:
            batches = _batches(early_stopping.windows, batch_size, None, devices)
            validation = _Feeder(batches, network, recipe)
            validation.weigh_all()
            validation.loss_inside = lent.loss_inside
            feeders.append(validation)
            loop.append(
                keras.callbacks.EarlyStopping(
                    monitor="val_loss",
                    min_delta=early_stopping.tol,
                    patience=early_stopping.n_iter_no_change,
                    restore_best_weights=True,
                    # While the objective changes, losses of epochs cannot be compared.
                    start_from_epoch=recipe.kl[1] if recipe.kl else 0,
                )
            )
        if verbose:
            loop.append(_Progress(epochs))
        with spread(devices):
            history = lent.trainer.fit(
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


def _batches(windows, batch_size, limit, devices):
    # Every device gets as many rows as the others; those that are added count nothing.
    kind = SeriesBatches if windows.window_size is None else WindowBatches
    return kind(windows, batch_size, limit, max(1, len(devices)))


class _Feeder(keras.utils.PyDataset):
    """Batches in the shape that Keras trains on."""

    def __init__(self, batches, network, recipe):
        super().__init__()
        self.batches = batches
        self.network = network
        self.recipe = recipe
        self.per_row = None  # observed values per row, where those of all batches weigh the same
        self.loss_inside = False  # whether the model makes the loss itself
        self.set_epoch(0)

    def __len__(self):
        return len(self.batches)

    def set_epoch(self, epoch):
        """Set what of the objective depends on the number of the epoch."""
        self.kl_weight = None if self.recipe.kl is None else self.recipe.kl_weight(epoch)

    def weigh_all(self):
        """Let every observed value of all batches weigh the same, not of each batch."""
        observed = n_rows = 0
        for i in range(len(self)):
            x, mask, _ = self.batches.gather(i)
            observed += self._count(x, mask)[0]
            n_rows += len(x)  # by which Keras weighs batches, however long their rows are
        self.per_row = observed / n_rows

    def __getitem__(self, index):
        x, mask, _ = self.batches.gather(index)
        # Keras divides by the number of all values fed; this makes it that of the observed ones,
        # so that neither padding nor gaps ever count.
        if self.per_row is not None:
            share = self.per_row / x[0].size
        else:
            observed, fed = self._count(x, mask)
            share = observed / fed
        weight = np.float32(1 / share if share else 0)
        gaps = self.batches.windows.sequences.missing
        inputs, counts = _inputs(x, mask, self.network, gaps), mask * weight
        if not self.loss_inside:
            return inputs, self._target(x), counts
        inputs = inputs if isinstance(inputs, dict) else {"x": inputs}
        return (inputs | {"counts": counts},)

    def _target(self, x):
        if self.kl_weight is not None:
            x = np.concatenate([x, np.full_like(x[:, :, :1], self.kl_weight)], axis=2)
        return x if self.network.n_members == 1 else x[:, :, None]

    def _count(self, x, mask):
        """Count the observed values of a batch, and all that are fed."""
        observed = int(np.count_nonzero(mask)) * x.shape[2]
        if self.batches.windows.sequences.missing:
            observed -= int(np.count_nonzero(np.isnan(x)))
        return observed, x.size


def _inputs(x, mask, network, gaps):
    """Arrange what the network reads; `gaps` in x (batch, time, features), if any, are filled."""
    if network.fills_padding:
        x = np.where(mask[:, :, None], x, np.float32(np.nan))
    filled = fill_gaps(x, network.causal) if gaps or network.fills_padding else x
    inputs = {"x": _shared(filled)}
    if network.indicator:
        inputs["observed"] = (~np.isnan(x) & mask[:, :, None]).astype(np.float32)
    if network.masked:
        inputs["mask"] = mask
    return inputs["x"] if len(inputs) == 1 else inputs


def _shared(x):
    """Let JAX use the memory of a large array: given to a compiled function, it would be copied."""
    if keras.backend.backend() != "jax" or x.nbytes < _LARGE:
        return x
    if keras.distribution.distribution() is not None:
        return x  # Keras gives each device its rows
    import jax

    return jax.device_put(x)


class _EachEpoch(keras.callbacks.Callback):
    """Set order and noise at the start of an epoch; refuse a loss that is no number at its end."""

    def __init__(self, feeders, lent, seed):
        super().__init__()
        self.feeders, self.lent, self.seed = feeders, lent, seed  # the first is of training

    def on_epoch_begin(self, epoch, logs=None):
        order, noise = np.random.SeedSequence([self.seed, epoch]).spawn(2)
        self.feeders[0].batches.shuffle(order)
        for feeder in self.feeders:
            feeder.set_epoch(epoch)
        self.lent.seed(int(noise.generate_state(1)[0]))

    def on_epoch_end(self, epoch, logs=None):
        loss = (logs or {}).get("loss", 0.0)
        if not np.isfinite(loss):
            raise ValueError(
                f"The training loss must stay finite; got {loss} in epoch {epoch + 1}. Scale the "
                "data first, for example with SequenceTransformer(StandardScaler()), or use a "
                "smaller learning_rate or an optimizer with clipnorm."
            )


class _KeepPace(keras.callbacks.Callback):
    """Wait for the network before large batches queue up in memory.

    With this callback, Keras waits after every batch to read the losses; where batches are small
    and many could wait, that would cost more than it saves.
    """

    def __init__(self, feeder):
        super().__init__()
        shape = feeder.batches.shape
        self.every = max(1, _QUEUE // (2 * 4 * int(np.prod(shape))))  # input and target, float32

    def on_train_batch_end(self, batch, logs=None):
        if batch % self.every == 0 and logs:
            float(logs["loss"])


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


def reconstruct(windows, *, network, recipe, weights, averaged=False):
    """Yield x, reconstruction and errors, in window order.

    What is said of a window does not depend on how many others there are: the network sees batches
    of one size, unless it computes the rows of a batch apart.

    Parameters
    ----------
    windows : Windows
        Of fixed size.
    network, recipe, weights
        What speaks of them.
    averaged : bool, default=False
        Whether the errors are all that is needed, where there are any: batches come whole then, and
        otherwise in parts that stay in the caches while they are worked on.

    Yields
    ------
    x, reconstruction : ndarray of shape (n_batch, window_size, n_features)
        Of networks that say more, the second has more columns; with several members it is (n_batch,
        window_size, n_members, n_columns).
    errors : ndarray of shape (n_batch, window_size) or None
        Mean squares over the features, NaN where all are gaps, if the network makes them itself.
    """
    with _quiet_torch(), compiled(network, recipe) as lent:
        if lent.rows_apart:
            n_rows = _batch_of_rows_apart(network, len(windows))
        else:
            n_rows = _scoring_batch(windows.window_size)
        batches = WindowBatches(windows, n_rows)
        speak = _speaker(lent, weights, network, windows.sequences.missing)
        # The network computes a batch while what it said of the one before is put to use.
        waiting = None
        for i in range(len(batches)):
            x, mask, n_windows = batches.gather(i)
            said = speak(x, mask)
            if waiting:
                yield from _in_parts(*waiting, averaged)
            waiting = x, *said, n_windows
        if waiting:
            yield from _in_parts(*waiting, averaged)


def say(x, *, network, recipe, weights):
    """Return what a network says of a few windows (n_windows, window_size, n_features), not masked.

    Rows are filled up to a power of two, so that few numbers of them are compiled for.
    """
    n_rows = 1 << (len(x) - 1).bit_length()
    padded = np.zeros((n_rows, *x.shape[1:]), np.float32)
    padded[: len(x)] = x
    exists = np.ones(padded.shape[:2], dtype=bool)
    with _quiet_torch(), compiled(network, recipe) as lent:
        said, _ = _speaker(lent, weights, network, gaps=True)(padded, exists)
        return np.asarray(said)[: len(x)]


def _speaker(lent, weights, network, gaps):
    """Return what maps windows (x, mask) to reconstructions and errors, as Compiled.speaker."""
    say = lent.speaker(weights)

    def speak(x, mask):
        return say(_inputs(x, mask, network, gaps), _shared(x) if lent.errors_inside else None)

    return speak


def _in_parts(x, y, errors, n_windows, averaged):
    """Yield windows and what was said of them, so few that work on them stays in the caches."""
    y = np.asarray(y)
    if errors is not None:
        errors = np.asarray(errors)
        if averaged:
            yield x[:n_windows], y[:n_windows], errors[:n_windows]
            return
    step = max(1, _PART // x[0].size)
    for first in range(0, n_windows, step):
        some = slice(first, min(first + step, n_windows))
        yield x[some], y[some], None if errors is None else errors[some]


def reconstruct_series(windows, *, networks, exact, recipe, weights):
    """Yield (x, reconstruction, None), each (n_timesteps, n_features), of consecutive whole series.

    With several members the reconstruction is (n_timesteps, n_members, n_features). There are no
    errors.

    Parameters
    ----------
    windows : Windows
        One per series.
    networks : dict of Network
        By whether they are masked: what reads series of exactly `exact` time steps, and what
        reads series of any length, padded to the size of their bucket. So what is said of a series
        does not depend on the others.
    exact : int
        Time steps of the series that are not padded.
    recipe, weights
        As for :func:`reconstruct`.
    """
    for numbers in _turns(windows, networks[False].n_members):
        starts, lengths = windows.locate(numbers)
        x = windows.sequences.read(int(starts[0]), int(starts[-1] + lengths[-1]))
        y = None
        for padded, network in networks.items():
            chosen = numbers[(lengths != exact) == padded]
            if not len(chosen):
                continue
            with _quiet_torch(), compiled(network, recipe) as lent:
                speak = _speaker(lent, weights, network, windows.sequences.missing)
                for some, said in _said_of_series(windows, chosen, padded, speak):
                    if y is None:
                        y = np.empty((len(x), *said.shape[2:]), np.float32)
                    for number, one in zip(some, said, strict=True):
                        first = starts[number - numbers[0]] - starts[0]
                        length = lengths[number - numbers[0]]
                        y[first : first + length] = one[:length]
        yield x, y, None


def _turns(windows, n_members):
    """Yield numbers of consecutive series, so many that they fill memory moderately."""
    _, lengths = windows.locate(np.arange(len(windows)))
    turn = np.cumsum(lengths * windows.sequences.n_features * n_members) // _TURN
    yield from np.split(np.arange(len(windows)), np.flatnonzero(np.diff(turn)) + 1)


def _said_of_series(windows, numbers, padded, speak):
    """Yield (numbers, reconstruction) of batches of series that share a padded size."""
    lengths = windows.locate(numbers)[1]
    sizes = bucket_sizes(lengths) if padded else lengths
    for size in np.unique(sizes):
        n_rows = _scoring_batch(size)
        chosen = numbers[sizes == size]
        for first in range(0, len(chosen), n_rows):
            some = chosen[first : first + n_rows]
            x, mask = windows.gather(some, int(size), n_rows)
            said, _ = speak(x, mask)
            yield some, np.asarray(said)[: len(some)]


def _scoring_batch(window_size):
    """Choose a batch large enough to use the machine, small enough for one short request."""
    return int(np.clip(2**14 // window_size // 32 * 32, 32, 256))


def _batch_of_rows_apart(network, n_windows):
    """Choose a batch where rows have the same bits in all: with few rows that are no windows."""
    widest = max(network.n_features, *dict(network.options)["hidden_units"])
    n_steps = np.clip(_STEPS, _LEAST_STATES // widest, _MOST_STATES // widest)
    largest = int(np.clip(n_steps // network.window_size, _FEW_WINDOWS, _MANY_WINDOWS))
    # Each size is compiled for: the largest, three quarters of it, a half...
    shares = [part / 2**k for k in range(largest.bit_length()) for part in (1, 0.75)]
    sizes = {round(share * largest / _FEW_WINDOWS) * _FEW_WINDOWS for share in shares}
    sizes = sizes - {0} | {_FEWEST_WINDOWS}
    # What comes with a batch takes as long as so many rows.
    besides = largest // 16
    return min(sizes, key=lambda size: -(-n_windows // size) * (size + besides))


@contextmanager
def _quiet_torch():
    """Keep PyTorch from spinning and from drawing on the user's random state.

    Its threads wait in a loop when other work has the cores, and its data loader draws a seed.
    """
    if keras.backend.backend() != "torch":
        yield
        return
    import torch

    devices = range(torch.cuda.device_count()) if torch.cuda.is_initialized() else ()
    with threadpool_limits(1, "openmp"), torch.random.fork_rng(devices=devices):
        yield
