"""The steps of a pipeline before the detector, as operators of ONNX on each value."""

import numpy as np
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    MaxAbsScaler,
    MinMaxScaler,
    RobustScaler,
    StandardScaler,
)

from skanomaly.preprocessing import SequenceTransformer, soft_clip

__all__ = ["preprocess", "split_steps"]

_REMEDY = (
    "Apply it before the graph, and export the steps after it; or use StandardScaler, "
    "MinMaxScaler, MaxAbsScaler, RobustScaler or FunctionTransformer of np.clip or soft_clip."
)


def split_steps(detector):
    """Return the detector at the end of a pipeline, and (name, fitted step) of those before."""
    if not isinstance(detector, Pipeline):
        return detector, []
    final, before = split_steps(detector.steps[-1][1])
    return final, [*_flat(detector.steps[:-1]), *before]


def _flat(steps, prefix=""):
    """Take pipelines and SequenceTransformers apart: list of (name, transformer)."""
    found = []
    for name, step in steps:
        if isinstance(step, SequenceTransformer):
            if step.per_series:
                raise _refused(
                    prefix + name, step, "with per_series=True it learns from each series anew"
                )
            found += _flat([(name, step.transformer_)], prefix)
        elif isinstance(step, Pipeline):
            found += _flat(step.steps, f"{prefix}{name}__")
        elif step is not None and step != "passthrough":
            found.append((prefix + name, step))
    return found


def preprocess(graph, x, steps):
    """Apply transformers to x (..., n_features), float64: shape and dtype kept."""
    for name, step in steps:
        write = _WRITERS.get(type(step))
        if write is None:
            raise _refused(name, step, "there is no counterpart in the graph")
        x = write(graph, x, step, name)
    return x


def _refused(name, step, reason):
    return ValueError(
        f"detector must have steps before its last that the graph can contain; got {step!r} as "
        f"step {name!r}, and {reason}. {_REMEDY}"
    )


def _standard(graph, x, step, name):
    # Means are known even where they are not taken away.
    return _shifted_and_divided(graph, x, step.mean_ if step.with_mean else None, step.scale_)


def _robust(graph, x, step, name):
    return _shifted_and_divided(
        graph,
        x,
        step.center_ if step.with_centering else None,
        step.scale_ if step.with_scaling else None,
    )


def _shifted_and_divided(graph, x, centre, scale):
    if centre is not None:
        x = graph("Sub", x, np.asarray(centre, np.float64))
    return x if scale is None else graph("Div", x, np.asarray(scale, np.float64))


def _min_max(graph, x, step, name):
    x = graph("Mul", x, np.asarray(step.scale_, np.float64))
    x = graph("Add", x, np.asarray(step.min_, np.float64))
    return _clipped(graph, x, *step.feature_range) if step.clip else x


def _max_abs(graph, x, step, name):
    x = graph("Div", x, np.asarray(step.scale_, np.float64))
    return _clipped(graph, x, -1.0, 1.0) if getattr(step, "clip", False) else x


def _function(graph, x, step, name):
    if step.func is None:
        return x
    limits = dict(step.kw_args or {})
    if step.func is soft_clip:
        return _softly_clipped(graph, x, **limits)
    low = limits.pop("a_min", limits.pop("min", None))
    high = limits.pop("a_max", limits.pop("max", None))
    if step.func is not np.clip or limits:
        raise _refused(name, step, "of functions it can contain np.clip and soft_clip alone")
    return _clipped(graph, x, low, high)


def _clipped(graph, x, low, high):
    """Cut off at limits, numbers or (n_features,); NaN stays."""
    for operator, limit in (("Less", low), ("Greater", high)):
        if limit is not None:
            limit = graph.constant(np.asarray(limit, np.float64))
            x = graph("Where", graph(operator, x, limit), limit, x)
    return x


def _softly_clipped(graph, x, limit=6.0):
    number = np.float64
    beyond = graph("Max", graph("Sub", graph("Abs", x), number(limit)), number(0))
    more = graph("Mul", graph("Sign", x), graph("Log", graph("Add", beyond, number(1))))
    return graph("Add", _clipped(graph, x, -limit, limit), more)


_WRITERS = {
    StandardScaler: _standard,
    RobustScaler: _robust,
    MinMaxScaler: _min_max,
    MaxAbsScaler: _max_abs,
    FunctionTransformer: _function,
}
