"""The shapes that are measured, and how much of them a quick run takes."""

__all__ = [
    "GROWTH",
    "GROWTH_BASE",
    "NETWORKS",
    "SERIES",
    "growth_case",
    "name_of",
    "panel_case",
    "series_case",
    "smaller",
]

#: Panels (windows, time steps, features), hidden units, batch size: each series is one window.
NETWORKS = [
    (89, 1500, 77, 16, 32),
    (2048, 64, 8, 64, 64),
    (4096, 100, 1, 32, 128),
    (1024, 100, 38, 128, 64),
    (8192, 32, 3, 8, 32),
]

#: Series for detectors that take nothing else: time steps, features, window, hidden units, batch.
SERIES = [
    (4096, 1, 100, 32, 128),
    (4096, 38, 100, 64, 128),
]

#: A series from which one number at a time is varied. Windows start every 16 time steps.
GROWTH_BASE = {"length": 16384, "features": 8, "units": 32, "window": 64, "batch": 64}
GROWTH = {
    "length": [4096, 8192, 16384, 32768, 65536],
    "features": [2, 8, 32, 128],
    "units": [8, 16, 32, 64, 128],
    "window": [16, 32, 64, 128, 256],
    "batch": [16, 32, 64, 128, 256],
}
GROWTH_STRIDE = 16


def panel_case(shape):
    """Describe one of NETWORKS to a process of benchmarks/worker.py."""
    n_windows, n_steps, n_features, units, batch = shape
    return {
        "shape": [n_windows, n_steps, n_features],
        "window_size": n_steps,
        "hidden_units": units,
        "batch_size": batch,
    }


def series_case(shape):
    """Describe one of SERIES to a process of benchmarks/worker.py."""
    n_steps, n_features, window_size, units, batch = shape
    return {
        "shape": [n_steps, n_features],
        "window_size": window_size,
        "hidden_units": units,
        "batch_size": batch,
    }


def growth_case(axis, value):
    """Describe the base series with one number of GROWTH changed."""
    numbers = {**GROWTH_BASE, axis: value}
    shape = [numbers["length"], numbers["features"]]
    case = series_case((*shape, numbers["window"], numbers["units"], numbers["batch"]))
    return {**case, "stride": GROWTH_STRIDE}


def smaller(shape):
    """Leave an eighth of the windows or time steps, for a quick run."""
    return (shape[0] // 8, *shape[1:])


def name_of(shape):
    """Write a shape as tables name it."""
    return ", ".join(map(str, shape))
