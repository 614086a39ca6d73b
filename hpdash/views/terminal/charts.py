"""Charts made of characters: lines in braille dots, densities in blocks. They are readable without colours too."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from rich.text import Text

from ..axes import labels, needs_log_axis, ticks, usual

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]
Layer = tuple[str, Mask]  # a style, and the dots drawn in it
BLOCKS = " ▁▂▃▄▅▆▇█"
_DOTS = np.array([[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]])  # bit of each dot of a braille cell


@dataclass(frozen=True, slots=True, eq=False)
class ChartLine:
    """One line of a chart, through the points `x` (increasing) and `y`, float64 [n].

    `low` and `high`, also [n], are the range that is shaded around it. `style` is a rich style.
    """

    x: Floats
    y: Floats
    style: str
    dotted: bool = False
    low: Floats | None = None
    high: Floats | None = None


@dataclass(frozen=True, slots=True)
class Scale:
    """The range of a y-axis, shared by charts that are compared; decimal logarithms if `log`."""

    low: float
    high: float
    log: bool

    @classmethod
    def of(cls, lines: Sequence[ChartLine]) -> Scale:
        """Return a scale for the usual values of lines (`axes.usual`), logarithmic if `axes.needs_log_axis` says so."""
        parts = [part for line in lines for part in (line.y, line.low, line.high) if part is not None]
        values = np.concatenate([np.empty(0), *parts])
        values = values[np.isfinite(values)]
        log = needs_log_axis(values)
        return cls(*usual(np.log10(values) if log else values), log)

    @property
    def least(self) -> float:
        """The value at the bottom."""
        return float(10**self.low) if self.log else self.low

    @property
    def most(self) -> float:
        """The value at the top."""
        return float(10**self.high) if self.log else self.high

    def place(self, values: Floats, dots: int) -> Floats:
        """Return the row of each value on `dots` rows of dots, 0 at the top; NaN or infinite if it has none."""
        with np.errstate(divide="ignore", invalid="ignore"):
            values = np.log10(values) if self.log else values
        return (self.high - values) / (self.high - self.low) * (dots - 1)

    def ticks(self, most: int) -> list[tuple[float, str]]:
        """Return at most `most` labels, each as (position, text); position 0 is the bottom of the axis, 1 the top."""
        found = ticks(self.low, self.high, most)
        texts = labels([10**value for value in found] if self.log else found)
        return [((value - self.low) / (self.high - self.low), text) for value, text in zip(found, texts, strict=True)]


def line_chart(
    lines: Sequence[ChartLine], width: int, height: int, scale: Scale, span: tuple[float, float]
) -> list[Text]:
    """Draw lines over each other: `height` rows of braille with a y-axis, and two rows of x-axis.

    `width` is in columns, `span` is the range of the x-axis. Solid lines cover dotted ones; otherwise later lines cover
    earlier ones.
    """
    marks = {height - 1 - round(share * (height - 1)): text for share, text in scale.ticks(max(2, height // 2))}
    margin = max(map(len, marks.values()), default=1)
    columns = max(4, width - margin - 2)
    shades = [(f"dim {line.style}", _shade(line, columns, height, scale, span)) for line in lines]
    traces = [
        (line.style, _trace(line, columns, height, scale, span))
        for line in sorted(lines, key=lambda line: not line.dotted)
    ]
    rows = _braille(shades, traces, columns, height)
    made = []
    for place, row in enumerate(rows):
        text = marks.get(place, "")
        made.append(Text.assemble((f"{text:>{margin}} {'┤' if text else '│'}", "dim"), row))
    return made + [Text(" " * (margin + 1) + line, style="dim") for line in x_axis(*span, columns)]


def x_axis(low: float, high: float, width: int, corner: str = "└") -> list[str]:
    """Return two rows: an x-axis of `width` columns after its corner, and its labels."""
    found = ticks(low, high, max(2, width // 6))
    axis, under = list("─" * width), [" "] * (width + 1)
    free = 0
    for value, text in zip(found, labels(found), strict=True):
        at = round((value - low) / (high - low) * (width - 1)) if high > low else 0
        axis[at] = "┬"
        start = min(max(at + len(corner) - len(text) // 2, 0), width + 1 - len(text))
        if start >= free:
            under[start : start + len(text)] = text
            free = start + len(text) + 1
    return [corner + "".join(axis), "".join(under).rstrip()]


def strip(values: Floats, top: float, rows: int = 1) -> list[str]:
    """Draw each non-negative value as a column of blocks, `rows` high; a value of `top` fills its column."""
    eighths = np.round(np.clip(values / top if top > 0 else values, 0, 1) * 8 * rows)
    eighths = np.where((values > 0) & (eighths == 0) & (values > top * 0.002), 1, eighths)  # small values stay visible
    filled = [np.clip(eighths - 8 * below, 0, 8).astype(int) for below in reversed(range(rows))]
    return ["".join(BLOCKS[eighth] for eighth in row) for row in filled]


def _across(x: Floats, columns: int, span: tuple[float, float]) -> Floats:
    """Return the column of dots of each x; `span` covers `columns` characters of two dots each."""
    return (x - span[0]) / max(span[1] - span[0], 1e-300) * (2 * columns - 1)


def _shade(line: ChartLine, columns: int, height: int, scale: Scale, span: tuple[float, float]) -> Mask:
    """Return sparse dots over the range around a line, as a mask [4 * height, 2 * columns]."""
    mask = np.zeros((4 * height, 2 * columns), bool)
    if line.low is None or line.high is None or not line.x.size:
        return mask
    x, across, down = _across(line.x, columns, span), np.arange(2 * columns), np.arange(4 * height)[:, None]
    top, bottom = (np.interp(across, x, scale.place(edge, 4 * height)) for edge in (line.high, line.low))
    inside = (across >= x[0] - 0.5) & (across <= x[-1] + 0.5) & (down >= top) & (down <= bottom)
    mask |= inside & (across % 2 == 0) & ((down + across) % 4 == 0)
    return mask


def _trace(line: ChartLine, columns: int, height: int, scale: Scale, span: tuple[float, float]) -> Mask:
    """Return the dots between a line's points, every third if it is dotted, as a mask [4 * height, 2 * columns]."""
    mask = np.zeros((4 * height, 2 * columns), bool)
    x, y = _across(line.x, columns, span), scale.place(line.y, 4 * height)
    known = np.isfinite(x) & np.isfinite(y)
    x, y = x[known], np.clip(y[known], -8 * height, 12 * height)  # far enough outside to show where it leaves the chart
    if x.size:
        length = np.concatenate([[0.0], np.cumsum(np.maximum(np.abs(np.diff(x)), np.abs(np.diff(y))))])
        along = np.linspace(0, length[-1], math.ceil(length[-1]) + 1)[:: 3 if line.dotted else 1]
        down, across = (np.round(np.interp(along, length, part)).astype(int) for part in (y, x))
        inside = (down >= 0) & (down < 4 * height) & (across >= 0) & (across < 2 * columns)
        mask[down[inside], across[inside]] = True
    return mask


def _braille(shades: Sequence[Layer], traces: Sequence[Layer], columns: int, height: int) -> list[Text]:
    """Merge layers into rows of braille: a cell shows its lines, else its shades, in the style of the last of them."""
    (shade, below), (line, above) = (_merged(layers, columns, height) for layers in (shades, traces))
    bits, owner = np.where(line > 0, line, shade), np.where(line > 0, above + len(shades), below)
    styles = [style for style, _ in (*shades, *traces)]
    return [
        Text.assemble(*((chr(0x2800 + dot) if dot else " ", styles[at]) for dot, at in zip(dots, owners, strict=True)))
        for dots, owners in zip(bits.tolist(), owner.tolist(), strict=True)
    ]


def _merged(layers: Sequence[Layer], columns: int, height: int) -> tuple[NDArray[np.int_], NDArray[np.int_]]:
    """Return the bits of each cell, and the index of the last layer that set any: two int arrays [height, columns]."""
    bits, owner = np.zeros((2, height, columns), int)
    for place, (_, mask) in enumerate(layers):
        own = (mask.reshape(height, 4, columns, 2) * _DOTS[:, None, :]).sum(axis=(1, 3))
        bits |= own
        owner[own > 0] = place
    return bits, owner
