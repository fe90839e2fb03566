"""What a file may name: classes and functions that do no harm with any parameters and state.

A name in a file is looked up in these tables and nowhere else. Of scikit-learn they hold what
computes with NumPy from fitted arrays. What compiled code follows without a check, such as the
nodes of a tree or the support vectors of libsvm, is left out: a forged file could make it read or
write memory that is not its own.
"""

import functools
import importlib
import inspect

import numpy as np

from skanomaly.exceptions import FileFormatError
from skanomaly.persistence._json import short

__all__ = [
    "TYPES",
    "check_attributes",
    "check_parameters",
    "fill_parameters",
    "find",
    "name_of",
    "read_trusted",
]

_CLASSES = {
    "skanomaly.detectors": (
        "KerasDetector", "LSTMAutoencoder", "LSTMForecaster", "LinearForecaster", "MeanDetector",
        "NearestWindowDetector", "PersistenceDetector", "Seq2SeqLSTMAutoencoder",
        "VariationalLSTMAutoencoder",
    ),
    "skanomaly.model_selection": (
        "BlockedSplit", "ExpandingWindowSplit", "FixedThresholdDetector", "InjectionScorer",
        "OutlierClassifier", "OutlierScorer", "ScoreEnsemble", "SegmentSplit", "StabilityScorer",
        "TunedThresholdDetectorCV",
    ),
    "skanomaly.preprocessing": ("Differencer", "Downsampler", "SequenceTransformer"),
    "skanomaly.thresholds": (
        "BestFThreshold", "ConformalThreshold", "DSPOT", "DynamicThreshold", "FixedThreshold",
        "IQRThreshold", "MADThreshold", "PeaksOverThreshold", "QuantileThreshold", "SPOT",
        "SigmaThreshold",
    ),
    "sklearn.compose": ("ColumnTransformer",),
    "sklearn.covariance": (
        "EllipticEnvelope", "EmpiricalCovariance", "LedoitWolf", "MinCovDet", "OAS",
        "ShrunkCovariance",
    ),
    "sklearn.decomposition": (
        "FactorAnalysis", "FastICA", "IncrementalPCA", "PCA", "TruncatedSVD",
    ),
    "sklearn.feature_selection": ("VarianceThreshold",),
    "sklearn.frozen": ("FrozenEstimator",),
    "sklearn.impute": ("MissingIndicator", "SimpleImputer"),
    "sklearn.kernel_approximation": ("Nystroem", "RBFSampler"),
    "sklearn.linear_model": ("LinearRegression", "Ridge"),
    "sklearn.model_selection": (
        "GroupKFold", "KFold", "ShuffleSplit", "StratifiedKFold", "TimeSeriesSplit",
    ),
    "sklearn.pipeline": ("FeatureUnion", "Pipeline"),
    "sklearn.preprocessing": (
        "Binarizer", "FunctionTransformer", "KBinsDiscretizer", "MaxAbsScaler", "MinMaxScaler",
        "Normalizer", "OneHotEncoder", "OrdinalEncoder", "PolynomialFeatures", "PowerTransformer",
        "QuantileTransformer", "RobustScaler", "StandardScaler",
    ),
}  # fmt: skip

_FUNCTIONS = {
    "numpy": (
        "absolute", "arcsinh", "arctan", "cbrt", "clip", "cos", "cosh", "exp", "exp2", "expm1",
        "log", "log10", "log1p", "log2", "maximum", "minimum", "multiply", "nan_to_num",
        "negative", "positive", "rint", "round", "sign", "sin", "sinh", "sqrt", "square", "tan",
        "tanh",
    ),
    "skanomaly.inspection": ("warn_if_identity",),
    "skanomaly.metrics": (
        "affiliation_precision_recall_f", "average_precision", "detection_delay",
        "event_precision_recall_f", "nab_score", "pa_k_area", "point_adjusted_precision_recall_f",
        "point_precision_recall_f", "range_auc_pr", "range_auc_roc", "range_precision_recall_f",
        "roc_auc", "ucr_accuracy", "vus_pr", "vus_roc",
    ),
    "skanomaly.model_selection": ("reconstruction_skill",),
    "skanomaly.preprocessing": ("soft_clip",),
}  # fmt: skip

# State inside fitted estimators of ours, by names that a file keeps when modules are moved.
_STATE = {
    "state.ErrorNorm": ("skanomaly.scoring", "ErrorNorm"),
    "state.RunningMoments": ("skanomaly.detectors._moments", "RunningMoments"),
    "state.LagProducts": ("skanomaly.detectors._linear", "_LagProducts"),
    "state.Stream": ("skanomaly.thresholds._spot", "_Stream"),
    "state.DriftingStream": ("skanomaly.thresholds._spot", "_DriftingStream"),
    "state.Tail": ("skanomaly.thresholds._spot", "_Tail"),
    "state.fit_mle": ("skanomaly.thresholds._pareto", "fit_mle"),
    "state.fit_profile": ("skanomaly.thresholds._pareto", "fit_profile"),
    "state.fit_pwm": ("skanomaly.thresholds._pareto", "fit_pwm"),
}

_PLACES = {
    f"{module}.{name}": (module, name)
    for table in (_CLASSES, _FUNCTIONS)
    for module, names in table.items()
    for name in names
} | _STATE

_NAMES: dict[str, list] = {}
for _name, (_, _attribute) in _PLACES.items():
    _NAMES.setdefault(_attribute, []).append(_name)

#: Types that stand as parameters and attributes, such as the dtype of an encoder.
TYPES = {one.__name__: one for one in (bool, int, float, str, object)} | {
    f"numpy.{one.__name__}": one
    for one in (
        np.bool_, np.float16, np.float32, np.float64, np.int8, np.int16, np.int32, np.int64,
        np.uint8, np.uint16, np.uint32, np.uint64,
    )
}  # fmt: skip


def read_trusted(trusted):
    """Name the classes and functions that the caller hands in: {name: class or function}."""
    known = {}
    for one in trusted:
        if not (callable(one) and hasattr(one, "__qualname__")):
            raise TypeError(
                "trusted must be a sequence of classes and functions; got "
                f"{type(one).__name__} in it. Hand in the class itself, not its name or an "
                "instance."
            )
        name = f"{one.__module__}.{one.__qualname__}"
        if name in known and known[name] is not one:
            raise ValueError(
                f"trusted must hold things of different names; got two called {name}. Give one "
                "of them another name."
            )
        known[name] = one
    return known


def name_of(thing, trusted):
    """Return the name by which a class or function may stand in a file, None if it may not."""
    for name in _NAMES.get(getattr(thing, "__name__", ""), ()):
        if _get(name) is thing:
            return name
    return next((name for name, one in trusted.items() if one is thing), None)


def find(name, kind, trusted):
    """Return the class (`kind` is type) or function of a name from a file."""
    if not isinstance(name, str) or (name not in _PLACES and name not in trusted):
        what = "class" if kind is type else "function"
        raise FileFormatError(
            f"The file must name known classes and functions alone; got the {what} {short(name)}. "
            "If you trust its code and the file, import it and hand it in as trusted=[...]."
        )
    thing = _get(name) if name in _PLACES else trusted[name]
    if isinstance(thing, type) is not (kind is type):
        raise FileFormatError(
            f"The file must name a {'class' if kind is type else 'function'} here; got {name!r}. "
            "It was not written by skanomaly; get another copy."
        )
    return thing


def _get(name):
    module, attribute = _PLACES[name]
    return getattr(importlib.import_module(module), attribute)


@functools.cache
def _parameters(cls):
    """Return the parameters of an estimator's constructor by name, None for other classes."""
    if not hasattr(cls, "get_params"):
        return None
    signature = inspect.signature(cls.__init__)
    kinds = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    return {p.name: p for p in list(signature.parameters.values())[1:] if p.kind in kinds}


@functools.cache
def _all_parameters(cls):
    """Add those of its bases: a class may fix one, which then is an attribute alone."""
    if _parameters(cls) is None:
        return None
    return {name for base in cls.__mro__[:-1] for name in _parameters(base) or ()}


def check_attributes(cls, names):
    """Raise ValueError unless attributes are parameters or state, and hide no method."""
    parameters = _all_parameters(cls)
    for name in names:
        state = name.startswith("_") or name.endswith("_")
        if not name.isidentifier() or name.startswith("__"):
            reason = "is no name of an attribute"
        elif parameters is not None and name not in parameters and not state:
            reason = "is neither a parameter nor ends or starts with an underscore"
        elif name in _methods(cls):
            reason = "would hide a method or property"
        else:
            continue
        raise ValueError(
            f"Attributes of {cls.__name__} must be its parameters and what it learned; got "
            f"{name!r:.100}, which {reason}. Delete it before saving."
        )


@functools.cache
def _methods(cls):
    """Return the names that are methods, properties and the like in a class or its bases."""
    found = {}
    for base in reversed(cls.__mro__):
        found |= vars(base)
    return {name for name, one in found.items() if callable(one) or hasattr(one, "__get__")}


def fill_parameters(instance):
    """Give parameters that a file lacks, as the class had none then, their defaults."""
    held = vars(instance)
    for name, parameter in (_parameters(type(instance)) or {}).items():
        if name not in held and parameter.default is inspect.Parameter.empty:
            raise ValueError(f"{name} must be among its parameters; got none")
        held.setdefault(name, parameter.default)


def check_parameters(instance):
    """Raise ValueError unless parameters are what ``fit`` would take.

    A value of a wrong type may make other code do what its author did not think of.
    """
    memory = vars(instance).get("memory")
    if memory is not None:
        raise ValueError(
            f"memory of {type(instance).__name__} must be None in a file; got {short(memory)}. Its "
            "folder would hold pickles, which run code. Use set_params(memory=None), and set it "
            "again after loading."
        )
    # Asked of the class: a FrozenEstimator answers with what its estimator has.
    if hasattr(type(instance), "_parameter_constraints"):
        instance._validate_params()
