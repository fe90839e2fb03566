"""Score a series with a file of ``export_onnx``, by ONNX Runtime and NumPy alone.

Usage::

    python score_onnx.py detector.onnx series.csv > scores.csv

``series.csv`` has one row per time step, one column per feature, and a first line with their names;
empty cells were not observed. The detector must have been fitted on one series, and exported with
``form="series"``. Neither skanomaly nor Keras nor scikit-learn is imported.
"""

import json
import sys

import numpy as np
import onnxruntime


def read_series(path):
    """Read names of features, and values (n_timesteps, n_features), NaN where a cell is empty."""
    with open(path, encoding="utf-8") as file:
        names = file.readline().strip().split(",")
        values = np.genfromtxt(file, delimiter=",", dtype=np.float64)
    return names, values.reshape(-1, len(names))


def load(path):
    """Load a detector, and what is told about it: session, dict."""
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    told = session.get_modelmeta().custom_metadata_map
    version = told.pop("skanomaly_version")
    return session, {name: json.loads(value) for name, value in told.items()} | {"version": version}


def main(arguments):
    """Print score and label of each time step."""
    if len(arguments) != 2:
        sys.exit("Two arguments are needed, a model and a series: detector.onnx series.csv")
    session, about = load(arguments[0])
    names, X = read_series(arguments[1])
    if about["form"] != "series":
        sys.exit('The model must be exported with form="series"; it reads single windows.')
    if about["feature_names"] not in (None, names):
        sys.exit(f"The series must have the columns {about['feature_names']}; got {names}.")
    scores, labels = session.run(["score_timesteps", "predict_timesteps"], {"X": X})
    print("score,label")
    for score, label in zip(scores, labels, strict=True):
        print(f"{score:.9g},{label}")


if __name__ == "__main__":
    main(sys.argv[1:])
