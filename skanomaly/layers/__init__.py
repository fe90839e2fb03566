"""Keras layers: of ensembles, whose members are computed at once, and of Gaussian latents."""

from skanomaly.layers._ensemble import (
    EnsembleDense,
    EnsembleLayerNormalization,
    EnsembleLSTM,
    FoldMembers,
    UnfoldMembers,
)
from skanomaly.layers._variational import LogVariance, OverDraws, bounded

__all__ = [
    "EnsembleDense",
    "EnsembleLSTM",
    "EnsembleLayerNormalization",
    "FoldMembers",
    "LogVariance",
    "OverDraws",
    "UnfoldMembers",
    "bounded",
]
