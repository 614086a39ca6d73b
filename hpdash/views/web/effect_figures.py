"""Plotly figures of effects, as dicts: levels as dots on one axis, importance as bars, an interaction as a heat map."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from ...analysis.effects import Effects, Interaction, Marginal
from ...analysis.rows import Stat
from ..colours import ABSENT, CATEGORIES
from ..terminal.effects import counted, label, percent, spread
from .html import Figure
from .plots import literal

MARGINS = {"l": 10, "r": 20, "t": 10, "b": 45}


def marginals_figure(found: Effects) -> Figure:
    """Draw every level's mean as a dot and its standard deviation as a line, all hyperparameters on one axis."""
    lines = [line for marginal in found.marginals for line in _lines(marginal)]
    drawn = [(place, text, stat, n) for place, (text, stat, n) in enumerate(lines) if stat]
    dots = {
        "type": "scatter",
        "mode": "markers",
        "x": _rounded(stat.mean for _, _, stat, _ in drawn),
        "y": [place for place, *_ in drawn],
        "error_x": {
            "type": "data",
            "array": _rounded(stat.std or 0 for _, _, stat, _ in drawn),
            "thickness": 1.5,
            "color": CATEGORIES[0],
        },
        "marker": {"size": 9, "color": CATEGORIES[0]},
        "text": [f"{text}: {spread(stat)} ({n})" for _, text, stat, n in drawn],
        "hovertemplate": "%{text}<extra></extra>",
    }
    ticks = {"tickmode": "array", "tickvals": list(range(len(lines))), "ticktext": [text for text, *_ in lines]}
    value = f"best {literal(found.objective.name)}, mean ± standard deviation" if found.objective else ""
    return _figure(dots, {"title": {"text": value}}, {**ticks, "range": [len(lines) - 0.5, -0.5], "showgrid": False})


def _lines(marginal: Marginal) -> list[tuple[str, Stat | None, str]]:
    """Return the rows of a hyperparameter, its name and its levels, as (label, statistics, number of trials)."""
    levels = [(literal(label(level)), level.best, counted(level)) for level in marginal.levels]
    return [(f"<b>{literal(marginal.name)}</b>", None, ""), *levels]


def importance_figure(found: Effects) -> Figure:
    """Draw the shares as bars with their standard errors, the largest at the top."""
    shares = found.importance.shares
    bars = {
        "type": "bar",
        "orientation": "h",
        "x": _rounded(each.share for each in shares),
        "y": list(range(len(shares))),
        "error_x": {"type": "data", "array": _rounded(each.std for each in shares), "thickness": 1.5, "color": ABSENT},
        "marker": {"color": CATEGORIES[0]},
        "text": [f"{literal(each.name)}: {percent(each.share)} ± {percent(each.std)}" for each in shares],
        "textposition": "none",
        "hovertemplate": "%{text}<extra></extra>",
    }
    ticks = {"tickmode": "array", "tickvals": bars["y"], "ticktext": [literal(each.name) for each in shares]}
    across = {"title": {"text": "share of importance"}, "tickformat": ".0%", "rangemode": "tozero"}
    return _figure(bars, across, {**ticks, "autorange": "reversed", "showgrid": False})


def interaction_figure(interaction: Interaction) -> Figure:
    """Draw the mean of each pair of levels as a cell, with its number of trials."""
    texts = [[f"{spread(cell)} ({cell.n})" if cell else "" for cell in row] for row in interaction.cells]
    heat = {
        "type": "heatmap",
        "x": list(range(len(interaction.columns.levels))),
        "y": list(range(len(interaction.rows.levels))),
        "z": [[_round(cell.mean) if cell else None for cell in row] for row in interaction.cells],
        "text": texts,
        "texttemplate": "%{text}",
        "hovertemplate": "%{text}<extra></extra>",
        "colorscale": "Viridis",
        "showscale": False,
        "xgap": 2,
        "ygap": 2,
    }
    return _figure(heat, _categories(interaction.columns), {**_categories(interaction.rows), "autorange": "reversed"})


def _categories(marginal: Marginal) -> dict[str, Any]:
    texts = [literal(label(level)) for level in marginal.levels]
    return {
        "title": {"text": literal(marginal.name)},
        "tickmode": "array",
        "tickvals": list(range(len(texts))),
        "ticktext": texts,
        "showgrid": False,
        "zeroline": False,
    }


def _figure(trace: Figure, across: dict[str, Any], up: dict[str, Any]) -> Figure:
    xaxis = {"automargin": True, "zeroline": False, **across}
    yaxis = {"automargin": True, "zeroline": False, **up}
    return {
        "data": [trace],
        "layout": {"xaxis": xaxis, "yaxis": yaxis, "margin": MARGINS, "showlegend": False},
    }


def _rounded(values: Iterable[float]) -> Sequence[float]:
    return [_round(value) for value in values]


def _round(value: float) -> float:
    return float(f"{value:.6g}")
