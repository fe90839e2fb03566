"""Model 1: an autoencoder whose decoder reads the whole encoded sequence."""

from skanomaly.detectors._lstm import (
    LSTM_ATTRIBUTES_DOC,
    LSTM_PARAMETERS_DOC,
    LSTM_REFERENCES_DOC,
    TEACHER_FORCING_DOC,
    TEACHER_FORCING_REFERENCE_DOC,
    BaseLSTMDetector,
)

__all__ = ["LSTMAutoencoder"]


class LSTMAutoencoder(BaseLSTMDetector):
    __doc__ = f"""LSTM autoencoder whose decoder reads the encoder's output at every time step.

    The encoder returns its whole sequence and its last state; the decoder reads the sequence and
    starts from the state. Nothing forces it to compress over time: with enough units it can copy
    its input, and then a low error tells little. Compare it with :class:`PersistenceDetector`
    and :class:`Seq2SeqLSTMAutoencoder`.

    Parameters
    ----------
    {LSTM_PARAMETERS_DOC}

    Attributes
    ----------
    {LSTM_ATTRIBUTES_DOC}

    See Also
    --------
    Seq2SeqLSTMAutoencoder : Everything must pass through the last state.
    PersistenceDetector : The baseline to beat.

    Notes
    -----
    Results are determined by `random_state` on each backend, and agree between backends to
    rounding. Neither the global random state nor the configuration of Keras is touched.

    ``bidirectional=True`` is refused. It would leak nothing from outside the window, but the
    decoder reads the encoder at every step, and an encoder that reads both ways would hand it each
    value twice: an even shorter way to copy.

    {TEACHER_FORCING_DOC}

    References
    ----------
    .. [1] S. Hochreiter and J. Schmidhuber, "Long short-term memory", Neural Computation 9 (8),
       1735-1780, 1997.
    {LSTM_REFERENCES_DOC}
    {TEACHER_FORCING_REFERENCE_DOC}

    Examples
    --------
    >>> import numpy as np
    >>> from skanomaly import LSTMAutoencoder
    >>> t = np.arange(400)
    >>> X = np.column_stack([np.sin(t / 5), np.cos(t / 5)])
    >>> detector = LSTMAutoencoder(
    ...     window_size=20, hidden_units=8, max_epochs=2, random_state=0
    ... ).fit(X)
    >>> X_test = X.copy()
    >>> X_test[200] = 4.0
    >>> int(np.argmin(detector.score_samples(X_test)))
    200
    >>> int(detector.predict(X_test)[200])
    -1
    """

    _refuses_bidirectional = (
        "its decoder reads the encoder at every step and would be handed each value twice, which "
        "makes copying easier still"
    )

    def _architecture(self):
        return "sequence_autoencoder", {}
