"""What detectors expect of the next steps of several streams, and the little they must remember.

A follower has `warm_up`, the number of first steps of a stream on which it has no opinion;
``errors(x)``, which takes in steps (n_streams, n, n_features), float32, and returns the errors of
their values, of the same shape, float64, NaN where there is none; ``scores(errors)``, which makes
scores of them; and ``get_state()`` and ``set_state(state)``, all that it remembers as a dict of
arrays. It learns nothing: what it knows is the detector's, and its errors are those of
``detector.score_features`` with the sign turned.
"""

import numpy as np

from skanomaly.detectors import (
    BaseLSTMDetector,
    BaseNetworkDetector,
    KerasDetector,
    LinearForecaster,
    LSTMForecaster,
    MeanDetector,
    NearestWindowDetector,
    PersistenceDetector,
)
from skanomaly.model_selection import ScoreEnsemble
from skanomaly.scoring import step_scores
from skanomaly.streaming._ensemble import EnsembleFollower
from skanomaly.streaming._networks import (
    ArrayNetwork,
    KerasNetwork,
    choose_engine,
    forecast_layers,
    latest_leads,
)
from skanomaly.windows import carry_forward

__all__ = ["make_follower"]

_KNOWN = (
    BaseNetworkDetector,
    LinearForecaster,
    PersistenceDetector,
    MeanDetector,
    NearestWindowDetector,
    ScoreEnsemble,
)


def make_follower(detector, n_streams, follow, *, carry_state=False, engine="auto"):
    """Return what follows streams for a fitted detector, and the engine of its network or None.

    Parameters
    ----------
    detector : BaseDetector or ScoreEnsemble
        Fitted.
    n_streams : int
        Number of streams.
    follow : callable
        Makes the stream of a member of an ensemble.
    carry_state, engine
        As for :class:`skanomaly.streaming.Stream`.

    Raises
    ------
    ValueError
        If the detector is none that can be followed, or looks at steps that are yet to come. The
        message names the remedy.
    """
    _refuse(detector, carry_state)
    if isinstance(detector, BaseLSTMDetector):
        chosen, lstm = choose_engine(engine)
        network = ArrayNetwork(detector, lstm)
        if carry_state:
            return _CarriedForecaster(detector, network, n_streams), chosen
        judge = _NetworkJudge(detector, network)
        return _WindowFollower(detector, judge, n_streams), chosen
    if isinstance(detector, KerasDetector):
        if engine != "auto":
            raise ValueError(
                "engine must be 'auto' for a KerasDetector, whose network Keras alone can compute; "
                f"got {engine!r}. Leave it out."
            )
        judge = _NetworkJudge(detector, KerasNetwork(detector))
        return _WindowFollower(detector, judge, n_streams), "keras"
    if isinstance(detector, NearestWindowDetector):
        return _WindowFollower(detector, _NearestJudge(detector), n_streams), None
    if isinstance(detector, LinearForecaster):
        return _LinearFollower(detector, n_streams), None
    if isinstance(detector, PersistenceDetector):
        return _PersistenceFollower(detector, n_streams), None
    if isinstance(detector, ScoreEnsemble):
        return EnsembleFollower(detector, n_streams, follow), None
    return _MeanFollower(detector, n_streams), None


def _refuse(detector, carry_state):
    """Raise unless streams of the detector can be followed."""
    name = type(detector).__name__
    if not isinstance(detector, _KNOWN):
        raise ValueError(
            "detector must be one of skanomaly's detectors to be streamed, or a ScoreEnsemble of "
            f"them; got {name}. Of a pipeline stream the last step, and give it data that the "
            "other steps transformed."
        )
    if carry_state and not isinstance(detector, LSTMForecaster):
        raise ValueError(
            "carry_state must be False unless the detector is an LSTMForecaster, whose network "
            f"alone never looks ahead; got True for {name}. Leave it out."
        )
    if getattr(detector, "window_size", 1) is None:
        raise ValueError(
            "window_size must not be None in a stream, which has no end; got None. Fit with a "
            "window_size, for example 64."
        )
    if getattr(detector, "aggregation", "last") != "last" and not carry_state:
        raise ValueError(
            'aggregation must be "last" in a stream, where no window that ends later is there yet; '
            f'got {detector.aggregation!r}. Fit with aggregation="last", so that the threshold '
            "suits, or call score_samples when a window has passed."
        )
    if getattr(detector, "stride", 1) != 1 and not carry_state:
        raise ValueError(
            "stride must be 1 in a stream, where each step is judged by the window that ends with "
            f"it; got {detector.stride}. Fit with stride=1, or call set_params(stride=1) on the "
            "fitted detector: its threshold is then of windows that started every "
            f"{detector.stride} steps."
        )


class _Follower:
    """What all but ensembles share; a subclass sets `warm_up` and `state`, a dict of arrays."""

    def scores(self, errors):
        return step_scores(errors.reshape(-1, errors.shape[2])).reshape(errors.shape[:2])

    def get_state(self):
        return self.state

    def set_state(self, state):
        self.state |= state


def _shift(state, name, x):
    """Append x (n_streams, n, n_features) to the past; return both, and keep the newest part."""
    rows = np.concatenate([state[name], x], axis=1)
    state[name] = rows[:, x.shape[1] :]
    return rows


# ------------------------------------------------------------------------------------- windows


class _WindowFollower(_Follower):
    """Judge each step by the window that ends with it."""

    def __init__(self, detector, judge, n_streams):
        self._size, self._judge = int(detector.window_size_), judge
        self.warm_up = self._size - 1
        past = np.full((n_streams, self.warm_up, detector.n_features_in_), np.nan, np.float32)
        self.state = {"past": past}

    def errors(self, x):
        rows, size = _shift(self.state, "past", x), self._size
        if x.shape[1] == 1:
            windows = rows
        else:
            windows = np.lib.stride_tricks.sliding_window_view(rows, size, axis=1)
            windows = windows.transpose(0, 1, 3, 2).reshape(-1, size, x.shape[2])
        return self._judge(windows).reshape(x.shape)


class _NetworkJudge:
    """Errors of the last step of windows by a network: (n, window_size, k) -> (n, k)."""

    def __init__(self, detector, network):
        self._detector, self._network = detector, network

    def __call__(self, windows):
        return errors_of(self._detector, windows[:, -1], self._network(windows))


def errors_of(detector, x, said):
    """Turn what a network said of x (..., n_features) into errors of its shape, float64."""
    if detector._n_networks == 1:
        errors = detector._errors_of(x, said, detector._norm)
    else:
        errors = detector._errors_of(x[..., None, :], said, detector._norm).mean(axis=-2)
    return errors.astype(np.float64, copy=False)


class _NearestJudge:
    """The same by the training window that is most like each."""

    def __init__(self, detector):
        self._detector = detector

    def __call__(self, windows):
        exists = np.ones(windows.shape[:2], dtype=bool)
        match = self._detector._match(windows, exists)[:, -1].astype(np.float64)
        return self._detector._norm(windows[:, -1] - match)


class _CarriedForecaster(_Follower):
    """Forecast from all that came before, by states that the network never forgets."""

    def __init__(self, detector, network, n_streams):
        self._detector, self._network = detector, network
        self._horizon = int(detector.horizon)
        self.warm_up = int(detector.window_size_) - 1
        n_features, n_rows = detector.n_features_in_, n_streams * network.n_members
        width = n_features * (2 if network.indicator else 1)
        said = (n_rows, self._horizon - 1, self._horizon * n_features)
        self.state = {
            # What the network reads before the next step: nothing, before the first.
            "last": np.full((n_streams, 1, n_features), np.nan, np.float32),
            "read": np.zeros((n_streams, 1, width), np.float32),
            "said": np.full(said, np.nan, np.float32),
        }
        for i in range(len(network.units)):
            h, c = network.state(f"forecaster_{i}", n_rows)
            self.state |= {f"h{i}": h, f"c{i}": c}

    def errors(self, x):
        state, network = self.state, self._network
        filled = _shift(state, "last", x)
        if np.isnan(filled.min()):
            filled = carry_forward(filled)
            state["last"] = filled[:, -1:]
            filled = np.nan_to_num(filled, nan=0.0)
        read = filled[:, 1:]
        if network.indicator:
            read = np.concatenate([read, (~np.isnan(x)).astype(np.float32)], axis=-1)
        before = np.concatenate([state["read"], read], axis=1)
        state["read"] = before[:, -1:]
        states = [(state[f"h{i}"], state[f"c{i}"]) for i in range(len(network.units))]
        said, states = forecast_layers(network, network.tile(before[:, :-1]), states)
        for i, (h, c) in enumerate(states):
            state[f"h{i}"], state[f"c{i}"] = h, c
        said = np.concatenate([state["said"], said], axis=1)
        state["said"] = said[:, x.shape[1] :]
        leads = network.unfold(latest_leads(said, self._horizon))
        return errors_of(self._detector, x, leads)


# ---------------------------------------------------------------------------------- recursions


class _LinearFollower(_Follower):
    """The forecasts of a vector autoregression, from as many lags as there are."""

    def __init__(self, detector, n_streams):
        self._detector, self._lags = detector, detector.lags_
        self.warm_up = int(self._lags[0])
        n_features, most = detector.n_features_in_, int(self._lags[-1])
        self._steps = [
            (intercept, coef.transpose(0, 2, 1).reshape(-1, n_features))
            for intercept, coef in detector._steps
        ]
        self.state = {
            "past": np.full((n_streams, most, n_features), np.nan),
            "n_seen": np.zeros(1, np.int64),
        }

    def errors(self, x):
        state, lags, n = self.state, self._lags, x.shape[1]
        rows = np.concatenate([state["past"], x], axis=1)
        if np.isnan(rows.min()):
            rows = carry_forward(rows)
            filled = np.where(np.isnan(rows), np.nan_to_num(self._detector.mean_), rows)
        else:
            filled = rows
        state["past"] = rows[:, n:]
        places = lags[-1] + np.arange(n)[:, None] - lags
        values = filled[:, places].reshape(len(x), n, -1)
        intercept, coef = self._steps[-1]
        expected = intercept + values @ coef
        n_seen = int(state["n_seen"][0])
        for t in range(n_seen, min(int(lags[-1]), n_seen + n)):
            n_lags = int(np.count_nonzero(lags <= t))
            if n_lags:
                intercept, coef = self._steps[n_lags - 1]
                expected[:, t - n_seen] = intercept + values[:, t - n_seen, : len(coef)] @ coef
        state["n_seen"] = state["n_seen"] + n
        return self._detector._norm(x - expected)


class _PersistenceFollower(_Follower):
    """Expect the last value that was observed at least `lag` steps before."""

    def __init__(self, detector, n_streams):
        self._detector, self.warm_up = detector, int(detector.lag)
        past = np.full((n_streams, self.warm_up, detector.n_features_in_), np.nan)
        self.state = {"past": past}

    def errors(self, x):
        n = x.shape[1]
        rows = np.concatenate([self.state["past"], x], axis=1)
        if np.isnan(rows.min()):
            rows = carry_forward(rows)
        self.state["past"] = rows[:, n:]
        return self._detector._norm(x - rows[:, :n])


class _MeanFollower(_Follower):
    """Expect the mean of the training data."""

    warm_up = 0

    def __init__(self, detector, n_streams):
        self._detector, self.state = detector, {}

    def errors(self, x):
        return self._detector._norm(x - self._detector.mean_)
