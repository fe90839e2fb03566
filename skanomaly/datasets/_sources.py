"""Raw files of public repositories: found on disk or downloaded once, and checked either way.

Downloads lie as in a clone of the repository, so that a cache and a clone are read by one rule. A
file of path ``data/a.csv`` of the repository NAB is looked for in::

    data_home/data/a.csv                 data_home is a clone
    data_home/NAB/data/a.csv             data_home holds a clone
    data_home/NAB-<commit>/data/a.csv    downloaded, or an unpacked archive of that commit
"""

import csv
import functools
import hashlib
import os
from collections.abc import Iterable
from importlib import resources
from pathlib import Path
from typing import NamedTuple

from skanomaly.exceptions import MissingDependencyError

_HOME_VARIABLE = "SKANOMALY_DATA_HOME"
_TIMEOUT = 30  # seconds without a byte
_CHUNK = 2**16  # bytes


class Source(NamedTuple):
    """A public repository at one commit."""

    name: str  # of the folder that a clone makes
    repository: str  # address of the repository
    commit: str
    raw: str  # address that the path of a file is appended to, ends in "/"
    licence: str

    @property
    def fetcher(self) -> str:
        return f"fetch_{self.name.lower()}"

    @property
    def folder(self) -> str:
        return f"{self.name}-{self.commit}"


@functools.cache
def read_registry(name: str) -> dict[str, str]:
    """Return the SHA-256 of every file of a source by its path, from the table of that name."""
    table = resources.files("skanomaly.datasets") / "_registry" / f"{name.lower()}.csv"
    lines = table.read_text(encoding="utf-8").splitlines()
    rows = csv.DictReader(line for line in lines if not line.startswith("#"))
    return {row["path"]: row["sha256"] for row in rows}


def read_files(
    source: Source,
    paths: Iterable[str],
    *,
    data_home: str | os.PathLike | None,
    download_if_missing: bool,
    n_retries: int,
) -> dict[str, bytes]:
    """Return the content of files of a source by their path; download those that are missing."""
    home = _find_home(data_home, source)
    contents = {path: _read_from_disk(source, path, home) for path in paths}
    missing = [path for path, content in contents.items() if content is None]
    if missing and not download_if_missing:
        raise OSError(
            f"download_if_missing must be True where files are missing; got False, and "
            f"{_name(missing)} of {source.name} is not in {home}. Pass True, or the folder of a "
            f"clone of {source.repository} at commit {source.commit} as data_home."
        )
    if missing:
        _download(source, missing, home, n_retries)
        contents.update({path: _read_from_disk(source, path, home) for path in missing})
    return {path: content for path, content in contents.items() if content is not None}


def _find_home(data_home, source):
    home = data_home if data_home is not None else os.environ.get(_HOME_VARIABLE) or None
    if home is None:
        home = _import_pooch(source).os_cache("skanomaly")
    return Path(home).expanduser()


def _import_pooch(source):
    try:
        import pooch
    except ImportError as error:
        raise MissingDependencyError(
            f"{source.fetcher} needs the package pooch to download or to find its cache; it is "
            "not installed. Run: pip install 'skanomaly[data]', or pass the folder of a clone of "
            f"{source.repository} as data_home"
        ) from error
    return pooch


def _read_from_disk(source, path, home):
    """Return the content of a file, checked, or None where there is none."""
    for folder in (home, home / source.name, home / source.folder):
        file = folder / path
        if file.is_file():
            content = file.read_bytes()
            _check(content, source, path, file)
            return content
    return None


def _check(content, source, path, file):
    expected = read_registry(source.name)[path]
    found = hashlib.sha256(content).hexdigest()
    if found != expected:
        raise OSError(
            f"{file} must have the SHA-256 {expected} of commit {source.commit} of "
            f"{source.repository}; got {found}. The file is damaged, of another commit, or was "
            "checked out with other line ends. Remove it, so that it is downloaded anew, or check "
            "out that commit with core.autocrlf=false."
        )


def _download(source, paths, home, n_retries):
    pooch = _import_pooch(source)
    import requests  # pooch needs it

    pooch.get_logger().info("%s, licence: %s", source.repository, source.licence)
    target = home / source.folder
    registry = read_registry(source.name)
    fetcher = pooch.create(
        path=target,
        base_url=source.raw,
        registry={path: f"sha256:{registry[path]}" for path in paths},
        retry_if_failed=n_retries,
    )
    for path in paths:
        # pooch makes folders too, but fails where another process does so at the same time.
        (target / path).parent.mkdir(parents=True, exist_ok=True)
        try:
            fetcher.fetch(path, downloader=_write_response)
        except (requests.RequestException, ValueError) as error:  # of the network, of the checksum
            raise OSError(
                f"{source.fetcher} could not download {path} from {source.raw}: "
                f"{str(error).rstrip('. ')}. Nothing was kept of it. Check the network, or pass "
                f"the folder of a clone of {source.repository} at commit {source.commit} as "
                "data_home."
            ) from error


def _write_response(url, output_file, pooch):
    """Write what the server answers to a file; a downloader as pooch calls it.

    That of pooch does not close the connection when it fails.
    """
    import requests

    with requests.get(url, stream=True, timeout=_TIMEOUT) as response:
        response.raise_for_status()
        with open(output_file, "wb") as file:
            for chunk in response.iter_content(_CHUNK):
                file.write(chunk)


def _name(paths):
    more = f" (with {len(paths) - 1} other files)" if len(paths) > 1 else ""
    return paths[0] + more
