"""What both generators share: argument checks, and pure functions that alter a stretch.

A function that alters a stretch takes the anomaly-free ``series`` (n_timesteps, n_features),
the half-open stretch ``[start, stop)``, the altered ``features`` and a ``RandomState``, and
returns the new values of shape (stop - start, len(features)). It never writes to ``series``.
An anomaly is described by one dict with the keys ``series``, ``start``, ``stop``, ``kind`` and
``features``.
"""

from numbers import Integral, Real
from typing import NamedTuple

import numpy as np
from sklearn.utils import check_random_state

NORMAL, ANOMALOUS = 1, -1
_N_CANDIDATES = 16


def check_number(name, value, *, low, high=np.inf, integer=False, remedy):
    """Return ``value``, or raise ValueError unless it is a finite number in [low, high]."""
    wanted, article = (Integral, "an integer") if integer else (Real, "a number")
    limits = f"of at least {low}" if np.isinf(high) else f"between {low} and {high}"
    # A NaN fails the comparison, and an infinite value is never a usable size or level.
    if (
        isinstance(value, bool | np.bool_)
        or not isinstance(value, wanted)
        or not low <= value <= high
        or np.isinf(value)
    ):
        raise ValueError(f"{name} must be {article} {limits}; got {value!r}. {remedy}")
    return value


def check_kinds(kinds, known):
    """Return the requested kinds of anomalies as a tuple, or raise ValueError."""
    if isinstance(kinds, str) or not isinstance(kinds, tuple | list | set | frozenset):
        raise ValueError(
            f"anomalies must be a sequence of kinds; got {kinds!r}. "
            f"Pass a tuple of kinds such as ({known[0]!r},)."
        )
    unknown = [kind for kind in kinds if kind not in known]
    if unknown:
        raise ValueError(
            f"anomalies must hold known kinds only; got {unknown[0]!r}. "
            f"Choose from {', '.join(map(repr, known))}."
        )
    if len(set(kinds)) < len(kinds):
        raise ValueError(
            f"anomalies must not repeat a kind; got {tuple(kinds)!r}. Name each kind once."
        )
    return tuple(sorted(kinds, key=known.index))


def draw_seeds(random_state, n_seeds):
    """Draw ``n_seeds`` integers, one per independent stream, shape (n_seeds,).

    Always takes the same number of draws, so that a ``RandomState`` that the caller shares
    with other code advances by the same amount whatever the sizes asked for.
    """
    # check_random_state(None) is numpy's global state, which must stay untouched.
    rng = np.random.RandomState() if random_state is None else check_random_state(random_state)
    return rng.randint(np.iinfo(np.int32).max, size=n_seeds)


def describe(series, start, stop, kind, features):
    """Describe one anomaly with plain Python values."""
    return {
        "series": int(series),
        "start": int(start),
        "stop": int(stop),
        "kind": kind,
        "features": tuple(int(feature) for feature in features),
    }


def label_timesteps(anomalies, n_series, n_timesteps):
    """Label the time steps of a panel, shape (n_series, n_timesteps): -1 in an anomaly, else +1."""
    labels = np.full((n_series, n_timesteps), NORMAL, dtype=np.int64)
    for anomaly in anomalies:
        labels[anomaly["series"], anomaly["start"] : anomaly["stop"]] = ANOMALOUS
    return labels


def place(lengths, n_timesteps, rng):
    """Draw starts, in time order, of stretches that neither touch nor reach the borders.

    ``sum(lengths) + len(lengths) + 1`` must be at most ``n_timesteps``.
    """
    lengths = np.asarray(lengths, dtype=int)
    n_free = n_timesteps - lengths.sum() - len(lengths) - 1
    before = np.sort(rng.randint(n_free + 1, size=len(lengths)))
    return before + np.arange(1, len(lengths) + 1) + np.cumsum(lengths) - lengths


def draw_size(rng, low, high):
    """Draw a size between ``low`` and ``high`` with a random sign."""
    return rng.choice((-1.0, 1.0)) * rng.uniform(low, high)


def spike(series, start, stop, features, rng, *, size=(2.0, 4.0)):
    """Throw every feature off, each by its own amount."""
    sizes = np.array([draw_size(rng, *size) for _ in features])
    return series[start:stop, features] + sizes


def level_shift(series, start, stop, features, rng, *, size=(0.8, 2.0)):
    """Add one constant offset."""
    return series[start:stop, features] + draw_size(rng, *size)


def stuck(series, start, stop, features, rng):
    """Hold the last value before the stretch."""
    return np.repeat(series[start - 1 : start, features], stop - start, axis=0)


def drift(series, start, stop, features, rng, *, size=(1.2, 2.5)):
    """Drift away linearly, then snap back after the stretch."""
    ramp = np.arange(1, stop - start + 1) / (stop - start)
    return series[start:stop, features] + draw_size(rng, *size) * ramp[:, None]


def drift_and_return(series, start, stop, features, rng, *, size=(1.0, 2.0)):
    """Drift away slowly and come back slowly."""
    # Half a step in: neither end of the hump is zero, so every step of the stretch changes.
    position = (np.arange(stop - start) + 0.5) / (stop - start)
    hump = np.sin(np.pi * position) ** 2
    return series[start:stop, features] + draw_size(rng, *size) * hump[:, None]


def oscillation(series, start, stop, features, rng, *, size=(0.7, 1.5), period=(4.0, 12.0)):
    """Add a fast oscillation."""
    angle = 2 * np.pi * np.arange(stop - start) / rng.uniform(*period)
    wave = np.sin(angle + rng.uniform(0.2, 0.8))
    return series[start:stop, features] + draw_size(rng, *size) * wave[:, None]


def reverse(series, start, stop, features, rng):
    """Play the stretch backwards: the same values, no longer those of the other features.

    The stretch must have an even length, or its middle step would stay as it was.
    """
    return series[start:stop, features][::-1]


def paste(series, start, stop, features, rng, *, sources):
    """Copy the stretch of ``series`` that differs most, among a few that start in ``sources``.

    Every value is one that the feature takes elsewhere, so only its context is wrong.
    """
    length = stop - start
    clean = series[start:stop, features]
    candidates = rng.choice(sources, size=_N_CANDIDATES)
    copies = [series[source : source + length, features] for source in candidates]
    return max(copies, key=lambda copy: np.mean((copy - clean) ** 2))


# ---- anomalies of flights ----

# Shortest and longest stretch of each kind as a share of the flight; a spike is short anyway.
_LENGTHS = {
    "level_shift": (0.02, 0.08),
    "stuck": (0.03, 0.10),
    "contextual": (0.02, 0.06),
    "drift": (0.06, 0.15),
    "correlation": (0.05, 0.12),
    "oscillation": (0.03, 0.08),
    "dropout": (0.01, 0.04),
}
FLIGHT_KINDS = ("spike", *_LENGTHS)
_MOST_FEATURES = {"spike": 3, "level_shift": 2, "oscillation": 2}
_ALTERATIONS = {
    "spike": spike,
    "level_shift": level_shift,
    "stuck": stuck,
    "drift": drift,
    "correlation": reverse,
    "oscillation": oscillation,
}
_MAX_PER_FLIGHT = 3
_N_DRAWS = 20


def plan_flights(kinds, n_anomalous, n_test, rng):
    """Deal kinds to randomly chosen test flights: a dict from flight index to list of kinds."""
    if not n_anomalous:
        return {}
    counts = rng.randint(1, _MAX_PER_FLIGHT + 1, size=n_anomalous)
    # Every kind is to occur, if need be in a flight that would have had fewer anomalies.
    while counts.sum() < min(len(kinds), _MAX_PER_FLIGHT * n_anomalous):
        counts[counts.argmin()] += 1
    n_decks = -(-counts.sum() // len(kinds))
    deck = [kind for _ in range(n_decks) for kind in rng.permutation(kinds).tolist()]
    flights = rng.choice(n_test, size=n_anomalous, replace=False)
    stops = np.cumsum(counts)
    return {
        int(flight): deck[stop - count : stop]
        for flight, stop, count in zip(flights, stops, counts, strict=True)
    }


def inject(flight, index, kinds, phases, sensors, rng):
    """Write anomalies into ``flight`` (n_timesteps, n_features) and describe them.

    Reads the (n_features,) arrays ``discrete``, ``redundant`` and ``noise`` of ``sensors``.
    A few placements are drawn and the first is taken in which every anomaly changes every one
    of its steps and stands out of the noise, else the one that comes closest.
    """
    clean = flight.astype(np.float64)
    best, best_strength = [], -1.0
    for _ in range(_N_DRAWS):
        lengths = [_draw_length(kind, len(flight), rng) for kind in kinds]
        starts = place(lengths, len(flight), rng)
        drawn = [
            _draw_anomaly(kind, clean, start, start + length, phases, sensors, rng)
            for kind, start, length in zip(kinds, starts, lengths, strict=True)
        ]
        strength = min(anomaly.strength for anomaly in drawn)
        if strength > best_strength:
            best, best_strength = drawn, strength
        if best_strength >= 1:
            break
    found = []
    for kind, (start, stop, features, values, _) in zip(kinds, best, strict=True):
        flight[start:stop, features] = values
        found.append(describe(index, start, stop, kind, features))
    return found


def _draw_length(kind, n_timesteps, rng):
    if kind == "spike":
        return rng.randint(1, 4)
    length = round(n_timesteps * rng.uniform(*_LENGTHS[kind]))
    # An even length, which the reversed stretch needs, costs the other kinds nothing.
    return max(length + length % 2, 4)


class _Draw(NamedTuple):
    start: int
    stop: int
    features: np.ndarray
    values: np.ndarray
    strength: float


def _draw_anomaly(kind, flight, start, stop, phases, sensors, rng):
    """Draw features until the anomaly is visible; a strength of 1 and more is visible."""
    if kind == "dropout":
        stop = start + np.count_nonzero(phases[start:stop] == phases[start])
    eligible = {"contextual": np.ones_like(sensors.discrete), "correlation": sensors.redundant}
    pool = np.flatnonzero(eligible.get(kind, ~sensors.discrete))
    most = min(len(pool), _MOST_FEATURES.get(kind, 1))
    best = None
    for _ in range(_N_DRAWS):
        features = np.sort(rng.choice(pool, size=rng.randint(1, most + 1), replace=False))
        values = _alter(kind, flight, start, stop, features, phases, rng)
        change = values.astype(np.float32) - flight[start:stop, features].astype(np.float32)
        size = np.sqrt(np.mean(change**2, axis=0)) / (0.25 + 2 * sensors.noise[features])
        strength = float(size.min()) if change.any(axis=1).all() else 0.0
        if best is None or strength > best.strength:
            best = _Draw(start, stop, features, values, strength)
        if strength >= 1:
            break
    return best


def _alter(kind, flight, start, stop, features, phases, rng):
    """Return the anomalous values (stop - start, len(features)) of a stretch of ``flight``."""
    if kind == "contextual":
        first = np.arange(len(flight) - (stop - start) + 1)
        last = first + stop - start - 1
        elsewhere = (phases[last] < phases[start]) | (phases[first] > phases[stop - 1])
        return paste(flight, start, stop, features, rng, sources=first[elsewhere])
    if kind == "dropout":
        return np.repeat(flight[:, features].min(axis=0, keepdims=True), stop - start, axis=0)
    return _ALTERATIONS[kind](flight, start, stop, features, rng)
