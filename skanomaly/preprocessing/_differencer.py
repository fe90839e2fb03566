"""Differences along time that keep the length of every series and can be undone."""

from copy import copy
from numbers import Integral

import numpy as np
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from skanomaly.sequences import check_sequences
from skanomaly.validation import Interval, StrOptions, fit_context, set_output_for_series
from skanomaly.windows import Reach, carry_forward

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
        - ``"first"``: the first difference of the feature that exists, or 0 where none does, as
          where the series has at most ``lag * order`` time steps.
        - ``"keep"``: differences of a series preceded by zeros: each pass leaves the first
          ``lag`` values as they are (of every ``lag``-th time step the first observed one). The
          output is on the scale of X there, which an anomaly detector may notice; in return,
          ``inverse_transform`` needs nothing else.

    Attributes
    ----------
    initial_values_ : list of ndarray of shape (min(lag * order, n_timesteps_i), n_features)
        The first time steps of each series seen in ``fit``, without gaps; see Notes. NaN only
        where no value ``lag``, ``2 * lag``, and so on time steps later was observed either.
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

    NaN means not observed, and stays NaN there and nowhere else. The difference of an observed
    value is taken from the last observed one ``lag``, ``2 * lag``, and so on time steps before
    it, in each of ``order`` passes: the difference after a gap is that over the whole gap. Among
    the first ``lag * order`` time steps alone, an unobserved value counts as the last observed
    one before it at these distances, or else as the first after it, so that the first difference
    after a gap at the start is 0. With ``fill="keep"`` it does not count; the first observed
    value stays as it is instead.

    ``set_output`` applies to a single series. Its containers have two dimensions, so that
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

    What was not observed costs no more than itself:

    >>> X[[0, 2]] = np.nan
    >>> differencer.fit_transform(X).ravel()
    array([nan,  0., nan, 12.])
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
            of equal length, or a list of series of any lengths. Numbers only; NaN means not
            observed.
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
        starts = [part[: self._n_filled].copy() for part in sequences.split()]
        if sequences.missing:
            starts = [_fill_start(part, self.lag, self.order) for part in sequences.split()]
        self.initial_values_ = starts
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
            The differences, float32 if X is, else float64; NaN where X is NaN. A frame only for a
            single series, and only if ``set_output`` asks for one.

        Raises
        ------
        ValueError
            If X is not as described.
        """
        check_is_fitted(self)
        sequences = check_sequences(self, X, reset=False, dtype=_DTYPES)
        how = self.lag, self.order, self.fill, sequences.missing
        if sequences.nesting == "ragged":
            return [_difference(x, *how) for x in sequences.split()]
        return _difference(sequences.nest(sequences.values), *how)

    def inverse_transform(self, X, initial=None):
        """Add the differences up again.

        Sums are computed in float64. They give back exactly what went into :meth:`transform`
        where the differences were exact, as for integers; otherwise up to rounding errors of
        the differences, which add up along the series (``order`` times). NaN adds nothing and
        stays NaN.

        Parameters
        ----------
        X : array-like of shape (n_timesteps, n_features), (n_series, n_timesteps, n_features), \
or list of (n_timesteps_i, n_features)
            Differences, as :meth:`transform` returns them. Unless ``fill="keep"``, their first
            ``lag * order`` time steps are not read, but for where they are NaN. Columns are taken
            in their order, whatever their names.
        initial : array-like or list of array-like, default=None
            The first ``lag * order`` time steps (all, of a shorter series) of each series before
            :meth:`transform`, nested like X. NaN among them counts as another of them ``lag``,
            ``2 * lag``, and so on time steps away, as in :meth:`fit`. Where all of these are NaN,
            put the first value observed there later, if any. None takes those seen in
            :meth:`fit`, which must then have been the same series. Not allowed with
            ``fill="keep"``.

        Returns
        -------
        X_original : ndarray or list of ndarray, of the shape of X
            The series before :meth:`transform`, float32 if X is, else float64; NaN where X is NaN.

        Raises
        ------
        ValueError
            If ``initial`` is needed and missing, given and not needed, does not match X, or has
            no observed value to start from, or if X is not as described.

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
            gaps = np.isnan(steps) if sequences.missing else None
            for _ in range(self.order):
                if gaps is not None:
                    steps[gaps] = 0
                _accumulate(steps, self.lag)
            if steps is not part:
                part[:] = steps
        if sequences.missing:
            restored[np.isnan(sequences.values)] = np.nan
        return sequences.nest(restored)

    def _reach(self):
        """Tell how far a difference depends on other time steps."""
        if self.fill == "first":
            raise ValueError(
                "fill must be 'zero' or 'keep' for one series to be differenced in pieces; got "
                "'first', which waits for the first difference, however late it comes. Change "
                "fill, or take differences of the whole series beforehand."
            )
        lag, opened = int(self.lag), self.fill != "keep"
        return Reach(align=lag, carried=int(self.order), lag=lag, opened=opened)

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
            self._refuse_unknown_starts(sequences, self.initial_values_)
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
        if not given.missing:
            return given.split()
        starts = [_fill_start(part, self.lag, self.order) for part in given.split()]
        self._refuse_unknown_starts(sequences, starts)
        return starts

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

    def _refuse_unknown_starts(self, sequences, starts):
        """Raise where values are to be restored and the filled start of their chain is NaN."""
        if not np.isnan(np.concatenate(starts)).any():
            return
        for i, (part, start) in enumerate(zip(sequences.split(), starts, strict=True)):
            chains = _by_chain(part, self.lag)
            observed = ~np.isnan(chains).all(axis=0).reshape(-1, part.shape[1])
            unknown = np.argwhere(observed & np.isnan(start[: len(observed)]))
            if len(unknown):
                step, feature = unknown[0]
                raise ValueError(
                    "initial must tell where each feature starts; got only NaN in series "
                    f"{i}, feature {feature}, at time step {step} and every {self.lag} after it, "
                    "though X has values there. Put in the first value observed at these time "
                    "steps before transform, as initial_values_ has it after a fit on the series."
                )

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.three_d_array = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


# A chain is what differences link: the values of a feature at every lag-th time step of a series.


def _difference(steps, lag, order, fill, missing=False):
    """(..., n_timesteps, n_features) -> differences along time, of the same shape."""
    n_filled = lag * order
    gaps = np.isnan(steps) if missing else None
    if missing and fill != "keep":
        steps = steps.copy()
        steps[..., :n_filled, :] = _fill_start(steps, lag, order)
    for _ in range(order):
        passed, steps = steps, np.empty(steps.shape, steps.dtype)
        known = _last_observed(passed, lag) if missing else passed
        steps[..., :lag, :] = passed[..., :lag, :]
        np.subtract(passed[..., lag:, :], known[..., :-lag, :], out=steps[..., lag:, :])
    if fill == "first" and steps.shape[-2] > n_filled:
        later = steps[..., n_filled:, :]
        steps[..., :n_filled, :] = _first_observed(later, none=0) if missing else later[..., :1, :]
    elif fill != "keep":
        steps[..., :n_filled, :] = 0
    if missing:
        steps[gaps] = np.nan
    return steps


def _accumulate(steps, lag):
    """Undo one pass of differences with fill="keep" in place; (n_timesteps, n_features)."""
    n_timesteps, n_features = steps.shape
    n_whole = n_timesteps // lag * lag
    rows = steps[:n_whole].reshape(n_timesteps // lag, lag * n_features)
    np.add.accumulate(rows, axis=0, out=rows)
    if lag <= n_whole < n_timesteps:
        steps[n_whole:] += steps[n_whole - lag : n_timesteps - lag]


def _fill_start(x, lag, order):
    """(..., n_timesteps, n_features) -> the first lag * order of the time steps, gaps filled."""
    chains = _by_chain(x, lag)
    start = carry_forward(chains[..., :order, :])
    start = np.where(np.isnan(start), _first_observed(chains), start)
    return _by_time(start, x)[..., : lag * order, :]


def _last_observed(x, lag):
    """Replace NaN by the last value before it in its chain, 0 where none; x keeps its shape."""
    chains = carry_forward(_by_chain(x, lag))
    chains[np.isnan(chains)] = 0
    return _by_time(chains, x)


def _first_observed(x, none=np.nan):
    """(..., n_timesteps, n_features) -> first values that are not NaN, (..., 1, n_features)."""
    first = np.argmax(~np.isnan(x), axis=-2, keepdims=True)
    values = np.take_along_axis(x, first, axis=-2)
    values[np.isnan(values)] = none
    return values


def _by_chain(x, lag):
    """(..., n_timesteps, n_features) -> (..., n_steps, n_chains), padded with NaN at the end."""
    *outer, n_timesteps, n_features = x.shape
    lag = min(lag, n_timesteps)  # beyond, every time step is a chain of its own all the same
    n_steps = -(-n_timesteps // lag)
    padded = np.full((*outer, n_steps * lag, n_features), np.nan, x.dtype)
    padded[..., :n_timesteps, :] = x
    return padded.reshape(*outer, n_steps, lag * n_features)


def _by_time(chains, x):
    """Undo _by_chain of x, or of the first rows of it."""
    *outer, n_timesteps, n_features = x.shape
    return chains.reshape(*outer, -1, n_features)[..., :n_timesteps, :]
