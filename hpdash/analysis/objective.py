"""Find the objective that ranks runs, and its best and last value in a run: from the journal, else from the series."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from difflib import get_close_matches

from ..errors import Problem, SpecError
from ..goal import Goal, goal_of_metric
from ..logs import layout
from ..logs.layout import VALIDATION_PREFIX
from ..runs import Objective, Run

_LISTED = 20  # metrics that an error message lists
_LESS = re.compile("loss|error|err|mse|mae|rmse|mape|msle|hinge|perplexity|divergence|crossentropy|nll")
_MORE = re.compile("accuracy|acc|auc|precision|recall|f1|score|r2|map|iou|dice|bleu|reward|similarity")
_ACCURACY, _LOSS = re.compile("accuracy|acc"), re.compile("loss")
_HELD_OUT = re.compile("validation|val|valid|test|eval|dev")


def goal_of(tag: str) -> Goal | None:
    """Return the goal of a tag's metric, from Keras' metrics, else from the words in the tag; None if unknown."""
    if known := goal_of_metric(metric_name(tag)):
        return known
    if _has_word(tag, _LESS):
        return Goal.MIN
    return Goal.MAX if _has_word(tag, _MORE) else None


def _has_word(tag: str, pattern: re.Pattern[str]) -> bool:
    words = re.split(r"[^a-z0-9]+", re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", tag).lower())
    return any(map(pattern.fullmatch, words))


def objective_of(runs: Sequence[Run]) -> Objective | None:
    """Return what runs are ranked by: the objective of their sweeps if these agree, else the usual metric.

    The usual metric is one that more than half of the runs have, if there is any such. Among these, accuracy comes
    before a loss, and a loss before any other metric with a known goal; then validation before training; then the
    shortest tag. None if no metric has a known goal.
    """
    own = {run.objective for run in runs if run.objective}
    if len(own) == 1:
        return own.pop()
    why = "the sweeps have different objectives" if own else "no sweep sets an objective"
    counts = Counter(tag for run in runs for tag in run.scalars)
    goals = {tag: goal for tag in counts if (goal := goal_of(tag)) and not tag.startswith(layout.best_tag(""))}

    def unusual(tag: str) -> tuple[bool, int, bool, int, str]:
        metric = 0 if _has_word(tag, _ACCURACY) else 1 if _has_word(tag, _LOSS) else 2
        return counts[tag] * 2 <= len(runs), metric, not _has_word(tag, _HELD_OUT), len(tag), tag

    tag = min(goals, key=unusual, default=None)
    kind = (
        "accuracy"
        if tag and _has_word(tag, _ACCURACY)
        else "a loss"
        if tag and _has_word(tag, _LOSS)
        else "a known metric"
    )
    reason = f"{why}; {kind} in {counts[tag or '']} of {len(runs)} runs"
    return Objective(metric_name(tag), tag, goals[tag], reason) if tag else None


def with_objective(runs: Sequence[Run], metric: str | None, goal: str | None) -> list[Run]:
    """Return the runs with the objective that the user asks for, whatever their sweeps say.

    Args:
        runs: the runs, returned unchanged if neither a metric nor a goal is given.
        metric: a tag, or a metric's name as in a sweep's objective; None for the metric that the runs rank by.
        goal: "min" or "max"; None for the goal of the sweeps that rank by the metric, else what its name says.

    Raises SpecError if no run has the metric, or if the goal is neither given nor known.
    """
    if metric is None and goal is None:
        return list(runs)
    usual = objective_of(runs)
    tags = [usual.tag] if usual and metric is None else [tag for run in runs if metric and (tag := tag_of(run, metric))]
    if not tags:
        names = dict.fromkeys(metric_name(tag) for run in runs for tag in run.scalars)
        near = get_close_matches(metric or "", names, n=1)
        hint = f"Did you mean {near[0]!r}?" if near else f"Known: {', '.join([*names][:_LISTED])}."
        raise SpecError([Problem("--objective", "a metric that a run has", repr(metric), hint)])
    tag = tags[0]
    own = {run.objective.goal for run in runs if run.objective and run.objective.tag == tag}
    known = Goal(goal) if goal else own.pop() if len(own) == 1 else goal_of(tag)
    if known is None:
        hint = f"The name {tag!r} does not show whether lower or higher is better."
        raise SpecError([Problem("--goal", '"min" or "max"', "nothing", hint)])
    chosen = Objective(metric_name(tag), tag, known, "as you asked")
    return [run if run.objective == chosen else ranked_by(run, chosen) for run in runs]


def ranked_by(run: Run, objective: Objective) -> Run:
    """Return a run with another objective. The best epoch in the journal is left out: it is by the old objective."""
    result = run.result and replace(run.result, best={}, best_epoch=None)
    return replace(run, objective=objective, result=result)


def metric_name(tag: str) -> str:
    """Return the name of a tag's metric as in a sweep's objective: `validation/accuracy`."""
    base = tag.removeprefix(VALIDATION_PREFIX)
    return tag[: len(tag) - len(base)] + base.removeprefix(layout.epoch_tag(""))


def tag_of(run: Run, metric: str) -> str | None:
    """Return the tag of a metric in a run, None if the run does not have the metric."""
    base = metric.removeprefix(VALIDATION_PREFIX)
    as_keras = metric[: len(metric) - len(base)] + layout.epoch_tag(base)
    return next((tag for tag in (metric, as_keras) if tag in run.scalars), None)


def best(run: Run, objective: Objective | None) -> tuple[float, int] | None:
    """Return the best value of a run and its epoch (step): from its journal, else from its series.

    Equal to TensorBoard's `best/…` and `best/epoch` if hpdash wrote them. None if no value is finite.
    """
    if objective is None:
        return None
    if run.result and run.objective == objective and run.result.best_epoch is not None:
        value = run.result.best.get(objective.name, math.nan)
        return (value, run.result.best_epoch) if math.isfinite(value) else None
    series = run.scalars.get(objective.tag)
    return None if series is None else series.best(objective.goal)


def last(run: Run, objective: Objective | None) -> float | None:
    """Return the objective's last value, which may be NaN; None if the run has none."""
    if objective is None:
        return None
    if run.result and run.objective == objective and objective.name in run.result.metrics:
        return run.result.metrics[objective.name]
    series = run.scalars.get(objective.tag)
    return series.last if series is not None and len(series.values) else None


def trained(run: Run, objective: Objective | None) -> int | None:
    """Return how many epochs a run has finished: from its journal, else the objective's last step; None if unknown."""
    if run.result and run.result.epochs:
        return run.result.epochs
    series = run.scalars.get(objective.tag) if objective else None
    return int(series.steps[-1]) if series is not None and len(series.steps) else None


def seconds(run: Run) -> float | None:
    """Return the seconds a run has trained: from its journal, else from its first to its last logged value."""
    if run.result and run.result.seconds:
        return run.result.seconds
    ends = [
        time for series in run.scalars.values() if len(series.times) for time in (series.times[0], series.times[-1])
    ]
    times = [time for time in ends if math.isfinite(time)]
    return float(max(times) - min(times)) if times else None
