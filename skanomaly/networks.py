"""Keras models of the detectors, their initial weights, and the store of compiled models.

An architecture is a function ``(x, mask, n_outputs, **options) -> y`` on Keras tensors, x of shape
(batch, window_size, n_inputs), y of (batch, window_size, n_outputs). `mask` (batch, window_size) is
True where a step exists; it is None when every window is full, which spares the slower masked
recurrence.
"""

import json
import threading
from collections import OrderedDict
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from skanomaly._backend import load_keras

keras = load_keras()

__all__ = [
    "Compiled",
    "Network",
    "Recipe",
    "bottleneck_autoencoder",
    "build",
    "compiled",
    "initial_weights",
    "sequence_autoencoder",
]


@dataclass(frozen=True)
class Network:
    """What determines a Keras model: hashable, and free of Keras objects."""

    architecture: Any
    window_size: int | None  # None reads series of any length
    n_features: int
    options: tuple  # of (name, value) pairs for the architecture
    noise_std: float = 0.0
    masked: bool = False  # reads which steps exist, for padded windows
    indicator: bool = False  # reads which values were observed


@dataclass(frozen=True)
class Recipe:
    """How a model is compiled; a Keras optimizer in it is copied, never used itself."""

    optimizer: Any
    loss: Any
    weight_decay: float = 0.0
    gaps: bool = False  # whether targets may be NaN


# ------------------------------------------------------------------------------- architectures


def sequence_autoencoder(x, mask, n_outputs, *, hidden_units, dropout, recurrent_dropout):
    """Model 1: the decoder reads the encoder's output at every step and starts from its state."""
    encoded, state = x, None
    for i, units in enumerate(hidden_units):
        layer = _lstm(f"encoder_{i}", units, dropout, recurrent_dropout, return_state=True)
        encoded, *state = layer(encoded, mask=mask)
    return _decode(encoded, state, mask, n_outputs, hidden_units, dropout, recurrent_dropout)


def bottleneck_autoencoder(
    x, mask, n_outputs, *, hidden_units, dropout, recurrent_dropout, reverse_decoding
):
    """Model 2: the decoder sees the encoder's last output, repeated, and starts from its state."""
    encoded, state = x, None
    for i, units in enumerate(hidden_units):
        layer = _lstm(
            f"encoder_{i}",
            units,
            dropout,
            recurrent_dropout,
            return_state=True,
            return_sequences=i < len(hidden_units) - 1,
        )
        encoded, *state = layer(encoded, mask=mask)
    if x.shape[1] is None:  # whole series, of any length
        code = keras.ops.expand_dims(encoded, 1) * keras.ops.ones_like(x[:, :, :1])
    else:
        code = keras.layers.RepeatVector(x.shape[1], name="repeat", dtype="float32")(encoded)
    if reverse_decoding and mask is not None:
        mask = keras.ops.flip(mask, axis=1)  # padding then comes first and leaves the state alone
    decoded = _decode(code, state, mask, n_outputs, hidden_units, dropout, recurrent_dropout)
    return keras.ops.flip(decoded, axis=1) if reverse_decoding else decoded


def _decode(sequence, state, mask, n_features, hidden_units, dropout, recurrent_dropout):
    """Mirror of the encoder: (batch, time, units) -> (batch, time, n_features)."""
    for i, units in enumerate(reversed(hidden_units)):
        layer = _lstm(f"decoder_{i}", units, dropout, recurrent_dropout)
        sequence = layer(sequence, mask=mask, initial_state=state if i == 0 else None)
    return keras.layers.Dense(
        n_features, kernel_initializer="zeros", dtype="float32", name="output"
    )(sequence)


def _lstm(name, units, dropout, recurrent_dropout, *, return_state=False, return_sequences=True):
    # Zeros and a fixed seed: weights and seeds are set later, and drawing them here would use the
    # global random state of the user.
    return keras.layers.LSTM(
        units,
        dropout=dropout,
        recurrent_dropout=recurrent_dropout,
        return_sequences=return_sequences,
        return_state=return_state,
        kernel_initializer="zeros",
        recurrent_initializer="zeros",
        unit_forget_bias=False,
        bias_initializer="zeros",
        seed=0,
        dtype="float32",
        name=name,
    )


def build(network):
    """Make the Keras model of a network, with all weights zero."""
    x = keras.Input((network.window_size, network.n_features), dtype="float32", name="x")
    mask = (
        keras.Input((network.window_size,), dtype="bool", name="mask") if network.masked else None
    )
    seen = x
    if network.noise_std:
        seen = keras.layers.GaussianNoise(network.noise_std, seed=0, dtype="float32", name="noise")(
            x
        )
    inputs = {"x": x}
    if network.indicator:
        inputs["observed"] = keras.Input(x.shape[1:], dtype="float32", name="observed")
        seen = keras.ops.concatenate([seen, inputs["observed"]], axis=-1)
    y = network.architecture(seen, mask, x.shape[-1], **dict(network.options))
    if mask is not None:
        inputs["mask"] = mask
        # Also drops the mask that Keras attaches to y, by which it would weigh the loss again.
        y = y * keras.ops.cast(keras.ops.expand_dims(mask, -1), "float32")
    inputs = x if len(inputs) == 1 else inputs
    return keras.Model(inputs, y, name=network.architecture.__name__)


def initial_weights(model, random_state):
    """Draw weights as Keras would, but from a NumPy RandomState.

    Returns
    -------
    weights : list of ndarray of float32
        In the order of ``model.get_weights()``: Glorot uniform kernels, orthogonal recurrent
        kernels, zero biases but for ones in the forget gate.
    """
    drawn = {}
    for layer in model.layers:
        for variable in layer.weights:
            shape = tuple(variable.shape)
            if variable.name == "kernel":
                limit = np.sqrt(6.0 / (shape[0] + shape[1]))
                value = random_state.uniform(-limit, limit, shape)
            elif variable.name == "recurrent_kernel":
                value = _orthogonal(shape, random_state)
            elif variable.name == "bias":
                value = np.zeros(shape)
                if isinstance(layer, keras.layers.LSTM):
                    value[layer.units : 2 * layer.units] = 1.0  # gates: input, forget, cell, output
            else:
                raise NotImplementedError(f"No initial value is defined for {variable.path}.")
            drawn[variable.path] = value.astype(np.float32)
    return [drawn[variable.path] for variable in model.weights]


def _orthogonal(shape, random_state):
    """Draw a matrix whose rows are orthonormal: (units, 4 * units)."""
    q, r = np.linalg.qr(random_state.normal(size=shape[::-1]))
    return (q * np.sign(np.diag(r))).T


# ---------------------------------------------------------------------------- compiled models


@dataclass(frozen=True)
class Compiled:
    """A compiled model, and what its optimizer held when it was new."""

    model: Any
    optimizer_state: list

    def reset(self, weights, learning_rate=None, optimizer_state=None):
        """Set the weights, and the optimizer as when new, or as it was when the state was read."""
        self.model.set_weights(weights)
        optimizer = self.model.optimizer
        state = self.optimizer_state if optimizer_state is None else optimizer_state
        for variable, value in zip(optimizer.variables, state, strict=True):
            variable.assign(value)
        if learning_rate is not None and optimizer_state is None:
            optimizer.learning_rate = learning_rate

    def read_optimizer(self):
        """Copy the optimizer's variables, as a list of arrays."""
        return [
            keras.ops.convert_to_numpy(variable).copy()
            for variable in self.model.optimizer.variables
        ]

    def seed(self, seed):
        """Set the state of every generator that layers draw random numbers from."""
        generators = (v for v in self.model.variables if v.name == "seed_generator_state")
        for i, state in enumerate(generators):
            state.assign(np.array([(seed + i) % 2**32, 0], dtype=np.uint32))


_MOST_IDLE = 16
_idle: OrderedDict = OrderedDict()  # key -> list of Compiled, the key used last at the end
_lock = threading.Lock()


@contextmanager
def compiled(network, recipe):
    """Lend a compiled model; nobody else has it until the end of the block.

    Compiling costs seconds on JAX and TensorFlow and memory that neither gives back, so models
    are kept for the next fit of the same shape. One in use is never shared: two threads in one
    model corrupt it on JAX. After an error it is dropped.
    """
    key = (
        network,
        _content(recipe.optimizer),
        _content(recipe.loss),
        recipe.weight_decay,
        recipe.gaps,
    )
    with _lock:
        waiting = _idle.get(key)
        lent = waiting.pop() if waiting else None
        if waiting == []:
            del _idle[key]
    lent = lent or _compile(network, recipe)
    yield lent
    with _lock:
        _idle.setdefault(key, []).append(lent)
        _idle.move_to_end(key)
        while sum(map(len, _idle.values())) > _MOST_IDLE:
            oldest = next(iter(_idle))
            _idle[oldest].pop()
            if not _idle[oldest]:
                del _idle[oldest]


def _compile(network, recipe):
    model = build(network)
    optimizer = _copy_optimizer(recipe)
    loss = _get_loss(recipe.loss)
    model.compile(optimizer=optimizer, loss=_skip_gaps(loss) if recipe.gaps else loss)
    optimizer.build(model.trainable_variables)
    new = Compiled(model, [])
    new.optimizer_state.extend(new.read_optimizer())
    return new


def _copy_optimizer(recipe):
    if isinstance(recipe.optimizer, str):
        try:
            optimizer = keras.optimizers.get(recipe.optimizer)
        except ValueError as error:
            raise ValueError(
                "optimizer must be the name of a Keras optimizer or an instance of one; got "
                f"{recipe.optimizer!r}. Use for example 'adam', 'rmsprop' or 'sgd'."
            ) from error
    else:
        optimizer = type(recipe.optimizer).from_config(recipe.optimizer.get_config())
    if recipe.weight_decay:
        optimizer.weight_decay = recipe.weight_decay
        optimizer.exclude_from_weight_decay(var_names=["bias"])
    return optimizer


def _get_loss(loss):
    try:
        return keras.losses.get(loss)
    except ValueError as error:
        raise ValueError(
            "loss must be the name of a Keras loss, a keras.losses.Loss or a function; got "
            f"{loss!r}. Use for example 'mse', 'mae' or 'huber'."
        ) from error


def _skip_gaps(loss):
    """Let a loss see no error where the target is NaN: the target there is the prediction."""

    def skip_gaps(y_true, y_pred):
        gap = keras.ops.isnan(y_true)
        return loss(keras.ops.where(gap, keras.ops.stop_gradient(y_pred), y_true), y_pred)

    return skip_gaps


def _content(thing):
    """Key by what Keras can write down, so that equal copies share; by identity otherwise."""
    if isinstance(thing, (keras.optimizers.Optimizer, keras.losses.Loss)):
        config = json.dumps(keras.saving.serialize_keras_object(thing), sort_keys=True)
        return type(thing), config
    return thing
