"""The linear model that any network must beat: a vector autoregression, in closed form."""

from copy import copy
from numbers import Integral, Real

import numpy as np
from scipy.linalg import cho_factor, cho_solve, cholesky, eigh, solve_triangular

from skanomaly.detectors._base import ATTRIBUTES_DOC, THRESHOLD_DOC, BaseDetector
from skanomaly.detectors._moments import RunningMoments, even_blocks
from skanomaly.scoring import multiply_rows
from skanomaly.validation import Interval, StrOptions
from skanomaly.windows import Reach, carry_forward

__all__ = ["LinearForecaster"]

# Values that are multiplied at once: 2 MiB in float64.
_BLOCK = 2**18
# Of a variance, for each regressor; less drowns in the rounding of the factorisation.
_ROUNDING = 100 * np.finfo(np.float64).eps
# Ridges to choose from, as shares of a variance, the strongest first.
_RIDGES = np.geomspace(1e4, 1e-9, 53)


class LinearForecaster(BaseDetector):
    __doc__ = f"""Expect each value to be a weighted sum of all features some time steps before.

    A vector autoregression, fitted in closed form by ridge regression [1]_:
    ``x[t] = intercept_ + sum_k coef_[k] @ x[t - lags_[k]]``. A network whose errors are no lower
    has learned nothing that a linear model does not tell, in a fraction of the time.

    Parameters
    ----------
    lags : int or sequence of int, default=10
        How many time steps to look back: an int p is 1, 2, ..., p; a sequence names them, as
        (1, 2, 24) for hourly data with a daily cycle. To forecast h steps ahead, take lags of h
        and more.
    alpha : float or "auto", default="auto"
        Strength of the ridge, as in :class:`sklearn.linear_model.Ridge` fitted to features of
        unit variance, so that units do not matter. 0 is least squares. "auto" minimises the
        generalised cross-validation error [2]_, which asks for a strong ridge where X has few time
        steps for its n_lags * n_features regressors, and for none where there are many.
    fit_intercept : bool, default=True
        Whether to fit a constant; False for data that are centred already.
    {THRESHOLD_DOC}

    Attributes
    ----------
    lags_ : ndarray of shape (n_lags,), int
        The lags, ascending.
    coef_ : ndarray of shape (n_lags, n_features, n_features), float64
        ``coef_[k, i, j]`` weighs feature j, ``lags_[k]`` time steps before, in the forecast of
        feature i; in units of X.
    intercept_ : ndarray of shape (n_features,), float64
        The constant of each feature. NaN for a feature never observed in fit, on which the
        detector has no opinion.
    alpha_ : float
        The strength of the ridge.
    mean_ : ndarray of shape (n_features,), float64
        Mean of each feature over its observed training values.
    {ATTRIBUTES_DOC}

    See Also
    --------
    PersistenceDetector : The last value alone.
    MeanDetector : No past at all.
    LSTMAutoencoder : A network that must do better.

    Notes
    -----
    *Start of a series.* A step before ``max(lags)`` is forecast from the lags that there are, by
    coefficients that were fitted to those alone. The first ``min(lags)`` steps, which have no past,
    are estimated backwards, from the values ``min(lags)`` steps later; where the series ends before
    that, they are expected to be the mean. So every observed value has an error, and the start of a
    series that is far from the mean raises no alarm.

    *Missing values.* A missing past value is replaced by the last one observed before it, else by
    ``mean_``, in scoring as in fit. In fit, missing targets are left out, and so are stretches in
    which a feature is missing for more than max(lags) steps in a row: the series is learned in the
    pieces between them. This is right when what is missing does not depend on what it would have
    been.

    *Cost.* The training data are gone through twice, block by block: for means and variances,
    and for the products of standardised values in float64, of which the normal equations consist.
    Those depend on the differences of lags alone, but for the ends of each series, so that the
    cost is O(n_timesteps * n_differences * n_features ** 2), with max(lags) + 1 differences of
    lags 1, 2, ..., p, plus O(n_series * max(lags) * d ** 2 + d ** 3) where
    d = n_features * (n_lags + 1). Memory is a few matrices of d ** 2 and a block. The equations are
    solved by Cholesky factorisation; "auto" adds an eigenvalue decomposition. A ridge of at least
    100 d times the rounding error of float64, in means over time steps, keeps them solvable when
    features are constant or collinear and `alpha` is 0.

    *Choice of alpha.* The criterion is the mean over the features that vary of the logarithm of
    ``RSS / (1 - 1.4 * df / n) ** 2``: residual sum of squares, effective number of coefficients,
    and number of time steps. The factor 1.4 guards against too weak a ridge [3]_.

    *More data.* ``partial_fit`` goes on with the sums: it learns as ``fit`` would from a list of
    all series. When it meets a feature for the first time, earlier steps, which lack it, no longer
    count.

    References
    ----------
    .. [1] H. Lütkepohl, "New Introduction to Multiple Time Series Analysis", Springer, 2005,
       chapter 3.
    .. [2] G. H. Golub, M. Heath, G. Wahba, "Generalized cross-validation as a method for choosing a
       good ridge parameter", Technometrics 21(2), 1979.
    .. [3] Y.-J. Kim, C. Gu, "Smoothing spline Gaussian regression: more scalable computation via
       efficient approximation", Journal of the Royal Statistical Society B 66(2), 2004.

    Examples
    --------
    >>> import numpy as np
    >>> from skanomaly import LinearForecaster
    >>> X = np.sin(np.arange(200) / 5)[:, None]
    >>> X[150] += 0.5
    >>> detector = LinearForecaster(lags=2).fit(X[:100])
    >>> detector.coef_.shape
    (2, 1, 1)
    >>> int(np.argmin(detector.score_samples(X))) in (150, 151)
    True
    """

    _parameter_constraints: dict = {
        **BaseDetector._parameter_constraints,
        "lags": [Interval(Integral, 1, None, closed="left"), "array-like"],
        "alpha": [Interval(Real, 0, None, closed="left"), StrOptions({"auto"})],
        "fit_intercept": ["boolean"],
    }

    def __init__(
        self,
        *,
        lags=10,
        alpha="auto",
        fit_intercept=True,
        score_norm="squared",
        smoothing=None,
        smoothing_span=16,
        smoothing_causal=False,
        feature_weights=None,
        contamination=0.01,
        threshold=None,
        after_fit=None,
    ):
        self.lags = lags
        self.alpha = alpha
        self.fit_intercept = fit_intercept
        self.score_norm = score_norm
        self.smoothing = smoothing
        self.smoothing_span = smoothing_span
        self.smoothing_causal = smoothing_causal
        self.feature_weights = feature_weights
        self.contamination = contamination
        self.threshold = threshold
        self.after_fit = after_fit

    # ------------------------------------------------------------------------------- learning

    def _start(self, sequences):
        self.lags_ = _ascending(self.lags)
        n_features = sequences.n_features
        self._moments = RunningMoments(n_features)
        self._shift, self._unit = np.zeros(n_features), np.ones(n_features)

    def _learn(self, sequences, partial):
        most, longest = self.lags_[-1], int(sequences.lengths.max())
        if most >= longest:
            raise ValueError(
                f"lags must be less than {longest}, the length of the longest series; got "
                f"{most}. Use smaller lags or longer series."
            )
        moments = copy(self._moments)
        moments.add(sequences)
        pieces = list(self._pieces(sequences, moments.count == 0))
        if not pieces:
            raise ValueError(
                f"X must have a stretch of more than {most} time steps, the largest lag, in which "
                f"no feature is missing for more than {most} in a row; got none. Fill the gaps, or "
                "leave out features that are rarely observed."
            )
        new = (self._moments.count == 0) & (moments.count > 0)
        self._moments, self.mean_, std = moments, moments.mean, moments.std
        if new.any():  # steps in which a feature is missing for long do not count
            self._products = _LagProducts(self.lags_, sequences.n_features)
        self._shift = np.where(new, self.mean_, self._shift)
        self._unit = np.where(new & (std > 0), std, self._unit)
        if sequences.missing:
            self._products.sum_changes()
        for piece in pieces:
            self._products.add(self._filled(sequences, *piece))
        self._solve()

    def _pieces(self, sequences, never):
        """Yield (start of the series, start, stop) of the stretches to learn from.

        Features that were never observed, `never` of shape (n_features,), do not count.
        """
        most = int(self.lags_[-1])
        for begin, end in zip(sequences.offsets[:-1], sequences.offsets[1:], strict=True):
            if not sequences.missing:
                cuts = np.array([begin, end])
            else:
                cuts = self._stretches(sequences, int(begin), int(end), never)
            for start, stop in cuts.reshape(-1, 2):
                if stop - start > most:
                    yield int(begin), int(start), int(stop)

    def _stretches(self, sequences, begin, end, never):
        """Find where no feature has been missing for more than max(lags): start, stop, ..."""
        last = np.full((1, sequences.n_features), begin - 1)  # the mean stands in at first
        known, cuts = False, []
        for first, x in even_blocks(sequences, begin, end, self._n_rows(sequences)):
            step = np.arange(first, first + len(x))[:, None]
            last = np.concatenate([last, np.where(np.isnan(x) & ~never, -1, step)])
            last = np.maximum.accumulate(last, axis=0)
            here = ((step - last[1:]) <= self.lags_[-1]).all(axis=1)
            cuts.append(first + np.flatnonzero(np.diff(here, prepend=known)))
            known, last = here[-1], last[-1:]
        cuts = np.concatenate(cuts)
        return np.append(cuts, end) if known else cuts

    def _filled(self, sequences, begin, start, stop):
        """Yield (standardised values, where they were observed), gaps filled by the value before.

        From time step `start` to `stop` of the series that starts at `begin`.
        """
        n_rows, most = self._n_rows(sequences), int(self.lags_[-1])
        past = np.zeros((1, sequences.n_features))
        if sequences.missing and start > begin:
            before = self._standardise(sequences.read(max(begin, start - most), start))
            past = carry_forward(np.concatenate([past, before]))[-1:]
        for _, x in even_blocks(sequences, start, stop, n_rows):
            x = self._standardise(x)
            observed = ~np.isnan(x)
            if sequences.missing:
                x = carry_forward(np.concatenate([past, x]))[1:]
                past = x[-1:]
            yield x, observed

    def _n_rows(self, sequences):
        return max(_BLOCK // sequences.n_features, int(self.lags_[-1]))

    def _standardise(self, x):
        return (x - self._shift) / self._unit

    def _solve(self):
        """Set the coefficients for all lags, for the first of them, and for looking back."""
        n_features = len(self.mean_)
        cov, cross, variance, mean, n_rows = self._products.covariances()
        mean = mean * self._unit + self._shift  # (n_lags + 1, n_features), of the target first
        std = self._moments.std
        std = np.where(std > 0, std, self._unit)
        scale = np.tile(self._unit / std, len(mean))
        cov = cov * scale * scale[:, None]
        cross = cross * scale[n_features:, None] * scale[:n_features]
        variance = variance * np.square(scale[:n_features])
        if not self.fit_intercept:
            origin = (mean / std).ravel()
            cov += np.outer(origin, origin)
            cross += np.outer(origin[n_features:], origin[:n_features])
            variance += np.square(origin[:n_features])
            mean = np.zeros_like(mean)
        past = cov[n_features:, n_features:]
        if self.alpha == "auto":
            ridge = _choose_ridge(past, cross, variance, n_rows)
            self.alpha_ = float(ridge * n_rows)
        else:
            self.alpha_ = float(self.alpha)
            ridge = max(self.alpha_ / n_rows, _ROUNDING * len(cov))
        factor = cholesky(_add_ridge(past, ridge), lower=True)
        halfway = solve_triangular(factor, cross, lower=True)
        unknown = np.where(np.isnan(self.mean_), np.nan, 0.0)
        self._steps = [
            _in_units_of_x(
                solve_triangular(
                    factor[:d, :d], halfway[:d], lower=True, trans=1, overwrite_b=False
                ),
                mean[0] + unknown, mean[1 : 1 + d // n_features], std,
            )
            for d in range(n_features, len(past) + 1, n_features)
        ]  # fmt: skip
        self.intercept_, self.coef_ = self._steps[-1]
        back = cho_factor(_add_ridge(cov[:n_features, :n_features], ridge), lower=True)
        weights = cho_solve(back, cov[:n_features, n_features : 2 * n_features])
        self._back = _in_units_of_x(weights, mean[1] + unknown, mean[:1], std)

    # -------------------------------------------------------------------------------- scoring

    def _error_reach(self):
        return Reach(before=int(self.lags_[-1]), after=int(self.lags_[0]), carried=1)

    def _expected(self, sequences):
        n_rows = self._n_rows(sequences)
        for start, stop in zip(sequences.offsets[:-1], sequences.offsets[1:], strict=True):
            past = np.full((self.lags_[-1], sequences.n_features), np.nan)
            for first, x in even_blocks(sequences, int(start), int(stop), n_rows):
                past = np.concatenate([past, x])
                if sequences.missing:
                    past = carry_forward(past)
                expected = self._forecast(self._fill(past), first - int(start), len(x))
                n_without = min(max(int(start + self.lags_[0]) - first, 0), len(x))
                if n_without:
                    rows = first, first + n_without
                    expected[:n_without] = self._look_back(sequences, *rows, int(stop))
                yield expected
                past = past[len(x) :]

    def _forecast(self, x, step, n_rows):
        """Forecast the last n_rows of x, (n, n_features), from time step `step` of a series on."""
        expected = np.empty((n_rows, x.shape[1]))
        before = len(x) - n_rows
        ends = [*self.lags_[1:], step + n_rows]
        for (intercept, coef), begin, end in zip(self._steps, self.lags_, ends, strict=True):
            first, last = max(begin - step, 0), min(end - step, n_rows)
            if first >= last:
                continue
            rows = expected[first:last]
            rows[:] = intercept
            for lag, weights in zip(self.lags_, coef, strict=False):
                past = x[before + first - lag : before + last - lag]
                rows += multiply_rows(past, weights.T)
        return expected

    def _look_back(self, sequences, first, last, stop):
        """Estimate time steps, (last - first, n_features), from the values min(lags) later."""
        expected = np.tile(self.mean_, (last - first, 1))
        lag = int(self.lags_[0])
        last = min(last, stop - lag)
        if first < last:
            intercept, (weights,) = self._back
            x = sequences.read(first + lag, last + lag).astype(np.float64)
            expected[: last - first] = intercept + multiply_rows(self._fill(x), weights.T)
        return expected

    def _fill(self, x):
        return np.where(np.isnan(x), np.nan_to_num(self.mean_), x)


def _ascending(lags):
    """Check the lags and return them in order: (n_lags,), int."""
    if isinstance(lags, Integral):
        return np.arange(1, lags + 1)
    found = list(lags)
    if not found or any(not isinstance(lag, Integral) or lag < 1 for lag in found):
        raise ValueError(
            f"lags must be a positive int or a sequence of positive ints; got {lags!r}. Use for "
            "example 10 or (1, 2, 24)."
        )
    if len(set(found)) < len(found):
        raise ValueError(f"lags must differ from each other; got {lags!r}. Name each lag once.")
    return np.array(sorted(int(lag) for lag in found))


def _add_ridge(matrix, ridge):
    return matrix + ridge * np.eye(len(matrix))


def _choose_ridge(past, cross, variance, n_rows):
    """Minimise the error of generalised cross-validation over ridges.

    Parameters
    ----------
    past : ndarray of shape (d, d)
        Covariances of the regressors, of unit variance.
    cross : ndarray of shape (d, n_features)
        Covariances with the targets.
    variance : ndarray of shape (n_features,)
        Of the targets.
    n_rows : float
        Number of time steps.

    Returns
    -------
    ridge : float
        To be added to the variances.
    """
    least = _ROUNDING * (len(past) + len(variance))
    varies = variance > least
    if not varies.any():
        return _RIDGES[0]
    values, vectors = eigh(past)
    values = np.maximum(values, 0.0)
    explained = np.square(vectors.T @ cross[:, varies])
    best, lowest = _RIDGES[0], np.inf
    for ridge in _RIDGES[_RIDGES > least]:
        shrunk = values + ridge
        residual = variance[varies] - ((shrunk + ridge) / shrunk**2) @ explained
        n_coefficients = 1 + (values / shrunk).sum()
        left = 1 - 1.4 * n_coefficients / n_rows
        if left <= 0:
            break
        criterion = np.log(np.maximum(residual, least)).mean() - 2 * np.log(left)
        if criterion < lowest:
            best, lowest = ridge, criterion
    return best


def _in_units_of_x(weights, mean, past_mean, std):
    """Return intercept (n_features,) and coefficients (n_lags, n_features, n_features).

    From weights of standardised values, (n_lags * n_features, n_features), the mean of what is
    forecast, (n_features,), and of what it is forecast from, (n_lags, n_features).
    """
    coef = weights.reshape(len(past_mean), len(std), len(std)).swapaxes(1, 2)
    coef = coef * (std[:, None] / std)
    return mean - np.einsum("kij,kj->i", coef, past_mean), coef


class _LagProducts:
    """Sums of products of values at two lags, over all steps of series that have a full past.

    A step is u = (standardised values, 1); products with the one are sums and counts. Were each
    series surrounded by zeros, and all steps counted that read any of it, the sum of
    u[t - l] u[t - m]' would depend on l - m alone. It is kept so, and what the steps with an
    incomplete past add, at both ends of each series, is kept apart and taken off.

    Targets are only what was observed. Where some are missing, sums with them, over fewer steps
    than those of the regressors, are of changes since the first lag: levels, which vary more, would
    not cancel between the two.

    Parameters
    ----------
    lags : ndarray of shape (n_lags,)
        Ascending. Lag 0, the target, comes before them.
    n_features : int
        Number of features.
    """

    def __init__(self, lags, n_features):
        self._lags = np.concatenate([[0], lags])
        self._n_features = n_features
        apart = np.abs(self._lags[:, None] - self._lags)
        self._differences, inverse = np.unique(apart, return_inverse=True)
        self._which = inverse.reshape(apart.shape)
        width = n_features + 1
        self._products = np.zeros((len(self._differences), width, width))
        self._ends = np.zeros((len(self._lags) * width,) * 2)
        self._changes = None  # (n_lags, width, 2 * n_features): of u and (changes, observed)

    def sum_changes(self):
        """Sum up changes from now on, for there are targets that are missing."""
        if self._changes is not None:
            return
        n, sums = self._n_features, self._sums()
        changes = sums[1:, :, 0, :n] - sums[1:, :, 1, :n]
        counts = np.broadcast_to(sums[1:, :, 0, n:], changes.shape)
        self._changes = np.concatenate([changes, counts], axis=2)
        squares = sums[0, :n, 0, :n] + sums[1, :n, 1, :n] - 2 * sums[0, :n, 1, :n]
        self._squares = squares.diagonal().copy()

    def add(self, blocks):
        """Take in one series, longer than the largest lag, in blocks at least as long as that.

        Parameters
        ----------
        blocks : iterable of (values, observed)
            Standardised values without gaps, (n, n_features), and where they were observed.
        """
        most = int(self._lags[-1])
        past = np.zeros((most, self._n_features + 1))
        done = 0
        for x, observed in blocks:
            past = np.concatenate([past, np.column_stack([x, np.ones(len(x))])])
            for product, lag in zip(self._products, self._differences, strict=True):
                product += past[most - lag : len(past) - lag].T @ past[most:]
            if not done:
                self._add_end(past[: 2 * most])
            if self._changes is not None:
                self._add_changes(past, observed, most - done)
            done += len(x)
            past = past[len(x) :]
        self._add_end(np.concatenate([past, np.zeros_like(past)]))

    def _add_end(self, x):
        """Add up steps with an incomplete past: (2 * max(lags), width), one half of it zeros."""
        most = self._lags[-1]
        rows = np.concatenate([x[most - lag : 2 * most - lag] for lag in self._lags], axis=1)
        self._ends += rows.T @ rows

    def _add_changes(self, past, observed, skip):
        """Add up the changes of a block, whose first `skip` steps have an incomplete past."""
        n, skip = self._n_features, max(skip, 0)
        begin, end = int(self._lags[-1]) + skip, len(past)
        observed = observed[skip:]
        changes = past[begin:] - past[begin - self._lags[1] : end - self._lags[1]]
        changes = np.where(observed, changes[:, :n], 0.0)
        self._squares += np.square(changes).sum(axis=0)
        changes = np.concatenate([changes, observed], axis=1)
        for product, lag in zip(self._changes, self._lags[1:], strict=True):
            product += past[begin - lag : end - lag].T @ changes

    def _sums(self):
        """Return the sums of products, (n_lags + 1, width, n_lags + 1, width)."""
        n_lags, width = len(self._lags), self._n_features + 1
        sums = -self._ends.reshape(n_lags, width, n_lags, width)
        for i in range(n_lags):
            for j in range(n_lags):
                product = self._products[self._which[i, j]]
                sums[i, :, j] += product if i >= j else product.T
        return sums

    def covariances(self):
        """Return what the normal equations consist of.

        Returns
        -------
        covariances : ndarray of shape (d, d), d = (n_lags + 1) * n_features
            Of values at all lags, 0 first.
        cross : ndarray of shape (d - n_features, n_features)
            Covariances of the values at lags above 0 with the targets.
        variances : ndarray of shape (n_features,)
            Of the targets.
        means : ndarray of shape (n_lags + 1, n_features)
            At each lag, of the targets first.
        n_steps : float
            Number of steps; where targets are missing, in which one was observed at most.
        """
        n, sums = self._n_features, self._sums()
        d = len(self._lags) * n
        n_steps = sums[0, n, 0, n]
        mean = (sums[:, :n, 0, n] / n_steps).ravel()
        cov = sums[:, :n, :, :n].reshape(d, d) / n_steps - mean[:, None] * mean
        if self._changes is None:
            return cov, cov[n:, :n], cov.diagonal()[:n], mean.reshape(-1, n), n_steps
        changes, counts = self._changes[..., :n], self._changes[..., n:]
        count = np.maximum(counts[0, n], 1)
        change = changes[0, n] / count
        # Of (x - its mean) * (change - its mean), in steps where the target was observed.
        cross = changes[:, :n] - change * counts[:, :n]
        cross = cross.reshape(d - n, n) / count
        variances = self._squares / count - np.square(change) + 2 * cross[:n].diagonal()
        variances += cov.diagonal()[n : 2 * n]
        cross += cov[n:, n : 2 * n]
        mean[:n] = mean[n : 2 * n] + change
        return cov, cross, variances, mean.reshape(-1, n), count.max()
