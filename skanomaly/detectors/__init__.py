"""The detectors: scikit-learn outlier detectors for series, panels and lists of series."""

from skanomaly.detectors._autoencoder import LSTMAutoencoder
from skanomaly.detectors._base import BaseDetector
from skanomaly.detectors._forecaster import LSTMForecaster
from skanomaly.detectors._keras import KerasDetector
from skanomaly.detectors._linear import LinearForecaster
from skanomaly.detectors._lstm import BaseLSTMDetector
from skanomaly.detectors._mean import MeanDetector
from skanomaly.detectors._nearest import NearestWindowDetector
from skanomaly.detectors._network import BaseNetworkDetector
from skanomaly.detectors._persistence import PersistenceDetector
from skanomaly.detectors._seq2seq import Seq2SeqLSTMAutoencoder
from skanomaly.detectors._variational import VariationalLSTMAutoencoder

__all__ = [
    "BaseDetector",
    "BaseLSTMDetector",
    "BaseNetworkDetector",
    "KerasDetector",
    "LSTMAutoencoder",
    "LinearForecaster",
    "MeanDetector",
    "LSTMForecaster",
    "NearestWindowDetector",
    "PersistenceDetector",
    "Seq2SeqLSTMAutoencoder",
    "VariationalLSTMAutoencoder",
]
