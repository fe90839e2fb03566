"""Does a detector copy its input? Numbers, a verdict, and the rule that gave it."""

import warnings
from dataclasses import asdict, dataclass
from numbers import Integral

from skanomaly.exceptions import IdentityWarning
from skanomaly.inspection._comparison import (
    compare,
    explained_by_copy,
    persistence,
    untrained_twin,
)
from skanomaly.inspection._inputs import (
    check_detector,
    make_rng,
    nameless,
    read_parts,
    window_size,
)
from skanomaly.inspection._probes import (
    Marginals,
    corruptions,
    flat_lines,
    likeliest_lag,
    reconstruct,
    returned,
    shuffled,
    slope,
    white_noise,
)
from skanomaly.inspection._table import html_table, number, percent, text_table
from skanomaly.validation import Interval, validate_params

__all__ = ["COPIES", "LEARNED", "MEAN", "IdentityReport", "identity_report", "warn_if_identity"]

COPIES = "copies its input"
MEAN = "barely better than the mean"
LEARNED = "has learned structure"

# Measured: means and untrained networks explain up to 9 %, bottlenecks trained on differenced
# flights up to 12 %; those that learned the level of real series 28 % and more.
_LEAST_EXPLAINED = 0.2
# What comes back of noise by chance: up to 7 %, from forecasters fitted on short series.
_LEAST_RETURNED = 0.1
# Noise holds nothing to learn. Who returns half as much of it as of X, or more, owes most of what
# it explains to copying. Measured: copiers .75 to 1, what has learned a sine 0 to .3.
_MOST_RETURNED = 0.5
# A late copy can be beaten on X, by shrinking it even without learning; by more than a tenth of
# its error only by knowing more than one past value.
_BEST_COPY = 0.9
# This close to a limit, another draw of the noise or of the weights may turn the verdict.
_BORDERLINE = 0.1
# Where shuffled time steps come back nearly as well, the course of time was not used.
_AS_WELL = 0.8
_HARDLY_ANY = 0.1


@dataclass(frozen=True, repr=False)
class IdentityReport:
    """What :func:`identity_report` found; prints as a table.

    Parameters
    ----------
    verdict : str
        "copies its input", "barely better than the mean" or "has learned structure".
    reason : str
        The rule that gave the verdict, with its numbers.
    notes : tuple of str
        What else the numbers say that a user should know.
    explained : float
        Share of the variance of X that the reconstruction explains, 0 to 1.
    copied : float
        Share of white noise that comes back, 0 to 1.
    lag : int
        How many time steps later it comes back; 0 is at once.
    errors : dict of {str: dict of {str: float}}
        For "detector", "persistence", "mean" and, if there is one, "untrained": "mse", "explained",
        "mse_of_changes", "explained_of_changes".
    probes : dict of {str: dict}
        For "white noise", "shuffled time steps", "flat line" and "corrupted steps": "returned", a
        share from 0 to 1, and "lag".
    response : dict of {int: float}
        Slope of the output against the input at a corrupted step, by the number of steps after it.
    n_timesteps : int
        Number of time steps of X that were read.
    n_features : int
        Number of features that vary in them; the others are left out.

    Examples
    --------
    >>> import numpy as np
    >>> from skanomaly import MeanDetector
    >>> from skanomaly.inspection import identity_report
    >>> X = np.sin(np.arange(500) / 5).reshape(-1, 1)
    >>> report = identity_report(MeanDetector().fit(X), X, random_state=0)
    >>> report.verdict, round(report.copied, 2)
    ('barely better than the mean', 0.0)
    """

    verdict: str
    reason: str
    notes: tuple
    explained: float
    copied: float
    lag: int
    errors: dict
    probes: dict
    response: dict
    n_timesteps: int
    n_features: int

    def to_dict(self):
        """Give everything as plain values.

        Returns
        -------
        report : dict
            Nested dicts of strings and numbers.
        """
        return asdict(self)

    def _tables(self):
        """Arrange the numbers: three pairs of header and rows."""
        errors = [
            (
                name,
                number(e["mse"]),
                percent(e["explained"]),
                number(e["mse_of_changes"]),
                percent(e["explained_of_changes"]),
            )
            for name, e in self.errors.items()
        ]
        probes = [
            (name, percent(probe["returned"]), str(probe["lag"]))
            for name, probe in self.probes.items()
        ]
        lags, slopes = self.response.keys(), self.response.values()
        return (
            (("error on X", "MSE", "explained", "MSE of changes", "explained"), errors),
            (("probe", "returned", "steps later"), probes),
            (
                ("steps after a corrupted one", *(f"{lag:+d}" if lag else "0" for lag in lags)),
                [("slope of output", *(f"{value:.2f}" for value in slopes))],
            ),
        )

    def __str__(self):
        """Write verdict, reason, notes and tables."""
        words = [f"The detector {_sentence(self.verdict)}.", self.reason, *self.notes]
        tables = [text_table(*table) for table in self._tables()]
        size = f"Read: {self.n_timesteps} time steps, {self.n_features} varying features."
        return "\n\n".join(["\n".join(words), *tables, size])

    __repr__ = __str__

    def _repr_html_(self):
        """Write the same for notebooks."""
        notes = "".join(f"<br>{note}" for note in self.notes)
        tables = "".join(html_table(*table) for table in self._tables())
        return (
            f"<p><b>The detector {_sentence(self.verdict)}.</b><br>{self.reason}{notes}</p>{tables}"
        )


def _sentence(verdict):
    return f"is {verdict}" if verdict == MEAN else verdict


@validate_params(
    {
        "max_timesteps": [Interval(Integral, 100, None, closed="left")],
        "random_state": ["random_state"],
    },
    prefer_skip_nested_validation=True,
)
def identity_report(detector, X, *, max_timesteps=10_000, random_state=None):
    """Tell whether a fitted detector copies its input, gives the mean, or has learned structure.

    A low reconstruction error alone tells nothing: a network that passes its input through has
    the lowest. The report compares the errors with those of simple rivals, and shows the detector
    inputs that have nothing to learn in them.

    Parameters
    ----------
    detector : detector
        Fitted. It is asked for reconstructions only, and not changed.
    X : array-like of shape (n_timesteps, n_features), (n_series, n_timesteps, n_features), \
or list of (n_timesteps_i, n_features)
        Normal data, best not seen in training: one series, a panel, or a list of series. NaN
        means not observed. Scaled as the detector expects it.
    max_timesteps : int, default=10000
        About how many time steps of X are read, at least 100: evenly chosen whole series, at least
        one. A single longer series is read in four evenly spaced stretches of at least four
        windows, unless ``window_size`` of the detector is None.
    random_state : int, RandomState instance or None, default=None
        Determines the noise, the shuffling, and the weights of the untrained twin where
        ``random_state`` of the detector does not.

    Returns
    -------
    report : IdentityReport
        Prints as a table.

    Raises
    ------
    TypeError
        If the detector has no method ``reconstruct``.
    sklearn.exceptions.NotFittedError
        If the detector is not fitted.
    ValueError
        If X is not as described, no feature of it varies, or the detector has no opinion on it.

    See Also
    --------
    warn_if_identity : The verdict alone, as a warning.
    explain : Why the detector raised an alarm.

    Notes
    -----
    **Errors on X.** Mean squared errors of the detector, of persistence (x[t] = x[t-1]), of the
    mean, and of the untrained twin (``max_epochs=0``), over the same values: those that were
    observed after an observed one, and on which the detector has an opinion. *Explained* is one
    minus the error over that of the mean, per feature, not below 0, averaged over the features
    that vary; it does not depend on units. The errors of changes compare y[t] - y[t-1] with x[t] -
    x[t-1], as if data and reconstruction had been differenced afterwards; persistence then is
    persistence of the changes, and the mean expects none. A reconstruction that only follows the
    level explains much of X and nothing of its changes.

    **Probes.** *Returned* is the share of a probe that comes back: one minus the squared distance
    of output and input, over that of the input from its mean, per feature, not below 0, averaged.
    It is 1 for a copy, and 0 for constant and for unrelated outputs. Outputs are compared with
    inputs at the lag, backward or forward, that suits the white noise best, and at 0 and 1.

    - White noise: independent, with mean and standard deviation of each feature.
    - Shuffled time steps: X in random order. Features of a step stay together; what is left is
      how features belong together, not the course of time.
    - Flat line: every feature one standard deviation above, or below, its mean.
    - Corrupted steps: X with one standard deviation added to, or taken from, single time steps;
      input is what was added, output how the reconstruction changed.

    **Verdict.** The first rule that holds:

    1. *Copies its input*: at least 10 % of white noise come back, and at least half as much as
       the detector explains of X. Noise has no structure; who restores it, copies. If it comes
       back late, the detector must moreover explain no more of X than the late copy itself would,
       scaled for each feature as fits best: its error is at least 90 % of that copy's. A
       forecaster whose strongest weight is on the last value, but who uses others as well, so is
       no copier.
    2. *Barely better than the mean*: explains less than 20 % of X.
    3. *Has learned structure*: everything else.

    On a random walk nothing beats the last value; a forecaster that has understood so much
    copies. The verdict says what a detector does, not that it could do better.

    About seven scoring passes over what is read, and a fit without training.

    Examples
    --------
    >>> import numpy as np
    >>> from skanomaly import PersistenceDetector
    >>> from skanomaly.inspection import identity_report
    >>> X = np.sin(np.arange(500) / 5).reshape(-1, 1)
    >>> report = identity_report(PersistenceDetector().fit(X), X, random_state=0)
    >>> report.verdict
    'copies its input'
    >>> report.lag
    1
    >>> print(report.reason)
    Of white noise, which has no structure, 100 % come back 1 step later; of X it explains 96 %.
    It explains no more than a copy of X that is late by this lag: 96 %.
    """
    check_detector(detector, "reconstruct", "get_params")
    parts = read_parts(detector, X, max_timesteps)
    marginals = _marginals(parts)
    bare = nameless(detector)
    rng = make_rng(random_state)
    seed = int(rng.integers(2**31 - 1))

    outputs = {"detector": reconstruct(bare, parts), "persistence": persistence(parts)}
    twin = untrained_twin(detector, parts, seed)
    if twin is not None:
        outputs["untrained"] = reconstruct(twin, parts)
    errors = compare(parts, outputs, marginals)
    probes, response = _probe(bare, parts, outputs["detector"], marginals, rng)

    explained = errors["detector"]["explained"]
    copied, lag = probes["white noise"].values()
    by_copy = explained_by_copy(parts, lag, marginals)
    verdict, reason = _judge(explained, copied, lag, by_copy)
    return IdentityReport(
        verdict=verdict,
        reason=reason,
        notes=tuple(_notes(verdict, errors, probes, int(marginals.varies.sum()))),
        explained=explained,
        copied=copied,
        lag=lag,
        errors=errors,
        probes=probes,
        response=response,
        n_timesteps=sum(map(len, parts)),
        n_features=int(marginals.varies.sum()),
    )


def _marginals(parts):
    marginals = Marginals.of(parts) if parts else None
    if marginals is None or not marginals.varies.any():
        raise ValueError(
            "X must have at least one feature that varies, for there is nothing to explain in "
            "constants; got none. Give more of the series, or another one."
        )
    return marginals


def _probe(detector, parts, outputs, marginals, rng):
    """Show the probes to the detector: {name: {"returned", "lag"}} and {lag: slope}."""
    inputs = {
        "white noise": white_noise(parts, marginals, rng),
        "shuffled time steps": shuffled(parts, rng),
        "flat line": flat_lines(parts, marginals),
    }
    noise = inputs["white noise"]
    answers = {name: reconstruct(detector, series) for name, series in inputs.items()}
    lags = 0, 1, likeliest_lag(noise, answers["white noise"], marginals)
    probes = {}
    for name, series in inputs.items():
        share, lag = returned(series, answers[name], marginals, marginals.mean, lags)
        probes[name] = {"returned": share, "lag": lag}

    changes = corruptions(parts, marginals, window_size(detector), rng)
    corrupted = [x + change for x, change in zip(parts, changes, strict=True)]
    answers = reconstruct(detector, corrupted)
    responses = [after - before for after, before in zip(answers, outputs, strict=True)]
    share, lag = returned(changes, responses, marginals, 0.0, lags)
    probes["corrupted steps"] = {"returned": share, "lag": lag}
    shown = sorted({-1, 0, 1, 2, probes["white noise"]["lag"]})
    return probes, {lag: slope(changes, responses, marginals, lag) for lag in shown}


def _judge(explained, copied, lag, by_copy):
    """Apply the rules in order: verdict and reason."""
    when = "at once" if lag == 0 else f"{abs(lag)} {'step' if abs(lag) == 1 else 'steps'} "
    if lag:
        when += "later" if lag > 0 else "earlier"
    reason = (
        f"Of white noise, which has no structure, {percent(copied)} come back {when}; of X it "
        f"explains {percent(explained)}."
    )
    beaten = 1.0 - explained < _BEST_COPY * (1.0 - by_copy)
    if copied >= max(_LEAST_RETURNED, _MOST_RETURNED * explained):
        if lag == 0:
            return COPIES, reason
        compared = f"than a copy of X that is late by this lag: {percent(by_copy)}."
        if not beaten:
            return COPIES, f"{reason}\nIt explains no more {compared}"
        reason = f"{reason}\nBut it explains more {compared}"
    if explained < _LEAST_EXPLAINED:
        return MEAN, f"{reason} Less than {percent(_LEAST_EXPLAINED)} is little."
    return LEARNED, reason


def _notes(verdict, errors, probes, n_features):
    """Yield what else the numbers say."""
    of = errors["detector"]
    copied, lag = probes["white noise"].values()
    distance = abs(copied - _MOST_RETURNED * of["explained"])
    if lag == 0 and verdict != MEAN and distance < _BORDERLINE * of["explained"]:
        yield "This is a borderline case: about half of what it explains is due to copying."
    if verdict != COPIES and abs(of["explained"] - _LEAST_EXPLAINED) < _BORDERLINE / 2:
        yield f"This is a borderline case: it explains about {percent(_LEAST_EXPLAINED)} of X."
    if verdict == LEARNED and n_features > 1:
        back = probes["shuffled time steps"]["returned"]
        if back >= _AS_WELL * of["explained"]:
            yield (
                "It has learned how the features belong together, not their course in time: of "
                f"shuffled time steps {percent(back)} come back."
            )
    if verdict == LEARNED and of["explained_of_changes"] < _HARDLY_ANY:
        yield (
            "It follows the level only: of the changes from step to step it explains "
            f"{percent(of['explained_of_changes'])}."
        )
    if verdict != COPIES and of["mse"] > errors["persistence"]["mse"]:
        yield "Its error is higher than that of persistence, x[t] = x[t-1]."
    if verdict == COPIES and lag == 1:
        yield "Nothing beats the last value on a random walk; other forecasters tell if X is one."


def warn_if_identity(detector, X, *, max_timesteps=10_000, random_state=0):
    """Warn if a fitted detector copies its input.

    Parameters
    ----------
    detector : detector
        Fitted.
    X : array-like of shape (n_timesteps, n_features), (n_series, n_timesteps, n_features), \
or list of (n_timesteps_i, n_features)
        As for :func:`identity_report`.
    max_timesteps : int, default=10000
        As for :func:`identity_report`.
    random_state : int, RandomState instance or None, default=0
        As for :func:`identity_report`.

    Returns
    -------
    report : IdentityReport
        With or without a warning.

    Warns
    -----
    skanomaly.exceptions.IdentityWarning
        If the verdict is "copies its input".

    See Also
    --------
    identity_report : What is measured, and the rule.

    Examples
    --------
    >>> import warnings
    >>> import numpy as np
    >>> from skanomaly import PersistenceDetector
    >>> from skanomaly.inspection import warn_if_identity
    >>> X = np.sin(np.arange(500) / 5).reshape(-1, 1)
    >>> with warnings.catch_warnings(record=True) as caught:
    ...     warnings.simplefilter("always")
    ...     report = warn_if_identity(PersistenceDetector().fit(X), X)
    >>> caught[0].category.__name__
    'IdentityWarning'
    """
    report = identity_report(detector, X, max_timesteps=max_timesteps, random_state=random_state)
    if report.verdict == COPIES:
        warnings.warn(
            f"{type(detector).__name__} must not copy its input, or its errors tell little; got a "
            f"detector of which {percent(report.copied)} of white noise come back. Use fewer "
            "hidden_units, noise_std, dropout or Seq2SeqLSTMAutoencoder, and see identity_report.",
            IdentityWarning,
            stacklevel=2,
        )
    return report
