"""The one place where Keras is imported, after a backend has been chosen.

A user chooses a backend by importing Keras first or by setting ``KERAS_BACKEND``. Otherwise the
first installed of JAX, PyTorch and TensorFlow is taken. Keras alone would trust (and, when absent,
write) a configuration file that names TensorFlow whether or not it is installed.
"""

import importlib
import importlib.util
import os
import sys
from contextlib import contextmanager

from skanomaly.exceptions import BackendNotFoundError

__all__ = ["BACKENDS", "choose_backend", "load_keras"]

BACKENDS = ("jax", "torch", "tensorflow")


def _installed(package):
    return package in sys.modules or importlib.util.find_spec(package) is not None


def choose_backend():
    """Name the backend that Keras will run on, without importing anything.

    Returns
    -------
    backend : {"jax", "torch", "tensorflow"}
        The value of the environment variable ``KERAS_BACKEND`` when it is set, else the first
        installed.

    Raises
    ------
    BackendNotFoundError
        If the backend chosen is unknown or not installed, or if none is installed.
    """
    chosen = os.environ.get("KERAS_BACKEND", "")
    if chosen:
        if chosen not in BACKENDS:
            raise BackendNotFoundError(
                f"KERAS_BACKEND must be one of {', '.join(BACKENDS)}; got {chosen!r}. "
                "Set it to one of these, or unset it to use the first that is installed."
            )
        if not _installed(chosen):
            raise BackendNotFoundError(
                f"KERAS_BACKEND must name an installed package; got {chosen!r}, which is not "
                f"installed. Run: pip install 'skanomaly[{chosen}]'"
            )
        return chosen
    for backend in BACKENDS:
        if _installed(backend):
            return backend
    raise BackendNotFoundError(
        "Keras needs one of the packages jax, torch and tensorflow; none is installed. "
        "Run: pip install 'skanomaly[jax]'"
    )


def _keras_home():
    """Return the folder where Keras looks for its configuration, by Keras' own rule."""
    if "KERAS_HOME" in os.environ:
        return os.environ["KERAS_HOME"]
    base = os.path.expanduser("~")
    return os.path.join(base if os.access(base, os.W_OK) else "/tmp", ".keras")  # noqa: S108


@contextmanager
def _environment(**values):
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def load_keras():
    """Import Keras on the chosen backend and return it.

    A Keras that the user has imported already is used as it is. Nothing is written to disk, the
    environment is left as it was, and a configuration file that exists is still read by Keras for
    what it says besides the backend.

    Raises
    ------
    BackendNotFoundError
        As in :func:`choose_backend`; also when the Keras already imported runs on a backend that
        cannot train.
    """
    if "keras" in sys.modules:
        loaded = sys.modules["keras"]
        if loaded.backend.backend() not in BACKENDS:
            raise BackendNotFoundError(
                f"Keras must run on one of {', '.join(BACKENDS)}; the Keras imported before runs "
                f"on {loaded.backend.backend()!r}. Set KERAS_BACKEND and start a new process."
            )
        return loaded
    home = _keras_home()
    settings = {"KERAS_BACKEND": choose_backend()}
    has_file = os.path.exists(os.path.expanduser(os.path.join(home, "keras.json")))
    if not has_file:
        # Keras writes the file when it is missing, but not below something that is no folder.
        settings["KERAS_HOME"] = os.path.join(os.devnull, "keras")
    with _environment(**settings):
        loaded = importlib.import_module("keras")
    if not has_file:
        # Downloads and caches of Keras must go where they would have gone.
        importlib.import_module("keras.src.backend.config")._KERAS_DIR = home
    return loaded
