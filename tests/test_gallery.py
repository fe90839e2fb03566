"""What each example of the gallery keeps to; the build of the documentation runs them whole."""

import ast
import re
from pathlib import Path

import numpy as np
import pytest

from benchmarks.quality import uses

DOCS = Path(__file__).parents[1] / "docs"
EXAMPLES = sorted((DOCS / "examples").glob("**/*.py"))
NETWORKS = {
    "LSTMAutoencoder",
    "LSTMForecaster",
    "Seq2SeqLSTMAutoencoder",
    "VariationalLSTMAutoencoder",
    "make_detector",
}
# All that examples may import: nothing that reaches a network.
PACKAGES = {"collections", "matplotlib", "numpy", "pandas", "scipy", "skanomaly", "sklearn", "time"}
# Calls that would read files or fetch them.
READERS = r"open|load\w*|loadtxt|genfromtxt|fromfile|memmap|read_\w+|fetch_\w+|urlopen|urlretrieve"

every_example = pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)


def settings():
    """Read sphinx_gallery_conf without running conf.py, which changes settings of the process."""
    for node in ast.parse((DOCS / "conf.py").read_text("utf-8")).body:
        if isinstance(node, ast.Assign) and node.targets[0].id == "sphinx_gallery_conf":
            return ast.literal_eval(node.value)
    raise AssertionError("conf.py has no sphinx_gallery_conf")


def texts(path):
    """Return the text blocks of an example, the docstring first."""
    source = path.read_text("utf-8")
    blocks = re.findall(r"^# %%\n((?:#.*\n)*)", source, re.M)
    return [ast.get_docstring(ast.parse(source))] + [
        re.sub("^# ?", "", block, flags=re.M) for block in blocks
    ]


def headings(text):
    """Return the titles in a text block with the characters under them."""
    pairs = re.findall(r"^(\S.*)\n([=-])\2{3,}$", text, re.M)
    return [(title, mark) for title, mark in pairs if not set(title) <= set("=- ")]


def calls(path):
    """Yield (name, call) for each function that is called."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Call):
            yield getattr(node.func, "attr", getattr(node.func, "id", "")), node


def test_there_are_examples_in_every_section():
    sections = {path.parent for path in EXAMPLES}
    assert {section.relative_to(DOCS).as_posix() for section in sections} <= set(
        settings()["subsection_order"]
    )
    assert len(EXAMPLES) >= 4


@pytest.mark.parametrize("section", settings()["subsection_order"])
def test_sections_have_a_heading_below_that_of_the_gallery(section):
    ((_, mark),) = headings((DOCS / section / "GALLERY_HEADER.rst").read_text("utf-8"))
    ((_, above),) = headings((DOCS / "examples" / "GALLERY_HEADER.rst").read_text("utf-8"))
    assert (above, mark) == ("=", "-")


@every_example
def test_it_is_listed(path):
    conf = settings()
    assert path.parent.relative_to(DOCS).as_posix() in conf["subsection_order"]
    assert path.name.startswith("plot_")  # others are shown but not run
    assert (path.parent / "GALLERY_HEADER.rst").is_file()
    assert conf["gallery_dirs"] + "/index" in (DOCS / "index.rst").read_text("utf-8")


@every_example
def test_it_starts_with_a_title_and_an_introduction(path):
    title, underline, blank, *introduction = texts(path)[0].split("\n")
    assert set(underline) == {"="}
    assert len(underline) >= len(title)
    assert not blank
    assert len(" ".join(introduction).split()) >= 20


@every_example
def test_it_ends_with_what_to_take_away(path):
    last = texts(path)[-1]
    assert [title for title, _ in headings(last)][-1] == "What to take away"
    assert len(re.findall(r"^[-*] ", last.split("What to take away")[1], re.M)) >= 2
    assert path.read_text("utf-8").rstrip().endswith(last.rstrip().split("\n")[-1])


@every_example
def test_it_needs_neither_network_nor_files(path):
    tree = ast.parse(path.read_text("utf-8"))
    imported = {
        name.split(".")[0]
        for node in ast.walk(tree)
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }
    assert imported <= PACKAGES
    assert [name for name, _ in calls(path) if re.fullmatch(READERS, name)] == []
    assert "SKANOMALY_DATA" not in path.read_text("utf-8").split("# %%")[1]


@every_example
def test_it_says_the_same_in_every_build(path):
    source = path.read_text("utf-8")
    assert "default_rng()" not in source
    assert "np.random.seed" not in source
    for name, call in calls(path):
        if name in NETWORKS:
            given = [keyword.arg for keyword in call.keywords]
            assert "random_state" in given or None in given, name
        if name in ("make_series", "make_flights"):
            assert "random_state" in [keyword.arg for keyword in call.keywords], name


@every_example
def test_it_draws_pictures(path):
    drawing = r"subplots|figure|from_estimator|from_predictions|from_report|from_contributions"
    assert any(re.fullmatch(drawing, name) for name, _ in calls(path))


@every_example
def test_it_uses_public_names_only(path):
    assert not re.search(r"skanomaly[\w.]*\._|import _", path.read_text("utf-8"))


def test_an_example_that_fails_stops_the_build():
    assert settings()["abort_on_example_error"]
    assert not settings().get("expected_failing_examples")


@pytest.mark.parametrize("template", ["base", "class", "class_alone"])
def test_pages_of_the_api_show_the_examples_that_use_what_they_describe(template):
    text = (DOCS / "_templates" / "autosummary" / f"{template}.rst").read_text("utf-8")
    assert ".. minigallery:: {{ fullname }}" in text
    assert settings()["backreferences_dir"].startswith("generated/")


@every_example
def test_commands_that_repeat_its_figures_exist(path):
    text = re.sub(r"\n#", "", path.read_text("utf-8"))
    for use in re.findall(r"benchmarks\.quality\.uses (\w+)", text):
        assert callable(getattr(uses, use))


def test_figures_about_real_data_ask_for_the_data(monkeypatch):
    monkeypatch.delenv("SKANOMALY_DATA", raising=False)
    with pytest.raises(SystemExit, match="SKANOMALY_DATA is not set"):
        uses.main(["market"])


def test_figures_count_anomalies_found_and_alarms_that_touch_none():
    truth = np.array([0, 1, 1, 0, 0, 1, 0, 0], dtype=bool)
    flags = np.array([1, 0, 1, 1, 0, 0, 0, 1], dtype=bool)
    assert uses._count(truth, flags) == (1, 2, 2)


@pytest.mark.data
def test_surprises_of_a_real_market_do_not_gather_in_its_crisis(data_folder, monkeypatch, capsys):
    monkeypatch.setattr(uses, "_relative_errors", lambda values: {})
    uses.main(["market"])
    printed = capsys.readouterr().out
    assert "by size: 32 of 51 alarms" in printed
    assert "by surprise: 3 of 51 alarms" in printed
