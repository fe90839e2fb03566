"""Model 2: an autoencoder with a bottleneck in time."""

from skanomaly.detectors._lstm import (
    LSTM_ATTRIBUTES_DOC,
    LSTM_PARAMETERS_DOC,
    LSTM_REFERENCES_DOC,
    TEACHER_FORCING_DOC,
    TEACHER_FORCING_REFERENCE_DOC,
    BaseLSTMDetector,
)

__all__ = ["Seq2SeqLSTMAutoencoder"]


class Seq2SeqLSTMAutoencoder(BaseLSTMDetector):
    __doc__ = f"""LSTM autoencoder that must carry a whole window through its last state.

    The encoder's last output is repeated for every time step of the decoder, which starts from
    the encoder's last state. It cannot copy its input step by step, learns more slowly, and
    reconstructs long or noisy windows coarsely.

    Parameters
    ----------
    {LSTM_PARAMETERS_DOC}
    reverse_decoding : bool, default=False
        Reconstruct the window from its last time step to its first, as in [Mal2016]_: the decoder
        then starts with what the encoder saw last.

    Attributes
    ----------
    {LSTM_ATTRIBUTES_DOC}

    See Also
    --------
    LSTMAutoencoder : The decoder reads the encoder's output at every time step.
    PersistenceDetector : The baseline to beat.

    Notes
    -----
    With ``bidirectional=True`` a second encoder reads the window from its end to its start, of a
    padded window from where the series ends. Outputs and states of both stand side by side, so
    the decoder, which mirrors the encoder, has twice as many units, and so has the bottleneck:
    halve `hidden_units` to keep its width. The score of a window depends on that window alone
    either way, so ``aggregation="last"`` stays causal.

    {TEACHER_FORCING_DOC}

    References
    ----------
    {LSTM_REFERENCES_DOC}
    {TEACHER_FORCING_REFERENCE_DOC}

    Examples
    --------
    >>> import numpy as np
    >>> from skanomaly import Seq2SeqLSTMAutoencoder
    >>> X = np.sin(np.arange(400) / 5).reshape(-1, 1)
    >>> detector = Seq2SeqLSTMAutoencoder(
    ...     window_size=20, hidden_units=8, max_epochs=2, random_state=0
    ... ).fit(X)
    >>> detector.reconstruct(X).shape
    (400, 1)
    """

    _refuses_bidirectional = None

    _parameter_constraints: dict = {
        **BaseLSTMDetector._parameter_constraints,
        "reverse_decoding": ["boolean"],
    }

    def __init__(
        self,
        *,
        window_size=64,
        stride=1,
        hidden_units=32,
        reverse_decoding=False,
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
        aggregation="mean",
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
        self.reverse_decoding = reverse_decoding

    def _architecture(self):
        return "bottleneck_autoencoder", {
            "reverse_decoding": bool(self.reverse_decoding),
            "bidirectional": bool(self.bidirectional),
        }
