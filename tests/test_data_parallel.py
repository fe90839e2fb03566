"""Training on several devices: the same weights as on one, and nothing else is touched.

One process with two virtual devices answers for all tests, see two_devices.py.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import two_devices
from hypothesis import given
from hypothesis import strategies as st
from tiny import NETWORKS, TINY

from skanomaly import LSTMAutoencoder, networks
from skanomaly._backend import load_keras
from skanomaly.batches import SeriesBatches, WindowBatches
from skanomaly.sequences import Sequences, split_validation
from skanomaly.stored import Stored
from skanomaly.windows import Windows

BACKEND = load_keras().backend.backend()
CASES = list(two_devices.cases())
# Rounding: sums over a batch are taken in two parts.
CLOSE = 1e-6


@pytest.fixture(scope="module")
def told():
    """What training on two devices did, read from a process that has them."""
    folder = Path(two_devices.__file__).parent
    paths = [str(folder), str(folder.parent), os.environ.get("PYTHONPATH", "")]
    environment = os.environ | {
        "KERAS_BACKEND": "jax",
        "JAX_DISABLE_MOST_OPTIMIZATIONS": "true",
        "JAX_PLATFORMS": "cpu",
        "XLA_FLAGS": "--xla_force_host_platform_device_count=2",
        "PYTHONPATH": os.pathsep.join(filter(None, paths)),
    }
    done = subprocess.run(
        [sys.executable, two_devices.__file__],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr
    assert "Warning" not in done.stderr, done.stderr
    return json.loads(done.stdout)


# ------------------------------------------------------------------------------ two devices


def test_the_process_has_two_devices(told):
    assert told["devices"] == ["cpu:0", "cpu:1"]


@pytest.mark.parametrize("case", CASES)
def test_weights_are_those_of_training_on_one_device(told, case):
    found = told["cases"][case]
    assert found["weights"] < CLOSE
    assert found["moved"] > 1000 * CLOSE, "the network must have learned for that to say something"


@pytest.mark.parametrize("case", CASES)
def test_epochs_and_threshold_are_those_of_training_on_one_device(told, case):
    found = told["cases"][case]
    alone, both = found["epochs"]
    assert alone == both
    alone, both = found["threshold"]
    assert both == pytest.approx(alone, rel=1e-5)


@pytest.mark.parametrize("case", [case for case in CASES if case != "series"])
def test_losses_are_those_of_training_on_one_device(told, case):
    alone, both = told["cases"][case]["loss"]
    assert both == pytest.approx(alone, rel=1e-5)


@pytest.mark.parametrize("case", ["early stopping", "series"])
def test_validation_losses_are_those_of_training_on_one_device(told, case):
    alone, both = told["cases"][case]["val_loss"]
    assert len(alone) == told["cases"][case]["epochs"][0]
    assert both == pytest.approx(alone, rel=1e-5)


def test_each_device_computes_its_share_of_a_batch(told):
    if told["kernels"]["obstacle"] is not None:
        pytest.skip(told["kernels"]["obstacle"])
    assert told["kernels"]["rows"] == [7]  # of 13 windows and a row that counts nothing


def test_the_layer_says_which_kernel_ran_on_two_devices(told):
    found = told["kernels"]
    assert found["used"] == ["fused" if found["obstacle"] is None else "keras"]


def test_scoring_has_a_model_of_its_own_on_one_device(told):
    assert told["kernels"]["models"] == [1, 1]


def test_the_layer_of_keras_runs_where_a_model_is_divided_in_another_way(told):
    found = told["other distribution"]
    assert found["used"] == "keras"
    assert any("DataParallel or None; it is ModelParallel" in why for why in found["obstacles"])


def test_partial_fits_on_two_devices_are_those_on_one(told):
    together, begun_on_one = told["partial fits"]
    assert together < CLOSE
    assert begun_on_one < CLOSE


def test_the_distribution_that_keras_was_set_to_stays(told):
    found = told["settings"]
    assert found["untouched"]
    assert found["none kept"]
    assert found["both kept"]


def test_the_distribution_that_keras_was_set_to_stays_after_an_error(told):
    assert "The training loss must stay finite" in told["settings"]["error"]
    assert told["settings"]["kept after an error"]


@pytest.mark.parametrize("name", ["none", "both"])
def test_the_distribution_that_keras_was_set_to_changes_nothing(told, name):
    assert told["settings"][f"{name} weights"] < CLOSE
    assert told["settings"][f"{name} scores"] < CLOSE


# ------------------------------------------------------------------------------ one device


@pytest.mark.contract
def test_one_device_trains_as_without_and_other_backends_refuse(series):
    detector = LSTMAutoencoder(**TINY, distribution="data_parallel")
    if BACKEND != "jax":
        with pytest.raises(ValueError, match=f"backend '{BACKEND}'. Start a new process with KER"):
            detector.fit(series)
        return
    plain = LSTMAutoencoder(**TINY).fit(series)
    for one, other in zip(plain.weights_, detector.fit(series).weights_, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("backend", ["torch", "tensorflow"])
def test_other_backends_than_jax_are_refused_by_name(monkeypatch, backend):
    monkeypatch.setattr(networks.keras.backend, "backend", lambda: backend)
    with pytest.raises(ValueError, match=rf"got 'data_parallel' on the backend '{backend}'"):
        networks.find_devices("data_parallel")
    assert networks.find_devices(None) == ()


@pytest.mark.parametrize("network", NETWORKS)
def test_unknown_distributions_are_refused(network, series):
    with pytest.raises(ValueError, match="'distribution' parameter .* must be .*data_parallel"):
        network(**TINY, distribution="model_parallel").fit(series)


# -------------------------------------------------------------------------------- batches


def gathered(batches):
    return [batches.gather(i) for i in range(len(batches))]


@given(
    lengths=st.lists(st.integers(6, 40), min_size=1, max_size=6),
    window_size=st.sampled_from([None, 5]),
    batch_size=st.integers(1, 9),
    multiple_of=st.integers(1, 4),
    stored=st.booleans(),
)
def test_rows_that_are_added_do_not_exist(lengths, window_size, batch_size, multiple_of, stored):
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    values = np.arange(1, offsets[-1] + 1, dtype=np.float32)[:, None]
    if stored:
        values = Stored.of([values[a:b] for a, b in zip(offsets[:-1], offsets[1:], strict=True)])
    windows = Windows(Sequences(values, offsets, "ragged"), window_size, 1)
    kind = SeriesBatches if window_size is None else WindowBatches
    plain, even = kind(windows, batch_size), kind(windows, batch_size, None, multiple_of)
    for batches in (plain, even):
        batches.shuffle(np.random.SeedSequence(3))
    assert even.shape[0] % multiple_of == 0
    for (x, mask, n), (x_even, mask_even, n_even) in zip(
        gathered(plain), gathered(even), strict=True
    ):
        n_rows = len(x)
        assert n_even == n
        assert len(x_even) == len(mask_even) == -(-n_rows // multiple_of) * multiple_of
        np.testing.assert_array_equal(x_even[:n_rows], x)
        np.testing.assert_array_equal(mask_even[:n_rows], mask)
        assert not x_even[n:].any()
        assert not mask_even[n:].any()


def test_the_validation_loss_is_the_mean_over_all_steps_of_series_of_any_length():
    series = two_devices.cases()["series"][2]
    parameters = TINY | two_devices.WHOLE | {"max_epochs": 1, "validation_fraction": 0.6}
    detector = LSTMAutoencoder(**parameters, early_stopping=True).fit(series)
    _, held_out = split_validation(detector._check(series), 0.6, 0, detector._seed)
    held_out = held_out.split()
    assert len({len(x) for x in held_out}) > 1
    errors = [
        np.square(x - y) for x, y in zip(held_out, detector.reconstruct(held_out), strict=True)
    ]
    expected = np.concatenate(errors).mean()
    assert detector.history_["val_loss"] == pytest.approx([expected], rel=1e-5)
