"""[prune]: which trials stop before their last epoch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..goal import Goal
from .faults import Faults
from .goals import goal_for
from .tables import SETTINGS


@dataclass(frozen=True, slots=True)
class Pruning:
    """Which trials stop early: by what, on which metric (whose `goal` is min or max), and how soon."""

    strategy: str
    watch: str
    goal: Goal
    min_epochs: int
    reduction_factor: int
    startup: int

    @classmethod
    def of(cls, given: Mapping[str, Any], objective: str, goal: Goal, faults: Faults) -> Pruning:
        """Fill in the defaults of a [prune] table; it watches the sweep's objective unless it says otherwise."""
        values = {name: given.get(name, setting.default) for name, setting in SETTINGS["prune"].items()}
        watch = values["watch"] or objective
        said = values["goal"] or (goal if watch == objective else None)
        return cls(**{**values, "watch": watch, "goal": goal_for(watch, said, ("prune", "goal"), faults)})
