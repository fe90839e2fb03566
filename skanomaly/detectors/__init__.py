"""The detectors: scikit-learn outlier detectors for series, panels and lists of series."""

from skanomaly.detectors._autoencoder import LSTMAutoencoder
from skanomaly.detectors._base import BaseDetector
from skanomaly.detectors._lstm import BaseLSTMDetector
from skanomaly.detectors._persistence import PersistenceDetector
from skanomaly.detectors._seq2seq import Seq2SeqLSTMAutoencoder

__all__ = [
    "BaseDetector",
    "BaseLSTMDetector",
    "LSTMAutoencoder",
    "PersistenceDetector",
    "Seq2SeqLSTMAutoencoder",
]
