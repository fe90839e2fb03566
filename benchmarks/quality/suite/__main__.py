"""The quality suite as a command.

    SKANOMALY_DATA=... python -m benchmarks.quality.suite --cache FOLDER --report FOLDER

evaluates the baselines on every protocol. ``--estimator`` adds detectors, as ``forecaster`` or
``mine=my_module:make_detector``. A run can be stopped and goes on; what is kept is not computed
again.
"""

import argparse
import sys
from pathlib import Path

from benchmarks.quality.suite.estimators import BY_NAME, find_factories
from benchmarks.quality.suite.evaluation import evaluate
from benchmarks.quality.suite.protocols import HALVES, PROTOCOLS, find_data
from benchmarks.quality.suite.report import make_tables, to_markdown, write_pictures, write_tables


def main(arguments=None):
    """Run the suite; return the exit status: 0, or 1 if anything failed."""
    options = _read(arguments)
    folder, reason = find_data()
    if folder is None:
        print(f"skipped: {reason}")
        return 0
    results = evaluate(
        find_factories(options.estimator, options.wrap),
        folder,
        options.cache,
        protocols=options.protocol,
        data=options.data,
        half=options.split,
        most=options.most,
        fresh=options.fresh,
        n_jobs=options.jobs,
        say=lambda line: print(line, file=sys.stderr, flush=True),
    )
    if not len(results):
        print("skipped: none of these data sets has a series in these protocols")
        return 0
    tables = make_tables(results, folder)
    text = to_markdown(tables)
    print(text)
    if options.markdown:
        Path(options.markdown).write_text(text, encoding="utf-8")
    if options.report:
        write_tables(tables, options.report)
    if options.pictures:
        write_pictures(results, folder, options.pictures)
    return int((results["error"] != "").any())


def _read(arguments):
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.quality.suite",
        description="Evaluate detectors on labelled real series, in the folder SKANOMALY_DATA.",
    )
    several = {"nargs": "+", "default": []}
    parser.add_argument("--cache", required=True, help="folder for what is done")
    parser.add_argument(
        "--estimator", **several, help=f"{', '.join(BY_NAME)} or name=module:factory, added"
    )
    parser.add_argument("--wrap", help="module:function from estimator to estimator, for all")
    parser.add_argument("--protocol", nargs="+", choices=PROTOCOLS, default=list(PROTOCOLS))
    parser.add_argument("--data", nargs="+", help="data sets; all by default")
    parser.add_argument("--split", choices=HALVES, default="all", help="half of each data set")
    parser.add_argument("--most", type=int, help="most series of each data set")
    parser.add_argument("--fresh", **several, help="names to compute again")
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    parser.add_argument("--report", help="folder for tables as CSV files")
    parser.add_argument("--pictures", help="folder for pictures of critical differences")
    parser.add_argument("--markdown", help="file for the tables as Markdown")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
