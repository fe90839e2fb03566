"""Causal smoothing of errors, step by step."""

import numpy as np

from skanomaly.smoothing import Smoother

__all__ = ["StreamSmoother"]


class StreamSmoother(Smoother):
    """Average errors of the newest steps over those before them, of several streams at once.

    Parameters
    ----------
    kind : {"exponential", "median", "triangular"}
        As for :class:`skanomaly.smoothing.Smoother`.
    span : int
        How wide, in time steps.
    n_streams, n_features : int
        Sizes of what is to be smoothed.

    Attributes
    ----------
    state : dict of ndarray
        "held" (n_before, n_streams, n_features), float64: the errors that later steps look back at.
    """

    def __init__(self, kind, span, n_streams, n_features):
        super().__init__(kind, span, causal=True)
        self.state = {"held": np.full((self._before, n_streams, n_features), np.nan)}

    def next(self, errors):
        """Smooth errors (n_streams, n, n_features) of the newest steps: shape kept."""
        held = np.concatenate([self.state["held"], errors.swapaxes(0, 1)])
        self.state["held"] = held[errors.shape[1] :]
        smooth = self._smooth(held.reshape(len(held), -1))
        return smooth.reshape(-1, *held.shape[1:]).swapaxes(0, 1)

    def get_state(self):
        """Return what :meth:`set_state` takes."""
        return self.state

    def set_state(self, state):
        """Go on from a state."""
        self.state |= state
