"""From errors to scores and labels in a graph of ONNX.

The counterparts of :mod:`skanomaly.smoothing` and of the public methods of a detector. Here every
array has the axes (n_series, n_timesteps, n_features).
"""

import numpy as np

from skanomaly.export._windows import middle

__all__ = ["judge"]


def judge(graph, errors, reconstruction, observed, infinite, description, *, one_series):
    """Say what the methods of the detector say.

    Parameters
    ----------
    graph : Graph
    errors, reconstruction : str
        (n_series, n_timesteps, n_features), float64.
    observed : str
        bool, of the same shape.
    infinite : str
        Which series have an infinite value, bool (n_series, 1, 1): they get NaN for scores, and
        the labels of anomalies.
    description : Description
    one_series : bool
        Whether X is one series, whose samples are time steps if those of the fit were.

    Returns
    -------
    said : dict of str to (str, dtype, int)
        By the names of methods: value, dtype, and how many of the axes it has, from the first on.
    """
    nan = np.float64(np.nan)
    if description.smoothing is not None:
        errors = _smooth(graph, errors, observed, description.smoothing)
    features = graph("Where", observed, graph("Neg", errors), nan)
    said = {
        "score_features": (graph("Where", infinite, nan, features), np.float64, 3),
        "reconstruct": (graph("Where", infinite, nan, reconstruction), np.float64, 3),
    }
    known, means = _step_scores(graph, errors, observed)
    steps = graph("Where", known, means, np.float64(description.unknown_step))
    infinite_steps = graph("Squeeze", infinite, [2])
    of_steps = _labelled(graph, steps, infinite_steps, description.step_threshold, 2)
    of_samples = of_steps
    if description.on_panel or not one_series:
        samples = _sample_scores(graph, means, known, description)
        infinite = graph("Squeeze", infinite, [1, 2])
        of_samples = _labelled(graph, samples, infinite, description.threshold, 1)
    said["score_timesteps"], _, said["predict_timesteps"] = of_steps
    said["score_samples"] = of_samples[0]
    if description.on_panel or one_series:
        _, said["decision_function"], said["predict"] = of_samples
    return said


def _labelled(graph, scores, infinite, threshold, n_axes):
    """Return score, decision and label of anomaly scores, each with its dtype and its axes."""
    scores = graph("Where", infinite, np.float64(np.nan), scores)
    flagged = graph("Or", graph("Greater", scores, np.float64(threshold)), infinite)
    return (
        (graph("Neg", scores), np.float64, n_axes),
        (graph("Sub", np.float64(threshold), scores), np.float64, n_axes),
        (graph("Where", flagged, np.int64(-1), np.int64(1)), np.int64, n_axes),
    )


def _step_scores(graph, errors, observed):
    """Mean over the features that have an error, and which steps have one: (n_series, n_steps)."""
    unusable = graph("Or", graph("IsInf", errors), graph("IsNaN", errors))
    known = graph("And", observed, graph("Not", unusable))
    count = graph("ReduceSum", graph.cast(known, np.float64), [2], keepdims=0)
    total = graph("ReduceSum", graph("Where", known, errors, np.float64(0)), [2], keepdims=0)
    scores = graph("Div", total, graph("Max", count, np.float64(1)))
    return graph("Greater", count, np.float64(0)), scores


def _sample_scores(graph, scores, known, description):
    """Mean over the steps that have a score: (n_series,)."""
    count = graph("ReduceSum", graph.cast(known, np.float64), [1], keepdims=0)
    total = graph("ReduceSum", graph("Where", known, scores, np.float64(0)), [1], keepdims=0)
    mean = graph("Div", total, graph("Max", count, np.float64(1)))
    unknown = description.unknown_sample if description.on_panel else description.unknown_step
    return graph("Where", graph("Greater", count, np.float64(0)), mean, np.float64(unknown))


# ------------------------------------------------------------------------------------- smoothing


def _smooth(graph, errors, observed, smoothing):
    """Average errors over neighbouring steps, those that were observed: shape kept."""
    if smoothing["kind"] == "median":
        return _median(graph, errors, observed, smoothing)
    filled = graph("Where", observed, errors, np.float64(0))
    total = _average(graph, filled, smoothing)
    weight = _average(graph, graph.cast(observed, np.float64), smoothing)
    return graph("Div", total, graph("Where", observed, weight, np.float64(1)))


def _average(graph, values, smoothing):
    """Sum of weighted neighbours, nothing before the first step and after the last."""
    weights = smoothing["weights"]
    padded = _padded(graph, values, len(weights) // 2, len(weights) // 2)
    length = graph.size(values, 1)
    weights = graph.constant(weights)

    def step(body, i, carried):
        stop = body.shape(body("Add", i, length))
        shifted = body("Slice", padded, body.shape(i), stop, [1])
        return [body("Add", carried[0], body("Mul", shifted, body("Gather", weights, i))), None]

    start = graph("Mul", values, np.float64(0))
    return graph.loop(graph.size(weights, 0), [(start, np.float64)], step)[0]


def _median(graph, errors, observed, smoothing):
    size = smoothing["before"] + 1 + smoothing["after"]
    ends = smoothing["before"], smoothing["after"]
    steps = graph("Range", np.int64(0), graph.size(errors, 1), np.int64(1))
    places = graph("Add", graph("Unsqueeze", steps, [1]), np.arange(size))
    errors, known = (
        graph("Gather", _padded(graph, value, *ends), places, axis=1)
        for value in (errors, graph.cast(observed, np.float64))
    )
    return middle(graph, errors, graph.cast(known, bool), axis=2)


def _padded(graph, values, before, after):
    return graph("Pad", values, [0, before, 0, 0, after, 0])
