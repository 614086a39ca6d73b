"""Tests of charts drawn with characters: their lines, their axes and the colour of each group."""

from __future__ import annotations

import itertools
import math
from io import StringIO

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from made import foreign
from rich.console import Console

from hpdash.analysis.rows import grouped
from hpdash.records import Scalar
from hpdash.views.axes import labels, needs_log_axis, ticks, usual
from hpdash.views.colours import ABSENT, CATEGORIES, DARKER, colour_groups, palette
from hpdash.views.terminal.charts import ChartLine, Scale, line_chart, strip, x_axis

NUMBERS = st.floats(-1e12, 1e12, allow_nan=False)


@given(NUMBERS, NUMBERS, st.integers(2, 12))
@example(0.0, 5e-324, 2)
def test_ticks_lie_on_the_axis(low: float, high: float, most: int) -> None:
    """Ticks lie between the ends, at equal distances, and there are no more than asked for."""
    low, high = min(low, high), max(low, high)
    found = ticks(low, high, most)
    slack = 1e-6 * max(abs(low), abs(high), 1e-300)
    assert 0 <= len(found) <= most
    assert all(low - slack <= tick <= high + slack for tick in found)
    gaps = [after - before for before, after in itertools.pairwise(found)]
    assert gaps == pytest.approx(gaps[:1] * len(gaps), rel=1e-3)


@pytest.mark.parametrize(
    ("low", "high", "most", "expected"),
    [
        pytest.param(0, 20, 5, ["0", "5", "10", "15", "20"], id="epochs"),
        pytest.param(0.897, 0.987, 5, ["0.9", "0.92", "0.94", "0.96", "0.98"], id="accuracies"),
        pytest.param(-0.87, 0.91, 4, ["-0.5", "0", "0.5"], id="weights"),
        pytest.param(3, 3, 4, ["3"], id="one-step"),
    ],
)
def test_tick_labels(low: float, high: float, most: int, expected: list[str]) -> None:
    """Ticks are round numbers, written with just enough digits to differ."""
    assert labels(ticks(low, high, most)) == expected


def test_a_bad_beginning_does_not_ruin_the_axis() -> None:
    """The axis of an accuracy that starts at .1 covers its usual values only.

    If all values are usual, the axis covers them all.
    """
    low, high = usual(np.array([0.1, 0.6, *np.linspace(0.9, 0.98, 18)]))
    assert 0.7 < low < 0.9
    assert high == pytest.approx(0.98)
    assert usual(np.array([1.0, 2.0, 3.0])) == pytest.approx((1.0, 3.0))
    assert usual(np.array([2.0, 2.0])) == (1.0, 3.0)
    assert usual(np.empty(0)) == (0.0, 1.0)


def test_what_is_orders_apart_is_logarithmic() -> None:
    """Learning rates from 1e-5 to .1 get a logarithmic axis; values that include 0 or less do not."""
    assert needs_log_axis(np.array([1e-5, 0.1]))
    assert not needs_log_axis(np.array([0.0, 1e9]))
    assert not needs_log_axis(np.array([0.5, 1.0]))
    scale = Scale.of([ChartLine(np.arange(3.0), np.array([1e-4, 1e-2, 1.0]), "red")])
    assert [text for _, text in scale.ticks(5)] == ["0.0001", "0.001", "0.01", "0.1", "1"]


def drawn(lines: list[ChartLine], width: int = 40, height: int = 8) -> list[str]:
    """Draw a chart as plain text."""
    span = (min(line.x[0] for line in lines), max(line.x[-1] for line in lines))
    return [text.plain for text in line_chart(lines, width, height, Scale.of(lines), span)]


def test_a_rising_line() -> None:
    """A rising line starts at the bottom left, ends at the top right and fits the width."""
    rows = drawn([ChartLine(np.arange(11.0), np.arange(11.0), "red")])
    body = [row.split("│")[-1].split("┤")[-1] for row in rows[:8]]
    firsts = [next(place for place, char in enumerate(row) if char != " ") for row in body]
    assert firsts == sorted(firsts, reverse=True)
    assert firsts[-1] == 0
    assert len(rows) == 10
    assert max(map(len, rows)) <= 40


def test_dots_ranges_and_gaps() -> None:
    """A dotted line has fewer dots than a solid one, and a line with a range has more.

    Values that are not finite are not drawn.
    """
    x, y = np.arange(20.0), np.linspace(0.0, 1.0, 20)

    def dots(line: ChartLine) -> int:
        return sum((ord(char) - 0x2800).bit_count() for row in drawn([line]) for char in row if "⠀" < char <= "⣿")

    solid = dots(ChartLine(x, y, "red"))
    assert dots(ChartLine(x, y, "red", dotted=True)) < solid
    assert dots(ChartLine(x, y, "red", low=y - 0.5, high=y + 0.5)) > solid
    assert dots(ChartLine(x, np.where(x < 10, y, math.nan), "red")) < solid
    assert dots(ChartLine(x[:1], y[:1], "red")) == 1


def test_a_line_that_leaves_the_chart() -> None:
    """A line is cut off where it leaves the axis; it is not drawn along the edge."""
    line = ChartLine(np.arange(30.0), np.array([-1e9, -1e8, *np.linspace(0.9, 1.0, 28)]), "red")
    rows = drawn([line])
    assert len(rows[7].partition("│")[2].split()) == 1
    assert any("⠀" < char <= "⣿" for row in rows for char in row[-4:])


def test_strips() -> None:
    """The largest value fills all rows and half of it fills half of them.

    A small value is still visible, and 0 is blank.
    """
    assert strip(np.array([1.0, 0.5, 0.01, 0.0, 9.0]), 1.0) == ["█▄▁ █"]
    assert strip(np.array([1.0, 0.5, 0.25]), 1.0, 2) == ["█  ", "██▄"]
    assert strip(np.zeros(3), 0.0) == ["   "]


@pytest.mark.parametrize("width", [11, 25, 80])
def test_an_axis_fits(width: int) -> None:
    """An axis with its labels has the requested width, and its labels do not run together."""
    axis, under = x_axis(-0.9, 0.9, width, corner="")
    assert len(axis) == width
    assert len(under) <= width + 1
    assert all(math.isfinite(float(label)) for label in under.split())


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        pytest.param(["before", "none"], CATEGORIES[:2], id="names"),
        pytest.param([False, True], CATEGORIES[:2], id="booleans"),
        pytest.param([0.1, 0.2], CATEGORIES[:2], id="two-numbers"),
        pytest.param([*"abcdefgh"], (*CATEGORIES, *DARKER)[:8], id="many-names"),
        pytest.param([1, 2, 4], ("#414487", "#21918C", "#7AD151"), id="ordered"),
    ],
)
def test_palette(values: list[Scalar | None], expected: tuple[str, ...]) -> None:
    """Names get colours that colour-blind people can distinguish.

    Three or more numbers get a sequence of colours. An absent value is grey.
    """
    found = palette([*values, None])
    assert tuple(found[value] for value in values) == expected
    assert found[None] == ABSENT


def test_many_values_are_told_apart() -> None:
    """A hundred values get a hundred different colours."""
    assert len(set(palette(list(range(100))).values())) == 101


def test_a_value_keeps_its_colour() -> None:
    """A value keeps its colour when other values are filtered out."""
    runs = [foreign(f"r{value}", {"activation": value}) for value in ("elu", "relu", "selu")]
    every = grouped(runs, "activation")
    whole = {group.label: group.colour for group in colour_groups(every, "activation")}
    part = colour_groups(grouped(runs[1:], "activation"), "activation", list(every))
    assert {group.label: group.colour for group in part} == {label: whole[label] for label in list(whole)[1:]}
    assert [group.label for group in colour_groups({None: runs, 0.1: runs}, "lr")] == ["lr=—", "lr=0.1"]


def test_a_chart_without_colours_is_plain() -> None:
    """A console without colours gets no escape codes."""
    console = Console(file=StringIO(), color_system=None, width=60)
    for text in line_chart([ChartLine(np.arange(3.0), np.arange(3.0), "red")], 40, 6, Scale(0, 2, False), (0, 2)):
        console.print(text)
    assert isinstance(console.file, StringIO)
    assert "\x1b" not in console.file.getvalue()
