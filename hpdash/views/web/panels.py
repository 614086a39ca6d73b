"""Density charts as small multiples: panels with shared axes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...analysis.snapshots import Snapshot
from ...runs import HistogramSeries
from ..colours import ColourGroup
from .plots import Figure, densities_figure, legend_key, literal

MOST_PANELS_PER_ROW = 4  # groups with a panel each; more groups share one panel


def density_panels(groups: Sequence[ColourGroup], snapshots: Sequence[Snapshot], tag: str) -> list[list[Figure]]:
    """Return rows of panels: one row per snapshot, with one panel per group.

    All panels share the x-axis. The panels of one snapshot share the y-axis; those of different snapshots do not,
    because training flattens distributions. A single group, or more than `MOST_PANELS_PER_ROW` groups, get one panel
    per snapshot, and these form one row.
    """
    apart = [[group] for group in groups] if 1 < len(groups) <= MOST_PANELS_PER_ROW else [list(groups)]
    rows = []
    for snapshot in snapshots:
        single = {name: HistogramSeries(np.zeros(1, np.int64), (own,)) for name, own in snapshot.histograms.items()}
        whole = densities_figure(groups, single, tag)
        rows.append([_part(whole, part, snapshot.label) for part in apart])
    _share("xaxis", [panel for row in rows for panel in row])
    for row in rows:
        _share("yaxis", row)
    return rows if len(apart) > 1 else [[panel for row in rows for panel in row]]


def titled(figure: Figure, title: str) -> Figure:
    """Return a figure with a title."""
    return {**figure, "layout": {**figure["layout"], "title": {"text": literal(title)}}}


def _part(figure: Figure, groups: Sequence[ColourGroup], title: str) -> Figure:
    """Return a figure with only the traces of `groups`; its title names the snapshot, and a group that is alone."""
    labels, keys = [group.label for group in groups], {legend_key(group) for group in groups}
    data = [trace for trace in figure["data"] if trace["legendgroup"] in keys]
    return titled({**figure, "data": data}, f"{labels[0]}, {title}" if len(labels) == 1 else title)


def _share(axis: str, panels: Sequence[Figure]) -> None:
    """Give all panels the same range of an axis, one that covers all of their ranges."""
    ranges = [panel["layout"][axis]["range"] for panel in panels]
    widest = [min(low for low, _ in ranges), max(high for _, high in ranges)]
    for panel in panels:
        panel["layout"][axis] = {**panel["layout"][axis], "range": widest}
