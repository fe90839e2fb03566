"""A panel of simulated flights: phases, physical quantities, sensors and their anomalies.

One flight goes through the rows of this table, each a function below::

    progress (n_timesteps,)              the phase and how far it has come: 2.5 is half the climb
    signals (n_timesteps, n_signals)     what the aircraft does, free of sensor noise
    flight (n_timesteps, n_features)     what the sensors record, of order one
"""

from typing import NamedTuple

import numpy as np
from scipy.interpolate import CubicSpline, PchipInterpolator
from scipy.signal import lfilter
from scipy.special import expit
from sklearn.utils import Bunch

from skanomaly.datasets._anomalies import (
    ANOMALOUS,
    FLIGHT_KINDS,
    NORMAL,
    check_kinds,
    check_number,
    draw_seeds,
    inject,
    label_timesteps,
    plan_flights,
)

_PHASES = ("taxi_out", "take_off", "climb", "cruise", "descent", "approach", "landing")
_PHASE_SHARES = np.array([0.08, 0.03, 0.17, 0.38, 0.18, 0.09, 0.07])
_PHASE_SPREADS = np.array([0.35, 0.12, 0.20, 0.30, 0.20, 0.20, 0.35])

# The order decides what a panel with few features holds: the first signals and their twins.
_SIGNALS = (
    "altitude airspeed engine_left_speed outside_temperature flap pitch engine_left_temperature "
    "roll gear fuel_flow_left vertical_acceleration engine_right_speed cabin_pressure "
    "vertical_speed oil_temperature spoiler engine_right_temperature fuel_quantity mach "
    "heading_north heading_east ground_speed angle_of_attack lateral_acceleration "
    "bleed_pressure autopilot oil_pressure hydraulic_pressure brake_temperature "
    "generator_load fuel_flow_right engine_vibration anti_ice"
).split()
_DISCRETE = ("flap", "gear", "spoiler", "autopilot", "anti_ice")

_DESCR = """Simulated flights with labelled anomalies

Each flight runs through the phases {phases}; their durations vary from flight to flight.
{n_features} sensors record what the aircraft does, at {n_timesteps} time steps: redundant
sensors of one quantity, lagged and saturated mixtures of several, and a few discrete settings.
Values are of order one; the scaling is a constant of the simulation, not fitted to the data.

X_train, {n_train} flights: all normal, hence without labels.
X_test, {n_test} flights, {n_anomalous} of them with anomalies of the kinds: {kinds}.
Labels: +1 normal, -1 anomalous. Each entry of `anomalies` names the flight (`series`), the
half-open stretch of time steps (`start`, `stop`), the `kind` and the altered `features`.
"""


class _Sensors(NamedTuple):
    """What turns signals into features: one entry per feature, each of shape (n_features,)."""

    names: list
    signals: np.ndarray
    discrete: np.ndarray
    redundant: np.ndarray
    others: np.ndarray
    mixing: np.ndarray
    saturation: np.ndarray
    lags: np.ndarray
    gains: np.ndarray
    noise: np.ndarray
    memory: np.ndarray
    drifts: np.ndarray


def make_flights(
    *,
    n_train=89,
    n_test=10,
    n_timesteps=1500,
    n_features=77,
    anomalous_fraction=0.5,
    anomalies=FLIGHT_KINDS,
    noise=0.15,
    random_state=None,
):
    """Make a panel of simulated flights whose test part has labelled anomalies.

    Every flight goes through taxi, take-off, climb, cruise, descent, approach and landing, of
    varying durations. The features are sensors that respond to a few physical quantities, with
    redundant sensors, lags, saturation, slow drift, discrete settings and autocorrelated noise.
    Values are of order one. The training part is all normal.

    Parameters
    ----------
    n_train : int, default=89
        Number of training flights.
    n_test : int, default=10
        Number of test flights. The training part does not depend on it.
    n_timesteps : int, default=1500
        Number of time steps of every flight, at least 40.
    n_features : int, default=77
        Number of sensors, at least 2.
    anomalous_fraction : float, default=0.5
        Share of the test flights, rounded to whole flights, that get one to three anomalies.
        With 0 the same ``random_state`` gives the anomaly-free twin of ``X_test``.
    anomalies : tuple of str, default=all kinds
        The kinds of anomalies. Each occurs at least once if the anomalous flights, at three
        per flight, can hold them.

        - ``"spike"``: a few sensors jump for one to three time steps.
        - ``"level_shift"``: one or two sensors read too high or too low by a constant.
        - ``"stuck"``: a sensor repeats its last value.
        - ``"contextual"``: a sensor shows values that are valid in another phase.
        - ``"drift"``: a sensor drifts away from the truth, then recovers at once.
        - ``"correlation"``: a redundant sensor no longer follows its twin, though its values
          are those that it should take, in reverse order.
        - ``"oscillation"``: one or two sensors oscillate quickly.
        - ``"dropout"``: a sensor reads its lowest value for a part of one phase.
    noise : float, default=0.15
        Typical standard deviation of the sensor noise, in units of the features.
    random_state : int, RandomState instance or None, default=None
        Pass an int for the same flights in every call. None draws fresh entropy and leaves
        NumPy's global random state alone.

    Returns
    -------
    data : :class:`~sklearn.utils.Bunch`
        With the following attributes.

        X_train : ndarray of shape (n_train, n_timesteps, n_features), dtype=float32
            Normal flights.
        X_test : ndarray of shape (n_test, n_timesteps, n_features), dtype=float32
            Flights of which some are anomalous.
        y_test : ndarray of shape (n_test, n_timesteps), dtype=int64
            -1 at exactly the time steps that an anomaly changed, else +1.
        y_test_flights : ndarray of shape (n_test,), dtype=int64
            -1 for a flight with an anomaly, else +1.
        anomalies : list of dict
            One per anomaly, in time order: ``series`` (index of the flight), ``start`` and
            ``stop`` (half-open), ``kind``, ``features`` (indices). None overlap.
        phases_train : ndarray of shape (n_train, n_timesteps), dtype=int8
            Index into ``phase_names`` of every time step.
        phases_test : ndarray of shape (n_test, n_timesteps), dtype=int8
            Index into ``phase_names`` of every time step.
        phase_names : list of str
            Names of the seven phases.
        feature_names : list of str
            Names of the sensors, such as ``"altitude_1"``. Number 2 of a quantity is redundant
            with number 1, further numbers are mixtures with another quantity.
        DESCR : str
            Description of the data.

    Raises
    ------
    ValueError
        If a parameter is out of its range, or ``anomalies`` names an unknown kind.

    See Also
    --------
    make_series : One seasonal series with labelled anomalies.

    Examples
    --------
    >>> from skanomaly.datasets import make_flights
    >>> flights = make_flights(n_train=4, n_test=2, n_timesteps=300, n_features=8, random_state=0)
    >>> flights.X_train.shape, flights.X_test.shape
    ((4, 300, 8), (2, 300, 8))
    >>> sorted(flights.y_test_flights.tolist())
    [-1, 1]
    >>> flights.feature_names[:3]
    ['altitude_1', 'altitude_2', 'airspeed_1']
    """
    _check_sizes(n_train, n_test, n_timesteps, n_features)
    check_number(
        "anomalous_fraction",
        anomalous_fraction,
        low=0,
        high=1,
        remedy="Use 0 for no anomalous test flight, 1 for anomalies in all of them.",
    )
    check_number("noise", noise, low=0, remedy="Use 0 for sensors without noise.")
    kinds = check_kinds(anomalies, FLIGHT_KINDS)
    sensor_seed, train_seed, test_seed, anomaly_seed = draw_seeds(random_state, 4)
    sensors = _draw_sensors(n_features, noise, np.random.RandomState(sensor_seed))
    X_train, phases_train = _record_flights(n_train, n_timesteps, sensors, train_seed)
    X_test, phases_test = _record_flights(n_test, n_timesteps, sensors, test_seed)
    n_anomalous = int(anomalous_fraction * n_test + 0.5) if kinds else 0
    plan = plan_flights(kinds, n_anomalous, n_test, np.random.RandomState(anomaly_seed))
    found = []
    for index, planned in sorted(plan.items()):
        # One stream per flight, so that its anomalies do not depend on the other flights.
        rng = np.random.RandomState([anomaly_seed, index])
        found += inject(X_test[index], index, planned, phases_test[index], sensors, rng)
    y_test = label_timesteps(found, n_test, n_timesteps)
    return Bunch(
        X_train=X_train,
        X_test=X_test,
        y_test=y_test,
        y_test_flights=np.where((y_test == ANOMALOUS).any(axis=1), ANOMALOUS, NORMAL),
        anomalies=found,
        phases_train=phases_train,
        phases_test=phases_test,
        phase_names=list(_PHASES),
        feature_names=sensors.names,
        DESCR=_DESCR.format(
            phases=", ".join(_PHASES),
            n_features=n_features,
            n_timesteps=n_timesteps,
            n_train=n_train,
            n_test=n_test,
            n_anomalous=n_anomalous,
            kinds=", ".join(kinds if found else ["none"]),
        ),
    )


def _check_sizes(n_train, n_test, n_timesteps, n_features):
    for name, value, low, remedy in (
        ("n_train", n_train, 1, "Ask for one or more training flights."),
        ("n_test", n_test, 1, "Ask for one or more test flights."),
        ("n_timesteps", n_timesteps, 40, "A shorter flight has no room for its seven phases."),
        ("n_features", n_features, 2, "Ask for at least two sensors, one redundant."),
    ):
        check_number(name, value, low=low, integer=True, remedy=remedy)


# ---- what the aircraft does ----


def _record_flights(n_flights, n_timesteps, sensors, seed):
    """Return flights (n_flights, n_timesteps, n_features) and phases (n_flights, n_timesteps)."""
    centre, scale = _signal_scale()
    flights = np.empty((n_flights, n_timesteps, len(sensors.names)), dtype=np.float32)
    phases = np.empty((n_flights, n_timesteps), dtype=np.int8)
    for index in range(n_flights):
        rng = np.random.RandomState([seed, index])
        progress = _draw_progress(n_timesteps, rng)
        phases[index] = progress.astype(np.int8)
        signals = (_simulate(progress, rng) - centre) / scale
        flights[index] = _measure(signals, sensors, rng)
    return flights, phases


def _signal_scale():
    """Return centre and scale of the signals, each (n_signals,), from fixed reference flights."""
    rng = np.random.RandomState(0)
    signals = np.concatenate([_simulate(_draw_progress(400, rng), rng) for _ in range(8)])
    return signals.mean(axis=0), signals.std(axis=0)


def _draw_progress(n_timesteps, rng):
    """Return the phase plus the share of it that has passed, shape (n_timesteps,), in [0, 7)."""
    shares = _PHASE_SHARES * np.exp(_PHASE_SPREADS * rng.standard_normal(len(_PHASES)))
    # The shortest phase keeps a time step even in a short flight.
    shares = np.maximum(shares / shares.sum(), 1.3 / n_timesteps)
    edges = n_timesteps * np.append(0, np.cumsum(shares)) / shares.sum()
    progress = PchipInterpolator(edges, np.arange(len(edges)))(np.arange(n_timesteps))
    return np.clip(progress, 0, np.nextafter(len(_PHASES), 0))


def _profile(progress, *knots):
    """Return a smooth curve through ``knots`` (progress, value), without overshoot."""
    return PchipInterpolator(*zip(*knots, strict=True))(progress)


def _wander(n_timesteps, n_knots, rng):
    """Return a smooth random curve of about unit variance, shape (n_timesteps,)."""
    curve = CubicSpline(np.arange(n_knots), rng.standard_normal(n_knots))
    return curve(np.linspace(0, n_knots - 1, n_timesteps))


def _lag(signal, n_steps):
    """Return the first-order response to ``signal`` with a time constant in time steps."""
    decay = np.exp(-1 / max(n_steps, 1e-6))
    return lfilter([1 - decay], [1, -decay], signal, zi=[decay * signal[0]])[0]


def _between(progress, low, high, width=0.02):
    """Return a smooth switch: 1 while ``low < progress < high``, else 0."""
    return expit((progress - low) / width) * expit((high - progress) / width)


def _simulate(progress, rng):
    """Return all signals of one flight, shape (n_timesteps, n_signals), in arbitrary units."""
    motion = _simulate_motion(progress, rng)
    settings = _simulate_settings(progress, motion, rng)
    engines = _simulate_engines(progress, motion, rng)
    systems = _simulate_systems(progress, motion, settings, engines, rng)
    signals = {**motion, **settings, **engines, **systems}
    return np.column_stack([signals[name] for name in _SIGNALS])


def _simulate_motion(progress, rng):
    n = len(progress)
    airborne = _between(progress, 1.8, 6.02)
    hold, low = rng.uniform(2.25, 2.6), rng.uniform(0.25, 0.5)
    sink, high = rng.uniform(4.35, 4.65), rng.uniform(0.4, 0.6)
    level = rng.uniform(0.8, 1.05) + sum(
        0.07 * expit((progress - rng.uniform(3.15, 3.85)) / 0.02) for _ in range(rng.randint(3))
    )
    altitude = level * _profile(
        progress,
        *((0, 0), (1.75, 0), (2, 0.03), (hold, low), (hold + 0.15, low + 0.02), (3, 1), (4, 1)),
        *((sink, high), (sink + 0.15, high - 0.02), (5, 0.18), (5.95, 0.01), (6, 0), (7, 0)),
    )
    speed = _profile(
        progress,
        *((0, 0), (0.15, 0.06), (1, 0.06), (1.1, 0.05), (1.8, 0.42), (2, 0.48), (2.3, 0.62)),
        *((3, 0.95), (3.1, 1), (4, 1), (4.4, 0.93), (5, 0.62), (5.5, 0.46), (6, 0.42)),
        *((6.3, 0.08), (6.9, 0.05), (7, 0)),
    )
    speed = speed * (1 + 0.03 * rng.standard_normal() + 0.015 * _wander(n, 30, rng))
    speed *= 1 - (1 - airborne) * 0.5 * expit(2 * _wander(n, 40, rng))
    # Rough air comes in patches, mostly low: the fast part that several sensors share.
    rough = np.exp(0.6 * _wander(n, 14, rng)) * (0.15 + airborne * (0.25 + np.exp(-4 * altitude)))
    white = rng.standard_normal((n, 2))
    gust, side_gust = (rough[:, None] * lfilter([0.6], [1, -0.8], white, axis=0)).T
    turns = rng.uniform(-1, 1, 9) * np.pi / 2
    times = np.concatenate([rng.uniform(0, 1, 2), rng.uniform(2.1, 3, 2), rng.uniform(3, 4, 2)])
    times = np.concatenate([times, rng.uniform(4.2, 5.6, 2), rng.uniform(6.3, 6.9, 1)])
    heading = rng.uniform(-np.pi, np.pi) + expit((progress[:, None] - times) / 0.02) @ turns
    turn_rate = n * np.gradient(heading)
    climb = n * np.gradient(altitude)
    roll = np.tanh(0.02 * turn_rate) * airborne + 0.04 * side_gust
    lift = altitude + 0.5
    return {
        "altitude": altitude,
        "airspeed": speed + 0.01 * gust,
        "mach": speed * (1 + 0.35 * altitude),
        "ground_speed": speed * (1 + 0.2 * altitude) + 0.08 * rng.standard_normal() * altitude,
        "vertical_speed": climb + 0.2 * gust * airborne,
        "pitch": 0.1 * climb + airborne * (0.6 - 0.5 * speed) + 0.03 * gust,
        "angle_of_attack": airborne * (0.25 * lift / (0.2 + speed**2)) + 0.06 * gust,
        "roll": roll,
        "heading_north": np.cos(heading),
        "heading_east": np.sin(heading),
        "vertical_acceleration": gust + 0.8 * roll**2 + 0.003 * n * np.gradient(climb),
        "lateral_acceleration": side_gust + roll,
        "outside_temperature": 0.15 * rng.standard_normal()
        - 1.2 * altitude
        + 0.05 * _wander(n, 10, rng),
        "_airborne": airborne,
        "_rough": rough,
    }


def _simulate_settings(progress, motion, rng):
    early = rng.uniform(-0.1, 0.1, 6)
    flap = (
        1.0 * ((progress > 0.5 + early[0]) & (progress < 2.15 + early[1]))
        + ((progress > 4.85 + early[2]) & (progress < 6.6 + early[3]))
        + ((progress > 5.25 + early[2]) & (progress < 6.6 + early[3]))
        + ((progress > 5.55 + early[4]) & (progress < 6.6 + early[3]))
    )
    brake = (progress > 6.03) & (progress < 6.35 + early[5])
    slow = (progress > 4.3) & (progress < 4.9) & (_wander(len(progress), 60, rng) > 0.9)
    cold = (motion["altitude"] > 0.25) & (_wander(len(progress), 25, rng) > 0.8)
    return {
        "flap": flap,
        "gear": 1.0 * ((progress < 2.03 + 0.2 * abs(early[0])) | (progress > 5.4 + early[4])),
        "spoiler": 1.0 * brake + 0.5 * slow,
        "autopilot": 1.0 * ((progress > 2.25 + early[1]) & (progress < 5.7 + early[3])),
        "anti_ice": 1.0 * cold,
    }


def _simulate_engines(progress, motion, rng):
    n = len(progress)
    power = _profile(
        progress,
        *((0, 0.05), (0.1, 0.22), (1, 0.22), (1.15, 1), (2, 1), (2.1, 0.9), (3, 0.86)),
        *((3.15, 0.7), (4, 0.66), (4.08, 0.2), (4.9, 0.24), (5.05, 0.4), (5.9, 0.42)),
        *((6.02, 0.2), (6.1, 0.6), (6.25, 0.22), (6.9, 0.2), (7, 0.05)),
    )
    # The pilot works the levers hardest on the approach, and adds power to step up in cruise.
    power = power + 0.05 * _between(progress, 4.9, 6, 0.05) * _wander(n, 90, rng)
    power = power + 0.02 * _wander(n, 20, rng) + 0.03 * np.maximum(motion["vertical_speed"], 0)
    engines = {"_power": power}
    for side in ("left", "right"):
        own = power + 0.015 * rng.standard_normal() + 0.015 * _wander(n, 12, rng)
        speed = _lag(np.sqrt(np.maximum(own, 0.01)), 0.002 * n)
        heat = 0.8 * own + 0.25 * expit(8 * (progress - 0.1)) + 0.1 * motion["outside_temperature"]
        engines[f"engine_{side}_speed"] = speed
        engines[f"engine_{side}_temperature"] = _lag(heat, 0.008 * n)
        engines[f"fuel_flow_{side}"] = own * (1 - 0.4 * motion["altitude"])
    return engines


def _simulate_systems(progress, motion, settings, engines, rng):
    n = len(progress)
    altitude, power = motion["altitude"], engines["_power"]
    flow = engines["fuel_flow_left"] + engines["fuel_flow_right"]
    oil = _lag(engines["engine_left_temperature"], 0.04 * n)
    # The pump is slow to make up for what moving flaps and gear take.
    moving = sum(abs(settings[name] - _lag(settings[name], 0.008 * n)) for name in ("flap", "gear"))
    braking = settings["spoiler"] * (progress > 6) + 0.15 * (progress < 1)
    loads = np.sign(_wander(n, 12, rng)) * 0.1 + 0.15 * settings["anti_ice"]
    return {
        "fuel_quantity": rng.uniform(0.8, 1.2) - np.cumsum(flow) / n,
        "cabin_pressure": -_lag(np.tanh(2 * altitude), 0.01 * n),
        "bleed_pressure": np.tanh(2 * power) * (1 - 0.35 * altitude) - 0.1 * settings["anti_ice"],
        "oil_temperature": oil,
        "oil_pressure": engines["engine_left_speed"] - 0.4 * oil,
        "hydraulic_pressure": 0.4 * np.tanh(3 * power) - 0.4 * moving,
        "brake_temperature": _lag(braking, 0.03 * n),
        "generator_load": loads + 0.3 * np.tanh(3 * power) + 0.2 * motion["_airborne"],
        "engine_vibration": power**2 + 0.15 * motion["_rough"] * abs(rng.standard_normal(n)),
    }


# ---- what the sensors record ----


def _draw_sensors(n_features, noise, rng):
    """Draw the sensors of the one aircraft that makes all flights.

    Half of a small panel are quantities and half are their redundant twins; once every
    quantity is there, further sensors mix two quantities.
    """
    n_signals = min(len(_SIGNALS), (n_features + 1) // 2)
    continuous = [i for i in range(n_signals) if _SIGNALS[i] not in _DISCRETE]
    rows = [(signal, 1) for signal in range(n_signals)]
    number = 2
    while len(rows) < n_features:
        rows += [(signal, number) for signal in continuous[: n_features - len(rows)]]
        number += 1
    rows.sort()
    signals, numbers = np.array(rows).T
    discrete = np.isin(signals, continuous, invert=True)
    redundant = numbers == 2
    mixture = numbers > 2
    saturation = rng.uniform(0.1, 0.6, n_features)
    lags = 10 ** rng.uniform(-4, -2.5, n_features)
    # A twin is built like the first sensor, which stands right before it.
    first = np.flatnonzero(redundant) - 1
    saturation[redundant], lags[redundant] = saturation[first], lags[first]
    return _Sensors(
        names=[f"{_SIGNALS[signal]}_{number}" for signal, number in rows],
        signals=signals,
        discrete=discrete,
        redundant=redundant,
        others=rng.randint(n_signals, size=n_features),
        mixing=np.where(mixture, rng.uniform(-0.8, 0.8, n_features), 0),
        saturation=saturation,
        lags=np.where(mixture, 8 * lags, lags),
        gains=np.where(discrete, 1, rng.uniform(0.95, 1.05, n_features)),
        noise=np.where(discrete, 0, noise * np.exp(0.4 * rng.standard_normal(n_features))),
        memory=rng.uniform(0.2, 0.9, n_features),
        drifts=np.where(discrete, 0, rng.choice((0.02, 0.2), n_features, p=(0.8, 0.2))),
    )


def _measure(signals, sensors, rng):
    """Return the readings (n_timesteps, n_features) of ``signals`` (n_timesteps, n_signals)."""
    n_timesteps, n_features = len(signals), len(sensors.names)
    clean = signals[:, sensors.signals] + sensors.mixing * signals[:, sensors.others]
    clean /= np.sqrt(1 + sensors.mixing**2)
    flight = np.where(
        sensors.discrete, clean, np.tanh(sensors.saturation * clean) / sensors.saturation
    )
    memory = sensors.memory
    # The noise before the first step: without it the noise would grow from zero.
    rest = memory * rng.standard_normal(n_features)
    bias = sensors.drifts * rng.standard_normal((2, n_features))
    white = rng.standard_normal((n_timesteps, n_features))
    time = np.linspace(-0.5, 0.5, n_timesteps)
    for j in np.flatnonzero(~sensors.discrete):
        reading = sensors.gains[j] * _lag(flight[:, j], sensors.lags[j] * n_timesteps)
        reading += bias[0, j] + bias[1, j] * time
        fresh = np.sqrt(1 - memory[j] ** 2)
        noise, _ = lfilter([fresh], [1, -memory[j]], white[:, j], zi=rest[j : j + 1])
        reading += sensors.noise[j] * noise
        flight[:, j] = reading
    return flight
