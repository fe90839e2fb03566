"""Transformers of series, panels and ragged lists, and what to know before windows are cut."""

from skanomaly.preprocessing._differencer import Differencer
from skanomaly.preprocessing._downsampler import Downsampler
from skanomaly.preprocessing._sequence_transformer import SequenceTransformer
from skanomaly.preprocessing._soft_clip import soft_clip
from skanomaly.preprocessing._window_size import suggest_window_size

__all__ = ["Differencer", "Downsampler", "SequenceTransformer", "soft_clip", "suggest_window_size"]
