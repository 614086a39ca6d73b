"""[prune]: which trials stop before their last epoch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .tables import SETTINGS


@dataclass(frozen=True, slots=True)
class Pruning:
    """Which trials stop early: by what, on which metric (whose `goal` is min or max), and how soon."""

    strategy: str
    watch: str
    goal: str
    min_epochs: int
    reduction_factor: int
    startup: int

    @classmethod
    def of(cls, given: Mapping[str, Any], objective: str, goal: str) -> Pruning:
        """Fill in the defaults of a [prune] table; it watches the sweep's objective unless it says otherwise."""
        values = {name: given.get(name, setting.default) for name, setting in SETTINGS["prune"].items()}
        watch = values["watch"] or objective
        return cls(**{**values, "watch": watch, "goal": goal if watch == objective else usual_goal(watch)})


def usual_goal(metric: str) -> str:
    """Return whether less or more of a metric is better, as its name tells."""
    return "min" if metric.endswith("loss") else "max"
