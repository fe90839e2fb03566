"""The generalised Pareto distribution of what exceeds a high level: fits and quantiles.

All functions take excesses (n_excesses,), float64, above 0, and speak of shape and scale of
scipy.stats.genpareto: above 0 the shape is that of a heavy tail, at 0 of an exponential one, and
below 0 of a tail that ends at -scale / shape.
"""

import numpy as np
from scipy.optimize import minimize, minimize_scalar
from scipy.special import boxcox

__all__ = ["TAIL_FITS", "excesses_above", "tail_quantile"]

# With fewer of them the fit says nothing of a tail.
_FEWEST_EXCESSES = 10
_N_GRID = 20


def excesses_above(scores, level, alpha, owner):
    """Return the level, one of the scores, and by how much scores exceed it: (n_excesses,)."""
    at = np.quantile(scores, level, method="higher")
    excesses = scores[scores > at] - at
    if len(np.unique(excesses)) < _FEWEST_EXCESSES:
        raise ValueError(
            f"scores must have at least {_FEWEST_EXCESSES} different values above their {level} "
            f"quantile, {at:.6g}, for {owner} to fit a tail; got {len(np.unique(excesses))}, with "
            f"{len(excesses)} of {len(scores)} scores above it. Use a lower level or more scores, "
            "and QuantileThreshold for scores that take few values."
        )
    if alpha * len(scores) >= len(excesses):
        raise ValueError(
            f"alpha must be below the share of scores above the level, "
            f"{len(excesses) / len(scores):.6g}; got alpha={alpha}, level={level}. Use a smaller "
            "alpha or a lower level."
        )
    return float(at), excesses


def tail_quantile(shape, scale, probability):
    """Return the excess that is exceeded with this probability, given that there is an excess."""
    return float(-scale * boxcox(probability, -shape))


def fit_profile(excesses):
    """Fit by the likelihood as a function of shape / scale alone, after Grimshaw (1993).

    For a given ratio the best shape is the mean of log(1 + ratio * excess), so that the maximum is
    searched for along a line: on a grid, then around its best point. Shapes below -1 are left out,
    for there the likelihood has no bound.
    """
    mean = excesses.mean()
    y = excesses / mean
    highest, lowest = y.max(), y.min()
    grid = _ratios(highest, lowest)
    shapes = np.log1p(np.multiply.outer(grid, y)).mean(axis=1)
    best = int(np.argmax(_profile(grid, shapes)))
    around = grid[max(best - 1, 0)], grid[min(best + 1, len(grid) - 1)]
    found = minimize_scalar(
        lambda ratio: -float(_profile(ratio, np.log1p(ratio * y).mean())),
        bounds=around,
        method="bounded",
        options={"xatol": 1e-9 * (around[1] - around[0])},
    )
    if -np.log(highest) > -found.fun:  # the limit, which is the uniform distribution
        return -1.0, float(mean * highest)
    shape = float(np.log1p(found.x * y).mean())
    return shape, float(mean * (shape / found.x if found.x else 1.0))


def _ratios(highest, lowest):
    """Return the ratios to try for excesses of mean 1, rising: (2 * _N_GRID + 1,)."""
    # No stationary point lies beyond this bound, by Grimshaw (1993).
    bound = np.clip(2 * (1 - lowest) / max(lowest, 1e-6) ** 2, 1.0, 1e12)
    positive = np.geomspace(1e-2, bound, _N_GRID)
    # The tail ends at -1 / ratio, which must lie above the highest excess.
    beyond = np.geomspace(1e-9, 0.99, _N_GRID)
    return np.concatenate([(beyond - 1) / highest, [0.0], positive])


def _profile(ratio, shape):
    """Return the mean log-likelihood at each ratio, -inf for shapes below -1."""
    ratio, shape = np.asarray(ratio), np.asarray(shape)
    zero = np.abs(ratio) < 1e-10
    scale = np.divide(shape, ratio, out=np.ones_like(shape), where=~zero)
    return np.where(shape < -1, -np.inf, -np.log(scale) - shape - 1)


def fit_mle(excesses):
    """Fit shape and scale together by a simplex search for the highest likelihood."""
    mean = excesses.mean()
    y = excesses / mean
    shape, scale = fit_pwm(y)

    def cost(parameters):
        shape, scale = parameters[0], np.exp(parameters[1])
        room = 1 + shape * y.max() / scale
        if room <= 0 or shape < -1:
            return np.inf
        if abs(shape) < 1e-10:
            return parameters[1] + 1 / scale
        return parameters[1] + (1 + 1 / shape) * np.log1p(shape / scale * y).mean()

    found = minimize(
        cost,
        # The edge of what is allowed is no place to start from.
        [max(shape, -0.5, -0.9 * scale / y.max()), np.log(scale)],
        method="Nelder-Mead",
        options={"xatol": 1e-9, "fatol": 1e-12, "maxiter": 2000, "maxfev": 4000},
    )
    if not found.success:
        raise ValueError(
            f'method="mle" must converge, and did not on {len(excesses)} excesses between '
            f'{excesses.min():.6g} and {excesses.max():.6g}: {found.message} Use method="profile".'
        )
    return float(found.x[0]), float(mean * np.exp(found.x[1]))


def fit_pwm(excesses):
    """Fit by probability-weighted moments, after Hosking and Wallis (1987).

    Where the fitted tail would end below the highest excess, it ends there instead, after Dupuis
    and Tsao (1998).
    """
    y = np.sort(excesses)
    n = len(y)
    first = y.mean()
    second = (np.arange(n - 1, -1, -1) * y).sum() / (n * (n - 1))
    shape = 2 - first / (first - 2 * second)
    scale = 2 * first * second / (first - 2 * second)
    return float(max(shape, -scale / y[-1])), float(scale)


#: Fits by their name: excesses (n_excesses,) -> (shape, scale).
TAIL_FITS = {"mle": fit_mle, "profile": fit_profile, "pwm": fit_pwm}
