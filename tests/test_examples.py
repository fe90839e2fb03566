"""The scripts of the documentation run, in their small form."""

import runpy
from pathlib import Path

import numpy as np
import pytest

EXAMPLES = Path(__file__).parent.parent / "docs" / "scripts"


def test_practitioners_question(capsys, tmp_path):
    main = runpy.run_path(str(EXAMPLES / "practitioners_question.py"))["main"]
    rows = main(["--small", "--epochs", "2", "--quiet", "--save", str(tmp_path)])
    mse = {(row["data"], row["model"]): row["mse"] for row in rows}
    verdict = {(row["data"], row["model"]): row["verdict"] for row in rows}
    assert len(mse) == 10
    assert np.isfinite(list(mse.values())).all()
    # Of uncorrelated noise a difference has twice the variance, and its difference three times
    # that: what persistence must lose against the mean on differenced data.
    assert mse["differenced", "mean"] < mse["differenced", "persistence"]
    assert mse["differenced", "linear"] < mse["differenced", "mean"]
    for data in ("raw", "differenced"):
        assert verdict[data, "persistence"] == "copies its input"
        assert verdict[data, "mean"] == "barely better than the mean"
    printed = capsys.readouterr().out
    assert f"{mse['raw', 'Model 1']:.4f}" in printed
    table = (tmp_path / "practitioners-question.csv").read_text().splitlines()
    assert table[0] == (
        'data,model,MSE,explained,noise back,verdict,AP,"AP, Mahalanobis, smoothed"'
    )
    assert len(table) == 11
    assert len(list(tmp_path.glob("practitioner-*.png"))) == 4


def test_search(capsys, tmp_path):
    main = runpy.run_path(str(EXAMPLES / "search.py"))["main"]
    rows = main(["--small"])
    choices = ["default", "grid, no labels", "halving, no labels", "grid, labels"]
    assert [row["choice"] for row in rows] == choices
    # Five anomalies in a series of sines: linear forecasters find them, and the search finds these.
    assert rows[1]["average_precision"] > 0.7
    printed = capsys.readouterr().out
    assert "6 fits per split" in printed  # halving: four candidates, of which two train on
    assert "passthrough" not in printed
    np.savez(tmp_path / "series.npz", X_train=np.zeros((9, 1)))
    with pytest.raises(SystemExit, match="lacks X_test, y_test"):
        main(["--series", str(tmp_path / "series.npz")])
