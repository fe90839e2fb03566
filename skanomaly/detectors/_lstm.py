"""What all detectors built on an LSTM network share: windows, training, reconstruction."""

import copy
import warnings
from abc import abstractmethod
from numbers import Integral, Real

import numpy as np
from sklearn.utils import check_random_state

from skanomaly.aggregation import AGGREGATIONS, aggregate, aggregated_reach
from skanomaly.detectors._base import ATTRIBUTES_DOC, THRESHOLD_DOC, BaseDetector, _with_docs
from skanomaly.exceptions import WindowSizeWarning
from skanomaly.preprocessing import suggest_window_size
from skanomaly.results import check_out, deliver
from skanomaly.sequences import split_validation
from skanomaly.validation import HasMethods, Interval, StrOptions
from skanomaly.windows import Windows

_SHORTEST_AUTO, _LONGEST_AUTO = 8, 512

__all__ = [
    "LSTM_ATTRIBUTES_DOC",
    "LSTM_PARAMETERS_DOC",
    "LSTM_REFERENCES_DOC",
    "TEACHER_FORCING_DOC",
    "TEACHER_FORCING_REFERENCE_DOC",
    "BaseLSTMDetector",
    "limit_window_size",
]

#: Parameters and attributes that every LSTM detector has, for the class docstrings.
LSTM_PARAMETERS_DOC = f"""window_size : int, "auto" or None, default=64
        Time steps per window. One longer than the shortest training series is reduced to it with
        a warning. "auto" takes what :func:`~skanomaly.preprocessing.suggest_window_size` finds in
        the training series, at most a quarter of the shortest. None takes whole series, of any
        lengths; those of about the same length are trained together.
    stride : int, default=1
        Time steps between the starts of neighbouring windows, in fit and in scoring, at most
        `window_size`; one more window is flush with the end of each series.
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
    weight_decay : float, default=0.0
        Decoupled weight decay of the optimizer; biases and layer normalisation are left out.
    noise_std : float, default=0.0
        Standard deviation of Gaussian noise added to the windows in training, in units of X; the
        network must restore the windows without it (denoising).
    n_estimators : int, default=1
        Networks that differ in their initial weights alone, trained together on the same batches
        [Lak2017]_. Each learns as if alone; errors and reconstructions are the means of theirs,
        and ``score_std`` tells how far they disagree. Losses are means over the networks, which
        early stopping stops together.
    optimizer : str or keras.optimizers.Optimizer, default="adam"
        Name or instance; an instance is copied for each fit.
    learning_rate : float or None, default=None
        None is the optimizer's own, 0.001 for "adam".
    loss : str, keras.losses.Loss or callable, default="mse"
        Keras loss of a reconstructed time step.
    max_epochs : int, default=20
        Passes over all training windows; 0 leaves the network untrained.
    batch_size : int, default=64
        Most windows per training step; all steps of an epoch take about the same number.
    max_windows_per_epoch : int or None, default=None
        Most windows per epoch, drawn anew for each, all windows equally likely; for data of which
        a part is enough to learn from. None takes all windows in every epoch.
    early_stopping : bool, default=False
        Stop when the loss on a validation part no longer improves, and keep the best weights. The
        part is the end of a series, or whole series of a panel chosen at random, and is apart from
        the training part by `window_size` steps.
    validation_fraction : float, default=0.1
        Share of the time steps, or of the series of a panel, in the validation part, in (0, 1); at
        least one window or one series.
    n_iter_no_change : int, default=5
        Epochs without improvement after which to stop.
    tol : float, default=1e-4
        Smallest decrease of the validation loss that is an improvement.
    callbacks : list of keras.callbacks.Callback or None, default=None
        Copied for each fit.
    distribution : {{"data_parallel"}} or None, default=None
        "data_parallel" divides every training batch among all local devices of JAX, and needs JAX;
        where there is one device it trains as None does. Batches hold the same windows either way,
        rows of zeros that count nothing make them even, and weights differ by rounding, unless
        noise or dropout is drawn for batches of another size. Scoring stays on one device. None
        trains on one device, whatever distribution Keras has been set to.
    aggregation : {{"mean", "median", "min", "max", "last"}}, default="mean"
        How the errors that several windows make at one time step become one; "last" takes the
        window in which the step stands latest, which with a stride of 1 looks at nothing later.
    {THRESHOLD_DOC}
    random_state : int, RandomState instance or None, default=None
        Determines initial weights, order of windows, dropout and noise.
    verbose : int, default=0
        1 shows epochs, losses and time left on standard error; 0 is silent."""

LSTM_ATTRIBUTES_DOC = f"""weights_ : list of ndarray
        Weights of the network, in the order of ``model_.get_weights()``. With `n_estimators` above
        1 each array has one more axis, the first: ``[w[i] for w in weights_]`` are those of
        network i.
    model_ : keras.Model
        A new Keras model with these weights, (batch, window_size_, n_features) to the same, of any
        number of time steps when `window_size` is None. After fitting series with gaps it takes a
        dict of two such arrays: "x", with the gaps filled, and "observed", 1 where a value was
        observed and 0 elsewhere. With `n_estimators` above 1 it returns what each network says:
        (batch, window_size_, n_estimators, n_features).
    history_ : dict of list of float
        "loss" per epoch, the mean over its training steps, and "val_loss" with early stopping.
    n_iter_ : int
        Number of epochs trained.
    window_size_ : int
        Time steps per window; the longest training series when `window_size` is None.
    {ATTRIBUTES_DOC}"""

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


class BaseLSTMDetector(BaseDetector):
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
    _causal = False  # whether the network may see nothing after the step it speaks of

    _parameter_constraints: dict = {
        **BaseDetector._parameter_constraints,
        "window_size": [Interval(Integral, 1, None, closed="left"), StrOptions({"auto"}), None],
        "stride": [Interval(Integral, 1, None, closed="left")],
        "hidden_units": [Interval(Integral, 1, None, closed="left"), tuple, list],
        "dropout": [Interval(Real, 0, 1, closed="left")],
        "recurrent_dropout": [Interval(Real, 0, 1, closed="left")],
        "layer_normalization": ["boolean"],
        "bidirectional": ["boolean"],
        "weight_decay": [Interval(Real, 0, None, closed="left")],
        "noise_std": [Interval(Real, 0, None, closed="left")],
        "n_estimators": [Interval(Integral, 1, None, closed="left")],
        "optimizer": [str, HasMethods(["get_config", "apply"])],
        "learning_rate": [Interval(Real, 0, None, closed="neither"), None],
        "loss": [str, callable],
        "max_epochs": [Interval(Integral, 0, None, closed="left")],
        "batch_size": [Interval(Integral, 1, None, closed="left")],
        "max_windows_per_epoch": [Interval(Integral, 1, None, closed="left"), None],
        "early_stopping": ["boolean"],
        "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
        "n_iter_no_change": [Interval(Integral, 1, None, closed="left")],
        "tol": [Interval(Real, 0, None, closed="left")],
        "callbacks": [list, tuple, None],
        "distribution": [StrOptions({"data_parallel"}), None],
        "aggregation": [StrOptions(set(AGGREGATIONS))],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
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

    def _scoring_network(self, window_size, masked):
        """Describe the network that scores, with the weights of the one that was trained."""
        return self._network(window_size, masked)

    def _recipe(self, gaps):
        networks, _ = _engine()
        return networks.Recipe(self.optimizer, self.loss, float(self.weight_decay), gaps)

    @property
    def model_(self):
        """Keras model with the fitted weights, made anew at each access."""
        if not hasattr(self, "weights_"):
            raise AttributeError(f"This {type(self).__name__} is not fitted yet; call fit first.")
        _, training = _engine()
        size = None if self.window_size is None else self.window_size_
        return training.build_model(self._network(size, masked=False), self.weights_)

    # -------------------------------------------------------------------------------- windows

    def _windows(self, sequences, size):
        """Cut windows for training or scoring: pieces of a size, or whole series (None)."""
        return Windows(sequences, size, min(int(self.stride), size or 1))

    def _size(self, sequences):
        """Choose the size of windows: None where whole series differ in length."""
        lengths = sequences.lengths
        if self.window_size is None and (lengths != self.window_size_).any():
            return None
        return self.window_size_

    def _fit_window_size(self, sequences):
        shortest, longest = int(sequences.lengths.min()), int(sequences.lengths.max())
        if self.window_size is None:
            return longest
        if self.window_size == "auto":
            most = max(1, min(_LONGEST_AUTO, shortest // 4))
            return suggest_window_size(
                sequences.split(), min_size=min(_SHORTEST_AUTO, most), max_size=most
            )
        return limit_window_size(self.window_size, sequences, stacklevel=6)

    # -------------------------------------------------------------------------------- fitting

    def _start(self, sequences):
        _, training = _engine()
        self._check_parameters()
        self.window_size_ = self._fit_window_size(sequences)
        self._indicator = sequences.missing
        self._seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        network = self._network(self.window_size_, masked=False)
        self._keep(training.new_state(network, self._seed))

    def _learn(self, sequences, partial):
        _, training = _engine()
        devices = training.find_devices(self.distribution)
        max_epochs = 1 if partial else int(self.max_epochs)
        if not max_epochs:
            return None
        limit = self.max_windows_per_epoch
        early_stopping, held_out, size = None, None, self._size(sequences)
        if self.early_stopping and not partial:
            sequences, held_out = split_validation(
                sequences, self.validation_fraction, self.window_size_, self._seed
            )
            early_stopping = training.EarlyStopping(
                self._windows(held_out, size), int(self.n_iter_no_change), float(self.tol)
            )
        windows = self._windows(sequences, size)
        padded = windows.padded or (early_stopping is not None and early_stopping.windows.padded)
        self._keep(
            training.train(
                training.State(self.weights_, self._optimizer_state, self.n_iter_, self.history_),
                windows,
                network=self._network(size, padded),
                recipe=self._recipe(sequences.missing),
                learning_rate=self.learning_rate,
                max_epochs=max_epochs,
                batch_size=min(int(self.batch_size), limit or len(windows), len(windows)),
                seed=self._seed,
                max_windows_per_epoch=limit,
                early_stopping=early_stopping,
                callbacks=self.callbacks or (),
                verbose=self.verbose,
                devices=devices,
            )
        )
        return held_out

    def _keep(self, state):
        # Plain arrays and numbers, so that unpickling needs no Keras.
        self.weights_ = state.weights
        self._optimizer_state = state.optimizer
        self.n_iter_ = state.n_epochs
        self.history_ = state.history

    def _check_parameters(self):
        """Check what types and ranges of single parameters cannot say."""
        if any(not isinstance(n, Integral) or n < 1 for n in _units(self.hidden_units)) or (
            not _units(self.hidden_units)
        ):
            raise ValueError(
                "hidden_units must be a positive int or a tuple of them, one per layer; got "
                f"{self.hidden_units!r}. Use for example 32 or (64, 32)."
            )
        self._check_layers()
        if isinstance(self.window_size, Integral) and self.stride > self.window_size:
            raise ValueError(
                f"stride must be at most window_size={self.window_size}, or some time steps would "
                f"be in no window; got {self.stride}. Use a smaller stride or a larger window."
            )
        for callback in self.callbacks or ():
            if not (hasattr(callback, "on_epoch_end") and hasattr(callback, "set_model")):
                raise ValueError(
                    "callbacks must be a list of keras.callbacks.Callback instances; got "
                    f"{callback!r} in it. Make an instance of a class derived from it."
                )

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

    def _reconstructions(self, windows):
        """Yield (x, reconstruction): of windows in order, or of consecutive whole series.

        The reconstructions of several networks have an axis for them, the last but one.
        """
        _, training = _engine()
        options = {"recipe": self._recipe(self._indicator), "weights": self.weights_}
        size = windows.window_size
        if size is not None:
            network = self._scoring_network(size, windows.padded)
            return training.reconstruct(windows, network=network, **options)
        exact = self.window_size_
        networks = {
            False: self._scoring_network(exact, False),
            True: self._scoring_network(None, True),
        }
        return training.reconstruct_series(windows, networks=networks, exact=exact, **options)

    def _per_step(self, sequences, say, how):
        """Yield one value per time step and feature, from what `say` makes of (x, y)."""
        windows = self._windows(sequences, self._size(sequences))
        said = (say(x, y) for x, y in self._reconstructions(windows))
        return said if windows.window_size is None else aggregate(windows, said, how)

    def _error_reach(self):
        if self.window_size is None:
            raise ValueError(
                "window_size must be a number of time steps for one series to be scored in pieces; "
                "got None, which takes it whole. Fit with a window_size, or score the series whole."
            )
        stride = min(int(self.stride), self.window_size_)
        return aggregated_reach(self.window_size_, stride, self.aggregation)

    def _errors(self, sequences, measure):
        def errors(x, said):
            if self.n_estimators == 1:
                return self._errors_of(x, said, measure)
            return self._errors_of(x[..., None, :], said, measure).mean(axis=-2)

        return self._per_step(sequences, errors, self.aggregation)

    def _expected(self, sequences):
        # No window is "the smallest reconstruction": min and max are about errors.
        how = self.aggregation if self.aggregation in ("median", "last") else "mean"

        def expected(x, said):
            y = self._reconstruction_of(x, said)
            return y if self.n_estimators == 1 else y.mean(axis=-2)

        return self._per_step(sequences, expected, how)

    # What a network says of a window is its reconstruction, unless a subclass knows better. For
    # the networks of an ensemble both have one more axis, the last but one.

    def _errors_of(self, x, said, measure):
        return measure(x - said)

    def _reconstruction_of(self, x, said):
        return said


def _engine():
    """Import Keras late: its backends are optional, and importing skanomaly must load none."""
    from skanomaly import networks, training

    return networks, training


def limit_window_size(window_size, sequences, *, stacklevel):
    """Return the window size, or the length of the shortest series and warn if that is less."""
    shortest = int(sequences.lengths.min())
    if window_size > shortest:
        warnings.warn(
            f"window_size must be at most {shortest}, the length of the shortest series; got "
            f"{window_size}, reduced to {shortest}. Use a smaller window_size, longer series, or "
            "None for whole series where the detector takes it.",
            WindowSizeWarning,
            stacklevel=stacklevel,
        )
    return min(int(window_size), shortest)


def _units(hidden_units):
    return (hidden_units,) if isinstance(hidden_units, Integral) else tuple(hidden_units)
