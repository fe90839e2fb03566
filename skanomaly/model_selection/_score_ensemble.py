"""Several detectors as one: their anomaly scores on a common scale, smoothed over several spans."""

from numbers import Integral, Real

import numpy as np
from sklearn.base import MetaEstimatorMixin, OutlierMixin, clone
from sklearn.utils import Bunch, get_tags
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from skanomaly.model_selection._forms import with_docs
from skanomaly.model_selection._members import (
    detectors_among,
    feature_errors,
    fit_to,
    read_members,
    step_errors,
)
from skanomaly.model_selection._multiscale import average, learn_scales, stand_out
from skanomaly.model_selection._reach import reach_of
from skanomaly.model_selection._responses import last_step
from skanomaly.results import sample_means
from skanomaly.scoring import fit_threshold
from skanomaly.sequences import check_sequences
from skanomaly.thresholds import QuantileThreshold
from skanomaly.validation import BaseComposition, HasMethods, Interval, StrOptions, fit_context
from skanomaly.windows import Reach

__all__ = ["ScoreEnsemble"]


def _members_have_features(self):
    """Tell whether scores per value are to be had; say why not."""
    members = getattr(self, "estimators_", None)
    if members is None:
        members = detectors_among(self.estimators)
    without = [one for one in members if not hasattr(last_step(one), "score_features")]
    if without:
        raise AttributeError(
            "score_features needs members that all have it; got "
            f"{type(last_step(without[0])).__name__}, which has not. Leave it out."
        )
    return True


class ScoreEnsemble(OutlierMixin, MetaEstimatorMixin, BaseComposition):
    """Combine the anomaly scores of several detectors, at several time scales.

    Each member is fitted to the same X and scores its time steps. Its scores are averaged over
    neighbouring steps with weights that fall evenly to zero, once for each of `spans`. Each of
    these averages is put on a common scale, on which the usual level of the training data is 0
    and their `quantile` is 1, and the largest counts: the time scale at which the step stands out
    most. The scores of the members are then averaged (or the largest taken). One member is enough
    to have its scores smoothed at several scales.

    Parameters
    ----------
    estimators : list of (str, outlier detector)
        Names and detectors: of skanomaly, of scikit-learn (which score rows, time steps alone), or
        pipelines that end in one. Clones are fitted. Their parameters are set and tuned as
        ``<name>__<parameter>``, and a whole member as ``<name>``, "drop" leaving it out.
    combination : {"mean", "max"}, default="mean"
        How the scores of members make up one: "mean" asks how far they agree, "max" lets each
        raise an alarm alone.
    weights : array-like of shape (n_estimators,) or None, default=None
        How much each member counts, relative to the others; not negative. Scores are multiplied by
        the weight over the mean weight of the members that are not dropped.
    spans : sequence of int or None, default=(4, 16, 64, 256)
        The distances, in time steps, at which the weights of the averages reach zero; 1 is no
        average. None takes scores as they are.
    causal : bool, default=False
        Average over the step itself and those before it only. Whether members look ahead is their
        own affair.
    quantile : float, default=0.99
        Where 1 lies on the common scale: at this quantile of the averages of the training data, in
        (0.5, 1]. 0 lies at the quantile ``1 - quantile`` of their scores.
    warm_up : int, default=0
        Time steps at the start of each series whose scores count as unknown, as windowed
        detectors know little there. They score as normal as the median and are never flagged.
    contamination : float, default=0.01
        Share of the training data to be flagged, in (0, 0.5]. Ignored when `threshold` is given.
    threshold : threshold selector, default=None
        An estimator from :mod:`skanomaly.thresholds`, cloned and fitted on the anomaly scores of
        the training data. None is ``QuantileThreshold(contamination=contamination)``.

    Attributes
    ----------
    estimators_ : list of outlier detectors
        The fitted members that are not dropped.
    named_estimators_ : :class:`~sklearn.utils.Bunch`
        The same by name.
    centres_ : ndarray of shape (n_members,)
        The scores of members that are 0 on the common scale.
    scales_ : ndarray of shape (n_members, n_spans)
        How far above lies 1, for each average.
    threshold_ : float
        Anomaly scores above it are flagged: of time steps after fitting one series, of series
        after fitting a panel.
    offset_ : float
        Minus ``threshold_``: ``decision_function = score_samples - offset_``.
    step_threshold_ : float
        The threshold for single time steps, also after fitting a panel.
    threshold_selector_ : threshold selector
        The fitted selector that chose ``threshold_``.
    n_features_in_ : int
        Number of features seen in fit.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the features, when X had names.

    See Also
    --------
    make_detector : A pipeline with such an ensemble, set up for data like X.

    Notes
    -----
    Of scores of members a low quantile is subtracted, and the rest divided by a range, so that any
    scale and offset will do; a member whose training scores are all alike is divided by 1. The
    largest of several averages, each in units of what is usual for it, is a scan statistic [2]_:
    an anomaly need not last for a certain time to be found. Members that err differently gain most
    from being averaged [1]_.

    Averages never cross from one series to another, and use what there is near the ends. Detectors
    of scikit-learn score single rows: for panels all rows are given to them in one table. Inside a
    pipeline they cannot be reached by panels, for its steps may depend on time.

    The members' own `smoothing` comes first and is best left out.

    References
    ----------
    .. [1] C. C. Aggarwal and S. Sathe, "Theoretical foundations and algorithms for outlier
       ensembles", ACM SIGKDD Explorations 17(1), 2015.
    .. [2] J. Glaz, J. Naus and S. Wallenstein, "Scan statistics", Springer, 2001.

    Examples
    --------
    >>> import numpy as np
    >>> from skanomaly import LinearForecaster, NearestWindowDetector, ScoreEnsemble
    >>> X = np.sin(np.arange(1000) / 5)[:, None] + 0.1 * np.random.default_rng(0).normal(
    ...     size=(1000, 1)
    ... )
    >>> ensemble = ScoreEnsemble(
    ...     [("linear", LinearForecaster()), ("nearest", NearestWindowDetector(window_size=30))],
    ...     spans=(1, 8),
    ... ).fit(X[:600])
    >>> X[800:820] += 0.5
    >>> 795 < int(np.argmin(ensemble.score_samples(X))) < 825
    True
    >>> ensemble.set_params(linear__lags=5, nearest="drop").fit(X[:600]).estimators_
    [LinearForecaster(lags=5)]
    """

    _parameter_constraints: dict = {
        "estimators": [list],
        "combination": [StrOptions({"mean", "max"})],
        "weights": ["array-like", None],
        "spans": ["array-like", None],
        "causal": ["boolean"],
        "quantile": [Interval(Real, 0.5, 1, closed="right")],
        "warm_up": [Interval(Integral, 0, None, closed="left")],
        "contamination": [Interval(Real, 0, 0.5, closed="right")],
        "threshold": [HasMethods(["fit", "predict"]), None],
    }

    def __init__(
        self,
        estimators,
        *,
        combination="mean",
        weights=None,
        spans=(4, 16, 64, 256),
        causal=False,
        quantile=0.99,
        warm_up=0,
        contamination=0.01,
        threshold=None,
    ):
        self.estimators = estimators
        self.combination = combination
        self.weights = weights
        self.spans = spans
        self.causal = causal
        self.quantile = quantile
        self.warm_up = warm_up
        self.contamination = contamination
        self.threshold = threshold

    def get_params(self, deep=True):
        """Return the parameters, of members too, and the members by name.

        Parameters
        ----------
        deep : bool, default=True
            Whether to return members and what is inside them.

        Returns
        -------
        params : dict
            Values by name.
        """
        return self._get_params("estimators", deep=deep)

    def set_params(self, **params):
        """Set parameters, of members as ``<name>__<parameter>``, or a whole member as ``<name>``.

        Parameters
        ----------
        **params : dict
            Values by name.

        Returns
        -------
        self : ScoreEnsemble
            The ensemble.
        """
        self._set_params("estimators", **params)
        return self

    # -------------------------------------------------------------------------------- fitting

    @fit_context(prefer_skip_nested_validation=False)
    @with_docs
    def fit(self, X, y=None):
        """Fit the members, learn the common scale and the threshold from their scores of X.

        Parameters
        ----------
        X : {X}
            Mostly normal.
        y : None
            Ignored; there for the conventions of scikit-learn.

        Returns
        -------
        self : ScoreEnsemble
            The fitted ensemble.

        Raises
        ------
        ValueError
            If a parameter is out of its range, or X is not as described.
        """
        members = self._check_members()
        sequences = self._read(X, reset=True)
        self._check_warm_up(sequences)
        self.estimators_ = [fit_to(clone(one), X, sequences) for _, one in members]
        self.named_estimators_ = Bunch(
            **{name: fitted for (name, _), fitted in zip(members, self.estimators_, strict=True)}
        )
        errors = [self._step_errors(one, X, sequences) for one in self.estimators_]
        lengths, options = sequences.lengths, (self._spans(), self.causal)
        learned = [learn_scales(one, lengths, *options, self.quantile) for one in errors]
        self.centres_ = np.array([centre for centre, _ in learned])
        self.scales_ = np.array([scales for _, scales in learned])
        self._learn_thresholds(sequences, self._combine(errors, sequences)[0])
        return self

    def _read(self, X, reset):
        return check_sequences(
            self, X, reset=reset, min_timesteps=2 if reset else 1, observed=reset, stored=True
        )

    def _spans(self):
        spans = [1] if self.spans is None else list(self.spans)
        if not spans or any(not isinstance(one, Integral) or one < 1 for one in spans):
            raise ValueError(
                "spans must be whole numbers of time steps, at least one and none below 1; got "
                f"{self.spans!r}. Use for example (4, 16, 64), or None for scores as they are."
            )
        return [int(one) for one in spans]

    def _check_members(self):
        """Return the members that are not dropped, by name, and keep their weights."""
        members, self._weights = read_members(self.estimators, self.weights)
        self._validate_names([name for name, _ in self.estimators])
        return members

    def _check_warm_up(self, sequences):
        longest = int(sequences.lengths.max())
        if self.warm_up >= longest:
            raise ValueError(
                f"warm_up must be less than {longest}, the length of the longest series; got "
                f"{self.warm_up}. Use a smaller warm_up or longer series."
            )

    def _learn_thresholds(self, sequences, scores):
        """Fit a threshold on scores of samples (n,), and one on those of time steps."""
        selector = self.threshold
        if selector is None:
            selector = QuantileThreshold(contamination=self.contamination)
        panel = sequences.nesting != "series"
        samples = sample_means(sequences, [scores]) if panel else scores
        self.threshold_selector_, self._unknown_sample = fit_threshold(selector, samples)
        self.threshold_ = self.threshold_selector_.threshold_
        self.offset_ = -self.threshold_
        self.step_threshold_, self._unknown_step = self.threshold_, self._unknown_sample
        self._fitted_on_panel = panel
        if panel:
            steps, self._unknown_step = fit_threshold(selector, scores)
            self.step_threshold_ = steps.threshold_

    # -------------------------------------------------------------------------------- scoring

    def _step_errors(self, member, X, sequences):
        """Ask a member for anomaly scores of time steps, (n_timesteps,), NaN in the warm-up."""
        errors = step_errors(member, X, sequences)
        if self.warm_up:
            errors[_steps_of_series(sequences) < self.warm_up] = np.nan
        return errors

    def _combine(self, errors, sequences):
        """Combine scores of members: (n_timesteps,), and what each makes of them.

        That is, for each member, which span stands out most at each step, and the member's share
        in the score.
        """
        known = zip(errors, self.centres_, self.scales_, strict=True)
        found = [
            stand_out(one, sequences.lengths, self._spans(), self.causal, centre, scales)
            for one, centre, scales in known
        ]
        scores = np.array([score for score, _ in found]) * self._weights[:, None]
        chosen = np.array([span for _, span in found])
        if self.combination == "mean":
            return scores.mean(axis=0), chosen, np.full(scores.shape, 1 / len(scores))
        share = np.zeros(scores.shape)
        share[scores.argmax(axis=0), np.arange(scores.shape[1])] = 1.0
        return scores.max(axis=0), chosen, share

    def _known_scores(self, X):
        """Return the series and anomaly scores of time steps, NaN for those that tell nothing."""
        check_is_fitted(self)
        sequences = self._read(X, reset=False)
        errors = [self._step_errors(one, X, sequences) for one in self.estimators_]
        return sequences, self._combine(errors, sequences)[0]

    def _reach(self):
        """Tell how far the score of a time step depends on others, as skanomaly.windows.Reach."""
        reach = Reach(before=int(self.warm_up))
        for one in self.estimators_:
            reach = reach.joined(reach_of(one))
        span = max(self._spans()) - 1
        return reach.extended(span, 0 if self.causal else span)

    def _step_scores(self, X):
        sequences, scores = self._known_scores(X)
        return sequences, np.where(np.isnan(scores), self._unknown_step, scores)

    def _sample_scores(self, X):
        """Return the series and anomaly scores of time steps of a series, or of all of a panel."""
        sequences, scores = self._known_scores(X)
        if sequences.nesting == "series":
            return sequences, np.where(np.isnan(scores), self._unknown_step, scores)
        scores = sample_means(sequences, [scores])
        unknown = self._unknown_sample if self._fitted_on_panel else self._unknown_step
        return sequences, np.where(np.isnan(scores), unknown, scores)

    def _threshold_for(self, sequences):
        if sequences.nesting == "series":
            return self.step_threshold_
        if not self._fitted_on_panel:
            raise ValueError(
                "X must be one series (n_timesteps, n_features) here, as it was in fit, to be "
                f"labelled; got a {sequences.nesting} panel of {sequences.n_series} series. Fit on "
                "a panel to label whole series, or use predict_timesteps."
            )
        return self.threshold_

    @with_docs
    def score_samples(self, X):
        """Score each time step of a series, or each series of a panel; higher is more normal.

        Parameters
        ----------
        X : {X}

        Returns
        -------
        scores : ndarray of shape (n_timesteps,) or (n_series,), float64
            Minus the combined scores; between 0 and about -1 for what is normal, below for what
            is unusual. For a panel the mean over the time steps.
        """
        return -self._sample_scores(X)[1]

    @with_docs
    def decision_function(self, X):
        """Score as ``score_samples``, shifted so that negative means anomalous.

        Parameters
        ----------
        X : {X}

        Returns
        -------
        decision : ndarray of shape (n_timesteps,) or (n_series,), float64
            ``score_samples(X)`` minus the offset: ``offset_`` when X is of the kind seen in fit.
            For one series after fitting a panel it is ``-step_threshold_``.

        Raises
        ------
        ValueError
            If X is a panel and the ensemble was fitted on one series, which tells nothing about
            how the scores of whole series vary.
        """
        sequences, scores = self._sample_scores(X)
        return self._threshold_for(sequences) - scores

    @with_docs
    def predict(self, X):
        """Label each time step of a series, or each series of a panel.

        Parameters
        ----------
        X : {X}

        Returns
        -------
        labels : ndarray of shape (n_timesteps,) or (n_series,), int
            -1 for anomalies, where ``decision_function`` is negative; +1 for the rest.
        """
        return np.where(self.decision_function(X) < 0, -1, 1)

    @with_docs
    def score_timesteps(self, X):
        """Score each time step, of panels too; higher is more normal.

        Parameters
        ----------
        X : {X}

        Returns
        -------
        scores : ndarray of shape (n_timesteps,) or (n_series, n_timesteps), or list of ndarray
            As X, without the axis of features; float64.
        """
        sequences, scores = self._step_scores(X)
        return sequences.nest(-scores)

    @with_docs
    def predict_timesteps(self, X):
        """Label each time step, of panels too.

        Parameters
        ----------
        X : {X}

        Returns
        -------
        labels : ndarray of shape (n_timesteps,) or (n_series, n_timesteps), or list of ndarray
            -1 where the anomaly score exceeds ``step_threshold_``, else +1; int.
        """
        sequences, scores = self._step_scores(X)
        return sequences.nest(np.where(scores > self.step_threshold_, -1, 1))

    @available_if(_members_have_features)
    @with_docs
    def score_features(self, X):
        """Score each value; higher is more normal. The mean over features scores the time step.

        Of each member the errors of the features are averaged over the span that stands out at the
        step, and put on the same scale as its score; see ``score_samples``. Where values are
        missing the mean is the score approximately.

        Parameters
        ----------
        X : {X}

        Returns
        -------
        scores : ndarray or list of ndarray, shaped like X
            float64; NaN where no member has an opinion, and in the warm-up.

        Raises
        ------
        ValueError
            If a member gives scores for other features than those of X.
        """
        check_is_fitted(self)
        sequences = self._read(X, reset=False)
        errors = [self._step_errors(one, X, sequences) for one in self.estimators_]
        _, chosen, share = self._combine(errors, sequences)
        total = np.zeros((sequences.n_timesteps, sequences.n_features))
        for i, member in enumerate(self.estimators_):
            values = feature_errors(member, X, sequences)
            values[np.isnan(errors[i])] = np.nan
            for j, span in enumerate(self._spans()):
                rows = chosen[i] == j
                smooth = average(values, sequences.lengths, span, self.causal)[rows]
                part = (smooth - self.centres_[i]) / self.scales_[i, j]
                total[rows] += self._weights[i] * share[i, rows, None] * part
        return sequences.nest(-total)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        members = detectors_among(self.estimators)
        tags.input_tags.allow_nan = all(get_tags(one).input_tags.allow_nan for one in members)
        tags.input_tags.three_d_array = True
        return tags


def _steps_of_series(sequences):
    """Number the time steps of each series from 0: (n_timesteps,)."""
    steps = np.arange(sequences.n_timesteps)
    return steps - sequences.offsets[sequences.of_steps(steps)]
