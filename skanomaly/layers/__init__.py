"""Keras layers: a fast LSTM and loss, ensembles computed at once, Gaussian latents."""

from skanomaly.layers._ensemble import (
    EnsembleDense,
    EnsembleLayerNormalization,
    EnsembleLSTM,
    FoldMembers,
    UnfoldMembers,
)
from skanomaly.layers._lstm import LSTM
from skanomaly.layers._output_loss import OutputLoss
from skanomaly.layers._variational import LogVariance, OverDraws, bounded

__all__ = [
    "LSTM",
    "EnsembleDense",
    "EnsembleLSTM",
    "EnsembleLayerNormalization",
    "FoldMembers",
    "LogVariance",
    "OutputLoss",
    "OverDraws",
    "UnfoldMembers",
    "bounded",
]
