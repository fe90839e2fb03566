"""What tests/test_data_parallel.py asks of a process with two virtual devices; prints JSON.

It needs JAX, and ``XLA_FLAGS=--xla_force_host_platform_device_count=2`` before JAX starts.
"""

import json
import sys
import tempfile
from pathlib import Path

import numpy as np
from tiny import TINY

from skanomaly import (
    LSTMAutoencoder,
    LSTMForecaster,
    Seq2SeqLSTMAutoencoder,
    VariationalLSTMAutoencoder,
    networks,
    training,
)
from skanomaly._backend import load_keras
from skanomaly.layers import LSTM, kernels

# The steps of gradient descent, unlike those of Adam, grow with the gradient.
PLAIN = TINY | {"optimizer": "sgd", "learning_rate": 0.5}
# Of no two devices a multiple, and neither is the number of windows: 60 steps make 53 of 8.
UNEVEN = {"batch_size": 13}
WHOLE = {"window_size": None, "batch_size": 3}


def make_series():
    steps = np.arange(60)
    noise = np.random.default_rng(0).normal(size=(60, 2))
    return np.column_stack([np.sin(steps / 3), np.cos(steps / 5)]) + 0.1 * noise


def on_disk(series):
    """Write a series where memory does not hold it, which batches read in runs."""
    path = Path(tempfile.mkdtemp()) / "X.npy"
    stored = np.lib.format.open_memmap(path, "w+", np.float32, series.shape)
    stored[:] = series
    return [stored[:31], stored[31:]]


def cases():
    """Return (class, parameters, X) of every case."""
    series = make_series()
    gaps, panel = series.copy(), series.reshape(12, 5, 2)
    gaps[10:15, 0] = np.nan
    # Of 8, 12 and 17 steps with padding; three of a kind, or one alone, get a row more.
    ragged = [series[a:b] for a, b in ((0, 8), (8, 18), (18, 28), (28, 39), (39, 55), (43, 60))]
    stopping = {"early_stopping": True, "validation_fraction": 0.3, "n_iter_no_change": 1}
    # Recurrent dropout leaves nothing but the layer of Keras, on any machine.
    adam = {"optimizer": "adam", "learning_rate": 0.01}
    noise = {"dropout": 0.2, "recurrent_dropout": 0.2, "noise_std": 0.1}
    return {
        "uneven batches": (LSTMAutoencoder, UNEVEN, series),
        "on disk": (LSTMAutoencoder, UNEVEN | {"max_windows_per_epoch": 20}, on_disk(series)),
        "gaps": (LSTMForecaster, UNEVEN, gaps),
        "early stopping": (
            LSTMForecaster,
            UNEVEN | stopping | {"tol": 0.0} | adam,
            series,
        ),
        "panel": (Seq2SeqLSTMAutoencoder, {"window_size": 5, "batch_size": 5}, panel),
        "series": (Seq2SeqLSTMAutoencoder, WHOLE | stopping | {"tol": 0.0}, ragged),
        "ensemble": (LSTMAutoencoder, UNEVEN | {"n_estimators": 2}, series),
        "variational": (VariationalLSTMAutoencoder, {"latent_dim": 2, "batch_size": 12}, series),
        "noise": (LSTMAutoencoder, noise | {"batch_size": 12}, series),
    }


def compare(network, parameters, X):
    """Tell how far training on two devices is from training on one."""
    parameters = PLAIN | parameters
    alone = network(**parameters).fit(X)
    both = network(**parameters, distribution="data_parallel").fit(X)
    seed = np.random.RandomState(0).randint(2**31 - 1)
    untrained = training.new_state(alone._network(alone.window_size_, False), seed).weights
    return {
        "weights": distance(alone.weights_, both.weights_),
        "moved": distance(alone.weights_, untrained),
        "epochs": [alone.n_iter_, both.n_iter_],
        "loss": [d.history_["loss"] for d in (alone, both)],
        "val_loss": [d.history_.get("val_loss") for d in (alone, both)],
        "threshold": [d.threshold_ for d in (alone, both)],
    }


def distance(a, b):
    """Return the largest absolute difference of any number."""
    return float(max(np.abs(np.asarray(u) - v).max() for u, v in zip(a, b, strict=True)))


def idle_models(n_devices):
    """List the compiled models whose weights so many devices hold."""
    return [
        lent
        for waiting in networks._idle.values()
        for lent in waiting
        if len(lent.model.variables[0].value.sharding.device_set) == n_devices
    ]


def kernels_and_rows():
    """Tell which kernel ran, and of how many rows each device was given a batch of 14."""
    networks._idle.clear()
    detector = LSTMAutoencoder(**PLAIN | UNEVEN, distribution="data_parallel")
    rows = []
    with networks.spread(networks.find_devices("data_parallel")):
        obstacle = kernels.obstacle()
    if obstacle is None:
        from skanomaly.layers.kernels import _jax

        forward = _jax._forward

        def watched(x, *arguments, train, **options):
            if train:
                rows.append(x.shape[0])
            return forward(x, *arguments, train=train, **options)

        _jax._forward = watched
        detector.fit(make_series())
        _jax._forward = forward
    else:
        detector.fit(make_series())
    (model,) = idle_models(2)
    used = {layer.kernel_used for layer in model.model.layers if isinstance(layer, LSTM)}
    return {
        "obstacle": obstacle,
        "used": sorted(used),
        "rows": sorted(set(rows)),
        "models": [len(idle_models(n)) for n in (1, 2)],
    }


def partial_fits():
    """Compare epochs one by one on two devices with epochs together on one."""
    X = make_series()
    alone = LSTMAutoencoder(**PLAIN | UNEVEN).fit(X)
    both = LSTMAutoencoder(**PLAIN | UNEVEN, distribution="data_parallel")
    for _ in range(TINY["max_epochs"]):
        both.partial_fit(X)
    # Devices may change between epochs, as when a detector moves to another machine.
    moved = LSTMAutoencoder(**PLAIN | UNEVEN).partial_fit(X)
    moved.set_params(distribution="data_parallel").partial_fit(X)
    return [distance(alone.weights_, other.weights_) for other in (both, moved)]


def settings_of_keras():
    """Tell whether the distribution set by the user stays, and whether it matters."""
    keras = load_keras()
    setting, X = keras.distribution, make_series()
    alone = LSTMAutoencoder(**PLAIN | UNEVEN).fit(X)
    networks._idle.clear()
    told = {"untouched": setting.distribution() is None}
    own = setting.DataParallel(auto_shard_dataset=False)
    setting.set_distribution(own)
    try:
        for name, distribution in (("none", None), ("both", "data_parallel")):
            other = LSTMAutoencoder(**PLAIN | UNEVEN, distribution=distribution).fit(X)
            told[f"{name} weights"] = distance(alone.weights_, other.weights_)
            told[f"{name} scores"] = distance(alone.score_samples(X), other.score_samples(X))
            told[f"{name} kept"] = setting.distribution() is own
        try:
            LSTMAutoencoder(**PLAIN | {"learning_rate": 1e30}, distribution="data_parallel").fit(
                X * 1e10
            )
        except ValueError as error:
            told["error"] = str(error)
        told["kept after an error"] = setting.distribution() is own
    finally:
        setting.set_distribution(None)
    return told


def other_distribution():
    """Tell what our layer runs where Keras divides a model in another way."""
    setting = load_keras().distribution
    mesh = setting.DeviceMesh((1, 2), ["batch", "model"], setting.list_devices())
    divided = setting.ModelParallel(layout_map=setting.LayoutMap(mesh), batch_dim_name="batch")
    with divided.scope():
        layer = LSTM(3)
        layer(np.zeros((2, 5, 3), "float32"))
    return {"used": layer.kernel_used, "obstacles": layer.obstacles}


def main():
    """Print what was found as JSON."""
    keras = load_keras()
    told = {
        "devices": keras.distribution.list_devices(),
        "cases": {name: compare(*case) for name, case in cases().items()},
        "kernels": kernels_and_rows(),
        "partial fits": partial_fits(),
        "settings": settings_of_keras(),
        "other distribution": other_distribution(),
    }
    json.dump(told, sys.stdout)


if __name__ == "__main__":
    main()
