"""What a fitted LSTM detector is made of, read in one place: everything that a graph needs."""

from dataclasses import dataclass

import numpy as np
from sklearn.utils.validation import check_is_fitted

from skanomaly.detectors import (
    KerasDetector,
    LSTMAutoencoder,
    LSTMForecaster,
    Seq2SeqLSTMAutoencoder,
    VariationalLSTMAutoencoder,
)
from skanomaly.smoothing import Smoother

__all__ = ["Description", "describe"]

_EXPORTED = (
    LSTMAutoencoder,
    Seq2SeqLSTMAutoencoder,
    LSTMForecaster,
    VariationalLSTMAutoencoder,
)


@dataclass(frozen=True)
class Description:
    """A fitted detector in plain arrays and numbers.

    Parameters
    ----------
    architecture : str
        Name of a function in :mod:`skanomaly.architectures`.
    options : dict
        Of the architecture, and ``kl_weight`` where there is a divergence.
    members : list of dict of str to list of ndarray
        For each network the weights by the names of layers.
    indicator, causal : bool
        Whether the network reads what was observed, and whether gaps are filled by what came
        before alone.
    n_features : int
    window_size : int or None
        None where whole series are windows.
    stride : int
    aggregation, score_norm : str
    weights, centre, scale, matrix : ndarray or None
        Of the error norm.
    smoothing : dict or None
        "kind" and how many steps "before" and "after" count, and the "weights" of a mean.
    on_panel : bool
        Whether the detector was fitted on a panel.
    threshold, step_threshold, unknown_sample, unknown_step : float
        Thresholds, and the anomaly scores of what tells nothing.
    """

    architecture: str
    options: dict
    members: list
    indicator: bool
    causal: bool
    n_features: int
    window_size: int | None
    stride: int
    aggregation: str
    score_norm: str
    weights: np.ndarray | None
    centre: np.ndarray | None
    scale: np.ndarray | None
    matrix: np.ndarray | None
    smoothing: dict | None
    on_panel: bool
    threshold: float
    step_threshold: float
    unknown_sample: float
    unknown_step: float


def describe(detector):
    """Describe a fitted detector, or raise an error if it is none that can be exported."""
    if type(detector) not in _EXPORTED:
        names = ", ".join(sorted(kind.__name__ for kind in _EXPORTED))
        raise TypeError(
            f"detector must be one of {names}, or a Pipeline that ends in one; got "
            f"{type(detector).__name__}. {_remedy(detector)}"
        )
    check_is_fitted(detector)
    size = None if detector.window_size is None else int(detector.window_size_)
    network = detector._scoring_network(size, False)
    options = dict(network.options)
    if "latent_dim" in options:
        elbo = detector.score_by == "elbo"
        options["kl_weight"] = float(detector.kl_weight) if elbo else 0.0
    norm = detector._norm
    return Description(
        architecture=network.architecture.__name__,
        options=options,
        members=_members(detector),
        indicator=bool(network.indicator),
        causal=bool(network.causal),
        n_features=int(detector.n_features_in_),
        window_size=size,
        stride=min(int(detector.stride), size or 1),
        aggregation=detector.aggregation,
        score_norm=norm.name,
        weights=norm._weights,
        centre=norm._centre,
        scale=norm.scale,
        matrix=norm._matrix,
        smoothing=_smoothing(detector),
        on_panel=bool(detector._fitted_on_panel),
        threshold=float(detector.threshold_),
        step_threshold=float(detector.step_threshold_),
        unknown_sample=float(detector._unknown_sample),
        unknown_step=float(detector._unknown_step),
    )


def _remedy(detector):
    if hasattr(detector, "estimators_") or hasattr(detector, "named_estimators_"):
        return "Export the detectors that it combines, one by one, and combine their scores."
    if hasattr(detector, "estimator_"):
        return "Export its estimator_, and compare the scores with its threshold."
    if isinstance(detector, KerasDetector):
        return (
            "Its network is of your own making, of layers unknown here. Export the network alone, "
            'by detector.model_.export("network.onnx", format="onnx").'
        )
    return "Keep it in Python, or export an LSTM detector."


def _members(detector):
    """Name the weights of each network by its layers."""
    layers = {layer.name: layer.get_weights() for layer in detector.model_.layers if layer.weights}
    n_members = int(detector.n_estimators)
    if n_members == 1:
        return [layers]
    return [{name: [w[i] for w in layers[name]] for name in layers} for i in range(n_members)]


def _smoothing(detector):
    if detector.smoothing is None:
        return None
    smoother = Smoother(detector.smoothing, detector.smoothing_span, detector.smoothing_causal)
    return {
        "kind": detector.smoothing,
        "before": smoother._before,
        "after": smoother._after,
        "weights": getattr(smoother, "_weights", None),
    }
