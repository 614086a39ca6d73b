"""The panels of a picture: small multiples of densities on shared axes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..analysis.moments import Moment
from ..runs import HistogramSeries
from .colours import Group
from .plots import Figure, densities_figure, literal

MOST_APART = 4  # groups that have a panel each; more lie over each other in one


def density_panels(groups: Sequence[Group], moments: Sequence[Moment], tag: str) -> list[list[Figure]]:
    """Return a row a moment with a panel a group, one axis for all and one height a row: training flattens.

    A single group, or more than fit beside each other, are one panel a moment.
    """
    apart = [[group] for group in groups] if 1 < len(groups) <= MOST_APART else [list(groups)]
    rows = []
    for moment in moments:
        single = {name: HistogramSeries(np.zeros(1, np.int64), (own,)) for name, own in moment.histograms.items()}
        whole = densities_figure(groups, single, tag)
        rows.append([_part(whole, part, moment.label) for part in apart])
    _share("xaxis", [panel for row in rows for panel in row])
    for row in rows:
        _share("yaxis", row)
    return rows if len(apart) > 1 else [[panel for row in rows for panel in row]]


def titled(figure: Figure, title: str) -> Figure:
    """Return a figure with a title."""
    return {**figure, "layout": {**figure["layout"], "title": {"text": literal(title)}}}


def _part(figure: Figure, groups: Sequence[Group], title: str) -> Figure:
    """Return what a figure shows of some groups, under their name and the moment's."""
    labels = [group.label for group in groups]
    data = [trace for trace in figure["data"] if trace["legendgroup"] in labels]
    return titled({**figure, "data": data}, f"{labels[0]}, {title}" if len(labels) == 1 else title)


def _share(axis: str, panels: Sequence[Figure]) -> None:
    """Give panels one axis, as wide as the widest."""
    ranges = [panel["layout"][axis]["range"] for panel in panels]
    widest = [min(low for low, _ in ranges), max(high for _, high in ranges)]
    for panel in panels:
        panel["layout"][axis] = {**panel["layout"][axis], "range": widest}
