"""The zip around JSON and arrays: written in one way, and read with suspicion.

Nothing is ever extracted to a folder. Sizes are checked before anything is unpacked, and sums of
the contents before they are parsed.
"""

import hashlib
import io
import json
import stat
import struct
import zipfile
import zlib
from contextlib import contextmanager

from skanomaly.exceptions import FileFormatError
from skanomaly.persistence._json import DEEPEST, MOST_JSON, depth, read_json, short

__all__ = ["ARRAYS", "MANIFEST", "OBJECT", "SCHEMA", "open_container", "pack", "read_entries"]

#: Number of the format. A version that reads 1 refuses files with a higher one.
SCHEMA = 1

MANIFEST, OBJECT, ARRAYS = "manifest.json", "object.json", "arrays.safetensors"

# How many times as large as packed an entry may be.
_MOST_RATIO = 250
# What the zip format without its extension for large files can say.
_LARGEST = 2**32 - 2**20
# Entries and bytes of the directory of a zip; later schemas may have more than three.
_MOST_ENTRIES, _MOST_DIRECTORY = 64, 2**16
_END = struct.Struct("<4s4H2LH")
_EARLIEST = (1980, 1, 1, 0, 0, 0)  # files of equal estimators are equal, whenever written
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_ENCRYPTED = 0x1
# What zipfile and zlib raise for bytes that are no zip.
_UNREADABLE = (
    zipfile.BadZipFile, zipfile.LargeZipFile, zlib.error, struct.error, EOFError, OSError,
    NotImplementedError, RuntimeError, ValueError, OverflowError, IndexError, KeyError,
)  # fmt: skip


def pack(node, arrays, versions):
    """Write the zip of an estimator: node for JSON, one block of arrays, versions of packages."""
    text = _to_json(node)
    if len(text) > MOST_JSON:
        raise ValueError(
            f"What is not in arrays must take at most {MOST_JSON} bytes as JSON, to be saved; got "
            f"{len(text)}. Use arrays in place of long lists."
        )
    if depth(text) > DEEPEST:
        raise ValueError(
            f"Estimators must be nested at most {DEEPEST} brackets of JSON deep, to be saved; got "
            f"{depth(text)}. Use fewer of them within one another."
        )
    if len(arrays) > _LARGEST:
        raise ValueError(
            f"Arrays must take at most {_LARGEST} bytes, to be saved; got {len(arrays)}. Keep "
            "fewer training data in the estimator."
        )
    entries = {
        name: {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content)}
        for name, content in ((OBJECT, text), (ARRAYS, arrays))
    }
    manifest = {"format": "skanomaly", "schema": SCHEMA, "versions": versions, "entries": entries}
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", allowZip64=False) as archive:
        _add(archive, MANIFEST, _to_json(manifest), zipfile.ZIP_STORED)
        _add(archive, OBJECT, text, zipfile.ZIP_DEFLATED)
        _add(archive, ARRAYS, arrays, zipfile.ZIP_STORED)
    return made.getbuffer()


def _to_json(value):
    return json.dumps(value, allow_nan=False, separators=(",", ":")).encode()


def _add(archive, name, content, method):
    info = zipfile.ZipInfo(name, _EARLIEST)
    info.compress_type = method
    info.external_attr = (stat.S_IFREG | 0o644) << 16
    archive.writestr(info, content)


@contextmanager
def _readable():
    """Turn what a broken zip makes zipfile raise into the error of this package."""
    try:
        yield
    except FileFormatError:
        raise
    except _UNREADABLE as error:
        raise FileFormatError(
            f"The file must be an undamaged zip; reading it says: {error or 'it is cut short'}. "
            "Get another copy."
        ) from error


@contextmanager
def open_container(raw, max_size):
    """Give the archive in bytes, and its manifest, after everything but contents was checked."""
    _check_end(raw)
    with _readable(), zipfile.ZipFile(io.BytesIO(raw)) as archive:
        infos = archive.infolist()
        _check_entries(infos, max_size)
        if MANIFEST not in archive.NameToInfo:
            raise FileFormatError(
                f"The file must have been written by skanomaly.persistence.save; got a zip "
                f"without {MANIFEST}. Give the path of another file."
            )
        manifest = _check_manifest(read_json(_read(archive, MANIFEST), MANIFEST))
        _check_names(infos)
        yield archive, manifest


def read_entries(archive, manifest):
    """Read JSON text and arrays, and compare them with the sums in the manifest."""
    with _readable():
        contents = [_read(archive, name) for name in (OBJECT, ARRAYS)]
    for name, content in zip((OBJECT, ARRAYS), contents, strict=True):
        expected = manifest["entries"].get(name)
        found = {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content)}
        if expected != found:
            raise FileFormatError(
                f"{name} must have the SHA-256 sum that {MANIFEST} gives; got "
                f"{found['sha256'][:16]}... in place of {short(expected)}. The file is damaged; "
                "get another copy."
            )
    return contents


def _read(archive, name):
    info = archive.NameToInfo[name]
    with archive.open(info) as file:
        content = file.read(info.file_size + 1)
    if len(content) != info.file_size:
        raise FileFormatError(
            f"{name} must have {info.file_size} bytes, as the zip says; got {len(content)}. The "
            "file is damaged; get another copy."
        )
    return content


# -------------------------------------------------------------------------------- what is checked


def _check_end(raw):
    """Check the last record of a zip, so that its directory is small before it is read."""
    if raw[:2] == b"\x80\x04" or raw[:2] == b"\x80\x05":
        raise FileFormatError(
            "The file must have been written by skanomaly.persistence.save; got what looks like a "
            "pickle. Use joblib.load or pickle.load, if you trust whoever made it."
        )
    if raw[:4] != b"PK\x03\x04":
        raise FileFormatError(
            f"The file must be a zip written by skanomaly.persistence.save; got {len(raw)} bytes "
            f"that start with {bytes(raw[:8])!r}. Give the path of another file."
        )
    end = raw[-_END.size :]
    if len(end) < _END.size or end[:4] != b"PK\x05\x06":
        raise FileFormatError(
            "The file must end as a zip does; got one that is cut short, or has something behind "
            "it. Get another copy."
        )
    _, *disks, n_entries, size, offset, n_comment = _END.unpack(end)
    if any(disks[:2]) or n_comment or offset + size + _END.size != len(raw):
        raise FileFormatError(
            f"The directory of the zip must end {_END.size} bytes before the file does; got "
            f"{offset + size} of {len(raw)} bytes. The file is damaged; get another copy."
        )
    if n_entries > _MOST_ENTRIES or size > _MOST_DIRECTORY:
        raise FileFormatError(
            f"The zip must have at most {_MOST_ENTRIES} entries; got {n_entries}, in a directory "
            f"of {size} bytes. It was not written by skanomaly; get another copy."
        )


def _check_entries(infos, max_size):
    """Check names, kinds and sizes of all entries, before any of them is read."""
    names = [info.orig_filename for info in infos]
    for info, name in zip(infos, names, strict=True):
        if names.count(name) > 1:
            raise _wrong_entry(name, "must be there once", names.count(name))
        if "\\" in name or "\x00" in name or name.startswith("/") or ".." in name or ":" in name:
            raise _wrong_entry(name, "must not lead out of the file", name)
        mode = info.external_attr >> 16
        if stat.S_IFMT(mode) not in (0, stat.S_IFREG) or info.is_dir():
            raise _wrong_entry(name, "must be a regular file, no link or folder", oct(mode))
        if info.flag_bits & _ENCRYPTED:
            raise _wrong_entry(name, "must not be encrypted", info.flag_bits)
        if info.compress_type not in _METHODS:
            raise _wrong_entry(name, "must be stored or deflated", info.compress_type)
        _check_size(info, max_size)
    total = sum(info.file_size for info in infos)
    if total > max_size:
        raise _too_large(total, max_size)


def _check_size(info, max_size):
    name, size = info.orig_filename, info.file_size
    if size > max_size:
        raise _too_large(size, max_size)
    if name.endswith(".json") and size > MOST_JSON:
        raise _wrong_entry(name, f"must have at most {MOST_JSON} bytes unpacked", size)
    if info.compress_type == zipfile.ZIP_DEFLATED and not name.endswith(".json"):
        raise _wrong_entry(name, "must be stored, not compressed", "deflate")
    if size > _MOST_RATIO * info.compress_size + 2**16:
        raise _wrong_entry(
            name,
            f"must unpack to at most {_MOST_RATIO} times its size",
            f"{size} from {info.compress_size} bytes",
        )


def _too_large(size, max_size):
    return FileFormatError(
        f"The file must unpack to at most max_size={max_size} bytes; got {size}. Use a larger "
        "max_size if you expected that."
    )


def _wrong_entry(name, rule, got):
    return FileFormatError(
        f"Entry {name!r:.100} of the zip {rule}; got {got}. It was not written by skanomaly; get "
        "another copy."
    )


def _check_manifest(manifest):
    if not isinstance(manifest, dict) or manifest.get("format") != "skanomaly":
        raise FileFormatError(
            f"{MANIFEST} must say the format 'skanomaly'; got {short(manifest)}. Give the path of "
            "another file."
        )
    schema, versions = manifest.get("schema"), manifest.get("versions")
    good = isinstance(versions, dict) and all(isinstance(one, str) for one in versions.values())
    if type(schema) is not int or schema < 1 or not good:
        raise FileFormatError(
            f"{MANIFEST} must give a schema number and versions; got {short(manifest)}. The file "
            "is damaged; get another copy."
        )
    if schema > SCHEMA:
        raise FileFormatError(
            f"The schema of the file must be at most {SCHEMA}, which this version reads; got "
            f"{schema}, written by skanomaly {versions.get('skanomaly', '?'):.20}. Upgrade "
            "skanomaly."
        )
    if not isinstance(manifest.get("entries"), dict):
        raise FileFormatError(
            f"{MANIFEST} must give sums of the entries; got {short(manifest)}. The file is "
            "damaged; get another copy."
        )
    return manifest


def _check_names(infos):
    names = {info.orig_filename for info in infos}
    if names != {MANIFEST, OBJECT, ARRAYS}:
        raise FileFormatError(
            f"The zip must have the entries {MANIFEST}, {OBJECT} and {ARRAYS} alone; got "
            f"{sorted(names)!r:.200}. It was not written by skanomaly; get another copy."
        )
