"""Pieces of HTML that several sections of a report use; they escape every text."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from ..markup import escaped


def block(text: str) -> str:
    """Return a text of several lines, such as a file or a traceback, as a `<pre>` element."""
    return f"<pre>{'<br>'.join(escaped(line) for line in text.expandtabs(4).splitlines())}</pre>"


def collapsible(summary: str, html: str, unfolded: bool = False) -> str:
    """Hide HTML below a summary line; a click shows it. If `unfolded`, it is shown at first."""
    return f"<details{' open' if unfolded else ''}><summary>{escaped(summary)}</summary>{html}</details>"


def facts(pairs: Mapping[str, str]) -> str:
    """Show a few values in large type, each under its name."""
    shown = (f"<div><dt>{escaped(name)}</dt><dd>{escaped(value)}</dd></div>" for name, value in pairs.items())
    return f'<dl class="facts">{"".join(shown)}</dl>'


def listed(pairs: Iterable[tuple[str, str]]) -> str:
    """Show names and values as a table with one pair per row."""
    rows = "".join(f"<tr><th>{escaped(name)}</th><td>{escaped(value)}</td></tr>" for name, value in pairs)
    return f'<table class="listed"><tbody>{rows}</tbody></table>'


def table(header: Sequence[str], rows: Iterable[Sequence[tuple[str, object]]], left: int, kind: str) -> str:
    """Show a table of cells (text, sort key); `kind` is its CSS class.

    The first `left` columns are texts, the rest are numbers.
    """
    sides = ["" if place < left else ' class="number"' for place in range(len(header))]
    head = "".join(f"<th{side}>{escaped(name)}</th>" for side, name in zip(sides, header, strict=True))
    body = "".join(f"<tr>{''.join(map(_cell, sides, row))}</tr>" for row in rows)
    return (
        f'<div class="scroll"><table class="{kind}"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'
    )


def _cell(side: str, cell: tuple[str, object]) -> str:
    text, key = cell
    sorts = f"{key:.8g}" if isinstance(key, float) else str(key)
    own = "" if sorts == text else f' data-key="{escaped(sorts)}"'  # the page may have thousands of rows
    return f"<td{side}{own}>{escaped(text)}</td>"
