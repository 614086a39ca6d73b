"""Parallel coordinates as SVG: one line per trial. Unlike plotly's, they can be printed and read by screen readers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from ...analysis.effects import MOST_NUMBERS, outcomes_of
from ...analysis.rows import hparam, sort_key
from ...goal import Goal
from ...records import Scalar
from ...runs import Objective, Run
from ..axes import labels, ticks
from ..colours import ABSENT as GREY
from ..colours import SEQUENCE
from ..markup import escaped
from ..terminal.effects import ABSENT
from ..text import number, setting

WIDTH, NARROWEST, HEIGHT, TOP, BOTTOM, MARGIN = 1130, 150, 380, 44, 330, 90
NO_VALUE_Y = 362  # y-coordinate of trials without a value
LOG_FROM = 100  # an axis is logarithmic if its greatest value is more than this times its least
LONGEST = 22  # characters of a label


@dataclass(frozen=True, slots=True)
class Axis:
    """A vertical axis: its ticks (height, text), and in `places` the height of each run that has a value, by run name.

    Heights are y-coordinates of the SVG, from the top.
    """

    name: str
    ticks: tuple[tuple[float, str], ...]
    places: Mapping[str, float]


def parallel(runs: Sequence[Run], names: Sequence[str], objective: Objective) -> str:
    """Draw every trial as a line through its hyperparameters to its best objective, which sets the line's colour.

    The best trials are on top. If a trial has no value on an axis, its line passes through the dash below that axis.
    A trial that did not finish is grey and dashed.
    """
    outcomes = outcomes_of(runs, objective)
    ordered = sorted(runs, key=lambda run: objective.goal.utility(outcomes.get(run.name, objective.goal.worst)))
    axes = [_hyperparameter(name, ordered) for name in names]
    axes.append(_continuous(objective.name, outcomes, objective.goal is Goal.MIN))
    gap = max((WIDTH - 2 * MARGIN) / (len(axes) - 1), NARROWEST)
    across = [round(MARGIN + gap * place) for place in range(len(axes))]
    width = across[-1] + MARGIN
    lines = "".join(_line(run, axes, across, outcomes.get(run.name)) for run in ordered)
    scales = "".join(_scale(axis, x, x == across[-1], len(runs)) for axis, x in zip(axes, across, strict=True))
    about = f"Parallel coordinates of {len(runs)} trials: {', '.join(axis.name for axis in axes)}"
    return (
        f'<svg class="parallel" viewBox="0 0 {width} {HEIGHT}" style="min-width:{width * 0.85:.0f}px" role="img" '
        f'aria-label="{escaped(about)}">{lines}{scales}</svg>'
    )


def _hyperparameter(name: str, runs: Sequence[Run]) -> Axis:
    values = {run.name: value for run in runs if (value := hparam(run, name)) is not None}
    numbers = {run: float(v) for run, v in values.items() if isinstance(v, int | float) and not isinstance(v, bool)}
    if len(numbers) == len(values) and len(set(numbers.values())) > MOST_NUMBERS:
        return _continuous(name, numbers, False)
    return _categories(name, values)


def _categories(name: str, values: Mapping[str, Scalar]) -> Axis:
    """Return an axis of evenly spaced values, with numbers increasing upwards.

    Runs with the same value are spread a little, so that each line is visible.
    """
    distinct = sorted(set(values.values()), key=sort_key)
    if distinct and not isinstance(distinct[0], str):
        distinct.reverse()
    gap = (BOTTOM - TOP) / max(len(distinct), 1)
    heights = {value: TOP + gap * (place + 0.5) for place, value in enumerate(distinct)}
    places: dict[str, float] = {}
    for value, height in heights.items():
        own = [run for run, each in values.items() if each == value]
        reach = min(gap * 0.35, 18.0)
        places |= {run: height + reach * (1 - 2 * (at + 0.5) / len(own)) for at, run in enumerate(own)}
    return Axis(name, tuple((height, setting(value)) for value, height in heights.items()), places)


def _continuous(name: str, values: Mapping[str, float], down: bool) -> Axis:
    """Return a linear axis of numbers, or a logarithmic one if they are orders of magnitude apart.

    With `down`, numbers increase downwards. Values that are not finite are left out.
    """
    finite = {run: value for run, value in values.items() if math.isfinite(value)}
    low, high = (min(finite.values()), max(finite.values())) if finite else (0.0, 0.0)
    log = low > 0 and high / low > LOG_FROM
    first, last = (math.log10(low), math.log10(high)) if log else (low, high)

    def height(value: float) -> float:
        share = ((math.log10(value) if log else value) - first) / (last - first) if last > first else 0.5
        return TOP + (BOTTOM - TOP) * (share if down else 1 - share)

    places = {run: height(value) for run, value in finite.items()}
    marks = _decades(low, high) if log else ticks(low, high, 6)
    return Axis(name, tuple(zip(map(height, marks), labels(marks), strict=True)) if finite else (), places)


def _decades(low: float, high: float) -> list[float]:
    """Return the powers of ten between two numbers, or evenly spaced ones among them if there are more than seven."""
    first, last = math.ceil(math.log10(low)), math.floor(math.log10(high))
    return [10.0**exponent for exponent in range(first, last + 1, 1 + (last - first) // 7)]


def _line(run: Run, axes: Sequence[Axis], across: Sequence[int], outcome: float | None) -> str:
    heights = [axis.places.get(run.name, NO_VALUE_Y) for axis in axes]
    path = f"M{across[0]},{heights[0]:.1f}"
    for (left, start), (right, end) in pairwise(zip(across, heights, strict=True)):
        middle = (left + right) // 2
        leaves = f"C{middle},{start:.1f} " if left == across[0] else "S"  # S: as steep as the line arrives
        path += f"{leaves}{middle},{end:.1f} {right},{end:.1f}"
    if outcome is None:
        colour, ended = GREY, str(run.status or "no value")
    else:
        share = (BOTTOM - heights[-1]) / (BOTTOM - TOP)
        colour, ended = SEQUENCE[min(int(share * len(SEQUENCE)), len(SEQUENCE) - 1)], number(outcome)
    pairs = ", ".join(f"{axis.name} {setting(hparam(run, axis.name)) or ABSENT}" for axis in axes[:-1])
    title = f"<title>{escaped(f'{run.id}: {ended}; {pairs}')}</title>"
    look = ' class="unfinished"' if outcome is None else ""
    return f'<path{look} stroke="{colour}" d="{path}">{title}</path>'


def _scale(axis: Axis, x: int, last: bool, runs: int) -> str:
    at, anchor = (x + 8, "start") if last else (x - 8, "end")
    texts = "".join(_text(text, at, height + 4, anchor, "tick") for height, text in axis.ticks)
    if len(axis.places) < runs:
        texts += _text(ABSENT, x, NO_VALUE_Y + 14, "middle", "tick")
    return (
        f'<line x1="{x}" x2="{x}" y1="{TOP - 8}" y2="{BOTTOM + 8}"/>{_text(axis.name, x, 18, "middle", "name")}{texts}'
    )


def _text(text: str, x: float, y: float, anchor: str, kind: str) -> str:
    cut = text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"
    title = f"<title>{escaped(text)}</title>"
    return f'<text class="{kind}" x="{x}" y="{y:.1f}" text-anchor="{anchor}">{escaped(cut)}{title}</text>'
