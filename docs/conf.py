"""How Sphinx builds the documentation: python -m sphinx -W -b html docs docs/_build/html."""

import os
import re
import warnings
from pathlib import Path

import skanomaly

project = "skanomaly"
author = "The skanomaly developers"
copyright = f"2026, {author}"
version = release = skanomaly.__version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "matplotlib.sphinxext.plot_directive",
    "numpydoc",
    "sphinx_copybutton",
    "sphinx_design",
    "sphinx_gallery.gen_gallery",
]
exclude_patterns = ["_build", "examples"]  # of the examples, sphinx-gallery makes pages
templates_path = ["_templates"]
default_role = "py:obj"
# A reference to nothing is a warning, and warnings fail the build; but for
nitpicky = True
nitpick_ignore_regex = [
    # other packages, which are not looked up: builds need no network,
    (r"py:.*", r"(dask|distributed|joblib|keras|numpy|pandas|scipy|sklearn)\..+"),
    # and words in single backticks, which are parameters, as numpydoc has it; or lists.
    (r"py:obj", r"\w+|\[.*"),
]

html_theme = "pydata_sphinx_theme"
html_title = "skanomaly"
html_static_path = ["_static"]
html_css_files = ["skanomaly.css"]
html_show_sourcelink = False
# Pages beside the guide, which have nothing below or beside them to navigate to.
html_sidebars = dict.fromkeys(("comparison", "migration", "glossary", "generated/changelog"), [])
html_theme_options = {
    "navigation_with_keys": False,
    "show_prev_next": True,
    "show_version_warning_banner": False,
}

autosummary_generate = True
autodoc_typehints = "none"
toc_object_entries_show_parents = "hide"
# Classes list their members themselves, by the template in _templates/autosummary.
numpydoc_show_class_members = False
numpydoc_validation_checks = {
    "all",
    "EX01",  # methods are shown at work in the example of their class
    "SA01",  # nothing need be seen also
    "ES01",  # a summary that says it all needs no extension
    "GL08",  # inherited from scikit-learn, or a module
    "PR03",  # what a detector shares with others comes before what is its own
    "RT02",  # returned values have names, which the summary speaks of
    "RT03",  # what a method returns is told by its summary and its type
    "RT04",  # a description may start with a dtype
    "YD01",
}
numpydoc_validation_exclude = {r"\.BaseLSTMDetector$"}  # its parameters: see its subclasses

plot_include_source = False
plot_html_show_source_link = False
plot_html_show_formats = False
plot_formats = [("png", 110)]

# Prompts and what a command prints are not copied.
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True

sphinx_gallery_conf = {
    "examples_dirs": "examples",
    "gallery_dirs": "generated/gallery",
    "subsection_order": ["examples/questions", "examples/uses", "examples/tutorials"],
    "within_subsection_order": "FileNameSortKey",
    # Pages of the API show the examples that use what they describe: see _templates/autosummary.
    "backreferences_dir": "generated/backreferences",
    "doc_module": ("skanomaly",),
    "inspect_global_variables": False,
    "abort_on_example_error": True,
    # Tables are shown, what drawing returns is not.
    "capture_repr": ("_repr_html_",),
    "image_srcset": ["2x"],
    "remove_config_comments": True,
    "download_all_examples": False,
    "show_signature": False,
    # Times differ from build to build.
    "min_reported_time": 1e9,
    "write_computation_times": False,
}
# What examples write to standard error would be on their pages: a warning stops the build instead,
# and backends have nothing to say about the machine.
warnings.filterwarnings("error", module=r"(__main__|skanomaly)(\.|$)")
os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


def write_command_line_help(app):
    """Write what the commands print for ``--help``, so that the page about them cannot rot."""
    from click import Context

    from skanomaly.cli._group import group

    for name, command in group.commands.items():
        context = Context(command, info_name=f"skanomaly {name}", terminal_width=84)
        write_generated(app, f"{name}-help.txt", command.get_help(context))


def write_changelog(app):
    """Turn CHANGELOG.md, of which only headings, lists, code and links are used, into a page."""
    lines = []
    for line in (Path(__file__).parents[1] / "CHANGELOG.md").read_text("utf-8").splitlines():
        line = re.sub(r"`([^`]+)`", r"``\1``", line)
        line = re.sub(r"\[([^]]+)\]\((\S+)\)", r"`\1 <\2>`__", line)
        marks, _, heading = line.partition(" ")
        if marks in ("#", "##", "###"):
            lines += [heading, {"#": "=", "##": "-", "###": "~"}[marks] * len(heading)]
        else:
            lines.append(line)
    write_generated(app, "changelog.rst", "\n".join(lines))


def write_generated(app, name, text):
    """Write a file beside the pages that autosummary makes."""
    folder = Path(app.srcdir) / "generated"
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(text + "\n", encoding="utf-8")


def escape_shapes(app, what, name, obj, options, lines):
    """Keep shapes such as (n_features_in_,) from being read as links."""
    lines[:] = [re.sub(r"\((\w+)_,\)", r"(\1\\_,)", line) for line in lines]


def skip_metadata_requests(app, what, name, obj, skip, options):
    """Leave out the methods set_fit_request and so on, which scikit-learn makes by itself."""
    return True if re.fullmatch(r"set_\w+_request", name) else None


def setup(app):
    """Connect to Sphinx."""
    app.connect("autodoc-process-docstring", escape_shapes, priority=400)  # before numpydoc
    app.connect("autodoc-skip-member", skip_metadata_requests)
    app.connect("builder-inited", write_changelog)
    app.connect("builder-inited", write_command_line_help)
