"""How often someone is called for nothing."""

import numpy as np

from skanomaly.intervals import find_intervals
from skanomaly.metrics._checks import check_whole
from skanomaly.metrics._docs import with_docs
from skanomaly.metrics._joined import count_flags, read_joined

__all__ = ["false_alarm_rate"]


@with_docs
def false_alarm_rate(y_true, y_pred, *, per=1000):
    """Count flagged intervals that touch no anomaly, per 1000 time steps.

    Parameters
    ----------
    y_true : {y_true}
    y_pred : {y_pred}
    per : int, default=1000
        Time steps that the rate is for: 1440 makes it a rate per day of minutes.

    Returns
    -------
    rate : float
        0 is best.

    Raises
    ------
    ValueError
        {label_errors} or if `per` is not a whole number above 0.

    See Also
    --------
    event_precision_recall_f : The same intervals, as a share of all that are flagged.

    Examples
    --------
    >>> from skanomaly.metrics import false_alarm_rate
    >>> false_alarm_rate([1, -1, 1, 1, 1], [1, -1, -1, 1, -1], per=10)
    2.0
    """
    check_whole("per", per, 1, "Use the number of time steps of an hour or a day.")
    truth, flags, n_timesteps = read_joined(y_true, y_pred)
    anomalous_steps = count_flags(truth, find_intervals(flags))
    return float(np.count_nonzero(anomalous_steps == 0) * per / n_timesteps)
