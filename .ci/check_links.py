"""Check the links of the built documentation, without the network.

    python .ci/check_links.py docs/_build/html README.md CONTRIBUTING.md CHANGELOG.md

Every link within the pages must lead to a file that is there, and to an anchor of it; every other
must be https and name a host. Of Markdown files, links are followed from their own folder.
"""

import re
import sys
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

# Kept by Sphinx beside its pages, not pages of ours.
NO_PAGES = ("_static", "_downloads", "_sources")


class Page(HTMLParser):
    """Collect what a page links to, and what can be linked to in it."""

    def __init__(self, text):
        super().__init__()
        self.links, self.anchors = [], {"", "top"}
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        """Note links and anchors."""
        told = dict(attrs)
        self.anchors.update(told[key] for key in ("id", "name") if told.get(key))
        links = [told[key] for key in ("href", "src") if told.get(key)]
        links += [part.split()[0] for part in (told.get("srcset") or "").split(",") if part.strip()]
        self.links += [(self.getpos()[0], link) for link in links]


@cache
def read(path):
    """Read a page, or a Markdown file as one."""
    text = path.read_text("utf-8")
    if path.suffix == ".md":
        text = re.sub(r"```.*?```", lambda code: "\n" * code[0].count("\n"), text, flags=re.S)
        text = re.sub(r"<(https?://[^>]+)>|\]\(([^)\s]+)\)", r'<a href="\1\2">', text)
        text = re.sub(r"^#+ (.*)$", lambda h: f'<a id="{anchor(h[1])}">', text, flags=re.M)
    return Page(text)


def anchor(heading):
    """Name the anchor of a heading of Markdown as GitHub does."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def fault(page, link):
    """Say what is wrong with a link of a page, None if nothing is."""
    parts = urlsplit(link)
    if parts.scheme in ("mailto", "data", "javascript"):
        return None
    if parts.scheme or parts.netloc:
        good = parts.scheme == "https" and re.fullmatch(r"[\w-]+(\.[\w-]+)+", parts.netloc)
        return None if good else "must be https and name a host"
    target = (page.parent / unquote(parts.path)).resolve() if parts.path else page.resolve()
    if not target.exists():
        return "leads to no file"
    pages = target.suffix in (".html", ".md")
    found = not pages or unquote(parts.fragment) in read(target).anchors
    return None if found else "leads to no anchor of that page"


def main(arguments):
    """Print every link that is wrong; return 1 if there is any, or if there is no page."""
    pages = []
    for path in map(Path, arguments):
        pages += [path] if path.is_file() else sorted(path.rglob("*.html"))
    pages = [page.resolve() for page in pages if not set(NO_PAGES).intersection(page.parts)]
    told = [(page, *link, fault(page, link[1])) for page in pages for link in read(page).links]
    wrong = [f"{page}:{line}: {link} {why}\n" for page, line, link, why in told if why]
    sys.stdout.writelines(wrong)
    sys.stdout.write(f"{len(told)} links on {len(pages)} pages, {len(wrong)} of them wrong\n")
    return bool(wrong) or not pages


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
