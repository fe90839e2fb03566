"""From estimators to JSON and arrays.

JSON says null, true, numbers, text and lists as they are. Everything else is an object with the
key "$", which tells what it is: see :mod:`skanomaly.persistence._decode` for its other keys.
"""

import functools
import math
from collections import deque
from dataclasses import dataclass, field

import numpy as np
from sklearn.utils import Bunch

from skanomaly.persistence._allowed import (
    TYPES,
    check_attributes,
    check_parameters,
    name_of,
)
from skanomaly.persistence._arrays import DTYPES
from skanomaly.persistence._keras import describe

__all__ = ["encode"]

_PLAIN = (type(None), bool, int, str)
_TYPE_NAMES = {one: name for name, one in TYPES.items()}
_REMEDIES = {
    "GridSearchCV": "Save its best_estimator_.",
    "RandomizedSearchCV": "Save its best_estimator_.",
    "HalvingGridSearchCV": "Save its best_estimator_.",
    "HalvingRandomSearchCV": "Save its best_estimator_.",
}


@dataclass
class _Writing:
    """What was written so far."""

    trusted: dict
    arrays: dict = field(default_factory=dict)
    known: dict = field(default_factory=dict)  # what a thing was written as, by id
    kept: list = field(default_factory=list)  # so that no id is used again
    open: set = field(default_factory=set)  # ids of what is being written


def encode(estimator, trusted):
    """Write an estimator down.

    Returns
    -------
    node : dict
        For JSON.
    arrays : dict of str to ndarray
        The arrays that it names, of dtypes in DTYPES.
    """
    writing = _Writing(trusted)
    return _encode(estimator, type(estimator).__name__, writing), writing.arrays


def _encode(value, place, writing):
    kind = type(value)
    if kind in _PLAIN:
        return value
    if kind is float:
        return value if math.isfinite(value) else {"$": "float", "value": repr(value)}
    if id(value) in writing.open:
        raise TypeError(
            f"{place} must not contain itself, to be saved; got a {kind.__name__} that does. "
            "Give it a copy."
        )
    writing.open.add(id(value))
    try:
        return _encode_container(value, kind, place, writing)
    finally:
        writing.open.remove(id(value))


def _encode_container(value, kind, place, writing):
    if kind is list:
        return _items(value, place, writing)
    if kind in _CONTAINERS:
        return _CONTAINERS[kind](value, place, writing)
    if isinstance(value, np.generic):
        return {"$": "scalar", "name": _store(np.asarray(value), place, writing)}
    if isinstance(value, np.dtype):
        return {"$": "dtype", "name": _dtype_name(value, place)}
    if isinstance(value, type) and value in _TYPE_NAMES:
        return {"$": "type", "name": _TYPE_NAMES[value]}
    described = describe(value)
    if described is not None:
        group, name, arguments = described
        return {
            "$": "keras",
            "group": group,
            "name": name,
            "arguments": _pairs(arguments, place, writing),
        }
    if callable(value) and not hasattr(value, "__dict__") or hasattr(value, "__qualname__"):
        name = name_of(value, writing.trusted)
        if name is not None and not isinstance(value, type):
            return {"$": "function", "name": name}
        raise _refusal(value, place)
    return _object(value, place, writing)


def _object(value, place, writing):
    """Write an instance of a listed class; what occurs again is only referred to."""
    if id(value) in writing.known:
        return {"$": "ref", "id": writing.known[id(value)]}
    cls = type(value)
    name = name_of(cls, writing.trusted)
    if name is None or not hasattr(value, "__dict__"):
        raise _refusal(value, place)
    state = dict(vars(value))
    try:
        check_attributes(cls, state)
        check_parameters(value)
    except ValueError as error:
        error.add_note(f"It was to be saved as {place}.")
        raise
    number = len(writing.kept)
    writing.known[id(value)] = number
    writing.kept.append(value)
    pairs = {key: _encode(one, f"{place}.{key}", writing) for key, one in state.items()}
    return {"$": "object", "class": name, "id": number, "state": pairs}


def _refusal(value, place):
    name = getattr(value, "__qualname__", None) or type(value).__qualname__
    remedy = _REMEDIES.get(type(value).__name__)
    if remedy is None and callable(value) and not hasattr(value, "fit"):
        remedy = (
            "Set the parameter to None or to a name before saving, or define it in a module and "
            "hand it in as trusted=[...], to load too."
        )
    remedy = remedy or (
        "Leave it out, or use joblib, whose files only those may load who trust them; a class "
        "with plain attributes can be handed in as trusted=[...], to load too."
    )
    module = getattr(value, "__module__", None) or type(value).__module__
    return TypeError(
        f"{place} must be one of the classes and functions that a file may hold, or plain data; "
        f"got {module}.{name}. {remedy}"
    )


# ------------------------------------------------------------------------------- containers


def _items(values, place, writing):
    return [_encode(one, f"{place}[{i}]", writing) for i, one in enumerate(values)]


def _pairs(values, place, writing):
    """Write a dict as a list of [key, value]: keys need not be text."""
    return [
        [_encode(key, f"a key of {place}", writing), _encode(one, f"{place}[{key!r}]", writing)]
        for key, one in values.items()
    ]


def _listed(kind):
    def write(values, place, writing):
        return {"$": kind, "items": _items(values, place, writing)}

    return write


def _set(values, place, writing):
    # In one order, so that equal estimators make equal files.
    return {"$": "set", "items": _items(sorted(values, key=repr), place, writing)}


def _mapping(kind):
    def write(values, place, writing):
        return {"$": kind, "items": _pairs(values, place, writing)}

    return write


def _slice(value, place, writing):
    items = [value.start, value.stop, value.step]
    return {"$": "slice", "items": _items(items, place, writing)}


def _partial(value, place, writing):
    return {
        "$": "partial",
        "function": _encode(value.func, f"{place}.func", writing),
        "arguments": _items(value.args, place, writing),
        "keywords": _pairs(value.keywords, place, writing),
    }


def _random_state(value, place, writing):
    return {"$": "random_state", "state": _items(value.get_state(legacy=True), place, writing)}


# ----------------------------------------------------------------------------------- arrays


def _array(value, place, writing):
    value = np.asarray(value)
    if value.dtype.kind in "OU":
        return _array_of_texts(value, place, writing)
    if id(value) in writing.known:
        return dict(writing.known[id(value)])
    # The order of axes in memory decides how sums are rounded.
    turned = value.flags.f_contiguous and not value.flags.c_contiguous
    name = _store(value.T if turned else value, place, writing)
    node = {"$": "transposed" if turned else "array", "name": name}
    writing.known[id(value)] = node
    writing.kept.append(value)
    return node


def _store(value, place, writing):
    _dtype_name(value.dtype, place)
    name, n = place, 1
    while name in writing.arrays:  # keys of a dict share a place
        n += 1
        name = f"{place} {n}"
    writing.arrays[name] = value
    return name


def _array_of_texts(value, place, writing):
    """Write an array of objects or text as JSON: numbers, text, and arrays of numbers."""
    flat = value.ravel().tolist()
    if any(type(one) not in (*_PLAIN, float, np.ndarray) for one in flat):
        raise TypeError(
            f"{place} must hold numbers, text and arrays alone, to be saved; got other objects in "
            "an array of dtype object. Use an array of numbers."
        )
    kind = "objects" if value.dtype == object else "texts"
    return {"$": kind, "shape": list(value.shape), "items": _items(flat, place, writing)}


def _dtype_name(dtype, place):
    names = [name for name, one in DTYPES.items() if one == dtype.newbyteorder("<")]
    if not names:
        raise TypeError(
            f"{place} must have one of the dtypes {', '.join(map(str, DTYPES.values()))}, to be "
            f"saved; got {dtype}. Convert it."
        )
    return names[0]


_CONTAINERS = {
    tuple: _listed("tuple"),
    deque: _listed("deque"),
    set: _set,
    dict: _mapping("dict"),
    Bunch: _mapping("bunch"),
    slice: _slice,
    functools.partial: _partial,
    np.random.RandomState: _random_state,
    np.ndarray: _array,
    np.memmap: _array,
}
