"""What travels to a worker and what is checked there before it computes."""

import importlib.util
import os
import sys
from dataclasses import dataclass

import cloudpickle
import joblib
import numpy as np
from sklearn.base import BaseEstimator

from skanomaly._backend import choose_backend
from skanomaly.dask._extra import distributed
from skanomaly.detectors import BaseNetworkDetector
from skanomaly.exceptions import BackendNotFoundError, MissingDependencyError

__all__ = [
    "Argument",
    "Keras",
    "describe_keras",
    "load",
    "name_of",
    "needs_keras",
    "run",
    "what_to_install",
]

# Top-level names of the packages in the extras of skanomaly.
_EXTRAS = {
    "jax": "jax",
    "jaxlib": "jax",
    "torch": "torch",
    "tensorflow": "tensorflow",
    "numba": "fast",
    "matplotlib": "plot",
    "click": "cli",
    "dask": "dask",
    "distributed": "dask",
}


@dataclass(frozen=True)
class Argument:
    """Stands for an argument that is not in the task itself: its place among the shared ones."""

    place: int


@dataclass(frozen=True)
class Keras:
    """What decides the last digits of what networks compute in a process."""

    backend: str
    numba: bool
    reason: str


def describe_keras():
    """Tell on which backend the networks of this process run, or would run, and why.

    Raises
    ------
    BackendNotFoundError
        If no usable backend is installed or the one chosen is not.
    """
    numba = importlib.util.find_spec("numba") is not None
    if "keras" in sys.modules:
        backend = sys.modules["keras"].backend.backend()
        return Keras(backend, numba, "Keras was imported on it")
    chosen = os.environ.get("KERAS_BACKEND")
    reason = f"KERAS_BACKEND={chosen}" if chosen else "KERAS_BACKEND is not set"
    return Keras(choose_backend(), numba, reason)


def needs_keras(calls):
    """Tell whether an estimator among the arguments of calls is a network or holds one."""
    return any(
        isinstance(part, BaseNetworkDetector)
        for _, args, kwargs in calls
        for argument in (*args, *kwargs.values())
        for part in _parts(argument)
    )


def _parts(argument):
    """Yield an argument, the values of a dict, and the parameters of each that is an estimator."""
    for value in [argument, *(argument.values() if isinstance(argument, dict) else ())]:
        yield value
        if isinstance(value, BaseEstimator):
            yield from value.get_params().values()


def name_of(calls):
    """Name the work of calls for the dashboard: "fit LSTMAutoencoder", or by their function."""
    function, args, _ = calls[0]
    words = getattr(function, "__name__", type(function).__name__).strip("_")
    estimator = next((arg for arg in args if isinstance(arg, BaseEstimator)), None)
    if estimator is None:
        return words.replace("_", " ")
    last = getattr(estimator, "steps", None)
    estimator = last[-1][1] if last else estimator
    verb = "fit" if words.startswith("fit") else words.replace("_", " ")
    return f"{verb} {type(estimator).__name__}"


# ------------------------------------------------------------------------------- on the worker


def load(pickled):
    """Unpickle an argument that tasks share; none of them may change it for the others."""
    value = _unpickle(pickled)
    if isinstance(value, np.ndarray):
        value.setflags(write=False)
    return value


def run(pickled, shared, keras, backend):
    """Run the calls of one task and return their results.

    Parameters
    ----------
    pickled : bytes
        Calls (function, args, kwargs) in which an Argument stands for a shared one.
    shared : list
        The shared arguments.
    keras : Keras or None
        What networks run on at the client; None if the calls need none.
    backend : type
        The joblib backend for calls that are parallel themselves.
    """
    if keras is not None:
        _check_keras(keras)
    calls = _unpickle(pickled)

    def filled(value):
        return shared[value.place] if isinstance(value, Argument) else value

    with joblib.parallel_config(backend=backend(), n_jobs=1):
        return [
            function(*map(filled, args), **{key: filled(value) for key, value in kwargs.items()})
            for function, args, kwargs in calls
        ]


def _check_keras(wanted):
    where = f"the worker {_address()}"
    try:
        found = describe_keras()
    except BackendNotFoundError as error:
        raise BackendNotFoundError(
            f"Networks must run on {wanted.backend!r} on every worker, as on the client; got an "
            f"error on {where}: {error}"
        ) from error
    if found.backend != wanted.backend:
        raise BackendNotFoundError(
            f"KERAS_BACKEND must be the same on every worker as on the client, or scores could "
            f"not be compared; got {wanted.backend!r} on the client ({wanted.reason}) and "
            f"{found.backend!r} on {where} ({found.reason}). Set KERAS_BACKEND={wanted.backend} "
            "where workers are started, for example LocalCluster(env={'KERAS_BACKEND': "
            f"{wanted.backend!r}}})."
        )
    if found.numba != wanted.numba:
        has, lacks = ("the client", where) if wanted.numba else (where, "the client")
        raise MissingDependencyError(
            "Numba must be installed on the client and every worker or on none, or scores would "
            f"differ in their last digits; got {has} with it and {lacks} without. "
            f"Run on {lacks}: pip install 'skanomaly[fast]'"
        )


def _unpickle(pickled):
    try:
        return cloudpickle.loads(pickled)
    except ModuleNotFoundError as error:
        raise MissingDependencyError(
            f"A worker needs every module that the search uses; got {error} on the worker "
            f"{_address()}. Run there: pip install '{what_to_install(error.name)}', or send a file "
            "of your own with client.upload_file."
        ) from error


def what_to_install(module):
    """Name what brings a module: an extra of skanomaly, or the package by its own name."""
    package = module.partition(".")[0]
    return f"skanomaly[{_EXTRAS[package]}]" if package in _EXTRAS else package


def _address():
    return distributed.get_worker().address
