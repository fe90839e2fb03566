"""Small detectors for tests that must be quick."""

from skanomaly import (
    LinearForecaster,
    LSTMAutoencoder,
    LSTMForecaster,
    MeanDetector,
    PersistenceDetector,
    Seq2SeqLSTMAutoencoder,
    VariationalLSTMAutoencoder,
)
from skanomaly.detectors import NearestWindowDetector

TINY = {"window_size": 8, "hidden_units": 3, "max_epochs": 2, "batch_size": 16, "random_state": 0}
# What these say in training is determined by their weights, and their loss is that of the
# reconstruction; a variational network has a test file of its own for what differs.
DETERMINISTIC = [LSTMAutoencoder, Seq2SeqLSTMAutoencoder, LSTMForecaster]
NETWORKS = [*DETERMINISTIC, VariationalLSTMAutoencoder]


def tiny_detectors():
    """One small instance of every detector."""
    baselines = [MeanDetector(), PersistenceDetector(), LinearForecaster(lags=3)]
    baselines.append(NearestWindowDetector(window_size=8, stride=1))
    return [*baselines, *(network(**TINY) for network in NETWORKS)]


def by_class(estimator):
    return type(estimator).__name__
