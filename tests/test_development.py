"""The pages for developers: what they say of the package is so, and their code works in it."""

import ast
import doctest
import importlib
import importlib.util
import re
import sys
import tomllib
from pathlib import Path

import dask.array as da
import numpy as np
import pytest
from hypothesis import given
from label_strings import label_pairs, labels, runs
from sklearn.utils.estimator_checks import parametrize_with_checks
from test_architecture import LAYERS, PLACE

import skanomaly
from skanomaly import dask as lazy
from skanomaly._backend import load_keras

ROOT = Path(__file__).parents[1]
PAGES = ROOT / "docs" / "development"
CODE = PAGES / "code"
# Where each piece of code belongs by its page.
HOMES = {
    "_seasonal_mean": ("detectors", "SeasonalMeanDetector"),
    "_count": ("thresholds", "CountThreshold"),
    "_false_alarms": ("metrics", "false_alarm_rate"),
}
every_page = pytest.mark.parametrize("page", sorted(PAGES.glob("*.rst")), ids=lambda p: p.stem)


def load_code(name, place):
    """Import a piece of code under the name that it would have in the package."""
    spec = importlib.util.spec_from_file_location(f"{place}.{name}", CODE / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


MODULES = {name: load_code(name, f"skanomaly.{part}") for name, (part, _) in HOMES.items()}
SeasonalMeanDetector, CountThreshold, false_alarm_rate = (
    getattr(MODULES[name], public) for name, (_, public) in HOMES.items()
)


@pytest.fixture(autouse=True)
def in_the_package(monkeypatch):
    """Let pickle and doctest find modules where they would be."""
    for module in MODULES.values():
        monkeypatch.setitem(sys.modules, module.__name__, module)


# ------------------------------------------------------------------------------ what pages say


def test_the_table_of_modules_is_the_layer_order():
    text = (PAGES / "architecture.rst").read_text("utf-8")
    table = re.findall(r"^   \* - ``(\w+)``$", text, re.M)
    assert table == [part for row in LAYERS for part in row]


def test_the_picture_of_the_flow_names_modules_that_exist():
    tree = ast.parse((ROOT / "docs" / "figures" / "flow.py").read_text("utf-8"))
    (steps,) = [
        ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "STEPS"
    ]
    modules = {name for step in steps for name in step[1].split(", ") if name}
    assert modules <= set(PLACE)


def find_file(name):
    """Find what a page calls "training.py" or "tests/tiny.py"; None if it is not there."""
    places = [ROOT / name, ROOT / "skanomaly" / name]
    return next((place for place in places if place.exists()), None)


@every_page
def test_files_that_are_named_exist(page):
    named = re.findall(r"``((?:\w+/)*\w+\.(?:py|rst|md|toml))``", page.read_text("utf-8"))
    added = {f"{name}.py" for name in [*HOMES, "_scan"]}
    missing = {name for name in named if Path(name).name not in added and not find_file(name)}
    # Files of one folder are named in short where the page is about that folder.
    short = {name for name in missing if any((ROOT / "skanomaly").rglob(name))}
    assert missing == short


@every_page
def test_names_are_in_the_files_that_are_named_with_them(page):
    text = page.read_text("utf-8")
    pairs = re.findall(r"``([\w/]+\.py)``, ``(\w+)``", text)
    pairs += [(file, name) for name, file in re.findall(r"``(\w+)``,? in\s+``([\w/]+\.py)``", text)]
    for file, name in pairs:
        assert name in find_file(file).read_text("utf-8"), f"{file} has no {name}"


@pytest.mark.parametrize("kind", ["detector", "threshold", "metric", "kernel"])
def test_how_to_add_something_is_told_in_short(kind):
    page = (PAGES / f"add-{kind}.rst").read_text("utf-8")
    (code,) = re.findall(r"literalinclude:: (\S+)", page)
    assert len(page.splitlines()) < 100
    assert len((PAGES / code).read_text("utf-8").splitlines()) < 100


def test_versions_agree():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert project["version"] == skanomaly.__version__


# ------------------------------------------------------------------------ what pages teach to add


@pytest.mark.parametrize("name", HOMES)
def test_examples_in_the_code_of_pages_run(name, monkeypatch):
    part, public = HOMES[name]
    module = MODULES[name]
    target = importlib.import_module(f"skanomaly.{part}")
    monkeypatch.setattr(target, public, getattr(module, public), raising=False)
    flags = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS
    outcome = doctest.testmod(module, optionflags=flags)
    assert outcome.attempted > 0
    assert outcome.failed == 0


ORDER_MATTERS = dict.fromkeys(
    ["check_methods_sample_order_invariance", "check_methods_subset_invariance"],
    "rows are time steps: what is normal for one depends on those before it",
)


@parametrize_with_checks(
    [SeasonalMeanDetector(period=1)], expected_failed_checks=lambda _: ORDER_MATTERS
)
def test_the_detector_passes_the_checks_of_scikit_learn(estimator, check):
    check(estimator)


@pytest.fixture
def gappy(series):
    """One series (60, 2) with values that were not observed."""
    series[np.random.default_rng(1).random(series.shape) < 0.2] = np.nan
    return series


def test_the_detector_expects_what_a_loop_expects(gappy):
    detector = SeasonalMeanDetector(period=7, n_periods=3).fit(gappy)
    expected = np.empty_like(gappy)
    x = gappy.astype(np.float32)
    for t, feature in np.ndindex(*x.shape):
        before = [x[t - 7 * k, feature] for k in (1, 2, 3) if t >= 7 * k]
        known = [value for value in before if not np.isnan(value)]
        expected[t, feature] = np.mean(known) if known else np.nanmean(x[:, feature])
    np.testing.assert_allclose(detector.reconstruct(gappy), expected, rtol=1e-5)


def test_the_detector_scores_pieces_as_the_whole(gappy):
    detector = SeasonalMeanDetector(period=5, n_periods=2).fit(gappy)
    pieces = lazy.score_samples(detector, da.from_array(gappy, chunks=(13, 2)))
    np.testing.assert_array_equal(pieces.compute(), detector.score_samples(gappy))


def test_a_period_as_long_as_the_series_is_refused(series):
    with pytest.raises(ValueError, match="period must be less than 60, the length .* got 60"):
        SeasonalMeanDetector(period=60).fit(series)


@pytest.mark.parametrize("n_flagged", [1, 7, 99])
def test_the_threshold_flags_as_many_as_were_asked_for(n_flagged):
    scores = np.random.default_rng(0).permutation(100.0 * np.arange(100))
    labels_ = CountThreshold(n_flagged=n_flagged).fit(scores).predict(scores)
    assert np.sum(labels_ == -1) == n_flagged
    assert scores[labels_ == -1].min() > scores[labels_ == 1].max()


def test_the_threshold_flags_fewer_of_equal_scores_and_refuses_to_flag_all():
    scores = [1.0, 2.0, 2.0, 3.0]
    assert CountThreshold(n_flagged=2).fit(scores).predict(scores).tolist() == [1, 1, 1, -1]
    with pytest.raises(ValueError, match="n_flagged must be less than 4, .* got 4"):
        CountThreshold(n_flagged=4).fit(scores)


@given(pair=label_pairs())
def test_false_alarms_equal_those_that_a_loop_counts(pair):
    truth, flagged = pair
    n_false = sum("#" not in truth[a:b] for a, b in runs(flagged))
    expected = 1000 * n_false / len(truth)
    assert false_alarm_rate(*map(labels, pair)) == pytest.approx(expected)


def test_false_alarms_do_not_join_two_series():
    y_true, y_pred = [[1, 1], [1, 1]], [[1, -1], [-1, 1]]
    assert false_alarm_rate(y_true, y_pred, per=4) == 2
    assert false_alarm_rate(np.ravel(y_true), np.ravel(y_pred), per=4) == 1


@pytest.mark.parametrize("which", ["", "xh"])
def test_the_kernel_equals_the_reference(which):
    if load_keras().backend.backend() != "jax":
        pytest.skip("the scan is one of JAX")
    import jax
    from test_kernels import factors, problem

    from skanomaly.layers.kernels import _reference

    scan = load_code("_scan", "skanomaly.layers.kernels")
    assert scan.obstacle() is None
    arguments, gradients = problem(3, 4, 5, n_networks=2, masked=True)
    drops = factors(arguments, which)
    x, mask, *others = arguments

    def total(x, *others):
        said = scan.lstm(x, mask, *others, True, *drops.values())
        return sum((d * value).sum() for d, value in zip(gradients, said, strict=True)), said

    found, said = jax.jit(jax.grad(total, tuple(range(6)), has_aux=True))(x, *others)
    hs, cs, _ = _reference.lstm(*arguments, **drops)
    for mine, true in zip(said, (hs[:, 1:], hs[:, -1], cs[:, -1]), strict=True):
        np.testing.assert_allclose(mine, true, atol=1e-5)
    for mine, true in zip(found, _reference.lstm_gradients(*arguments, *gradients, **drops),
                          strict=True):  # fmt: skip
        np.testing.assert_allclose(mine, true, atol=2e-5 * np.abs(true).max())


def test_loss_and_errors_of_the_kernel_equal_the_reference():
    if load_keras().backend.backend() != "jax":
        pytest.skip("the scan is one of JAX")
    from skanomaly.layers.kernels import _reference

    scan = load_code("_scan", "skanomaly.layers.kernels")
    rng = np.random.default_rng(0)
    shapes = [(2, 5, 4), (2, 5, 3), (4, 3), (3,), (2, 5)]
    arrays = [rng.normal(size=shape).astype(np.float32) for shape in shapes]
    loss, *_ = _reference.output_loss(*arrays)
    np.testing.assert_allclose(scan.output_loss(*arrays), loss, rtol=1e-5)
    arrays[1][0, 0, 1] = arrays[1][1, 2] = np.nan
    true = _reference.output_errors(*arrays[:4])
    for mine, expected in zip(scan.output_errors(*arrays[:4]), true, strict=True):
        np.testing.assert_allclose(mine, expected, rtol=1e-5)
