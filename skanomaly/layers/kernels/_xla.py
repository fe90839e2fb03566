"""Handlers of XLA's typed foreign function interface, compiled by Numba.

XLA calls a handler with the address of a call frame, whose layout its public C header
``xla/ffi/api/c_api.h`` keeps for a major version of the interface. When a handler is registered,
XLA first asks it for its version; the handler then also writes down what XLA says of itself, for
:func:`unfit_interface`.

The rows of a batch are shared out, in pieces, on XLA's own thread pool. The calling thread works
too, and waits only for pieces that another thread has begun, so that a full pool cannot block it.
"""

import ctypes
import sys

import numpy as np

from skanomaly.layers.kernels._compile import (
    address_of,
    carray,
    compiled,
    inlined,
    intrinsic,
    numba,
    pointer,
)
from skanomaly.layers.kernels._pieces import WORDS_PER_ARRAY

__all__ = ["Handler", "unfit_interface"]

# ------------------------------------------------------- structures of version 0 of the interface

# In the order of the header. Every field takes a word of eight bytes; two halves share one where a
# name tells so. Args, Rets and Attrs lie within the frame.
_FRAME = (
    "struct_size extension api context stage "
    "args_size args_extension n_args arg_types args "
    "rets_size rets_extension n_rets ret_types rets "
    "attrs_size attrs_extension n_attrs attr_types attr_names attrs"
).split()
_BUFFER = "struct_size extension dtype data rank dims".split()
_EXTENSION = "struct_size kind next metadata".split()
_METADATA = "struct_size version_size version_extension major_and_minor traits".split()
_INTERFACE = (
    "struct_size extension version_size version_extension major_and_minor internal "
    "error_create error_message error_destroy register stream type_register context_get state_set "
    "state_get memory_allocate memory_free pool_schedule pool_size"
).split()
_ERROR = "struct_size extension message code".split()
_SCHEDULE = "struct_size extension context task data".split()
_POOL_SIZE = "struct_size extension context n_threads".split()

_API, _CONTEXT, _STAGE = (_FRAME.index(name) for name in ("api", "context", "stage"))
_N_ARGS, _ARGS = _FRAME.index("n_args"), _FRAME.index("args")
_N_RETS, _RETS = _FRAME.index("n_rets"), _FRAME.index("rets")
_DATA, _RANK, _DIMS = (_BUFFER.index(name) for name in ("data", "rank", "dims"))
_KIND, _ASKED = _EXTENSION.index("kind"), _EXTENSION.index("metadata")
_VERSION, _TRAITS = _METADATA.index("major_and_minor"), _METADATA.index("traits")
_OWN_VERSION = _INTERFACE.index("major_and_minor")
_ERROR_CREATE, _POOL_SCHEDULE, _ASK_POOL_SIZE = (
    _INTERFACE.index(name) for name in ("error_create", "pool_schedule", "pool_size")
)
_ERROR_WORDS, _SCHEDULE_WORDS, _POOL_SIZE_WORDS = len(_ERROR), len(_SCHEDULE), len(_POOL_SIZE)
_ERROR_BYTES = 8 * _ERROR_WORDS - 4  # its last field is half a word
_METADATA_EXTENSION, _EXECUTE, _INVALID_ARGUMENT = 1, 3, 3
_MAJOR, _MINOR = 0, 1  # all that is used here exists since version 0.1
_LOW_HALF = 0xFFFFFFFF

_MESSAGE = np.frombuffer(b"The LSTM kernel got a wrong number of arrays, or no memory\0", np.uint8)


# --------------------------------------------------------------------------------- what C can do


@intrinsic
def _call(context, function, argument):
    """Call a C function of one word that returns a word."""
    from llvmlite import ir
    from numba import types

    def generate(context, builder, signature, args):
        word = ir.IntType(64)
        kind = ir.FunctionType(word, [word])
        return builder.call(builder.inttoptr(args[0], kind.as_pointer()), [args[1]])

    return types.int64(types.int64, types.int64), generate


@intrinsic
def _call_piece(context, function, table, piece):
    """Call a C function of two words that returns nothing."""
    from llvmlite import ir
    from numba import types

    def generate(context, builder, signature, args):
        word = ir.IntType(64)
        kind = ir.FunctionType(ir.VoidType(), [word] * 2)
        builder.call(builder.inttoptr(args[0], kind.as_pointer()), args[1:])
        return context.get_dummy_value()

    return types.void(*[types.int64] * 3), generate


@intrinsic
def _add(context, address, value):
    """Add to the word at an address, at once for all threads; return what it was before."""
    from llvmlite import ir
    from numba import types

    def generate(context, builder, signature, args):
        place = builder.inttoptr(args[0], ir.IntType(64).as_pointer())
        return builder.atomic_rmw("add", place, args[1], "seq_cst")

    return types.int64(types.int64, types.int64), generate


def _of_libc(name, n_arguments):
    """Make an intrinsic of a function of the C library whose arguments and result are words."""

    def generate(context, builder, signature, args):
        from llvmlite import ir
        from numba.core import cgutils

        word = ir.IntType(64)
        kind = ir.FunctionType(word, [word] * n_arguments)
        return builder.call(cgutils.get_or_insert_function(builder.module, kind, name), args)

    return generate


@intrinsic
def _malloc(context, n_bytes):
    """Allocate memory: its address, 0 where there is none."""
    from numba import types

    return types.int64(types.int64), _of_libc("malloc", 1)


@intrinsic
def _free(context, address):
    """Give memory back."""
    from numba import types

    return types.int64(types.int64), _of_libc("free", 1)


@intrinsic
def _let_others_run(context):
    """Give the processor to another thread."""
    from numba import types

    return types.int64(), _of_libc("sched_yield", 0)


@intrinsic
def _madvise(context, address, n_bytes, advice):
    """Tell the operating system how memory will be used."""
    from numba import types

    return types.int64(*[types.int64] * 3), _of_libc("madvise", 3)


@compiled
def _expect_large_pages(address, n_bytes):
    """Ask for large pages, which spare an interruption for every 4 KiB of fresh memory.

    It is a hint: that it reaches a little of what lies beside does no harm.
    """
    if n_bytes >= _LARGE_PAGE // 2:
        start = address & -_LARGE_PAGE
        end = (address + n_bytes + _LARGE_PAGE - 1) & -_LARGE_PAGE
        _madvise(start, end - start, _MADV_HUGEPAGE)


@compiled
def _expect_nothing(address, n_bytes):
    pass


_LARGE_PAGE, _MADV_HUGEPAGE = 2**21, 14
_prepare = _expect_large_pages if sys.platform == "linux" else _expect_nothing


@inlined
def _words(address, n):
    """See memory as `n` words."""
    return carray(pointer(address), n, np.int64)


# ------------------------------------------------------------------- a job, shared out in pieces

# A job lives in memory of its own until the last thread has dropped it, as the pool may start a
# task long after the work is done. Its words, before the table of arrays:
_JOB = "next_piece n_done n_holders n_pieces function".split()
_NEXT, _DONE, _HOLDERS, _PIECES, _FUNCTION = range(len(_JOB))
_TABLE = len(_JOB)
_KERNEL = _TABLE + 2 * WORDS_PER_ARRAY


@compiled
def _work(address):
    """Compute pieces until none is left to begin."""
    job = _words(address, _TABLE)
    while True:
        piece = _add(address + 8 * _NEXT, 1)
        if piece >= job[_PIECES]:
            return
        _call_piece(job[_FUNCTION], address + 8 * _TABLE, piece)
        _add(address + 8 * _DONE, 1)


@compiled
def _drop(address):
    if _add(address + 8 * _HOLDERS, -1) == 1:
        _free(address)


def _task(address):
    """Help with a job: what the pool runs."""
    _work(address)
    _drop(address)


@compiled
def _pool_threads(frame):
    """Ask XLA for the size of its pool."""
    answer = np.ones(1, np.int64)
    question = np.zeros(_POOL_SIZE_WORDS, np.int64)
    question[0], question[2] = 8 * _POOL_SIZE_WORDS, frame[_CONTEXT]
    question[3] = answer.ctypes.data
    api = _words(frame[_API], _ASK_POOL_SIZE + 1)
    error = _call(api[_ASK_POOL_SIZE], question.ctypes.data)
    return 1 if error else max(1, answer[0])


@compiled
def _share_out(frame, job, n_tasks, task):
    """Let the pool run a task several times."""
    request = np.zeros(_SCHEDULE_WORDS, np.int64)
    request[0], request[2] = 8 * _SCHEDULE_WORDS, frame[_CONTEXT]
    request[3], request[4] = task, job
    api = _words(frame[_API], _ASK_POOL_SIZE + 1)
    for _ in range(n_tasks):
        if _call(api[_POOL_SCHEDULE], request.ctypes.data):
            _drop(job)  # no pool: the calling thread does it all


@compiled
def _describe(buffer_address, table, k):
    """Write the address and the sizes of a buffer into the table of arrays."""
    buffer = _words(buffer_address, _N_BUFFER_WORDS)
    dims = _words(buffer[_DIMS], buffer[_RANK])
    table[WORDS_PER_ARRAY * k] = buffer[_DATA]
    for d in range(min(buffer[_RANK], WORDS_PER_ARRAY - 1)):
        table[WORDS_PER_ARRAY * k + 1 + d] = dims[d]


_N_BUFFER_WORDS = len(_BUFFER)


@compiled
def _prepare_result(entry):
    """Prepare the memory of an array of float32 in the table, given as its address and sizes."""
    n_bytes = 4
    for d in range(1, WORDS_PER_ARRAY):
        n_bytes *= max(1, entry[d])
    _prepare(entry[0], n_bytes)


@compiled
def _execute(frame, function, task, long):
    """Do the work of a call whose first and third arguments are x and the kernel.

    The first size of its last result is the number of pieces.
    """
    n_args, n_rets = frame[_N_ARGS], frame[_N_RETS]
    n_words = _TABLE + WORDS_PER_ARRAY * (n_args + n_rets)
    address = _malloc(8 * n_words)
    if address == 0:
        return _refuse(frame)
    job = _words(address, n_words)
    job[:] = 0
    args, rets = _words(frame[_ARGS], n_args), _words(frame[_RETS], n_rets)
    for k in range(n_args):
        _describe(args[k], job[_TABLE:], k)
    for k in range(n_rets):
        _describe(rets[k], job[_TABLE:], n_args + k)
        _prepare_result(job[_TABLE + WORDS_PER_ARRAY * (n_args + k) :])
    batch, n_steps, n_inputs = job[_TABLE + 1], job[_TABLE + 2], job[_TABLE + 3]
    width = job[_KERNEL + 3]
    job[_PIECES] = job[_TABLE + WORDS_PER_ARRAY * (n_args + n_rets - 1) + 1]
    job[_FUNCTION] = function
    n_threads = 1
    if batch * n_steps * width * (n_inputs + width // 4 + 32) > long:
        n_threads = _pool_threads(frame)
    n_tasks = min(n_threads, job[_PIECES]) - 1
    job[_HOLDERS] = n_tasks + 1
    _share_out(frame, address, n_tasks, task)
    _work(address)
    while _add(address + 8 * _DONE, 0) < job[_PIECES]:
        _let_others_run()
    _drop(address)
    return 0


@compiled
def _refuse(frame):
    """Make an error for XLA."""
    request = np.zeros(_ERROR_WORDS, np.int64)
    request[0], request[2], request[3] = _ERROR_BYTES, _MESSAGE.ctypes.data, _INVALID_ARGUMENT
    api = _words(frame[_API], _ASK_POOL_SIZE + 1)
    return _call(api[_ERROR_CREATE], request.ctypes.data)


@compiled
def _handle(frame_address, settings):
    """Answer XLA; 0 means that all went well."""
    function, task, n_arrays = settings[0], settings[1], settings[2]
    report_address, long = settings[3], settings[4]
    frame = _words(frame_address, _N_FRAME_WORDS)
    if frame[1] != 0:
        extension = _words(frame[1], _ASKED + 1)
        if extension[_KIND] & _LOW_HALF == _METADATA_EXTENSION:
            metadata = _words(extension[_ASKED], _TRAITS + 1)
            report = _words(report_address, 4)
            report[0], report[1] = frame[0], metadata[0]
            if frame[_API] != 0:
                api = _words(frame[_API], _OWN_VERSION + 1)
                report[2], report[3] = api[0], api[_OWN_VERSION]
            metadata[_VERSION] = (_MINOR << 32) | _MAJOR
            metadata[_TRAITS] &= ~_LOW_HALF
            return 0
    if frame[_STAGE] & _LOW_HALF != _EXECUTE:
        return 0
    if frame[_N_ARGS] + frame[_N_RETS] != n_arrays:
        return _refuse(frame)
    return _execute(frame, function, task, long)


_N_FRAME_WORDS = len(_FRAME)

# Multiply-adds, roughly, that take so long that a second thread is worth waking.
_LONG = 400_000


class Handler:
    """A handler for XLA, and what XLA said when it was registered.

    Parameters
    ----------
    piece : {forward_piece, backward_piece}
        What computes some rows.
    n_arrays : int
        Arguments and results.

    Attributes
    ----------
    address : int
        Of the C function; valid while the process lives.
    """

    def __init__(self, piece, n_arrays):
        self._report = np.zeros(4, np.int64)
        function = address_of(piece, "void(int64, int64)")
        task = address_of(_task, "void(int64)")
        # An array, for Numba would compile all anew for every value of a number.
        settings = np.array([function, task, n_arrays, self._report.ctypes.data, _LONG])

        # Compiled in every process, as the addresses differ.
        @numba.cfunc("int64(int64)", nopython=True)
        def handle(frame):
            return _handle(frame, settings)

        self._handle = handle
        self.address = handle.address

    def capsule(self):
        """Wrap the address as JAX wants it."""
        import jax

        return jax.ffi.pycapsule(ctypes.c_void_p(self.address))

    def unfit(self):
        """Say why XLA's interface does not fit, once registered, or return None."""
        return unfit_interface(*self._report.tolist())


def unfit_interface(frame_size, metadata_size, api_size, version):
    """Say why XLA's interface does not fit, or return None.

    Parameters
    ----------
    frame_size, metadata_size, api_size : int
        Sizes of three structures, in bytes; that of the last is 0 where XLA did not tell.
    version : int
        Major version in the low half, minor version in the high half.
    """
    if not frame_size:
        return "XLA did not ask the handler for its version"
    needed = [("call frame", frame_size, _FRAME), ("metadata", metadata_size, _METADATA)]
    if api_size:
        major, minor = version & _LOW_HALF, version >> 32
        if major != _MAJOR or minor < _MINOR:
            return (
                f"XLA's foreign function interface must have version {_MAJOR}.{_MINOR} or a later "
                f"{_MAJOR}.x; it has {major}.{minor}"
            )
        needed.append(("interface", api_size, _INTERFACE))
    for name, size, fields in needed:
        if size < 8 * len(fields) - 4:  # the last field may be half a word
            return f"XLA's {name} must have {8 * len(fields)} bytes or more; it has {size}"
    return None
