"""Fits of the generalised Pareto distribution, peaks over threshold and its streams."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import genpareto

from skanomaly.thresholds import DSPOT, SPOT, PeaksOverThreshold
from skanomaly.thresholds._pareto import TAIL_FITS, fit_profile, fit_pwm, tail_quantile

REFERENCES = Path(__file__).parent / "reference_thresholds"
TAILS = [SPOT(), DSPOT(), PeaksOverThreshold()]
each_method = pytest.mark.parametrize("method", TAIL_FITS)


def references(name):
    return json.loads((REFERENCES / name).read_text("utf-8"))


def log_likelihood(excesses, shape, scale):
    return genpareto.logpdf(excesses, shape, scale=scale).sum()


# ------------------------------------------------------------------------------------- fits


@pytest.mark.parametrize("shape", [-0.6, -0.2, 0.0, 0.3, 1.0, 3.0])
@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e4])
@pytest.mark.parametrize("method", ["mle", "profile"])
def test_likelihood_fits_are_those_of_scipy(shape, scale, method):
    excesses = scale * genpareto.rvs(shape, size=150, random_state=1)
    found = TAIL_FITS[method](excesses)
    # Its own search runs best on excesses of about 1.
    expected_shape, _, expected_scale = genpareto.fit(excesses / scale, floc=0)
    np.testing.assert_allclose(
        found, [expected_shape, scale * expected_scale], rtol=2e-4, atol=1e-4
    )
    best = log_likelihood(excesses, expected_shape, scale * expected_scale)
    assert log_likelihood(excesses, *found) >= best - 1e-9 * abs(best)


@settings(max_examples=30)
@given(st.lists(st.floats(1e-3, 1e3), min_size=10, max_size=30, unique=True))
def test_no_point_of_a_dense_grid_is_likelier_than_the_profile_fit(excesses):
    y = np.array(excesses)
    shape, scale = fit_profile(y)
    assert shape >= -1
    assert scale > 0
    # A shape of -1 ends at the highest excess, where rounding may put that outside.
    found = log_likelihood(y, shape, scale * (1 + 1e-12))
    ratios = np.concatenate(
        [(np.geomspace(1e-6, 1, 150)[:-1] - 1) / y.max(), np.geomspace(1e-4, 1e4, 200) / y.mean()]
    )
    shapes = np.log1p(np.multiply.outer(ratios, y)).mean(axis=1)
    ratios, shapes = ratios[shapes >= -1], shapes[shapes >= -1]
    # At its best shape for a ratio, the log-likelihood of an excess is this on average.
    on_grid = len(y) * (-np.log(shapes / ratios) - shapes - 1)
    some = len(ratios) // 2
    explicit = log_likelihood(y, shapes[some], shapes[some] / ratios[some])
    assert on_grid[some] == pytest.approx(explicit, rel=1e-6, abs=1e-6)
    assert on_grid.max() <= found + 1e-6 * abs(found) + 1e-6


@settings(max_examples=20)
@given(st.lists(st.floats(0.01, 100), min_size=10, max_size=15, unique=True))
def test_probability_weighted_moments_are_those_over_all_pairs(excesses):
    y = np.array(excesses)
    first = y.mean()
    pairs = [min(a, b) for i, a in enumerate(y) for b in y[:i]]
    second = np.mean(pairs) / 2
    scale = 2 * first * second / (first - 2 * second)
    shape = max(2 - first / (first - 2 * second), -scale / y.max())
    np.testing.assert_allclose(fit_pwm(y), [shape, scale], rtol=1e-6, atol=1e-9)


@each_method
def test_fits_find_the_parameters_of_many_excesses(method):
    excesses = genpareto.rvs(0.2, scale=2.0, size=20_000, random_state=0)
    np.testing.assert_allclose(TAIL_FITS[method](excesses), [0.2, 2.0], atol=0.06)


@each_method
@pytest.mark.parametrize("power", [1.0, 0.5, 0.2])
def test_the_fitted_tail_reaches_the_highest_excess(method, power):
    # Evenly up to an end, which is a shape of -1, or more and more towards it.
    excesses = np.linspace(0.05, 1.0, 20) ** power
    shape, scale = TAIL_FITS[method](excesses)
    assert shape < 0
    assert -scale / shape >= 1.0 - 1e-9


def test_shapes_below_minus_one_are_those_of_the_uniform_distribution():
    assert fit_profile(3 * np.linspace(0.05, 1.0, 20) ** 0.2) == (-1.0, 3.0)


@pytest.mark.parametrize("n_excesses", [1000, 1001])
def test_exponential_excesses_have_a_shape_near_zero(n_excesses):
    evenly = -np.log((np.arange(n_excesses) + 0.5) / n_excesses)
    shape, scale = fit_profile(evenly)
    assert shape == pytest.approx(0, abs=0.01)
    assert scale == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize("shape", [-1.0, -0.3, 0.0, 1e-12, 0.5, 2.0])
@pytest.mark.parametrize("probability", [1e-6, 0.1, 1.0])
def test_tail_quantiles_are_those_of_scipy(shape, probability):
    expected = genpareto.isf(probability, shape, scale=3.0)
    assert tail_quantile(shape, 3.0, probability) == pytest.approx(expected, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("case", references("libspot.json"), ids=lambda c: f"{c['shape']:.2f}")
def test_fits_and_thresholds_agree_with_libspot(case):
    """By the authors of SPOT. For negative shapes it ends a little short of the maximum."""
    excesses = np.array(case["excesses"])
    shape, scale = fit_profile(excesses)
    theirs = log_likelihood(excesses, case["shape"], case["scale"])
    assert log_likelihood(excesses, shape, scale) >= theirs - 1e-9
    tolerance = 1e-6 if case["shape"] > 0 else 3e-3
    np.testing.assert_allclose([shape, scale], [case["shape"], case["scale"]], atol=tolerance)
    flagged = 1e-3 * case["n_scores"] / len(excesses)
    found = case["level"] + tail_quantile(shape, scale, flagged)
    assert found == pytest.approx(case["threshold"], rel=tolerance)


# ---------------------------------------------------------------------- peaks over threshold


@each_method
def test_the_threshold_is_exceeded_with_the_probability_asked_for(method):
    scores = np.random.default_rng(0).exponential(size=200_000)
    selector = PeaksOverThreshold(alpha=1e-4, level=0.95, method=method).fit(scores)
    assert np.exp(-selector.threshold_) == pytest.approx(1e-4, rel=0.5)
    assert selector.n_excesses_ == pytest.approx(10_000, abs=2)
    assert selector.shape_ == pytest.approx(0, abs=0.05)
    assert selector.scale_ == pytest.approx(1, abs=0.05)
    assert selector.level_ in scores
    assert np.sum(scores > selector.level_) == selector.n_excesses_


@pytest.mark.parametrize("selector", TAILS, ids=lambda s: type(s).__name__)
@pytest.mark.parametrize(
    ("scores", "message"),
    [
        (np.arange(100.0), "got 1, with 1 of 100 scores above it. Use a lower level"),
        (np.zeros(1000), "0.98 quantile, 0, .*got 0, with 0 of 1000 scores"),
        (np.repeat([0.0, 1.0, 2.0], [900, 50, 50]), "got 0, with 0 of 1000"),
        (np.repeat([0.0, 1.0, 2.0], [985, 10, 5]), "got 2, with 15 of 1000.*take few values"),
    ],
    ids=["few", "none", "at the level", "few values"],
)
def test_tails_that_tell_nothing_are_refused(selector, scores, message):
    if isinstance(selector, DSPOT):
        scores = np.zeros(len(scores))
        message = rf"got 0, with 0 of {len(scores) - 10}"
    with pytest.raises(ValueError, match=message):
        selector.fit(scores)


@pytest.mark.parametrize("selector", TAILS, ids=lambda s: type(s).__name__)
def test_alpha_must_be_below_the_share_of_excesses(selector):
    scores = np.random.default_rng(0).normal(size=1010)
    selector = type(selector)(alpha=0.05, level=0.95)
    with pytest.raises(ValueError, match=r"alpha must be below.*got alpha=0.05, level=0.95. Use"):
        selector.fit(scores)


# ---------------------------------------------------------------------------------- streams


def naive_stream(selector, initial, scores):
    """Follow a stream by the book, from lists and without any state kept: its thresholds."""
    depth = getattr(selector, "depth", 0)
    recent = list(initial[-depth:]) if depth else []
    if depth:
        initial = [initial[i] - np.mean(initial[i - depth : i]) for i in range(depth, len(initial))]
    seen = list(initial)
    level = sorted(seen)[int(np.ceil(selector.level * (len(seen) - 1)))]
    thresholds, n_excesses = [], 0
    for score in scores:
        excesses = np.array([s - level for s in seen if s > level])
        if len(excesses) != n_excesses:
            n_excesses = len(excesses)
            shape, scale = fit_profile(excesses)
            excess = genpareto.isf(selector.alpha * len(seen) / n_excesses, shape, scale=scale)
        mean = np.mean(recent) if depth else 0.0
        thresholds.append(mean + level + excess)
        if score <= thresholds[-1]:
            seen.append(score - mean)
            recent = [*recent, score][-depth:] if depth else []
    return np.array(thresholds)


@pytest.fixture
def stream():
    """Scores (500,) with two anomalies."""
    scores = np.random.default_rng(0).exponential(size=500)
    scores[[400, 450]] = 30.0
    return scores


STREAMS = [SPOT(alpha=0.005, level=0.9), DSPOT(alpha=0.005, level=0.9, depth=7)]
each_stream = pytest.mark.parametrize("selector", STREAMS, ids=lambda s: type(s).__name__)


@each_stream
def test_streams_follow_the_book(selector, stream):
    selector.fit(stream[:300])
    expected = naive_stream(selector, stream[:300], stream[300:])
    np.testing.assert_allclose(selector.thresholds(stream[300:]), expected, rtol=1e-6)
    flagged = stream[300:] > expected
    assert flagged[[100, 150]].all()
    np.testing.assert_array_equal(selector.predict(stream[300:]) == -1, flagged)
    selector.partial_fit(stream[300:])
    assert selector.n_scores_ == 500 - flagged.sum() - getattr(selector, "depth", 0)
    assert selector.threshold_ == pytest.approx(
        naive_stream(selector, stream[:300], np.append(stream[300:], 0.0))[-1]
    )


@each_stream
@pytest.mark.parametrize("cuts", [[1], [100], [1, 2, 3, 101, 102], [150, 151]])
def test_a_stream_is_the_same_in_any_pieces(selector, stream, cuts):
    whole = selector.fit(stream[:300]).thresholds(stream[300:])
    at_once = selector.partial_fit(stream[300:]).threshold_
    selector.fit(stream[:300])
    pieces = []
    for piece in np.split(stream[300:], cuts):
        pieces.append(selector.thresholds(piece))
        selector.partial_fit(piece)
    np.testing.assert_array_equal(np.concatenate(pieces), whole)
    assert selector.threshold_ == at_once


@each_stream
def test_the_first_part_of_a_stream_starts_it(selector, stream):
    fitted = type(selector)(**selector.get_params()).fit(stream[:300])
    begun = type(selector)(**selector.get_params()).partial_fit(stream[:300])
    assert begun.threshold_ == fitted.threshold_


@each_stream
def test_fit_forgets_the_stream(selector, stream):
    first = selector.fit(stream[:300]).threshold_
    assert selector.partial_fit(stream[300:]).threshold_ != first
    assert selector.fit(stream[:300]).threshold_ == first


@each_stream
def test_nothing_is_learned_from_alarms(selector, stream):
    selector.fit(stream)
    before = (selector.threshold_, selector.n_scores_, selector.n_excesses_)
    selector.partial_fit(np.full(50, 1e6))
    assert (selector.threshold_, selector.n_scores_, selector.n_excesses_) == before


def test_the_threshold_never_falls_below_the_level():
    random = np.random.default_rng(0)
    selector = SPOT(alpha=0.05, level=0.9).fit(random.exponential(size=300))
    quiet = 0.1 * random.exponential(size=3000)  # none of them an excess
    selector.partial_fit(np.append(quiet, selector.level_ + 1e-3))
    assert selector.n_excesses_ / selector.n_scores_ < 0.05
    assert selector.threshold_ == selector.level_


def test_dspot_follows_a_drift_that_spot_takes_for_anomalies():
    random = np.random.default_rng(0)
    scores = random.normal(size=3000) + 0.01 * np.arange(3000)
    share = {
        type(s): np.mean(s.fit(scores[:1000]).predict(scores[1000:]) == -1)
        for s in (SPOT(), DSPOT())
    }
    assert share[SPOT] > 0.5
    assert share[DSPOT] < 0.01


def test_rounding_does_not_add_up_in_the_mean_of_dspot():
    scores = np.random.default_rng(0).normal(size=340)
    scores[298] = 1e12
    selector = DSPOT(level=0.9, depth=10).fit(scores[:300]).partial_fit(scores[300:])
    assert selector._stream.total == pytest.approx(scores[-10:].sum(), abs=1e-12)


def test_depth_must_leave_differences():
    with pytest.raises(ValueError, match="depth must be below the number of scores, 10; got 10"):
        DSPOT(depth=10).fit(np.arange(10.0))


@pytest.mark.parametrize("case", references("ads_evt.json"), ids=lambda c: c["kind"])
def test_streams_agree_with_those_of_ads_evt(case):
    """ads-evt 0.0.4 has the code of the authors of SPOT.

    Its search for the maximum is imprecise near a shape of 0, and finds none of the positive
    shapes of "t": its fit is then less likely than ours. Elsewhere thresholds are the same.
    """
    scores, n_initial = np.array(case["scores"]), case["n_initial"]
    selector = SPOT(alpha=case["alpha"])
    if case["depth"]:
        selector = DSPOT(alpha=case["alpha"], depth=case["depth"])
    selector.fit(scores[:n_initial])
    excesses = np.array(case["excesses"])
    ours = log_likelihood(excesses, selector.shape_, selector.scale_)
    assert ours >= log_likelihood(excesses, case["shape"], case["scale"]) - 1e-9
    if case["kind"] == "t":
        assert selector.shape_ > 0.1
        assert case["shape"] < 1e-6
        return
    flagged = np.flatnonzero(selector.predict(scores[n_initial:]) == -1)
    assert flagged.tolist() == case["alarms"]
    differences = []
    for score, after in zip(scores[n_initial:], case["thresholds_after"], strict=True):
        before, n_excesses = selector.threshold_, selector.n_excesses_
        selector.partial_fit([score])
        if selector.n_excesses_ == n_excesses:  # so that the tail was not fitted anew
            differences.append(abs(before / after - 1))
    assert np.median(differences) < 3e-3
    assert np.max(differences) < 0.06
