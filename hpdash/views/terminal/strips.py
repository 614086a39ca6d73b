"""Distributions as rows of block characters on a shared x-axis, as small multiples for comparison."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from rich.cells import cell_len, set_cell_size
from rich.text import Text

from ...analysis.snapshots import Snapshot
from ...histograms.histogram import Histogram, band
from ..axes import usual
from ..colours import ColourGroup
from ..text import plain
from .charts import Floats, strip, x_axis

ROW_LINES, MOST_TALL_ROWS = 3, 12  # lines of a group's row; with more than MOST_TALL_ROWS groups, each has one line
GAP = 2  # characters between cells
LEAST_CELL_WIDTH = 22  # characters of width that a distribution needs to show its shape
MOST_STEPS = 24  # rows of steps that fit a screen


def side_by_side(
    groups: Sequence[ColourGroup],
    snapshots: Sequence[Snapshot],
    ends: tuple[float, float],
    width: int,
    labels: Mapping[str, str],
) -> list[Text]:
    """Draw one row per group and one column per snapshot; below a group's row, one row for each run that has a label.

    `ends` are the ends of the x-axis, which all share; `labels` are by run name. With few groups their rows are higher.
    Each column has its own scale of heights, because training flattens distributions; its header states the peak.
    """
    names = [*(f"■ {group.label}" for group in groups), *(f"  {label}" for label in labels.values())]
    margin = min(max(map(cell_len, names)), width // 3)
    cell = _cell(width - margin, len(snapshots))
    edges = np.linspace(*ends, cell + 1)
    means = [[_mean(group, snapshot, edges) for snapshot in snapshots] for group in groups]
    runs = {name: [snapshot.histograms[name].density(edges) for snapshot in snapshots] for name in labels}
    tops = [max(float(values.max()) for values in column) for column in zip(*means, *runs.values(), strict=True)]
    heads = [
        f"{snapshot.label}, peak {top:.3g}".center(cell)[:cell] for snapshot, top in zip(snapshots, tops, strict=True)
    ]
    rows = [_row("", heads, margin, "bold")]
    for group, row in zip(groups, means, strict=True):
        high = ROW_LINES if len(groups) <= MOST_TALL_ROWS else 1
        columns = [strip(values, top, high) for values, top in zip(row, tops, strict=True)]
        names = [*[""] * (high - 1), f"■ {group.label}"]
        lines = zip(names, zip(*columns, strict=True), strict=True)
        rows += [_row(name, line, margin, group.colour) for name, line in lines]
        for run in (run for run in group.runs if run.name in runs):
            cells = [strip(values, top)[0] for values, top in zip(runs[run.name], tops, strict=True)]
            rows.append(_row(f"  {labels[run.name]}", cells, margin, group.colour, "dim"))
    return rows + _axes(ends, cell, len(snapshots), margin)


def over_steps(
    groups: Sequence[ColourGroup], snapshots: Sequence[Snapshot], ends: tuple[float, float], width: int
) -> list[Text]:
    """Draw one row per step, from top to bottom, and one column per group, with as many side by side as fit `width`.

    All share the x-axis, whose ends are `ends`, and the scale of heights. Unusually high densities are cut off.
    """
    chosen = [snapshots[at] for at in np.unique(np.linspace(0, len(snapshots) - 1, MOST_STEPS).round().astype(int))]
    margin = max(len(snapshot.label) for snapshot in chosen)
    most = max(1, (width - margin) // (LEAST_CELL_WIDTH + GAP))
    parts = [groups[start : start + most] for start in range(0, len(groups), most)]
    cell = _cell(width - margin, len(parts[0]))
    edges = np.linspace(*ends, cell + 1)
    means = {group.label: [_mean(group, snapshot, edges) for snapshot in chosen] for group in groups}
    top = usual(np.array([values.max() for rows in means.values() for values in rows]))[1]
    made = []
    for part in parts:
        heads = [(set_cell_size(f"■ {group.label}", cell), group.colour) for group in part]
        made.append(Text(" " * margin).append_text(_joined(heads)))
        for place, snapshot in enumerate(chosen):
            high = 2 if len(chosen) <= MOST_STEPS // 2 else 1
            columns = [strip(means[group.label][place], top, high) for group in part]
            for line, name in zip(zip(*columns, strict=True), ["", snapshot.label][-high:], strict=True):
                cells = [(cell, group.colour) for cell, group in zip(line, part, strict=True)]
                made.append(Text(f"{name:>{margin}}").append_text(_joined(cells)))
        made += _axes(ends, cell, len(part), margin)
    if len(chosen) < len(snapshots):
        note = f"{len(chosen)} of {len(snapshots)} steps, evenly spaced; -o x.html shows all of them."
        made.append(Text(note, style="dim"))
    return made


def _mean(group: ColourGroup, snapshot: Snapshot, edges: Floats) -> Floats:
    own: list[Histogram] = [snapshot.histograms[run.name] for run in group.runs]
    found: Floats = band(own, edges)[0]
    return found


def _cell(width: int, columns: int) -> int:
    return max(LEAST_CELL_WIDTH // 2, (width - GAP * columns) // columns)


def _row(head: str, cells: Sequence[str], margin: int, style: str, head_style: str = "bold") -> Text:
    name = set_cell_size(plain(head).plain, margin)
    return Text.assemble((name, head_style), *((" " * GAP + cell, style) for cell in cells))


def _joined(cells: Sequence[tuple[str, str]]) -> Text:
    return Text.assemble(*((" " * GAP + plain(cell).plain, style) for cell, style in cells))


def _axes(ends: tuple[float, float], cell: int, columns: int, margin: int) -> list[Text]:
    axis, under = x_axis(*ends, cell, corner="")
    return [Text(" " * margin + (" " * GAP + line.ljust(cell)) * columns, style="dim") for line in (axis, under[:cell])]
