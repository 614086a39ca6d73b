"""[prune]: which trials stop before their last epoch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..goal import Goal
from .faults import Faults
from .file_keys import FILE_KEYS
from .goals import goal_for


@dataclass(frozen=True, slots=True)
class Pruning:
    """Which trials stop early: the strategy, the metric that it watches and the metric's goal, and how soon."""

    strategy: str
    watch: str
    goal: Goal
    min_epochs: int
    reduction_factor: int
    startup: int

    @classmethod
    def of(cls, given: Mapping[str, Any], objective: str, goal: Goal, faults: Faults) -> Pruning:
        """Read a [prune] table and fill in its defaults; the default metric is the objective, with its goal."""
        values = {name: given.get(name, file_key.default) for name, file_key in FILE_KEYS["prune"].items()}
        watch = values["watch"] or objective
        wanted = values["goal"] or (goal if watch == objective else None)
        return cls(**{**values, "watch": watch, "goal": goal_for(watch, wanted, ("prune", "goal"), faults)})
