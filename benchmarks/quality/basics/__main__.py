"""Run studies and write their tables: python -m benchmarks.quality.basics [NAME ...] --docs.

Without names all studies run, within half an hour on one core. They need no data but what they
generate. Means and spreads are over one to three series that differ in their random state; a
network has the random state of its series.
"""

import argparse
import csv
import sys
from pathlib import Path

from benchmarks.quality.basics import data, preprocessing, training, windows

# Each with the number of series that the tables of the guide are means of.
STUDIES = {
    "data-length": (data.study_length, 3),
    "data-contamination": (data.study_contamination, 3),
    "preprocessing": (preprocessing.study, 2),
    "windows": (windows.study, 3),
    "windows-stride": (windows.study_stride, 2),
    "training-epochs": (training.study_epochs, 2),
    "training-options": (training.study_options, 2),
    "training-networks": (training.study_networks, 2),
    "training-steps": (training.study_steps, 1),
}
FOLDER = Path(__file__).parents[3] / "docs" / "guide" / "basics"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(STUDIES))
    parser.add_argument("--series", type=int, help="series per mean; by default as in the guide")
    parser.add_argument("--docs", action="store_true", help=f"write tables to {FOLDER}")
    options = parser.parse_args()
    unknown = [name for name in options.names if name not in STUDIES]
    if unknown:
        parser.error(f"NAME must be one of {', '.join(STUDIES)}; got {unknown[0]}.")
    for name in options.names or STUDIES:
        study, n_series = STUDIES[name]
        rows = study(range(options.series or n_series))
        print(f"# {name}")
        write(rows, sys.stdout)
        if options.docs:
            with (FOLDER / f"{name}.csv").open("w", newline="", encoding="utf-8") as file:
                write(rows, file)


def write(rows, file):
    """Write a list of dicts with the same keys as a table."""
    writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)


if __name__ == "__main__":
    main()
