"""Errors and warnings that scikit-learn has no name for."""

__all__ = [
    "BackendNotFoundError",
    "FileFormatError",
    "FileVersionWarning",
    "IdentityWarning",
    "MissingDependencyError",
    "ThresholdWarning",
    "WindowSizeWarning",
]


class MissingDependencyError(ImportError):
    """An optional package is needed and absent; the message names the extra to install.

    Examples
    --------
    >>> from skanomaly.exceptions import MissingDependencyError
    >>> issubclass(MissingDependencyError, ImportError)
    True
    """


class BackendNotFoundError(MissingDependencyError):
    """Keras has no usable backend: none is installed, or the one chosen is missing or unfit.

    Examples
    --------
    >>> from skanomaly.exceptions import BackendNotFoundError, MissingDependencyError
    >>> issubclass(BackendNotFoundError, MissingDependencyError)
    True
    """


class FileFormatError(ValueError):
    """A file is not one of ours, is damaged or forged, or says what this version cannot read.

    Examples
    --------
    >>> import io
    >>> import skanomaly
    >>> skanomaly.load(io.BytesIO(b"no zip"))
    Traceback (most recent call last):
    ...
    skanomaly.exceptions.FileFormatError: ...
    """


class FileVersionWarning(UserWarning):
    """A file was written by other versions of packages, so that what is in it may act otherwise.

    Examples
    --------
    >>> import warnings
    >>> from skanomaly.exceptions import FileVersionWarning
    >>> with warnings.catch_warnings():
    ...     warnings.simplefilter("error", FileVersionWarning)  # read no file of another version
    """


class WindowSizeWarning(UserWarning):
    """The window was made shorter because the training series are shorter than it.

    Examples
    --------
    >>> import warnings
    >>> import numpy as np
    >>> from skanomaly import NearestWindowDetector
    >>> X = np.sin(np.arange(40.0))[:, None]
    >>> with warnings.catch_warnings(record=True) as caught:
    ...     warnings.simplefilter("always")
    ...     detector = NearestWindowDetector(window_size=100).fit(X)
    >>> caught[0].category.__name__, detector.window_size_
    ('WindowSizeWarning', 40)
    """


class IdentityWarning(UserWarning):
    """A fitted detector copies its input, so that its errors tell little.

    Examples
    --------
    >>> import warnings
    >>> import numpy as np
    >>> from skanomaly import PersistenceDetector
    >>> from skanomaly.inspection import warn_if_identity
    >>> X = np.sin(np.arange(500) / 5)[:, None]
    >>> with warnings.catch_warnings(record=True) as caught:
    ...     warnings.simplefilter("always")
    ...     detector = PersistenceDetector(after_fit=warn_if_identity).fit(X)
    >>> caught[0].category.__name__
    'IdentityWarning'
    """


class ThresholdWarning(UserWarning):
    """A threshold says little: the scores it was chosen from are too few, or without spread.

    Examples
    --------
    >>> import warnings
    >>> from skanomaly.thresholds import ConformalThreshold
    >>> with warnings.catch_warnings(record=True) as caught:
    ...     warnings.simplefilter("always")
    ...     selector = ConformalThreshold(alpha=0.01).fit([0.1, 0.2, 0.3])
    >>> caught[0].category.__name__
    'ThresholdWarning'
    """
