"""Optimizers, losses and schedules of Keras, by class and the arguments of its constructor.

Keras' own deserialisation is not used: it looks names up in modules that the text names. Here the
class is one of those listed, the arguments are numbers, text and None, and the constructor runs.
"""

import inspect
import sys
from collections import namedtuple

from skanomaly._backend import load_keras
from skanomaly.exceptions import FileFormatError
from skanomaly.persistence._json import short

__all__ = ["Described", "describe", "make"]

_OPTIMIZERS = (
    "Adadelta", "Adafactor", "Adagrad", "Adam", "AdamW", "Adamax", "Ftrl", "Lamb", "Lion", "Muon",
    "Nadam", "RMSprop", "SGD", "ScheduleFreeAdamW",
)  # fmt: skip
_SCHEDULES = (
    "CosineDecay", "CosineDecayRestarts", "ExponentialDecay", "InverseTimeDecay",
    "PiecewiseConstantDecay", "PolynomialDecay",
)  # fmt: skip
_LOSSES = (
    "CosineSimilarity", "Huber", "KLDivergence", "LogCosh", "MeanAbsoluteError",
    "MeanAbsolutePercentageError", "MeanSquaredError", "MeanSquaredLogarithmicError", "Poisson",
)  # fmt: skip
_LOSS_FUNCTIONS = (
    "cosine_similarity", "huber", "kl_divergence", "log_cosh", "mean_absolute_error",
    "mean_absolute_percentage_error", "mean_squared_error", "mean_squared_logarithmic_error",
    "poisson",
)  # fmt: skip

#: What a file says of an object of Keras: its group, its name and its arguments.
Described = namedtuple("Described", "group name arguments")


def _groups(keras):
    return {
        "optimizer": (keras.optimizers, _OPTIMIZERS),
        "schedule": (keras.optimizers.schedules, _SCHEDULES),
        "loss": (keras.losses, _LOSSES),
        "loss function": (keras.losses, _LOSS_FUNCTIONS),
    }


def describe(thing):
    """Describe an object of Keras, its arguments as they are; None if a file may not hold it."""
    keras = sys.modules.get("keras")
    if keras is None:  # then there is nothing of Keras
        return None
    for group, (module, names) in _groups(keras).items():
        for name in names:
            listed = getattr(module, name, None)  # versions of Keras differ in what they have
            if listed is not None and thing is listed and group == "loss function":
                return Described(group, name, {})
            if listed is not None and _is_one(thing, listed):
                return Described(group, name, _arguments(thing))
    return None


def _is_one(thing, listed):
    """Tell whether the constructor of a listed class makes such things.

    Where PyTorch is the backend, optimizers made are of classes derived for it, of the same names.
    """
    kind = type(thing)
    derived = kind.__module__.startswith("keras.src.backend.") and kind.__name__ == listed.__name__
    return kind is listed or (derived and issubclass(kind, listed))


def _arguments(thing):
    """Return all arguments with which a thing can be made again."""
    arguments = thing.get_config()
    schedule = getattr(thing, "_learning_rate", None)  # which the configuration holds as a dict
    if isinstance(arguments.get("learning_rate"), dict):
        arguments["learning_rate"] = schedule
    told = set(inspect.signature(type(thing).__init__).parameters) - {"self", "dtype", "kwargs"}
    missing = sorted(told - set(arguments))
    if missing:
        raise TypeError(
            f"Parameters of {type(thing).__name__} must be told by Keras, to be saved; got no "
            f"{', '.join(missing)} from its configuration. Use the name of the loss or optimizer, "
            "a function handed in as trusted=[...], or another one."
        )
    return arguments


def make(described):
    """Make an object of Keras from what a file says of it."""
    group, name, arguments = described
    groups = _groups(load_keras())
    if group not in groups or name not in groups[group][1]:
        raise FileFormatError(
            f"The file must name known classes of Keras alone; got the {short(group)} "
            f"{short(name)}. It was not written by skanomaly; get another copy."
        )
    listed = getattr(groups[group][0], name, None)
    if listed is None:
        raise FileFormatError(
            f"The file needs the {group} {name}, which this version of Keras lacks. Upgrade Keras."
        )
    if group == "loss function":
        return listed
    try:
        return listed(**arguments)
    except Exception as error:  # whatever a constructor raises for arguments that are wrong
        raise FileFormatError(
            f"Arguments of {name} must be those that Keras knows; got {short(arguments)}: "
            f"{error!s:.300}. Use the version of Keras that wrote the file."
        ) from error
