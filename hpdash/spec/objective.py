"""The metric that ranks the trials, and its goal: what a sweep file names, else a default that fits the data."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ..goal import Goal
from ..logs.layout import VALIDATION_PREFIX
from ..records import default_metrics
from .faults import Faults, found
from .goals import goal_for
from .keys import DATA_SETS, MLP

LOSS = "loss"
_ACCURACY = ("accuracy", "acc")


@dataclass(frozen=True, slots=True)
class Ranking:
    """The objective, its goal, and the reason for them.

    `is_default` says that the file names no objective. `is_open` says that the default may still change, because the
    data or the models are not known yet.
    """

    objective: str
    goal: Goal
    reason: str
    is_default: bool = True
    is_open: bool = False


def default_ranking(classes: Iterable[int | None], metrics: Collection[str] | None = None) -> Ranking:
    """Return the default: validation accuracy if all data have classes and all models have it, else validation loss.

    Args:
        classes: the number of classes of each data set, None for a regression.
        metrics: the names of the metrics that every model has, None if they are the default ones.
    """
    if None in set(classes):
        return Ranking(VALIDATION_PREFIX + LOSS, Goal.MIN, "the default for a regression")
    known = default_metrics(2) if metrics is None else metrics
    accuracy = next((name for name in _ACCURACY if name in known), None)
    if accuracy is None:
        return Ranking(VALIDATION_PREFIX + LOSS, Goal.MIN, "the default for models without the metric accuracy")
    return Ranking(VALIDATION_PREFIX + accuracy, Goal.MAX, "the default for classes")


def ranking(
    objective: str | None, goal_name: str | None, mentioned: Mapping[str, Collection[Any]], faults: Faults
) -> Ranking:
    """Return the ranking of a sweep file; if neither the file nor Keras gives the goal of the metric, add a fault.

    Args:
        objective: the metric that the file names, or None.
        goal_name: "min", "max" or None.
        mentioned: the values that each key may take, fixed or swept, by its name.
        faults: the faults of the file, to which new ones are added.
    """
    goal = Goal(goal_name) if goal_name else None
    if objective is None:
        default = _default(mentioned)
        if goal not in (None, default.goal):
            hint = f"The default, {default.objective}, has goal = {found(str(default.goal))}."
            faults.add(("sweep", "objective"), f"a metric for goal = {found(str(goal))}", "none", hint)
        return default
    reason = "the goal in the file" if goal else "Keras' goal for this metric"
    return Ranking(objective, goal_for(objective, goal_name, ("sweep", "goal"), faults), reason, is_default=False)


def _default(mentioned: Mapping[str, Collection[Any]]) -> Ranking:
    metrics = [names or default_metrics(2) for names in mentioned["metrics"]]
    shared = set.intersection(*map(set, metrics)) if metrics else None
    default = default_ranking((), shared)
    own_model = any(builder not in (MLP, None) for builder in mentioned["builder"])
    is_known = all(name in DATA_SETS for name in mentioned["name"]) and not own_model
    reason = default.reason if is_known else f"{default.reason}, unless the data or the models need another"
    return Ranking(default.objective, default.goal, reason, is_open=not is_known)
