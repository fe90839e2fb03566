"""What all detectors built on an LSTM network share: its layers, and ensembles of networks."""

import copy
from abc import abstractmethod
from numbers import Integral, Real

import numpy as np

from skanomaly.detectors._base import _with_docs
from skanomaly.detectors._network import (
    NETWORK_ATTRIBUTES_DOC,
    NOISE_DOC,
    TRAINING_DOC,
    WINDOWS_DOC,
    BaseNetworkDetector,
)
from skanomaly.results import check_out, deliver
from skanomaly.validation import Interval

__all__ = [
    "LSTM_ATTRIBUTES_DOC",
    "LSTM_PARAMETERS_DOC",
    "LSTM_REFERENCES_DOC",
    "TEACHER_FORCING_DOC",
    "TEACHER_FORCING_REFERENCE_DOC",
    "BaseLSTMDetector",
]

#: Parameters and attributes that every LSTM detector has, for the class docstrings.
LSTM_PARAMETERS_DOC = f"""{WINDOWS_DOC}
    hidden_units : int or tuple of int, default=32
        Units of the LSTM layers of the encoder, from the input inwards; the decoder mirrors them.
    dropout : float, default=0.0
        Share of the inputs of each LSTM layer set to zero in training, in [0, 1).
    recurrent_dropout : float, default=0.0
        Share of the recurrent state set to zero in training, in [0, 1).
    layer_normalization : bool, default=False
        Normalise the outputs of every LSTM layer over its units, with learned scale and shift
        [Ba2016]_; the states that a layer passes on in time stay as they are.
    bidirectional : bool, default=False
        Let the encoder read each window from its end too, with as many units again. For detectors
        with a bottleneck only; others refuse it.
    {NOISE_DOC}
    n_estimators : int, default=1
        Networks that differ in their initial weights alone, trained together on the same batches
        [Lak2017]_. Each learns as if alone; errors and reconstructions are the means of theirs,
        and ``score_std`` tells how far they disagree. Losses are means over the networks, which
        early stopping stops together.
    {TRAINING_DOC}"""

LSTM_ATTRIBUTES_DOC = NETWORK_ATTRIBUTES_DOC.replace(
    "``model_.get_weights()``.",
    """``model_.get_weights()``. With `n_estimators` above
        1 each array has one more axis, the first: ``[w[i] for w in weights_]`` are those of
        network i.""",
).replace(
    "observed and 0 elsewhere.",
    """observed and 0 elsewhere. With `n_estimators` above 1 it returns what each network says:
        (batch, window_size_, n_estimators, n_features).""",
)

#: References of what all of them share.
LSTM_REFERENCES_DOC = """.. [Ba2016] J. L. Ba, J. R. Kiros and G. E. Hinton, "Layer
       normalization", arXiv:1607.06450, 2016.
    .. [Lak2017] B. Lakshminarayanan, A. Pritzel and C. Blundell, "Simple and scalable predictive
       uncertainty estimation using deep ensembles", NeurIPS 2017."""

#: Why no LSTM detector has a parameter teacher_forcing, for the notes of the classes.
TEACHER_FORCING_DOC = """There is no teacher forcing: the decoder is never given the true previous
    value, as it is in the training of [Mal2016]_. A decoder that is given it learns to repeat it
    with a small change, so that little need pass through the code, and meets its own mistakes for
    the first time when it scores."""

#: What that cites.
TEACHER_FORCING_REFERENCE_DOC = """.. [Mal2016] P. Malhotra et al., "LSTM-based encoder-decoder for
       multi-sensor anomaly detection", ICML 2016 Anomaly Detection Workshop, arXiv:1607.00148."""


class BaseLSTMDetector(BaseNetworkDetector):
    """Base of the LSTM detectors; a subclass names its architecture in ``_architecture``.

    Examples
    --------
    A function of ``skanomaly.architectures``, named, makes a detector:

    >>> import numpy as np
    >>> from skanomaly.detectors import BaseLSTMDetector
    >>> class Autoencoder(BaseLSTMDetector):
    ...     def _architecture(self):
    ...         return "sequence_autoencoder", {}
    >>> X = np.sin(np.arange(60) / 3)[:, None]
    >>> detector = Autoencoder(window_size=8, hidden_units=(3, 2), max_epochs=1, random_state=0)
    >>> detector.fit(X).score_samples(X).shape
    (60,)
    """

    #: Why the encoder must not read backwards; None where the architecture takes the option.
    _refuses_bidirectional: str | None = "its network reads forwards only"

    _parameter_constraints: dict = {
        **BaseNetworkDetector._parameter_constraints,
        "hidden_units": [Interval(Integral, 1, None, closed="left"), tuple, list],
        "dropout": [Interval(Real, 0, 1, closed="left")],
        "recurrent_dropout": [Interval(Real, 0, 1, closed="left")],
        "layer_normalization": ["boolean"],
        "bidirectional": ["boolean"],
        "n_estimators": [Interval(Integral, 1, None, closed="left")],
    }

    def __init__(
        self,
        *,
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
        self.window_size = window_size
        self.stride = stride
        self.hidden_units = hidden_units
        self.dropout = dropout
        self.recurrent_dropout = recurrent_dropout
        self.layer_normalization = layer_normalization
        self.bidirectional = bidirectional
        self.weight_decay = weight_decay
        self.noise_std = noise_std
        self.n_estimators = n_estimators
        self.optimizer = optimizer
        self.learning_rate = learning_rate
        self.loss = loss
        self.max_epochs = max_epochs
        self.batch_size = batch_size
        self.max_windows_per_epoch = max_windows_per_epoch
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.tol = tol
        self.callbacks = callbacks
        self.distribution = distribution
        self.aggregation = aggregation
        self.score_norm = score_norm
        self.smoothing = smoothing
        self.smoothing_span = smoothing_span
        self.smoothing_causal = smoothing_causal
        self.feature_weights = feature_weights
        self.contamination = contamination
        self.threshold = threshold
        self.after_fit = after_fit
        self.random_state = random_state
        self.verbose = verbose

    # ------------------------------------------------------------------------------- networks

    @property
    def _n_networks(self):
        return self.n_estimators

    @abstractmethod
    def _architecture(self):
        """Return the name of a function in skanomaly.architectures and its own options, a dict."""

    def _network(self, window_size, masked):
        """Describe the network that reads windows of the given size."""
        from skanomaly import architectures, networks

        architecture, options = self._architecture()
        options |= {
            "hidden_units": _units(self.hidden_units),
            "dropout": float(self.dropout),
            "recurrent_dropout": float(self.recurrent_dropout),
            "layer_normalization": bool(self.layer_normalization),
            "n_members": int(self.n_estimators),
        }
        return networks.Network(
            architecture=getattr(architectures, architecture),
            window_size=window_size,
            n_features=self.n_features_in_,
            options=tuple(sorted(options.items())),
            noise_std=float(self.noise_std),
            masked=masked,
            indicator=self._indicator,
            causal=self._causal,
        )

    # -------------------------------------------------------------------------------- checks

    def _check_parameters(self):
        super()._check_parameters()
        if any(not isinstance(n, Integral) or n < 1 for n in _units(self.hidden_units)) or (
            not _units(self.hidden_units)
        ):
            raise ValueError(
                "hidden_units must be a positive int or a tuple of them, one per layer; got "
                f"{self.hidden_units!r}. Use for example 32 or (64, 32)."
            )
        self._check_layers()

    def _check_layers(self):
        if self.layer_normalization and min(_units(self.hidden_units)) == 1:
            raise ValueError(
                "hidden_units must be at least 2 in every layer with layer_normalization=True, "
                "for one unit alone always normalises to 0; got "
                f"{self.hidden_units!r}. Use more units or layer_normalization=False."
            )
        if self.bidirectional and self._refuses_bidirectional is not None:
            raise ValueError(
                f"bidirectional must be False for {type(self).__name__}: "
                f"{self._refuses_bidirectional}; got True. Use Seq2SeqLSTMAutoencoder, whose "
                "bottleneck makes reading from both ends safe, or leave it out."
            )

    # -------------------------------------------------------------------------------- scoring

    @_with_docs
    def score_std(self, X, out=None):
        """Tell how far the networks of an ensemble disagree on each score.

        Parameters
        ----------
        X : {X}
        out : {out}

        Returns
        -------
        std : ndarray of shape (n_timesteps,) or (n_series,), float64
            Standard deviation, over the `n_estimators` networks, of the anomaly score that each
            would give alone: of time steps for one series, of series for a panel. 0 where nothing
            was observed. The networks score one after the other, and two arrays of this shape are
            held in memory.

        Raises
        ------
        ValueError
            If `n_estimators` is 1: one network cannot disagree with itself.
        """
        sequences = self._check(X)
        if self.n_estimators == 1:
            raise ValueError(
                "n_estimators must be at least 2 for score_std, for one network cannot disagree "
                "with itself; got 1. Fit with for example n_estimators=5."
            )
        check_out(out, sequences, of="sample")
        mean = squares = 0.0
        for i in range(self.n_estimators):
            scores = np.concatenate(list(self._member(i)._sample_scores(sequences)))
            change = scores - mean
            mean = mean + change / (i + 1)
            squares = squares + change * (scores - mean)
        return deliver(np.sqrt(squares / self.n_estimators), out)

    def _member(self, i):
        """Return a copy that has network i alone, and thresholds and scales of the ensemble."""
        member = copy.copy(self)
        member.n_estimators = 1
        member.weights_ = [w[i] for w in self.weights_]
        return member


def _units(hidden_units):
    return (hidden_units,) if isinstance(hidden_units, Integral) else tuple(hidden_units)
