"""The layer order: what each part of the package may import, read from the source."""

import ast
from pathlib import Path

import pytest

import skanomaly

ROOT = Path(skanomaly.__file__).parent
MODULES = sorted(ROOT.rglob("*.py"))
LONGEST = 600

# Imports point from lower rows to upper rows; within a row, from a name to those on its left.
LAYERS = [
    ("exceptions", "validation", "_backend", "docstrings", "files"),
    ("intervals", "stored", "sequences", "results", "permutation"),
    ("windows", "aggregation", "batches"),
    ("datasets", "preprocessing", "thresholds", "metrics"),
    ("layers",),
    (
        *("architectures", "builders", "reseeding", "objectives", "networks", "training"),
        *("scoring", "smoothing"),
    ),
    ("detectors",),
    ("model_selection", "inspection", "displays"),
    ("streaming", "persistence", "dask", "export", "reports"),
    ("cli",),
    ("__main__",),
]
USABLE_ALONE = {"datasets", "preprocessing", "thresholds", "metrics"}
IMPORT_KERAS = {
    *("_backend", "layers", "architectures", "reseeding", "objectives", "networks", "training"),
}
# The command line reports the backend that a detector ran on, which only Keras can tell.
ASK_FOR_KERAS = IMPORT_KERAS | {"cli", "persistence"}

ORDER = [part for row in LAYERS for part in row]
PLACE = {part: place for place, part in enumerate(ORDER)}
# `import skanomaly` gives detectors, lazily.
PLACE["skanomaly"] = PLACE["detectors"]


def name_of(path):
    """Write the path of a module as its dotted name below skanomaly: "detectors._base"."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__") or "skanomaly"


def part_of(module):
    """Name the part that an import of skanomaly points at: "skanomaly.a._b" -> "a"."""
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else parts[0]


def imports(path):
    """List (module, name, line) of every import, late ones too; no name in `import module`."""
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found += [(alias.name, None, node.lineno) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}:{node.lineno}: imports must be absolute"
            found += [(node.module, alias.name, node.lineno) for alias in node.names]
    return found


def own_imports(path):
    """List (part, line) for the imports of skanomaly, told by the part they point at."""
    found = []
    for module, name, line in imports(path):
        if module == "skanomaly" and name in PLACE:
            found.append((name, line))
        elif module.split(".")[0] == "skanomaly":
            found.append((part_of(module), line))
    return found


def private_imports_from_other_parts(path, part):
    """List, for each import of what another part keeps to itself, where it is."""
    found = []
    for module, name, line in imports(path):
        words = module.split(".") + ([name] if name else [])
        # The name of a part may itself be private to the package, as that of _backend is.
        private = any(word.startswith("_") for word in words[2:])
        if words[0] == "skanomaly" and private and words[1] != part:
            found.append(f"line {line}: {'.'.join(words)}")
    return found


def is_private(module, name):
    words = module.split(".")[1:] + ([name] if name else [])
    return any(word.startswith("_") for word in words)


every_module = pytest.mark.parametrize("path", MODULES, ids=name_of)


@every_module
def test_imports_point_from_lower_rows_to_upper_rows(path):
    part = name_of(path).split(".")[0]
    if part == "skanomaly":
        assert not own_imports(path), "importing skanomaly must load none of its parts"
        return
    assert part in PLACE, f"{part} must have a place in the layer order; add it to LAYERS"
    wrong = [
        f"line {line}: {part} must not import {other}"
        for other, line in own_imports(path)
        if other != part
        and (PLACE[other] >= PLACE[part] or (part in USABLE_ALONE and other in USABLE_ALONE))
    ]
    assert not wrong


@every_module
def test_private_names_of_scikit_learn_are_imported_by_validation_alone(path):
    if name_of(path) == "validation":
        return
    wrong = [
        f"line {line}: {module} {name or ''}"
        for module, name, line in imports(path)
        if module.split(".")[0] == "sklearn" and is_private(module, name)
    ]
    assert not wrong


@every_module
def test_private_modules_and_names_are_imported_within_their_part_alone(path):
    part = name_of(path).split(".")[0]
    assert not private_imports_from_other_parts(path, part)


@every_module
def test_keras_is_imported_where_networks_are_made_alone(path):
    part = name_of(path).split(".")[0]
    for module, name, line in imports(path):
        if module.split(".")[0] == "keras":
            assert part in IMPORT_KERAS, f"line {line} imports {module}"
        if module == "skanomaly._backend" and name == "load_keras":
            assert part in ASK_FOR_KERAS, f"line {line} imports {name}"


@every_module
def test_files_stay_short(path):
    n_lines = len(path.read_text(encoding="utf-8").splitlines())
    assert n_lines <= LONGEST, f"{path.name} has {n_lines} lines; divide it"


def test_every_part_was_found():
    parts = {name_of(path).split(".")[0] for path in MODULES}
    assert {"sequences", "windows", "detectors", "networks", "thresholds"} <= parts


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("import skanomaly", [("skanomaly", 1)]),
        ("from skanomaly import LSTMAutoencoder", [("skanomaly", 1)]),
        ("from skanomaly import training", [("training", 1)]),
        ("from skanomaly.detectors._base import X_DOC", [("detectors", 1)]),
        ("def late():\n    import skanomaly.cli", [("cli", 2)]),
        ("import numpy", []),
    ],
)
def test_imports_are_read_in_all_their_forms(tmp_path, source, expected):
    path = tmp_path / "module.py"
    path.write_text(source)
    assert own_imports(path) == expected


@pytest.mark.parametrize(
    ("module", "name", "private"),
    [
        ("sklearn.utils", "_tags", True),
        ("sklearn.utils._tags", "get_tags", True),
        ("sklearn.utils._tags", None, True),
        ("sklearn.utils", "get_tags", False),
    ],
)
def test_private_names_are_told_from_public_ones(module, name, private):
    assert is_private(module, name) is private


@pytest.mark.parametrize(
    ("source", "part", "refused"),
    [
        ("from skanomaly.displays._axes import make_axes", "cli", True),
        ("from skanomaly.displays import _axes", "cli", True),
        ("import skanomaly.displays._axes", "cli", True),
        ("def late():\n    from skanomaly.sequences import _rank", "displays", True),
        ("from skanomaly.displays._axes import make_axes", "displays", False),
        ("from skanomaly.displays.plotting import add_legend", "cli", False),
        ("from skanomaly._backend import load_keras", "cli", False),
        ("from numpy import _core", "cli", False),
    ],
)
def test_private_imports_from_other_parts_are_found(tmp_path, source, part, refused):
    path = tmp_path / "module.py"
    path.write_text(source)
    assert bool(private_imports_from_other_parts(path, part)) is refused
