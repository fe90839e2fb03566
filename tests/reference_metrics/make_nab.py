"""Write nab.json with the scorer of numenta/NAB: python make_nab.py FOLDER_OF_A_CHECKOUT.

Made with nab/sweeper.py of https://github.com/numenta/NAB, version 1.1, commit 03ef06a. Rows of all
series are scored together, as its optimiser does. Only windows that begin after probation are
used: its program counts windows differently in scores and in their normalisation otherwise.
"""

import json
import sys
from pathlib import Path

import numpy as np

PROFILES = {
    "standard": {"tpWeight": 1.0, "fpWeight": 0.11, "fnWeight": 1.0},
    "reward_low_FP": {"tpWeight": 1.0, "fpWeight": 0.22, "fnWeight": 1.0},
    "reward_low_FN": {"tpWeight": 1.0, "fpWeight": 0.11, "fnWeight": 2.0},
}
N_CASES = 24


def make_series(rng, case):
    """Return windows [first, last] and scores of one series with ties."""
    n_timesteps = 5600 if case == 0 else int(rng.integers(40, 90))
    start = min(int(0.15 * n_timesteps), 750)
    edges = np.sort(rng.choice(np.arange(start, n_timesteps), size=8, replace=False))
    windows = [
        (int(first), int(last))
        for first, last in edges.reshape(-1, 2)
        if last > first and rng.random() < 0.7
    ]
    windows = [w for i, w in enumerate(windows) if i == 0 or w[0] > windows[i - 1][1] + 1]
    return n_timesteps, windows, rng.integers(0, 40, size=n_timesteps) / 40


def score(sweeper, series):
    """Return thresholds and sums of all series, and how many windows there are."""
    points = []
    for number, (n_timesteps, windows, scores) in enumerate(series):
        points += sweeper.calcSweepScore(range(n_timesteps), scores, windows, str(number))
    rows = sweeper.calcScoreByThreshold(points)
    return {row.threshold: row.score for row in rows}, sum(len(windows) for _, windows, _ in series)


def main():
    """Score random cases and write them beside this file."""
    sys.path.insert(0, sys.argv[1])
    from nab.sweeper import Sweeper

    rng = np.random.default_rng(0)
    cases = []
    for number in range(N_CASES):
        series = [make_series(rng, number) for _ in range(1 + number % 3 if number else 1)]
        if not any(windows for _, windows, _ in series):
            continue
        case = {
            "lengths": [n_timesteps for n_timesteps, _, _ in series],
            "windows": [windows for _, windows, _ in series],
            "fortieths": [(40 * scores).round().astype(int).tolist() for _, _, scores in series],
            "scores": {},
            "best": {},
        }
        for profile, weights in PROFILES.items():
            sums, n_windows = score(Sweeper(costMatrix=weights), series)
            worst = -weights["fnWeight"] * n_windows
            normal = {t: 100 * (s - worst) / (n_windows - worst) for t, s in sums.items()}
            levels = sorted(normal, reverse=True)
            chosen = [0.95] if number == 0 else [levels[1], levels[4], levels[-1]]
            case["scores"][profile] = {f"{40 * t:.0f}": normal[t] for t in chosen}
            case["best"][profile] = max(normal.values())
        if number == 0:
            # A series so long that probation is cut off; its scores are kept short.
            case["fortieths"] = [[38 * (x >= 38) for x in case["fortieths"][0]]]
            del case["best"]
        cases.append(case)
    path = Path(__file__).with_name("nab.json")
    path.write_text(json.dumps({"made_by": "NAB 1.1, nab/sweeper.py", "cases": cases}))


if __name__ == "__main__":
    main()
