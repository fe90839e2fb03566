"""What a score may depend on, and what it may not: as properties."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from own_builders import conv
from sklearn.base import clone
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from tiny import NETWORKS, TINY, by_class, tiny_detectors

from skanomaly import KerasDetector, training
from skanomaly.preprocessing import Differencer, SequenceTransformer

pytestmark = pytest.mark.contract

SIZE = TINY["window_size"]
OWN = KerasDetector(conv, **{name: value for name, value in TINY.items() if name != "hidden_units"})


def make_series(n_timesteps, seed, gaps=False):
    rng = np.random.default_rng(seed)
    X = np.sin(np.arange(n_timesteps)[:, None] / [3, 5]) + 0.3 * rng.normal(size=(n_timesteps, 2))
    if gaps:
        X[rng.random(X.shape) < 0.1] = np.nan
    return X


@pytest.fixture(scope="module", params=[*tiny_detectors(), OWN], ids=by_class)
def fitted(request):
    return clone(request.param).fit(make_series(80, 0))


@pytest.fixture(scope="module", params=["mean", "median", "min", "max", "last"])
def any_aggregation(request):
    detector = NETWORKS[0](**TINY | {"stride": 3}, aggregation=request.param)
    return detector.fit(make_series(80, 0))


lengths = st.integers(SIZE, 70)
seeds = st.integers(0, 50)
few = settings(max_examples=8)


def assert_close(a, b):
    # Rounding: the same window may stand in another row of a batch.
    np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-7)


@given(lengths, seeds, st.booleans(), st.integers(1, 40))
@few
def test_batches_do_not_matter(any_aggregation, n_timesteps, seed, gaps, batch_size):
    X = make_series(n_timesteps, seed, gaps)
    expected = any_aggregation.score_timesteps(X)
    with pytest.MonkeyPatch.context() as patch:
        for choice in ("_scoring_batch", "_batch_of_rows_apart"):
            patch.setattr(training, choice, lambda *_: batch_size)
        assert_close(any_aggregation.score_timesteps(X), expected)


@given(st.lists(lengths, min_size=1, max_size=4), seeds, st.booleans())
@few
def test_other_series_do_not_matter(fitted, of_lengths, seed, gaps):
    series = [make_series(n, seed + i, gaps) for i, n in enumerate(of_lengths)]
    for one, scores in zip(series, fitted.score_timesteps(series), strict=True):
        assert_close(fitted.score_timesteps(one), scores)


@given(lengths, st.integers(1, 60), seeds, st.booleans())
@few
def test_data_beyond_the_windows_do_not_matter(fitted, n_timesteps, more, seed, gaps):
    longer = make_series(n_timesteps + more, seed, gaps)
    scores = fitted.score_timesteps(longer[:n_timesteps])
    kept = n_timesteps - SIZE + 1  # windows that start later hold appended steps
    assert_close(fitted.score_timesteps(longer)[:kept], scores[:kept])


@given(lengths, seeds, st.integers(0, 69), st.floats(-5, 5))
@few
def test_a_changed_step_reaches_only_the_steps_that_share_a_window(fitted, n, seed, step, value):
    X = make_series(n, seed)
    step %= n
    changed = X.copy()
    changed[step] = value
    before, after = fitted.score_timesteps(X), fitted.score_timesteps(changed)
    far = np.abs(np.arange(n) - step) >= SIZE
    assert_close(after[far], before[far])


@given(st.integers(2, 4), lengths, seeds, st.booleans())
@few
def test_the_form_of_x_does_not_matter(fitted, tmp_path_factory, n_series, n_timesteps, seed, gaps):
    panel = np.stack([make_series(n_timesteps, seed + i, gaps) for i in range(n_series)])
    path = tmp_path_factory.mktemp("forms") / "panel.npy"
    np.save(path, panel)
    expected = fitted.score_features(panel)
    on_disk = np.load(path, mmap_mode="r")
    for form in (on_disk, list(panel), list(on_disk), np.asfortranarray(panel)):
        np.testing.assert_array_equal(np.stack(list(fitted.score_features(form))), expected)


def test_frames_are_fitted_and_scored_like_arrays(fitted):
    X = make_series(60, 3, gaps=True)
    frame = pd.DataFrame(X, columns=["a", "b"])
    expected = clone(fitted).fit(X).score_features(X)
    np.testing.assert_array_equal(clone(fitted).fit(frame).score_features(frame), expected)


@given(st.integers(40, 70), seeds, st.integers(-6, 6), st.sampled_from([1.0, 3.7]))
@few
def test_the_unit_of_x_does_not_matter(n_timesteps, seed, power, factor):
    scale = factor * 2.0**power
    X, X_test = make_series(n_timesteps, seed), make_series(50, seed + 1)
    X_test[20] += 4
    for detector in tiny_detectors():
        pipeline = make_pipeline(
            Differencer(), SequenceTransformer(StandardScaler()), clone(detector)
        )
        labels = clone(pipeline).fit(X).predict(X_test)
        scaled = clone(pipeline).fit(X * scale)
        scores = scaled.decision_function(X_test * scale)
        clear = np.abs(scores) > 1e-4  # of no label that hangs on rounding
        np.testing.assert_array_equal(scaled.predict(X_test * scale)[clear], labels[clear])
        assert clear.mean() > 0.9
