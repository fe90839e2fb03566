"""What all detectors with a network share: windows, training, reconstruction."""

import warnings
from abc import abstractmethod
from numbers import Integral, Real

import numpy as np
from sklearn.utils import check_random_state

from skanomaly.aggregation import AGGREGATIONS, aggregate, aggregated_reach
from skanomaly.detectors._base import ATTRIBUTES_DOC, THRESHOLD_DOC, BaseDetector
from skanomaly.exceptions import WindowSizeWarning
from skanomaly.preprocessing import suggest_window_size
from skanomaly.sequences import split_validation
from skanomaly.validation import HasMethods, Interval, StrOptions
from skanomaly.windows import Windows

_SHORTEST_AUTO, _LONGEST_AUTO = 8, 512

__all__ = [
    "NETWORK_ATTRIBUTES_DOC",
    "NOISE_DOC",
    "TRAINING_DOC",
    "WINDOWS_DOC",
    "BaseNetworkDetector",
    "limit_window_size",
]

#: Parameters and attributes of all detectors with a network, for the class docstrings.
WINDOWS_DOC = """window_size : int, "auto" or None, default=64
        Time steps per window. One longer than the shortest training series is reduced to it with
        a warning. "auto" takes what :func:`~skanomaly.preprocessing.suggest_window_size` finds in
        the training series, at most a quarter of the shortest. None takes whole series, of any
        lengths; those of about the same length are trained together.
    stride : int, default=1
        Time steps between the starts of neighbouring windows, in fit and in scoring, at most
        `window_size`; one more window is flush with the end of each series."""

NOISE_DOC = """weight_decay : float, default=0.0
        Decoupled weight decay of the optimizer; biases and layer normalisation are left out.
    noise_std : float, default=0.0
        Standard deviation of Gaussian noise added to the windows in training, in units of X; the
        network must restore the windows without it (denoising)."""

TRAINING_DOC = f"""optimizer : str or keras.optimizers.Optimizer, default="adam"
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

NETWORK_ATTRIBUTES_DOC = f"""weights_ : list of ndarray
        Weights of the network, in the order of ``model_.get_weights()``.
    model_ : keras.Model
        A new Keras model with these weights, (batch, window_size_, n_features) to the same, of any
        number of time steps when `window_size` is None. After fitting series with gaps it takes a
        dict of two such arrays: "x", with the gaps filled, and "observed", 1 where a value was
        observed and 0 elsewhere.
    history_ : dict of list of float
        "loss" per epoch, the mean over its training steps, and "val_loss" with early stopping.
    n_iter_ : int
        Number of epochs trained.
    window_size_ : int
        Time steps per window; the longest training series when `window_size` is None.
    {ATTRIBUTES_DOC}"""


class BaseNetworkDetector(BaseDetector):
    """Base of the detectors with a network; a subclass describes it in ``_network``.

    Examples
    --------
    It tells detectors that need a backend of Keras from those that do not:

    >>> from skanomaly import KerasDetector, LinearForecaster, LSTMAutoencoder
    >>> from skanomaly.detectors import BaseNetworkDetector
    >>> detectors = KerasDetector, LSTMAutoencoder, LinearForecaster
    >>> [issubclass(detector, BaseNetworkDetector) for detector in detectors]
    [True, True, False]
    """

    _causal = False  # whether the network may see nothing after the step it speaks of
    _n_networks = 1  # how many speak side by side

    _parameter_constraints: dict = {
        **BaseDetector._parameter_constraints,
        "window_size": [Interval(Integral, 1, None, closed="left"), StrOptions({"auto"}), None],
        "stride": [Interval(Integral, 1, None, closed="left")],
        "weight_decay": [Interval(Real, 0, None, closed="left")],
        "noise_std": [Interval(Real, 0, None, closed="left")],
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

    # ------------------------------------------------------------------------------- networks

    @abstractmethod
    def _network(self, window_size, masked):
        """Describe the network that reads windows of a size, as skanomaly.networks.Network."""

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

    def _say(self, windows):
        """Return what the network says of a few windows (n, window_size_, n_features)."""
        _, training = _engine()
        return training.say(
            windows,
            network=self._scoring_network(self.window_size_, False),
            recipe=self._recipe(self._indicator),
            weights=self.weights_,
        )

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

    # -------------------------------------------------------------------------------- scoring

    def _reconstructions(self, windows, averaged=False):
        """Yield (x, reconstruction, errors): of windows in order, or of consecutive whole series.

        The reconstructions of several networks have an axis for them, the last but one. Errors are
        averaged over the features, None if the network does not make them.
        """
        _, training = _engine()
        options = {"recipe": self._recipe(self._indicator), "weights": self.weights_}
        size = windows.window_size
        if size is not None:
            network = self._scoring_network(size, windows.padded)
            return training.reconstruct(windows, network=network, averaged=averaged, **options)
        exact = self.window_size_
        networks = {
            False: self._scoring_network(exact, False),
            True: self._scoring_network(None, True),
        }
        return training.reconstruct_series(windows, networks=networks, exact=exact, **options)

    def _per_step(self, sequences, say, how, averaged=False):
        """Yield values of time steps from what `say` makes of (x, reconstruction, errors)."""
        windows = self._windows(sequences, self._size(sequences))
        said = (say(*spoken) for spoken in self._reconstructions(windows, averaged))
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
        def errors(x, said, averages):
            return self._measured(x, said, measure)

        return self._per_step(sequences, errors, self.aggregation)

    def _measured(self, x, said, measure):
        if self._n_networks == 1:
            return self._errors_of(x, said, measure)
        return self._errors_of(x[..., None, :], said, measure).mean(axis=-2)

    def _errors_to_average(self, sequences, show=None):
        linear = self.smoothing is None and self.aggregation in ("mean", "last")
        if not (linear and self._norm.is_square):
            yield from super()._errors_to_average(sequences, show)
            return
        n = sequences.n_features

        def errors(x, said, averages):
            if averages is None:
                return self._measured(x, said, self._norm)
            averages = averages[..., None]
            if show is None:
                return averages
            return np.concatenate([self._measured(x, said, self._norm), averages], axis=-1)

        for block in self._per_step(sequences, errors, self.aggregation, averaged=show is None):
            if show is not None:
                show(block[:, :n])
            yield block[:, n:] if block.shape[1] > n else block

    def _expected(self, sequences):
        # No window is "the smallest reconstruction": min and max are about errors.
        how = self.aggregation if self.aggregation in ("median", "last") else "mean"

        def expected(x, said, averages):
            y = self._reconstruction_of(x, said)
            return y if self._n_networks == 1 else y.mean(axis=-2)

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
