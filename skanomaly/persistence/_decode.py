"""From JSON and arrays to estimators.

Every node is checked before it is used: its keys, their types, the names of classes, functions and
arrays. No constructor of an estimator runs: attributes are set on an empty instance, and its
parameters checked by the rules that ``fit`` has for them.
"""

import functools
from collections import deque
from dataclasses import dataclass, field

import numpy as np
from sklearn.utils import Bunch

from skanomaly.exceptions import FileFormatError
from skanomaly.persistence._allowed import (
    TYPES,
    check_attributes,
    check_parameters,
    fill_parameters,
    find,
)
from skanomaly.persistence._arrays import DTYPES
from skanomaly.persistence._json import short
from skanomaly.persistence._keras import Described, make

__all__ = ["decode"]


@dataclass
class _Reading:
    """What was read so far."""

    arrays: dict
    trusted: dict
    objects: dict = field(default_factory=dict)
    turned: dict = field(default_factory=dict)
    used: set = field(default_factory=set)


def decode(node, arrays, trusted):
    """Make the estimator that a node describes.

    Parameters
    ----------
    node : object
        What JSON gave.
    arrays : dict of str to ndarray
        All of them are to be used.
    trusted : dict of str to class or function
        What the caller handed in.

    Returns
    -------
    estimator : object
    """
    if not isinstance(node, dict) or node.get("$") != "object":
        raise _wrong("The file", "must hold an estimator", node)
    reading = _Reading(arrays, trusted)
    estimator = _decode(node, reading)
    if len(reading.used) < len(arrays):
        extra = min(set(arrays) - reading.used)
        raise _wrong("The file", "must hold no arrays but those of the estimator", extra)
    return estimator


def _decode(node, reading):
    if isinstance(node, list):
        return [_decode(one, reading) for one in node]
    if not isinstance(node, dict):
        return node
    kind = node.get("$")
    if not isinstance(kind, str) or kind not in _KINDS:
        raise _wrong("A JSON object", f'must have "$", one of {", ".join(_KINDS)}', node)
    types, read = _KINDS[kind]
    if set(node) != {"$", *types}:
        raise _wrong(f"The {kind}", f"must have the keys {', '.join(types)}", sorted(node))
    for key, one in types.items():
        if type(node[key]) is not one:
            raise _wrong(f"{key} of a {kind}", f"must be a {one.__name__}", node[key])
    return read(node, reading)


def _wrong(what, rule, got):
    return FileFormatError(
        f"{what} {rule}; got {short(got)}. It was not written by skanomaly; get another copy."
    )


# ------------------------------------------------------------------------------- containers


def _float(node, reading):
    if node["value"] not in ("nan", "inf", "-inf"):
        raise _wrong("A float as text", "must be nan, inf or -inf", node["value"])
    return float(node["value"])


def _listed(make_one):
    def read(node, reading):
        return make_one(_hashable(_decode(node["items"], reading), make_one is set))

    return read


def _hashable(values, needed=True):
    """Return values that can be keys; refuse others."""
    plain = (type(None), bool, int, float, str, tuple, np.generic)
    if needed and not all(isinstance(one, plain) for one in values):
        raise _wrong("Keys and members of sets", "must be numbers, text or tuples", values)
    try:
        for one in values if needed else ():
            hash(one)
    except TypeError as error:
        raise _wrong("Keys and members of sets", "must hold no lists", values) from error
    return values


def _dict(node, reading):
    return _pairs(node["items"], reading)


def _bunch(node, reading):
    return Bunch(**_keywords(node["items"], reading))


def _pairs(items, reading):
    """Read a list of [key, value] as a dict."""
    if not all(isinstance(pair, list) and len(pair) == 2 for pair in items):
        raise _wrong("A dict", "must be a list of pairs", items)
    keys = _hashable([_decode(key, reading) for key, _ in items])
    found = dict(zip(keys, (_decode(one, reading) for _, one in items), strict=True))
    if len(found) < len(items):
        raise _wrong("Keys of a dict", "must be there once", keys)
    return found


def _slice(node, reading):
    items = node["items"]
    if len(items) != 3 or not all(type(one) in (int, type(None), str) for one in items):
        raise _wrong("A slice", "must have three limits", items)
    return slice(*items)


def _partial(node, reading):
    function = _decode(node["function"], reading)
    if not callable(function) or isinstance(function, type):
        raise _wrong("A partial", "must have a function", node["function"])
    arguments = _decode(node["arguments"], reading)
    return functools.partial(function, *arguments, **_keywords(node["keywords"], reading))


def _keywords(items, reading):
    found = _pairs(items, reading)
    if not all(isinstance(key, str) for key in found):
        raise _wrong("Names of arguments", "must be text", list(found))
    return found


def _random_state(node, reading):
    state = np.random.RandomState()
    values = _decode(node["state"], reading)
    good = (
        len(values) == 5
        and values[0] == "MT19937"
        and isinstance(values[1], np.ndarray)
        and type(values[2]) is int
        and 0 <= values[2] <= 624  # compiled code reads on from here
        and values[3] in (0, 1)
        and type(values[4]) is float
    )
    if not good or values[1].shape != (624,) or values[1].dtype != np.uint32:
        raise _wrong("A random state", "must be that of a Mersenne twister", node["state"])
    state.set_state(tuple(values))
    return state


# ----------------------------------------------------------------------------------- arrays


def _array(node, reading):
    name = node["name"]
    if name not in reading.arrays:
        raise _wrong("An array", "must be among those of the file", name)
    reading.used.add(name)
    return reading.arrays[name]


def _transposed(node, reading):
    turned = _array(node, reading).T
    return reading.turned.setdefault(node["name"], turned)


def _scalar(node, reading):
    array = _array(node, reading)
    if array.ndim:
        raise _wrong("A number", "must be an array without axes", array.shape)
    return array[()]


def _texts(node, reading):
    items = _flat(node, reading)
    if not all(isinstance(one, str) for one in items):
        raise _wrong("An array of text", "must hold text alone", node["items"])
    width = max(map(len, items), default=1)
    if len(items) * width > 16 * sum(map(len, items)) + 2**20:
        raise _wrong("An array of text", "must hold texts of about one length", width)
    return np.array(items, dtype=f"<U{max(width, 1)}").reshape(node["shape"])


def _objects(node, reading):
    items = _flat(node, reading)
    array = np.empty(len(items), dtype=object)
    for i, one in enumerate(items):  # at once, arrays among them would be taken apart
        array[i] = one
    return array.reshape(node["shape"])


def _flat(node, reading):
    """Read the items of an array, as many as its shape says."""
    shape, items = node["shape"], _decode(node["items"], reading)
    size = len(items)
    if not shape or any(type(n) is not int or n < 0 or n > size for n in shape):
        raise _wrong("An array", f"must have a shape for {size} items", shape)
    if len(shape) > 32 or int(np.prod(shape, dtype=object)) != size:
        raise _wrong("An array", f"must have a shape for {size} items", shape)
    if any(not isinstance(one, (str, int, float, type(None), np.ndarray)) for one in items):
        raise _wrong("An array of objects", "must hold numbers, text and arrays", node["items"])
    return items


def _dtype(node, reading):
    if node["name"] not in DTYPES:
        raise _wrong("A dtype", f"must be one of {', '.join(DTYPES)}", node["name"])
    return DTYPES[node["name"]].newbyteorder("=")


def _type(node, reading):
    if node["name"] not in TYPES:
        raise _wrong("A type", f"must be one of {', '.join(TYPES)}", node["name"])
    return TYPES[node["name"]]


# ---------------------------------------------------------------------------------- objects


def _function(node, reading):
    return find(node["name"], callable, reading.trusted)


def _keras(node, reading):
    arguments = _keywords(node["arguments"], reading)
    return make(Described(node["group"], node["name"], arguments))


def _ref(node, reading):
    if node["id"] not in reading.objects:
        raise _wrong("A reference", "must be to what came before", node["id"])
    return reading.objects[node["id"]]


def _object(node, reading):
    cls = find(node["class"], type, reading.trusted)
    if node["id"] in reading.objects:
        raise _wrong("Numbers of objects", "must be there once", node["id"])
    state = {name: _decode(one, reading) for name, one in node["state"].items()}
    try:
        check_attributes(cls, state)
        instance = object.__new__(cls)
        vars(instance).update(state)
        fill_parameters(instance)
        check_parameters(instance)
    except Exception as error:  # rules of many classes, asked about values from anywhere
        raise FileFormatError(
            f"Every {cls.__name__} in the file must be as fit and set_params leave it; of one, the "
            f"check says: {error!s:.500} Use the versions that wrote the file, or get another copy."
        ) from error
    reading.objects[node["id"]] = instance
    return instance


#: For each kind of node, the types of its other keys, and what reads it.
_KINDS = {
    "float": ({"value": str}, _float),
    "tuple": ({"items": list}, _listed(tuple)),
    "deque": ({"items": list}, _listed(deque)),
    "set": ({"items": list}, _listed(set)),
    "dict": ({"items": list}, _dict),
    "bunch": ({"items": list}, _bunch),
    "slice": ({"items": list}, _slice),
    "partial": ({"function": dict, "arguments": list, "keywords": list}, _partial),
    "random_state": ({"state": list}, _random_state),
    "array": ({"name": str}, _array),
    "transposed": ({"name": str}, _transposed),
    "scalar": ({"name": str}, _scalar),
    "texts": ({"shape": list, "items": list}, _texts),
    "objects": ({"shape": list, "items": list}, _objects),
    "dtype": ({"name": str}, _dtype),
    "type": ({"name": str}, _type),
    "function": ({"name": str}, _function),
    "keras": ({"group": str, "name": str, "arguments": list}, _keras),
    "object": ({"class": str, "id": int, "state": dict}, _object),
    "ref": ({"id": int}, _ref),
}
