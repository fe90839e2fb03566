"""Time-series anomaly detection with LSTM autoencoders, the scikit-learn way.

Detectors and what combines them are imported from here, everything else from its subpackage:
:mod:`skanomaly.preprocessing`, :mod:`skanomaly.thresholds`, :mod:`skanomaly.metrics`,
:mod:`skanomaly.model_selection`, :mod:`skanomaly.inspection`, :mod:`skanomaly.datasets`,
:mod:`skanomaly.displays`. Importing skanomaly loads no deep-learning library; fitting or scoring a
network does.
"""

import importlib

__version__ = "0.1.0"

_DETECTORS = (
    "KerasDetector",
    "LSTMAutoencoder",
    "LSTMForecaster",
    "LinearForecaster",
    "MeanDetector",
    "NearestWindowDetector",
    "PersistenceDetector",
    "Seq2SeqLSTMAutoencoder",
    "VariationalLSTMAutoencoder",
)
_COMBINATIONS = ("ScoreEnsemble", "make_detector")
_SUBPACKAGES = (
    "dask",
    "datasets",
    "detectors",
    "displays",
    "exceptions",
    "export",
    "inspection",
    "metrics",
    "model_selection",
    "persistence",
    "preprocessing",
    "reports",
    "streaming",
    "thresholds",
)
_FILES = ("load", "save")

__all__ = [*_DETECTORS, *_COMBINATIONS, *_FILES, *_SUBPACKAGES, "__version__"]  # noqa: PLE0604


def __getattr__(name):
    if name in _DETECTORS:
        return getattr(importlib.import_module("skanomaly.detectors"), name)
    if name in _COMBINATIONS:
        return getattr(importlib.import_module("skanomaly.model_selection"), name)
    if name in _FILES:
        return getattr(importlib.import_module("skanomaly.persistence"), name)
    if name in _SUBPACKAGES:
        return importlib.import_module(f"skanomaly.{name}")
    raise AttributeError(f"module 'skanomaly' has no attribute {name!r}")


def __dir__():
    return sorted(__all__)
