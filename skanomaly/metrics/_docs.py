"""What the docstrings of metrics of labels have in common."""

from skanomaly.docstrings import with_texts
from skanomaly.metrics._inputs import LABELS_DOC, SCORES_DOC

__all__ = ["with_docs"]

_TEXTS = {
    "y_true": LABELS_DOC,
    "y_pred": """array-like, nested as `y_true`
        Predicted labels, -1 and 1, such as ``detector.predict(X)``.""",
    "y_score": SCORES_DOC,
    "beta": """float, default=1.0
        How many times as much recall weighs as precision in `f`. Above 0.""",
    "random_state": """int, numpy.random.Generator or None, default=0
        Seed of the draws behind `random_f`; the default gives the same at every call.""",
    "prf": """PrecisionRecallF
        Three floats. `precision` is NaN if nothing is flagged and `recall` is NaN if nothing is
        anomalous; `f` is 0 if one of the two is NaN, and NaN if both are.""",
    "label_errors": """If labels are not -1 and 1, if lengths differ,""",
}


with_docs = with_texts(**_TEXTS)
