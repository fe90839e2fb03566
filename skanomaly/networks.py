"""Keras models of the detectors, their initial weights, and the store of compiled models."""

import functools
import json
import os
import threading
from collections import OrderedDict
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from skanomaly._backend import load_keras
from skanomaly.builders import Builder
from skanomaly.layers import LSTM, EnsembleLSTM, FoldMembers, OutputLoss, UnfoldMembers, kernels
from skanomaly.objectives import is_squared_error, objective, says_each_value_once
from skanomaly.reseeding import keeping_random

keras = load_keras()

__all__ = [
    "Compiled",
    "Network",
    "Pace",
    "Recipe",
    "build",
    "compiled",
    "find_devices",
    "initial_weights",
    "set_weights",
    "spread",
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
    causal: bool = False  # gaps must not be filled with what comes after them

    @property
    def n_members(self):
        """Return the number of members of an ensemble, 1 for a network that is none."""
        return dict(self.options).get("n_members", 1)

    @property
    def is_own(self):
        """Tell whether a function of the user builds it."""
        return isinstance(self.architecture, Builder)

    @property
    def fills_padding(self):
        """Tell whether it reads the last value where a window has no steps, for want of a mask."""
        return self.masked and self.is_own and not self.architecture.takes_mask


@dataclass(frozen=True)
class Recipe:
    """How a model is compiled; a Keras optimizer in it is copied, never used itself."""

    optimizer: Any
    loss: Any
    weight_decay: float = 0.0
    gaps: bool = False  # whether targets may be NaN
    kl: tuple | None = None  # weight of the divergence of a latent, and epochs until it is reached

    def kl_weight(self, epoch):
        """Weigh the divergence in epoch 0, 1, ...; it rises from 0."""
        weight, warmup = self.kl
        return weight if epoch >= warmup else weight * epoch / warmup


def build(network):
    """Make the Keras model of a network, with all weights zero.

    It maps (batch, window_size, n_features) to the same, or with several members to (batch,
    window_size, n_members, n_features).
    """
    x = keras.Input((network.window_size, network.n_features), dtype="float32", name="x")
    mask = (
        keras.Input((network.window_size,), dtype="bool", name="mask") if network.masked else None
    )
    inputs = {"x": x}
    if network.indicator:
        inputs["observed"] = keras.Input(x.shape[1:], dtype="float32", name="observed")
    if mask is not None:
        inputs["mask"] = mask
    model_inputs = x if len(inputs) == 1 else dict(inputs)
    if network.n_members > 1:
        for name, value in inputs.items():
            inputs[name] = FoldMembers(network.n_members, name=f"{name}_folded")(value)
    seen, mask = inputs["x"], inputs.get("mask")
    if network.noise_std:
        noise = keras.layers.GaussianNoise(network.noise_std, seed=0, dtype="float32", name="noise")
        seen = noise(seen)
    if network.indicator:
        seen = keras.ops.concatenate([seen, inputs["observed"]], axis=-1)
    y = _speak(network, seen, mask, x.shape)
    if mask is not None:
        # Also drops the mask that Keras attaches to y, by which it would weigh the loss again.
        y = y * keras.ops.cast(keras.ops.expand_dims(mask, -1), "float32")
    if network.n_members > 1:
        y = UnfoldMembers(network.n_members, dtype="float32", name="members")(y)
    return keras.Model(model_inputs, y, name=network.architecture.__name__)


def _speak(network, x, mask, shape):
    """Apply the architecture; a function of the user must keep the shape of the windows."""
    if not network.is_own:
        return network.architecture(x, mask, shape[-1], **dict(network.options))
    with keeping_random():
        y = network.architecture(x, mask, shape[-1])
    if not isinstance(y, keras.KerasTensor):
        remedy = "Return model(x), not the model" if isinstance(y, keras.Layer) else "Return y"
        raise ValueError(
            "build must return the Keras tensor that its layers made of x; got "
            f"{type(y).__name__}. {remedy}."
        )
    if y.shape != shape or "float" not in y.dtype:
        raise ValueError(
            f"build must return floats of the shape of the windows, {shape}; got {y.dtype} of "
            f"shape {y.shape}. End the network with keras.layers.Dense(n_features), and keep the "
            'time steps, for example by padding="same" or RepeatVector(x.shape[1]).'
        )
    return y if y.dtype == "float32" else keras.ops.cast(y, "float32")


def set_weights(model, weights):
    """Set the weights of a model, if they are of such a network."""
    _check_weights(model, weights)
    model.set_weights(weights)


def _check_weights(model, weights):
    shapes, given = [tuple(v.shape) for v in model.weights], [np.shape(w) for w in weights]
    if shapes != given:
        raise ValueError(
            f"The network must be the one that was trained, with weights of shapes {given}; got "
            f"one with {shapes}. What shapes the network must not change after fit, and a builder "
            "must make the same weights at each call, with a mask or without. Fit again."
        )


def initial_weights(model, random_state, n_members=1):
    """Draw weights as Keras would, but from a NumPy RandomState.

    Returns
    -------
    weights : list of ndarray of float32
        In the order of ``model.get_weights()``: Glorot uniform kernels, orthogonal recurrent
        kernels, zero biases but for ones in the forget gate; layer normalisation that changes
        nothing. The first member gets what a single network would, the others follow.
    """
    if n_members == 1:
        return _draw(model, random_state)
    members = [_draw(model, random_state, leading=1) for _ in range(n_members)]
    return [np.stack(same) for same in zip(*members, strict=True)]


def _draw(model, random_state, leading=0):
    """Draw the weights of one network, without the leading axes of the model's own."""
    drawn = {}
    for layer in model.layers:
        for variable in layer.weights:
            shape = tuple(variable.shape)[leading:]
            if variable.name == "kernel":
                limit = np.sqrt(6.0 / (shape[0] + shape[1]))
                value = random_state.uniform(-limit, limit, shape)
            elif variable.name == "recurrent_kernel":
                value = _orthogonal(shape, random_state)
            elif variable.name == "bias":
                value = np.zeros(shape)
                if isinstance(layer, (keras.layers.LSTM, EnsembleLSTM)):
                    value[layer.units : 2 * layer.units] = 1.0  # gates: input, forget, cell, output
            elif variable.name == "gamma":
                value = np.ones(shape)
            elif variable.name == "beta":
                value = np.zeros(shape)
            else:
                raise NotImplementedError(f"No initial value is defined for {variable.path}.")
            drawn[variable.path] = value.astype(np.float32)
    return [drawn[variable.path] for variable in model.weights]


def _orthogonal(shape, random_state):
    """Draw a matrix whose rows are orthonormal: (units, 4 * units)."""
    q, r = np.linalg.qr(random_state.normal(size=shape[::-1]))
    return (q * np.sign(np.diag(r))).T


# ------------------------------------------------------------------------------------ devices


def find_devices(distribution):
    """Name the devices that share each batch of training; none where one device trains alone.

    Parameters
    ----------
    distribution : {None, "data_parallel"}
        What the detector was asked for.

    Returns
    -------
    devices : tuple of str
        Two or more local devices of JAX, as Keras names them, or nothing.

    Raises
    ------
    ValueError
        If devices are to share the work on another backend than JAX.
    """
    if distribution is None:
        return ()
    if keras.backend.backend() != "jax":
        raise ValueError(
            "distribution must be None unless Keras runs on JAX, for on other backends it cannot "
            f"divide batches among devices; got {distribution!r} on the backend "
            f"{keras.backend.backend()!r}. Start a new process with KERAS_BACKEND=jax, or leave "
            "distribution out."
        )
    import jax

    devices = tuple(f"{device.platform}:{device.id}" for device in jax.local_devices())
    return devices if len(devices) > 1 else ()


@contextmanager
def spread(devices):
    """Let Keras divide batches among devices, or let one device work where there are none.

    Keras keeps this setting for each thread; the one that was there before does not matter inside,
    and is set again at the end.
    """
    setting = keras.distribution
    chosen = None
    if devices:
        chosen = setting.DataParallel(devices=list(devices), auto_shard_dataset=False)
    before = setting.distribution()
    setting.set_distribution(chosen)
    try:
        yield
    finally:
        setting.set_distribution(before)


# ---------------------------------------------------------------------------- compiled models


@dataclass(frozen=True)
class Pace:
    """How training goes on: what Keras looks after between batches."""

    steps_per_execution: int = 1
    watched: bool = False  # by callbacks of the user, who may ask the model for its outputs


@dataclass(frozen=True)
class Compiled:
    """A model, the compiled one that trains its weights, and what its optimizer held when new."""

    model: Any
    trainer: Any
    optimizer_state: list
    errors_inside: bool  # whether errors are made along with the outputs
    # Weights that scored last, and the same as arrays of JAX.
    placed: list = field(default_factory=list, compare=False, repr=False)

    @property
    def loss_inside(self):
        """Tell whether what trains reads how much each step counts, and makes the loss itself."""
        return self.trainer is not self.model

    @functools.cached_property
    def rows_apart(self):
        """Tell whether what is computed of a row has the same bits in batches of any size."""
        # XLA may add up the values of a row in another order where there are more rows.
        kind = keras.layers.LayerNormalization
        adds_up = any(isinstance(layer, kind) for layer in self.model.layers)
        return self.errors_inside and not adds_up

    def reset(self, weights, learning_rate=None, optimizer_state=None):
        """Set the weights, and the optimizer as when new, or as it was when the state was read."""
        set_weights(self.model, weights)
        optimizer = self.trainer.optimizer
        state = self.optimizer_state if optimizer_state is None else optimizer_state
        for variable, value in zip(optimizer.variables, state, strict=True):
            variable.assign(value)
        if learning_rate is not None and optimizer_state is None:
            optimizer.learning_rate = learning_rate

    def read_optimizer(self):
        """Copy the optimizer's variables, as a list of arrays."""
        return [
            keras.ops.convert_to_numpy(variable).copy()
            for variable in self.trainer.optimizer.variables
        ]

    def speaker(self, weights):
        """Return what maps inputs, and x with its gaps, to outputs and errors, by these weights.

        They are arrays, of JAX such that may not be computed yet. The errors are the mean squares
        over the features of each step (batch, time), NaN where all are gaps. Unless
        `errors_inside`, they are None, and x is not looked at.
        """
        if keras.backend.backend() != "jax":
            set_weights(self.model, weights)
            return lambda inputs, x: (self.model.predict_on_batch(inputs), None)
        _check_weights(self.model, weights)
        model = self.model
        given = dict(zip(map(id, model.weights), self._place(weights), strict=True))
        trained = [given[id(v)] for v in model.trainable_variables]
        others = [given.get(id(v), v.value) for v in model.non_trainable_variables]
        return functools.partial(self._said, trained, others)

    def _place(self, weights):
        """Return weights as arrays of JAX: those of the call before, if it had the same weights.

        To make them, or to set the variables of the model, takes longer than a few windows do.
        """
        if not (self.placed and all(map(np.array_equal, self.placed[0], weights))):
            import jax

            copies = [np.array(one) for one in weights]  # of which JAX may use the memory
            self.placed[:] = copies, jax.device_put(copies)
        return self.placed[1]

    @functools.cached_property
    def _said(self):
        # As predict_on_batch, but without its bookkeeping, which takes longer than a small network.
        import jax

        def said(trained, others, inputs, x):
            with spread(()):  # while it is traced
                if self.errors_inside:
                    return kernels.output_errors(*self._before_output(trained, others, inputs, x))
                return self.model.stateless_call(trained, others, inputs, training=False)[0], None

        return jax.jit(said)

    def _before_output(self, trained, others, inputs, x):
        """Return what the output layer reads and should say, and its weights."""
        output = self.model.get_layer("output")
        below = keras.Model(self.model.input, output.input)
        values = dict(zip(map(id, self.model.trainable_variables), trained, strict=True))
        kernel, bias = values.pop(id(output.kernel)), values.pop(id(output.bias))
        h, _ = below.stateless_call(list(values.values()), others, inputs, training=False)
        return h, x, kernel, bias

    def seed(self, seed):
        """Set the state of every generator that layers draw random numbers from."""
        generators = (v for v in self.model.variables if v.name == "seed_generator_state")
        for i, state in enumerate(generators):
            state.assign(np.array([(seed + i) % 2**32, 0], dtype=np.uint32))
        if keras.backend.backend() == "torch":
            import torch

            # Dropout layers draw from it, whatever their generator; see training._quiet_torch.
            torch.manual_seed(seed)


_MOST_IDLE = 16
_idle: OrderedDict = OrderedDict()  # key -> list of Compiled, the key used last at the end
_lock = threading.Lock()
_process = None  # the number of the process that has models


@contextmanager
def compiled(network, recipe, pace=None, devices=()):
    """Lend a compiled model; nobody else has it until the end of the block.

    `pace` says how training goes; where it does not matter, None spares a model. `devices` are
    those that hold its weights, as from :func:`find_devices`; training is to be done within
    :func:`spread` of them.

    Compiling costs seconds on JAX and TensorFlow and memory that neither gives back, so models
    are kept for the next fit of the same shape. One in use is never shared: two threads in one
    model corrupt it on JAX. After an error it is dropped.
    """
    _refuse_fork()
    content = (
        network,
        _content(recipe.optimizer),
        _content(recipe.loss),
        recipe.weight_decay,
        recipe.gaps,
        devices,
    )
    key = content, pace
    with _lock:
        if pace is None:
            key = next((key for key in reversed(_idle) if key[0] == content), (content, Pace()))
        waiting = _idle.get(key)
        lent = waiting.pop() if waiting else None
        if waiting == []:
            del _idle[key]
    if lent is None:
        with spread(devices):
            lent = _compile(network, recipe, key[1])
    yield lent
    with _lock:
        _idle.setdefault(key, []).append(lent)
        _idle.move_to_end(key)
        while sum(map(len, _idle.values())) > _MOST_IDLE:
            oldest = next(iter(_idle))
            _idle[oldest].pop()
            if not _idle[oldest]:
                del _idle[oldest]


def _refuse_fork():
    """Raise where models of a parent process would be used: JAX's threads do not survive a fork."""
    global _process
    if _process is None:
        _process = os.getpid()
    elif _process != os.getpid() and keras.backend.backend() != "torch":
        raise RuntimeError(
            "A network must not be trained or score in a process that was forked from one that did "
            f"so: {keras.backend.backend()} would wait forever. Start processes anew, as joblib "
            "does, or multiprocessing.get_context('spawn')."
        )


def _compile(network, recipe, pace):
    model = build(network)
    trainer, loss = model, objective(network, recipe)
    has_kernels = _has_kernels(model)
    if not pace.watched and is_squared_error(network, recipe) and has_kernels:
        trainer, loss = _with_loss_inside(model), None
    optimizer = _copy_optimizer(recipe)
    trainer.compile(optimizer=optimizer, loss=loss, steps_per_execution=pace.steps_per_execution)
    optimizer.build(model.trainable_variables)
    new = Compiled(model, trainer, [], has_kernels and says_each_value_once(network))
    new.optimizer_state.extend(new.read_optimizer())
    return new


def _has_kernels(model):
    """Tell whether the model has our LSTM layers, and JAX kernels, for it has all of them."""
    own = any(isinstance(layer, LSTM) for layer in model.layers)
    return own and keras.backend.backend() == "jax" and kernels.obstacle() is None


def _with_loss_inside(model):
    """Make the model that reads also how much each step counts, and returns the mean loss."""
    output = model.get_layer("output")
    inputs = model.input if isinstance(model.input, dict) else {"x": model.input}
    counts = keras.Input(inputs["x"].shape[1:2], dtype="float32", name="counts")
    loss = OutputLoss(output, dtype="float32", name="loss")
    inputs = inputs | {"counts": counts}
    return keras.Model(inputs, loss([output.input, inputs["x"], counts]))


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
        optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    return optimizer


def _content(thing):
    """Key by what Keras can write down, so that equal copies share; by identity otherwise."""
    if isinstance(thing, (keras.optimizers.Optimizer, keras.losses.Loss)):
        config = json.dumps(keras.saving.serialize_keras_object(thing), sort_keys=True)
        if isinstance(thing, keras.losses.Loss):
            config += repr(sorted(vars(thing).items()))  # that of Huber lacks its delta
        return type(thing), config
    return thing
