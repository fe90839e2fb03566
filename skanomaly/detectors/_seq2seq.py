"""Model 2: an autoencoder with a bottleneck in time."""

from skanomaly.detectors._lstm import LSTM_ATTRIBUTES_DOC, LSTM_PARAMETERS_DOC, BaseLSTMDetector

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
        Reconstruct the window from its last time step to its first, as in [1]_: the decoder then
        starts with what the encoder saw last.

    Attributes
    ----------
    {LSTM_ATTRIBUTES_DOC}

    See Also
    --------
    LSTMAutoencoder : The decoder reads the encoder's output at every time step.
    PersistenceDetector : The baseline to beat.

    References
    ----------
    .. [1] P. Malhotra et al., "LSTM-based encoder-decoder for multi-sensor anomaly detection",
       ICML 2016 Anomaly Detection Workshop, arXiv:1607.00148.

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
        weight_decay=0.0,
        noise_std=0.0,
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
        aggregation="mean",
        score_norm="squared",
        contamination=0.01,
        threshold=None,
        random_state=None,
        verbose=0,
    ):
        super().__init__(
            window_size=window_size,
            stride=stride,
            hidden_units=hidden_units,
            dropout=dropout,
            recurrent_dropout=recurrent_dropout,
            weight_decay=weight_decay,
            noise_std=noise_std,
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
            aggregation=aggregation,
            score_norm=score_norm,
            contamination=contamination,
            threshold=threshold,
            random_state=random_state,
            verbose=verbose,
        )
        self.reverse_decoding = reverse_decoding

    def _architecture(self):
        return "bottleneck_autoencoder", {"reverse_decoding": bool(self.reverse_decoding)}
