"""The distributions of the weights of the best and of the worst finished trial, before and after training."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from ...analysis.effects import outcomes_of
from ...logs import layout
from ...reader import read_histograms
from ...runs import Objective, Run
from ..colours import CATEGORIES, ColourGroup
from ..markup import escaped
from ..text import number
from ..web.html import Block, Chart, Figure, Fragment
from ..web.plots import densities_figure
from .trials import trial_names

KERNEL = "/kernel"
MOST = 8  # tags


def weights(runs: Sequence[Run], objective: Objective) -> list[Block]:
    """Draw the densities of the best and the worst trial over each other, at the first and the last common step.

    Each tag has one row with two charts. Return no blocks if fewer than two trials have finished, or if they share no
    tag and step.
    """
    outcomes = outcomes_of(runs, objective)
    ranked = sorted(
        (run for run in runs if run.name in outcomes), key=lambda run: objective.goal.sign * outcomes[run.name]
    )
    if len(ranked) < 2:
        return []
    best, worst = ranked[0], ranked[-1]
    groups = [
        ColourGroup(word, f"{word}: {trial_names([run])} ({number(outcomes[run.name])})", colour, (run,))
        for word, run, colour in zip(("best", "worst"), (best, worst), CATEGORIES, strict=False)
    ]
    charts = list(_charts(groups, _tags(best, worst)))
    return [_key(groups), *charts] if charts else []


def _tags(best: Run, worst: Run) -> list[str]:
    """Return the first `MOST` tags of kernels that both runs have, or of any weights if no tag is a kernel's."""
    common = [tag for tag in best.histograms if tag in worst.histograms and not layout.probe_prefix(tag)]
    return ([tag for tag in common if tag.endswith(KERNEL)] or common)[:MOST]


def _charts(groups: Sequence[ColourGroup], tags: Sequence[str]) -> Iterator[Chart]:
    found = {run.name: read_histograms(run, tags) for group in groups for run in group.runs} if tags else {}
    for tag in tags:
        series = {name: own[tag] for name, own in found.items() if tag in own}
        steps = sorted(set.intersection(*(set(each.steps.tolist()) for each in series.values()))) if series else []
        if not steps:
            continue
        ends = list(dict.fromkeys((steps[0], steps[-1])))
        figure = densities_figure(groups, series, tag, ends)
        for step, data in zip(ends, _apart(figure), strict=True):
            axes = {**figure["layout"], "yaxis": {"title": {"text": "density"}, "rangemode": "tozero"}}
            axes["xaxis"] = {"range": figure["layout"]["xaxis"]["range"]}
            when = " (before training)" if step == 0 else ""
            yield Chart({"data": data, "layout": axes}, f"{tag}, step {step}{when}", height=230, wide=False)


def _apart(figure: Figure) -> list[list[dict[str, Any]]]:
    """Return the data of each frame as a chart of its own: charts side by side can be compared and printed."""
    frames = [frame["data"] for frame in figure.get("frames") or []]
    return [
        [trace | own for trace, own in zip(figure["data"], data, strict=True)] for data in frames or [figure["data"]]
    ]


def _key(groups: Sequence[ColourGroup]) -> Fragment:
    marks = "".join(
        f'<span><span class="swatch" style="background:{group.colour}"></span>{escaped(group.label)}</span>'
        for group in groups
    )
    return Fragment(f'<p class="key">{marks}</p>')
