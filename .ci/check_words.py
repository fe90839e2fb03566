"""Check the spelling of all prose: pages, docstrings and comments; British, with a list of our own.

    python .ci/check_words.py

Needs pyspellchecker, for words, and codespell, for which spellings are American. Words that are
right and unknown go into docs/spelling.txt.
"""

import ast
import io
import re
import sys
import tokenize
from pathlib import Path

import codespell_lib
from spellchecker import SpellChecker

ROOT = Path(__file__).parents[1]
PAGES = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "docs/**/*.rst")
CODE = ("skanomaly/**/*.py", "tests/**/*.py", "benchmarks/**/*.py", "docs/**/*.py", ".ci/*.py")
BUILT = ("generated", "_build", "examples/output")
# What is no prose, in this order; all becomes blanks, so that lines keep their numbers.
NOT_PROSE = [
    re.compile(pattern, re.M | re.S)
    for pattern in (
        r"^```.*?^```",  # code in Markdown
        r"^( *)\.\. (?:code-block|plot|math)::.*?(?=^\1\S|\Z)",
        r"^ *(?:>>>|\.\.\.) .*?$(?:\n(?! *>>>)[^\n]*\S[^\n]*$)*",  # doctests and what they print
        r"^ *\.\. .*?::.*?$",
        r"^ *:[\w-]+:(?!`).*?$",  # options of directives
        r"``.*?``",
        r"(?::[\w:+-]+:)?`[^`]*`_{0,2}",
        r"https?://\S+",
        r"[\w.]+@[\w.]+",
        r"\"[^\"\n]*\"",  # values of parameters and titles of papers
        r"\\[a-z]+",
        r"\b\w*(?:[\d_]|[a-z][A-Z])\w*\b",  # identifiers
        r"\b\w+(?:\.\w+)+\b",  # dotted names
        r"^( *)References\n *---.*?(?=^\1\w[\w ]*\n *---|\Z)",  # names of people and papers
        r"^ *\.\. \[\w+\].*?(?=^ *$|\Z)",
    )
]
WORD = re.compile(r"\b[A-Za-z][a-z]{3,}(?:'[a-z]+)?\b")


def american():
    """Read which words have another spelling in British English: {American: British}."""
    folder = Path(codespell_lib.__file__).parent / "data"
    lines = (folder / "dictionary_en-GB_to_en-US.txt").read_text("utf-8").splitlines()
    pairs = (line.split("->") for line in lines if "->" in line)
    return {there.strip(" ,"): here.strip() for here, there in pairs}


def prose_of_code(text):
    """Keep docstrings and comments, each at its line."""
    kept = [""] * (text.count("\n") + 2)
    for node in ast.walk(ast.parse(text)):
        body = getattr(node, "body", None)
        first = body[0] if isinstance(body, list) and body else None
        value = getattr(first, "value", None)
        if isinstance(first, ast.Expr) and isinstance(getattr(value, "value", None), str):
            for i, line in enumerate(value.value.splitlines()):
                kept[first.lineno - 1 + i] = line
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            kept[token.start[0] - 1] = token.string.lstrip("#: ")
    return "\n".join(kept)


def words_of(path):
    """Yield (line, word) of the prose of a file, in lower case."""
    text = path.read_text("utf-8")
    text = prose_of_code(text) if path.suffix == ".py" else text
    for pattern in NOT_PROSE:
        text = pattern.sub(lambda found: re.sub(r"[^\n]", " ", found[0]), text)
    for number, line in enumerate(text.splitlines(), 1):
        for found in WORD.finditer(line):
            yield number, found[0].removesuffix("'s").lower()


def files():
    """List what is checked."""
    found = {path for pattern in PAGES + CODE for path in ROOT.glob(pattern)}
    return sorted(p for p in found if not any(part in str(p) for part in BUILT))


def main():
    """Print every word that is wrong or unknown; return 1 if there is any."""
    own = set((ROOT / "docs" / "spelling.txt").read_text("utf-8").split())
    british = american()
    right = own.union(british.values(), SpellChecker().word_frequency.words()) - set(british) | own
    wrong = 0
    for path in files():
        for line, word in words_of(path):
            if word in right:
                continue
            wrong, remedy = wrong + 1, f" -> {british[word]}" if word in british else ""
            sys.stdout.write(f"{path.relative_to(ROOT)}:{line}: {word}{remedy}\n")
    if wrong:
        sys.stderr.write(f"{wrong} words to correct, or to add to docs/spelling.txt\n")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
