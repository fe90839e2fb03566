"""The fused kernel against plain loops: values, gradients, threads, processes, interfaces."""

import importlib
import importlib.util
import os
import re
import subprocess
import sys
import threading
from pathlib import Path

import hypothesis
import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from joblib import Parallel, delayed

from skanomaly._backend import load_keras
from skanomaly.layers import kernels
from skanomaly.layers.kernels import _compile, _layout, _numba, _reference
from skanomaly.layers.kernels import _numba_products as products
from skanomaly.layers.kernels._tiles import PANEL

pytestmark = pytest.mark.contract
keras = load_keras()
fused = pytest.mark.skipif(
    importlib.util.find_spec("numba") is None or keras.backend.backend() == "tensorflow",
    reason="the fused kernel needs Numba, and JAX or PyTorch",
)
loops = pytest.mark.skipif(
    importlib.util.find_spec("numba") is None, reason="tiles of products need Numba"
)
on_jax = pytest.mark.skipif(
    importlib.util.find_spec("numba") is None or keras.backend.backend() != "jax",
    reason="XLA's interface needs Numba and JAX",
)
NO_MASK, NO_DROPS = np.zeros((0, 0), bool), {"x_drop": None, "h_drop": None}


def problem(n_rows, n_steps, n, n_networks=1, masked=False, n_inputs=3, seed=0):
    """Draw the arguments of a kernel, and gradients by what it returns."""
    rng = np.random.default_rng(seed)

    def draw(*shape):
        return rng.normal(size=shape).astype(np.float32)

    batch, width = n_rows * n_networks, 4 * n
    mask = rng.random((batch, n_steps)) < 0.6 if masked else None
    recurrent = draw(n_networks, n, width) / np.float32(np.sqrt(n))
    weights = draw(n_networks, n_inputs, width), recurrent, draw(n_networks, width)
    arguments = draw(batch, n_steps, n_inputs), mask, *weights, draw(batch, n), draw(batch, n)
    return arguments, (draw(batch, n_steps, n), draw(batch, n), draw(batch, n))


def factors(arguments, which, seed=1):
    """Draw factors of dropout of what stands in `which`: "x", "h", both or none."""
    rng = np.random.default_rng(seed)
    x, h = arguments[0], arguments[5]

    def draw(n):
        return ((rng.random((len(x), 4 * n)) < 0.7) / 0.7).astype(np.float32)

    sizes = {"x": x.shape[2], "h": h.shape[1]}
    return {f"{name}_drop": draw(n) if name in which else None for name, n in sizes.items()}


def run_loops(x, mask, kernel, recurrent, bias, h0, c0, pieces=None, train=True, drops=NO_DROPS):
    """Run the loops forward over some pieces; return what they write."""
    hs = np.zeros((*x.shape[:2], h0.shape[1]), np.float32)
    gates, cs, scratch = scraps(x, kernel, h0, train, drops)
    h, c = np.zeros_like(h0), np.zeros_like(c0)
    read = x, NO_MASK if mask is None else mask, kernel, recurrent, bias, h0, c0
    written = gates, hs, cs, h, c
    for piece in pieces or range(len(scratch)):
        _numba.forward(*read, *arrays_of(drops), *written, scratch, piece)
    return written


def arrays_of(drops):
    return [np.zeros((0, 0), np.float32) if drop is None else drop for drop in drops.values()]


def scraps(x, kernel, h0, train=True, drops=NO_DROPS):
    """Make what is computed in, full of what must not be read."""
    dropped = any(drop is not None for drop in drops.values())
    shapes = _layout.layout(*x.shape, h0.shape[1], len(kernel), train, dropped)
    return [np.full(shape, np.nan, np.float32) for shape in shapes]


def run_loops_back(arguments, gradients, drops=NO_DROPS):
    x, mask, kernel, recurrent, _, h0, c0 = arguments
    gates, hs, cs, _, _ = run_loops(*arguments, drops=drops)
    dropped = any(drop is not None for drop in drops.values())
    scratch = _layout.layout_of_backward(*x.shape, h0.shape[1], len(kernel), dropped)
    scratch = np.full(scratch, np.nan, np.float32)
    n_inputs, n = x.shape[2], h0.shape[1]
    added = np.zeros((len(scratch), n_inputs + n + 1, 4 * n), np.float32)
    dx, dh0, dc0 = np.zeros_like(x), np.zeros_like(h0), np.zeros_like(c0)
    mask = NO_MASK if mask is None else mask
    read = x, mask, kernel, recurrent, h0, c0, *arrays_of(drops), gates, hs, cs, *gradients
    for piece in range(len(scratch)):
        _numba.backward(*read, dx, dh0, dc0, added, scratch, piece)
    added = added.reshape(len(kernel), -1, n_inputs + n + 1, 4 * n).sum(axis=1)
    return dx, *np.split(added, (n_inputs, n_inputs + n), axis=1), dh0, dc0


shapes = st.tuples(
    st.integers(1, 19),
    st.integers(1, 4),
    st.integers(1, 9),
    st.integers(1, 2),
    st.booleans(),
    st.integers(1, 6),
)


dropped = st.sampled_from(["", "x", "h", "xh"])


@loops
@settings(max_examples=60)
@hypothesis.given(st.integers(1, 9), st.integers(1, 20), st.integers(1, 40))
def test_products_of_tiles_equal_those_of_numpy(n_rows, n, m):
    rng = np.random.default_rng(n_rows * n * m)
    a, b = (rng.normal(size=shape).astype(np.float32) for shape in [(n_rows, n), (n, m)])
    b_over = rng.normal(size=(n_rows, m)).astype(np.float32)
    before = rng.normal(size=(n_rows, m)).astype(np.float32)
    before_over = rng.normal(size=(n, m)).astype(np.float32)

    def panels(source):
        spare = np.full(products.count_in_panels(*source.shape), np.nan, np.float32)
        products.lanes_to_panels(spare, np.ascontiguousarray(source.T)[None])
        return spare

    said = [before.copy() for _ in range(3)]
    products.add_product(said[0], a, b)
    products.add_product_by_panels(said[1], a, panels(b))
    products.add_product_of_rows(said[2], a, np.ascontiguousarray(b.T))
    for one in said:
        np.testing.assert_allclose(one, before + a @ b, rtol=1e-5, atol=1e-4)
    said = [before_over.copy() for _ in range(2)]
    products.add_product(said[0], a.T, b_over)
    products.add_product_by_panels(said[1], a.T, panels(b_over))
    for one in said:
        np.testing.assert_allclose(one, before_over + a.T @ b_over, rtol=1e-5, atol=1e-4)


@loops
@settings(max_examples=60)
@hypothesis.given(st.integers(1, 3), st.integers(1, 40), st.integers(1, 20))
def test_transposes_and_their_panels_hold_what_was_there(n_steps, m, rows):
    source = np.random.default_rng(m * rows).normal(size=(n_steps, m, rows)).astype(np.float32)
    wide = np.full((rows, m + 3), np.nan, np.float32)
    products.transpose(wide[:, 1 : m + 1], source[0])
    np.testing.assert_array_equal(wide[:, 1 : m + 1], source[0].T)
    assert np.isnan(wide[:, [0, m + 1, m + 2]]).all()
    panels = np.full(products.count_in_panels(n_steps * rows, m), np.nan, np.float32)
    products.lanes_to_panels(panels, source)
    panels = panels.reshape(-1, n_steps * rows, PANEL)
    np.testing.assert_array_equal(
        np.concatenate(panels, axis=1)[:, :m], source.transpose(0, 2, 1).reshape(-1, m)
    )


@loops
@settings(max_examples=40)
@hypothesis.given(shapes, st.integers(0, 99), dropped)
def test_loops_equal_the_reference(shape, seed, which):
    arguments, gradients = problem(*shape, seed=seed)
    drops = factors(arguments, which)
    hs, cs, _ = _reference.lstm(*arguments, **drops)
    _, hs_said, _, h, c = run_loops(*arguments, drops=drops)
    np.testing.assert_allclose(hs_said, hs[:, 1:], atol=2e-6)
    np.testing.assert_allclose(c, cs[:, -1], atol=1e-5)
    np.testing.assert_array_equal(h, hs_said[:, -1])
    _, hs_alone, _, *states = run_loops(*arguments, train=False, drops=drops)
    np.testing.assert_array_equal(hs_alone, hs_said)
    np.testing.assert_array_equal(states, (h, c))
    gradients_said = run_loops_back(arguments, gradients, drops)
    true = _reference.lstm_gradients(*arguments, *gradients, **drops)
    for said, gradient in zip(gradients_said, true, strict=True):
        scale = max(1, np.abs(gradient).max())
        np.testing.assert_allclose(said.reshape(gradient.shape), gradient, atol=1e-5 * scale)


@loops
@pytest.mark.parametrize("which", ["", "xh"])
@pytest.mark.parametrize("n_rows", [1, 2, 17])
@pytest.mark.parametrize(("n", "size"), [(2, 32), (40, 12)])
def test_many_steps_are_computed_as_few_are(n_rows, n, size, which):
    assert _numba.steps_at_once(n) == size
    arguments, gradients = problem(n_rows, 2 * size + 5, n, masked=True)
    drops = factors(arguments, which)
    true = _reference.lstm_gradients(*arguments, *gradients, **drops)
    for said, gradient in zip(run_loops_back(arguments, gradients, drops), true, strict=True):
        scale = max(1, np.abs(gradient).max())
        np.testing.assert_allclose(said.reshape(gradient.shape), gradient, atol=1e-5 * scale)


@loops
@pytest.mark.parametrize("which", ["", "xh"])
def test_factors_of_one_change_no_bit_of_the_states(which):
    arguments, _ = problem(21, 5, 6, 2, masked=True)
    ones = {k: np.ones_like(a) for k, a in factors(arguments, "xh").items()}
    drops = {k: a if k[0] in which else None for k, a in ones.items()}
    plain, said = run_loops(*arguments), run_loops(*arguments, drops=drops)
    for k in (1, 3, 4):  # hs, h, c
        np.testing.assert_array_equal(said[k], plain[k])


@pytest.mark.parametrize("which", ["", "x", "h"])
def test_gradients_of_the_reference_equal_finite_differences(which):
    arguments, gradients = problem(2, 3, 2, 2, masked=True)
    drops = factors(arguments, which)
    arguments = [np.float64(a) if a.dtype != bool else a for a in arguments]

    def total(*arguments):
        hs, cs, _ = _reference.lstm(*arguments, **drops)
        said = hs[:, 1:], hs[:, -1], cs[:, -1]
        return sum((d * value).sum() for d, value in zip(gradients, said, strict=True))

    found = _reference.lstm_gradients(*arguments, *gradients, **drops)
    for k, gradient in zip((0, 2, 3, 4, 5, 6), found, strict=True):
        for place in np.ndindex(gradient.shape):
            sides = []
            for step in (1e-5, -1e-5):
                moved = [np.copy(a) for a in arguments]
                moved[k][place] += step
                sides.append(total(*moved))
            assert gradient[place] == pytest.approx((sides[0] - sides[1]) / 2e-5, abs=1e-7)


@loops
@pytest.mark.parametrize("which", ["", "xh"])
@pytest.mark.parametrize("n", [3, 8, 17])
def test_a_row_says_the_same_whatever_rows_are_beside_it(n, which):
    arguments, _ = problem(23, 4, n)
    drops = factors(arguments, which)
    together = run_loops(*arguments, drops=drops)
    x, mask, *weights, h0, c0 = arguments
    for row in (0, 15, 16, 20, 22):
        one_row = [a[row : row + 1] for a in (x, h0, c0)]
        of_row = {k: None if a is None else a[row : row + 1] for k, a in drops.items()}
        alone = run_loops(one_row[0], mask, *weights, *one_row[1:], drops=of_row)
        for k in (1, 3, 4):  # hs, h, c
            np.testing.assert_array_equal(together[k][row], alone[k][0])


@loops
def test_a_piece_writes_its_rows_alone():
    arguments, _ = problem(21, 3, 2, n_networks=2)
    some, every = run_loops(*arguments, pieces=[2]), run_loops(*arguments)
    for k in (1, 3, 4):  # hs, h, c
        part, whole = some[k], every[k]
        np.testing.assert_array_equal(part[21:37], whole[21:37])
        assert not part[:21].any()
        assert not part[37:].any()


def test_tanh_is_as_close_as_stated():
    x = np.concatenate([np.linspace(-20, 20, 5001), np.logspace(-30, 0, 200)]).astype(np.float32)
    said = np.array([_numba._tanh(one) for one in x])
    np.testing.assert_allclose(said, np.tanh(np.float64(x)), rtol=4e-7)


@loops
def test_nan_stays_in_its_row():
    (x, *rest), _ = problem(5, 3, 4)
    x[1, 1, 0] = np.nan
    _, hs, _, _, _ = run_loops(x, *rest)
    assert np.isnan(hs[1, 2]).all()
    assert np.isfinite(np.delete(hs, 1, axis=0)).all()


# --------------------------------------------------------------------- within JAX and PyTorch


def tensor(array):
    return None if array is None else keras.ops.convert_to_tensor(array)


def run_kernel(arguments, return_sequences=True, drops=NO_DROPS):
    drops = {name: tensor(drop) for name, drop in drops.items()}
    said = kernels.lstm(*map(tensor, arguments), return_sequences, **drops)
    return [None if a is None else keras.ops.convert_to_numpy(a) for a in said]


def kernel_gradients(arguments, gradients, return_sequences=True, drops=NO_DROPS):
    """Differentiate by all arguments but the mask and factors of dropout."""
    x, mask, *others = arguments
    drops = {name: tensor(drop) for name, drop in drops.items()}

    def total(x, *others):
        said = kernels.lstm(x, mask, *others, return_sequences, **drops)
        return sum(
            (d * value).sum() for d, value in zip(gradients, said, strict=True) if value is not None
        )

    if keras.backend.backend() == "jax":
        import jax

        return jax.jit(jax.grad(total, tuple(range(6))))(x, *others)
    import torch

    gradients = [torch.from_numpy(d) for d in gradients]
    mask = None if mask is None else torch.from_numpy(mask)
    inputs = [torch.from_numpy(a).requires_grad_() for a in (x, *others)]
    return torch.autograd.grad(total(*inputs), inputs)


@fused
@pytest.mark.parametrize(
    ("shape", "which"),
    [
        ((1, 1, 1), ""),
        ((3, 4, 5, 2, True), ""),
        ((40, 7, 6), ""),
        ((3, 4, 5, 2, True), "h"),
        ((19, 7, 2, 1, False, 5), "x"),
        ((40, 7, 6), "xh"),
    ],
)
def test_kernel_of_the_backend_equals_the_reference(shape, which):
    arguments, gradients = problem(*shape)
    drops = factors(arguments, which)
    assert kernels.obstacle() is None
    hs, cs, _ = _reference.lstm(*arguments, **drops)
    true = hs[:, 1:], hs[:, -1], cs[:, -1]
    for said, state in zip(run_kernel(arguments, drops=drops), true, strict=True):
        np.testing.assert_allclose(said, state, atol=1e-5)
    true = _reference.lstm_gradients(*arguments, *gradients, **drops)
    for said, gradient in zip(
        kernel_gradients(arguments, gradients, drops=drops), true, strict=True
    ):
        np.testing.assert_allclose(said, gradient, atol=2e-5 * np.abs(gradient).max())


@fused
def test_last_output_alone_has_the_same_gradients():
    arguments, (dhs, dh, dc) = problem(3, 5, 4, masked=True)
    assert run_kernel(arguments, return_sequences=False)[0] is None
    true = _reference.lstm_gradients(*arguments, np.zeros_like(dhs), dh, dc)
    for said, gradient in zip(
        kernel_gradients(arguments, (dhs, dh, dc), return_sequences=False), true, strict=True
    ):
        np.testing.assert_allclose(said, gradient, atol=1e-5)


@fused
@pytest.mark.parametrize(
    ("place", "change", "message"),
    [
        (0, lambda a: a[0], "must have three dimensions each"),
        (0, lambda a: a[:0], "x must have rows"),
        (0, lambda a: a[:, :0], "x must have rows"),
        (0, lambda a: a[:, :, :2], r"kernel must be of shape \(1, 2, 16\)"),
        (1, lambda a: a[:, :2], "mask must be of shape"),
        (1, lambda a: a.astype(np.float32), "mask .* and dtype bool; .* dtype float32"),
        (2, lambda a: a.astype(np.float16), "kernel .* and dtype float32; .* dtype float16"),
        (3, lambda a: a[:, :, :8], "recurrent must be of shape"),
        (4, lambda a: a[:, :3], "bias must be of shape"),
        (5, lambda a: a[:2], "h must be of shape"),
        (6, lambda a: a[:, :3], "c must be of shape"),
    ],
)
def test_what_would_be_read_wrongly_is_refused(place, change, message):
    arguments, _ = problem(3, 5, 4, masked=True)
    arguments = list(arguments)
    arguments[place] = change(arguments[place])
    with pytest.raises(ValueError, match=message):
        run_kernel(arguments)


@fused
@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("x_drop", lambda a: a[:, :3], r"x_drop must be of shape \(3, 12\) .* shape \(3, 3\)"),
        ("h_drop", lambda a: a[:, :4], r"h_drop must be of shape \(3, 16\) .* shape \(3, 4\)"),
        ("h_drop", lambda a: a[:1], r"h_drop must be of shape \(3, 16\) .* shape \(1, 16\)"),
        ("h_drop", lambda a: a.astype(np.float16), "h_drop .* dtype float32; .* dtype float16"),
    ],
)
def test_factors_of_dropout_that_would_be_read_wrongly_are_refused(name, change, message):
    arguments, _ = problem(3, 5, 4)
    drops = factors(arguments, "xh")
    with pytest.raises(ValueError, match=message):
        run_kernel(arguments, drops=drops | {name: change(drops[name])})


def large_result():
    return run_kernel(problem(70, 12, 24, 2)[0])[0]


@fused
def test_six_threads_at_once_say_what_one_says():
    expected, said = large_result(), []
    threads = [
        threading.Thread(target=lambda: said.extend(large_result() for _ in range(5)))
        for _ in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(said) == 30
    for result in said:
        np.testing.assert_array_equal(result, expected)


FIRST_USE = """
import sys
import threading

sys.path.insert(0, sys.argv[1])
import test_kernels

together, said = threading.Barrier(6), []

def use():
    together.wait()
    said.append(test_kernels.large_result())

threads = [threading.Thread(target=use) for _ in range(6)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
assert len(said) == 6
assert all((one == said[0]).all() for one in said)
"""


@fused
def test_six_threads_may_be_the_first():
    command = [sys.executable, "-c", FIRST_USE, str(Path(__file__).parent)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr


@fused
def test_other_processes_say_the_same():
    expected = large_result()
    for result in Parallel(2)(delayed(_in_a_worker)(problem(70, 12, 24, 2)[0]) for _ in range(2)):
        np.testing.assert_array_equal(result, expected)


def _in_a_worker(arguments):
    from skanomaly._backend import load_keras
    from skanomaly.layers import kernels

    ops = load_keras().ops
    tensors = [None if a is None else ops.convert_to_tensor(a) for a in arguments]
    return [np.array(kernels.lstm(*tensors, True)[0]) for _ in range(2)][1]


@fused
def test_rows_do_not_depend_on_the_batch_within_the_backend():
    (x, mask, *weights, h0, c0), _ = problem(70, 12, 24)
    whole = run_kernel((x, mask, *weights, h0, c0))[0]
    part = run_kernel((x[3:8], mask, *weights, h0[3:8], c0[3:8]))[0]
    np.testing.assert_array_equal(part, whole[3:8])


GRADIENTS = """
import os
import sys

cores = sorted(os.sched_getaffinity(0))
os.sched_setaffinity(0, cores[: int(sys.argv[1])])  # as many threads as XLA then makes
sys.path.insert(0, sys.argv[2])

import numpy as np
import test_kernels

arguments, gradients = test_kernels.problem(70, 12, 24)
said = [*test_kernels.run_kernel(arguments), *test_kernels.kernel_gradients(arguments, gradients)]
np.savez(sys.argv[3], *[np.asarray(one) for one in said])
"""


@on_jax
@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="cores cannot be chosen here")
def test_gradients_do_not_depend_on_the_number_of_threads(tmp_path):
    said = []
    for n_cores in (1, 2):
        path = tmp_path / f"{n_cores}.npz"
        command = [sys.executable, "-c", GRADIENTS, str(n_cores), str(Path(__file__).parent), path]
        subprocess.run(command, check=True, timeout=300)
        with np.load(path) as file:
            said.append([file[name] for name in file.files])
    assert len(said[0]) == 9
    for one, other in zip(*said, strict=True):
        np.testing.assert_array_equal(one, other)


# ---------------------------------------------------------------------------------- interfaces

GOOD = {"frame_size": 168, "metadata_size": 44, "api_size": 192, "version": 1 << 32}


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({}, None),
        ({"version": 3 << 32, "frame_size": 176}, None),
        ({"api_size": 0, "version": 0}, None),
        ({"frame_size": 0}, "did not ask"),
        ({"version": 1}, r"0\.1 or a later 0\.x; it has 1\.0"),
        ({"version": 0}, r"it has 0\.0"),
        ({"frame_size": 100}, "call frame must have 168 bytes or more; it has 100"),
        ({"api_size": 100}, "interface must have"),
    ],
)
def test_another_interface_of_xla_is_told(changed, message):
    from skanomaly.layers.kernels import _xla

    reason = _xla.unfit_interface(**GOOD | changed)
    if message is None:
        assert reason is None
    else:
        assert re.search(message, reason)


@on_jax
def test_a_wrong_number_of_arrays_is_refused():
    import jax

    assert kernels.obstacle() is None
    call = jax.ffi.ffi_call("skanomaly_lstm_forward", jax.ShapeDtypeStruct((2,), np.float32))
    with pytest.raises(Exception, match="wrong number of arrays"):
        jax.block_until_ready(call(np.zeros(2, np.float32)))


@fused
def test_a_folder_that_cannot_be_written_costs_the_cache_alone(monkeypatch):
    import numba

    asked = []

    def njit(cache=False, **options):
        asked.append(cache)
        if cache:
            raise RuntimeError("cannot cache function: no locator available")
        return numba.njit(**options)

    assert _compile._cached(njit, lambda x: x + 1)(1) == 2
    assert asked == [True, False]


CALLEE = """
from skanomaly.layers.kernels._compile import compiled

@compiled
def factor():
    return {}
"""
CALLER = """
from callee_of_a_test import factor
from skanomaly.layers.kernels._compile import compiled

@compiled
def double():
    return 2 * factor()
"""


@fused
def test_a_kept_function_is_compiled_anew_when_one_of_another_file_changes(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    (tmp_path / "caller_of_a_test.py").write_text(CALLER)
    said, loaded = [], []
    for factor in (3, 3, 50):
        (tmp_path / "callee_of_a_test.py").write_text(CALLEE.format(factor))
        for name in ("caller_of_a_test", "callee_of_a_test"):
            sys.modules.pop(name, None)
        _compile._digest.cache_clear()
        importlib.invalidate_caches()
        double = importlib.import_module("caller_of_a_test").double
        said.append(double())
        loaded.append(sum(double.stats.cache_hits.values()))
    assert said == [6, 6, 100]
    assert loaded == [0, 1, 0]


@pytest.mark.parametrize("installed", [True, False])
def test_missing_numba_is_told_with_the_remedy(monkeypatch, installed):
    if not installed:
        monkeypatch.setattr(_compile, "numba", None)
        assert "pip install 'skanomaly[fast]'" in _compile.without_numba()
    elif importlib.util.find_spec("numba"):
        assert _compile.without_numba() is None
