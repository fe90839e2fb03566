"""The output layer and its loss in one call: values, gradients, and training with it."""

import importlib.util

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny import DETERMINISTIC, TINY

from skanomaly import LSTMAutoencoder, networks
from skanomaly._backend import load_keras
from skanomaly.layers import OutputLoss, kernels
from skanomaly.layers.kernels import _layout, _numba_output, _reference

pytestmark = pytest.mark.contract
keras = load_keras()
on_jax = pytest.mark.skipif(
    importlib.util.find_spec("numba") is None or keras.backend.backend() != "jax",
    reason="the loss in one call needs Numba and JAX",
)
NONE = np.zeros((0, 0, 0), np.float32)


def problem(n_rows, n_steps, n, n_outputs, seed=0):
    """Draw h, x, kernel, bias and counts; some steps count nothing."""
    rng = np.random.default_rng(seed)
    shapes = [(n_rows, n_steps, n), (n_rows, n_steps, n_outputs), (n, n_outputs), (n_outputs,)]
    arrays = [rng.normal(size=shape).astype(np.float32) for shape in shapes]
    counts = rng.random((n_rows, n_steps)) * (rng.random((n_rows, n_steps)) < 0.8)
    return *arrays, counts.astype(np.float32)


def run_loops(h, x, kernel, bias, counts, train=True):
    """Return the loss, and the gradients by h, kernel and bias."""
    wide = x.shape[2] >= h.shape[2]
    weights = np.ascontiguousarray(kernel if wide else kernel.T)[None]
    n_pieces, size = _layout.output_layout(len(x), x.shape[2])
    unwritten = [(n_pieces, 1), (n_pieces, len(bias)), (n_pieces, *weights.shape[1:])]
    losses, d_bias, d_weights, scratch = (
        np.full(shape, np.nan, np.float32) for shape in (*unwritten, (n_pieces, size))
    )
    dh = np.full_like(h, np.nan) if train else NONE
    written = dh, losses, d_bias, d_weights, scratch
    for piece in range(n_pieces):
        _numba_output.output_loss(h, x, weights, bias[None], counts, *written, piece)
    d_kernel = d_weights.sum(axis=0)
    gradients = dh, d_kernel if wide else d_kernel.T, d_bias.sum(axis=0)
    return [part / x.size for part in (losses.sum(), *gradients)]


sizes = st.tuples(st.integers(1, 19), st.integers(1, 40), st.integers(1, 9), st.integers(1, 9))


@pytest.mark.skipif(
    importlib.util.find_spec("numba") is None, reason="tiles of products need Numba"
)
@settings(max_examples=30)
@given(sizes, st.integers(0, 99))
def test_loops_equal_the_reference(shape, seed):
    arguments = problem(*shape, seed=seed)
    for said, true in zip(run_loops(*arguments), _reference.output_loss(*arguments), strict=True):
        np.testing.assert_allclose(said, true, atol=1e-6 + 1e-5 * np.abs(true).max())
    loss, *_ = run_loops(*arguments, train=False)
    assert loss == run_loops(*arguments)[0]


def test_gradients_of_the_reference_equal_finite_differences():
    h, x, kernel, bias, counts = map(np.float64, problem(2, 3, 2, 3))
    loss, *gradients = _reference.output_loss(h, x, kernel, bias, counts)
    assert loss == pytest.approx((counts * ((h @ kernel + bias - x) ** 2).mean(axis=2)).mean())
    for argument, gradient in zip((h, kernel, bias), gradients, strict=True):
        for place in np.ndindex(gradient.shape):
            sides = []
            for step in (1e-6, -2e-6):
                argument[place] += step
                sides.append(_reference.output_loss(h, x, kernel, bias, counts)[0])
            argument[place] += 1e-6
            assert gradient[place] == pytest.approx((sides[0] - sides[1]) / 2e-6, abs=1e-7)


@on_jax
@pytest.mark.parametrize("shape", [(1, 1, 1, 1), (40, 33, 5, 7), (17, 5, 8, 3)])
def test_loss_within_jax_equals_the_reference(shape):
    import jax

    h, x, kernel, bias, counts = problem(*shape)
    loss, dh, d_kernel, d_bias = _reference.output_loss(h, x, kernel, bias, counts)

    def doubled(h, kernel, bias):
        return 2 * kernels.output_loss(h, x, kernel, bias, counts)

    said, gradients = jax.jit(jax.value_and_grad(doubled, (0, 1, 2)))(h, kernel, bias)
    assert float(said) == pytest.approx(2 * loss, rel=1e-5)
    for found, true in zip(gradients, (dh, d_kernel, d_bias), strict=True):
        np.testing.assert_allclose(found, 2 * true, atol=2e-5 * np.abs(true).max())
    assert float(kernels.output_loss(h, x, kernel, bias, counts)) == pytest.approx(loss, rel=1e-5)


@on_jax
@pytest.mark.parametrize(
    ("place", "change", "message"),
    [
        (0, lambda a: a[0], "h and x must have three dimensions"),
        (1, lambda a: a[:, :2], "x must be of shape"),
        (2, lambda a: a[:3], "kernel must be of shape"),
        (3, lambda a: a.astype(np.float16), "bias .* and dtype float32; .* dtype float16"),
        (4, lambda a: a[:1], "counts must be of shape"),
    ],
)
def test_what_would_be_read_wrongly_is_refused(place, change, message):
    arguments = list(problem(3, 5, 4, 2))
    arguments[place] = change(arguments[place])
    with pytest.raises(ValueError, match=message):
        kernels.output_loss(*arguments)


@pytest.mark.skipif(keras.backend.backend() == "jax", reason="JAX has the loss in one call")
def test_other_backends_refuse():
    with pytest.raises(RuntimeError, match="The backend must be jax; it is"):
        kernels.output_loss(*problem(1, 1, 1, 1))


@pytest.fixture(params=["series", "panel of any lengths"])
def X(request):
    series = np.random.default_rng(0).normal(size=(60, 3)).cumsum(axis=0)
    return series if request.param == "series" else [series[:25], series[:33], series]


@on_jax
@pytest.mark.parametrize("detector", DETERMINISTIC, ids=lambda cls: cls.__name__)
def test_training_is_that_with_a_loss_of_keras(detector, X, monkeypatch):
    size = 8 if isinstance(X, np.ndarray) else None
    options = TINY | {"window_size": size, "early_stopping": True, "noise_std": 0.1}
    compiled, compile_ = [], networks._compile
    monkeypatch.setattr(
        networks, "_compile", lambda *a: compiled.append(compile_(*a)) or compiled[-1]
    )
    monkeypatch.setattr(networks, "_idle", type(networks._idle)())
    own = detector(**options).fit(X)
    assert any(lent.loss_inside for lent in compiled)
    compiled.clear()
    networks._idle.clear()
    monkeypatch.setattr(networks, "is_squared_error", lambda *_: False)
    keras_own = detector(**options).fit(X)
    assert not any(lent.loss_inside for lent in compiled)
    for name in ("loss", "val_loss"):
        np.testing.assert_allclose(own.history_[name], keras_own.history_[name], rtol=1e-5)
    np.testing.assert_allclose(own.score_samples(X), keras_own.score_samples(X), rtol=1e-4)


@on_jax
@pytest.mark.parametrize(
    "options",
    [{"loss": "mae"}, {"n_estimators": 2}, {"callbacks": [keras.callbacks.Callback()]}],
    ids=lambda options: next(iter(options)),
)
def test_other_losses_ensembles_and_callbacks_have_the_loss_of_keras(options, monkeypatch):
    compiled, compile_ = [], networks._compile
    monkeypatch.setattr(
        networks, "_compile", lambda *a: compiled.append(compile_(*a)) or compiled[-1]
    )
    monkeypatch.setattr(networks, "_idle", type(networks._idle)())
    LSTMAutoencoder(**TINY | options).fit(np.random.default_rng(0).normal(size=(40, 2)))
    assert compiled
    assert not any(lent.loss_inside for lent in compiled)


@on_jax
def test_layer_comes_back_from_its_description():
    output = keras.layers.Dense(2, name="output")
    layer = OutputLoss(output, name="loss")
    again = OutputLoss.from_config(layer.get_config())
    assert again.output_layer.units == 2
    assert again.name == "loss"
    h, x, counts = np.ones((2, 3, 4), "f"), np.ones((2, 3, 2), "f"), np.ones((2, 3), "f")
    output.build(h.shape)
    loss = layer([h, x, counts])
    assert layer.losses == [loss]
    assert float(loss) == pytest.approx(float(((output(h) - x) ** 2).mean()), rel=1e-5)
