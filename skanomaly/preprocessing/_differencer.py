"""Differences along time that keep the length of every series and can be undone."""

from copy import copy
from numbers import Integral

import numpy as np
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from skanomaly.sequences import check_sequences
from skanomaly.validation import Interval, StrOptions, fit_context, set_output_for_series

__all__ = ["Differencer"]

_DTYPES = [np.float64, np.float32]


@set_output_for_series
class Differencer(OneToOneFeatureMixin, TransformerMixin, BaseEstimator):
    """Replace every value by its difference from the value ``lag`` time steps before.

    The output has the shape and nesting of X, so that it still matches y, labels and time axes.
    The first ``lag * order`` time steps of each series have no such difference and are filled
    as ``fill`` says. No difference crosses from one series into the next.

    Parameters
    ----------
    lag : int, default=1
        Distance of the two values in time steps, at least 1. The length of a season removes
        that season.
    order : int, default=1
        How many times to take differences, at least 1.
    fill : {"zero", "first", "keep"}, default="zero"
        What the first ``lag * order`` time steps of each series become.

        - ``"zero"``: 0.
        - ``"first"``: the first difference that exists, or 0 where the series has at most
          ``lag * order`` time steps.
        - ``"keep"``: differences of a series preceded by zeros: each pass leaves the first
          ``lag`` values as they are. The output is on the scale of X there, which an anomaly
          detector may notice; in return, ``inverse_transform`` needs nothing else.

    Attributes
    ----------
    initial_values_ : list of ndarray of shape (min(lag * order, n_timesteps_i), n_features)
        The first time steps of each series seen in ``fit``.
    n_timesteps_ : ndarray of shape (n_series,), dtype=int64
        The length of each series seen in ``fit``.
    n_features_in_ : int
        Number of features seen in ``fit``.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the features seen in ``fit``, if X had names that are all strings.

    See Also
    --------
    SequenceTransformer : Apply any transformer of scikit-learn to series.

    Notes
    -----
    float32 stays float32; everything else is computed and returned as float64.

    :meth:`set_output` applies to a single series. Its containers have two dimensions, so that
    panels come back as arrays, and lists as lists of arrays, whatever was set.

    Examples
    --------
    >>> import numpy as np
    >>> from skanomaly.preprocessing import Differencer
    >>> X = np.array([[1.0], [4.0], [9.0], [16.0]])
    >>> differencer = Differencer().fit(X)
    >>> differencer.transform(X).ravel()
    array([0., 3., 5., 7.])
    >>> differencer.inverse_transform(differencer.transform(X)).ravel()
    array([ 1.,  4.,  9., 16.])

    Series of a list are treated one by one:

    >>> [x.ravel() for x in Differencer(fill="first").fit_transform([X, X[:2] + 50])]
    [array([3., 3., 5., 7.]), array([3., 3.])]
    """

    _parameter_constraints = {
        "lag": [Interval(Integral, 1, None, closed="left")],
        "order": [Interval(Integral, 1, None, closed="left")],
        "fill": [StrOptions({"zero", "first", "keep"})],
    }

    def __init__(self, *, lag=1, order=1, fill="zero"):
        self.lag = lag
        self.order = order
        self.fill = fill

    @fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y=None):
        """Memorise the first time steps of each series, for :meth:`inverse_transform`.

        Parameters
        ----------
        X : array-like of shape (n_timesteps, n_features), (n_series, n_timesteps, n_features), \
or list of (n_timesteps_i, n_features)
            One series with rows in time order (array, pandas or polars frame), a panel of series
            of equal length, or a list of series of any lengths. Finite numbers only.
        y : object, default=None
            Ignored; there by convention.

        Returns
        -------
        self : Differencer
            The fitted transformer.

        Raises
        ------
        ValueError
            If a parameter is out of its range, or X is not as described.
        """
        sequences = check_sequences(self, X, reset=True, dtype=_DTYPES)
        self.n_timesteps_ = sequences.lengths
        self.initial_values_ = [part[: self._n_filled].copy() for part in sequences.split()]
        return self

    def transform(self, X):
        """Take differences within each series.

        Parameters
        ----------
        X : array-like of shape (n_timesteps, n_features), (n_series, n_timesteps, n_features), \
or list of (n_timesteps_i, n_features)
            As in :meth:`fit`, with the same features. Series may have any length.

        Returns
        -------
        X_new : ndarray, frame or list of ndarray, of the shape of X
            The differences, float32 if X is, else float64. A frame only for a single series, and
            only if :meth:`set_output` asks for one.

        Raises
        ------
        ValueError
            If X is not as described.
        """
        check_is_fitted(self)
        sequences = check_sequences(self, X, reset=False, dtype=_DTYPES)
        if sequences.nesting == "ragged":
            return [_difference(x, self.lag, self.order, self.fill) for x in sequences.split()]
        x = sequences.nest(sequences.values)
        return _difference(x, self.lag, self.order, self.fill)

    def inverse_transform(self, X, initial=None):
        """Add the differences up again.

        Sums are computed in float64. They give back exactly what went into :meth:`transform`
        where the differences were exact, as for integers; otherwise up to rounding errors of
        the differences, which add up along the series (``order`` times).

        Parameters
        ----------
        X : array-like of shape (n_timesteps, n_features), (n_series, n_timesteps, n_features), \
or list of (n_timesteps_i, n_features)
            Differences, as :meth:`transform` returns them. Unless ``fill="keep"``, their first
            ``lag * order`` time steps are not read. Columns are taken in their order, whatever
            their names.
        initial : array-like or list of array-like, default=None
            The first ``lag * order`` time steps (all, of a shorter series) of each series before
            :meth:`transform`, nested like X. None takes those seen in :meth:`fit`, which must
            then have been the same series. Not allowed with ``fill="keep"``.

        Returns
        -------
        X_original : ndarray or list of ndarray, of the shape of X
            The series before :meth:`transform`, float32 if X is, else float64.

        Raises
        ------
        ValueError
            If ``initial`` is needed and missing, given and not needed, or does not match X, or
            if X is not as described.

        Examples
        --------
        Other series than those of ``fit`` need the time steps that they start from:

        >>> import numpy as np
        >>> from skanomaly.preprocessing import Differencer
        >>> differencer = Differencer().fit(np.zeros((5, 1)))
        >>> X = np.array([[3.0], [5.0], [4.0]])
        >>> differencer.inverse_transform(differencer.transform(X), initial=X[:1]).ravel()
        array([3., 5., 4.])
        """
        check_is_fitted(self)
        sequences = self._check_inverse(X, "X")
        initial = self._check_initial(sequences, initial)
        restored = sequences.values.copy()
        for i, part in enumerate(sequences.split(restored)):
            steps = part.astype(np.float64, copy=False)
            if initial is not None:
                start = initial[i].astype(np.float64, copy=False)
                steps[: len(start)] = _difference(start, self.lag, self.order, "keep")
            for _ in range(self.order):
                _accumulate(steps, self.lag)
            if steps is not part:
                part[:] = steps
        return sequences.nest(restored)

    @property
    def _n_filled(self):
        return self.lag * self.order

    def _check_initial(self, sequences, initial):
        """Return the time steps that the series start from, one array per series, or None."""
        if self.fill == "keep":
            if initial is not None:
                raise ValueError(
                    "initial must be None with fill='keep', which keeps those time steps in X; got "
                    f"{type(initial).__name__}. Leave initial out."
                )
            return None
        if initial is None:
            self._refuse_other_series(sequences.lengths)
            return self.initial_values_
        given = self._check_inverse(initial, "initial")
        needed = np.minimum(sequences.lengths, self._n_filled)
        if given.n_series != sequences.n_series:
            raise ValueError(
                f"initial must be nested like X, which has {sequences.n_series} series; got "
                f"{given.n_series}. Give the first time steps of every series."
            )
        wrong = np.flatnonzero(given.lengths != needed)
        if len(wrong):
            raise ValueError(
                f"initial must hold the first {needed[wrong[0]]} time steps of series {wrong[0]} "
                f"(lag * order = {self._n_filled}, or all of a shorter series); got "
                f"{given.lengths[wrong[0]]}. Cut each with x[:{self._n_filled}]."
            )
        return given.split()

    def _check_inverse(self, X, name):
        """Validate X or initial. Names are not compared: transform returns arrays by default."""
        try:
            sequences = check_sequences(copy(self), X, reset=True, dtype=_DTYPES)
        except ValueError as error:
            if name == "X":
                raise
            raise ValueError(f"{name} must be data like X, for which holds: {error}") from error
        if sequences.n_features != self.n_features_in_:
            raise ValueError(
                f"{name} must have {self.n_features_in_} feature(s), as X had in fit; got "
                f"{sequences.n_features}. Give the same columns in the same order."
            )
        return sequences

    def _refuse_other_series(self, lengths):
        """Raise unless the series have the lengths of those seen in fit."""
        if np.array_equal(lengths, self.n_timesteps_):
            return
        if len(lengths) != len(self.n_timesteps_):
            expected, received = f"{len(self.n_timesteps_)} series", f"{len(lengths)}"
        else:
            i = np.flatnonzero(lengths != self.n_timesteps_)[0]
            expected = f"{self.n_timesteps_[i]} time steps in series {i}"
            received = str(lengths[i])
        raise ValueError(
            f"initial must be given unless X has as many series of the same lengths as in fit, "
            f"that is {expected}; got {received}. Pass initial, the first {self._n_filled} time "
            "steps of each series before transform, or use fill='keep', which needs none."
        )

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


def _difference(steps, lag, order, fill):
    """(..., n_timesteps, n_features) -> differences along time, of the same shape."""
    for _ in range(order):
        passed, steps = steps, np.empty(steps.shape, steps.dtype)
        steps[..., :lag, :] = passed[..., :lag, :]
        np.subtract(passed[..., lag:, :], passed[..., :-lag, :], out=steps[..., lag:, :])
    n_filled = lag * order
    if fill == "first" and steps.shape[-2] > n_filled:
        steps[..., :n_filled, :] = steps[..., n_filled : n_filled + 1, :]
    elif fill != "keep":
        steps[..., :n_filled, :] = 0
    return steps


def _accumulate(steps, lag):
    """Undo one pass of differences with fill="keep" in place; (n_timesteps, n_features)."""
    n_timesteps, n_features = steps.shape
    n_whole = n_timesteps // lag * lag
    rows = steps[:n_whole].reshape(n_timesteps // lag, lag * n_features)
    np.add.accumulate(rows, axis=0, out=rows)
    if lag <= n_whole < n_timesteps:
        steps[n_whole:] += steps[n_whole - lag : n_timesteps - lag]
