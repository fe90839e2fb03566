"""A detector whose threshold is the best by labels, on scores of data it was not fitted on."""

import warnings
from numbers import Integral

import numpy as np
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import KFold, check_cv
from sklearn.utils import indexable
from sklearn.utils.parallel import Parallel, delayed
from sklearn.utils.validation import check_is_fitted

from skanomaly.model_selection._base import (
    BaseThresholdDetector,
    copy_features_seen,
    with_docs,
)
from skanomaly.model_selection._labels import check_both_classes, length_of, read_labels, take
from skanomaly.model_selection._responses import RESPONSE_DOC, sample_scores, timestep_scores
from skanomaly.model_selection._scorers import OutlierScorer, get_scorer
from skanomaly.model_selection._split import ExpandingWindowSplit
from skanomaly.preprocessing import Downsampler
from skanomaly.validation import Interval, StrOptions, fit_context

__all__ = ["TunedThresholdDetectorCV"]

# Share of flagged samples from which on a threshold is called useless.
_NEARLY_ALL = 0.9
#: Parameters of detectors and transformers that tell how far a score looks.
_REACHES = ("window_size", "lag", "lags")


class TunedThresholdDetectorCV(BaseThresholdDetector):
    __doc__ = f"""Give any outlier detector the threshold that is best by labels.

    Clones of the detector are fitted on the training part of each split, without y, and score the
    test part. Of all these out-of-fold anomaly scores together the threshold is chosen that is
    best by `scoring`. Together, because anomalies are rare, and most folds would have too few of
    them for a score of their own; no run of anomalies is joined across folds. Then the detector is
    fitted on all of X. Since a detector that has seen more may score a little lower, give folds
    that are not much shorter than X.

    Parameters
    ----------
    estimator : outlier detector or Pipeline that ends in one
        Of skanomaly, of scikit-learn (``IsolationForest``, ``OneClassSVM``, ``LocalOutlierFactor``
        with ``novelty=True``), or of PyOD.
    scoring : str or OutlierScorer, default="f1"
        What the threshold shall maximise: "f1", "composite_f1", "range_f1", "event_f1", or an
        :class:`OutlierScorer` with ``response="labels"``. Those of anomaly scores do not depend on
        a threshold. Mind that "recall" and "event_f1" are 1 if everything is flagged.
    cv : int, splitter, iterable of (train, test), "prefit" or None, default=None
        For a single series an int is ``ExpandingWindowSplit(n_splits=cv, window_size=...)`` with
        the largest `window_size` or lag among the parameters of the estimator, times the factor
        of a ``Downsampler``. For a panel or list it is ``KFold(n_splits=cv, shuffle=True,
        random_state=random_state)`` over series. None is 5, or "prefit" for a frozen estimator.
        "prefit" takes a fitted estimator, which is not trained again, and scores all of X, which
        it should not have seen.
    thresholds : int or array-like of shape (n_thresholds,), default=100
        Which anomaly scores to try as thresholds. An int is how many, halfway between scores, so
        that 1, 2, ... of the samples are flagged and then more in geometric steps, up to all
        but one distinct score; fewer if there are fewer scores.
    response_method : {RESPONSE_DOC}
    refit : bool, default=True
        Fit on all of X at last. False keeps the detector of the split, of which there must be only
        one.
    n_jobs : int or None, default=None
        How many splits are computed at once, as in scikit-learn.
    random_state : int, RandomState or None, default=None
        Shuffles the series of a panel where `cv` is a number.
    store_cv_results : bool, default=False
        Whether to keep ``cv_results_``.

    Attributes
    ----------
    estimator_ : outlier detector
        Fitted on all of X, or the one given if ``cv="prefit"``.
    best_threshold_ : float
        The threshold found; of several that are as good the highest, which flags least.
    best_score_ : float
        Its score on the out-of-fold samples: a little too good, as it was chosen on them.
    threshold_ : float
        ``best_threshold_``.
    offset_ : float
        Minus ``threshold_``: ``decision_function = score_samples - offset_``.
    step_threshold_ : float
        ``best_threshold_``, if the labels are of time steps.
    cv_results_ : dict
        "thresholds", "scores" of shape (n_thresholds,), and for each split "y_true" and "y_score"
        (anomaly scores), lists of arrays. Only if ``store_cv_results=True``.
    n_features_in_ : int
        Number of features seen in fit, if the detector tells it.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the features, if the detector tells them.

    See Also
    --------
    FixedThresholdDetector : A threshold that is known, or chosen without labels.
    skanomaly.thresholds : Selectors, also for scores without a detector.

    Examples
    --------
    >>> import numpy as np
    >>> from skanomaly import PersistenceDetector
    >>> from skanomaly.model_selection import TunedThresholdDetectorCV
    >>> X = np.random.default_rng(0).normal(size=(600, 1))
    >>> y = np.ones(600, dtype=int)
    >>> X[[150, 250, 350, 450, 550]] += 20.0
    >>> y[[150, 250, 350, 450, 550]] = -1
    >>> detector = TunedThresholdDetectorCV(PersistenceDetector(), scoring="recall").fit(X, y)
    >>> detector.best_score_
    1.0
    >>> detector.predict(X)[[149, 150]]
    array([ 1, -1])
    """

    _parameter_constraints: dict = {
        **BaseThresholdDetector._parameter_constraints,
        "scoring": [str, callable],
        "cv": ["cv_object", StrOptions({"prefit"})],
        "thresholds": [Interval(Integral, 2, None, closed="left"), "array-like"],
        "refit": ["boolean"],
        "n_jobs": [Integral, None],
        "random_state": ["random_state"],
        "store_cv_results": ["boolean"],
    }

    def __init__(
        self,
        estimator,
        *,
        scoring="f1",
        cv=None,
        thresholds=100,
        response_method="score_samples",
        refit=True,
        n_jobs=None,
        random_state=None,
        store_cv_results=False,
    ):
        self.estimator = estimator
        self.scoring = scoring
        self.cv = cv
        self.thresholds = thresholds
        self.response_method = response_method
        self.refit = refit
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.store_cv_results = store_cv_results

    @fit_context(prefer_skip_nested_validation=False)
    @with_docs
    def fit(self, X, y=None, groups=None):
        """Choose the threshold by labels and fit the detector.

        Parameters
        ----------
        X : {X}
        y : {y}
            Needed. The detector does not see them.
        groups : array-like of shape (n_samples,) or None, default=None
            Which samples belong together, for splitters such as ``GroupKFold``.

        Returns
        -------
        self : object
            The fitted detector.

        Raises
        ------
        ValueError
            If labels are missing, not -1 and 1, or all of one kind in the test parts; if `scoring`
            does not depend on a threshold; if folds are shorter than a window.
        """
        scorer = _check_scorer(self.scoring)
        X, groups = indexable(X, groups)
        labels = read_labels(y, X)
        scorer.check_level(labels)
        of_steps = labels.of_list and labels.level == "timesteps"
        if of_steps and self.response_method != "score_samples":
            raise ValueError(
                "response_method must be 'score_samples' for labels per time step of a panel; got "
                f"{self.response_method!r}, which scores whole series. Change it, or use labels "
                "per series."
            )
        folds = self._folds(X, labels, groups, of_steps)
        truth = [part for fold in folds for part in fold[1]]
        scores = [part for fold in folds for part in fold[2]]
        check_both_classes(truth, "y of the test parts")
        candidates = _candidates(self.thresholds, np.concatenate(scores))
        values = np.array([_rate(scorer, truth, scores, t, labels) for t in candidates])
        if np.isnan(values).all():
            raise ValueError(
                f"scoring must be defined for some threshold; got NaN from {scorer!r} for all "
                f"{len(candidates)}. Use other thresholds, or scoring='f1'."
            )
        best = len(values) - 1 - int(np.nanargmax(values[::-1]))
        self.best_threshold_, self.best_score_ = float(candidates[best]), float(values[best])
        share = np.mean(np.concatenate(scores) > self.best_threshold_)
        if share >= _NEARLY_ALL:
            warnings.warn(
                f"The best threshold by {scorer!r} flags {100 * share:.0f} % of the samples: the "
                "scores tell anomalies from the rest too badly, or flagging everything suits this "
                "scoring. Use scoring='composite_f1' or 'f1', or another detector.",
                UserWarning,
                stacklevel=2,
            )
        self._keep(folds, candidates, values)
        self.estimator_ = folds[0][0] if self._is_prefit() or not self.refit else self._fit_all(X)
        copy_features_seen(self, self.estimator_)
        self._set_thresholds(
            samples=None if of_steps else self.best_threshold_,
            timesteps=self.best_threshold_ if labels.level == "timesteps" else None,
        )
        return self

    @with_docs
    def fit_predict(self, X, y=None, **fit_params):
        """Fit, and label the same X.

        Parameters
        ----------
        X : {X}
        y : {y}
            Needed, as in ``fit``.
        **fit_params : object
            Passed to ``fit``.

        Returns
        -------
        labels : ndarray of shape (n_timesteps,) or (n_series,), int
            -1 for anomalies, else 1.
        """
        return self.fit(X, y, **fit_params).predict(X)

    def _is_prefit(self):
        frozen = isinstance(self.estimator, FrozenEstimator) and self.cv is None
        return frozen or (isinstance(self.cv, str) and self.cv == "prefit")

    def _fit_all(self, X):
        return clone(self.estimator).fit(X, None)

    def _folds(self, X, labels, groups, of_steps):
        """Return (detector, labels, anomaly scores) of each split, both as lists of arrays."""
        if self._is_prefit():
            check_is_fitted(self.estimator)
            return [_score(self.estimator, X, labels.values, of_steps, self.response_method)]
        splits = list(self._splitter(labels).split(X, labels.values, groups))
        if not self.refit and len(splits) > 1:
            raise ValueError(
                f"refit must be True with several splits; got refit={self.refit!r} with "
                f"{len(splits)} splits, each with a detector of its own. Use refit=True, or a "
                "cv with one split."
            )
        return Parallel(n_jobs=self.n_jobs)(
            delayed(_fit_and_score)(
                clone(self.estimator), X, labels.values, split, of_steps, self.response_method
            )
            for split in splits
        )

    def _splitter(self, labels):
        if self.cv is not None and not isinstance(self.cv, Integral):
            return check_cv(self.cv)
        n_splits = 5 if self.cv is None else self.cv
        if labels.of_list:
            return KFold(n_splits=n_splits, shuffle=True, random_state=self.random_state)
        return ExpandingWindowSplit(n_splits=n_splits, window_size=_reach(self.estimator))

    def _keep(self, folds, candidates, values):
        self.__dict__.pop("cv_results_", None)
        if self.store_cv_results:
            self.cv_results_ = {
                "thresholds": candidates,
                "scores": values,
                "y_true": [np.concatenate(fold[1]) for fold in folds],
                "y_score": [np.concatenate(fold[2]) for fold in folds],
            }

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        return tags


def _fit_and_score(estimator, X, y, split, of_steps, response_method):
    train, test = split
    estimator.fit(take(X, train), None)
    return _score(estimator, take(X, test), take(y, test), of_steps, response_method)


def _score(estimator, X, y, of_steps, response_method):
    """Return the estimator, labels and anomaly scores; lists of arrays, one per run of steps."""
    if of_steps:
        return estimator, list(y), timestep_scores(estimator, X)
    scores = sample_scores(estimator, X, response_method)
    if len(scores) != length_of(X):
        raise ValueError(
            f"estimator must score each of the {length_of(X)} samples of X; got {len(scores)} "
            "scores. Leave out steps of the pipeline that drop samples; Downsampler is undone."
        )
    return estimator, [np.asarray(y)], [scores]


def _check_scorer(scoring):
    scorer = get_scorer(scoring) if isinstance(scoring, str) else scoring
    if not isinstance(scorer, OutlierScorer):
        raise TypeError(
            f"scoring must be a name or an OutlierScorer; got {scoring!r}. Scorers of scikit-learn "
            "take 1 for the positive class, here the normal one: wrap their metric, for example "
            "OutlierScorer(skanomaly.metrics.point_precision_recall_f, response='labels')."
        )
    if scorer.response != "labels":
        raise ValueError(
            f"scoring must depend on the threshold; got {scoring!r}, which rates anomaly scores "
            "whatever the threshold. Use 'f1', 'composite_f1' or 'range_f1'."
        )
    return scorer


def _rate(scorer, truth, scores, threshold, labels):
    """Apply the scorer to the labels that a threshold gives, parts in lists."""
    found = [np.where(part > threshold, -1, 1) for part in scores]
    if labels.level == "series":
        return scorer.evaluate(np.concatenate(truth), np.concatenate(found))
    return scorer.evaluate(truth, found)


def _candidates(thresholds, scores):
    """Return thresholds to try, in ascending order; scores (n_samples,)."""
    if not np.isfinite(scores).all():
        raise ValueError(
            "estimator must give finite scores; got "
            f"{np.count_nonzero(~np.isfinite(scores))} that are NaN or infinite. Fill missing "
            "values before it."
        )
    if not isinstance(thresholds, Integral):
        return _check_thresholds(thresholds)
    falling = np.unique(scores)[::-1]
    if len(falling) < 2:
        raise ValueError(
            f"estimator must give different scores to some samples of X; got {falling[0]} for all "
            f"{len(scores)}, which no threshold divides. Use another detector."
        )
    # Ranks 1, 2, ... one by one, then ever further apart; each rank is how many are flagged.
    ranks = np.geomspace(1, len(falling) - 1, thresholds)
    ranks = np.maximum(ranks, np.minimum(np.arange(1, thresholds + 1), len(falling) - 1))
    ranks = np.unique(ranks.astype(int))
    flagged, not_flagged = falling[ranks - 1], falling[ranks]
    middle = not_flagged + (flagged - not_flagged) / 2
    return np.where(middle < flagged, middle, not_flagged)[::-1]


def _check_thresholds(thresholds):
    found = np.asarray(thresholds)
    if found.ndim != 1 or not len(found) or found.dtype.kind not in "iuf" or np.isnan(found).any():
        raise ValueError(
            "thresholds must be a number of thresholds or an array of at least one, on the scale "
            f"of anomaly scores; got {thresholds!r}. Use for example thresholds=100."
        )
    return np.unique(found.astype(np.float64))


def _reach(estimator):
    """Return how many time steps a score of the detector looks around, by its parameters."""
    reach = factor = 1
    for name, value in estimator.get_params(deep=True).items():
        if isinstance(value, Downsampler):
            factor *= value.factor
        if name.rsplit("__", 1)[-1] not in _REACHES:
            continue
        if value is None or isinstance(value, str):
            raise ValueError(
                f"cv must be a splitter for a series if {name} is not a number; got cv as a number "
                f"or None and {name}={value!r}, which tells no gap between training and test. Use "
                "cv=ExpandingWindowSplit(n_splits=5, window_size=...)."
            )
        reach = max(reach, int(np.max(value)))
    return factor * reach
