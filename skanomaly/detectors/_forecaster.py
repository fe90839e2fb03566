"""A network that looks back only: it forecasts each time step from those before it."""

from numbers import Integral

import numpy as np

from skanomaly.detectors._lstm import (
    LSTM_ATTRIBUTES_DOC,
    LSTM_PARAMETERS_DOC,
    LSTM_REFERENCES_DOC,
    BaseLSTMDetector,
)
from skanomaly.validation import Interval

__all__ = ["LSTMForecaster"]

_PARAMETERS_DOC = (
    LSTM_PARAMETERS_DOC.replace('"last"}, default="mean"', '"last"}, default="last"')
    .replace(
        "layers of the encoder, from the input inwards; the decoder mirrors them.",
        "layers, from the input to the forecasts.",
    )
    .replace("Keras loss of a reconstructed time step.", "Keras loss of a forecast time step.")
    .replace("must restore the windows without it (denoising)", "must forecast without it")
)


class LSTMForecaster(BaseLSTMDetector):
    __doc__ = f"""LSTM that forecasts each time step from those before it, as in [1]_.

    One pass over a window forecasts all of its steps: at each, the network has read what comes
    before and says what comes in the next `horizon` steps. The error of a step is the mean over
    the forecasts of it, made 1 to `horizon` steps ahead, of which the first steps of a window have
    fewer. The first step itself is forecast from nothing, as some mean. No forecast reads the step
    that it is about, or any later one, so a copy of the input does not help: unlike an autoencoder,
    the network cannot become the identity. It can become persistence, and must be compared with it.

    Parameters
    ----------
    horizon : int, default=1
        How many steps to forecast, at most the window size. With more than one, an error is also
        large where the series leaves the course it was on several steps ago; a forecast far ahead
        is vaguer.
    {_PARAMETERS_DOC}

    Attributes
    ----------
    {LSTM_ATTRIBUTES_DOC}

    See Also
    --------
    PersistenceDetector : The forecast that costs nothing; the baseline to beat.
    LSTMAutoencoder : Reads the whole window, what comes later too.

    Notes
    -----
    ``reconstruct`` returns the forecasts, over the horizon their mean. Of `model_` the output at
    step t is the forecast of step t, with a longer horizon one after the other: the
    ``n_features`` values forecast 1 step ahead, 2 steps ahead and so on, NaN where the window does
    not reach back so far.

    By default a step is judged by the window in which it stands latest (``aggregation="last"``),
    where its forecast rests on the longest past; forecasts from the beginnings of windows, which
    "mean" would take in, rest on little. Scores are then causal for any `stride`, in the first
    window of a series too: no score changes when the series goes on, but with a `stride`
    above 1 for those of steps that only the window flush with the end covers.

    Every step of the horizon is forecast at once from what was observed. Nothing forecast is read
    again, so that there is no place for teacher forcing, which replaces forecasts that a decoder
    reads by observed values in training. Gaps are filled by the last value before them, never by
    what comes after, and with zero where nothing comes before.

    References
    ----------
    .. [1] P. Malhotra et al., "Long short term memory networks for anomaly detection in time
       series", European Symposium on Artificial Neural Networks (ESANN), 2015.
    {LSTM_REFERENCES_DOC}

    Examples
    --------
    >>> import numpy as np
    >>> from skanomaly import LSTMForecaster
    >>> X = np.sin(np.arange(400) / 5).reshape(-1, 1)
    >>> detector = LSTMForecaster(
    ...     window_size=20, hidden_units=8, max_epochs=2, random_state=0
    ... ).fit(X)
    >>> X_test = X.copy()
    >>> X_test[200] = 4.0
    >>> int(np.argmin(detector.score_samples(X_test)))
    200
    """

    _parameter_constraints: dict = {
        **BaseLSTMDetector._parameter_constraints,
        "horizon": [Interval(Integral, 1, None, closed="left")],
    }
    _causal = True
    _refuses_bidirectional = "reading from the end would show it what it is to forecast"

    def __init__(
        self,
        *,
        horizon=1,
        window_size=64,
        stride=1,
        hidden_units=32,
        dropout=0.0,
        recurrent_dropout=0.0,
        layer_normalization=False,
        bidirectional=False,
        weight_decay=0.0,
        noise_std=0.0,
        n_estimators=1,
        optimizer="adam",
        learning_rate=None,
        loss="mse",
        max_epochs=20,
        batch_size=64,
        max_windows_per_epoch=None,
        early_stopping=False,
        validation_fraction=0.1,
        n_iter_no_change=5,
        tol=1e-4,
        callbacks=None,
        distribution=None,
        aggregation="last",
        score_norm="squared",
        smoothing=None,
        smoothing_span=16,
        smoothing_causal=False,
        feature_weights=None,
        contamination=0.01,
        threshold=None,
        after_fit=None,
        random_state=None,
        verbose=0,
    ):
        super().__init__(
            window_size=window_size,
            stride=stride,
            hidden_units=hidden_units,
            dropout=dropout,
            recurrent_dropout=recurrent_dropout,
            layer_normalization=layer_normalization,
            bidirectional=bidirectional,
            weight_decay=weight_decay,
            noise_std=noise_std,
            n_estimators=n_estimators,
            optimizer=optimizer,
            learning_rate=learning_rate,
            loss=loss,
            max_epochs=max_epochs,
            batch_size=batch_size,
            max_windows_per_epoch=max_windows_per_epoch,
            early_stopping=early_stopping,
            validation_fraction=validation_fraction,
            n_iter_no_change=n_iter_no_change,
            tol=tol,
            callbacks=callbacks,
            distribution=distribution,
            aggregation=aggregation,
            score_norm=score_norm,
            smoothing=smoothing,
            smoothing_span=smoothing_span,
            smoothing_causal=smoothing_causal,
            feature_weights=feature_weights,
            contamination=contamination,
            threshold=threshold,
            after_fit=after_fit,
            random_state=random_state,
            verbose=verbose,
        )
        self.horizon = horizon

    def _architecture(self):
        if self.horizon > self.window_size_:
            raise ValueError(
                f"horizon must be at most {self.window_size_}, the time steps per window; got "
                f"{self.horizon}. Use a smaller horizon or a larger window_size."
            )
        return "forecaster", {"horizon": int(self.horizon)}

    def _errors_of(self, x, said, measure):
        return _mean_over_leads(measure(x[..., None, :] - _by_lead(said, x.shape[-1])))

    def _reconstruction_of(self, x, said):
        return _mean_over_leads(_by_lead(said, x.shape[-1]))


def _by_lead(y, n_features):
    """Split the forecasts of a step: (..., horizon * n_features) -> (..., horizon, n_features)."""
    return y.reshape(*y.shape[:-1], -1, n_features)


def _mean_over_leads(values):
    """Mean without NaN: (..., horizon, n_features) -> (..., n_features), NaN where all is."""
    known = ~np.isnan(values)
    counts = known.sum(axis=-2)
    total = np.where(known, values, 0).sum(axis=-2)
    return np.where(counts > 0, total / np.maximum(counts, 1), np.nan)
