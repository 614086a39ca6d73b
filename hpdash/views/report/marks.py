"""Pieces of HTML that several sections of a report use; every text becomes HTML here, literally."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from ..markup import said


def block(text: str) -> str:
    """Spell a text of several lines, a file or a traceback."""
    return f"<pre>{'<br>'.join(said(line) for line in text.expandtabs(4).splitlines())}</pre>"


def folded(summary: str, html: str, unfolded: bool = False) -> str:
    """Put HTML behind a line that a click unfolds."""
    return f"<details{' open' if unfolded else ''}><summary>{said(summary)}</summary>{html}</details>"


def facts(pairs: Mapping[str, str]) -> str:
    """Show few values large, each under its name."""
    shown = (f"<div><dt>{said(name)}</dt><dd>{said(value)}</dd></div>" for name, value in pairs.items())
    return f'<dl class="facts">{"".join(shown)}</dl>'


def listed(pairs: Iterable[tuple[str, str]]) -> str:
    """Show names and values line by line."""
    rows = "".join(f"<tr><th>{said(name)}</th><td>{said(value)}</td></tr>" for name, value in pairs)
    return f'<table class="listed"><tbody>{rows}</tbody></table>'


def table(header: Sequence[str], rows: Iterable[Sequence[tuple[str, object]]], left: int, kind: str) -> str:
    """Show cells of (text, what to sort by); the first `left` columns are texts, the rest numbers."""
    sides = ["" if place < left else ' class="number"' for place in range(len(header))]
    head = "".join(f"<th{side}>{said(name)}</th>" for side, name in zip(sides, header, strict=True))
    body = "".join(f"<tr>{''.join(map(_cell, sides, row))}</tr>" for row in rows)
    return (
        f'<div class="scroll"><table class="{kind}"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'
    )


def _cell(side: str, cell: tuple[str, object]) -> str:
    text, key = cell
    return f'<td{side} data-key="{said(key)}">{said(text)}</td>'
