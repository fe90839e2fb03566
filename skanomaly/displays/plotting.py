"""What drawing around a display needs: matplotlib, asked for late, and legends beside the axes."""

from skanomaly.exceptions import MissingDependencyError

__all__ = ["add_legend", "import_matplotlib"]


def import_matplotlib():
    """Import matplotlib without pyplot, which would look for a screen.

    Returns
    -------
    matplotlib : module
        With its submodules ``dates`` and ``figure``.

    Raises
    ------
    MissingDependencyError
        If it is not installed. The message names the extra to install.

    Examples
    --------
    >>> from skanomaly.displays.plotting import import_matplotlib
    >>> figure = import_matplotlib().figure.Figure(figsize=(10, 5))
    """
    try:
        import matplotlib.dates
        import matplotlib.figure
    except ImportError as error:
        raise MissingDependencyError(
            "Displays need the package matplotlib; it is not installed. "
            "Run: pip install 'skanomaly[plot]'"
        ) from error
    return matplotlib


def add_legend(ax):
    """Name what is drawn, beside the axes, where it hides no data.

    Call it again after drawing more into the axes of a display.

    Parameters
    ----------
    ax : matplotlib Axes
        What has a label there is named.

    Examples
    --------
    >>> from skanomaly.displays.plotting import add_legend, import_matplotlib
    >>> ax = import_matplotlib().figure.Figure().subplots()
    >>> line = ax.axvline(3.0, label="end of training")
    >>> add_legend(ax)
    >>> [text.get_text() for text in ax.get_legend().get_texts()]
    ['end of training']
    """
    ax.legend(
        loc="upper left", bbox_to_anchor=(1.0, 1.0), frameon=False, fontsize="small", borderpad=0
    )
