"""Numba's decorators with the options used here; without Numba, functions stay as they are."""

import functools
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
    "digest_of",
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


def digest_of(*modules):
    """Give a number that changes with the files of modules, for compiled functions that call them.

    Numba's cache compares what a function keeps of a function around it: one that stands in such a
    function, and reads the number, is compiled anew once the number is another.
    """
    files = [Path(module.__file__) for module in modules]
    # Within an archive there are no files, and nothing that could change.
    return zlib.crc32(b"".join(file.read_bytes() for file in files if file.is_file()))


def _cached(decorator, function, *args, **options):
    try:
        return decorator(*args, cache=True, **options)(function)
    except RuntimeError:  # no folder can be written: every process compiles anew
        return decorator(*args, **options)(function)


def compiled(function):
    """Compile at the first call, and keep the machine code on disk where a folder can be written.

    Numba's cache notices changes of the file of a function alone, not of functions that it calls
    in other files: a compiled function that calls one of another file must keep its
    :func:`digest_of`.
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
