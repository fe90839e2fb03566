"""How far the scores of detectors inside an ensemble depend on other time steps."""

from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline

from skanomaly.preprocessing import SequenceTransformer
from skanomaly.windows import Reach

__all__ = ["reach_of"]


def reach_of(estimator):
    """Tell how far the score of a time step depends on others, as a Reach; refuse what cannot say.

    Parameters
    ----------
    estimator : fitted member of an ensemble
        A detector of skanomaly, one of scikit-learn, or a pipeline that ends in one.
    """
    if isinstance(estimator, FrozenEstimator):
        return reach_of(estimator.estimator)
    if hasattr(estimator, "best_estimator_"):
        return reach_of(estimator.best_estimator_)
    if isinstance(estimator, Pipeline):
        return _of_pipeline(estimator)
    if hasattr(estimator, "_reach"):
        return estimator._reach()
    if type(estimator).__module__.startswith("sklearn."):
        return Reach()  # which score every row alone
    raise TypeError(
        "Members must say how far their scores depend on other time steps for a series to be "
        f"scored in pieces; got {type(estimator).__name__}, which does not. Use detectors of "
        "skanomaly or of scikit-learn, or score the series whole."
    )


def _of_pipeline(pipeline):
    """Reach of a pipeline of transformers that treat every time step alone, and a detector."""
    reach = reach_of(pipeline.steps[-1][1])
    for _, step in pipeline.steps[:-1]:
        if step is None or step == "passthrough":
            continue
        own = step if hasattr(step, "_reach") else SequenceTransformer(step)
        if own._reach() != Reach() or reach.carried:
            raise ValueError(
                "Members must not be pipelines in which something is carried across gaps (by "
                "Differencer, LinearForecaster or PersistenceDetector) for a series to be scored "
                f"in pieces; got {pipeline!r}. Put the steps before the ensemble."
            )
    return reach
