"""Charts as SVG for a notebook's output: no script, no network, a few kilobytes, in the page's text colour."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape, unescape
from typing import Any

from ..axes import labels, ticks
from ..colours import ColourGroup
from ..markup import escaped
from .html import Figure

WIDTH, HEIGHT = 460, 260
LEFT, RIGHT, TOP, BOTTOM = 58, 10, 24, 40
DASHES = {"dash": "6 4", "dot": "2 3"}


def legend(groups: Sequence[ColourGroup]) -> str:
    """Return the groups' names as HTML, each after a square of its colour."""
    square = "display:inline-block;width:.7em;height:.7em;margin-right:.4em"
    return "<div>" + " ".join(
        f'<span style="margin-right:1.2em"><span style="{square};background:{group.colour}"></span>'
        f"{escaped(group.label)}</span>"
        for group in groups
    ) + "</div>"  # fmt: skip


def svg(figure: Figure) -> str:
    """Draw a plotly figure of bands and lines, with two axes and a title."""
    layout, data = figure["layout"], figure["data"]
    x, y = (_Axis.of(layout[f"{name}axis"], [value for trace in data for value in trace[name]]) for name in "xy")
    right, bottom = WIDTH - RIGHT, HEIGHT - BOTTOM
    parts = [f'<rect x="{LEFT}" y="{TOP}" width="{right - LEFT}" height="{bottom - TOP}" fill="none" opacity=".2"/>']
    for at, text in x.marks(6):
        here = f"{LEFT + at * (right - LEFT):.1f}"
        parts.append(f'<path d="M{here} {TOP}V{bottom}" opacity=".15"/>{_text(text, here, bottom + 15, "middle")}')
    for at, text in y.marks(6):
        here = f"{bottom - at * (bottom - TOP):.1f}"
        label = _text(text, LEFT - 6, here, "end", dy=".32em")
        parts.append(f'<path d="M{LEFT} {here}H{right}" opacity=".15"/>{label}')
    clip = f"clip-path: inset({TOP}px {RIGHT}px {BOTTOM}px {LEFT}px)"
    lines = "".join(_trace(trace, x, y) for trace in data)
    parts.append(f'<g style="{clip}"><rect width="{WIDTH}" height="{HEIGHT}" opacity="0"/>{lines}</g>')
    title = layout.get("title", layout["yaxis"]["title"])["text"]
    parts.append(_text(unescape(title), LEFT, TOP - 9, "start", weight="bold"))
    parts.append(_text(unescape(layout["xaxis"]["title"]["text"]), (LEFT + right) / 2, HEIGHT - 8, "middle"))
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" style="max-width:100%" role="img" '
        f'stroke="currentColor" fill="none" font-family="sans-serif" font-size="11">{"".join(parts)}</svg>'
    )


class _Axis:
    """An axis from `low` to `high` (log10 if `log`) that maps a value to its position: 0 at the start, 1 at the end."""

    def __init__(self, low: float, high: float, log: bool) -> None:
        self.low, self.high, self.log = low, high, log

    @classmethod
    def of(cls, asked: dict[str, Any], values: Sequence[float | None]) -> _Axis:
        log = asked.get("type") == "log"
        known = [value for value in values if isinstance(value, int | float)] or [0.0, 1.0]
        low, high = asked.get("range") or (min(known), max(known))
        low = 0.0 if asked.get("rangemode") == "tozero" else low
        return cls(low, high if high > low else low + 1, log)

    def at(self, value: float) -> float:
        value = (math.log10(value) if value > 0 else -math.inf) if self.log else value
        return max(-9.0, min(9.0, (value - self.low) / (self.high - self.low)))

    def marks(self, most: int) -> list[tuple[float, str]]:
        found = ticks(self.low, self.high, most)
        texts = labels([10**value for value in found] if self.log else found)
        return [((value - self.low) / (self.high - self.low), text) for value, text in zip(found, texts, strict=True)]


def _trace(trace: dict[str, Any], x: _Axis, y: _Axis) -> str:
    across, up = WIDTH - RIGHT - LEFT, HEIGHT - BOTTOM - TOP
    places = [
        f"{LEFT + x.at(a) * across:.1f} {HEIGHT - BOTTOM - y.at(b) * up:.1f}"
        for a, b in zip(trace["x"], trace["y"], strict=True)
        if a is not None and b is not None
    ]
    if not places:
        return ""
    path = "M" + "L".join(places)
    if trace["meta"]["role"] == "band":
        return f'<path d="{path}Z" fill="{trace["fillcolor"]}" stroke="none"/>'
    line = trace["line"]
    dash = f' stroke-dasharray="{DASHES[line["dash"]]}"' if line["dash"] in DASHES else ""
    style = f'stroke="{line["color"]}" stroke-width="{line["width"] * 0.8:.2g}" opacity="{trace["opacity"]}"'
    return f'<path d="{path}" {style}{dash}/>'


def _text(text: str, x: object, y: object, anchor: str, dy: str = "0", weight: str = "normal") -> str:
    style = f'text-anchor="{anchor}" font-weight="{weight}" fill="currentColor" stroke="none"'
    return f'<text x="{x}" y="{y}" dy="{dy}" {style}>{escape(text)}</text>'
