"""Rate detectors by what they make of normal data, in searches without labels."""

from numbers import Integral, Real

import numpy as np
from scipy.stats import rankdata
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from skanomaly.model_selection._forms import nest_like, read_series, with_docs
from skanomaly.model_selection._injection import robust_spread
from skanomaly.model_selection._walk import reach, score_steps
from skanomaly.validation import Interval, fit_context
from skanomaly.windows import carry_forward

__all__ = ["StabilityScorer", "reconstruction_skill"]


def reconstruction_skill(estimator, X, y=None):
    """Rate how much better than persistence a detector reconstructs or forecasts X.

    ``1 - MSE(detector) / MSE(persistence)``, where persistence expects each value to be the last
    one observed before it. 1 is a perfect reconstruction, 0 no better than persistence. A scorer
    for the ``scoring`` of searches; labels are not needed.

    Parameters
    ----------
    estimator : estimator
        Fitted: a detector with a method ``reconstruct``, a Pipeline that ends in one, or a search
        or wrapper around them.
    X : array-like of shape (n_timesteps, n_features), (n_series, n_timesteps, n_features), \
or list of (n_timesteps_i, n_features)
        One series with rows in time order, a panel of series of equal length, or a list of series.
        Held out of training, and mostly normal. NaN means not observed.
    y : None
        Ignored; there for the conventions of scikit-learn.

    Returns
    -------
    skill : float
        At most 1; higher is better.

    Raises
    ------
    TypeError
        If the estimator does not end in a detector that reconstructs.
    ValueError
        If persistence has no error to compare with: no two observed values of X differ.

    See Also
    --------
    InjectionScorer : Rates whether anomalies are found, not whether normal values are met.
    skanomaly.inspection.identity_report : Tells those that copy their input.

    Notes
    -----
    Only values count that were observed after an observed one, and on which the detector has an
    opinion. Errors are those of the detector's own input, that is of X after all other steps of
    the pipeline, and persistence is given the same. So the unit of X cancels out, but what the
    steps do still matters:

    - *Scale.* Both mean squared errors sum over the features. A feature in large units counts most,
      so that differently scaled inputs are rated by different features.
    - *Differences.* Persistence is good on slowly moving series and bad on their differences: of
      white noise the mean alone has a skill of 0.5. Skills on raw and on differenced data cannot
      be compared.

    An autoencoder sees the value that it reconstructs. One that copies its input has a skill of 1
    and finds nothing.

    Examples
    --------
    >>> import numpy as np
    >>> from skanomaly import LinearForecaster, PersistenceDetector
    >>> from skanomaly.model_selection import reconstruction_skill
    >>> X = np.sin(np.arange(300) / 5).reshape(-1, 1)
    >>> bool(reconstruction_skill(LinearForecaster(lags=2).fit(X[:200]), X[200:]) > 0.99)
    True
    >>> reconstruction_skill(PersistenceDetector().fit(X[:200]), X[200:])
    0.0
    """
    check_is_fitted(estimator)
    detector, _, inner, _ = reach(estimator, X, ("reconstruct",))
    sequences = read_series(inner, np.float32)  # in which detectors read it
    outputs = detector.reconstruct(inner)
    outputs = [outputs] if sequences.nesting == "series" else list(outputs)
    own = rival = 0.0
    for x, expected in zip(sequences.split(), outputs, strict=True):
        x = np.asarray(x, dtype=np.float64)
        last = _last_observed(x)
        known = ~np.isnan(x) & ~np.isnan(last) & np.isfinite(expected)
        own += float(np.sum((x - expected)[known] ** 2))
        rival += float(np.sum((x - last)[known] ** 2))
    if rival == 0:
        raise ValueError(
            "X must change for a skill against persistence; got no two successive observed values "
            f"that differ, in {sequences.n_timesteps} time steps. Hold out longer series."
        )
    return 1.0 - own / rival


def _last_observed(x):
    """Return the last value observed before each: (n_timesteps, n_features), NaN where none."""
    return np.concatenate([np.full_like(x[:1], np.nan), carry_forward(x)[:-1]])


class StabilityScorer(BaseEstimator):
    """Rate how little a ranking of time steps changes when X is slightly perturbed.

    The mean rank correlation (Spearman's) of the anomaly scores of X and of X with a little white
    noise. A scorer for the ``scoring`` of searches; labels are not needed.

    Parameters
    ----------
    noise : float, default=0.1
        Standard deviation of the noise, in units of the robust spread of each feature in X: 1.4826
        times the median absolute deviation, or the standard deviation where more than half of the
        values are equal. Features that never change get none.
    n_repeats : int, default=3
        Over how many draws of the noise to average.
    random_state : int, default=0
        The same int and the same X give the same noise. Only an int makes the candidates of a
        search comparable.

    See Also
    --------
    InjectionScorer : Rates whether anomalies are found.

    Notes
    -----
    A ranking can be stable and useless. The distance from the mean hardly changes by noise, and
    a score that depends on nothing but the position in the series does not change at all; a good
    forecaster, whose errors on normal data *are* noise, is rated low. So use it to rule out
    fickle detectors among those that another criterion likes, never by itself. Scores that are
    all equal rank nothing, and are rated 0.

    Examples
    --------
    >>> import numpy as np
    >>> from skanomaly import MeanDetector, PersistenceDetector
    >>> from skanomaly.model_selection import StabilityScorer
    >>> X = np.sin(np.arange(300) / 5).reshape(-1, 1)
    >>> stability = StabilityScorer()
    >>> stability(MeanDetector().fit(X), X) > stability(PersistenceDetector().fit(X), X)
    True
    """

    _parameter_constraints: dict = {
        "noise": [Interval(Real, 0, None, closed="neither")],
        "n_repeats": [Interval(Integral, 1, None, closed="left")],
        "random_state": [Interval(Integral, 0, None, closed="left")],
    }

    def __init__(self, *, noise=0.1, n_repeats=3, random_state=0):
        self.noise = noise
        self.n_repeats = n_repeats
        self.random_state = random_state

    @fit_context(prefer_skip_nested_validation=True)
    @with_docs
    def __call__(self, estimator, X, y=None):
        """Rate a fitted estimator.

        Parameters
        ----------
        estimator : estimator
            Fitted: a detector, a Pipeline that ends in one, or a search or wrapper around them.
        X : {X}
            Held out of training, and mostly normal.
        y : None
            Ignored; there for the conventions of scikit-learn.

        Returns
        -------
        stability : float
            From -1 to 1; higher is better.
        """
        sequences = read_series(X)
        parts = sequences.split()
        spread = robust_spread(parts)
        if not spread.any():
            raise ValueError(
                "X must have a feature that changes, for noise in units of its spread; got none in "
                f"{sequences.n_timesteps} time steps. Hold out longer series."
            )
        rng = np.random.default_rng(self.random_state)
        calm = np.concatenate(score_steps(estimator, X, sequences.lengths))
        found = []
        for _ in range(self.n_repeats):
            noisy = [x + rng.normal(size=x.shape) * self.noise * spread for x in parts]
            scores = score_steps(estimator, nest_like(X, sequences, noisy), sequences.lengths)
            found.append(_rank_correlation(calm, np.concatenate(scores)))
        return float(np.mean(found))


def _rank_correlation(a, b):
    """Spearman's, 0 where there is no ranking."""
    a, b = (rankdata(scores) - (len(scores) + 1) / 2 for scores in (a, b))
    size = np.sqrt(np.sum(a**2) * np.sum(b**2))
    return float(np.sum(a * b) / size) if size > 0 else 0.0
