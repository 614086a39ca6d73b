"""The sweep file's keys as the README's table, from the place that checks them."""

from __future__ import annotations

from collections.abc import Iterator

from ..spec import SETTINGS


def keys_table() -> str:
    """Return the table of keys in Markdown, one row a key."""
    return "\n".join(["| key | what it is | takes | default |", "| --- | --- | --- | --- |", *_rows()])


def _rows() -> Iterator[str]:
    for table, settings in SETTINGS.items():
        for setting in settings.values():
            default = f"`{setting.default_text}`" if setting.default_text else ""
            cells = (f"`{table}.{setting.name}`", setting.description, setting.expected, default)
            yield f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"
