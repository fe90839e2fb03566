"""Snapshots of streams: of which detector they are, and files of them, without pickle."""

import hashlib
import io
import json
import math
import zipfile
from pathlib import Path

import numpy as np

from skanomaly.files import replace_file

__all__ = ["check_snapshot", "describe_detector", "read_snapshot", "write_snapshot"]

_SCHEMA = 1
_PARTS = ("follower", "smoother", "thresholds")
_KEYS = {"schema", "detector", "options", "n_seen", "unknown", *_PARTS}
_OPTIONS = {"n_streams", "carry_state", "adaptive", "late", "max_gap"}
# Bytes that a file may hold when it is unpacked.
_MOST_BYTES = 2**31


def describe_detector(detector):
    """Tell a fitted detector from others: a dict of class name and digest of what it learned."""
    digest = hashlib.sha256()
    for name, value in sorted(vars(detector).items()):
        if name.startswith("_") or not name.endswith("_") or name in ("history_", "n_iter_"):
            continue
        for array in value if isinstance(value, list) else [value]:
            if isinstance(array, (np.ndarray, int, float, np.number)):
                array = np.asarray(array)
                if array.dtype.kind in "biuf":
                    digest.update(f"{name} {array.shape} {array.dtype}".encode())
                    digest.update(np.ascontiguousarray(array).tobytes())
    return {"class": type(detector).__name__, "digest": digest.hexdigest()}


def check_snapshot(snapshot, detector):
    """Raise unless this is a snapshot of a stream of this detector."""
    if not isinstance(snapshot, dict) or not _KEYS <= set(snapshot):
        raise ValueError(
            f"snapshot must be a dict with the keys {sorted(_KEYS)}; got {_describe(snapshot)}. "
            "Take it from stream.snapshot() or read_snapshot(path)."
        )
    if snapshot["schema"] != _SCHEMA:
        raise ValueError(
            f"snapshot must be of schema {_SCHEMA}, the one that this version of skanomaly knows; "
            f"got {snapshot['schema']!r}. Restore it with the version that wrote it."
        )
    options, n_seen = snapshot["options"], snapshot["n_seen"]
    if not isinstance(options, dict) or set(options) != _OPTIONS:
        raise ValueError(
            f"snapshot['options'] must have the keys {sorted(_OPTIONS)}; got {_describe(options)}. "
            "Take it from stream.snapshot() or read_snapshot(path)."
        )
    if not isinstance(n_seen, int) or n_seen < 0:
        raise ValueError(
            f"snapshot['n_seen'] must be a whole number, at least 0; got {n_seen!r}. Take the "
            "snapshot from stream.snapshot() or read_snapshot(path)."
        )
    own = describe_detector(detector)
    if snapshot["detector"] != own:
        raise ValueError(
            f"snapshot must be of a stream of this detector, {own['class']} with the digest "
            f"{own['digest'][:12]}; got one of {snapshot['detector']!r}. Load the detector that "
            "the stream followed; one fitted again is another."
        )


def _describe(thing):
    return f"the keys {sorted(map(str, thing))}" if isinstance(thing, dict) else repr(thing)


def write_snapshot(snapshot, path):
    """Write a snapshot to a file, all of it or nothing.

    The file takes the place of an older one in one step, after all of it has reached the disk. When
    that fails, as on a full disk, the older one stays as it was.

    Parameters
    ----------
    snapshot : dict
        From :meth:`Stream.snapshot`.
    path : str or path-like
        Of the file, in a folder that exists.

    Raises
    ------
    OSError
        If the file cannot be written.

    Examples
    --------
    >>> import os, tempfile
    >>> import numpy as np
    >>> from skanomaly import MeanDetector
    >>> from skanomaly.streaming import Stream, read_snapshot, write_snapshot
    >>> detector = MeanDetector().fit(np.random.default_rng(0).normal(size=(100, 1)))
    >>> stream = Stream(detector)
    >>> _ = stream.update([0.5])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "stream.npz")
    ...     write_snapshot(stream.snapshot(), path)
    ...     stream = Stream.restore(detector, read_snapshot(path))
    >>> stream.n_seen
    1
    """
    arrays = {
        f"{part}/{name}": np.asarray(value)
        for part in _PARTS
        for name, value in snapshot[part].items()
    }
    rest = {key: value for key, value in snapshot.items() if key not in _PARTS}
    arrays["json"] = np.frombuffer(json.dumps(rest).encode(), dtype=np.uint8)
    packed = io.BytesIO()
    np.savez(packed, **arrays)
    replace_file(path, packed.getbuffer())


def read_snapshot(path):
    """Read a snapshot from a file, without executing anything in it.

    Parameters
    ----------
    path : str or path-like
        Of a file that :func:`write_snapshot` wrote.

    Returns
    -------
    snapshot : dict
        For :meth:`Stream.restore`.

    Raises
    ------
    ValueError
        If the file is no snapshot, or is damaged.
    OSError
        If it cannot be read.

    Examples
    --------
    >>> import os, tempfile
    >>> import numpy as np
    >>> from skanomaly import PersistenceDetector
    >>> from skanomaly.streaming import Stream, read_snapshot, write_snapshot
    >>> detector = PersistenceDetector().fit(np.sin(np.arange(100) / 5)[:, None])
    >>> stream = Stream(detector)
    >>> _ = stream.update([0.5])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "stream.npz")
    ...     write_snapshot(stream.snapshot(), path)
    ...     again = Stream.restore(detector, read_snapshot(path))
    >>> again.update([0.6]).score == stream.update([0.6]).score
    True
    """
    content = Path(path).read_bytes()
    try:
        return _unpack(content)
    except Exception as error:  # whatever damaged bytes lead to; the cause is told
        raise ValueError(
            f"path must be that of a snapshot that write_snapshot wrote; got {str(path)!r}, which "
            f"cannot be read as one: {type(error).__name__}: {error}. Take an older snapshot, or "
            "begin a new stream."
        ) from error


def _unpack(content):
    """Make a snapshot of the bytes of a file."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        size = sum(member.file_size for member in archive.infolist())
        if size > _MOST_BYTES:
            raise ValueError(f"it unpacks to {size} bytes, more than {_MOST_BYTES}")
        arrays = {
            member.filename.removesuffix(".npy"): _read_array(archive.read(member))
            for member in archive.infolist()
        }
    snapshot = json.loads(arrays.pop("json").tobytes().decode())
    snapshot |= {part: {} for part in _PARTS}
    for name, value in arrays.items():
        part, key = name.split("/", 1)
        snapshot[part][key] = value
    return snapshot


def _read_array(content):
    """Read an array of numbers in NumPy's format, of no more memory than it takes in the file."""
    file = io.BytesIO(content)
    version = np.lib.format.read_magic(file)
    if version != (1, 0):
        raise ValueError(f"its arrays must be of format 1.0; got {version}")
    shape, fortran, dtype = np.lib.format.read_array_header_1_0(file)
    values = content[file.tell() :]
    if dtype.kind not in "fiu" or dtype.itemsize * math.prod(shape) != len(values):
        raise ValueError(f"{len(values)} bytes cannot be an array {shape} of dtype {dtype}")
    array = np.frombuffer(values, dtype).reshape(shape, order="F" if fortran else "C")
    return array.copy()
