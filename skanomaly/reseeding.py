"""Initial weights of networks that a user built, determined by a random state of NumPy.

Layers made without a seed draw one from Python's global generator. Their weights are drawn again
here, by the initializers of their layers with seeds of our own, and the generator is put back.
"""

import random
import threading
from contextlib import contextmanager

import numpy as np

from skanomaly._backend import load_keras

keras = load_keras()

__all__ = ["draw_weights", "keeping_random"]

_lock = threading.RLock()


@contextmanager
def keeping_random():
    """Leave Python's global generator as it was; one thread at a time."""
    with _lock:
        state = random.getstate()
        try:
            yield
        finally:
            random.setstate(state)


def draw_weights(make, random_state):
    """Draw the initial weights of a model.

    The model is made twice, from different states of Python's generator. What is the same in both,
    such as zeros, weights that were loaded, or those of an initializer with a seed, is kept; what
    differs is random, and drawn again.

    Parameters
    ----------
    make : callable
        Makes the Keras model, a new one at each call.
    random_state : numpy.random.RandomState
        Gives every weight its own seed.

    Returns
    -------
    weights : list of ndarray
        In the order of ``model.get_weights()``.

    Raises
    ------
    ValueError
        If there is nothing to train, a weight is random and no layer tells by what, or the models
        differ or share weights.
    """
    with keeping_random():
        model = make()
        random.seed(random.getrandbits(64))  # so that no layer gets the seed it got before
        other = make()
    _check_alike(model, other)
    initializers, weights = _initializers(model), []
    for variable, value, again in zip(
        model.weights, model.get_weights(), other.get_weights(), strict=True
    ):
        seed = int(random_state.randint(2**31 - 1))
        initializer = initializers.get(id(variable))
        same = np.array_equal(value, again)
        # One number alone may be drawn twice, as plus or minus 1 is by an orthogonal initializer.
        if same and (value.size > 1 or initializer is None):
            weights.append(np.array(value))
        elif initializer is None:
            raise ValueError(
                "build must make weights whose initial values random_state can determine; got the "
                f"random weight {variable.path!r}, and no initializer of it as an attribute of its "
                f"layer. Set self.{variable.name}_initializer = keras.initializers.get(...) in the "
                "layer and hand it to add_weight, or use an initializer with a seed."
            )
        else:
            weights.append(_drawn(initializer, variable, seed))
    return weights


def _check_alike(model, other):
    if not model.trainable_weights:
        raise ValueError(
            "build must make a network with weights to train; got none. Give it a layer that has "
            "some, such as keras.layers.Dense(n_features)."
        )
    shapes, again = ([tuple(v.shape) for v in one.weights] for one in (model, other))
    if shapes != again:
        raise ValueError(
            "build must make the same network each time it is called; got weights of shapes "
            f"{shapes}, then {again}. Let it depend on its arguments alone."
        )
    if {id(v) for v in model.weights} & {id(v) for v in other.weights}:
        raise ValueError(
            "build must make new layers each time it is called, for networks are trained side by "
            "side; got layers that it shares between calls. Make them inside the function."
        )


def _initializers(model):
    """Find the initializers without a seed of a model's weights: by id of the variable."""
    found = {}
    # The innermost layer made a weight; those around it have more of them, or no initializer.
    layers = sorted(_layers(model, set()), key=lambda layer: -len(layer.weights))
    for layer in layers:
        for variable in layer.weights:
            initializer = _initializer_of(layer, variable.name)
            if initializer is not None:
                found[id(variable)] = initializer
    return {key: one for key, one in found.items() if one.get_config().get("seed", 0) is None}


def _initializer_of(layer, name):
    """Find it under the name that Keras gives it."""
    # That of "kernel" is kernel_initializer, that of "recurrent_kernel" recurrent_initializer.
    for stem in (name, name.removesuffix("_kernel")):
        initializer = getattr(layer, f"{stem}_initializer", None)
        if hasattr(initializer, "get_config"):
            return initializer
    return None


def _layers(thing, seen):
    """Yield the layers in a layer, list or dict, outer ones first."""
    if id(thing) in seen:
        return
    seen.add(id(thing))
    if isinstance(thing, keras.Layer):
        yield thing
        inside = vars(thing).values()
    elif isinstance(thing, (list, tuple)):
        inside = thing
    elif isinstance(thing, dict):
        inside = thing.values()
    else:
        return
    for one in list(inside):
        yield from _layers(one, seen)


def _drawn(initializer, variable, seed):
    config = initializer.get_config() | {"seed": seed}
    value = type(initializer).from_config(config)(tuple(variable.shape), dtype=variable.dtype)
    return np.array(keras.ops.convert_to_numpy(value))
