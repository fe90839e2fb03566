"""What a run of the speed suite found: its file, its tables, and what became slower since another.

A row is one work on one case, as `benchmarks.turns.rows_of` describes it, or its peak of memory:
``group``, ``case``, ``name``, ``peer`` and ``mib``.
"""

import csv
import math
from collections import defaultdict

from benchmarks.turns import fit_exponent

__all__ = ["Change", "changes", "condense", "join", "lines", "read_rows", "tables", "write_tables"]

SHAPES = "windows, steps, features, units, batch"
SERIES = "steps, features, window, units, batch"
#: File name of a table: (group, heading of the cases).
PIVOTS = {
    "training": ("training, an epoch", SHAPES),
    "scoring": ("scoring", SHAPES),
    "newest": ("scoring the newest step", SHAPES),
    "peers-fit": ("fit of a forecaster, one epoch", SERIES),
    "peers-score": ("scoring with a forecaster", SERIES),
}
SEARCH = "grid search, per fit"
MEMORY = {"memory-fit": "memory of a fit", "memory-score": "memory of scoring"}
GROWTH = {"training": "growth of training", "scoring": "growth of scoring"}
#: Names of packages whose versions a result depends on.
PACKAGES = (
    "skanomaly", "numpy", "scikit-learn", "keras", "jax", "torch", "tensorflow", "numba", "pyod",
    "TSB-AD",
)  # fmt: skip


# ------------------------------------------------------------------------------------ one run


def condense(report, **about):
    """Keep what matters of the JSON of pytest-benchmark.

    Parameters
    ----------
    report : dict
        What ``--benchmark-json`` wrote.
    **about : dict
        Said of the run besides, for example its versions.

    Returns
    -------
    run : dict
        ``commit``, ``date``, ``processor``, what `about` has, ``skipped`` {contender: reason} and
        ``rows``.
    """
    commit, cpu = report["commit_info"], report["machine_info"]["cpu"]
    skipped, rows = {}, []
    for benchmark in report["benchmarks"]:
        skipped.update(benchmark["extra_info"].get("skipped", {}))
        rows += benchmark["extra_info"].get("rows", [])
    return {
        "commit": commit["id"] + (" with changes" if commit["dirty"] else ""),
        "date": report["datetime"][:16],
        "processor": f"{cpu.get('count')} x {cpu.get('brand_raw', 'unknown')}",
        **about,
        "skipped": skipped,
        "rows": rows,
    }


def join(runs):
    """Join parts of one run, which were measured one after another.

    Parameters
    ----------
    runs : list of dict
        From `condense`; where parts have the same work, that of the last counts.

    Returns
    -------
    run : dict
        What is said of the run is said of the last part.
    """
    commits = {run["commit"] for run in runs}
    if len(commits) > 1:
        raise ValueError(
            f"Parts of a run must be of one commit; got {', '.join(sorted(commits))}. "
            "Measure them again."
        )
    skipped, rows = {}, {}
    for run in runs:
        skipped |= run["skipped"]
        rows |= read_rows(run)
    complete = all(run["complete"] for run in runs)
    return {**runs[-1], "complete": complete, "skipped": skipped, "rows": list(rows.values())}


def lines(rows):
    """Yield lines of text that show rows, group by group."""
    shown = None
    for row in rows:
        heading = row["group"], row["case"]
        if heading != shown:
            yield ""
            yield f"{row['group']}: {row['case']}"
            shown = heading
        if "mib" in row:
            yield f"  {row['name']:20} {row['mib']:8.1f} MiB"
            continue
        yield (
            f"  {row['name']:20} {quantity(row['seconds']):>9}, ratio {row['ratio']:7.2f}; "
            f"processors {quantity(row['processor_seconds']):>9}; {row['turns']} turns"
        )


def quantity(seconds):
    """Write seconds with three digits and a unit that suits them.

    >>> quantity(0.00123)
    '1.23 ms'
    """
    units = {"s": 1.0, "ms": 1e-3, "µs": 1e-6}
    unit = next((unit for unit, size in units.items() if seconds >= size), "µs")
    return f"{seconds / units[unit]:#.3g}".rstrip(".") + f" {unit}"


# ------------------------------------------------------------------------------------- tables


def tables(run):
    """Make the tables of the report.

    Returns
    -------
    tables : dict of str to list of rows
        By name; the first row of each is its heading. Tables of what was not run are left out.
    """
    groups = defaultdict(list)
    for row in run["rows"]:
        groups[row["group"]].append(row)
    made = {name: _pivot(groups.pop(group, []), head) for name, (group, head) in PIVOTS.items()}
    made["search"] = [["backend", "estimator", "a fit", "ratio"], *_search(groups.pop(SEARCH, []))]
    made |= {name: _memory(groups.pop(group, [])) for name, group in MEMORY.items()}
    made |= _growth({work: groups.pop(group, []) for work, group in GROWTH.items()})
    memory = [row for rows in groups.values() for row in rows if "mib" in row]
    made["memory-other"] = [
        [f"{row['group']}, {row['case']}", row["name"], f"{row['mib']:.0f}"] for row in memory
    ]
    made["others"] = [line for rows in groups.values() for line in _others(rows)]
    headings = {"memory-other": ["what", "of", "MiB"], "others": ["what", "of", "takes", "ratio"]}
    made |= {name: [head, *made[name]] for name, head in headings.items() if made[name]}
    made["run"] = [["what", "is"], *_about(run)]
    absent = [list(pair) for pair in run["skipped"].items()] or [["none", "all took part"]]
    made["absent"] = [["contender", "why it is not there"], *absent]
    return {name: table for name, table in made.items() if len(table) > 1}


def _pivot(rows, heading):
    """One line per case: seconds of the first work, ratios of the others."""
    names = list(dict.fromkeys(row["name"] for row in rows if row["name"] != "yardstick"))
    cells = defaultdict(dict)
    for row in rows:
        first = row["name"] == names[0]
        cells[row["case"]][row["name"]] = (
            quantity(row["seconds"]) if first else f"{row['ratio']:.2f}"
        )
    lines = [[case, *(row.get(name, "") for name in names)] for case, row in cells.items()]
    return [[heading, *names], *lines]


def _search(rows):
    """One line per estimator: each backend has its own, so that ratios are to its first."""
    for row in rows:
        if row["name"] != "yardstick":
            yield [row["case"], row["name"], quantity(row["seconds"]), f"{row['ratio']:.2f}"]


def _memory(rows):
    names = list(dict.fromkeys(row["name"] for row in rows))
    cells = defaultdict(dict)
    for row in rows:
        cells[row["case"]][row["name"]] = f"{row['mib']:.0f}"
    lines = [[case, *(row.get(name, "") for name in names)] for case, row in cells.items()]
    return [[SHAPES, *names], *lines]


def _growth(groups):
    """One line per axis with its exponents, and all points."""
    exponents, points = defaultdict(dict), [["work", "axis", "size", "seconds"]]
    sizes_of = {}
    for work, rows in groups.items():
        by_axis = defaultdict(list)
        for row in rows:
            if not row["peer"]:
                by_axis[row["case"]].append((int(row["name"]), row["seconds"]))
        for axis, found in by_axis.items():
            found.sort()
            exponents[axis][work] = fit_exponent(*zip(*found, strict=True))[0]
            last = math.log(found[-1][1] / found[-2][1]) / math.log(found[-1][0] / found[-2][0])
            exponents[axis][f"{work} at the end"] = last
            points += [[work, axis, size, f"{seconds:.6f}"] for size, seconds in found]
            sizes_of[axis] = f"{found[0][0]} to {found[-1][0]}"
    columns = [f"{work}{end}" for work in groups for end in ("", " at the end")]
    lines = [
        [axis, sizes_of[axis], *(f"{row[name]:.2f}" if name in row else "" for name in columns)]
        for axis, row in exponents.items()
    ]
    return {"growth": [["varied", "sizes", *columns], *lines], "growth-points": points}


def _others(rows):
    """Lines of a group that has no table of its own; ratios where there is something beside it."""
    rows = [row for row in rows if row["name"] != "yardstick" and "mib" not in row]
    beside = len({row["name"] for row in rows}) > 1
    for row in rows:
        what = f"{row['group']}: {row['case']}"
        ratio = f"{row['ratio']:.2f}" if beside else ""
        yield [what, row["name"], quantity(row["seconds"]), ratio]


def _about(run):
    for name in ("commit", "date", "processor", "quick", "rounds", "load"):
        yield [name, str(run.get(name, "unknown"))]
    versions = run.get("versions", {})
    yield ["versions", ", ".join(f"{name} {version}" for name, version in versions.items())]


def write_tables(folder, run):
    """Write each table to a CSV file of the folder; those of what was not run are left alone.

    Returns
    -------
    paths : list of Path
    """
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for name, table in tables(run).items():
        paths.append(folder / f"{name}.csv")
        with open(paths[-1], "w", newline="", encoding="utf-8") as file:
            csv.writer(file, lineterminator="\n").writerows(table)
    return paths


# --------------------------------------------------------------------------------- comparison


class Change:
    """What happened to one of our works between two runs.

    Attributes
    ----------
    what : str
    factor : float
        Its seconds now over its seconds then, as peers in the same runs saw it.
    noise : float
        Factors up to this one, and down to its inverse, are noise.
    """

    def __init__(self, what, factor, noise):
        self.what, self.factor, self.noise = what, factor, noise

    @property
    def verdict(self):
        """Return "slower", "faster" or "same"."""
        if abs(math.log(self.factor)) <= math.log(self.noise):
            return "same"
        return "slower" if self.factor > 1 else "faster"


def changes(then, now, tolerance=0.1):
    """Compare two runs by ratios to peers that ran in turns with our works.

    A ratio peer / own that fell by more than noise means that ours became slower, whatever else the
    machine did. With several peers the median of what they say counts.

    Parameters
    ----------
    then, now : dict
        From `condense`.
    tolerance : float, default=0.1
        By how much ratios of the same code differ from run to run. Three standard errors of the
        ratios are added to it.

    Returns
    -------
    changes : list of Change
        Of works that both runs have with a peer that both have.
    """
    before = read_rows(then)
    found = []
    for key, row in read_rows(now).items():
        old = before.get(key, {}).get("against", {})
        steps = [
            (math.log(old[peer][0] / ratio), math.hypot(old[peer][1], error))
            for peer, (ratio, error) in row.get("against", {}).items()
            if peer in old
        ]
        if steps:
            step, error = (sorted(part)[len(part) // 2] for part in zip(*steps, strict=True))
            noise = (1 + tolerance) * math.exp(3 * error)
            found.append(Change(": ".join(key), math.exp(step), noise))
    return found


def read_rows(run):
    """Index the rows of a run by (group, case, name)."""
    return {(row["group"], row["case"], row["name"]): row for row in run["rows"]}
