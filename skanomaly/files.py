"""Files that are there whole or not at all."""

import contextlib
import errno
import os
import secrets
import shutil

__all__ = ["replace_file"]


def replace_file(path, content, *, durable=True):
    """Write bytes to a path such that a reader, now or after a crash, finds the old or the new.

    They go to another file in the same folder, and to the disk if `durable`, before that takes the
    name. When anything fails, the other file is removed and what was there before stays.
    """
    path = os.path.realpath(os.fspath(path))  # what a link points at is replaced, not the link
    folder, name = os.path.split(path)
    if not os.path.isdir(folder):
        raise FileNotFoundError(
            errno.ENOENT, "path must be in a folder that exists; make it first", folder
        )
    if os.path.isdir(path):
        raise IsADirectoryError(
            errno.EISDIR, "path must be a file, not a folder; add a name to it", path
        )
    beside = os.path.join(folder, f".{name}.{secrets.token_hex(8)}.tmp")
    try:
        with open(beside, "xb") as file:
            file.write(content)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        if os.path.exists(path):
            shutil.copymode(path, beside)
        os.replace(beside, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.remove(beside)
        raise
    if durable:
        _sync_folder(folder)


def _sync_folder(folder):
    """Let the new name reach the disk too, where folders can be opened."""
    if os.name != "posix":
        return
    number = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)
