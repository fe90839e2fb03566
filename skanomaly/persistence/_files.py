"""Save a fitted estimator, and load it without running what a file says."""

import contextlib
import functools
import importlib.metadata
import io
import os
import warnings
from numbers import Integral

import skanomaly
from skanomaly.exceptions import FileFormatError, FileVersionWarning
from skanomaly.files import replace_file
from skanomaly.persistence._allowed import read_trusted
from skanomaly.persistence._arrays import pack_arrays, unpack_arrays
from skanomaly.persistence._container import OBJECT, open_container, pack, read_entries
from skanomaly.persistence._decode import decode
from skanomaly.persistence._encode import encode
from skanomaly.persistence._json import read_json

__all__ = ["load", "save"]

_PACKAGES = ("keras", "numpy", "scikit-learn")
# Bytes that are read at once.
_PART = 2**20


def save(estimator, path, *, trusted=()):
    """Write an estimator, fitted or not, to a file that :func:`load` reads without running code.

    Parameters
    ----------
    estimator : estimator
        A detector, transformer, threshold selector, ensemble or wrapper of skanomaly; a
        :class:`~sklearn.pipeline.Pipeline` of them and of scikit-learn's common transformers; or
        an instance of a class in `trusted`.
    path : str, path-like or binary file
        Where to write. A file of that name is replaced at once, when all is on disk: after a crash
        or with a full disk the old one is still there. To something with ``write`` the bytes are
        written as they are.
    trusted : sequence of class and function, default=()
        Your own classes and functions that the estimator has, such as a loss. The file names them;
        :func:`load` must be given them too. Instances of classes are stored by their attributes.

    Raises
    ------
    TypeError
        If the estimator holds what no file can: the message says where, and what to do.
    ValueError
        If a parameter is not as ``fit`` would take it, an attribute is not what ``fit`` makes, or
        the arrays take more than 4 GiB.
    OSError
        If the file cannot be written.

    See Also
    --------
    load : Read it.

    Notes
    -----
    The file is a zip of ``manifest.json`` (format, schema number, versions of packages, SHA-256
    sums), ``object.json`` (classes, parameters, attributes) and ``arrays.safetensors`` (values of
    arrays in the format of that name [1]_). Equal estimators make equal files.

    References
    ----------
    .. [1] Hugging Face, "Safetensors", https://github.com/huggingface/safetensors, 2022.

    Examples
    --------
    >>> import io
    >>> import numpy as np
    >>> from skanomaly import MeanDetector
    >>> from skanomaly.persistence import load, save
    >>> X = np.sin(np.arange(200) / 5)[:, None]
    >>> file = io.BytesIO()
    >>> save(MeanDetector().fit(X), file)
    >>> _ = file.seek(0)
    >>> load(file)
    MeanDetector()
    """
    if isinstance(estimator, type) or not hasattr(estimator, "get_params"):
        raise TypeError(
            "estimator must be an instance of an estimator class; got "
            f"{estimator!r:.100}. Give a detector, or a pipeline that ends in one."
        )
    known = read_trusted(trusted)
    node, arrays = encode(estimator, known)
    content = pack(node, pack_arrays(arrays), _versions())
    if hasattr(path, "write"):
        path.write(content)
    else:
        replace_file(path, content)


def load(path, *, trusted=(), max_size=2**30):
    """Read an estimator that :func:`save` wrote. No code in or named by the file is run.

    Parameters
    ----------
    path : str, path-like or binary file
        What to read.
    trusted : sequence of class and function, default=()
        Your own classes and functions that a file may name, as given to :func:`save`. Name none
        that does harm with parameters and attributes of someone else's choice.
    max_size : int, default=2**30
        Most bytes that the file, and what it unpacks to, may have: 1 GiB. Reading takes about
        twice the size of the file in memory.

    Returns
    -------
    estimator : object
        With equal parameters and state. Scores are equal on the backend that was used before, and
        up to the rounding of floating point numbers on another.

    Raises
    ------
    FileFormatError
        If the file was not written by :func:`save`, is cut short, damaged or forged, is larger than
        `max_size`, has a newer schema, or names what is neither known nor trusted.
    OSError
        If there is no such file, or it cannot be read.

    Warns
    -----
    FileVersionWarning
        If the file was written by another version of skanomaly or, where it holds its estimators,
        of scikit-learn: attributes may mean something else there.

    See Also
    --------
    save : Write it.

    Examples
    --------
    >>> import io
    >>> import numpy as np
    >>> from skanomaly import LinearForecaster
    >>> from skanomaly.persistence import load, save
    >>> X = np.sin(np.arange(200) / 5)[:, None]
    >>> file = io.BytesIO()
    >>> detector = LinearForecaster(lags=3).fit(X)
    >>> save(detector, file)
    >>> _ = file.seek(0)
    >>> bool((load(file).score_samples(X) == detector.score_samples(X)).all())
    True
    """
    if not isinstance(max_size, Integral) or isinstance(max_size, bool) or max_size < 1:
        raise ValueError(
            f"max_size must be a positive number of bytes; got {max_size!r}. Use for example 2**30."
        )
    known = read_trusted(trusted)
    raw = _read_all(path, int(max_size))
    with open_container(raw, int(max_size)) as (archive, manifest):
        text, block = read_entries(archive, manifest)
    del raw, archive
    node = read_json(text, OBJECT)
    _warn_of_versions(manifest["versions"], b'"class":"sklearn.' in text)
    return decode(node, unpack_arrays(block), known)


def _read_all(path, max_size):
    if hasattr(path, "read"):
        return _read_parts(path, max_size)
    with open(path, "rb") as file:
        _check_size(os.fstat(file.fileno()).st_size, max_size)
        return _read_parts(file, max_size)


def _read_parts(file, max_size):
    """Read a file to its end; asked for all that is allowed at once, it would take the memory."""
    held = io.BytesIO()
    while part := file.read(_PART):
        if not isinstance(part, bytes):
            raise TypeError(
                "path must be a file opened in binary mode; got one that reads "
                f"{type(part).__name__}. Open it with mode 'rb'."
            )
        _check_size(held.tell() + len(part), max_size)
        held.write(part)
    return held.getvalue()


def _check_size(size, max_size):
    if size > max_size:
        raise FileFormatError(
            f"The file must have at most max_size={max_size} bytes; got {size} or more. Use a "
            "larger max_size if you expected that."
        )


@functools.cache
def _versions():
    """Return the versions of packages that have a say in what a file means."""
    found = {"skanomaly": skanomaly.__version__}
    for name in _PACKAGES:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):  # a nightly build
            found[name] = importlib.metadata.version(name)
    return found


def _warn_of_versions(written, has_sklearn):
    """Warn where the versions that made a file are not those that are to read it."""
    here = _versions()
    names = ["skanomaly", "scikit-learn"] if has_sklearn else ["skanomaly"]
    other = [name for name in names if written.get(name) != here.get(name)]
    if other:
        told = ", ".join(f"{name} {written.get(name, '?')!s:.20}" for name in other)
        warnings.warn(
            f"The file was written by {told}; here is "
            f"{', '.join(f'{name} {here.get(name)}' for name in other)}. What it holds may act "
            "otherwise. Compare scores with those from before, or fit and save it again.",
            FileVersionWarning,
            stacklevel=3,
        )
