"""The goal of a metric in a sweep file: the one that the file gives, else the one of Keras."""

from __future__ import annotations

from ..goal import Goal, goal_of_metric
from .faults import Faults, Key, found


def goal_for(metric: str, given: str | None, key: Key, faults: Faults) -> Goal:
    """Return the goal that the file gives, else the one of Keras; if there is neither, add a fault and return MAX."""
    parts = (goal_of_metric(part) for part in reversed(metric.split("/")))  # "loss/validation" is a loss
    known = Goal(given) if given else next(filter(None, parts), None)
    if known is None:
        name = found(metric.rpartition("/")[2])
        why = f"Keras has no metric called {name}, so hpdash cannot tell whether a lower or a higher value is better."
        faults.add(key, '"min" or "max"', "nothing", why)
    return known or Goal.MAX
