"""Make the reference values of published implementations that tests compare with.

    python -m pip install ads-evt==0.0.4 libspot==3.1.0 numpy scipy pandas more-itertools
    python -m pip download --no-deps orion-ml==0.7.1 && unzip orion_ml-*.whl
    python tests/reference_thresholds/make.py TIMESERIES_ANOMALIES ERRORS

in an environment of its own. TIMESERIES_ANOMALIES is orion/primitives/timeseries_anomalies.py, and
ERRORS the file telemanom/errors.py of github.com/khundman/telemanom at commit 1dff52cd, of which
find_epsilon alone is run. Inputs are stored with the results.
"""

import argparse
import ast
import importlib.util
import json
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("timeseries_anomalies", type=Path)
    parser.add_argument("errors", type=Path)
    options = parser.parse_args()
    _write("ads_evt.json", [_ads_evt(*case) for case in STREAMS])
    _write("libspot.json", [_libspot(shape) for shape in (-0.4, -0.1, 0.2, 0.6)])
    orion = _load_orion(options.timeseries_anomalies)
    find_epsilon = _load_find_epsilon(options.errors)
    _write("errors.json", [_dynamic(_errors(seed), orion, find_epsilon) for seed in range(16)])


def _write(name, cases):
    (HERE / name).write_text(json.dumps(cases), encoding="utf-8")


# Light tails of small scores alone: ads-evt does not look for positive shapes near 0, and rates the
# exponential distribution as if its log-likelihood had the other sign.
STREAMS = [
    ("SPOT", "normal", 2e-3, 0),
    ("SPOT", "beta", 1e-3, 0),
    ("dSPOT", "normal", 1e-3, 10),
    ("dSPOT", "drifting", 2e-3, 25),
    ("SPOT", "t", 1e-3, 0),
]


def _scores(kind, n_scores):
    random = np.random.RandomState(0)  # whose numbers are the same in all versions of NumPy
    made = {
        "normal": lambda: random.normal(size=n_scores),
        "beta": lambda: 3 * random.beta(2, 4, size=n_scores),
        "t": lambda: np.abs(random.standard_t(3, size=n_scores)),
        "drifting": lambda: random.normal(size=n_scores) + 0.01 * np.arange(n_scores),
    }[kind]()
    made[n_scores * 3 // 4 :: 97] += 10  # anomalies
    return np.round(0.1 * made, 5)


def _ads_evt(algorithm, kind, alpha, depth):
    import ads_evt

    n_initial = 1000
    scores = _scores(kind, 1600)
    options = {"depth": depth} if depth else {}
    stream = getattr(ads_evt, algorithm)(q=alpha, **options)
    stream.fit(n_initial, scores)
    stream.initialize(level=0.98)
    excesses = stream._ev._peaks
    shape, scale, _ = stream._ev._grimshaw(excesses)
    result = stream.run()
    return {
        "kind": kind,
        "alpha": alpha,
        "depth": depth,
        "n_initial": n_initial,
        "scores": scores.tolist(),
        "excesses": excesses.tolist(),
        "shape": float(shape),
        "scale": float(scale),
        "thresholds_after": np.round(result["thresholds"], 9).tolist(),
        "alarms": result["alarms"],
    }


def _libspot(shape):
    import libspot

    uniform = np.random.RandomState(1).uniform(size=3000)
    scores = np.round((uniform**-shape - 1) / shape, 6)
    stream = libspot.Spot(q=1e-3, level=0.95, max_excess=len(scores))
    stream.fit(scores)
    return {
        "excesses": stream.excesses(),
        "n_scores": stream.n,
        "level": stream.excess_threshold,
        "shape": stream.gamma,
        "scale": stream.sigma,
        "threshold": stream.anomaly_threshold,
    }


def _errors(seed):
    random = np.random.RandomState(seed)
    errors = np.abs(random.standard_normal(300))
    for start in random.randint(10, 280, size=seed % 4):
        errors[start : start + random.randint(1, 12)] += random.uniform(2, 12)
    return np.round(errors, 4)


def _load_find_epsilon(path):
    import more_itertools

    tree = ast.parse(path.read_text("utf-8"))
    chosen = [node for node in tree.body if getattr(node, "name", None) == "find_epsilon"]
    names = {"np": np, "mit": more_itertools}
    exec(compile(ast.Module(chosen, []), str(path), "exec"), names)
    return names["find_epsilon"]


def _load_orion(path):
    spec = importlib.util.spec_from_file_location("timeseries_anomalies", path)
    orion = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(orion)
    return orion


def _dynamic(errors, orion, find_epsilon):
    mean, sd = errors.mean(), errors.std()
    grid = np.arange(2.5, 12.0, 0.5)
    costs = [float(orion.z_cost(z, errors, mean, sd)) for z in grid]
    best = len(grid) - 1 - int(np.argmin(costs[::-1]))
    epsilon = mean + (grid[best] if np.isfinite(costs[best]) else 12.0) * sd
    sequences, highest = orion._find_sequences(errors, epsilon, 0)
    kept = orion._prune_anomalies(orion._get_max_errors(errors, sequences, highest), 0.13)
    return {
        "scores": errors.tolist(),
        "costs": [cost if np.isfinite(cost) else None for cost in costs],
        "kept": sorted([int(start), int(stop) + 1] for start, stop, _ in kept),
        "n_sigmas_by_buffer": {
            str(buffer): float(find_epsilon(errors, buffer + 1)) for buffer in (3, 20)
        },
    }


if __name__ == "__main__":
    main()
