"""Aligned text tables, and their form in HTML."""

from html import escape


def text_table(header, rows):
    """Lay out a table: the first column to the left, the others to the right."""
    lines = [header, *rows]
    widths = [max(len(line[i]) for line in lines) for i in range(len(header))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if i == 0 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )


def html_table(header, rows):
    """Write the same table in HTML."""
    head = "".join(f"<th>{escape(cell)}</th>" for cell in header)
    body = "".join(
        "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def percent(share):
    """Write a share: 0.934 -> "93 %"."""
    return f"{100 * share:.0f} %"


def number(value):
    """Write a number in four digits."""
    return f"{value:.4g}"
