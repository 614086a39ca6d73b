"""Numbers, durations and tables as text for a terminal or a pipe; names are shown literally, not as markup."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ..records import shown, visible

PIPE_WIDTH = 10**7  # characters; wide enough that nothing is cut off in a pipe


def number(value: float | None) -> str:
    """Return a metric with four decimals, or four significant digits if below 0.001 or from 1000 on; "" for None."""
    if value is None:
        return ""
    return f"{value:.4f}" if value == 0 or 0.001 <= abs(value) < 1000 else f"{value:.4g}"


def noun_of_replicates(data: Mapping[str, Any]) -> str:
    """Return "folds" or "seeds": what the replicates of a setting differ in, given the keys of [data]."""
    return "folds" if data.get("folds") and data.get("fold") is None else "seeds"


def setting(value: object) -> str:
    """Return a hyperparameter's value as text; "" for None."""
    text = shown(value)
    if text is None:
        return ""
    return f"{text:.6g}" if isinstance(text, float) else str(text)


def duration(seconds: float) -> str:
    """Return a duration as `4.2s`, `1:05` or `2:03:04`, or `?` if it is not finite, as in damaged logs."""
    if not math.isfinite(seconds):
        return "?"
    if round(seconds, 1) < 60:
        return f"{seconds:.1f}s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def plain(text: object) -> Text:
    """Return a text to be shown literally: no markup, control characters as escapes."""
    return Text(visible(str(text)))


def table(
    console: Console, header: Sequence[str], rows: Iterable[Sequence[object]], left: int = 1, title: str | None = None
) -> Table:
    """Return a table; in a pipe it has no lines.

    The first `left` columns are aligned left. The others, which have numbers, are aligned right.
    """
    lines = box.SIMPLE_HEAD if console.is_terminal else None
    made = Table(box=lines, title=plain(title) if title else None, title_justify="left", pad_edge=console.is_terminal)
    for position, name in enumerate(header):
        made.add_column(plain(name), justify="left" if position < left else "right", no_wrap=not console.is_terminal)
    for row in rows:
        made.add_row(*(cell if isinstance(cell, Text) else plain(cell) for cell in row))
    return made


def json_text(value: Any) -> str:
    """Return a value as JSON, with NaN and infinities, which JSON has no numbers for, as strings.

    Control and other unprintable characters are JSON escapes; letters of any language stay as they are.
    """
    text = json.dumps(finite(value), indent=1, ensure_ascii=False, default=str, allow_nan=False)
    return re.sub("[^ -~\n]", lambda odd: odd[0] if odd[0].isprintable() else json.dumps(odd[0])[1:-1], text)


def finite(value: Any) -> Any:
    """Return a JSON value with NaN and infinities, which JSON has no numbers for, as strings."""
    if isinstance(value, Mapping):
        return {str(key): finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [finite(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return json.dumps(value)  # NaN, Infinity or -Infinity
    return value
