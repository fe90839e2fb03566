"""Values far out brought nearer, in their order."""

import numpy as np

__all__ = ["soft_clip"]


def soft_clip(X, limit=6.0):
    """Leave values up to a limit as they are, and let those beyond grow by the logarithm alone.

    A value x beyond the limit becomes ``sign(x) * (limit + log(1 + abs(x) - limit))``. Single huge
    values then neither upset the windows that hold them nor drown other features, but the further
    out a value is, the more it still counts. For use in a
    :class:`~sklearn.preprocessing.FunctionTransformer`, after values were standardised.

    Parameters
    ----------
    X : array-like of float, of any shape
        Values; NaN stays.
    limit : float, default=6.0
        Up to which absolute value all stays as it is, in units of X; at least 0.

    Returns
    -------
    X_clipped : ndarray or DataFrame, shaped like X
        Of the same dtype where that is a floating one.

    Raises
    ------
    ValueError
        If `limit` is below 0 or NaN.

    See Also
    --------
    numpy.clip : Cut off at limits.
    skanomaly.make_detector : Has it after its scaler.

    Examples
    --------
    >>> import numpy as np
    >>> from skanomaly.preprocessing import soft_clip
    >>> soft_clip(np.array([-1.0, 6.0, 7.0, 1e9, np.nan])).round(1)
    array([-1. ,  6. ,  6.7, 26.7,  nan])

    As a step of a pipeline:

    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import FunctionTransformer, StandardScaler
    >>> clip = FunctionTransformer(soft_clip, feature_names_out="one-to-one")
    >>> scale = make_pipeline(StandardScaler(), clip).fit([[0.0], [2.0]])
    >>> float(scale.transform([[1001.0]]).round(2)[0, 0])
    12.9
    """
    if not limit >= 0:
        raise ValueError(
            f"limit must be at least 0; got {limit!r}. Use for example 6 for standardised values."
        )
    if not hasattr(X, "dtype") and not hasattr(X, "dtypes"):
        X = np.asarray(X)
    beyond = np.maximum(np.abs(X) - limit, 0)
    return np.clip(X, -limit, limit) + np.sign(X) * np.log1p(beyond)
