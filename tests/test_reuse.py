"""Compiled models are used again: no second compilation, no memory lost, no sharing."""

import os
import subprocess
import sys
import threading

import numpy as np
import psutil
import pytest
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, TimeSeriesSplit
from tiny import NETWORKS, TINY

from skanomaly import LSTMAutoencoder, networks
from skanomaly._backend import load_keras

pytestmark = pytest.mark.contract


@pytest.fixture
def compilations(monkeypatch):
    """List of the networks compiled from here on, the store of idle models being empty."""
    compiled = []
    original = networks._compile

    def count(network, *how):
        compiled.append(network)
        return original(network, *how)

    monkeypatch.setattr(networks, "_compile", count)
    monkeypatch.setattr(networks, "_idle", type(networks._idle)())
    return compiled


@pytest.mark.parametrize("network", NETWORKS)
def test_a_second_fit_of_the_same_shape_builds_nothing(network, compilations, series):
    network(**TINY).fit(series).score_samples(series)
    assert len(compilations) == 1
    network(**TINY | {"max_epochs": 3, "learning_rate": 0.1, "random_state": 3}).fit(series + 1)
    assert len(compilations) == 1


def test_a_model_scores_by_the_weights_it_is_asked_for(compilations, series):
    first = LSTMAutoencoder(**TINY).fit(series)
    second = LSTMAutoencoder(**TINY | {"random_state": 1}).fit(series)
    expected = first.score_samples(series)
    assert np.abs(second.score_samples(series) - expected).max() > 1e-3
    np.testing.assert_array_equal(first.score_samples(series), expected)
    kept = first.weights_[0].copy()
    first.weights_[0][:] = 0
    assert np.abs(first.score_samples(series) - expected).max() > 1e-3
    first.weights_[0][:] = kept
    np.testing.assert_array_equal(first.score_samples(series), expected)
    first.partial_fit(series)
    assert np.abs(first.score_samples(series) - expected).max() > 1e-6
    assert len(compilations) <= 2  # to score, and to train batch by batch


def test_a_grid_search_compiles_once(compilations, series):
    grid = {"learning_rate": [0.01, 0.1], "max_epochs": [1, 2], "random_state": [0, 1]}
    cv = TimeSeriesSplit(2, gap=8)
    GridSearchCV(LSTMAutoencoder(**TINY | {"batch_size": 4}), grid, cv=cv).fit(series)
    assert len(compilations) == 1


def test_what_the_graph_depends_on_builds_another_model(compilations, series):
    for change in ({}, {"hidden_units": 2}, {"dropout": 0.1}, {"loss": "mae"}, {"window_size": 7}):
        LSTMAutoencoder(**TINY | change).fit(series)
    assert len(compilations) == 5


def test_losses_of_one_class_share_a_model_only_if_they_are_alike(compilations, series):
    losses = load_keras().losses
    for loss in (losses.Huber(delta=0.1), losses.Huber(delta=2.0), losses.Huber(delta=0.1)):
        LSTMAutoencoder(**TINY, loss=loss).fit(series)
    assert len(compilations) == 2


@pytest.mark.skipif(load_keras().backend.backend() != "jax", reason="counts what JAX compiles")
def test_jax_compiles_nothing_in_a_second_fit(series):
    from jax import monitoring

    events = []

    def listen(event, duration, **_):
        if "backend_compile" in event:
            events.append(event)

    detector = LSTMAutoencoder(**TINY, early_stopping=True).fit(series)
    detector.score_samples(series)
    monitoring.register_event_duration_secs_listener(listen)
    clone(detector).set_params(learning_rate=0.1, random_state=7).fit(series).score_samples(series)
    assert events == []
    LSTMAutoencoder(**TINY | {"hidden_units": 5}).fit(series)
    assert events  # the listener does hear compilations


@pytest.mark.skipif(
    load_keras().backend.backend() != "tensorflow", reason="counts what TensorFlow traces"
)
def test_tensorflow_traces_nothing_in_a_second_fit(compilations, series):
    detector = LSTMAutoencoder(**TINY).fit(series)
    ((lent,),) = networks._idle.values()
    traces, call = [], lent.model.call

    def count(*args, **kwargs):  # runs while TensorFlow traces a graph, not when it runs one
        traces.append(args)
        return call(*args, **kwargs)

    lent.model.call = count
    clone(detector).set_params(learning_rate=0.1, random_state=7).fit(series).score_samples(series)
    assert traces == []
    lent.model.train_function = None
    clone(detector).fit(series)
    assert traces  # the counter does notice a graph that is made


def test_fifty_fits_keep_memory_flat(series):
    detector = LSTMAutoencoder(**TINY | {"max_epochs": 1})
    process = psutil.Process()
    for _ in range(5):
        detector.fit(series)
    before = process.memory_info().rss
    for seed in range(50):
        detector.set_params(random_state=seed).fit(series)
    assert process.memory_info().rss - before < 50e6


FORK = """
import os
import sys
import numpy as np
from skanomaly import LSTMAutoencoder

X = np.sin(np.arange(60) / 3).reshape(-1, 1)
detector = LSTMAutoencoder(window_size=6, hidden_units=2, max_epochs=1, random_state=0).fit(X)
scores = detector.score_samples(X)
child = os.fork()
if child == 0:
    try:
        same = bool((detector.score_samples(X) == scores).all())
        print("the same" if same else "another", flush=True)
    except RuntimeError as error:
        print(error, flush=True)
    os._exit(0)
os.waitpid(child, 0)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_after_a_fork_a_network_says_the_same_or_is_refused():
    done = subprocess.run(
        [sys.executable, "-c", FORK], capture_output=True, text=True, timeout=300, check=True
    )
    on_torch = load_keras().backend.backend() == "torch"
    assert ("the same" if on_torch else "Start processes anew") in done.stdout


def test_idle_models_are_dropped_oldest_first(compilations, monkeypatch, series):
    monkeypatch.setattr(networks, "_MOST_IDLE", 2)
    for units in (1, 2, 3):
        LSTMAutoencoder(**TINY | {"hidden_units": units, "max_epochs": 0}).fit(series)
    kept = [dict(content[0].options)["hidden_units"] for content, _ in networks._idle]
    assert kept == [(2,), (3,)]


def test_a_model_that_failed_is_dropped(compilations, series):
    with pytest.raises(ValueError, match="loss must stay finite"):
        LSTMAutoencoder(**TINY, optimizer="sgd").fit(series * 1e20)
    assert not networks._idle


def test_threads_never_share_a_model(series):
    detector = LSTMAutoencoder(**TINY).fit(series)
    expected = detector.score_samples(series)
    results, errors = [], []

    def work(seed):
        try:
            for _ in range(3):
                results.append(detector.score_samples(series))
                LSTMAutoencoder(**TINY | {"random_state": seed}).fit(series)
        except Exception as error:  # noqa: BLE001 -- a thread's error must reach the test
            errors.append(error)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    for scores in results:
        np.testing.assert_array_equal(scores, expected)
