"""An outlier detector as a classifier, for tools of scikit-learn that take classifiers alone."""

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, MetaEstimatorMixin, clone
from sklearn.utils import assert_all_finite, column_or_1d
from sklearn.utils.validation import check_is_fitted

from skanomaly.model_selection._base import copy_features_seen, tags_of, with_docs
from skanomaly.model_selection._labels import length_of
from skanomaly.model_selection._responses import ask_for_samples, sample_scores
from skanomaly.validation import HasMethods, fit_context

__all__ = ["OutlierClassifier"]


class OutlierClassifier(ClassifierMixin, MetaEstimatorMixin, BaseEstimator):
    """Make an outlier detector a binary classifier.

    Some tools of scikit-learn take classifiers alone, such as ``TunedThresholdClassifierCV``,
    ``FixedThresholdClassifier`` and ``PrecisionRecallDisplay``. Labels only name the two classes:
    the detector is fitted without them.

    Mind the positive class: for scikit-learn it is ``classes_[1]``, the larger label, and
    ``decision_function`` is higher for it. With labels 0 and 1 (or False and True) of which 1 are
    the outliers, that is the outlier, and names such as "f1" and "average_precision" mean what
    they say: prefer such labels, ``(y == -1).astype(int)``. With -1 and 1 the positive class is
    the normal one; use ``make_scorer(f1_score, pos_label=-1)`` and ``pos_label=-1`` of displays
    then.

    Parameters
    ----------
    estimator : outlier detector or Pipeline that ends in one
        With ``decision_function`` and ``predict`` in the manner of scikit-learn. Wrap a detector
        of PyOD in :class:`FixedThresholdDetector`.
    outlier_label : int, float, bool, str or "auto", default="auto"
        Which label stands for outliers. "auto" is -1 for the labels -1 and 1, and 1 for the labels
        0 and 1, or True; others must be named.

    Attributes
    ----------
    estimator_ : outlier detector
        The fitted clone, or the frozen detector.
    classes_ : ndarray of shape (2,)
        The labels in fit, in order.
    outlier_label_ : int, float, bool or str
        The one of them that stands for outliers.
    n_features_in_ : int
        Number of features seen in fit, if the detector tells it.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the features, if the detector tells them.

    See Also
    --------
    TunedThresholdDetectorCV : The best threshold by labels -1 and 1, without this detour.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.ensemble import IsolationForest
    >>> from skanomaly.model_selection import OutlierClassifier
    >>> X = np.random.default_rng(0).normal(size=(200, 1))
    >>> X[:10] += 8
    >>> y = np.repeat([1, 0], [10, 190])
    >>> forest = IsolationForest(contamination=0.05, n_estimators=20, random_state=0)
    >>> classifier = OutlierClassifier(forest).fit(X, y)
    >>> classifier.predict(X[8:12])
    array([1, 1, 0, 0])
    >>> classifier.decision_function(X[8:12]) > 0
    array([ True,  True, False, False])
    """

    _parameter_constraints: dict = {
        "estimator": [HasMethods(["fit", "predict", "decision_function"])],
        "outlier_label": "no_validation",  # any label
    }

    def __init__(self, estimator, *, outlier_label="auto"):
        self.estimator = estimator
        self.outlier_label = outlier_label

    @fit_context(prefer_skip_nested_validation=False)
    @with_docs
    def fit(self, X, y):
        """Fit the detector, unless it is frozen, and learn what the classes are called.

        Parameters
        ----------
        X : {X}
        y : array-like of shape (n_timesteps,) or (n_series,)
            One label of two for each time step of a single series, or each series of a panel.

        Returns
        -------
        self : object
            The fitted classifier.

        Raises
        ------
        ValueError
            If there are not two classes, or nobody says which of them is the outlier.
        """
        if y is None:
            raise ValueError(
                f"{type(self).__name__} requires y to be passed, but the target y is None; got "
                "no labels. Pass one label per sample, or use the detector itself."
            )
        y = column_or_1d(y, warn=True)
        if y.dtype.kind == "f":
            assert_all_finite(y, input_name="y")
        if len(y) != length_of(X):
            raise ValueError(
                "y and X have inconsistent numbers of samples: y must be one label per sample; got "
                f"{len(y)} labels and {length_of(X)} samples. For a panel pass labels per series."
            )
        classes = np.unique(y)
        if len(classes) != 2:
            raise ValueError(
                f"y must hold 2 classes; got {len(classes)} class(es), {classes[:5].tolist()}. "
                "Only binary classification is supported. Unknown label type: pass labels of "
                "outliers and of others."
            )
        self.outlier_label_ = self._outlier_of(classes)
        self.classes_ = classes
        self.estimator_ = clone(self.estimator).fit(X, None)
        copy_features_seen(self, self.estimator_)
        return self

    def _outlier_of(self, classes):
        """Return the label of outliers among two classes in order."""
        found = classes.tolist()
        if isinstance(self.outlier_label, str) and self.outlier_label == "auto":
            if found == [-1, 1]:
                return found[0]
            if found == [0, 1]:  # False and True, too
                return found[1]
        elif self.outlier_label in found:
            return self.outlier_label
        raise ValueError(
            f"outlier_label must be one of the classes {found}, and can be 'auto' for [-1, 1] and "
            f"[0, 1] alone; got {self.outlier_label!r}. Name the label of outliers."
        )

    @with_docs
    def predict(self, X):
        """Say for each sample which class it is of.

        Parameters
        ----------
        X : {X}

        Returns
        -------
        labels : ndarray of shape (n_timesteps,) or (n_series,)
            ``outlier_label_`` where the detector says -1, the other label elsewhere.
        """
        check_is_fitted(self)
        is_outlier = np.asarray(ask_for_samples(self.estimator_, X, "predict")) == -1
        second_is_outlier = self.classes_[1] == self.outlier_label_
        return self.classes_[(is_outlier == second_is_outlier).astype(int)]

    @with_docs
    def decision_function(self, X):
        """Score each sample; higher for ``classes_[1]``, above 0 where it is predicted.

        Parameters
        ----------
        X : {X}

        Returns
        -------
        decision : ndarray of shape (n_timesteps,) or (n_series,), float64
            What the detector's ``decision_function`` says, turned round if ``classes_[1]`` are
            the outliers.
        """
        check_is_fitted(self)
        anomalous = sample_scores(self.estimator_, X, "decision_function")
        return anomalous if self.classes_[1] == self.outlier_label_ else -anomalous

    @with_docs
    def score(self, X, y, sample_weight=None):
        """Compute the share of samples that get the right label.

        It says little where nearly all samples are normal: use a scorer of anomalies.

        Parameters
        ----------
        X : {X}
        y : array-like of shape (n_timesteps,) or (n_series,)
            True labels.
        sample_weight : array-like of shape (n_timesteps,) or (n_series,), default=None
            How much each sample counts.

        Returns
        -------
        accuracy : float
            Between 0 and 1.
        """
        return super().score(X, y, sample_weight)

    def __sklearn_tags__(self):
        tags = tags_of(self.estimator, super().__sklearn_tags__())
        tags.classifier_tags.multi_class = False
        tags.classifier_tags.poor_score = True  # it learns nothing from y
        return tags
