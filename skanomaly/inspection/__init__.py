"""Looking into a fitted detector: does it copy its input, and why did it raise an alarm?"""

from skanomaly.inspection._attribution import feature_contributions, hit_rate
from skanomaly.inspection._explanation import Counterfactual, Explanation, explain
from skanomaly.inspection._identity import IdentityReport, identity_report, warn_if_identity

__all__ = [
    "Counterfactual",
    "Explanation",
    "IdentityReport",
    "explain",
    "feature_contributions",
    "hit_rate",
    "identity_report",
    "warn_if_identity",
]
