"""Any transformer of scikit-learn, on every form of X."""

import warnings
from contextlib import contextmanager
from copy import copy, deepcopy

import numpy as np
from scipy.sparse import issparse
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import FeatureUnion, Pipeline
from sklearn.utils import get_tags
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from skanomaly.preprocessing._soft_clip import soft_clip
from skanomaly.sequences import check_sequences
from skanomaly.validation import (
    HasMethods,
    fit_context,
    frame_adapter,
    set_output_for_series,
)
from skanomaly.windows import Reach

__all__ = ["SequenceTransformer"]

_DTYPES = [np.float64, np.float32]
# Functions that are no ufuncs, and look at one value at a time all the same.
_BY_VALUE = (np.clip, np.nan_to_num, soft_clip)

# What numpy warns of where scikit-learn computes statistics of nothing but NaN.
_WARNS_OF_UNOBSERVED = (
    "All-NaN|Mean of empty slice|Degrees of freedom|invalid value encountered in .*divide"
)


def _inner_has(name):
    """Return a check that the inner transformer, fitted if there is one, has the attribute."""

    def check(self):
        # getattr, not hasattr: the inner message says why the attribute is missing.
        getattr(getattr(self, "transformer_", self.transformer), name)
        return True

    return check


def _can_invert(self):
    if self.per_series:
        raise AttributeError(
            "inverse_transform needs per_series=False; got per_series=True, with which the "
            "transformers fitted on the single series are not kept. Use per_series=False."
        )
    return _inner_has("inverse_transform")(self)


@set_output_for_series
class SequenceTransformer(TransformerMixin, BaseEstimator):
    """Apply a transformer of time steps, such as a scaler or PCA, to series, panels and lists.

    The time steps of all series are stacked, transformed as rows of one table, and given back in
    the nesting of X. The number of features may change, the number of time steps may not.

    Parameters
    ----------
    transformer : transformer with ``fit`` and ``transform``
        What to apply; a clone of it is fitted. Its parameters can be set and tuned as
        ``transformer__<name>``.
    per_series : bool, default=False
        False fits one clone on the time steps of all series. True treats every series on its
        own: it is transformed by a clone fitted on nothing but that series, in ``transform``
        too. This removes what differs between series (such as the level of each machine) and
        learns nothing from the training data, hides anomalies that last a whole series, lets
        every time step depend on later ones, and leaves no ``inverse_transform``.

    Attributes
    ----------
    transformer_ : transformer
        The fitted clone. With ``per_series=True`` the one of the first series seen in ``fit``,
        which only tells what the output features are.
    n_features_in_ : int
        Number of features seen in ``fit``.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the features seen in ``fit``, if X had names that are all strings.

    See Also
    --------
    Differencer : Differences along time.

    Notes
    -----
    A pandas or polars frame, or the series of a list of them, reaches the inner transformer as a
    frame with the same names, so that a :class:`~sklearn.compose.ColumnTransformer` can select
    columns by name. Frames of a list are stacked, which drops their indices. All columns reach it
    as floats: float32 if X is, else float64.

    NaN in X, which means not observed, reaches the inner transformer, which leaves it as it is
    (:class:`~sklearn.preprocessing.StandardScaler`), fills it
    (:class:`~sklearn.impute.SimpleImputer`) or refuses it (:class:`~sklearn.decomposition.PCA`).
    With ``per_series=True``, a feature that was never observed in one of the series is nothing to
    be warned of: the numerical warnings of numpy about it are silenced. Scalers leave it NaN;
    imputers need ``keep_empty_features=True``, as all series must keep the same features.

    The labels y of a single series reach the inner transformer. Those of a panel or list have one
    entry per series, not per time step, and do not; neither do any with ``per_series=True``.

    ``set_output`` applies to a single series. Its containers have two dimensions, so that
    panels come back as arrays, and lists as lists of arrays, whatever was set. Sparse results are
    made dense.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.preprocessing import MinMaxScaler
    >>> from skanomaly.preprocessing import SequenceTransformer
    >>> X = [np.array([[0.0], [5.0]]), np.array([[2.0], [8.0], [10.0]])]
    >>> [x.ravel() for x in SequenceTransformer(MinMaxScaler()).fit_transform(X)]
    [array([0. , 0.5]), array([0.2, 0.8, 1. ])]
    >>> [x.ravel() for x in SequenceTransformer(MinMaxScaler(), per_series=True).fit_transform(X)]
    [array([0., 1.]), array([0.  , 0.75, 1.  ])]
    """

    _parameter_constraints = {
        "transformer": [HasMethods(["fit", "transform"])],
        "per_series": ["boolean"],
    }

    def __init__(self, transformer, *, per_series=False):
        self.transformer = transformer
        self.per_series = per_series

    @fit_context(prefer_skip_nested_validation=False)
    def fit(self, X, y=None):
        """Fit a clone of the transformer on the stacked time steps.

        Parameters
        ----------
        X : array-like of shape (n_timesteps, n_features), (n_series, n_timesteps, n_features), \
or list of (n_timesteps_i, n_features)
            One series with rows in time order (array, pandas or polars frame), a panel of series
            of equal length, or a list of series of any lengths. Numbers only; NaN means not
            observed, if the transformer takes it.
        y : array-like of shape (n_timesteps,), default=None
            Passed to the transformer for a single series without ``per_series``, else ignored.

        Returns
        -------
        self : SequenceTransformer
            The fitted transformer.

        Raises
        ------
        ValueError
            If a parameter is out of its range, or X is not as described.
        """
        transformer = clone(self.transformer)
        sequences = check_sequences(self, X, reset=True, dtype=_DTYPES)
        if self.per_series:
            self.transformer_ = self._fit_to_first(transformer, X, sequences)
        else:
            self.transformer_ = transformer.fit(*self._rows_and_labels(X, y, sequences))
        return self

    @fit_context(prefer_skip_nested_validation=False)
    def fit_transform(self, X, y=None):
        """Fit, and transform the same X.

        Calls ``fit_transform`` of the inner transformer, which for some, such as
        :class:`~sklearn.preprocessing.TargetEncoder`, differs from ``fit`` and ``transform``.

        Parameters
        ----------
        X : array-like of shape (n_timesteps, n_features), (n_series, n_timesteps, n_features), \
or list of (n_timesteps_i, n_features)
            As in :meth:`fit`.
        y : array-like of shape (n_timesteps,), default=None
            As in :meth:`fit`.

        Returns
        -------
        X_new : ndarray, frame or list of ndarray, nested like X
            As in :meth:`transform`.

        Raises
        ------
        ValueError
            As in :meth:`fit` and :meth:`transform`.
        """
        transformer = clone(self.transformer)
        sequences = check_sequences(self, X, reset=True, dtype=_DTYPES)
        if self.per_series:
            self.transformer_ = self._fit_to_first(transformer, X, sequences)
            return sequences.nest(self._transform_each(X, sequences))
        values = _fit_transform(transformer, *self._rows_and_labels(X, y, sequences))
        self.transformer_ = transformer
        return sequences.nest(_check_rows(transformer, values, len(sequences.values)))

    def transform(self, X):
        """Transform the time steps of each series.

        Parameters
        ----------
        X : array-like of shape (n_timesteps, n_features), (n_series, n_timesteps, n_features), \
or list of (n_timesteps_i, n_features)
            As in :meth:`fit`, with the same features. Series may have any length.

        Returns
        -------
        X_new : ndarray, frame or list of ndarray, nested like X
            The transformed time steps, with the last axis of length n_features_out. A frame only
            for a single series, and only if ``set_output`` asks for one.

        Raises
        ------
        ValueError
            If X is not as described, if the inner transformer changes the number of time steps,
            or, with ``per_series=True``, if its output features differ between series.
        """
        check_is_fitted(self)
        sequences = check_sequences(self, X, reset=False, dtype=_DTYPES)
        if self.per_series:
            return sequences.nest(self._transform_each(X, sequences))
        values = self.transformer_.transform(self._name(sequences.values, X, sequences))
        return sequences.nest(_check_rows(self.transformer_, values, len(sequences.values)))

    @available_if(_can_invert)
    def inverse_transform(self, X):
        """Undo the transformation.

        Only with ``per_series=False``, and if the inner transformer has an ``inverse_transform``.

        Parameters
        ----------
        X : array-like of shape (n_timesteps, n_features_out), \
(n_series, n_timesteps, n_features_out), or list of (n_timesteps_i, n_features_out)
            As :meth:`transform` returns it. Columns are taken in their order, whatever their
            names.

        Returns
        -------
        X_original : ndarray or list of ndarray, nested like X
            The time steps before :meth:`transform`, with the last axis of length n_features.

        Raises
        ------
        ValueError
            If X is not as described.
        """
        check_is_fitted(self)
        # A copy, as the features of X are those of the output, and fit's are to stay.
        sequences = check_sequences(copy(self), X, reset=True, dtype=_DTYPES)
        names = self._names_out(self.transformer_)
        if names is not None and len(names) != sequences.n_features:
            raise ValueError(
                f"X must have {len(names)} feature(s), as transform returns them; got "
                f"{sequences.n_features}. Give all its columns in the same order."
            )
        values = self.transformer_.inverse_transform(sequences.values)
        return sequences.nest(_check_rows(self.transformer_, values, len(sequences.values)))

    @available_if(_inner_has("get_feature_names_out"))
    def get_feature_names_out(self, input_features=None):
        """Return the names that the inner transformer gives to its output features.

        Parameters
        ----------
        input_features : array-like of str, default=None
            Names of the input features. None takes ``feature_names_in_``, or x0, x1, and so on.

        Returns
        -------
        feature_names_out : ndarray of str
            One name per output feature.
        """
        check_is_fitted(self)
        return self.transformer_.get_feature_names_out(input_features)

    def _reach(self):
        """Tell how far what a time step becomes depends on other steps: not at all, or refuse."""
        if self.per_series:
            raise ValueError(
                "per_series must be False for one series to be transformed in pieces; got True, "
                "with which each piece would be scaled by its own statistics. Use "
                "per_series=False, or transform the whole series beforehand."
            )
        _refuse_unless_by_rows(getattr(self, "transformer_", self.transformer))
        return Reach()

    def _rows_and_labels(self, X, y, sequences):
        """Return all time steps, and the y that goes with them."""
        rows = self._name(sequences.values, X, sequences)
        return rows, y if sequences.nesting == "series" else None

    def _fit_to_first(self, transformer, X, sequences):
        """Fit a transformer on the first series."""
        part = sequences.split()[0]
        with _on_series(0, part):
            return transformer.fit(self._name(part, X, sequences), None)

    def _transform_each(self, X, sequences):
        """Transform every series by a clone fitted on it; (n_total_timesteps, n_features_out)."""
        expected = self._names_out(self.transformer_)
        parts = []
        for i, part in enumerate(sequences.split()):
            transformer = clone(self.transformer)
            with _on_series(i, part):
                values = _fit_transform(transformer, self._name(part, X, sequences), None)
            parts.append(_check_rows(transformer, values, len(part)))
            _refuse_other_outputs(i, expected, self._names_out(transformer), parts)
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def _name(self, values, X, sequences):
        """Put values into a frame like X (or the first of X) if fit saw names, else return them."""
        frame = X[0] if sequences.nesting == "ragged" else X
        if not (hasattr(frame, "columns") and hasattr(self, "feature_names_in_")):
            return values
        indexed = X if sequences.nesting == "series" else None
        names = self.feature_names_in_
        return frame_adapter(frame).create_container(values, indexed, columns=names)

    def _names_out(self, transformer):
        """Return the names of the output features, or None where the transformer gives none."""
        if not hasattr(transformer, "get_feature_names_out"):
            return None
        return list(transformer.get_feature_names_out(getattr(self, "feature_names_in_", None)))

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        if isinstance(self.transformer, type) or not hasattr(self.transformer, "__sklearn_tags__"):
            return tags  # a class is for fit to refuse; transformers without tags are fine
        inner = get_tags(self.transformer)
        tags.input_tags.allow_nan = inner.input_tags.allow_nan or inner.no_validation
        tags.input_tags.positive_only = inner.input_tags.positive_only
        tags.target_tags = deepcopy(inner.target_tags)
        tags.non_deterministic = inner.non_deterministic
        if inner.transformer_tags is not None:
            tags.transformer_tags = deepcopy(inner.transformer_tags)
        return tags


def _refuse_unless_by_rows(transformer):
    """Raise unless a transformer is known to treat every row alone, as those of scikit-learn do."""
    if isinstance(transformer, (Pipeline, FeatureUnion, ColumnTransformer)):
        kinds = ("transformers_", "transformer_list", "steps")
        entries = next(getattr(transformer, name) for name in kinds if hasattr(transformer, name))
        for entry in entries:
            _refuse_unless_by_rows(entry[1])
        return
    if transformer is None or isinstance(transformer, str):  # "passthrough", "drop"
        return
    func = getattr(transformer, "func", None)
    by_rows = func is None or isinstance(func, np.ufunc) or func in _BY_VALUE
    if not (type(transformer).__module__.startswith("sklearn.") and by_rows):
        raise ValueError(
            "transformers must be known to treat every time step alone for one series to be "
            f"transformed in pieces; got {transformer!r}. Use one of scikit-learn (of "
            "FunctionTransformer: ufuncs of NumPy, numpy.clip, numpy.nan_to_num or soft_clip), or "
            "transform X beforehand."
        )


@contextmanager
def _on_series(i, part):
    """Fit to series i (n_timesteps, n_features), in which features may be nothing but NaN."""
    unobserved = np.flatnonzero(np.isnan(part).all(axis=0))
    if not len(unobserved):
        yield
        return
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", _WARNS_OF_UNOBSERVED, RuntimeWarning)
        try:
            yield
        except ValueError as error:
            error.add_note(
                f"Series {i} has no observed value of feature(s) {unobserved.tolist()}. Fill them "
                "first, or use per_series=False."
            )
            raise


def _fit_transform(transformer, rows, y):
    if hasattr(transformer, "fit_transform"):
        return transformer.fit_transform(rows, y)
    return transformer.fit(rows, y).transform(rows)


def _check_rows(transformer, values, n_timesteps):
    """Return what a transformer gave for n_timesteps rows as (n_timesteps, n_features_out)."""
    values = values.toarray() if issparse(values) else np.asarray(values)
    if values.ndim != 2 or len(values) != n_timesteps:
        raise ValueError(
            "transformer must return one row per time step, as results take the nesting of X; got "
            f"shape {values.shape} for {n_timesteps} time steps from {transformer!r}. Use a "
            "transformer that neither drops nor adds rows."
        )
    return values


def _refuse_other_outputs(i, expected, names, parts):
    """Raise if series i of per_series=True has other output features than the first one."""
    if names != expected or parts[-1].shape[1] != parts[0].shape[1]:
        expected = expected or f"{parts[0].shape[1]} features"
        raise ValueError(
            "transformer must give all series the same output features with per_series=True, "
            f"{expected}; got {names or parts[-1].shape[1]} for series {i}. Fix what it selects "
            "from the data, such as the number of components, or use per_series=False."
        )
