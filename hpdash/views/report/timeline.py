"""When the attempts of a sweep ran, as SVG: a bar for each attempt, in as many rows as attempts ran at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ...analysis.timeline import Attempt, lanes
from ..axes import ticks
from ..markup import escaped
from ..text import duration

WIDTH, MARGIN, ROW, MOST, AXIS = 1130, 12, 22, 320, 34  # MOST: all rows together
NARROW = 4.0  # pixels of several attempts that are drawn as one bar


@dataclass(slots=True)
class _Bar:
    """A bar from `left` to `right`, in pixels, for `count` attempts, of which `attempt` is the first.

    They took `whole` seconds, `training` of them for training.
    """

    attempt: Attempt
    left: float
    right: float
    whole: float
    training: float
    count: int = 1


def timeline(attempts: Sequence[Attempt]) -> str:
    """Draw a bar for each attempt; neighbouring narrow bars are drawn as one."""
    rows = lanes(attempts)
    row = max(2.0, min(ROW, MOST / max(rows, 1)))
    first = min(attempt.begin for attempt in attempts)
    whole = max(max(attempt.end or attempt.begin for attempt in attempts) - first, 1.0)
    scale = (WIDTH - 2 * MARGIN) / whole
    height = rows * row + AXIS
    bars = "".join(_drawn(bar, row) for lane in range(rows) for bar in _bars(attempts, lane, first, scale))
    marks = "".join(
        f'<text x="{MARGIN + at * scale:.0f}" y="{height - 18:.0f}" text-anchor="middle">{duration(at)}</text>'
        for at in ticks(0.0, whole, 6)
    )
    middle = f'<text x="{WIDTH / 2:.0f}" y="{height - 3:.0f}" text-anchor="middle">since the first start</text>'
    about = f"{len(attempts):,} attempts, {rows} at a time, over {duration(whole)}"
    return (
        f'<svg class="timeline" viewBox="0 0 {WIDTH} {height:.0f}" role="img" aria-label="{escaped(about)}">'
        f"{bars}{marks}{middle}</svg>"
    )


def _bars(attempts: Sequence[Attempt], lane: int, first: float, scale: float) -> Iterator[_Bar]:
    """Yield the bars of a row; an attempt joins the bar before it if both are narrow and ended in the same state."""
    last: _Bar | None = None
    for attempt in (each for each in attempts if each.lane == lane):
        end = attempt.end if attempt.end is not None else attempt.begin
        left, right = (MARGIN + (time - first) * scale for time in (attempt.begin, end))
        bar = _Bar(attempt, left, max(right, left + 1.5), max(0.0, end - attempt.begin), attempt.training or 0.0)
        if last is not None and bar.right - last.left < NARROW and attempt.state == last.attempt.state:
            last.right, last.count = max(last.right, bar.right), last.count + 1
            last.whole, last.training = last.whole + bar.whole, last.training + bar.training
            continue
        if last is not None:
            yield last
        last = bar
    if last is not None:
        yield last


def _drawn(bar: _Bar, row: float) -> str:
    attempt, width = bar.attempt, bar.right - bar.left
    place = f'y="{attempt.lane * row + 1:.1f}" height="{max(row - 3, 1.5):.1f}"'
    said = f"{attempt.id}, attempt {attempt.attempt}: {attempt.state.replace('_', ' ')}"
    if bar.count > 1:
        said += f", and {bar.count - 1} more"
    elif attempt.end is not None:
        training = f", of which training {duration(attempt.training)}" if attempt.training is not None else ""
        said += f"; {duration(attempt.end - attempt.begin)}{training}"
    part = width * min(bar.training / bar.whole, 1.0) if bar.whole else 0.0
    trained = f'<rect class="trained" x="{bar.right - part:.1f}" width="{part:.1f}" {place}/>' if part else ""
    return (
        f'<g class="{attempt.state}"><title>{escaped(said)}</title>'
        f'<rect x="{bar.left:.1f}" width="{width:.1f}" {place}/>{trained}</g>'
    )
