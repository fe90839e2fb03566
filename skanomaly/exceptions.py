"""Errors and warnings that scikit-learn has no name for."""

__all__ = [
    "BackendNotFoundError",
    "IdentityWarning",
    "MissingDependencyError",
    "ThresholdWarning",
    "WindowSizeWarning",
]


class MissingDependencyError(ImportError):
    """An optional package is needed and absent; the message names the extra to install."""


class BackendNotFoundError(MissingDependencyError):
    """Keras has no usable backend: none is installed, or the one chosen is missing or unfit."""


class WindowSizeWarning(UserWarning):
    """The window was made shorter because the training series are shorter than it."""


class IdentityWarning(UserWarning):
    """A fitted detector copies its input, so that its errors tell little."""


class ThresholdWarning(UserWarning):
    """A threshold says little: the scores it was chosen from are too few, or without spread."""
