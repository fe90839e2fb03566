"""Keras layers: a fast LSTM, ensembles whose members are computed at once, Gaussian latents."""

from skanomaly.layers._ensemble import (
    EnsembleDense,
    EnsembleLayerNormalization,
    EnsembleLSTM,
    FoldMembers,
    UnfoldMembers,
)
from skanomaly.layers._lstm import LSTM
from skanomaly.layers._variational import LogVariance, OverDraws, bounded

__all__ = [
    "LSTM",
    "EnsembleDense",
    "EnsembleLSTM",
    "EnsembleLayerNormalization",
    "FoldMembers",
    "LogVariance",
    "OverDraws",
    "UnfoldMembers",
    "bounded",
]
