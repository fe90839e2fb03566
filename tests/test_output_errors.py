"""The output layer and its errors in one call: values, what they depend on, and scores by them."""

import importlib.util

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny import DETERMINISTIC, TINY

from skanomaly import LSTMAutoencoder, networks, training
from skanomaly._backend import load_keras
from skanomaly.layers import kernels
from skanomaly.layers.kernels import _numba_output, _reference

pytestmark = pytest.mark.contract
keras = load_keras()
on_jax = pytest.mark.skipif(
    importlib.util.find_spec("numba") is None or keras.backend.backend() != "jax",
    reason="errors in one call need Numba and JAX",
)


def problem(n_rows, n_steps, n, n_outputs, seed=0, gaps=False):
    """Draw h, x, kernel and bias."""
    rng = np.random.default_rng(seed)
    shapes = [(n_rows, n_steps, n), (n_rows, n_steps, n_outputs), (n, n_outputs), (n_outputs,)]
    h, x, kernel, bias = (rng.normal(size=shape).astype(np.float32) for shape in shapes)
    if gaps:
        x[rng.random(x.shape) < 0.5] = np.nan
    return h, x, kernel, bias


def run_loops(h, x, kernel, bias):
    """Return what is said, and the mean squared errors."""
    wide = x.shape[2] >= h.shape[2]
    weights = np.ascontiguousarray(kernel if wide else kernel.T)[None]
    said = np.full_like(x, -9)
    totals, counts = said[:, :, 0].copy(), said[:, :, 0].copy()
    for piece in range(-(-len(h) // 16)):
        _numba_output.output_errors(h, x, weights, bias[None], said, totals, counts, piece)
    with np.errstate(invalid="ignore"):
        return said, totals / counts


sizes = st.tuples(st.integers(1, 19), st.integers(1, 40), st.integers(1, 9), st.integers(1, 9))


@pytest.mark.skipif(
    importlib.util.find_spec("numba") is None, reason="tiles of products need Numba"
)
@settings(max_examples=30)
@given(sizes, st.integers(0, 99), st.booleans())
def test_loops_equal_the_reference(shape, seed, gaps):
    arguments = problem(*shape, seed=seed, gaps=gaps)
    expected = _reference.output_errors(*arguments)
    for found, true in zip(run_loops(*arguments), expected, strict=True):
        np.testing.assert_allclose(found, true, rtol=1e-4, atol=1e-5)


@on_jax
@pytest.mark.parametrize("shape", [(1, 1, 1, 1), (40, 33, 5, 7), (17, 5, 8, 3)])
def test_errors_within_jax_equal_the_loops(shape):
    import jax

    arguments = problem(*shape, gaps=True)
    found = jax.jit(kernels.output_errors)(*arguments)
    for of_jax, of_loops in zip(found, run_loops(*arguments), strict=True):
        np.testing.assert_array_equal(of_jax, of_loops)


@on_jax
@pytest.mark.parametrize(
    ("place", "change", "message"),
    [
        (0, lambda a: a[0], "h and x must have three dimensions"),
        (1, lambda a: a[:, :2], "x must be of shape"),
        (2, lambda a: a[:3], "kernel must be of shape"),
        (3, lambda a: a.astype(np.float16), "bias .* and dtype float32; .* dtype float16"),
    ],
)
def test_what_would_be_read_wrongly_is_refused(place, change, message):
    arguments = list(problem(3, 5, 4, 2))
    arguments[place] = change(arguments[place])
    with pytest.raises(ValueError, match=message):
        kernels.output_errors(*arguments)


@pytest.mark.skipif(keras.backend.backend() == "jax", reason="JAX has the errors in one call")
def test_other_backends_refuse():
    with pytest.raises(RuntimeError, match="The backend must be jax; it is"):
        kernels.output_errors(*problem(1, 1, 1, 1))


# ------------------------------------------------------------------------------------- scoring


@pytest.fixture
def lent(monkeypatch):
    """Models compiled during a test, none of them kept from before."""
    made, compile_ = [], networks._compile
    monkeypatch.setattr(networks, "_compile", lambda *a: made.append(compile_(*a)) or made[-1])
    monkeypatch.setattr(networks, "_idle", type(networks._idle)())
    return made


def make_series(n_timesteps=90, gaps=False):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n_timesteps, 3)).cumsum(axis=0)
    if gaps:
        X[rng.random(X.shape) < 0.2] = np.nan
        X[30] = np.nan
    return X


@on_jax
@pytest.mark.parametrize("gaps", [False, True], ids=["complete", "gaps"])
@pytest.mark.parametrize("aggregation", ["mean", "last"])
@pytest.mark.parametrize("cls", DETERMINISTIC, ids=lambda cls: cls.__name__)
def test_scores_are_those_of_errors_by_feature(cls, aggregation, gaps, lent, monkeypatch):
    detector = cls(**TINY, aggregation=aggregation, contamination=0.1)
    X, X_test = make_series(), make_series(70, gaps)
    own = detector.fit(X)
    scores, scale, labels = own.score_samples(X_test), own.error_scale_, own.predict(X)
    assert lent
    assert all(one.errors_inside for one in lent)
    lent.clear()
    networks._idle.clear()
    monkeypatch.setattr(networks, "says_each_value_once", lambda _: False)
    by_feature = detector.fit(X)
    assert not any(one.errors_inside for one in lent)
    np.testing.assert_allclose(scores, by_feature.score_samples(X_test), rtol=1e-5)
    np.testing.assert_allclose(scale, by_feature.error_scale_, rtol=1e-5)
    np.testing.assert_array_equal(labels, by_feature.predict(X))


@pytest.mark.parametrize("n_timesteps", [11, 101, 251])
def test_labels_of_training_data_keep_to_the_contamination(n_timesteps):
    # The threshold is itself a score of these, or lies between two: rounding would show.
    X = make_series(n_timesteps)
    detector = LSTMAutoencoder(**TINY, contamination=0.1).fit(X)
    assert np.sum(detector.predict(X) == -1) == n_timesteps // 10
    assert np.max(-detector.score_samples(X)) > detector.threshold_


@on_jax
@pytest.mark.parametrize(
    "options",
    [
        {"aggregation": "median"},
        {"smoothing": "median"},
        {"score_norm": "absolute"},
        {"feature_weights": [1, 2, 3]},
        {"n_estimators": 2},
    ],
    ids=lambda options: next(iter(options)),
)
def test_other_scores_are_means_of_errors_by_feature(options):
    X = make_series()
    detector = LSTMAutoencoder(**TINY | options).fit(X)
    expected = -detector.score_features(X).mean(axis=1)
    np.testing.assert_allclose(-detector.score_samples(X), expected, rtol=1e-14)


@on_jax
@pytest.mark.parametrize(
    "options",
    [{}, {"hidden_units": (5, 12)}, {"bidirectional": True}, {"window_size": 70}],
    ids=str,
)
def test_batches_leave_every_bit(options, monkeypatch):
    cls = DETERMINISTIC[1]  # that takes all these options
    detector = cls(**TINY | options).fit(make_series())
    X = make_series(300, gaps=True)
    expected = detector.score_samples(X), detector.score_features(X)
    for size in (4, 7, 32, 160, 512):
        monkeypatch.setattr(training, "_batch_of_rows_apart", lambda *_, size=size: size)
        for found, before in zip(
            (detector.score_samples(X), detector.score_features(X)), expected, strict=True
        ):
            np.testing.assert_array_equal(found, before)


@on_jax
def test_a_short_request_is_a_small_batch(lent, monkeypatch):
    seen, gather = [], training.WindowBatches.gather
    monkeypatch.setattr(
        training.WindowBatches, "gather", lambda *a: seen.append(gather(*a)) or seen[-1]
    )
    X = make_series(600)
    for options, sizes in [({}, (4, 96, 768)), ({"layer_normalization": True}, (256,) * 3)]:
        detector = LSTMAutoencoder(**TINY | options).fit(X)
        for n_timesteps, size in zip((TINY["window_size"], 100, 600), sizes, strict=True):
            seen.clear()
            detector.score_samples(X[:n_timesteps])
            assert {len(x) for x, *_ in seen} == {size}


@on_jax
@pytest.mark.parametrize(
    ("window_size", "units"), [(1, 2), (8, 3), (32, 8), (64, 64), (100, 128), (1500, 77)]
)
def test_few_rows_of_batches_are_no_windows(window_size, units):
    network = networks.Network(None, window_size, 1, (("hidden_units", (units,)),))
    sizes = {n: training._batch_of_rows_apart(network, n) for n in range(1, 9999, 7)}
    assert len(set(sizes.values())) <= 13  # each is compiled
    assert sizes[1] == 4
    for n, size in sizes.items():
        assert size <= 2048
        assert -(-n // size) * size <= max(n + 32, 1.5 * n)
