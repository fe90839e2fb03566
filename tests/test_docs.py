"""What the README promises: its commands, its example and its links."""

import re
import runpy
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```", README.read_text("utf-8"), re.M | re.S)


def test_readme_starts_with_two_commands_of_one_line():
    first, second = (block.strip() for block in blocks("console")[:2])
    for command in (first, second):
        assert "\n" not in command
        assert command.startswith("python3 -m venv .venv && ")
    assert first.endswith("skanomaly detect")
    assert second.endswith("-m pytest")


def test_python_examples_of_the_readme_run(tmp_path, monkeypatch):
    pyplot = pytest.importorskip("matplotlib.pyplot")
    script = tmp_path / "example.py"
    script.write_text("\n".join(blocks("python")), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    names = runpy.run_path(str(script))
    pyplot.close("all")
    assert (names["labels"] == -1).any()
    assert (tmp_path / "scores.png").stat().st_size > 10_000
    assert names["tuned"].best_score_ > 0.3


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"])
def test_files_that_are_linked_are_there(page):
    targets = re.findall(r"\]\(([^)]+)\)", (ROOT / page).read_text("utf-8"))
    missing = [t for t in targets if not t.startswith("http") and not (ROOT / t).exists()]
    assert not missing
