"""The goal of a metric in a sweep file: what the file says, else what Keras says."""

from __future__ import annotations

from ..goal import Goal, goal_of_metric
from .faults import Faults, Key, found


def goal_for(metric: str, given: str | None, key: Key, faults: Faults) -> Goal:
    """Return the goal that a file gives, else the one that Keras knows; it is a fault if there is neither."""
    known = Goal(given) if given else goal_of_metric(metric)
    if known is None:
        name = found(metric.rpartition("/")[2])
        why = f"Keras has no metric called {name}, so that hpdash cannot tell which way it improves."
        faults.add(key, '"min" or "max"', "nothing", why)
    return known or Goal.MAX
