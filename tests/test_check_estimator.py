"""scikit-learn's own checks, on every public estimator."""

import pytest
from own_builders import Named
from sklearn.ensemble import IsolationForest
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from skanomaly import (
    KerasDetector,
    LinearForecaster,
    LSTMAutoencoder,
    LSTMForecaster,
    MeanDetector,
    PersistenceDetector,
    Seq2SeqLSTMAutoencoder,
    VariationalLSTMAutoencoder,
)
from skanomaly.detectors import NearestWindowDetector
from skanomaly.model_selection import ScoreEnsemble
from skanomaly.preprocessing import Differencer, SequenceTransformer

TINY = {"window_size": 4, "hidden_units": 2, "max_epochs": 1, "random_state": 0}
ORDER_MATTERS = dict.fromkeys(
    ["check_methods_sample_order_invariance", "check_methods_subset_invariance"],
    "rows are time steps: what is normal for one depends on those before it",
)


def expected_failed_checks(estimator):
    in_order = (Differencer, LinearForecaster, PersistenceDetector, ScoreEnsemble)
    if isinstance(estimator, in_order):
        return ORDER_MATTERS
    return ORDER_MATTERS if getattr(estimator, "window_size", 1) > 1 else {}


# Threshold selectors take one-dimensional scores, for which scikit-learn has no checks; see
# test_thresholds.py. The checks use 1 to 30 rows, fewer than a window.
@pytest.mark.filterwarnings("ignore::skanomaly.exceptions.WindowSizeWarning")
@pytest.mark.contract
@parametrize_with_checks(
    [
        MeanDetector(),
        PersistenceDetector(),
        LinearForecaster(lags=1),
        LinearForecaster(lags=(1, 3)),
        LSTMAutoencoder(**TINY),
        LSTMAutoencoder(**TINY | {"window_size": 1}),
        Seq2SeqLSTMAutoencoder(**TINY),
        Seq2SeqLSTMAutoencoder(**TINY | {"window_size": 1}),
        LSTMForecaster(**TINY),
        LSTMForecaster(**TINY | {"window_size": 1}),
        VariationalLSTMAutoencoder(**TINY),
        VariationalLSTMAutoencoder(**TINY | {"window_size": 1}),
        KerasDetector(Named(), window_size=4, max_epochs=1, random_state=0),
        NearestWindowDetector(window_size=4),
        NearestWindowDetector(window_size=1),
        ScoreEnsemble([("mean", MeanDetector()), ("linear", LinearForecaster(lags=1))]),
        ScoreEnsemble([("forest", IsolationForest(n_estimators=5, random_state=0))], spans=(1, 3)),
        Differencer(),
        SequenceTransformer(StandardScaler()),
    ],
    expected_failed_checks=expected_failed_checks,
)
def test_check_estimator(estimator, check):
    check(estimator)
