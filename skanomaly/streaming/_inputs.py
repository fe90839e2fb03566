"""What a stream may be given."""

from numbers import Integral

import numpy as np

__all__ = ["check_step", "read_steps"]


def read_steps(x, detector, n_streams):
    """Check the steps given to a stream.

    Parameters
    ----------
    x : array-like
        As for :meth:`skanomaly.streaming.Stream.update`.
    detector : BaseDetector
        Which knows the features.
    n_streams : int
        Number of streams.

    Returns
    -------
    x : ndarray of float32, shape (n_streams, n_timesteps, n_features)
    one : bool
        Whether x was a single step, without an axis of steps.
    """
    n_features = detector.n_features_in_
    _check_names(x, detector)
    values = np.asarray(x)
    rank = values.ndim + (n_streams == 1)
    expected = (n_streams,) if n_streams > 1 else ()
    streams = values.shape[: len(expected)]
    fits = rank in (2, 3) and streams == expected and values.shape[-1] == n_features
    if not fits or not values.size:
        step, block = (*expected, n_features), (*expected, "n_timesteps", n_features)
        raise ValueError(
            f"x must be one time step of shape {_words(step)} or a block of shape {_words(block)}, "
            f"at least one step; got shape {values.shape}. Give each step the {n_features} "
            "features that the detector was fitted on."
        )
    if values.dtype.kind not in "biuf":
        values = _to_numbers(values)
    with np.errstate(over="ignore"):
        values = values.astype(np.float32)
    if np.isinf(values).any():
        raise ValueError(
            "x must not contain infinity or a value too large for float32; got "
            f"{int(np.isinf(values).sum())} of them. Replace what was not observed by NaN, clip "
            "the rest, or scale x."
        )
    return values.reshape(n_streams, -1, n_features), rank == 2


def _words(shape):
    inside = ", ".join(str(size) for size in shape)
    return f"({inside},)" if len(shape) == 1 else f"({inside})"


def _to_numbers(values):
    try:
        if values.dtype.kind != "O":
            raise TypeError(f"its dtype is {values.dtype}")
        return values.astype(np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"x must hold numbers; {error}. Drop what is text, or encode it; give NaN or None "
            "where nothing was observed."
        ) from error


def _check_names(x, detector):
    """Raise if a frame, or a row of one, has other features than those seen in fit."""
    if hasattr(x, "columns"):
        names = list(x.columns)
    elif hasattr(x, "iloc"):  # a row of a pandas frame
        names = list(x.index)
    else:
        return
    known = list(getattr(detector, "feature_names_in_", names))
    if names != known:
        raise ValueError(
            f"x must have the features {known} in this order; got {names}. Select them in this "
            "order first."
        )


def check_step(step, n_steps, n_seen, *, late, most):
    """Check the number of the first of some steps; return how many of them were there before."""
    if not isinstance(step, Integral) or isinstance(step, bool) or step < 0:
        raise ValueError(
            f"step must be a whole number, at least 0, or None; got {step!r}. Count steps from the "
            "first that the stream was given: round((time - first_time) / period)."
        )
    if step - n_seen > most:
        raise ValueError(
            f"step must be at most {n_seen + most}, max_gap={most} steps after those seen; got "
            f"{step}. Call reset() to begin anew after a long gap, or use a larger max_gap."
        )
    n_late = min(max(n_seen - int(step), 0), n_steps)
    if n_late and late == "raise":
        raise ValueError(
            f"step must be at least {n_seen}, the number of the next step, with late='raise'; got "
            f'{step}. Leave out what was there before, or use late="drop".'
        )
    return n_late
