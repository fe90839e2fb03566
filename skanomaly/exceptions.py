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
    """An optional package is needed and absent; the message names the extra to install."""


class BackendNotFoundError(MissingDependencyError):
    """Keras has no usable backend: none is installed, or the one chosen is missing or unfit."""


class FileFormatError(ValueError):
    """A file is not one of ours, is damaged or forged, or says what this version cannot read."""


class FileVersionWarning(UserWarning):
    """A file was written by other versions of packages, so that what is in it may act otherwise."""


class WindowSizeWarning(UserWarning):
    """The window was made shorter because the training series are shorter than it."""


class IdentityWarning(UserWarning):
    """A fitted detector copies its input, so that its errors tell little."""


class ThresholdWarning(UserWarning):
    """A threshold says little: the scores it was chosen from are too few, or without spread."""
