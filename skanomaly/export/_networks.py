"""The architectures as graphs of ONNX, with the weights of one network of a detector.

Each function is the counterpart of the function of its name in :mod:`skanomaly.architectures`, on
windows that are as long as their series: there is no mask. Within networks time comes first,
(window_size, batch, n), as the LSTM of ONNX has it.
"""

from dataclasses import dataclass

import numpy as np

__all__ = ["ARCHITECTURES", "Opinion"]

# As keras.layers.LayerNormalization has it, and the ensembles of skanomaly.layers.
_EPSILON = 1e-3
# Logarithms of variances lie between minus this and this.
_LARGEST_LOG = 10.0


@dataclass(frozen=True)
class Opinion:
    """What a network says of windows x (batch, window_size, n_features).

    Parameters
    ----------
    reconstruction : str
        (batch, window_size, n_features), float32.
    residuals : list of str
        Of the same shape, each at the steps from its place in the list on: the network has one
        opinion on the first step, two on the second and so on.
    """

    reconstruction: str
    residuals: list


def sequence_autoencoder(graph, x, seen, layers, options):
    """Write Model 1: the decoder reads the encoder's output at every step."""
    sequence, _, state = _encode(graph, seen, layers, options)
    return _opinion(graph, x, _decode(graph, sequence, state, layers, options))


def bottleneck_autoencoder(graph, x, seen, layers, options):
    """Write Model 2: the decoder reads the encoder's last output."""
    _, last, state = _encode(graph, seen, layers, options)
    said = _decode(graph, _repeat(graph, last, seen), state, layers, options)
    return _opinion(graph, x, said)


def forecaster(graph, x, seen, layers, options):
    """Write the forecaster: every residual is of forecasts so many steps ahead."""
    said = _later(graph, seen, 1)
    for i in range(_depth(layers, "forecaster")):
        said, _ = _lstm(graph, said, [layers[f"forecaster_{i}"]])
        said = _normalised(graph, said, layers.get(f"forecaster_{i}_norm"))
    said = _windows_first(graph, _dense(graph, said, layers["output"]))
    horizon = options["horizon"]
    n_features = layers["output"][1].shape[0] // horizon
    forecasts, total = [], None
    for lead in range(horizon):
        columns = [lead * n_features], [(lead + 1) * n_features], [2]
        forecast = _later(graph, graph("Slice", said, *columns), lead, axis=1)
        forecasts.append(forecast)
        total = forecast if total is None else graph("Add", total, forecast)
    residuals = [graph("Sub", x, forecast) for forecast in forecasts]
    if horizon == 1:
        return Opinion(total, residuals)
    # Forecasts that a step does not have are zero.
    counts = graph.cast(n_opinions(graph, x, horizon), np.float32)
    return Opinion(graph("Div", total, counts), residuals)


def n_opinions(graph, x, most):
    """Count the opinions on each step of x (batch, window_size, n): (window_size, 1), int64."""
    steps = graph("Range", np.int64(1), graph("Add", graph.size(x, 1), np.int64(1)), np.int64(1))
    return graph("Unsqueeze", graph("Min", steps, np.int64(most)), [1])


def variational_autoencoder(graph, x, seen, layers, options):
    """Write the network with a Gaussian latent; its residuals are deviance residuals, float64."""
    _, last, _ = _encode(graph, seen, layers, options)
    mean = _dense(graph, last, layers["latent_mean"])
    log_variance = _dense(graph, last, layers["latent_log_variance"])
    log_variance = graph("Mul", graph("Tanh", graph("Div", log_variance, _32(10))), _32(10))
    (bias,) = layers["log_variance"]
    of_features = _LARGEST_LOG * np.tanh(bias.astype(np.float64) / _LARGEST_LOG)
    weights, typical = np.exp(of_features.mean() - of_features), np.exp(of_features.mean())
    n_samples = options["n_samples"]
    if n_samples:
        said, spread = _draws(graph, seen, mean, log_variance, layers, options)
        further = graph("Mul", graph.cast(spread, np.float64), weights)
    else:
        said = _windows_first(
            graph, _decode(graph, _repeat(graph, mean, seen), None, layers, options)
        )
        share = _share_of_values(graph, _divergence(graph, mean, log_variance), x, len(bias))
        further = graph("Mul", share, np.float64(2 * options["kl_weight"] * typical))
    residual = graph.cast(graph("Sub", x, said), np.float64)
    surprise = graph("Mul", graph("Mul", residual, residual), weights)
    size = graph("Sqrt", graph("Add", surprise, further))
    negative = graph("Less", residual, np.float64(0))
    return Opinion(said, [graph("Where", negative, graph("Neg", size), size)])


def _draws(graph, seen, mean, log_variance, layers, options):
    """Decode draws of the latent: mean and variance over them (batch, window_size, n_features)."""
    n_samples, latent_dim = options["n_samples"], len(layers["latent_mean"][1])
    # The points of skanomaly.architectures, the same for every window.
    points = np.random.RandomState(0).normal(size=(1, n_samples, latent_dim)).astype(np.float32)
    deviation = graph("Exp", graph("Div", log_variance, _32(2)))
    moved = graph("Mul", graph("Unsqueeze", deviation, [1]), points)
    latent = graph("Add", graph("Unsqueeze", mean, [1]), moved)
    latent = graph("Reshape", latent, [-1, latent_dim])
    said = _decode(graph, _repeat(graph, latent, seen), None, layers, options)
    n_features = layers["output"][1].shape[0]
    draws = graph("Reshape", said, [0, -1, n_samples, n_features])
    middle = graph("ReduceMean", draws, [2])
    apart = graph("Sub", draws, middle)
    spread = graph("ReduceMean", graph("Mul", apart, apart), [2], keepdims=0)
    middle = graph("Squeeze", middle, [2])
    return _windows_first(graph, middle), _windows_first(graph, spread)


def _divergence(graph, mean, log_variance):
    """Divergence of the latent from the standard normal: (batch, latent_dim) -> (batch, 1)."""
    terms = graph("Add", graph("Exp", log_variance), graph("Mul", mean, mean))
    terms = graph("Sub", terms, graph("Add", log_variance, _32(1)))
    return graph("Div", graph("ReduceSum", terms, [1]), _32(2))


def _share_of_values(graph, total, x, n_features):
    """Spread (batch, 1) over the values of a window: (batch, 1, 1), float64, never negative."""
    n_values = graph("Mul", graph.size(x, 1), np.int64(n_features))
    total = graph("Max", graph.cast(total, np.float64), np.float64(0))
    share = graph("Div", total, graph.cast(n_values, np.float64))
    return graph("Unsqueeze", share, [2])


def _opinion(graph, x, said):
    said = _windows_first(graph, said)
    return Opinion(said, [graph("Sub", x, said)])


def _windows_first(graph, said):
    return graph("Transpose", said, perm=[1, 0, 2])


# ---------------------------------------------------------------------------------------- layers


def _encode(graph, sequence, layers, options):
    """Return the outputs of the last layer, the last of them (batch, n), and its states h, c."""
    for i in range(_depth(layers, "encoder")):
        directions = [layers[f"encoder_{i}"]]
        if options.get("bidirectional"):
            directions.append(layers[f"encoder_{i}_backward"])
        sequence, state = _lstm(graph, sequence, directions)
        scale = layers.get(f"encoder_{i}_norm")
        sequence, last = _normalised(graph, sequence, scale), state[0]
    return sequence, _normalised(graph, last, scale), state


def _decode(graph, sequence, state, layers, options):
    """(window_size, batch, n) -> (window_size, batch, n_features)."""
    for i in range(_depth(layers, "decoder")):
        sequence, _ = _lstm(graph, sequence, [layers[f"decoder_{i}"]], state if i == 0 else None)
        sequence = _normalised(graph, sequence, layers.get(f"decoder_{i}_norm"))
    if options.get("reverse_decoding"):
        sequence = graph.flip(sequence, 0)
    return _dense(graph, sequence, layers["output"])


def _depth(layers, name):
    """Count the LSTM layers of a stack."""
    return sum(f"{name}_{i}" in layers for i in range(len(layers)))


def _lstm(graph, x, directions, state=None):
    """Run an LSTM; directions beyond the first read from the end.

    Returns outputs (window_size, batch, n) and states h and c (batch, n), those of two directions
    side by side.
    """
    kernels, recurrents, biases = (
        np.stack([_gates(weights[i]) for weights in directions]) for i in range(3)
    )
    # ONNX has a second bias, of the recurrence.
    biases = np.concatenate([biases, np.zeros_like(biases)], axis=1)
    start = [graph("Unsqueeze", value, [0]) for value in state] if state else [None, None]
    outputs, h, c = graph(
        "LSTM",
        *(x, kernels, recurrents, biases, None, *start),
        n_outputs=3,
        hidden_size=recurrents.shape[2],
        direction="forward" if len(directions) == 1 else "bidirectional",
    )
    if len(directions) == 1:
        states = [graph("Squeeze", value, [0]) for value in (h, c)]
        return graph("Squeeze", outputs, [1]), states
    states = [
        graph("Reshape", graph("Transpose", value, perm=[1, 0, 2]), [0, -1]) for value in (h, c)
    ]
    outputs = graph("Transpose", outputs, perm=[0, 2, 1, 3])
    return graph("Reshape", outputs, [0, 0, -1]), states


def _gates(weight):
    """Reorder the gates of Keras, input, forget, cell, output, and put them first.

    (n_inputs, 4 * units) -> (4 * units, n_inputs) in the order of ONNX: input, output, forget,
    cell.
    """
    i, f, c, o = np.split(weight.T, 4)
    return np.concatenate([i, o, f, c])


def _dense(graph, x, weights):
    kernel, bias = weights
    return graph("Add", graph("MatMul", x, kernel), bias)


def _normalised(graph, x, scale):
    if scale is None:
        return x
    return graph("LayerNormalization", x, *scale, axis=-1, epsilon=_EPSILON)


def _repeat(graph, code, seen):
    """(batch, n) -> (window_size, batch, n), as long as seen."""
    shape = graph.shape(graph.size(seen, 0), 1, 1)
    return graph("Expand", graph("Unsqueeze", code, [0]), shape)


def _later(graph, x, n_steps, axis=0):
    """Move (..., n) by some steps along the axis of time, zeros before them: shape kept."""
    if not n_steps:
        return x
    before = [n_steps if i == axis else 0 for i in range(3)]
    padded = graph("Pad", x, [*before, 0, 0, 0])
    return graph("Slice", padded, [0], graph.shape(graph.size(x, axis)), [axis])


def _32(value):
    return np.float32(value)


#: Functions (graph, x, seen, layers, options) -> Opinion by the names of what they write: x (batch,
#: window_size, n_features) with gaps filled, seen (window_size, batch, n_inputs), layers a dict of
#: lists of weights by the names of layers, options a dict.
ARCHITECTURES = {
    function.__name__: function
    for function in (
        sequence_autoencoder,
        bottleneck_autoencoder,
        forecaster,
        variational_autoencoder,
    )
}
