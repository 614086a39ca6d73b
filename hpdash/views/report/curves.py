"""The curves of all trials of a sweep, grouped by each hyperparameter that differs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ...analysis.effects import group_runs, varied
from ...analysis.objective import best
from ...analysis.rows import grouped
from ...logs.layout import VALIDATION_PREFIX, epoch_tag
from ...runs import Objective, Run, Series
from ..colours import CATEGORIES, ColourGroup, colour_groups, palette
from ..markup import escaped
from ..terminal.effects import bounds_label
from ..web.html import Block, Chart, Fragment
from ..web.plots import curves_figure

MOST_LINES = 100  # of single trials in a chart; more cover each other, and the page would be large
POINTS = 150_000  # in all curves together; they take two megabytes
FEWEST_STEPS, MOST_STEPS = 20, 200
READING = (
    "Solid: validation (training, if there is no validation); dashed: training; thick: mean; shaded: range of the runs."
)


def curves(runs: Sequence[Run], objective: Objective, by: str | None) -> list[Block]:
    """Draw the objective and the loss over steps, grouped by each hyperparameter that differs; a menu chooses one."""
    choices = list(dict.fromkeys([*([by] if by else []), *varied(runs)]))
    tags = list(dict.fromkeys([objective.tag.removeprefix(VALIDATION_PREFIX), epoch_tag("loss")]))
    tags = [tag for tag in tags if any(name in run.scalars for run in runs for name in (tag, VALIDATION_PREFIX + tag))]
    thinned = _thinned(runs, tags, len(choices) or 1)
    drawn = _foremost(runs, objective)
    blocks: list[Block] = []
    for name in choices or [""]:
        groups = _groups(thinned, name) if name else [ColourGroup(None, "all trials", CATEGORIES[0], tuple(thinned))]
        blocks += [
            Chart(curves_figure(groups, tag, drawn), f"{tag}{' by ' * bool(name)}{name}", height=340) for tag in tags
        ]
    reading = READING
    if len(drawn) < len(runs):
        reading += f" The mean and the range are of all {len(runs):,} trials; thin lines are the best {len(drawn)}."
    if len(choices) < 2 or not tags:
        return [Fragment(f'<p class="soft">{reading}</p>'), *blocks]
    options = "".join(f"<option>{escaped(name)}</option>" for name in choices)
    choice = f'<label class="choice" data-each="{len(tags)}">coloured by <select>{options}</select></label>'
    return [Fragment(f'<p class="soft">{reading}</p>'), Fragment(choice), *blocks]


def _foremost(runs: Sequence[Run], objective: Objective) -> frozenset[str]:
    """Return the ids of the runs whose lines are drawn: all of them, or the best `MOST_LINES`."""
    if len(runs) <= MOST_LINES:
        return frozenset(run.id for run in runs)
    values = {run.id: found[0] for run in runs if (found := best(run, objective))}
    return frozenset(sorted(values, key=lambda name: -objective.goal.utility(values[name]))[:MOST_LINES])


def _groups(runs: Sequence[Run], name: str) -> Sequence[ColourGroup]:
    """Group runs by a hyperparameter, in the same bins as the effects; else by a field or a metric of that name."""
    own = group_runs(runs, name)
    if [part.low for part in own] == [None]:
        return colour_groups(grouped(runs, name), name)
    colours = palette([part.low for part in own])
    return [
        ColourGroup(part.low, f"{name}={bounds_label(part.low, part.high)}", colours[part.low], part.runs)
        for part in own
    ]


def _thinned(runs: Sequence[Run], tags: Sequence[str], times: int) -> list[Run]:
    """Return runs with fewer steps, so that the page stays small; `times` is how often each curve is drawn.

    The first, the last and evenly spaced steps between them stay, the same for all runs.
    """
    names = [name for tag in tags for name in (tag, VALIDATION_PREFIX + tag)]
    every = [run.scalars[name].steps for run in runs for name in names if name in run.scalars]
    steps = np.unique(np.concatenate(every)) if every else np.empty(0, int)
    drawn = min(len(every), MOST_LINES * len(names))
    most = min(max(POINTS // max(drawn * times, 1), FEWEST_STEPS), MOST_STEPS)
    if len(steps) <= most:
        return list(runs)
    kept = steps[np.unique(np.linspace(0, len(steps) - 1, most).round().astype(int))]
    return [
        replace(run, scalars={name: _at(run.scalars[name], kept) for name in names if name in run.scalars})
        for run in runs
    ]


def _at(series: Series, steps: np.ndarray[tuple[int], np.dtype[np.int64]]) -> Series:
    kept = np.isin(series.steps, steps)
    return Series(series.steps[kept], series.values[kept], series.times[kept])
