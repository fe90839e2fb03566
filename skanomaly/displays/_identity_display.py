"""A picture of the question: has the detector learned anything, or does it copy its input?"""

import textwrap

import numpy as np

from skanomaly.displays._axes import make_axes
from skanomaly.displays._palette import LINE, PALE, RECONSTRUCTION, REFERENCE
from skanomaly.displays.plotting import import_matplotlib
from skanomaly.inspection import IdentityReport

# Ratio of the limits of an axis up to which ticks at 2 and 5 find room.
_ALL_TICKS = 200
_BAR_HEIGHT = 0.7
_LOWEST_R2 = -1.0
_LETTERS_PER_INCH = 16


class IdentityDisplay:
    """Errors against simple baselines, and how a detector answers to probes.

    Left, the mean squared error of the detector and of what it must beat, as a multiple of the
    error of the mean, on a logarithmic axis: bars to the left are better than the mean, bars to
    the right worse. Right, how well it reconstructs what has no structure, and how much of a
    corrupted input value comes out at time steps around it. A detector that copies its input
    reconstructs white noise too, and gives all of the corruption back at lag 0.

    Use :meth:`from_report` for a report of :mod:`skanomaly.inspection`, or give plain numbers.

    Parameters
    ----------
    errors : dict of str to dict of str to float
        For each kind of data, such as ``"raw"`` and ``"differenced"``, the mean squared error of
        each predictor, such as ``"detector"``, ``"persistence"``, ``"mean"`` and ``"untrained"``.
        ``"mean"`` must be there and positive. None and
        NaN are written as undefined.
    probes : dict of str to float
        R2 of the reconstruction of each probe, such as ``"white noise"``, ``"flat line"`` and
        ``"shuffled"``: 1 is a perfect copy, 0 no better than the mean of the probe. None and NaN
        are written as undefined; bars end at -1.
    response : array-like of shape (n_lags,)
        Change of the output per change of one input value, at each lag.
    lags : array-like of shape (n_lags,), default=None
        How many time steps after the corrupted one. None takes 0, 1 and so on.
    verdict : str, default=""
        What follows from the numbers, in a few words; the first line of the title.
    rule : str, default=""
        The rule that gave the verdict; the second line.

    Attributes
    ----------
    figure_ : matplotlib Figure
        Figure that holds the axes.
    axes_ : tuple of three matplotlib Axes
        Axes of errors, probes and response.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> from skanomaly.displays import IdentityDisplay
    >>> display = IdentityDisplay(
    ...     errors={"raw": {"detector": 0.1, "persistence": 0.05, "mean": 1.0}},
    ...     probes={"white noise": 0.9, "flat line": 0.99},
    ...     response=[0.1, 0.95, 0.1],
    ...     lags=[-1, 0, 1],
    ...     verdict="copies its input",
    ... ).plot(Figure())
    >>> [tick.get_text() for tick in display.axes_[0].get_yticklabels()]
    ['detector', 'persistence', 'mean']
    """

    def __init__(self, *, errors, probes, response, lags=None, verdict="", rule=""):
        self.errors = errors
        self.probes = probes
        self.response = response
        self.lags = lags
        self.verdict = verdict
        self.rule = rule

    @classmethod
    def from_report(cls, report, *, ax=None, **plot_options):
        """Draw a report.

        Parameters
        ----------
        report : skanomaly.inspection.IdentityReport
            What :func:`~skanomaly.inspection.identity_report` returns.
        ax : matplotlib Axes, Figure or sequence of three Axes, default=None
            Where to draw, see :meth:`plot`.
        **plot_options : dict
            Further parameters of :meth:`plot`.

        Returns
        -------
        display : IdentityDisplay

        Raises
        ------
        TypeError
            If it is something else.
        ValueError
            If their contents cannot be drawn.

        Examples
        --------
        >>> import numpy as np
        >>> from matplotlib.figure import Figure
        >>> from skanomaly import PersistenceDetector
        >>> from skanomaly.displays import IdentityDisplay
        >>> from skanomaly.inspection import identity_report
        >>> X = np.sin(np.arange(500) / 5).reshape(-1, 1)
        >>> report = identity_report(PersistenceDetector().fit(X), X, random_state=0)
        >>> IdentityDisplay.from_report(report, ax=Figure()).verdict
        'copies its input'
        """
        if not isinstance(report, IdentityReport):
            raise TypeError(
                f"report must be an IdentityReport; got {type(report).__name__}. Pass what "
                "skanomaly.inspection.identity_report returns, or make an IdentityDisplay of "
                "numbers of your own."
            )
        kinds = {"raw": "mse", "differenced": "mse_of_changes"}
        display = cls(
            errors={
                kind: {name: errors[key] for name, errors in report.errors.items()}
                for kind, key in kinds.items()
            },
            probes={name: probe["returned"] for name, probe in report.probes.items()},
            response=list(report.response.values()),
            lags=list(report.response),
            verdict=report.verdict,
            rule=report.reason,
        )
        return display.plot(ax, **plot_options)

    def plot(self, ax=None):
        """Draw errors to the left, probes and response to the right.

        Parameters
        ----------
        ax : matplotlib Axes, Figure or sequence of three Axes, default=None
            Three Axes are drawn into as they are. One Axes, made by ``subplots``, is divided into
            three. A Figure without axes gets three. None makes a new figure with pyplot.

        Returns
        -------
        display : IdentityDisplay
            This display.

        Raises
        ------
        MissingDependencyError
            If matplotlib is not installed.
        ValueError
            If there are no errors, the error of the mean is missing or not positive, or lags does
            not fit response.
        """
        import_matplotlib()
        relative = {kind: _relative(kind, errors) for kind, errors in self.errors.items()}
        if not relative:
            raise ValueError(
                "errors must hold the errors on at least one kind of data; got none. Pass "
                "{'raw': {'detector': ..., 'mean': ...}}."
            )
        lags, response = _check_response(self.lags, self.response)
        n_bars = sum(map(len, relative.values())) + len(relative)
        axes = make_axes(
            ax,
            (10.0, max(4.0, 0.32 * n_bars) + 1.0),
            height_ratios=(max(len(self.probes), 1), 4),
            width_ratios=(5, 4),
            cells=[(slice(None), 0), (0, 1), (1, 1)],
            sharex=False,
        )
        _draw_errors(axes[0], relative)
        _draw_probes(axes[1], self.probes)
        _draw_response(axes[2], lags, response)
        _add_titles(axes, self.verdict, self.rule)
        self.axes_, self.figure_ = axes, axes[0].figure
        return self


def _relative(kind, errors):
    """Return the errors as multiples of that of the mean."""
    mean = _number(errors.get("mean"))
    if not mean > 0:
        raise ValueError(
            f"errors[{kind!r}]['mean'] must be there and positive, to compare with; got {mean}. A "
            "constant series has nothing to be learned: leave its features out."
        )
    return {name: _number(error) / mean for name, error in errors.items()}


def _number(value):
    """Return a float, NaN for None."""
    return np.nan if value is None else float(value)


def _check_response(lags, response):
    """Return lags and response, both (n_lags,)."""
    response = np.asarray(response, dtype=np.float64)
    lags = np.arange(response.size) if lags is None else np.asarray(lags)
    if response.ndim != 1 or lags.shape != response.shape:
        raise ValueError(
            f"lags must have one value per response, shape {response.shape}; got {lags.shape}. "
            "Pass both of one report."
        )
    return lags, response


def _draw_errors(ax, relative):
    """Draw a group of bars for each kind of data, from 1, the error of the mean."""
    shown = [error for errors in relative.values() for error in errors.values()]
    shown = np.array([error for error in shown if np.isfinite(error) and error > 0])
    low, high = min(shown.min() / 1.6, 0.5), max(shown.max() * 1.6, 2.0)
    high *= (high / low) ** 0.15  # room for the numbers
    ticks, names, row = [], [], 0.0
    for kind, errors in relative.items():
        ax.text(0.015, row, f"{kind} data", transform=ax.get_yaxis_transform(), va="center")
        for name, error in errors.items():
            row += 1
            ticks.append(row)
            names.append(name)
            _draw_error(ax, row, name, error, low)
        row += 1.2
    ax.axvline(1, color=REFERENCE, linewidth=1.0)
    ax.set_xscale("log")
    ticker = import_matplotlib().ticker
    subs = (1.0, 2.0, 5.0) if high / low < _ALL_TICKS else (1.0,)
    ax.xaxis.set_major_locator(ticker.LogLocator(subs=subs, numticks=8))
    ax.xaxis.set_major_formatter("{x:g}")
    ax.xaxis.set_minor_formatter(ticker.NullFormatter())
    ax.set_xlim(low, high)
    ax.set_ylim(row - 0.5, -0.7)
    ax.set_yticks(ticks, names)
    ax.tick_params(axis="y", length=0)
    ax.set_xlabel("mean squared error / that of the mean", fontsize="small")


def _draw_error(ax, row, name, error, low):
    """Draw the bar of one predictor and write its number at the end."""
    colour = RECONSTRUCTION if name == "detector" else LINE
    if not np.isfinite(error):
        ax.annotate(" undefined", (1, row), va="center", fontsize="small", color=REFERENCE)
        return
    end = max(error, low)
    ax.barh(row, end - 1, _BAR_HEIGHT, left=1, color=colour)
    ax.annotate(
        f"{error:.2g}",
        (max(end, 1), row),
        (4, 0),
        textcoords="offset points",
        va="center",
        fontsize="small",
    )


def _draw_probes(ax, probes):
    """Draw R2 of each probe; what is below -1 is cut there, its number is not."""
    values = [_number(r2) for r2 in probes.values()]
    for row, r2 in enumerate(values):
        known = np.isfinite(r2)
        ax.barh(row, max(r2, _LOWEST_R2) if known else 0.0, _BAR_HEIGHT, color=RECONSTRUCTION)
        ax.annotate(
            f"{r2:.2f}" if known else "undefined",
            (1, row),
            (4, 0),
            textcoords="offset points",
            va="center",
            fontsize="small",
            color="black" if known else REFERENCE,
        )
    lowest = min((r2 for r2 in values if np.isfinite(r2)), default=0.0)
    ax.axvline(0, color=REFERENCE, linewidth=1.0)
    ax.axvline(1, color=REFERENCE, linewidth=1.0, linestyle=":")
    left = max(lowest, _LOWEST_R2) - 0.03 if lowest < 0 else 0.0
    ax.set_xlim(left, 1 + 0.28 * (1 - left))  # room for the numbers
    ax.set_yticks(range(len(probes)), list(probes))
    ax.set_ylim(max(len(probes), 1) - 0.4, -0.6)
    ax.tick_params(axis="y", length=0)
    ax.set_xlabel("R² (1 = copied)", fontsize="small")


def _draw_response(ax, lags, response):
    """Draw the response to one corrupted value as stems over the lags."""
    ax.axhline(0, color=REFERENCE, linewidth=1.0)
    ax.axhline(1, color=REFERENCE, linewidth=1.0, linestyle=":")
    ax.vlines(lags, 0, response, color=PALE, linewidth=1.2)
    ax.plot(lags, response, "o", color=RECONSTRUCTION, markersize=4)
    known = response[np.isfinite(response)]
    low, high = min(known.min(initial=0.0), 0.0), max(known.max(initial=1.0), 1.0)
    ax.set_ylim(low - 0.08 * (high - low), high + 0.08 * (high - low))
    ax.xaxis.get_major_locator().set_params(integer=True)
    ax.set_xlabel("lag after the corrupted time step", fontsize="small")
    ax.set_ylabel("change out / change in", fontsize="small")


def _add_titles(axes, verdict, rule):
    """Write verdict and rule above all; a title needs no width, so it may cross the columns."""
    figure = axes[0].figure
    width = axes[1].get_position().x1 - axes[0].get_position().x0
    inches = max(width, 0.1) * figure.bbox.width / figure.dpi
    lines = textwrap.wrap(rule, max(int(_LETTERS_PER_INCH * inches), 20))
    if verdict:
        below = "\n" * len(lines)
        axes[0].set_title(
            f"{verdict}{below}", x=0.0, ha="left", fontsize="medium", fontweight="bold"
        )
    axes[0].set_title("\n".join(lines), loc="left", fontsize="small")
