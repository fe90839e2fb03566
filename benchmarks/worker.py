"""What the process of a contender does: ``python -m benchmarks.worker TASK``.

TASK is JSON: the contender's name, the kind of its work and the cases. Then each line read is a
question, and each line written the answer.
"""

import json
import os
import re
import sys
import time
from pathlib import Path

import numpy as np

__all__ = ["KINDS", "main", "memory_of"]


def data(case):
    """Noise (n_series, n_timesteps, n_features) or (n_timesteps, n_features), float32."""
    return np.random.default_rng(0).standard_normal(case["shape"], dtype=np.float32)


# --------------------------------------------------------------------------------- autoencoders


def our_autoencoder(name, case):
    """Train and score with LSTMAutoencoder, on our kernel or on the layers of Keras."""
    _choose_layers(name)
    from skanomaly import LSTMAutoencoder

    X = data(case)
    detector = LSTMAutoencoder(
        window_size=case["window_size"],
        stride=case.get("stride", 1),
        hidden_units=case["hidden_units"],
        batch_size=case["batch_size"],
        random_state=0,
    )
    small = X[: case["batch_size"] if X.ndim == 3 else 2 * case["window_size"]]
    newest = X[0] if X.ndim == 3 else X[-case["window_size"] :]

    checked = []

    def fitted(on=X):
        return detector if hasattr(detector, "threshold_") else detector.partial_fit(on)

    def train():
        # An epoch alone, as in the loop by hand: partial_fit would set thresholds, too.
        if not checked:
            checked.append(fitted()._check(X))
        detector._learn(checked[0], partial=True)

    return {
        "fit": lambda: detector.partial_fit(X),
        "train": train,
        "score": lambda: fitted().score_samples(X),
        "score alone": lambda: fitted(small).score_samples(X),
        "newest": lambda: fitted().score_samples(newest)[-1],
    }


def torch_autoencoder(name, case):
    """Train and score the same network by a loop around torch.nn.LSTM."""
    import torch

    n_windows, _, n_features = case["shape"]
    units = case["hidden_units"]

    class Network(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.encoder = torch.nn.LSTM(n_features, units, batch_first=True)
            self.decoder = torch.nn.LSTM(units, units, batch_first=True)
            self.output = torch.nn.Linear(units, n_features)

        def forward(self, x):
            encoded, state = self.encoder(x)
            return self.output(self.decoder(encoded, state)[0])

    network, windows = Network(), torch.from_numpy(data(case))
    optimizer = torch.optim.Adam(network.parameters())

    def train():
        for chosen in torch.randperm(n_windows).split(case["batch_size"]):
            x = windows[chosen]
            optimizer.zero_grad()
            torch.nn.functional.mse_loss(network(x), x).backward()
            optimizer.step()

    def score():
        with torch.no_grad():
            return torch.cat([((network(x) - x) ** 2).mean((1, 2)) for x in windows.split(256)])

    def newest():
        with torch.no_grad():
            x = windows[:1]
            return ((network(x) - x)[0, -1] ** 2).mean().item()

    def fit():
        train()
        return score()

    return {"fit": fit, "train": train, "score": score, "score alone": score, "newest": newest}


# ---------------------------------------------------------------------------------- forecasters


def our_forecaster(name, case):
    """Fit a new LSTMForecaster for one epoch, thresholds included, and score."""
    _choose_layers(name)
    from skanomaly import LSTMForecaster

    detector = LSTMForecaster(
        window_size=case["window_size"],
        hidden_units=case["hidden_units"],
        batch_size=case["batch_size"],
        max_epochs=1,
        random_state=0,
    )
    return _fit_and_score(
        lambda X: detector.fit(X), lambda fitted, X: fitted.score_samples(X), case
    )


def pyod_forecaster(name, case):
    """Do the same by the LSTM detector of PyOD, with one layer."""
    from pyod.models.ts_lstm import LSTMAD

    def fit(X):
        return LSTMAD(
            window_size=case["window_size"],
            hidden_size=case["hidden_units"],
            n_layers=1,
            epochs=1,
            batch_size=case["batch_size"],
        ).fit(X)

    return _fit_and_score(fit, lambda fitted, X: fitted.decision_function(X), case)


def tsb_ad_forecaster(name, case):
    """Do the same by the LSTM detector of TSB-AD, with one layer in encoder and decoder."""
    if not hasattr(np, "Inf"):
        np.Inf = np.inf  # TSB-AD 1.5 asks for what NumPy 2 has removed
    from TSB_AD.models.LSTMAD import LSTMAD

    def fit(X):
        detector = LSTMAD(
            window_size=case["window_size"],
            batch_size=case["batch_size"],
            epochs=1,
            feats=X.shape[1],
            hidden_dim=case["hidden_units"],
            num_layer=1,
        )
        detector.fit(X)
        return detector

    return _fit_and_score(fit, lambda fitted, X: fitted.decision_function(X), case)


def _fit_and_score(fit, score, case):
    X, kept = data(case), []

    def keep():
        kept[:] = [fit(X)]

    def score_kept():
        if not kept:
            keep()
        return score(kept[0], X)

    return {"fit": keep, "score": score_kept}


# --------------------------------------------------------------------------------------- search


def our_search(name, case):
    """Search with a detector that keeps compiled models."""
    _choose_layers(name)
    from skanomaly import LSTMAutoencoder

    detector = LSTMAutoencoder(max_epochs=2, batch_size=16, random_state=0)
    return _search(detector, case)


def new_model_search(name, case):
    """Search with what one writes first: an estimator that makes a Keras model in each fit."""
    import keras
    from sklearn.base import BaseEstimator

    def cut(X, size):
        return np.lib.stride_tricks.sliding_window_view(X, size, axis=0).swapaxes(1, 2).copy()

    class NewModel(BaseEstimator):
        def __init__(self, window_size=8, hidden_units=3, learning_rate=1e-3):
            self.window_size = window_size
            self.hidden_units = hidden_units
            self.learning_rate = learning_rate

        def fit(self, X, y=None):
            x = keras.Input((self.window_size, X.shape[1]))
            lstm = {"return_sequences": True, "return_state": True}
            encoded, *state = keras.layers.LSTM(self.hidden_units, **lstm)(x)
            decoded = keras.layers.LSTM(self.hidden_units, return_sequences=True)(
                encoded, initial_state=state
            )
            self.model_ = keras.Model(x, keras.layers.Dense(X.shape[1])(decoded))
            self.model_.compile(keras.optimizers.Adam(self.learning_rate), "mse")
            windows = cut(X, self.window_size)
            self.model_.fit(windows, windows, epochs=2, batch_size=16, verbose=0)
            return self

        def score(self, X, y=None):
            windows = cut(X, self.window_size)
            return -np.mean((self.model_.predict(windows, verbose=0) - windows) ** 2)

    return _search(NewModel(), case)


def _search(estimator, case):
    from sklearn.model_selection import GridSearchCV, TimeSeriesSplit

    grid = {
        "window_size": [8, 12],
        "hidden_units": [3, 4],
        "learning_rate": [1e-3, 2e-3, 5e-3, 1e-2, 2e-2],
    }
    candidates = [
        {"window_size": [w], "hidden_units": [u], "learning_rate": [r]}
        for r in grid["learning_rate"]
        for u in grid["hidden_units"]
        for w in grid["window_size"]
    ][: case["n_candidates"]]
    X = data(case)
    folds = TimeSeriesSplit(n_splits=3, gap=12)

    def search():
        found = GridSearchCV(estimator, candidates, cv=folds, refit=False, error_score="raise")
        return found.fit(X)

    return {"search": search}


# -------------------------------------------------------------------------------------- process

KINDS = {
    "autoencoder": {"nn.LSTM": torch_autoencoder, "ours": our_autoencoder},
    "forecaster": {
        "PyOD LSTMAD": pyod_forecaster,
        "TSB-AD LSTMAD": tsb_ad_forecaster,
        "ours": our_forecaster,
    },
    "search": {
        "new-jax": new_model_search,
        "new-torch": new_model_search,
        "new-tensorflow": new_model_search,
        "ours": our_search,
    },
}


def _choose_layers(name):
    """Take our LSTM layers with their kernel, or those of Keras."""
    from skanomaly import architectures
    from skanomaly.layers import kernels

    if name.startswith("fused"):
        reason = kernels.obstacle()
        if reason is not None:
            raise RuntimeError(f"{name} must have the fused kernel, but {reason}.")
    else:
        import keras

        architectures.LSTM = keras.layers.LSTM


def _import_all(name):
    """Import what the contender runs on, so that its memory is not counted as that of the work."""
    if name.startswith(("fused", "keras")):
        from skanomaly import LSTMAutoencoder, LSTMForecaster  # noqa: F401
        from skanomaly.layers import kernels

        kernels.obstacle()  # loads Numba and the compiled loops
    if "torch" in name or name == "nn.LSTM" or name.endswith("LSTMAD"):
        import torch  # noqa: F401


def memory_of(function):
    """Call it and return the peak of memory in RAM before and after, in bytes.

    On Linux the peak before is what the process holds then. Its ``ru_maxrss`` would be wrong: it
    begins with the peak of the process that started this one.
    """
    if sys.platform == "linux":
        Path("/proc/self/clear_refs").write_text("5")  # forgets the peak so far
    before = peak()
    function()
    return before, peak()


def peak():
    """Most memory that this process has had in RAM, in bytes."""
    if sys.platform == "linux":
        status = Path("/proc/self/status").read_text()
        return 1024 * int(re.search(r"VmHWM:\s+(\d+) kB", status)[1])
    import resource

    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else 1024 * most


def main(task):
    """Answer questions until there are no more."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what contenders print is no answer
    name, kind, cases = task["name"], KINDS[task["kind"]], task["cases"]
    if "-" in name and name.split("-")[1] in ("jax", "torch", "tensorflow"):
        os.environ["KERAS_BACKEND"] = name.split("-")[1]
    _import_all(name)
    make, made = kind.get(name, kind["ours"]), {}
    for line in sys.stdin:
        question = json.loads(line)
        i = question["case"]
        if i not in made:
            made[i] = make(name, cases[i])
        if "memory" in question:
            answer = memory_of(made[i][question["memory"]])
        else:
            start = time.perf_counter(), time.process_time()
            for _ in range(question["number"]):
                made[i][question["work"]]()
            answer = time.perf_counter() - start[0], time.process_time() - start[1]
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
