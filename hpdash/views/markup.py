"""Texts and tables in HTML: nothing a user named is taken as markup, and colours are the page's own."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from .text import plain


def said(text: object) -> str:
    """Spell a text as HTML that shows it as it is, in elements and in attributes."""
    return escape(plain(text).plain)


def html_table(
    header: Sequence[str], rows: Iterable[Sequence[object]], numbers: Sequence[bool], title: str = ""
) -> str:
    """Return a table, columns of numbers to the right and others to the left, every cell escaped."""
    caption = f"<caption style='text-align: left'>{said(title)}</caption>" if title else ""
    head = "".join(_cell("th", *column) for column in zip(numbers, header, strict=True))
    body = "".join(f"<tr>{''.join(_cell('td', *cell) for cell in zip(numbers, row, strict=True))}</tr>" for row in rows)
    return f"<table>{caption}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _cell(kind: str, number: bool, text: object) -> str:
    return f"<{kind} style='text-align: {'right' if number else 'left'}'>{said(text)}</{kind}>"
