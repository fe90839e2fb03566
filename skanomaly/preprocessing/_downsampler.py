"""Fewer time steps, one for each block of them, and the way back to the time steps of before."""

from numbers import Integral

import numpy as np
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from skanomaly.sequences import check_sequences, nesting
from skanomaly.validation import (
    Interval,
    StrOptions,
    fit_context,
    set_output_for_series,
    wrap_in_frame,
)

__all__ = ["Downsampler"]

_DTYPES = [np.float64, np.float32]
_STATISTICS = ("mean", "median", "min", "max", "last")


# OneToOneFeatureMixin checks the names of the input features, whatever becomes of them here.
@set_output_for_series
class Downsampler(OneToOneFeatureMixin, TransformerMixin, BaseEstimator):
    """Reduce every block of ``factor`` consecutive time steps to one.

    Blocks start at the first time step of each series and never cross into the next one. The time
    steps that are left over at the end of a series make a last, shorter block, so that a series
    of n_timesteps has ``ceil(n_timesteps / factor)`` blocks and no value is lost.

    Parameters
    ----------
    factor : int, default=10
        Time steps per block, at least 1.
    statistic : {"mean", "median", "min", "max", "last"} or tuple of them, default="mean"
        What a block is reduced to, feature by feature. A tuple or list makes several features of
        each: with ``("mean", "max")``, ``temp`` becomes ``temp_mean`` and ``temp_max``, side by
        side. A single string leaves the features their names.

        - ``"mean"`` and ``"median"`` remove noise, and hide anomalies much shorter than a block.
        - ``"min"`` and ``"max"`` keep the extremes, however short.
        - ``"last"`` picks the last value, as if the sensor had been read less often. It lets
          faster oscillations show up as slow ones.

    Attributes
    ----------
    n_features_in_ : int
        Number of features seen in ``fit``.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the features seen in ``fit``, if X had names that are all strings.

    See Also
    --------
    suggest_window_size : How many time steps a window should hold.
    Differencer : Differences along time.

    Notes
    -----
    The result of :meth:`transform` has fewer time steps than X, so that y no longer matches it.
    Either downsample before the pipeline, or put scores and labels back on the time axis of X
    with :meth:`upsample` before comparing them with y (:ref:`downsampler-in-pipelines`).

    There is no ``inverse_transform``: what was averaged is gone, and blocks do not tell how long
    the last one was. :meth:`upsample` is told, and takes the values of :meth:`transform` too.

    What was not observed, NaN, contributes nothing to the block it is in. A block without any
    observed value becomes NaN.

    float32 stays float32; everything else is returned as float64. Means are computed in float64.

    ``set_output`` applies to a single series. Its containers have two dimensions, so that
    panels come back as arrays, and lists as lists of arrays, whatever was set. A pandas frame
    that was made of a pandas frame has, of each block, the index of the first time step.

    Examples
    --------
    >>> import numpy as np
    >>> from skanomaly.preprocessing import Downsampler
    >>> X = np.array([[1.0], [2.0], [6.0], [5.0], [7.0]])
    >>> downsampler = Downsampler(factor=3).fit(X)
    >>> downsampler.transform(X)
    array([[3.],
           [6.]])
    >>> downsampler.upsample([-1, 1], X)
    array([-1, -1, -1,  1,  1])

    Several statistics at once:

    >>> downsampler = Downsampler(factor=3, statistic=("min", "max")).fit(X)
    >>> downsampler.transform(X)
    array([[1., 6.],
           [5., 7.]])
    >>> downsampler.get_feature_names_out(["temp"])
    array(['temp_min', 'temp_max'], dtype=object)
    """

    _parameter_constraints = {
        "factor": [Interval(Integral, 1, None, closed="left")],
        "statistic": [StrOptions(set(_STATISTICS)), tuple, list],
    }

    def __init__(self, *, factor=10, statistic="mean"):
        self.factor = factor
        self.statistic = statistic

    @fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y=None):
        """Check the parameters and memorise the features; nothing is learned from the values.

        Parameters
        ----------
        X : array-like of shape (n_timesteps, n_features), (n_series, n_timesteps, n_features), \
or list of (n_timesteps_i, n_features)
            One series with rows in time order (array, pandas or polars frame), a panel of series
            of equal length, or a list of series of any lengths. NaN means not observed and adds
            nothing; a block without observed values becomes NaN.
        y : object, default=None
            Ignored; there by convention.

        Returns
        -------
        self : Downsampler
            The fitted transformer.

        Raises
        ------
        ValueError
            If a parameter is out of its range, or X is not as described.
        """
        self._check_statistic()
        check_sequences(self, X, reset=True, dtype=_DTYPES)
        return self

    def transform(self, X):
        """Reduce the blocks of each series.

        Parameters
        ----------
        X : array-like of shape (n_timesteps, n_features), (n_series, n_timesteps, n_features), \
or list of (n_timesteps_i, n_features)
            As in :meth:`fit`, with the same features. Series may have any length.

        Returns
        -------
        X_new : ndarray, frame or list of ndarray, nested like X
            One time step per block, with n_features times the number of statistics as the length
            of the last axis; float32 if X is, else float64. A frame only for a single series, and
            only if ``set_output`` asks for one.

        Raises
        ------
        ValueError
            If X is not as described.
        """
        check_is_fitted(self)
        sequences = check_sequences(self, X, reset=False, dtype=_DTYPES)
        if sequences.nesting == "ragged":
            return [self._reduce(x) for x in sequences.split()]
        values = self._reduce(sequences.nest(sequences.values))
        if sequences.nesting == "series" and hasattr(X, "iloc"):
            # Wrapped here, with the rows that name the blocks: X has more of them than values.
            return wrap_in_frame("transform", values, X.iloc[:: self.factor], self)
        return values

    def upsample(self, values, X):
        """Put a result for blocks back on the time steps that :meth:`transform` reduced.

        Each value is repeated for all time steps of its block. So the first step of a block gets a
        value that was not known before the last step of the block.

        Parameters
        ----------
        values : array-like of shape (n_blocks, ...), (n_series, n_blocks, ...), \
or list of (n_blocks_i, ...)
            Scores, labels or anything else with one entry per block: of a single series, of a
            panel, or one array per series in a list. A frame is taken for its values.
        X : int, sequence of int, or what :meth:`transform` was given
            The number of time steps of the single series, or of each of several series, before
            :meth:`transform`. Of an X nothing but that is read.

        Returns
        -------
        values : ndarray of shape (n_timesteps, ...), (n_series, n_timesteps, ...), \
or list of (n_timesteps_i, ...)
            The repeated values, of the same dtype, in a list if ``values`` are.

        Raises
        ------
        ValueError
            If ``values`` are not as many as the blocks of X, or X tells no lengths.

        Examples
        --------
        >>> import numpy as np
        >>> from skanomaly.preprocessing import Downsampler
        >>> downsampler = Downsampler(factor=2).fit(np.zeros((5, 1)))
        >>> downsampler.upsample(np.array([0.1, 0.7, 0.2]), 5)
        array([0.1, 0.1, 0.7, 0.7, 0.2])
        >>> downsampler.upsample([np.array([1, -1]), np.array([-1])], [3, 2])
        [array([ 1,  1, -1]), array([-1, -1])]
        """
        check_is_fitted(self)
        lengths, single = _lengths(X)
        if single:
            return self._repeat([_as_array(values)], lengths)[0]
        in_list = isinstance(values, (list, tuple)) or np.asarray(values).dtype == object
        parts = _parts(values if in_list else np.asarray(values), lengths, in_list)
        repeated = self._repeat(parts, lengths)
        return repeated if in_list else np.stack(repeated)

    def get_feature_names_out(self, input_features=None):
        """Return the names of the output features.

        Parameters
        ----------
        input_features : array-like of str, default=None
            Names of the input features. None takes ``feature_names_in_``, or x0, x1, and so on.

        Returns
        -------
        feature_names_out : ndarray of str
            The input names with one statistic, given as a string, else ``<name>_<statistic>`` for
            all statistics of the first feature, then of the second, and so on.
        """
        names = super().get_feature_names_out(input_features)
        if isinstance(self.statistic, str):
            return names
        made = [f"{name}_{statistic}" for name in names for statistic in self.statistic]
        return np.array(made, dtype=object)

    def _check_statistic(self):
        """Refuse a tuple or list of statistics that is empty, repeats one, or names no such."""
        if isinstance(self.statistic, str):
            return
        wrong = [name for name in self.statistic if name not in _STATISTICS]
        if wrong or not self.statistic or len(set(self.statistic)) < len(self.statistic):
            raise ValueError(
                f"statistic must be one of {', '.join(map(repr, _STATISTICS))}, or a tuple of at "
                f"least one of them, each once; got {self.statistic!r}. Name what to keep of each "
                "block, for example statistic=('mean', 'max')."
            )

    def _reduce(self, x):
        """(..., n_timesteps, n_features) -> (..., n_blocks, n_features * n_statistics)."""
        if isinstance(self.statistic, str):
            return _reduce(x, self.factor, self.statistic)
        reduced = [_reduce(x, self.factor, statistic) for statistic in self.statistic]
        return np.stack(reduced, axis=-1).reshape(*reduced[0].shape[:-1], -1)

    def _repeat(self, parts, lengths):
        """Repeat the entries of each part; list of (n_blocks_i, ...) -> of (n_timesteps_i, ...)."""
        repeated = []
        for i, (part, n_timesteps) in enumerate(zip(parts, lengths, strict=True)):
            n_blocks = -(-n_timesteps // self.factor)
            if part.ndim == 0 or len(part) != n_blocks:
                received = len(part) if part.ndim else "a single number, no time axis"
                raise ValueError(
                    f"values must have one entry for each of the {n_blocks} blocks of series {i}, "
                    f"which has {n_timesteps} time steps with factor={self.factor}; got "
                    f"{received}. Pass what was computed on the downsampled series, and with it "
                    "X, or its lengths, from before transform."
                )
            repeated.append(np.repeat(part, self.factor, axis=0)[:n_timesteps])
        return repeated

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        tags.input_tags.allow_nan = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


def _reduce(x, factor, statistic):
    """(..., n_timesteps, n_features) -> (..., n_blocks, n_features), of the same dtype."""
    *leading, n_timesteps, n_features = x.shape
    n_whole, n_left = divmod(n_timesteps, factor)
    reduced = np.empty((*leading, n_whole + bool(n_left), n_features), dtype=x.dtype)
    whole = x[..., : n_timesteps - n_left, :]
    blocks = whole.reshape(*leading, n_whole, factor, n_features)
    if n_whole:
        reduced[..., :n_whole, :] = _reduce_blocks(blocks, statistic)
    if n_left:
        reduced[..., n_whole, :] = _reduce_blocks(x[..., n_timesteps - n_left :, :], statistic)
    return reduced


def _reduce_blocks(blocks, statistic):
    """(..., n_steps, n_features), of which some NaN -> (..., n_features).

    The quick ways give NaN where there is one in the block, which then goes the careful way.
    """
    if statistic in ("min", "max"):
        ufunc = np.fmin if statistic == "min" else np.fmax
        return ufunc.reduce(blocks, axis=-2)  # passes over NaN by itself
    if statistic == "mean":
        # Sums in float64, several times faster than numpy.mean along an axis that is not last.
        reduced = np.einsum("...tf->...f", blocks, dtype=np.float64) / blocks.shape[-2]
    elif statistic == "median":
        reduced = np.median(blocks, axis=-2)
    else:
        reduced = blocks[..., -1, :].copy()
    missing = np.isnan(reduced).any(axis=-1)
    if missing.any():
        quick, careful = reduced[missing], _reduce_observed(blocks[missing], statistic)
        reduced[missing] = np.where(np.isnan(quick), careful, quick)
    return reduced


def _reduce_observed(blocks, statistic):
    """(n_blocks, n_steps, n_features), of which some NaN -> (n_blocks, n_features)."""
    observed = ~np.isnan(blocks)
    n_observed = observed.sum(axis=1)
    if statistic == "mean":
        sums = np.where(observed, blocks, 0).sum(axis=1, dtype=np.float64)
        return np.where(n_observed > 0, sums / np.maximum(n_observed, 1), np.nan)
    if statistic == "last":
        step = blocks.shape[1] - 1 - observed[:, ::-1].argmax(axis=1)
        return np.take_along_axis(blocks, step[:, None], axis=1)[:, 0]
    ordered = np.sort(blocks, axis=1)  # NaN last
    middle = np.stack([np.maximum(n_observed - 1, 0) // 2, n_observed // 2], axis=1)
    return np.take_along_axis(ordered, middle, axis=1).mean(axis=1)


def _as_array(values):
    """Return the values of a single series, (n_blocks, ...)."""
    try:
        return np.asarray(values)
    except ValueError as error:
        raise ValueError(
            "values must be those of one series, as X is one; got a list of arrays of different "
            f"shapes ({error}). Pass one array, or X with all series."
        ) from error


def _parts(values, lengths, in_list):
    """Return the values of several series, list of (n_blocks_i, ...)."""
    if not in_list and values.ndim < 2:
        raise ValueError(
            f"values must have an entry for each block of the {len(lengths)} series of X; got "
            f"shape {values.shape}. Pass (n_series, n_blocks) or a list; the scores and labels "
            "of whole series stand as they are."
        )
    if len(values) != len(lengths):
        raise ValueError(
            f"values must be given for each of the {len(lengths)} series of X; got "
            f"{len(values)}. Pass them for all series, in the same order."
        )
    if not in_list and len(set(lengths)) > 1:
        raise ValueError(
            "values must be a list where series differ in length; got an array for lengths from "
            f"{min(lengths)} to {max(lengths)}. Pass list(values)."
        )
    return [np.asarray(part) for part in values]


def _lengths(X):
    """Return the number of time steps of each series, and whether X is a single one."""
    if isinstance(X, Integral):
        lengths, single = [X], True
    elif _is_integer_vector(X):
        lengths, single = list(X), False
    else:
        lengths, single = _lengths_of_data(X)
    lengths = [int(length) for length in lengths]
    if not lengths or min(lengths) < 1:
        raise ValueError(
            f"X must have at least one time step in each series; got lengths {lengths}. Pass X, "
            "or the lengths of its series, from before transform."
        )
    return lengths, single


def _is_integer_vector(X):
    if isinstance(X, np.ndarray):
        return X.ndim == 1 and X.dtype.kind in "iu"
    return isinstance(X, (list, tuple)) and all(isinstance(entry, Integral) for entry in X)


def _lengths_of_data(X):
    try:
        form = nesting(X)
    except ValueError as error:
        raise ValueError(
            "X must be what transform was given, the length of the series, or a list of lengths; "
            f"taken as data, {error}"
        ) from error
    if form == "series":
        return [np.shape(X)[0]], True
    if form == "panel":
        n_series, n_timesteps, _ = np.shape(X)
        return [n_timesteps] * n_series, False
    return [len(part) for part in X], False
