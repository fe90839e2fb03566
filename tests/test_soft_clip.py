"""Values far out brought nearer: what stays, what grows, what is refused."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from skanomaly import make_detector
from skanomaly.preprocessing import SequenceTransformer, soft_clip

numbers = st.floats(-1e12, 1e12, allow_nan=False)


@given(x=st.lists(numbers, min_size=2, max_size=20), limit=st.floats(0, 100))
def test_order_and_sign_stay_and_values_within_the_limit_too(x, limit):
    x = np.sort(x)
    said = soft_clip(x, limit)
    assert (np.diff(said) >= 0).all()
    np.testing.assert_array_equal(np.sign(said), np.sign(x))
    within = np.abs(x) <= limit
    np.testing.assert_array_equal(said[within], x[within])
    assert (np.abs(said) <= np.abs(x)).all()


def test_beyond_the_limit_values_grow_by_the_logarithm():
    np.testing.assert_allclose(soft_clip([8.0, -8.0], 6), [6 + np.log(3), -6 - np.log(3)])
    assert soft_clip([np.e - 1], limit=0)[0] == pytest.approx(1)


def test_nan_dtype_and_frames_stay():
    assert np.isnan(soft_clip([np.nan, 1.0])[0])
    assert soft_clip(np.float32([9])).dtype == np.float32
    frame = pd.DataFrame({"a": [1.0, 9.0]}, index=[5, 6])
    pd.testing.assert_frame_equal(
        soft_clip(frame), pd.DataFrame({"a": [1.0, 6 + np.log(4)]}, index=[5, 6])
    )


@pytest.mark.parametrize("limit", [-1, float("nan")])
def test_limits_below_zero_are_refused(limit):
    with pytest.raises(ValueError, match="limit must be at least 0; got (-1|nan). Use"):
        soft_clip([1.0], limit)


def test_it_keeps_the_names_of_columns_in_a_pipeline():
    clip = FunctionTransformer(soft_clip, feature_names_out="one-to-one")
    scale = SequenceTransformer(make_pipeline(StandardScaler(), clip)).set_output(
        transform="pandas"
    )
    frame = pd.DataFrame({"a": np.arange(9.0), "b": np.arange(9.0)})
    assert list(scale.fit_transform(frame).columns) == ["a", "b"]


def test_the_recommended_detector_tells_far_out_from_farther_out():
    X = np.random.default_rng(0).normal(size=(400, 2))
    scale = make_detector(X).named_steps["scale"].fit(X)
    near, far = scale.transform(np.array([[10.0, 0.0], [1000.0, 0.0]]))
    assert 6 < near[0] < far[0] < 20
