"""What a result of one entity was made from, as short texts; and the seeds of an entity."""

import pickle
from hashlib import blake2b
from numbers import Integral

import joblib
import numpy as np
from sklearn.utils import check_random_state

from skanomaly.stored import is_stored

__all__ = ["base_seeds", "data_fingerprint", "detector_fingerprint", "entity_seeds", "object_hash"]

_BLOCK = 2**24  # bytes of an array on disk that are read at once


def base_seeds(detector):
    """Draw a seed for each random state of the detector: {name of the parameter: int}.

    A random state of None has none: it asks for different results each time.
    """
    return {
        name: int(value)
        if isinstance(value, Integral)
        else int(check_random_state(value).randint(2**31 - 1))
        for name, value in sorted(detector.get_params(deep=True).items())
        if _is_random_state(name) and value is not None
    }


def entity_seeds(seeds, entity):
    """Derive the seeds of an entity, which depend on nothing but the base seeds and its name."""
    return {
        name: int.from_bytes(_digest(f"{seed}|{name}|{entity!r}".encode()).digest()[:4]) % 2**31
        for name, seed in seeds.items()
    }


def detector_fingerprint(detector, seeds):
    """Describe an unfitted detector by its classes, parameters and seeds."""
    params = {
        name: value
        for name, value in detector.get_params(deep=True).items()
        if not _is_random_state(name) and not hasattr(value, "get_params")
    }
    return object_hash([_class_of(detector), _classes(detector), params, seeds], "detector")


def object_hash(value, what):
    """Hash anything that can be pickled, `what` names it in the error if it cannot."""
    try:
        return joblib.hash(value)
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        raise ValueError(
            f"{what} must be picklable to be kept in a store; {error}. Define its functions at the "
            "top level of a module, or use store=None."
        ) from error


def data_fingerprint(spec, X):
    """Hash what is to be done, a text, together with all values and column names of X."""
    digest = _digest(spec.encode())
    _add(digest, X)
    return digest.hexdigest()


def _is_random_state(name):
    return name == "random_state" or name.endswith("__random_state")


def _class_of(thing):
    return f"{type(thing).__module__}.{type(thing).__qualname__}"


def _classes(detector):
    """Name the classes of nested estimators, whose parameters get_params lists by themselves."""
    return {
        name: _class_of(value)
        for name, value in detector.get_params(deep=True).items()
        if hasattr(value, "get_params")
    }


def _digest(start):
    return blake2b(start, digest_size=16)


def _add(digest, X):
    if isinstance(X, (list, tuple)):
        digest.update(f"list {len(X)}".encode())
        for part in X:
            _add(digest, part)
    elif hasattr(X, "columns"):
        digest.update(f"frame {[str(name) for name in X.columns]}".encode())
        for name in X.columns:
            _add(digest, np.asarray(X[name]))
    else:
        _add_array(digest, X if is_stored(X) else np.asarray(X))


def _add_array(digest, X):
    digest.update(f"{X.dtype} {tuple(X.shape)}".encode())
    if X.dtype == object:
        digest.update(joblib.hash(np.asarray(X)).encode())
    elif not is_stored(X):
        digest.update(np.ascontiguousarray(X))
    elif all(X.shape):
        n_rows = max(1, _BLOCK * X.shape[0] // (X.dtype.itemsize * int(np.prod(X.shape))))
        for start in range(0, X.shape[0], n_rows):
            digest.update(np.ascontiguousarray(X[start : start + n_rows]))
