"""Networks of the user's own: a function that builds one, and what tells two of them apart.

A builder is a function ``(x, n_features, **params) -> y`` on Keras tensors: x of shape (batch,
window_size, n_inputs), y of (batch, window_size, n_features). Nothing here imports Keras.
"""

import functools
import inspect
import re
import types
from dataclasses import dataclass, field
from typing import Any

import joblib
import numpy as np

__all__ = ["Builder", "builder_params", "check_builder", "content_key"]

_NAMED = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


@dataclass(frozen=True)
class Builder:
    """A builder and its parameters, as an architecture of :mod:`skanomaly.networks`.

    Two of them are equal if they build the same: see :func:`content_key`.
    """

    key: tuple
    build: Any = field(compare=False)
    params: dict = field(compare=False)

    @classmethod
    def of(cls, build, params):
        """Make one of a function and its parameters."""
        return cls(content_key((build, params)), build, params)

    @property
    def __name__(self):
        """Name the Keras model; "<lambda>" is no name to TensorFlow."""
        name = getattr(_innermost(self.build), "__name__", type(self.build).__name__)
        return re.sub(r"\W", "", name) or "network"

    @property
    def takes_mask(self):
        """Tell whether the function asks which steps of a window exist."""
        return "mask" in inspect.signature(self.build).parameters

    def __call__(self, x, mask, n_features):
        """Build the network on x, and return what it says."""
        given = {"mask": mask} if self.takes_mask else {}
        try:
            return self.build(x, n_features, **given, **self.params)
        except Exception as error:
            error.add_note(
                f"It was raised by build={self.__name__}, called with x of shape {x.shape}, "
                f"n_features={n_features} and build_params={self.params!r}. x.shape[1] is None "
                "where whole series of any length are windows."
            )
            raise


def _innermost(build):
    return _innermost(build.func) if isinstance(build, functools.partial) else build


def builder_params(build):
    """Name the parameters of a builder besides x, n_features and mask, with their defaults.

    Returns
    -------
    params : dict of str to object
        ``inspect.Parameter.empty`` where there is no default.
    any_name : bool
        Whether it takes parameters of any other name, too.
    """
    try:
        parameters = list(inspect.signature(build).parameters.values())
    except (TypeError, ValueError):  # not callable, or it tells nobody what it takes
        return {}, False
    any_name = any(p.kind is p.VAR_KEYWORD for p in parameters)
    first = sum(p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD) for p in parameters)
    named = parameters[min(first, 2) :]
    return {p.name: p.default for p in named if p.kind in _NAMED and p.name != "mask"}, any_name


def check_builder(build, params):
    """Raise ValueError unless a builder can be called with its parameters."""
    try:
        signature = inspect.signature(build)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"build must be a function whose signature Python can tell; got {build!r}. Wrap it in "
            "one: def build(x, n_features): ..."
        ) from error
    known, any_name = builder_params(build)
    if "mask" in params or not (any_name or set(params) <= set(known)):
        raise ValueError(
            f"build_params must name parameters of build, which are {sorted(known) or 'none'}; got "
            f"{sorted(map(str, params))}. Correct the names, or give build these parameters; "
            "x, n_features and mask are given by the detector."
        )
    try:
        signature.bind(None, 1, **params)
    except TypeError as error:
        raise ValueError(
            "build must take x and n_features, and no more than build_params gives; got the "
            f"signature {signature} with build_params={params!r}: {error}. Write it as "
            "def build(x, n_features, *, units=16): ..."
        ) from error


# ------------------------------------------------------------------------------------ identity


@dataclass(frozen=True, eq=False)
class _Same:
    """Equal only for the very same object, which it keeps alive so that no other gets its id."""

    value: Any

    def __eq__(self, other):
        return isinstance(other, _Same) and self.value is other.value

    def __hash__(self):
        return id(self.value)


def content_key(value, _open=()):
    """Describe a value so that equal descriptions mean the same network.

    A function is its code, its defaults, what it closes over and the global values it names, with
    helpers from its own module: a constant that changes between two fits makes another network.
    Numbers of different types differ. What cannot be described is equal to itself alone.
    """
    kind = type(value)
    if id(value) in _open:
        return "itself"
    inner = functools.partial(content_key, _open=(*_open, id(value)))
    if value is None or kind in (bool, int, float, complex, str, bytes):
        return kind, repr(value)  # 1, 1.0 and True are equal, and so are 0.0 and -0.0
    if kind in (list, tuple):
        return kind, tuple(map(inner, value))
    if kind is dict:
        return kind, tuple((inner(name), inner(one)) for name, one in value.items())
    if kind is np.ndarray and value.dtype != object:
        return kind, value.dtype.str, value.shape, value.tobytes()
    if kind is functools.partial:
        return kind, inner(value.func), inner(value.args), inner(value.keywords)
    if kind is types.FunctionType:
        return _function_key(value, inner)
    if callable(value) and hasattr(value, "__qualname__") or kind is types.ModuleType:
        return _Same(value)
    return _hash_key(value)


def _function_key(function, inner):
    cells = [_cell_value(cell) for cell in function.__closure__ or ()]
    named = sorted(_names(function.__code__) & function.__globals__.keys())
    outside = {name: function.__globals__[name] for name in named}
    return (
        function.__code__,
        inner(function.__defaults__),
        inner(function.__kwdefaults__),
        tuple(map(inner, cells)),
        tuple((name, _global_key(one, function, inner)) for name, one in outside.items()),
    )


def _global_key(value, function, inner):
    """Look into helpers of the same module; those of others do not change while a process runs."""
    helper = type(value) is types.FunctionType and value.__module__ == function.__module__
    return inner(value) if helper or not callable(value) else _Same(value)


def _cell_value(cell):
    try:
        return cell.cell_contents
    except ValueError:  # not assigned yet
        return None


def _names(code):
    """Collect the names in a code object and in those of the functions inside it."""
    inside = [one for one in code.co_consts if isinstance(one, types.CodeType)]
    return set(code.co_names).union(*map(_names, inside))


def _hash_key(value):
    """Describe an object by what it pickles to, such as an initializer of Keras."""
    try:
        return type(value), joblib.hash(value)
    except Exception:  # noqa: BLE001 -- whatever pickling raises: then it is equal to itself alone
        return _Same(value)
