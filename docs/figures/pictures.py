"""The pictures of the guide page on pictures: one function each, drawing with pyplot."""

from skanomaly import LinearForecaster, LSTMAutoencoder
from skanomaly.datasets import make_flights
from skanomaly.displays import (
    ContributionDisplay,
    IdentityDisplay,
    MetricDisplay,
    ReconstructionDisplay,
    ThresholdDisplay,
)


def fit():
    """Return flights and a detector, both small enough to be quick."""
    data = make_flights(n_train=8, n_test=4, n_timesteps=600, n_features=40, random_state=0)
    detector = LSTMAutoencoder(
        window_size=30,
        stride=6,
        hidden_units=24,
        max_epochs=20,
        score_norm="standardised",
        contamination=0.01,
        random_state=0,
    )
    return data, detector.fit(data.X_train)


def contributions():
    """Draw what features contribute to the scores of one flight."""
    data, detector = fit()
    ContributionDisplay.from_estimator(
        detector,
        data.X_test,
        y=data.y_test,
        series=1,
        feature_names=data.feature_names,
        max_features=12,
    )


def reconstruction():
    """Draw the features of one flight that are reconstructed worst."""
    data, detector = fit()
    ReconstructionDisplay.from_estimator(
        detector, data.X_test, series=1, feature_names=data.feature_names, max_features=4
    )


def fit_linear():
    """Return flights and a detector that finds about half of the anomalies."""
    data = make_flights(n_train=8, n_test=4, n_timesteps=600, n_features=40, random_state=0)
    detector = LinearForecaster(
        score_norm="mahalanobis", smoothing="exponential", smoothing_span=9, contamination=0.01
    )
    return data, detector.fit(data.X_train)


def metric():
    """Draw precision against recall of the scores of four flights."""
    data, detector = fit_linear()
    MetricDisplay.from_estimator(detector, data.X_test, data.y_test, buffer=30)


def threshold():
    """Draw F of the labels of four flights against the threshold."""
    data, detector = fit_linear()
    ThresholdDisplay.from_estimator(detector, data.X_test, data.y_test)


def identity():
    """Draw a report with the numbers of a detector that copies."""
    IdentityDisplay(
        errors={
            "raw": {"detector": 0.02, "persistence": 0.04, "mean": 1.0, "untrained": 1.3},
            "differenced": {"detector": 1.1, "persistence": 2.0, "mean": 1.0, "untrained": 1.0},
        },
        probes={"white noise": 0.93, "flat line": 0.99, "shuffled": 0.9},
        response=[0.01, 0.02, 0.05, 0.95, 0.05, 0.02, 0.01],
        lags=[-3, -2, -1, 0, 1, 2, 3],
        verdict="copies its input",
        rule="R² of white noise above 0.5",
    ).plot()
