"""Numba's decorators with the options used here; without Numba, functions stay as they are."""

import functools
import inspect
import zlib
from pathlib import Path

import numpy as np

try:
    import numba
    from numba import carray
    from numba.extending import intrinsic
except ImportError:  # the loops are then plain Python, and nothing calls them
    numba = None
    carray = None

    def intrinsic(function):
        """Leave a function as it is."""
        return function


__all__ = [
    "address_of",
    "apart",
    "carray",
    "compiled",
    "inlined",
    "numba",
    "pointer",
    "summing",
    "without_numba",
]

# Fused multiply-add is allowed, nothing else: NaN must stay NaN, and every row must be rounded as
# it would be alone.
_OPTIONS = {"nogil": True, "fastmath": {"contract"}, "error_model": "numpy"}


def without_numba():
    """Say why nothing can be compiled, or return None."""
    if numba is None:
        return "Numba is not installed. Run: pip install 'skanomaly[fast]'"
    if np.dtype(np.intp).itemsize != 8:
        return "addresses must have 64 bits"
    return None


@functools.cache
def _digest(folder):
    """Give a number that changes with the Python files of a folder; 0 within an archive."""
    return zlib.crc32(b"".join(file.read_bytes() for file in sorted(folder.glob("*.py"))))


def _cached(decorator, function, *args, **options):
    # Numba's cache notices changes of a function's own file, and not of others that it calls. So
    # the name that it is kept by changes with every file beside its own.
    digest = _digest(Path(inspect.getfile(function)).parent)
    function.__qualname__ = f"{function.__qualname__}_{digest:08x}"
    try:
        return decorator(*args, cache=True, **options)(function)
    except RuntimeError:  # no folder can be written: every process compiles anew
        return decorator(*args, **options)(function)


def compiled(function):
    """Compile at the first call, and keep the machine code on disk where a folder can be written.

    Such functions call each other within one folder only.
    """
    return function if numba is None else _cached(numba.njit, function, **_OPTIONS)


def apart(function):
    """Compile as above a function that is never given two arrays that overlap.

    So LLVM need not compare addresses before every inner loop, which made products of small
    matrices half as fast.
    """
    return function if numba is None else _cached(numba.njit, function, **_apart_options())


def summing(function):
    """Compile as :func:`apart`, and let sums be taken in any order, the same at every call."""
    if numba is None:
        return function
    options = _apart_options() | {"fastmath": {"contract", "reassoc"}}
    return _cached(numba.njit, function, **options)


@functools.cache
def _apart_compiler():
    from numba.core.compiler import Compiler

    class Apart(Compiler):
        """Numba's own compiler, but for one flag that njit has no option for."""

        def define_pipelines(self):
            self.state.flags.noalias = True
            return super().define_pipelines()

    return Apart


def _apart_options():
    return _OPTIONS | {"pipeline_class": _apart_compiler()}


def inlined(function):
    """Compile into each caller."""
    if numba is None:
        return function
    return numba.njit(function, inline="always", **_OPTIONS)


def address_of(function, signature):
    """Compile for C and return the address, valid while the process lives, as an int."""
    callback = _cached(numba.cfunc, function, signature, nopython=True, fastmath={"contract"})
    _ADDRESSED.append(callback)
    return callback.address


_ADDRESSED: list = []  # keeps the machine code in memory


@intrinsic
def pointer(context, address):
    """Make a pointer of an int64, for numba.carray."""
    from numba import types

    def generate(context, builder, signature, args):
        kind = context.get_value_type(signature.return_type)
        return builder.inttoptr(args[0], kind)

    return types.voidptr(types.int64), generate
