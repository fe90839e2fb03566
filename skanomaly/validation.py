"""Parameter validation; the only module that imports private names of scikit-learn."""

from functools import wraps

import numpy as np
from sklearn.base import _fit_context as fit_context
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions
from sklearn.utils._param_validation import validate_params as validate_params
from sklearn.utils._set_output import _get_adapter_from_container as frame_adapter
from sklearn.utils._set_output import _wrap_data_with_container as wrap_in_frame
from sklearn.utils.metaestimators import _BaseComposition as BaseComposition

__all__ = [
    "BaseComposition",
    "HasMethods",
    "Interval",
    "StrOptions",
    "fit_context",
    "frame_adapter",
    "set_output_for_series",
    "validate_params",
    "wrap_in_frame",
]


def set_output_for_series(cls):
    """Let ``set_output`` act on what a transformer returns for a single series, and only on that.

    Class decorator. scikit-learn wraps every result of ``transform`` and ``fit_transform``, and
    fails on panels and lists, which no frame can hold. This takes its wrapper off and puts on one
    that leaves all but arrays of shape (n_timesteps, n_features) alone.
    """
    for name in ("transform", "fit_transform"):
        setattr(cls, name, _wrap_series(getattr(cls, name).__wrapped__))
    return cls


def _wrap_series(method):
    @wraps(method)
    def wrapped(self, X, *args, **kwargs):
        result = method(self, X, *args, **kwargs)
        if isinstance(result, np.ndarray) and result.ndim == 2:
            return wrap_in_frame("transform", result, X, self)
        return result

    return wrapped
