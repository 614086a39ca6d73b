"""Interactive charts as plotly figures (plain dicts), and the page around them that opens offline.

    groups = colour_groups(grouped(runs, "batchnorm"), "batchnorm")          tuple[ColourGroup, ...], one per value
    curves_figure(groups, "epoch_accuracy") -> Figure                        training dashed, validation solid
    densities_figure(groups, histograms, tag, steps=None) -> Figure          one frame per step: slider and play button
    bands_figure(groups, histograms, tag) -> Figure                          quantiles over steps
    ridges_figures(groups, histograms, tag) -> list[Figure]                  densities over steps, one figure per group
    steps_figure(lines, unit) -> Figure                                      one number per group over steps
    page(title, blocks) -> str                                               one HTML file

`histograms` maps a run's name to its HistogramSeries of the tag. A figure is `{"data": [...], "layout": {...}}`, with
`"frames"` if it has several steps. `layout["meta"]["legend"]` lists [label, colour] of its groups; the page turns them
into buttons. Any other plotly figure with `data` and `layout` is shown as it is, in the page's colours.
A Block is a `Heading`, a `Fragment` of HTML that is already escaped, or a `Chart` of a figure. Successive charts that
are not `wide` are placed side by side if the page is wide enough.
"""

from __future__ import annotations

import math
from collections.abc import Container, Iterable, Mapping, Sequence
from html import escape
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...analysis.curves import curve
from ...analysis.snapshots import Snapshot, snapshots
from ...histograms.histogram import Histogram, mixture, shared_edges
from ...logs.layout import VALIDATION_PREFIX
from ...records import visible
from ...runs import HistogramSeries
from ..axes import needs_log_axis, usual
from ..colours import ColourGroup
from .html import Block, Chart, Figure, Fragment, Heading, page

__all__ = [
    "CLIP", "Block", "Chart", "Figure", "Fragment", "Heading",
    "bands_figure", "curves_figure", "densities_figure", "literal", "page", "ridges_figures", "steps_figure",
]  # fmt: skip

Floats = NDArray[np.float64]
QUANTILES = (0.01, 0.25, 0.5, 0.75, 0.99)
BINS = 56
CLIP = 0.999  # share of the values that the axis of a density covers


def literal(text: object) -> str:
    """Return a text escaped so that plotly, which interprets HTML tags in texts, shows it literally."""
    return escape(visible(str(text)), quote=False)


def curves_figure(groups: Sequence[ColourGroup], tag: str, drawn: Container[str] | None = None) -> Figure:
    """Draw a scalar over steps by group: its mean, its range and its runs, or only the runs whose ids are in `drawn`.

    `validation/<tag>` is solid; `tag` is dashed, with its mean only. If the runs have only one of them, it is solid.
    """
    known = {name for group in groups for run in group.runs for name in run.scalars}
    tags = [name for name in (tag, VALIDATION_PREFIX + tag) if name in known]
    data: list[dict[str, Any]] = []
    values: list[Floats] = [np.empty(0)]
    alpha = min(0.16, 0.3 / max(1, len(groups)))
    for group in groups:
        for name in tags:
            own = {run.id: run.scalars[name] for run in group.runs if name in run.scalars}
            if not own:
                continue
            found = curve(list(own.values()))
            values += [found.mean, found.low, found.high]
            title = f"{group.label} {name}"
            noted = [[_rounded([std])[0], count] for std, count in zip(found.std, found.count.tolist(), strict=True)]
            mean = _line(group, title, found.steps, found.mean, "mean") | {"customdata": noted}
            mean["hovertemplate"] = "step %{x}: %{y:.5g} ± %{customdata[0]:.3g} (%{customdata[1]})" + _EXTRA
            if name != tags[-1]:
                mean["line"] |= {"dash": "dash", "width": 1.8}
                data.append(mean)
                continue
            if len(own) > 1:
                data.append(_band(group, found.steps, found.low, found.high, alpha))
                lines = {run: each for run, each in own.items() if drawn is None or run in drawn}
                data += [_line(group, run, each.steps, each.values, "run") for run, each in lines.items()]
            data.append(mean)
    whole = np.concatenate(values)
    log = needs_log_axis(whole)
    low, high = usual(np.log10(whole) if log else whole)
    margin = (high - low) / 40
    axis = {"range": [low - margin, high + margin], "type": "log" if log else "linear"}
    shown = [trace for role in ("band", "run", "mean") for trace in data if trace["meta"]["role"] == role]
    return {
        "data": shown,
        "layout": _layout(groups, "step", literal(tag), axis, log=bool(whole.size and whole.min() > 0)),
    }


def densities_figure(
    groups: Sequence[ColourGroup],
    histograms: Mapping[str, HistogramSeries],
    tag: str,
    steps: Sequence[int] | None = None,
) -> Figure:
    """Draw the densities of a tag over each other on one x-axis, with one frame per step.

    `steps` are the steps to draw, by default all that the runs have in common. The x-axis covers 99.9 % of all values.
    The last frame is shown first.
    """
    found = [snapshot for snapshot in snapshots(histograms) if steps is None or snapshot.step in steps]
    edges = shared_edges([each for snapshot in found for each in snapshot.histograms.values()], BINS, CLIP)
    data, heights = (
        zip(*(_overlay(groups, snapshot, edges) for snapshot in found), strict=True) if found else ([[]], [[]])
    )
    peaks = np.array([height for own in heights for height in own] or [1.0])
    top = min(float(peaks.max()), usual(peaks)[1]) * 1.05
    layout = _layout(groups, literal(tag), "density", {"range": [0, float(f"{top:.4g}")]})
    layout["xaxis"]["range"] = [float(edges[0]), float(edges[-1])]
    frames = [
        {"name": snapshot.label, "data": [{"y": trace["y"]} for trace in own]}
        for snapshot, own in zip(found, data, strict=False)
    ]
    return {"data": data[-1], "layout": layout, "frames": frames if len(frames) > 1 else []}


def bands_figure(groups: Sequence[ColourGroup], histograms: Mapping[str, HistogramSeries], tag: str) -> Figure:
    """Draw the quantiles of each group's mean distribution over steps: 1-99 %, 25-75 % and the median."""
    found = snapshots(histograms)
    x = [snapshot.label if snapshot.step is None else snapshot.step for snapshot in found]
    data: list[dict[str, Any]] = []
    for group in groups:
        members = [list(_members(group, snapshot).values()) for snapshot in found]
        if any(members):
            q = np.array([mixture(each).quantiles(QUANTILES) for each in members]).T
            data.append(_band(group, x, q[1], q[3], 0.2))
            edges = ((f"{group.label} 1 %", q[0]), (f"{group.label} 99 %", q[4]))
            data += [_line(group, name, x, edge, "edge") for name, edge in edges]
            data.append(_line(group, f"{group.label} median", x, q[2], "mean"))
    return {"data": data, "layout": _layout(groups, "step", literal(tag), {})}


def ridges_figures(groups: Sequence[ColourGroup], histograms: Mapping[str, HistogramSeries], tag: str) -> list[Figure]:
    """Draw each group's mean density at each step as overlapping ridges, the last step in front, as TensorBoard does.

    Return one figure per group. All have the same x-axis and the same scale of heights.
    """
    found = snapshots(histograms)
    edges = shared_edges([each for snapshot in found for each in snapshot.histograms.values()], BINS, CLIP)
    means = [
        [_densities(_members(group, snapshot).values(), edges)[1].mean(axis=0) for snapshot in found]
        for group in groups
    ]
    peaks = np.array([mean.max() for own in means for mean in own] or [1.0])
    height = max(2.0, len(found) / 5) / (usual(peaks)[1] or 1.0)
    x = np.concatenate([edges[:1], (edges[:-1] + edges[1:]) / 2, edges[-1:]])
    marked = range(0, len(found), max(1, len(found) // 5))
    axis = {"tickvals": [-place for place in marked], "zeroline": False}
    axis["ticktext"] = [found[place].label.removeprefix("step ") for place in marked]
    made = []
    for group, own in zip(groups, means, strict=True):
        style = {"fill": "toself", "fillcolor": _tint(group, 0.35), "hoverinfo": "name"}
        ridges = [
            _line(group, snapshot.label, x, np.pad(mean, 1) * height - place, "ridge") | style
            for place, (snapshot, mean) in enumerate(zip(found, own, strict=True))
        ]
        made.append({"data": ridges, "layout": _layout([group], literal(tag), "step", axis)})
    return made


def steps_figure(lines: Sequence[tuple[ColourGroup, ArrayLike, ArrayLike]], unit: str) -> Figure:
    """Draw lines of (group, steps, values) with a y-axis that starts at 0; `unit` is its title."""
    data = [_line(group, group.label, steps, values, "mean", "lines+markers") for group, steps, values in lines]
    return {"data": data, "layout": _layout([group for group, _, _ in lines], "step", unit, {"rangemode": "tozero"})}


_EXTRA = "<extra>%{fullData.name}</extra>"


def _overlay(
    groups: Sequence[ColourGroup], snapshot: Snapshot, edges: Floats
) -> tuple[list[dict[str, Any]], list[float]]:
    """Return the traces of a snapshot (ranges at the bottom, then runs, means on top) and each group's peak density."""
    middles = _rounded((edges[:-1] + edges[1:]) / 2)
    layers: dict[str, list[dict[str, Any]]] = {"band": [], "run": [], "mean": []}
    peaks = []
    for group in groups:
        own = _members(group, snapshot)
        if not own:
            continue
        found, known = _densities(own.values(), edges)
        peaks.append(float(known.max()))
        if len(own) > 1:
            layers["band"].append(_band(group, middles, known.min(axis=0), known.max(axis=0), 0.13))
            layers["run"] += [_line(group, run, middles, each, "run") for run, each in zip(own, found, strict=True)]
        layers["mean"].append(_line(group, group.label, middles, known.mean(axis=0), "mean"))
    return [trace for role in layers.values() for trace in role], peaks


def _members(group: ColourGroup, snapshot: Snapshot) -> dict[str, Histogram]:
    """Return the histograms of a group's runs, by their ids."""
    return {run.id: snapshot.histograms[run.name] for run in group.runs if run.name in snapshot.histograms}


def _densities(histograms: Iterable[Histogram], edges: Floats) -> tuple[Floats, Floats]:
    """Return the densities of all histograms, and of those that have values, with one row per histogram.

    In the first array, a histogram without values is a row of NaN. The second is one row of zeros if none has values.
    """
    nothing = np.full(len(edges) - 1, np.nan)
    rows = np.array([each.density(edges) if each.total else nothing for each in histograms])
    known = rows[~np.isnan(rows).any(axis=1)]
    return rows, known if len(known) else np.zeros((1, len(nothing)))


def legend_key(group: ColourGroup) -> str:
    """Return a group's name as the page's buttons show it; they take no markup, so it is not escaped."""
    return visible(group.label)


def _line(group: ColourGroup, name: str, x: ArrayLike, y: ArrayLike, role: str, mode: str = "lines") -> dict[str, Any]:
    strong = role == "mean"
    dash = "dot" if role == "edge" else "solid"
    return {
        "type": "scatter", "mode": mode, "name": literal(name), "legendgroup": legend_key(group),
        "meta": {"role": role},
        "x": _rounded(x), "y": _rounded(y), "opacity": 0.45 if role == "run" else 1,
        "line": {"color": group.colour, "width": 2.6 if strong else 1.2, "dash": dash},
        "hovertemplate": "%{x}: %{y:.5g}" + _EXTRA,
    }  # fmt: skip


def _band(group: ColourGroup, x: ArrayLike, low: ArrayLike, high: ArrayLike, alpha: float) -> dict[str, Any]:
    across, bottom, top = _rounded(x), _rounded(low), _rounded(high)
    return {
        "type": "scatter", "mode": "lines", "name": literal(group.label), "legendgroup": legend_key(group),
        "meta": {"role": "band"}, "x": across + across[::-1], "y": top + bottom[::-1], "fill": "toself",
        "fillcolor": _tint(group, alpha), "line": {"width": 0}, "hoverinfo": "skip",
    }  # fmt: skip


def _tint(group: ColourGroup, alpha: float) -> str:
    red, green, blue = (int(group.colour[at : at + 2], 16) for at in (1, 3, 5))
    return f"rgba({red},{green},{blue},{alpha})"


def _layout(groups: Sequence[ColourGroup], x: str, y: str, y_axis: dict[str, Any], log: bool = False) -> dict[str, Any]:
    return {
        "xaxis": {"title": {"text": x}}, "yaxis": {"title": {"text": y}, **y_axis}, "showlegend": False,
        "hovermode": "closest", "margin": {"l": 64, "r": 16, "t": 12, "b": 48},
        "meta": {"legend": [[legend_key(group), group.colour] for group in groups], "log": log},
    }  # fmt: skip


def _rounded(values: ArrayLike) -> list[Any]:
    """Return floats with six significant digits, NaN and infinities as None (JSON has neither), others unchanged."""
    found = np.asarray(values)
    if found.dtype.kind != "f":
        return list(found.tolist())
    return [float(f"{value:.6g}") if math.isfinite(value) else None for value in found.tolist()]
