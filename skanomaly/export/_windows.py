"""From windows to what a detector says of each of their values, in a graph of ONNX.

The counterparts of :mod:`skanomaly.windows`, of what :mod:`skanomaly.scoring` makes of residuals,
and of :mod:`skanomaly.aggregation`.
"""

import numpy as np

from skanomaly.export._networks import ARCHITECTURES, n_opinions

__all__ = ["middle", "observed_values", "say_of_series", "say_of_windows"]

# Windows that a network reads at once.
_TOGETHER = 256


def observed_values(graph, x):
    """Tell which values are not NaN: shape kept, bool."""
    return graph("Not", graph("IsNaN", x))


def say_of_windows(graph, x, description):
    """Tell errors and reconstruction, float64 and float32, of windows.

    x (batch, window_size, n_features), as both results. Errors of what was not observed are some
    finite number.
    """
    observed = observed_values(graph, x)
    x = _fill_gaps(graph, x, observed, description.causal)
    seen = x
    if description.indicator:
        seen = graph("Concat", x, graph.cast(observed, np.float32), axis=2)
    seen = graph("Transpose", seen, perm=[1, 0, 2])
    write = ARCHITECTURES[description.architecture]
    all_errors, reconstructions = [], []
    for layers in description.members:
        opinion = write(graph, x, seen, layers, description.options)
        all_errors.append(_errors(graph, opinion.residuals, observed, description))
        reconstructions.append(opinion.reconstruction)
    return _mean(graph, all_errors, np.float64), _mean(graph, reconstructions, np.float32)


def _mean(graph, values, dtype):
    if len(values) == 1:
        return values[0]
    return graph("Div", graph("Sum", *values), dtype(len(values)))


def _fill_gaps(graph, x, observed, causal):
    """Replace NaN as skanomaly.windows.fill_gaps does."""

    def fill(body):
        filled = _carry_forward(body, x)
        if not causal:
            filled = body.flip(_carry_forward(body, body.flip(filled, 1)), 1)
        return body("Where", body("IsNaN", filled), np.float32(0), filled)

    every = graph("ReduceMin", graph.cast(observed, np.float32), keepdims=0)
    return graph.choose(graph.cast(every, bool), lambda body: x, fill)


def _carry_forward(graph, x):
    """Replace NaN by the last value before it: from 1, 2, 4, ... steps before."""
    length = graph.size(x, 1)

    def step(body, i, values):
        x, shift = values
        pads = body("Concat", [0], body("Unsqueeze", shift, [0]), [0, 0, 0, 0], axis=0)
        before = body(
            "Slice", body("Pad", x, pads, np.float32(np.nan)), [0], body.shape(length), [1]
        )
        x = body("Where", body("IsNaN", x), before, x)
        shift = body("Add", shift, shift)
        return [x, shift, body("Less", shift, length)]

    one = graph.constant(np.int64(1))
    return graph.loop(length, [(x, np.float32), (one, np.int64)], step)[0]


def _errors(graph, residuals, observed, description):
    """Mean error over the opinions on each value: float64."""
    total = None
    for first, residual in enumerate(residuals):
        error = _measure(graph, graph.cast(residual, np.float64), observed, description)
        if first:
            steps = graph("Range", np.int64(0), graph.size(residual, 1), np.int64(1))
            exists = graph("GreaterOrEqual", graph("Unsqueeze", steps, [1]), np.int64(first))
            error = graph("Where", exists, error, np.float64(0))
        total = error if total is None else graph("Add", total, error)
    if len(residuals) == 1:
        return total
    counts = n_opinions(graph, residuals[0], len(residuals))
    return graph("Div", total, graph.cast(counts, np.float64))


def _measure(graph, residual, observed, description):
    """Turn residuals into errors as skanomaly.scoring.ErrorNorm does: float64."""
    norm = description.score_norm
    if norm in ("absolute", "gaussian"):
        residual = graph("Abs", residual)
    if description.centre is not None:
        residual = graph("Sub", residual, description.centre)
    if norm == "standardised":
        residual = graph("Div", residual, description.scale)
    if description.matrix is not None:
        residual = graph("Where", observed, residual, np.float64(0))
        residual = graph("MatMul", residual, description.matrix.T)
    error = residual if norm == "absolute" else graph("Mul", residual, residual)
    return error if description.weights is None else graph("Mul", error, description.weights)


# ---------------------------------------------------------------------------------------- series


def say_of_series(graph, x, description):
    """Tell errors and reconstruction of the steps of a series, each value from all its windows.

    x (n_timesteps, n_features), as both results, float64.
    """
    cover = _Cover(graph, graph.size(x, 0), description.window_size, description.stride)
    # Batches of the same size, and hardly more windows than there are.
    n_rounds = _quotient_up(graph, cover.n_windows, np.int64(_TOGETHER))
    together = _quotient_up(graph, cover.n_windows, n_rounds)

    def step(body, i, _):
        first = body("Mul", i, together)
        numbers = body("Range", first, body("Add", first, together), np.int64(1))
        starts = body("Unsqueeze", cover.starts(body, numbers), [1])
        offsets = body("Range", np.int64(0), cover.size, np.int64(1))
        windows = body("Gather", x, body("Add", starts, offsets))
        return [*say_of_windows(body, windows, description), None]

    collected = graph.loop(n_rounds, [], step, collected=[np.float64, np.float32])
    how = description.aggregation
    # As BaseLSTMDetector has it: no window is "the smallest reconstruction".
    ways = how, how if how in ("median", "last") else "mean"
    n_features = description.n_features
    return [
        cover.aggregate(graph("Reshape", value, [-1, n_features]), way)
        for value, way in zip(collected, ways, strict=True)
    ]


def _quotient_up(graph, a, b):
    """Divide integers and round up."""
    return graph("Div", graph("Sub", graph("Add", a, b), np.int64(1)), b)


class _Cover:
    """Which windows cover which steps of a series; all numbers are int64.

    Window i starts at step i * stride, the last one flush with the end. Of the windows that cover a
    step, the first is the one in which it stands latest.
    """

    def __init__(self, graph, length, window_size, stride):
        self._graph, self._stride = graph, np.int64(stride)
        size = graph("Identity", length)
        if window_size is not None:
            size = graph("Min", np.int64(window_size), length)
        self.size, self._length = size, length
        self._last_start = graph("Sub", length, size)
        room = _quotient_up(graph, self._last_start, self._stride)
        self.n_windows = graph("Add", room, np.int64(1))
        # As many may cover one step, the flush one included.
        most = graph("Add", _quotient_up(graph, size, self._stride), np.int64(1))
        self._most = graph("Min", most, self.n_windows)

    def starts(self, graph, numbers):
        """Tell the first steps of windows; beyond the last they are as its."""
        return graph("Min", graph("Mul", numbers, self._stride), self._last_start)

    def aggregate(self, said, how):
        """Reduce (n_windows * window_size, n) to (n_timesteps, n), float64, by an aggregation."""
        graph = self._graph

        def take(graph, places):
            return graph.cast(graph("Gather", said, places), np.float64)

        if how == "last":
            return take(graph, self._places(graph, np.int64(0))[0])
        if how == "median":
            nth = graph("Range", np.int64(0), self._most, np.int64(1))
            places, exists = self._places(graph, graph("Unsqueeze", nth, [1]))
            exists = graph("Unsqueeze", exists, [2])
            return middle(graph, take(graph, places), exists, axis=0)
        initial = {"mean": 0.0, "min": np.inf, "max": -np.inf}[how]
        operator = {"mean": "Add", "min": "Min", "max": "Max"}[how]

        def step(body, i, values):
            total, count = values
            places, exists = self._places(body, i)
            exists = body("Unsqueeze", exists, [1])
            more = body("Where", exists, take(body, places), np.float64(initial))
            count = body("Add", count, body.cast(exists, np.float64))
            return [body(operator, total, more), count, None]

        shape = graph.shape(self._length, 1)
        none = graph("Expand", np.float64(0), shape)
        start = graph("Expand", np.float64(initial), graph.shape(self._length, graph.size(said, 1)))
        carried = [(start, np.float64), (none, np.float64)]
        total, count = graph.loop(self._most, carried, step)
        return graph("Div", total, count) if how == "mean" else total

    def _places(self, graph, nth):
        """Find each step in the nth window that covers it: row, and whether there is one.

        nth is a scalar or (n, 1); both results are (n_timesteps,) or (n, n_timesteps).
        """
        steps = graph("Range", np.int64(0), self._length, np.int64(1))
        # The first window to cover step t has the number ceil((t - window_size + 1) / stride).
        before = graph("Sub", graph("Add", steps, self._stride), self.size)
        first = graph("Div", graph("Max", before, np.int64(0)), self._stride)
        window = graph("Add", first, nth)
        start = self.starts(graph, window)
        exists = graph(
            "And",
            graph("Less", window, self.n_windows),
            graph("LessOrEqual", start, steps),
        )
        row = graph("Add", graph("Mul", window, self.size), graph("Sub", steps, start))
        return graph("Where", exists, row, np.int64(0)), exists


def middle(graph, values, exists, axis):
    """Median along an axis of what exists: that axis is dropped; float64.

    exists is a bool that broadcasts to the shape of values; where nothing exists, the result is
    infinite.
    """
    values = graph("Where", exists, values, np.float64(np.inf))
    everywhere = graph("Expand", graph.cast(exists, np.int64), graph("Shape", values))
    count = graph("ReduceSum", everywhere, [axis])
    length = graph.shape(graph.size(values, axis))
    ordered, _ = graph("TopK", values, length, n_outputs=2, axis=axis, largest=0)
    below = graph("Max", graph("Sub", count, np.int64(1)), np.int64(0))
    low, high = (
        graph("GatherElements", ordered, graph("Div", place, np.int64(2)), axis=axis)
        for place in (below, count)
    )
    return graph("Squeeze", graph("Div", graph("Add", low, high), np.float64(2)), [axis])
