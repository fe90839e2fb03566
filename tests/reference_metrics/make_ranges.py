"""Write what reference packages say of random labels: ranges.json, affiliation.json, pa_k.json.

Run in an environment of its own; the tests read the files alone. Written with Python 3.11,
numpy 1.26.4, scikit-learn 1.9.1 and

- prts 1.0.0.3, for range-based precision and recall;
- vus 0.0.6 without its dependencies, for the affiliation metrics, which are a copy of their
  authors' code;
- tadpak 0.3.3, by the authors of PA%K.

    pip install prts==1.0.0.3 scikit-learn==1.9.1 tqdm
    pip install --no-deps vus==0.0.6 tadpak==0.3.3
    python tests/reference_metrics/make_ranges.py
"""

import json
from pathlib import Path

import numpy as np
from prts import ts_fscore, ts_precision, ts_recall
from sklearn.metrics import precision_recall_fscore_support
from tadpak.pak import pak
from vus.affiliation.generics import convert_vector_to_events
from vus.affiliation.metrics import pr_from_events

FOLDER = Path(__file__).parent
N_CASES = 120
BIASES = ["flat", "front", "middle", "back"]


def draw_labels(rng):
    """Draw true and predicted labels (n_timesteps,), 1 for anomalies, with one of each at least."""
    n_timesteps = int(rng.integers(1, 61))
    labels = []
    for _ in range(2):
        # Runs of any usual length, from single steps to half the series.
        change = rng.choice([0.03, 0.1, 0.3, 0.6])
        flags = (np.cumsum(rng.random(n_timesteps) < change) + rng.integers(2)) % 2
        if not flags.any():
            flags[rng.integers(n_timesteps)] = 1
        labels.append(flags.astype(int))
    return labels


def write_labels(labels):
    return "".join(".#"[label] for label in labels)


def range_case(rng, truth, flags):
    params = {
        "beta": float(rng.choice([0.5, 1.0, 2.0])),
        "p_alpha": float(rng.choice([0.0, 0.3, 1.0])),
        "r_alpha": float(rng.choice([0.0, 0.7, 1.0])),
        "cardinality": str(rng.choice(["one", "reciprocal"])),
        "p_bias": str(rng.choice(BIASES)),
        "r_bias": str(rng.choice(BIASES)),
    }
    precision = ts_precision(
        truth, flags, params["p_alpha"], params["cardinality"], params["p_bias"]
    )
    recall = ts_recall(truth, flags, params["r_alpha"], params["cardinality"], params["r_bias"])
    return {"params": params, "expected": [precision, recall, ts_fscore(truth, flags, **params)]}


def affiliation_case(rng, truth, flags):
    events = [convert_vector_to_events(labels) for labels in (flags, truth)]
    result = pr_from_events(*events, (0, len(truth)))
    return {"expected": [result["Affiliation_Precision"], result["Affiliation_Recall"]]}


def pa_k_case(rng, truth, flags):
    k = int(rng.choice([0, 20, 50, 75, 100]))
    adjusted = pak(flags, truth, 0.5, k)
    expected = precision_recall_fscore_support(truth, adjusted, average="binary")[:3]
    return {"k": k, "expected": [float(value) for value in expected]}


def main():
    rng = np.random.default_rng(0)
    for name, case in [
        ("ranges", range_case),
        ("affiliation", affiliation_case),
        ("pa_k", pa_k_case),
    ]:
        lines = []
        for _ in range(N_CASES):
            truth, flags = draw_labels(rng)
            labels = {"y_true": write_labels(truth), "y_pred": write_labels(flags)}
            lines.append(json.dumps(labels | case(rng, truth, flags)))
        text = "[\n" + ",\n".join(lines) + "\n]\n"
        (FOLDER / f"{name}.json").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
