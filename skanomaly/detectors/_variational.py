"""An autoencoder whose bottleneck is a Gaussian latent."""

from dataclasses import replace
from numbers import Integral, Real

import numpy as np

from skanomaly.detectors._lstm import (
    LSTM_ATTRIBUTES_DOC,
    LSTM_PARAMETERS_DOC,
    LSTM_REFERENCES_DOC,
    TEACHER_FORCING_DOC,
    TEACHER_FORCING_REFERENCE_DOC,
    BaseLSTMDetector,
)
from skanomaly.validation import Interval, StrOptions

__all__ = ["VariationalLSTMAutoencoder"]

_LOSS_DOC = """loss : str, keras.losses.Loss or callable, default="mse"
        Keras loss of a reconstructed time step.
    """
_PARAMETERS_DOC = (
    LSTM_PARAMETERS_DOC.replace(_LOSS_DOC, "")
    .replace("weights, order of windows, dropout", "weights, order of windows, latents, dropout")
    .replace(
        "What makes a residual r an error.",
        "What makes a deviance residual r (see Notes) an error.",
    )
)


class VariationalLSTMAutoencoder(BaseLSTMDetector):
    __doc__ = f"""LSTM autoencoder with a Gaussian latent, trained on the evidence lower bound [1]_.

    The last output of the encoder gives mean and variance of a latent vector; a draw of it,
    repeated for every time step, is all that the decoder reads. What the draw blurs cannot be
    carried, so the network learns what many windows share, and copies nothing. Each value is
    Gaussian around the decoder's output, with one learned variance per feature: features that are
    hard to reconstruct weigh less, without any scaling of the errors.

    Parameters
    ----------
    latent_dim : int, default=8
        Numbers in the latent vector.
    kl_weight : float, default=1.0
        Weight of the divergence of the latent from the standard normal; 1 is the evidence lower
        bound, less lets more through the latent.
    kl_warmup : int, default=10
        Epochs over which that weight rises from 0, so that the decoder finds a use for the latent
        before the latent has a price. It depends on the number of the epoch alone, through
        ``partial_fit`` too. Early stopping watches the epochs after it, whose losses can be
        compared; without any, training runs for `max_epochs`.
    score_by : {{"elbo", "reconstruction_probability"}}, default="elbo"
        "elbo" is the negative evidence lower bound, with the latent at its mean: surprising is
        what is badly reconstructed, or reconstructed from an unusual latent.
        "reconstruction_probability" [2]_ is the mean of the negative log-likelihood over draws of
        the latent, without the divergence.
    n_samples : int, default=16
        Draws of the latent for the "reconstruction_probability", which takes as many times longer
        to decode. They are the same standard normal points for every window and every detector,
        moved and scaled by the latent of the window.
    {_PARAMETERS_DOC}

    Attributes
    ----------
    {LSTM_ATTRIBUTES_DOC}

    See Also
    --------
    Seq2SeqLSTMAutoencoder : A bottleneck without a distribution.

    Notes
    -----
    There is no `loss`: the likelihood is the loss. ``history_["loss"]`` is the negative evidence
    lower bound per observed value without its constant; it may be negative, and rises while
    `kl_warmup` lasts.

    Per value the surprise is :math:`(x - y)^2 / (2 \\sigma^2)`, in which the terms without x are
    left out as in a deviance, and for "elbo" an even share of ``kl_weight`` times the
    divergence of the window, divided by its number of steps and features, observed or not. The
    deviance residual is the residual that would be as surprising if all features had the
    geometric mean of their :math:`\\sigma`; it has the sign of :math:`x - y` and the units of X, so
    that fits can be compared. Errors are made from it: when `score_norm` is "squared",
    ``score_features`` is minus twice the surprise, times that mean squared. With a single feature
    and no divergence that is the squared residual of any other detector.

    Of `model_` the output at a step is 2 * n_features + 1 numbers: the reconstruction, the
    logarithms of :math:`\\sigma^2`, and the share of the divergence. Logarithms of variances are
    kept within -10 and 10. Draws in training come from the backend, so that results are the same
    again on each backend, but differ between backends.

    {TEACHER_FORCING_DOC}

    References
    ----------
    .. [1] D. P. Kingma and M. Welling, "Auto-encoding variational Bayes", ICLR 2014,
       arXiv:1312.6114.
    .. [2] J. An and S. Cho, "Variational autoencoder based anomaly detection using reconstruction
       probability", Special Lecture on IE 2 (1), 1-18, 2015.
    {LSTM_REFERENCES_DOC}
    {TEACHER_FORCING_REFERENCE_DOC}

    Examples
    --------
    >>> import numpy as np
    >>> from skanomaly import VariationalLSTMAutoencoder
    >>> X = np.sin(np.arange(400) / 5).reshape(-1, 1)
    >>> detector = VariationalLSTMAutoencoder(
    ...     window_size=20, hidden_units=8, latent_dim=2, max_epochs=2, random_state=0
    ... ).fit(X)
    >>> X_test = X.copy()
    >>> X_test[200] = 4.0
    >>> int(np.argmin(detector.score_samples(X_test)))
    200
    """

    _parameter_constraints: dict = {
        **BaseLSTMDetector._parameter_constraints,
        "latent_dim": [Interval(Integral, 1, None, closed="left")],
        "kl_weight": [Interval(Real, 0, None, closed="left")],
        "kl_warmup": [Interval(Integral, 0, None, closed="left")],
        "score_by": [StrOptions({"elbo", "reconstruction_probability"})],
        "n_samples": [Interval(Integral, 1, None, closed="left")],
    }

    def __init__(
        self,
        *,
        latent_dim=8,
        kl_weight=1.0,
        kl_warmup=10,
        score_by="elbo",
        n_samples=16,
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
        self.latent_dim = latent_dim
        self.kl_weight = kl_weight
        self.kl_warmup = kl_warmup
        self.score_by = score_by
        self.n_samples = n_samples

    _refuses_bidirectional = None

    def _architecture(self):
        return "variational_autoencoder", {
            "latent_dim": int(self.latent_dim),
            "n_samples": 0,
            "bidirectional": bool(self.bidirectional),
        }

    def _scoring_network(self, window_size, masked):
        network = self._network(window_size, masked)
        if self.score_by == "elbo":
            return network
        options = dict(network.options) | {"n_samples": int(self.n_samples)}
        return replace(network, options=tuple(sorted(options.items())))

    def _recipe(self, gaps):
        return replace(super()._recipe(gaps), kl=(float(self.kl_weight), int(self.kl_warmup)))

    def _errors_of(self, x, said, measure):
        return measure(_deviance_residuals(x, said, float(self.kl_weight), self.score_by))

    def _reconstruction_of(self, x, said):
        return said[..., : x.shape[-1]]


def _deviance_residuals(x, said, kl_weight, score_by):
    """Residuals as surprising as x, in its units: (..., n_features), (..., n) -> x's shape."""
    n_features = x.shape[-1]
    y, log_variance, divergence, variance = np.split(
        said, [n_features, 2 * n_features, 2 * n_features + 1], axis=-1
    )
    residual = (x - y).astype(np.float64)
    typical = log_variance.mean(axis=-1, keepdims=True)
    surprise = np.square(residual) * np.exp(typical - log_variance)
    if score_by == "reconstruction_probability":
        # The mean over draws of (x - draw)**2 is that of the mean draw plus their variance.
        surprise += variance * np.exp(typical - log_variance)
    else:
        surprise += 2 * kl_weight * np.maximum(divergence, 0.0) * np.exp(typical)
    return np.copysign(np.sqrt(surprise), residual)
