# ruff: noqa: T201
"""Fail when a test was skipped by every job that had it, and add up what all jobs ran.

A test that each job skips, each for a reason of its own, tests nothing and looks green. Usage::

    python .ci/check_skips.py JUNIT_XML...

Each file is the result of one job, as ``pytest --junitxml`` writes it. The last line printed is
"N passed, N failed, N skipped" over all jobs.
"""

import re
import sys
import xml.etree.ElementTree as ET
from collections import Counter, defaultdict
from pathlib import Path

# Reasons for which a test may be skipped everywhere, as regular expressions.
EXCEPTIONS = (
    "SKANOMALY_DATA is not set",  # the labelled real series are not part of the project
    r"\bGPU\b",  # no job has one
    r"no headless Chromium",  # nothing but package registries is there to get one from
    # scikit-learn's check of the array API runs only where SciPy was told to support it.
    "SCIPY_ARRAY_API is not set",
)


def read(path):
    """Yield (test, outcome, reason) for every test of a job; outcome is as pytest counts."""
    for case in ET.parse(path).iter("testcase"):
        test = f"{case.get('classname')}::{case.get('name')}"
        skipped = case.find("skipped")
        if case.find("failure") is not None or case.find("error") is not None:
            yield test, "failed", ""
        elif skipped is None:
            yield test, "passed", ""
        elif skipped.get("type") == "pytest.xfail":
            yield test, "xfailed", ""
        else:
            yield test, "skipped", f"{skipped.get('message', '')} {skipped.text or ''}".strip()


def check(paths):
    """Return {test: reasons} for tests skipped by every job without an accepted reason."""
    outcomes, reasons, counts = defaultdict(set), defaultdict(set), Counter()
    for path in paths:
        for test, outcome, reason in read(path):
            counts[outcome] += 1
            outcomes[test].add(outcome)
            if outcome == "skipped" and not re.search("|".join(EXCEPTIONS), reason):
                reasons[test].add(f"{Path(path).stem}: {reason}")
    never_run = {test: found for test, found in reasons.items() if outcomes[test] == {"skipped"}}
    return never_run, counts


def main(paths):
    """Print what was found and return the exit status."""
    if not paths:
        print("check_skips: give the junit XML file of every job")
        return 2
    never_run, counts = check(paths)
    for test, found in sorted(never_run.items()):
        print(f"skipped in every job: {test}")
        for reason in sorted(found):
            print(f"    {reason}")
    failed = counts["failed"] + len(never_run)
    print(f"{counts['passed']} passed, {failed} failed, {counts['skipped']} skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
