"""The generators of labelled series: what is in them, and what the labels promise."""

import numpy as np
import pytest

from skanomaly.datasets import make_flights, make_series
from skanomaly.datasets._anomalies import place

FLIGHT_KINDS = (
    "spike",
    "level_shift",
    "stuck",
    "contextual",
    "drift",
    "correlation",
    "oscillation",
    "dropout",
)
SERIES_KINDS = ("point", "contextual", "collective", "trend", "correlation")


def small_flights(**params):
    defaults = {"n_train": 3, "n_test": 6, "n_timesteps": 200, "n_features": 12, "random_state": 0}
    return make_flights(**(defaults | params))


def small_series(**params):
    return make_series(**({"n_train": 400, "n_test": 600, "random_state": 0} | params))


MAKERS = pytest.mark.parametrize("make", [small_flights, small_series])


def as_panel(X):
    return X if X.ndim == 3 else X[None]


def twin_of(make, **params):
    """The same test part without its anomalies."""
    clean = {"anomalous_fraction": 0} if make is small_flights else {"n_anomalies": 0}
    return make(**params, **clean)


# ---- shapes, types, reproducibility ----


def test_flights_have_the_documented_shapes_and_types():
    data = small_flights()
    assert data.X_train.shape == (3, 200, 12)
    assert data.X_test.shape == (6, 200, 12)
    assert data.X_train.dtype == data.X_test.dtype == np.float32
    assert data.y_test.shape == (6, 200)
    assert data.y_test_flights.shape == (6,)
    assert data.y_test.dtype == data.y_test_flights.dtype == np.int64
    assert data.phases_train.shape == (3, 200)
    assert data.phases_test.shape == (6, 200)
    assert len(set(data.feature_names)) == 12
    assert "12 sensors record" in data.DESCR


def test_series_has_the_documented_shapes_and_types():
    data = small_series(n_features=4)
    assert data.X_train.shape == (400, 4)
    assert data.X_test.shape == (600, 4)
    assert data.X_train.dtype == data.X_test.dtype == np.float64
    assert data.y_test.shape == (600,)
    assert data.y_test.dtype == np.int64
    assert data.feature_names == ["sensor_0", "sensor_1", "sensor_2", "sensor_3"]
    assert "4 correlated features" in data.DESCR


@MAKERS
def test_training_part_has_no_labels(make):
    assert "y_train" not in make()


@MAKERS
def test_values_are_finite_and_of_order_one(make):
    data = make()
    for X in (data.X_train, data.X_test):
        assert np.isfinite(X).all()
        assert 0.5 < X.std() < 1.5
        assert np.abs(X).max() < 12


@MAKERS
@pytest.mark.parametrize("seed", [0, 17])
def test_same_state_same_bits(make, seed):
    first, second = make(random_state=seed), make(random_state=seed)
    instance = make(random_state=np.random.RandomState(seed))
    for other in (second, instance):
        np.testing.assert_array_equal(first.X_train, other.X_train, strict=True)
        np.testing.assert_array_equal(first.X_test, other.X_test, strict=True)
        np.testing.assert_array_equal(first.y_test, other.y_test, strict=True)
        assert first.anomalies == other.anomalies


@MAKERS
def test_other_state_other_data(make):
    first, second = make(random_state=0), make(random_state=1)
    assert not np.array_equal(first.X_train, second.X_train)
    assert first.anomalies != second.anomalies


@MAKERS
def test_no_state_gives_fresh_data(make):
    assert not np.array_equal(make(random_state=None).X_train, make(random_state=None).X_train)


@MAKERS
@pytest.mark.parametrize("random_state", [None, 3])
def test_global_random_state_is_left_alone(make, random_state):
    before = np.random.get_state()
    make(random_state=random_state)
    after = np.random.get_state()
    np.testing.assert_array_equal(before[1], after[1])
    assert before[2:] == after[2:]


@MAKERS
def test_training_part_does_not_depend_on_the_test_part(make):
    longer = {"n_test": 9} if make is small_flights else {"n_test": 900}
    np.testing.assert_array_equal(make().X_train, make(**longer).X_train)


def test_a_flight_does_not_depend_on_the_number_of_flights():
    few = small_flights(n_train=2, anomalous_fraction=0)
    many = small_flights(n_train=5, n_test=9, anomalous_fraction=0)
    np.testing.assert_array_equal(few.X_train, many.X_train[:2])
    np.testing.assert_array_equal(few.X_test, many.X_test[:6])


# ---- labels and anomalies ----


@MAKERS
@pytest.mark.parametrize("noise", [0, 0.2])
@pytest.mark.parametrize("seed", range(5))
def test_labels_mark_exactly_the_changed_steps(make, seed, noise):
    data = make(random_state=seed, noise=noise)
    twin = twin_of(make, random_state=seed, noise=noise)
    np.testing.assert_array_equal(data.X_train, twin.X_train)
    assert twin.anomalies == []
    assert (twin.y_test == 1).all()
    changed = (data.X_test != twin.X_test).any(axis=-1)
    np.testing.assert_array_equal(data.y_test, np.where(changed, -1, 1))


@MAKERS
@pytest.mark.parametrize("seed", range(3))
def test_anomalies_describe_the_labels_and_the_changed_features(make, seed):
    data, twin = make(random_state=seed), twin_of(make, random_state=seed)
    changed = as_panel(data.X_test != twin.X_test)
    expected = np.zeros_like(changed)
    for anomaly in data.anomalies:
        assert list(anomaly) == ["series", "start", "stop", "kind", "features"]
        stretch = changed[anomaly["series"], anomaly["start"] : anomaly["stop"]]
        found = np.flatnonzero(stretch.any(axis=0))
        assert anomaly["features"] == tuple(found.tolist())
        expected[anomaly["series"], anomaly["start"] : anomaly["stop"], found] = True
    assert not changed[~expected].any()


@MAKERS
@pytest.mark.parametrize("seed", range(5))
def test_anomalies_neither_overlap_nor_touch(make, seed):
    data = make(random_state=seed)
    places = [(a["series"], a["start"], a["stop"]) for a in data.anomalies]
    assert places == sorted(places)
    n_timesteps = as_panel(data.X_test).shape[1]
    for _, start, stop in places:
        assert 0 < start < stop < n_timesteps
    for (series, _, stop), (next_series, next_start, _) in zip(places, places[1:], strict=False):
        assert series != next_series or stop < next_start


@pytest.mark.parametrize("seed", range(5))
def test_every_kind_occurs(seed):
    # Three anomalous flights hold at most nine anomalies, of eight kinds.
    assert {a["kind"] for a in small_flights(random_state=seed).anomalies} == set(FLIGHT_KINDS)
    kinds = [a["kind"] for a in small_series(random_state=seed).anomalies]
    assert sorted(kinds) == sorted(SERIES_KINDS)


@pytest.mark.parametrize("kind", FLIGHT_KINDS)
def test_flights_hold_only_the_requested_kind(kind):
    data = small_flights(anomalies=[kind])
    assert {a["kind"] for a in data.anomalies} == {kind}


@pytest.mark.parametrize("kind", SERIES_KINDS)
def test_series_holds_the_requested_number_of_one_kind(kind):
    data = small_series(anomalies={kind}, n_anomalies=4)
    assert [a["kind"] for a in data.anomalies] == [kind] * 4


def test_flights_without_kinds_are_the_anomaly_free_twin():
    data = small_flights(anomalies=())
    np.testing.assert_array_equal(data.X_test, twin_of(small_flights).X_test)
    assert data.anomalies == []
    assert (data.y_test_flights == 1).all()
    assert "kinds: none" in data.DESCR


def test_series_without_anomalies_is_one_continuous_series():
    data = small_series(anomalies=())
    whole = small_series(n_train=1000, n_test=2, anomalies=())
    np.testing.assert_array_equal(np.vstack([data.X_train, data.X_test]), whole.X_train)
    assert (data.y_test == 1).all()


@pytest.mark.parametrize(("fraction", "n_anomalous"), [(0, 0), (0.5, 3), (0.3, 2), (1, 6)])
def test_flight_labels_follow_the_fraction(fraction, n_anomalous):
    data = small_flights(anomalous_fraction=fraction)
    assert (data.y_test_flights == -1).sum() == n_anomalous
    np.testing.assert_array_equal(data.y_test_flights, data.y_test.min(axis=1))
    assert {a["series"] for a in data.anomalies} == set(np.flatnonzero(data.y_test_flights < 0))
    counts = np.bincount([a["series"] for a in data.anomalies], minlength=6)
    assert counts.max() <= 3


@pytest.mark.parametrize("seed", range(3))
def test_subtle_flight_anomalies_stay_in_the_range_of_their_feature(seed):
    kinds = ("stuck", "contextual", "correlation", "dropout")
    data = small_flights(random_state=seed, anomalies=kinds, anomalous_fraction=1)
    clean = twin_of(small_flights, random_state=seed).X_test
    for a in data.anomalies:
        flight = clean[a["series"]][:, a["features"]]
        values = data.X_test[a["series"], a["start"] : a["stop"]][:, a["features"]]
        assert (values >= flight.min(axis=0)).all()
        assert (values <= flight.max(axis=0)).all()


@pytest.mark.parametrize("seed", range(3))
def test_subtle_series_anomalies_stay_near_the_training_range(seed):
    data = make_series(anomalies=("contextual", "correlation"), n_anomalies=5, random_state=seed)
    low, high = data.X_train.min() - 0.3, data.X_train.max() + 0.3
    assert (low < data.X_test).all()
    assert (data.X_test < high).all()


@pytest.mark.parametrize("seed", range(3))
def test_loud_anomalies_leave_the_noise(seed):
    kinds = ("spike", "level_shift", "drift", "oscillation")
    params = {"random_state": seed, "noise": 0.1, "anomalous_fraction": 1}
    data = small_flights(anomalies=kinds, **params)
    clean = small_flights(anomalies=(), **params).X_test
    for a in data.anomalies:
        stretch = (a["series"], slice(a["start"], a["stop"]))
        change = (data.X_test[stretch] - clean[stretch])[:, a["features"]]
        assert (np.sqrt(np.mean(change**2, axis=0)) > 0.3).all()


def test_stuck_sensor_repeats_the_value_before_it():
    data = small_flights(anomalies=("stuck",))
    for a in data.anomalies:
        held = data.X_test[a["series"], a["start"] - 1 : a["stop"], a["features"][0]]
        assert np.ptp(held) == 0


def test_contextual_values_come_from_another_phase():
    data = small_flights(anomalies=("contextual",), anomalous_fraction=1)
    clean = twin_of(small_flights).X_test
    for a in data.anomalies:
        feature = a["features"][0]
        phases = data.phases_test[a["series"]]
        elsewhere = clean[a["series"], ~np.isin(phases, phases[a["start"] : a["stop"]]), feature]
        values = data.X_test[a["series"], a["start"] : a["stop"], feature]
        assert np.isin(values, elsewhere).all()


def test_dropout_stays_in_one_phase():
    data = small_flights(anomalies=("dropout",), anomalous_fraction=1)
    for a in data.anomalies:
        assert len(set(data.phases_test[a["series"], a["start"] : a["stop"]])) == 1


def test_flight_correlation_break_parts_a_redundant_pair():
    data = make_flights(
        n_train=1,
        n_test=4,
        n_timesteps=400,
        n_features=30,
        anomalous_fraction=1,
        anomalies=("correlation",),
        random_state=0,
    )
    clean = make_flights(
        n_train=1, n_test=4, n_timesteps=400, n_features=30, anomalous_fraction=0, random_state=0
    )
    for a in data.anomalies:
        stretch = (a["series"], slice(a["start"], a["stop"]))
        (second,) = a["features"]
        name = data.feature_names[second]
        assert name.endswith("_2")
        first = data.feature_names.index(name[:-1] + "1")
        gap = data.X_test[stretch][:, second] - data.X_test[stretch][:, first]
        clean_gap = clean.X_test[stretch][:, second] - clean.X_test[stretch][:, first]
        assert gap.std() > 1.5 * clean_gap.std()
        np.testing.assert_array_equal(
            np.sort(data.X_test[stretch][:, second]), np.sort(clean.X_test[stretch][:, second])
        )


def test_series_correlation_break_parts_one_feature_from_the_others():
    data = make_series(anomalies=("correlation",), n_anomalies=5, random_state=0)
    usual = np.abs(np.corrcoef(data.X_train.T))
    for a in data.anomalies:
        stretch = data.X_test[a["start"] : a["stop"]]
        (feature,) = a["features"]
        others = [j for j in range(3) if j != feature]
        now = np.abs(np.corrcoef(stretch.T))
        assert now[feature, others].max() < usual[feature, others].min()
        assert now[others[0], others[1]] > 0.7


# ---- realism ----


def test_flights_go_through_all_phases_in_order():
    data = small_flights(n_timesteps=60, n_train=20)
    assert data.phase_names[0] == "taxi_out"
    for phases in (*data.phases_train, *data.phases_test):
        np.testing.assert_array_equal(np.unique(phases), np.arange(7))
        assert (np.diff(phases) >= 0).all()
    durations = np.array([np.bincount(phases, minlength=7) for phases in data.phases_train])
    assert (durations.std(axis=0)[[2, 3, 4]] > 0).all()


def test_redundant_sensors_agree_and_discrete_settings_have_few_levels():
    data = make_flights(n_train=4, n_test=1, n_timesteps=300, random_state=0)
    assert data.X_train.shape[2] == 77
    pooled = data.X_train.reshape(-1, 77)
    column = dict(zip(data.feature_names, pooled.T, strict=True))
    for name in ("altitude", "airspeed", "fuel_flow_left"):
        assert np.corrcoef(column[f"{name}_1"], column[f"{name}_2"])[0, 1] > 0.9
    for name in ("flap_1", "gear_1", "spoiler_1", "autopilot_1", "anti_ice_1"):
        assert len(np.unique(column[name])) <= 5


def test_persistence_error_is_of_the_order_of_real_flights():
    data = make_flights(n_train=1, n_test=2, anomalous_fraction=0, random_state=0)
    X = data.X_test.astype(np.float64)
    assert 0.01 < np.mean(np.diff(X, axis=1) ** 2) < 0.1
    assert 0.01 < np.mean(np.diff(X, n=2, axis=1) ** 2) < 0.2


def test_series_repeats_with_its_period():
    X = small_series(period=40, noise=0, n_features=2).X_train
    long_season = 7 * 40
    assert np.corrcoef(X[:-long_season, 0], X[long_season:, 0])[0, 1] > 0.95
    assert np.corrcoef(X[:-20, 0], X[20:, 0])[0, 1] < 0.5


# ---- small sizes ----


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("n_features", [2, 3, 5])
@pytest.mark.parametrize("n_timesteps", [40, 60])
def test_small_flights(n_timesteps, n_features, seed):
    params = {"n_train": 1, "n_timesteps": n_timesteps, "n_features": n_features}
    data = small_flights(**params, random_state=seed, anomalous_fraction=1, noise=0)
    clean = small_flights(**params, random_state=seed, anomalous_fraction=0, noise=0)
    assert {a["kind"] for a in data.anomalies} == set(FLIGHT_KINDS)
    changed = (data.X_test != clean.X_test).any(axis=2)
    np.testing.assert_array_equal(data.y_test == -1, changed)


def test_many_features_all_have_names():
    data = small_flights(n_train=1, n_test=1, n_features=130)
    assert len(set(data.feature_names)) == 130


def test_single_test_flight_is_anomalous_by_default():
    assert small_flights(n_test=1).y_test_flights.tolist() == [-1]


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("period", [4, 7.5, 50])
def test_shortest_series(period, seed):
    params = {"n_train": 2, "n_test": 100, "n_features": 2, "period": period}
    data = small_series(**params, random_state=seed)
    clean = small_series(**params, random_state=seed, n_anomalies=0)
    assert len(data.anomalies) == 5
    changed = (data.X_test != clean.X_test).any(axis=1)
    np.testing.assert_array_equal(data.y_test == -1, changed)


def test_univariate_series_without_the_correlation_kind():
    data = small_series(n_features=1, anomalies=SERIES_KINDS[:-1])
    assert data.X_test.shape == (600, 1)
    assert len(data.anomalies) == 4


def test_placed_stretches_fill_the_room_to_the_last_step():
    lengths = [3, 1, 4]
    starts = place(lengths, sum(lengths) + 4, np.random.RandomState(0))
    assert starts.tolist() == [1, 5, 7]


# ---- bad parameters ----

BAD_FOR_BOTH = [
    ({"n_train": 0}, r"n_train must be an integer of at least \d; got 0\. Ask for"),
    ({"n_train": 2.5}, r"n_train must be an integer of at least \d; got 2\.5\."),
    ({"n_train": True}, r"n_train must be an integer of at least \d; got True\."),
    ({"n_test": -1}, r"n_test must be an integer of at least \d; got -1\."),
    ({"n_features": 0}, r"n_features must be an integer of at least \d; got 0\."),
    ({"noise": -0.1}, r"noise must be a number of at least 0; got -0\.1\. Use 0"),
    ({"noise": float("nan")}, r"noise must be a number of at least 0; got nan\."),
    ({"noise": float("inf")}, r"noise must be a number of at least 0; got inf\."),
    ({"noise": "loud"}, r"noise must be a number of at least 0; got 'loud'\."),
    ({"anomalies": "point"}, r"anomalies must be a sequence of kinds; got 'point'\. Pass a tuple"),
    ({"anomalies": None}, r"anomalies must be a sequence of kinds; got None\."),
    ({"anomalies": ("drop",)}, r"anomalies must hold known kinds only; got 'drop'\. Choose from"),
    ({"anomalies": ("contextual",) * 2}, r"anomalies must not repeat a kind; got \('contextual'"),
    ({"random_state": "seed"}, r"'seed' cannot be used to seed"),
]


@MAKERS
@pytest.mark.parametrize(("params", "message"), BAD_FOR_BOTH)
def test_bad_parameters_are_refused(make, params, message):
    with pytest.raises(ValueError, match=message):
        make(**params)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"n_timesteps": 39}, r"n_timesteps must be an integer of at least 40; got 39\."),
        ({"n_features": 1}, r"n_features must be an integer of at least 2; got 1\."),
        ({"anomalous_fraction": 1.5}, r"anomalous_fraction must be a number between 0 and 1; got"),
        ({"anomalous_fraction": None}, r"anomalous_fraction must be a number between 0 and 1; got"),
    ],
)
def test_bad_flight_parameters_are_refused(params, message):
    with pytest.raises(ValueError, match=message):
        small_flights(**params)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"period": 3}, r"period must be a number of at least 4; got 3\."),
        ({"n_anomalies": -1}, r"n_anomalies must be an integer of at least 0; got -1\. Use 0"),
        ({"n_anomalies": 1.0}, r"n_anomalies must be an integer of at least 0; got 1\.0\."),
        ({"n_test": 99}, r"n_test must be at least 100, 20 time steps .* got 99\. Use a longer"),
        (
            {"n_features": 1},
            r"n_features must be at least 2 for anomalies of kind 'correlation'; got 1\. Use more",
        ),
    ],
)
def test_bad_series_parameters_are_refused(params, message):
    with pytest.raises(ValueError, match=message):
        small_series(**params)


@MAKERS
def test_parameters_are_keyword_only(make):
    generator = make_flights if make is small_flights else make_series
    with pytest.raises(TypeError, match="positional"):
        generator(3)
