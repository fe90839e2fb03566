"""Results of many entities in a folder: one file each, written whole or not trusted."""

import json
import re
from hashlib import blake2b
from io import BytesIO
from pathlib import Path

import joblib

from skanomaly.files import replace_file

__all__ = ["DETECTORS", "SCORES", "Store", "decode", "encode"]

#: Kinds of result, by which files are told apart in one folder.
DETECTORS, SCORES = "detector", "scores"

_MAGIC = b"skanomaly.dask store 1\n"


def encode(value):
    """Write a fitted detector, or scores, as bytes."""
    buffer = BytesIO()
    joblib.dump(value, buffer)
    return buffer.getvalue()


def decode(content):
    """Read what `encode` wrote; as it is a pickle, only from sources that are trusted."""
    return joblib.load(BytesIO(content))


class Store:
    """A folder with a file per entity and kind of result.

    A file is a line that names the format, the hash of all that follows, a line of JSON that says
    what the content was made from, and the content. It is written under another name and then
    renamed, and the hash is compared whenever it is read.

    Parameters
    ----------
    folder : str or path
        Made if it is absent.
    kind : {"detector", "scores"}
        Which files of the folder are meant.
    """

    def __init__(self, folder, kind):
        self.folder = Path(folder)
        self.kind = kind

    def create(self):
        """Make the folder; raise if its place is taken by a file."""
        if self.folder.exists() and not self.folder.is_dir():
            raise NotADirectoryError(
                f"store must be a folder; got {str(self.folder)!r}, which is a file. Give a new "
                "name or the name of a folder."
            )
        self.folder.mkdir(parents=True, exist_ok=True)

    def path_of(self, entity):
        """Name the file: readable, safe on every file system, and different for each entity."""
        readable = re.sub(r"[^A-Za-z0-9_-]", "_", str(entity))[:60]
        # Names that differ in case or in what was replaced alone, and 7 and "7", are told apart.
        distinct = blake2b(repr(entity).encode("utf-8", "surrogatepass"), digest_size=8)
        return self.folder / f"{readable}-{distinct.hexdigest()}.{self.kind}"

    def write(self, entity, content, **about):
        """Keep the content, bytes, and what it was made from, in place of what was there.

        Return the hash that the file is known by.
        """
        header = json.dumps({"entity": entity, **about}).encode() + b"\n"
        digest = _hash(header, content)
        path = self.path_of(entity)
        # What the disk lost is told by the hash, and made again.
        replace_file(path, b"".join((_MAGIC, digest, header, content)), durable=False)
        return digest.decode().strip()

    def discard(self, entity):
        """Forget the result of an entity, if there is one."""
        self.path_of(entity).unlink(missing_ok=True)

    def about(self, entity):
        """Tell what the content was made from, a dict; None if there is none that can be trusted.

        Besides what was given to `write` it has ``digest``, the hash of the file.
        """
        found = self._read(self.path_of(entity))
        return found and found[0]

    def content(self, entity, digest):
        """Read the content, bytes, of the file that is known by this hash."""
        path = self.path_of(entity)
        found = self._read(path)
        if found is None:
            raise OSError(
                f"store must hold a whole file for {entity!r}; {path.name} is absent or damaged. "
                "Run fit_many or score_many with this store again: it makes what is missing."
            )
        if found[0]["digest"] != digest:
            raise OSError(
                f"store must hold what this table is of; {path.name}, the file of {entity!r}, was "
                "written anew since. Use the table of the later run, or a store for each."
            )
        return found[1]

    def every(self):
        """Yield what the content of each entity was made from, ordered by file name."""
        for path in sorted(self.folder.glob(f"*.{self.kind}")):
            found = self._read(path)
            if found is not None:
                yield found[0]

    def _read(self, path):
        """Return (about, content), None if the file is absent or cannot be trusted."""
        found = _read(path)
        # A file under another name than its own is none of what was written.
        return found if found and self.path_of(found[0]["entity"]) == path else None


def _hash(*parts):
    digest = blake2b(digest_size=16)
    for part in parts:
        digest.update(part)
    return digest.hexdigest().encode() + b"\n"


def _read(path):
    """Return (about, content) of a file, None if it is absent or not as it was written."""
    try:
        with open(path, "rb") as file:
            magic, digest, header, content = (
                file.readline(),
                file.readline(),
                file.readline(),
                file.read(),
            )
    except FileNotFoundError:
        return None
    if magic != _MAGIC or digest != _hash(header, content):
        return None
    return json.loads(header) | {"digest": digest.decode().strip()}, content
