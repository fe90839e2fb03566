"""How a backend is chosen, and what is left alone: files, environment, global random states."""

import os
import pickle
import random
import subprocess
import sys

import numpy as np
import pytest

from skanomaly import LSTMAutoencoder, Seq2SeqLSTMAutoencoder
from skanomaly._backend import BACKENDS, choose_backend, load_keras
from skanomaly.exceptions import BackendNotFoundError

FIT = (
    "import numpy as np; from skanomaly import LSTMAutoencoder; "
    "LSTMAutoencoder(window_size=3, hidden_units=2, max_epochs=1).fit(np.eye(9)); "
)


@pytest.fixture
def no_choice(monkeypatch):
    monkeypatch.delenv("KERAS_BACKEND", raising=False)


def installed(monkeypatch, names):
    monkeypatch.setattr("skanomaly._backend._installed", lambda package: package in names)


def run(code, home, **variables):
    """Run Python code in a new process with an empty home."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("KERAS")}
    environment |= {"HOME": str(home), "TF_CPP_MIN_LOG_LEVEL": "3"} | variables
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=home,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["tensorflow", "torch", "jax"], "jax"),
        (["tensorflow", "torch"], "torch"),
        (["tensorflow"], "tensorflow"),
    ],
)
def test_first_installed_backend_is_taken(monkeypatch, no_choice, names, expected):
    installed(monkeypatch, names)
    assert choose_backend() == expected


def test_the_choice_of_the_user_is_respected(monkeypatch):
    installed(monkeypatch, BACKENDS)
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    assert choose_backend() == "torch"


def test_no_backend(monkeypatch, no_choice):
    installed(monkeypatch, [])
    with pytest.raises(BackendNotFoundError, match=r"none is installed. Run: pip install 'skan"):
        choose_backend()


def test_unknown_backend(monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", "theano")
    with pytest.raises(
        BackendNotFoundError, match="must be one of jax, torch, tensorflow; got 'theano'. Set it"
    ):
        choose_backend()


def test_backend_that_is_not_installed(monkeypatch):
    installed(monkeypatch, ["jax"])
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    with pytest.raises(BackendNotFoundError, match=r"pip install 'skanomaly\[torch\]'"):
        choose_backend()


@pytest.mark.contract
def test_no_file_is_written_and_the_environment_is_left_alone(tmp_path):
    backend = load_keras().backend.backend()
    done = run(
        "import os; before = dict(os.environ); "
        + FIT
        + "import keras; import keras.src.backend.config as c; "
        "after = {k: v for k, v in os.environ.items() if k.startswith('KERAS')}; "
        "print(keras.backend.backend(), after, c.keras_home())",
        tmp_path,
        KERAS_BACKEND=backend,
    )
    assert done.returncode == 0, done.stderr
    expected = f"{backend} {{'KERAS_BACKEND': '{backend}'}} {tmp_path / '.keras'}"
    assert done.stdout.strip() == expected
    assert not (tmp_path / ".keras").exists()


@pytest.mark.contract
def test_a_configuration_file_is_neither_trusted_nor_changed(tmp_path):
    folder = tmp_path / ".keras"
    folder.mkdir()
    text = '{"backend": "numpy", "epsilon": 1e-06, "floatx": "float64"}'
    (folder / "keras.json").write_text(text)
    done = run(
        FIT + "import keras; print(keras.backend.backend(), keras.config.floatx(), "
        "keras.config.epsilon())",
        tmp_path,
    )
    assert done.returncode == 0, done.stderr
    backend, floatx, epsilon = done.stdout.split()
    assert backend in BACKENDS
    assert (floatx, epsilon) == ("float64", "1e-06")
    assert (folder / "keras.json").read_text() == text


def test_keras_imported_by_the_user_is_used(tmp_path):
    backend = load_keras().backend.backend()
    code = "import keras; " + FIT + "print(keras.backend.backend())"
    done = run(code, tmp_path, KERAS_BACKEND=backend)
    assert done.stdout.strip() == backend


def test_keras_on_a_backend_that_cannot_train(tmp_path):
    done = run("import keras; " + FIT, tmp_path, KERAS_BACKEND="numpy")
    assert "BackendNotFoundError: Keras must run on one of jax" in done.stderr
    assert "runs on 'numpy'" in done.stderr


def global_states():
    """Every global random state within reach, and the settings of Keras."""
    keras = load_keras()
    kind, keys, *rest = np.random.get_state()
    states = [random.getstate(), kind, keys.tobytes(), *rest]
    if keras.backend.backend() == "torch":
        import torch

        states.append(torch.get_rng_state().numpy().tobytes())
        states.append(torch.get_num_threads())
    return [
        *states,
        keras.config.floatx(),
        keras.config.epsilon(),
        keras.config.image_data_format(),
        keras.config.dtype_policy().name,
        keras.backend.backend(),
    ]


@pytest.mark.contract
def test_global_state_is_never_touched(series):
    options = {"window_size": 7, "hidden_units": 3, "max_epochs": 2, "dropout": 0.1}
    detector = LSTMAutoencoder(
        **options, recurrent_dropout=0.1, noise_std=0.1, early_stopping=True, random_state=0
    )
    before = global_states()
    detector.fit(series)
    detector.score_samples(series)
    detector.partial_fit(series)
    detector.model_.predict_on_batch(series[None, :7])
    assert global_states() == before


@pytest.mark.contract
def test_the_dtype_policy_of_the_user_does_not_matter(series):
    keras = load_keras()
    detector = LSTMAutoencoder(window_size=5, hidden_units=3, max_epochs=1, random_state=0)
    expected = detector.fit(series).score_samples(series)
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        # Another shape, so that a new model is built under the policy.
        again = detector.set_params(window_size=6).fit(series).score_samples(series)
    finally:
        keras.config.set_dtype_policy(before)
    np.testing.assert_array_equal(detector.fit(series).score_samples(series), again)
    assert not np.array_equal(again, expected)


# Made once on JAX 0.10.2, by printing what the test below compares with them.
STORED = {
    LSTMAutoencoder: [-0.4246884, -0.0873857, -0.1897578, -0.4369761, -0.2864298, -0.6290392],
    Seq2SeqLSTMAutoencoder: [
        *[-0.4258964, -0.0876831, -0.1946791, -0.4416393, -0.2865958, -0.6319278],
    ],
}


@pytest.mark.contract
@pytest.mark.parametrize("network", STORED)
def test_backends_agree_on_the_scores(network, series):
    detector = network(
        window_size=8,
        hidden_units=(4, 3),
        max_epochs=5,
        learning_rate=0.01,
        weight_decay=0.01,
        early_stopping=True,
        random_state=0,
    ).fit(series)
    np.testing.assert_allclose(detector.score_samples(series)[::10], STORED[network], atol=1e-5)


@pytest.mark.contract
def test_a_detector_moves_to_another_process_without_keras(series, tmp_path):
    detector = LSTMAutoencoder(window_size=8, hidden_units=3, max_epochs=1, random_state=0)
    (tmp_path / "detector.pickle").write_bytes(pickle.dumps(detector.fit(series)))
    done = run(
        "import pickle, sys; d = pickle.load(open('detector.pickle', 'rb')); "
        "print(d.threshold_, 'keras' in sys.modules)",
        tmp_path,
    )
    assert done.stdout.split() == [str(detector.threshold_), "False"], done.stderr
