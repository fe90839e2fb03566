"""Scores averaged over several spans of time, on a common scale, and the largest of them.

0 is a low quantile of the training errors, for all spans; 1 is the upper quantile of the averages
over the span. A change is thus measured by how much larger it makes errors, not by how much
steadier long averages are than short ones. Averages are those of
:class:`skanomaly.smoothing.Smoother` with triangular weights: they never cross from one series to
another, and leave out what is NaN.
"""

import numpy as np

from skanomaly.smoothing import Smoother

__all__ = ["average", "learn_scales", "stand_out"]

_ROUNDING = 1e-9


def average(errors, lengths, span, causal):
    """Average errors (n_timesteps,) or (n_timesteps, n_features) of series of these lengths."""
    if span == 1:
        return errors
    smoother = Smoother("triangular", span, causal)
    blocks = smoother([errors.reshape(len(errors), -1)], lengths)
    return np.concatenate(list(blocks)).reshape(errors.shape)


def learn_scales(errors, lengths, spans, causal, quantile):
    """Learn what 0 and 1 are on the scale of each average, from training errors (n_timesteps,).

    Returns
    -------
    centre : float
        The lower quantile of the errors, ``1 - quantile``.
    scales : ndarray of shape (n_spans,)
        How far above it the upper quantile of each average lies; the largest average where that is
        nothing, and 1 where all errors are alike.
    """
    known = errors[~np.isnan(errors)]
    if not len(known):
        return 0.0, np.ones(len(spans))  # nothing to be compared: the threshold will refuse it
    centre = float(np.quantile(known, 1 - quantile))
    noise = _ROUNDING * np.abs(known).max()  # what is left of errors that are all alike
    scales = []
    for span in spans:
        values = average(errors, lengths, span, causal)
        limits = np.nanquantile(values, [quantile, 1.0]) - centre
        scales.append(next((limit for limit in limits if limit > noise), 1.0))
    return centre, np.array(scales)


def stand_out(errors, lengths, spans, causal, centre, scales):
    """Put the averages of errors (n_timesteps,) on the common scale and take the largest.

    Returns
    -------
    scores : ndarray of shape (n_timesteps,)
        NaN where errors are.
    chosen : ndarray of shape (n_timesteps,)
        The number of the span that it is of.
    """
    scores, chosen = np.full(len(errors), -np.inf), np.zeros(len(errors), np.int64)
    for i, span in enumerate(spans):
        values = (average(errors, lengths, span, causal) - centre) / scales[i]
        better = values > scores
        scores[better], chosen[better] = values[better], i
    return np.where(np.isnan(errors), np.nan, scores), chosen
