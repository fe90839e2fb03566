"""The scripts of the documentation run, in their small form."""

import runpy
from pathlib import Path

import numpy as np

EXAMPLES = Path(__file__).parent.parent / "docs" / "examples"


def test_practitioners_question(capsys):
    main = runpy.run_path(str(EXAMPLES / "practitioners_question.py"))["main"]
    results = main(["--small", "--epochs", "2", "--quiet"])
    assert len(results) == 8
    assert all(np.isfinite(value).all() for value in results.values())
    # Of uncorrelated noise a difference has twice the variance, and its difference three times
    # that: what persistence must lose against the mean on differenced data.
    assert results["differenced", "mean"][0] < results["differenced", "persistence"][0]
    printed = capsys.readouterr().out
    assert "MSE on normal test steps" in printed
    assert f"{results['raw', 'Model 1'][0]:.4f}" in printed
