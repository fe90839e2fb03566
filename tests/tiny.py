"""Small detectors for tests that must be quick."""

from skanomaly import LSTMAutoencoder, PersistenceDetector, Seq2SeqLSTMAutoencoder

TINY = {"window_size": 8, "hidden_units": 3, "max_epochs": 2, "batch_size": 16, "random_state": 0}
NETWORKS = [LSTMAutoencoder, Seq2SeqLSTMAutoencoder]


def tiny_detectors():
    """One small instance of every detector."""
    return [PersistenceDetector(), *(network(**TINY) for network in NETWORKS)]


def by_class(estimator):
    return type(estimator).__name__
