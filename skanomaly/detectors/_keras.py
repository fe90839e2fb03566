"""A detector whose network the user builds."""

import inspect

import numpy as np

from skanomaly.builders import Builder, builder_params, check_builder
from skanomaly.detectors._network import (
    NETWORK_ATTRIBUTES_DOC,
    NOISE_DOC,
    TRAINING_DOC,
    WINDOWS_DOC,
    BaseNetworkDetector,
    _engine,
)

__all__ = ["KerasDetector"]

_PREFIX = "build__"
_NO_DEFAULT = inspect.Parameter.empty

_NOISE_DOC = NOISE_DOC.replace(
    "biases and layer normalisation are left out.",
    'what is called "bias", "gamma" or "beta"\n        is left out.',
)


class KerasDetector(BaseNetworkDetector):
    __doc__ = f"""Detector with a network of your own, built by a function on Keras tensors.

    The function says what the network computes. Everything else is as for the other detectors:
    windows, panels, gaps, training, thresholds, searches, determinism by `random_state`.

    Parameters
    ----------
    build : callable
        ``build(x, n_features, **build_params)`` returns y. `x` is a Keras tensor of shape (batch,
        `window_size_`, n_inputs), `y` one of shape (batch, `window_size_`, n_features) made of it:
        the reconstruction of each value. n_inputs is n_features, or after fitting series with gaps
        twice that: beside the values, with gaps filled, stand 1 where a value was observed and 0
        elsewhere. The function is called several times and must build the same network, of new
        layers, each time, from its arguments alone. If it has a parameter `mask`, it is given
        a tensor (batch, `window_size_`), True where a step exists, or None where all do.
    build_params : dict or None, default=None
        Further arguments of `build`, by name. In searches and ``set_params`` each is called
        ``build__<name>``.
    causal : bool, default=False
        Whether the network forecasts: what it says of a step may depend on the steps before it
        alone. ``fit`` refuses a network that looks at the step itself or later ones, and
        gaps are filled by what came before them, with zero where nothing did.
    {WINDOWS_DOC}
    {_NOISE_DOC}
    {TRAINING_DOC}

    Attributes
    ----------
    {NETWORK_ATTRIBUTES_DOC}

    See Also
    --------
    LSTMAutoencoder, Seq2SeqLSTMAutoencoder : Networks that are there already.
    skanomaly.inspection.identity_report : Tells whether yours copies its input.

    Notes
    -----
    Results are determined by `random_state` on each backend, and differ between backends, whose own
    generators draw the initial weights. What the initializers of layers draw without a seed is
    drawn again with seeds that `random_state` gives; what a seed, a constant or a file determines
    stays. The weights of a layer of your own are found if it keeps the initializer of each as
    ``<name>_initializer``, as layers of Keras do. The states that layers update in
    training, such as the moving means of batch normalisation, are in ``weights_`` too. Python's
    global random state is left as it was.

    A series shorter than the window is padded at its end. The mask tells which steps exist;
    a function without `mask` finds the last value repeated there. Neither training nor scores see
    what the network says of those steps.

    Compiled networks are kept for the next fit. Two builders share one only if they have the same
    code, defaults, parameters, and the same values of the variables of their module and of
    enclosing functions that they name.

    There is no `n_estimators`: average detectors of several `random_state` with a
    :class:`~skanomaly.ScoreEnsemble`. To be pickled, or to be fitted in other processes, the
    function must be at the top level of a module. :meth:`save` needs it in `trusted`, and so does
    :func:`~skanomaly.persistence.load`: a file holds its name, never its code.

    Examples
    --------
    >>> import numpy as np
    >>> from skanomaly import KerasDetector
    >>> def convolutions(x, n_features, *, filters=8, kernel_size=5):
    ...     from keras import layers
    ...     same = {{"padding": "same", "activation": "relu"}}
    ...     y = layers.Conv1D(filters, kernel_size, **same)(x)
    ...     y = layers.Conv1D(2, kernel_size, **same)(y)
    ...     y = layers.Conv1D(filters, kernel_size, **same)(y)
    ...     return layers.Dense(n_features)(y)
    >>> X = np.sin(np.arange(400) / 5).reshape(-1, 1)
    >>> detector = KerasDetector(
    ...     convolutions, build_params={{"filters": 4}}, window_size=20, max_epochs=2,
    ...     random_state=0,
    ... ).fit(X)
    >>> X_test = X.copy()
    >>> X_test[200] = 4.0
    >>> int(np.argmin(detector.score_samples(X_test)))
    200
    >>> detector.get_params()["build__kernel_size"]
    5
    """

    _parameter_constraints: dict = {
        **BaseNetworkDetector._parameter_constraints,
        "build": [callable],
        "build_params": [dict, None],
        "causal": ["boolean"],
    }

    def __init__(
        self,
        build,
        *,
        build_params=None,
        causal=False,
        window_size=64,
        stride=1,
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
        self.build = build
        self.build_params = build_params
        self.causal = causal
        self.window_size = window_size
        self.stride = stride
        self.weight_decay = weight_decay
        self.noise_std = noise_std
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

    # ------------------------------------------------------------------------------ parameters

    def get_params(self, deep=True):
        """Return the parameters.

        Parameters
        ----------
        deep : bool, default=True
            Also those of `build`, as ``build__<name>``: as `build_params` has them, or by default.

        Returns
        -------
        params : dict of str to object
            By name.
        """
        params = super().get_params(deep=deep)
        if deep:
            known, _ = builder_params(self.build)
            defaults = {name: one for name, one in known.items() if one is not _NO_DEFAULT}
            given = self.build_params if isinstance(self.build_params, dict) else {}
            params |= {f"{_PREFIX}{name}": one for name, one in (defaults | given).items()}
        return params

    def set_params(self, **params):
        """Set parameters.

        Parameters
        ----------
        **params : dict
            By name; ``build__<name>`` sets one of `build_params`, in a copy of it.

        Returns
        -------
        self : object
            The detector.

        Raises
        ------
        ValueError
            If the detector or `build` has no parameter of a name.
        """
        own = {name: one for name, one in params.items() if not name.startswith(_PREFIX)}
        super().set_params(**own)
        given = {name.removeprefix(_PREFIX): one for name, one in params.items() if name not in own}
        if not given:
            return self
        known, any_name = builder_params(self.build)
        unknown = sorted(set(given) - set(known))
        if unknown and not any_name:
            raise ValueError(
                f"Parameters that start with {_PREFIX!r} must be those of build, which are "
                f"{sorted(known) or 'none'}; got {unknown}. Correct the names, or give build these "
                "parameters."
            )
        self.build_params = (self.build_params or {}) | given
        return self

    def _check_parameters(self):
        super()._check_parameters()
        check_builder(self.build, self.build_params or {})

    # --------------------------------------------------------------------------------- network

    def _network(self, window_size, masked):
        networks, _ = _engine()
        return networks.Network(
            architecture=Builder.of(self.build, self.build_params or {}),
            window_size=window_size,
            n_features=self.n_features_in_,
            options=(),
            noise_std=float(self.noise_std),
            masked=masked,
            indicator=self._indicator,
            causal=bool(self.causal),
        )

    def _start(self, sequences):
        super()._start(sequences)
        if self.causal:
            self._refuse_to_look_ahead()

    def _refuse_to_look_ahead(self):
        """Raise if what the network says of a step changes with that step or a later one."""
        size, random_state = self.window_size_, np.random.RandomState(0)
        steps = np.unique(np.linspace(0, size - 1, min(size, 7)).astype(int))
        shape = 1, size, self.n_features_in_
        x = np.repeat(random_state.normal(size=shape), len(steps) + 1, axis=0)
        for row, step in zip(x[1:], steps, strict=True):
            row[step:] = random_state.normal(size=row[step:].shape)
        said = self._say(x.astype(np.float32))
        for row, step in zip(said[1:], steps, strict=True):
            far = np.abs(row[: step + 1] - said[0, : step + 1]).max()
            if far > 1e-4 * max(1.0, np.abs(said[0]).max()):
                raise ValueError(
                    "build must make a network that forecasts with causal=True: what it says of a "
                    f"step may depend on the steps before it alone; got one that says something "
                    f"else of step {step} or before when the steps from {step} on change. Move its "
                    "input by one step, as ZeroPadding1D((1, 0)) and Cropping1D((0, 1)) do, use "
                    'padding="causal" or forward recurrences, or leave causal=False.'
                )
