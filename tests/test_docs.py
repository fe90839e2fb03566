"""What the README promises, its commands, example and links; and what the API lists."""

import importlib
import inspect
import re
import runpy
from pathlib import Path

import pytest

import skanomaly

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


# ----------------------------------------------------------------------------------------- API


def listed_names():
    """Return what docs/api/index.rst lists: {module: names}."""
    listed, module = {}, None
    for line in (ROOT / "docs" / "api" / "index.rst").read_text("utf-8").splitlines():
        if found := re.match(r"\.\. (?:current)?module:: (\S+)$", line):
            module = found[1]
        elif found := re.match(r"   (\w+)$", line):
            listed.setdefault(module, []).append(found[1])
    return listed


LISTED = listed_names()
# Modules that the API has a section for, and all public subpackages.
PUBLIC = sorted({"skanomaly", *LISTED, *(f"skanomaly.{name}" for name in skanomaly._SUBPACKAGES)})


@pytest.mark.parametrize("module", LISTED)
def test_names_that_the_api_lists_exist_and_are_public(module):
    names = LISTED[module]
    assert len(names) == len(set(names))
    assert set(names) <= set(importlib.import_module(module).__all__)


@pytest.mark.parametrize("module", PUBLIC)
def test_every_public_name_is_listed_in_the_api(module):
    # By what it is: load is skanomaly.load and skanomaly.persistence.load.
    found = importlib.import_module
    listed = {id(getattr(found(place), name)) for place, names in LISTED.items() for name in names}
    public = {name: getattr(found(module), name) for name in found(module).__all__}
    documented = inspect.isclass, inspect.isroutine
    missing = [
        name
        for name, thing in public.items()
        if any(kind(thing) for kind in documented) and id(thing) not in listed
    ]
    assert not missing


@pytest.mark.parametrize(
    ("module", "name"), [(module, name) for module, names in LISTED.items() for name in names]
)
def test_every_public_class_and_function_has_an_example(module, name):
    doc = inspect.getdoc(getattr(importlib.import_module(module), name)) or ""
    assert re.search(r"^Examples\n-{8}\n", doc, re.M), "it must have a section Examples"
    assert ">>>" in doc
