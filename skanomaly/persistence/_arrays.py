"""One block of arrays, laid out as the safetensors format has it.

Eight bytes say how long the header is; the header, JSON, gives dtype, shape and place of each
array by name; the values follow, little-endian, in C order. A place that does not fit its shape,
or the block, is refused before anything is allocated.
"""

import json
import math
import sys

import numpy as np

from skanomaly.exceptions import FileFormatError
from skanomaly.persistence._json import MOST_JSON, read_json, short

__all__ = ["DTYPES", "pack_arrays", "unpack_arrays"]

#: dtypes that a file holds, by their names in the safetensors format.
DTYPES = {
    "BOOL": np.dtype("bool"),
    "U8": np.dtype("<u1"),
    "I8": np.dtype("<i1"),
    "U16": np.dtype("<u2"),
    "I16": np.dtype("<i2"),
    "F16": np.dtype("<f2"),
    "U32": np.dtype("<u4"),
    "I32": np.dtype("<i4"),
    "F32": np.dtype("<f4"),
    "U64": np.dtype("<u8"),
    "I64": np.dtype("<i8"),
    "F64": np.dtype("<f8"),
}
_NAMES = {dtype: name for name, dtype in DTYPES.items()}
_MOST_DIMENSIONS = 32
_ALIGNMENT = 8


def pack_arrays(arrays):
    """Write {name: array} into one block of bytes; dtypes are among DTYPES."""
    header, parts, place = {}, [], 0
    for name, array in arrays.items():
        dtype = array.dtype.newbyteorder("<")
        values = np.ascontiguousarray(array, dtype=dtype).tobytes()
        header[name] = {
            "dtype": _NAMES[dtype],
            "shape": list(array.shape),
            "data_offsets": [place, place + len(values)],
        }
        parts.append(values)
        place += len(values)
    text = json.dumps(header, separators=(",", ":")).encode()
    if len(text) > MOST_JSON:
        raise ValueError(
            f"Names and shapes of arrays must take at most {MOST_JSON} bytes, to be saved; got "
            f"{len(text)} for {len(arrays)} arrays. Use fewer arrays."
        )
    text += b" " * (-len(text) % _ALIGNMENT)
    return b"".join([len(text).to_bytes(8, "little"), text, *parts])


def unpack_arrays(block):
    """Read {name: array} from what :func:`pack_arrays` wrote; every array owns its memory."""
    length = int.from_bytes(block[:8], "little")
    if len(block) < 8 or length > len(block) - 8:
        raise FileFormatError(
            f"The header of the arrays must lie within their {len(block)} bytes; got a length of "
            f"{length}. The file is damaged; get another copy."
        )
    header = read_json(block[8 : 8 + length], "the header of the arrays")
    if not isinstance(header, dict):
        raise _wrong("header", "must be a JSON object", header)
    values, arrays, place = memoryview(block)[8 + length :], {}, 0
    for name, entry in header.items():
        dtype, shape, place = _read_entry(name, entry, place, len(values))
        start = place - math.prod(shape) * dtype.itemsize
        array = np.frombuffer(values[start:place], dtype).reshape(shape)
        arrays[name] = array.astype(dtype.newbyteorder("="), copy=True)
    if place != len(values):
        raise _wrong("block", "must end where its last array does", len(values) - place)
    return arrays


def _read_entry(name, entry, place, n_bytes):
    """Check what the header says of an array; return its dtype, its shape and where it ends."""
    if not isinstance(entry, dict) or set(entry) != {"dtype", "shape", "data_offsets"}:
        raise _wrong(name, "must have dtype, shape and data_offsets", entry)
    dtype, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
    if not isinstance(dtype, str) or dtype not in DTYPES:
        raise _wrong(name, f"must have one of the dtypes {', '.join(DTYPES)}", dtype)
    if not _is_counts(shape) or len(shape) > _MOST_DIMENSIONS:
        raise _wrong(name, "must have a shape of whole numbers, none negative", shape)
    end = place + math.prod(shape) * DTYPES[dtype].itemsize
    if not _is_counts(offsets) or offsets != [place, end] or end > n_bytes:
        raise _wrong(
            name,
            f"must fill its place in the block of {n_bytes} bytes, [{place}, {end}] by its shape "
            f"{short(shape)}",
            offsets,
        )
    return DTYPES[dtype], tuple(shape), end


def _is_counts(numbers):
    if not isinstance(numbers, list):
        return False
    return all(type(n) is int and 0 <= n <= sys.maxsize for n in numbers)


def _wrong(name, rule, got):
    return FileFormatError(
        f"Array {short(name)} {rule}; got {short(got)}. The file is damaged or was not written by "
        "skanomaly; get another copy."
    )
