"""Texts and tables in HTML. Names are escaped, so that they are not read as markup; the page sets the colours."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from .text import plain


def escaped(text: object) -> str:
    """Return a text escaped for HTML elements and attributes; control characters become visible escapes."""
    return escape(plain(text).plain)


def html_table(
    header: Sequence[str], rows: Iterable[Sequence[object]], numbers: Sequence[bool], title: str = ""
) -> str:
    """Return a table with every cell escaped.

    `numbers` says for each column whether it is aligned right. `title` becomes the caption.
    """
    caption = f"<caption style='text-align: left'>{escaped(title)}</caption>" if title else ""
    head = "".join(_cell("th", *column) for column in zip(numbers, header, strict=True))
    body = "".join(f"<tr>{''.join(_cell('td', *cell) for cell in zip(numbers, row, strict=True))}</tr>" for row in rows)
    return f"<table>{caption}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _cell(kind: str, number: bool, text: object) -> str:
    return f"<{kind} style='text-align: {'right' if number else 'left'}'>{escaped(text)}</{kind}>"
