"""Transformers that keep the time axis, for one series, panels and ragged lists alike."""

from skanomaly.preprocessing._differencer import Differencer
from skanomaly.preprocessing._sequence_transformer import SequenceTransformer

__all__ = ["Differencer", "SequenceTransformer"]
