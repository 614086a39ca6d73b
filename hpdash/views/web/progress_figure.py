"""The progress of a search as a plotly figure: the result of each trial and the best so far, over epochs trained."""

from __future__ import annotations

import math

from ...analysis.progress import SearchProgress, Step
from ...records import TrialState
from ..colours import ABSENT, CATEGORIES
from ..text import number
from .effect_figures import MARGINS
from .html import Figure
from .plots import literal

MARKS = {  # symbol and colour of a trial that ended in this state
    TrialState.FINISHED: ("circle", CATEGORIES[0]),
    TrialState.PRUNED: ("x", ABSENT),
    TrialState.DIVERGED: ("triangle-down", ABSENT),
    TrialState.FAILED: ("square", ABSENT),
}


def figure(found: SearchProgress) -> Figure:
    """Draw each trial's result as a point, and the best result so far as a line.

    The x-axis is the number of epochs that all trials together had trained when the trial ended.
    """
    drawn = [step for step in found.steps if not math.isnan(step.best)]
    line = {
        "type": "scatter",
        "mode": "lines",
        "name": "best so far",
        "x": [step.spent for step in drawn],
        "y": [_round(step.best) for step in drawn],
        "line": {"shape": "hv", "color": CATEGORIES[0], "width": 2},
        "hoverinfo": "skip",
    }
    dots = (_dots(found, state, mark) for state, mark in MARKS.items())
    across, up = "epochs trained by all trials", f"best {literal(found.objective.name)}"
    axes = {
        name: {"title": {"text": text}, "automargin": True, "zeroline": False}
        for name, text in (("xaxis", across), ("yaxis", up))
    }
    layout = {**axes, "margin": MARGINS, "showlegend": True, "legend": {"orientation": "h", "y": 1.12}}
    return {"data": [line, *(trace for trace in dots if trace["x"])], "layout": layout}


def _dots(found: SearchProgress, state: TrialState, mark: tuple[str, str]) -> Figure:
    ends = [step for step in found.steps if step.state is state and not math.isnan(step.value)]
    symbol, colour = mark
    return {
        "type": "scatter",
        "mode": "markers",
        "name": str(state),
        "x": [step.spent for step in ends],
        "y": [_round(step.value) for step in ends],
        "marker": {"size": 7, "color": colour, "symbol": symbol},
        "text": [_hover_text(step) for step in ends],
        "hovertemplate": "%{text}<extra></extra>",
    }


def _hover_text(step: Step) -> str:
    return f"{step.trial:04d}: {number(step.value)}, {step.state} after epoch {step.epochs}"


def _round(value: float) -> float:
    return float(f"{value:.6g}")
