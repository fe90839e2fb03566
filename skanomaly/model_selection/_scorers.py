"""Scorers for labels -1 and 1, in which anomalies are what is to be found.

The scorers of scikit-learn take 1 for the positive class, so that with the labels of outlier
detectors they rate how well normal samples are found, which is easy where nearly all are normal.
Those of this module know which way labels and scores point, and refuse other labels.
"""

import math

from skanomaly.metrics import (
    average_precision,
    event_precision_recall_f,
    point_precision_recall_f,
    range_precision_recall_f,
    roc_auc,
    vus_pr,
    vus_roc,
)
from skanomaly.model_selection._labels import check_both_classes, read_labels
from skanomaly.model_selection._responses import (
    ask_for_samples,
    ask_for_timesteps,
    sample_scores,
    timestep_scores,
)
from skanomaly.validation import StrOptions, validate_params

__all__ = ["OutlierScorer", "get_scorer", "get_scorer_names"]


class OutlierScorer:
    """Rate a fitted outlier detector by labels, for ``scoring=`` of searches.

    Call it as ``scorer(estimator, X, y)``, with y of -1 for anomalies and 1 for the rest: one
    label per time step of a single series; of a panel or list one per series, or one per time
    step, nested like X. Scores come from ``score_samples``, for labels per time step of a panel
    from ``score_timesteps`` of the detector at the end of a pipeline, and are turned round to
    anomaly scores. Labels come from ``predict`` and ``predict_timesteps``.

    Parameters
    ----------
    metric : callable
        Called as ``metric(y_true, y_score)`` or ``metric(y_true, y_pred)``; y_true and y_pred of
        -1 and 1, y_score higher for anomalies. It gets one array, or a list of arrays for labels
        per time step of a panel, and returns a number, higher being better, or a named tuple with
        `f`, which is then the number.
    response : {"scores", "labels"}
        What the metric compares with the truth: anomaly scores or predicted labels.
    timesteps_only : bool, default=False
        Whether the metric speaks of intervals, so that labels of whole series mean nothing to it.
    **metric_params : object
        Passed to `metric`.

    See Also
    --------
    get_scorer : Those that have a name.

    Examples
    --------
    >>> import numpy as np
    >>> from skanomaly import PersistenceDetector
    >>> from skanomaly.metrics import point_precision_recall_f
    >>> from skanomaly.model_selection import OutlierScorer
    >>> X = np.array([[0.0], [0.1], [0.0], [5.0], [5.1], [5.0]])
    >>> y = np.array([1, 1, 1, -1, 1, 1])
    >>> f2 = OutlierScorer(point_precision_recall_f, response="labels", beta=2.0)
    >>> f2(PersistenceDetector(contamination=0.2).fit(X), X, y)
    1.0
    """

    @validate_params(
        {
            "metric": [callable],
            "response": [StrOptions({"scores", "labels"})],
            "timesteps_only": ["boolean"],
        },
        prefer_skip_nested_validation=True,
    )
    def __init__(self, metric, *, response, timesteps_only=False, **metric_params):
        self.metric = metric
        self.response = response
        self.timesteps_only = timesteps_only
        self.metric_params = metric_params

    def __repr__(self):
        """Name the metric and its parameters."""
        name = getattr(self.metric, "__name__", repr(self.metric))
        params = "".join(f", {key}={value!r}" for key, value in self.metric_params.items())
        return f"OutlierScorer({name}, response={self.response!r}{params})"

    def __call__(self, estimator, X, y):
        """Rate a fitted detector.

        Parameters
        ----------
        estimator : outlier detector or Pipeline that ends in one
            Fitted, with ``score_samples`` higher for what is normal.
        X : array-like or list of array-like
            What is scored.
        y : array-like or list of array-like
            True labels, -1 for anomalies and 1 for the rest.

        Returns
        -------
        score : float
            Higher is better.

        Raises
        ------
        ValueError
            If labels are not -1 and 1, are all of one kind, or do not fit X. A search then records
            its ``error_score`` for the fold, with a warning that says why.
        """
        labels = read_labels(y, X)
        self.check_level(labels)
        check_both_classes(labels.values)
        nested = labels.of_list and labels.level == "timesteps"
        if self.response == "labels":
            ask, method = (
                (ask_for_timesteps, "predict_timesteps") if nested else (ask_for_samples, "predict")
            )
            found = ask(estimator, X, method)
        else:
            found = timestep_scores(estimator, X) if nested else sample_scores(estimator, X)
        value = self.evaluate(labels.values, list(found) if nested else found)
        if math.isnan(value):
            raise ValueError(
                f"{self!r} must be defined on X and y; got NaN for {len(y)} entries of y. Use "
                "folds with more anomalies, or another metric."
            )
        return value

    def evaluate(self, y_true, found):
        """Apply the metric to labels and what was found, as it is nested.

        Parameters
        ----------
        y_true : ndarray or list of ndarray
            True labels.
        found : ndarray or list of ndarray
            Anomaly scores, higher for anomalies, or predicted labels.

        Returns
        -------
        score : float
            Higher is better; NaN where the metric is not defined.
        """
        result = self.metric(y_true, found, **self.metric_params)
        return float(getattr(result, "f", result))

    def check_level(self, labels):
        """Raise for labels of whole series where the metric needs those of time steps.

        Parameters
        ----------
        labels : Labels
            As they were read.
        """
        if self.timesteps_only and labels.level == "series":
            raise ValueError(
                f"{self!r} needs labels per time step, nested like X; got one label per series, "
                f"{len(labels.values)} in all, between which there is no time. Use 'f1' or "
                "'average_precision' for labels of series."
            )


def _precision(y_true, y_pred):
    return point_precision_recall_f(y_true, y_pred).precision


def _recall(y_true, y_pred):
    return point_precision_recall_f(y_true, y_pred).recall


def _composite_f1(y_true, y_pred):
    precision = _precision(y_true, y_pred)
    recall = event_precision_recall_f(y_true, y_pred).recall
    # Of NaN, nothing flagged, too: 0.
    return 2 * precision * recall / (precision + recall) if precision > 0 and recall > 0 else 0.0


#: Metric, response and whether it speaks of intervals, for each name.
_NAMED = {
    "average_precision": (average_precision, "scores", False),
    "roc_auc": (roc_auc, "scores", False),
    "vus_pr": (vus_pr, "scores", True),
    "vus_roc": (vus_roc, "scores", True),
    "f1": (point_precision_recall_f, "labels", False),
    "precision": (_precision, "labels", False),
    "recall": (_recall, "labels", False),
    "composite_f1": (_composite_f1, "labels", True),
    "event_f1": (event_precision_recall_f, "labels", True),
    "range_f1": (range_precision_recall_f, "labels", True),
}


def get_scorer_names():
    """List the names that :func:`get_scorer` knows.

    Returns
    -------
    names : list of str
        In alphabetical order.

    Examples
    --------
    >>> from skanomaly.model_selection import get_scorer_names
    >>> get_scorer_names()
    ['average_precision', 'composite_f1', 'event_f1', 'f1', 'precision', 'range_f1', 'recall',
    'roc_auc', 'vus_pr', 'vus_roc']
    """
    return sorted(_NAMED)


def get_scorer(name, **metric_params):
    """Get a scorer for labels -1 and 1, in which anomalies are what is to be found.

    Scorers of scikit-learn by the same names rate how well *normal* samples are found.

    Parameters
    ----------
    name : str
        - "average_precision", "roc_auc", "vus_pr", "vus_roc": of anomaly scores, whatever the
          threshold.
        - "f1", "precision", "recall": of labels, each time step or series by itself.
        - "event_f1", "range_f1": of labels per time step, by intervals of anomalies.
        - "composite_f1": F of the recall of intervals and the precision of time steps [1]_. Unlike
          "event_f1" it cannot be had by flagging everything in one interval.
    **metric_params : object
        Passed to the metric, such as ``max_buffer`` of :func:`skanomaly.metrics.vus_pr`.

    Returns
    -------
    scorer : OutlierScorer
        Called as ``scorer(estimator, X, y)``; higher is better.

    Raises
    ------
    ValueError
        If the name is unknown.

    References
    ----------
    .. [1] A. Garg, W. Zhang, J. Samaran, R. Savitha and C.-S. Foo, "An evaluation of anomaly
       detection and diagnosis in multivariate time series", IEEE Transactions on Neural Networks
       and Learning Systems 33(6), 2022.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.ensemble import IsolationForest
    >>> from skanomaly.model_selection import get_scorer
    >>> X = np.random.default_rng(0).normal(size=(200, 1))
    >>> X[:10] = 8
    >>> y = np.repeat([-1, 1], [10, 190])
    >>> forest = IsolationForest(n_estimators=20, random_state=0).fit(X)
    >>> get_scorer("average_precision")(forest, X, y)
    1.0
    """
    if not isinstance(name, str) or name not in _NAMED:
        raise ValueError(
            f"scoring must be one of {', '.join(map(repr, get_scorer_names()))}; got {name!r}. "
            "Choose one of them, or make an OutlierScorer of your metric."
        )
    metric, response, timesteps_only = _NAMED[name]
    return OutlierScorer(metric, response=response, timesteps_only=timesteps_only, **metric_params)
