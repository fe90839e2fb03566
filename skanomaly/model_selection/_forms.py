"""What label-free scorers share: reading X, and giving altered values its form again."""

import numpy as np
from sklearn.base import BaseEstimator

from skanomaly.docstrings import with_texts
from skanomaly.sequences import X_DOC, check_sequences
from skanomaly.validation import frame_adapter

__all__ = ["nest_like", "read_series", "with_docs"]


with_docs = with_texts(X=X_DOC)


def read_series(X, dtype=(np.float64, np.float32)):
    """Read X by the input contract; of two dtypes the one that it has."""
    dtype = list(dtype) if isinstance(dtype, tuple) else dtype
    return check_sequences(BaseEstimator(), X, reset=True, dtype=dtype)


def nest_like(X, sequences, parts):
    """Give other values, one array per series, the form that X came in; frames stay frames."""
    dtype = sequences.values.dtype
    if sequences.nesting == "ragged":
        return [_framed(x, part.astype(dtype)) for x, part in zip(X, parts, strict=True)]
    values = sequences.nest(np.concatenate(parts).astype(dtype))
    return _framed(X, values) if sequences.nesting == "series" else values


def _framed(x, values):
    if not hasattr(x, "columns"):
        return values
    adapter = frame_adapter(x)
    return adapter.create_container(values, x, columns=list(x.columns))
