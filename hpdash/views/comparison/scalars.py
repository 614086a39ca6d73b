"""A scalar tag across runs: each group's mean and range over steps, and its last and best values."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from rich.console import Console, RenderableType
from rich.console import Group as Stack
from rich.text import Text

from ...analysis.curves import Curve, best, curve, last
from ...analysis.objective import goal_of
from ...analysis.rows import Stat
from ...goal import Goal
from ...logs.layout import VALIDATION_PREFIX
from ...runs import Series
from ..colours import ColourGroup
from ..terminal.charts import ChartLine, Scale, line_chart
from ..text import number, plain, table
from ..web.plots import Block, Chart, Figure, Heading, curves_figure
from .base import Comparison, sheet

WIDEST = 120  # greatest width of a chart on a terminal, in characters
PIPED = 100  # the same in a pipe


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class ScalarComparison(Comparison):
    """Compare a scalar: `tags` are its training and validation tags, or one of them; `step` None means the last."""

    tags: tuple[str, ...]
    step: int | None = None

    def series(self, group: ColourGroup, tag: str) -> list[Series]:
        """Return the series of a tag, from those runs of a group that have it."""
        return [run.scalars[tag] for run in group.runs if tag in run.scalars]

    @property
    def goal(self) -> Goal:
        """The direction in which the tag improves: as its sweep says, else as its name says, else "min"."""
        own = {run.objective.goal for run in self.runs if run.objective and run.objective.tag in self.tags}
        return own.pop() if len(own) == 1 else goal_of(self.tags[-1]) or Goal.MIN

    def render(self, console: Console) -> RenderableType:
        """Draw a line chart and a table that is its legend; without colours, one chart for each group."""
        width = min(console.width, WIDEST if console.is_terminal else PIPED)
        curves = [(group, tag, curve(self.series(group, tag))) for group in self.groups for tag in self.tags]
        lines = [(group, _line(group, tag, found, self.tags)) for group, tag, found in curves if len(found.steps)]
        if not lines:
            return Stack(plain(f"{self.title}: no finite value"), self._table(console))
        scale = Scale.of([line for _, line in lines])
        span = min(line.x[0] for _, line in lines), max(line.x[-1] for _, line in lines)
        parts: list[RenderableType] = [self._heading()]
        if console.color_system is not None:
            parts += line_chart([line for _, line in lines], width, max(10, width // 6), scale, span)
        else:
            for group in self.groups:
                own = [line for owner, line in lines if owner is group]
                parts += [plain(group.label), *line_chart(own, width, 8, scale, span)] if own else []
        hidden = sum(bool(np.any((line.y < scale.least) | (line.y > scale.most))) for _, line in lines)
        if hidden:
            parts.append(Text("The axis does not show extreme values: some lines leave the chart.", style="dim"))
        return Stack(*parts, Text(), self._table(console))

    def _heading(self) -> Text:
        kinds = "   ⠂⠐ training  ⠤⠤ validation" if len(self.tags) > 1 else ""
        ranges = "   shaded: range of the runs" if self.by else ""
        return Text.assemble((plain(self.title).plain, "bold"), kinds, ranges)

    def _header(self) -> list[str]:
        end = "last" if self.step is None else f"step {self.step}"
        parts = ["training ", "validation "] if len(self.tags) > 1 else [""]
        return [self.by or "run", "n", *(f"{part}{end}" for part in parts), f"{parts[-1]}best ({self.goal})", "at"]

    def _cells(self) -> Iterator[tuple[ColourGroup, list[str]]]:
        for group in self.groups:
            ends = [_shown(last(self.series(group, tag), self.step)) for tag in self.tags]
            series = self.series(group, self.tags[-1])
            top = best(series, self.goal)
            at = "" if top is None else str(top[1]) if top[1] == top[2] else f"{top[1]}-{top[2]}"
            name = group.label.removeprefix(f"{self.by}=")
            yield group, [name, str(len(series)), *ends, _shown(top and top[0]), at]

    def _table(self, console: Console) -> RenderableType:
        rows = [[Text.assemble(("━ ", group.colour), plain(label)), *rest] for group, (label, *rest) in self._cells()]
        return table(console, self._header(), rows)

    def to_json(self) -> dict[str, Any]:
        """Return every group's curves with its last and best values."""
        groups = [
            {"group": group.label, "runs": [run.id for run in group.runs]}
            | {"tags": {tag: self._part(group, tag) for tag in self.tags}}
            for group in self.groups
        ]
        return {"tag": self.tag, "by": self.by, "kind": "scalar", "goal": self.goal, "groups": groups}

    def _part(self, group: ColourGroup, tag: str) -> dict[str, Any]:
        series = self.series(group, tag)
        found, top, end = curve(series), best(series, self.goal), last(series, self.step)
        return {
            "last": _stat(end),
            "best": None if top is None else {**(_stat(top[0]) or {}), "first_step": top[1], "last_step": top[2]},
            "curve": {name: getattr(found, name).tolist() for name in Curve.__dataclass_fields__},
        }

    def rows(self) -> Iterator[dict[str, Any]]:
        """Yield a row for each run's value at each step."""
        for group in self.groups:
            for run in group.runs:
                for tag in (tag for tag in self.tags if tag in run.scalars):
                    own = run.scalars[tag]
                    for step, value in zip(own.steps.tolist(), own.values.tolist(), strict=True):
                        yield {"group": group.label, "run": run.id, "tag": tag, "step": step, "value": value}

    def blocks(self) -> list[Block]:
        """Return the chart of curves and the table."""
        figure = curves_figure(self.groups, self.tag)
        cells = [row for _, row in self._cells()]
        parts = "Validation solid, training dashed. " if len(self.tags) > 1 else ""
        caption = f"{parts}Mean of each group, range of its runs as a band; a double click shows the whole axis."
        return [
            Chart(figure, caption, height=520),
            Heading("Last and best values"),
            sheet(self._header(), cells),
        ]

    def panels(self) -> list[list[Figure]]:
        """Return the chart of curves."""
        return [[curves_figure(self.groups, self.tag)]]


def _line(group: ColourGroup, tag: str, found: Curve, tags: tuple[str, ...]) -> ChartLine:
    training = len(tags) > 1 and not tag.startswith(VALIDATION_PREFIX)
    ranged = not training and len(group.runs) > 1
    edges = (found.low, found.high) if ranged else (None, None)
    return ChartLine(found.steps.astype(float), found.mean, group.colour, training, *edges)


def _shown(stat: Stat | None) -> str:
    if stat is None:
        return ""
    return number(stat.mean) + (f" ± {number(stat.std)}" if stat.std is not None else "")


def _stat(stat: Stat | None) -> dict[str, Any] | None:
    return None if stat is None else {"mean": stat.mean, "std": stat.std, "n": stat.n}
