"""Order runs by their results, for an answer that cannot hold all of them."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from ..analysis.objective import objective_of
from ..logs.layout import VALIDATION, VALIDATION_PREFIX
from ..reader import runs_of_contents
from ..reader.attribution import parent_of
from ..reader.events import Contents
from ..runs import Objective, Run, Series
from .source import Source

_NOTHING = Series(np.empty(0, np.int64), np.empty(0), np.empty(0))


def best_first(source: Source, names: Sequence[str]) -> tuple[list[str], str]:
    """Return the names of runs, the best first, and the metric that decides; "" and the given order without one.

    The metric is the one by which `hpdash ls` ranks runs that belong to no sweep. Its best value over all steps counts.
    Runs without a finite value come last, in the given order.
    """
    listing = source.scalar_listing()
    stubs = {name: Contents(dict.fromkeys(tags, _NOTHING)) for name, tags in listing.items()}
    by_name = {run.name: run for run in runs_of_contents(stubs)}
    owners = {name: by_name.get(name) or by_name.get(parent_of(name)) for name in names}  # Keras: the run above `train`
    known = {run.name: run for run in owners.values() if run is not None}
    objective = objective_of(list(known.values()))
    if objective is None:
        return list(names), ""
    values = _values(source, list(known.values()), objective)

    def utility(name: str) -> float:
        owner = owners[name]
        own = values.get(owner.name, []) if owner else []
        return max(map(objective.goal.utility, own), default=-math.inf)

    return sorted(names, key=utility, reverse=True), objective.name


def _values(source: Source, runs: Sequence[Run], objective: Objective) -> dict[str, list[float]]:
    """Return the values of each run that has any, by the run's name."""
    names = [run.name for run in runs if objective.tag in run.scalars]
    found = source.scalars(objective.tag, names)
    if objective.tag.startswith(VALIDATION_PREFIX):  # logged under the training metric's tag, in a folder of its own
        own = {f"{name}/{VALIDATION}": name for name in names}
        parts = source.scalars(objective.tag.removeprefix(VALIDATION_PREFIX), list(own))
        found |= {own[part]: values for part, values in parts.items()}
    return {name: list(values.values()) for name, values in found.items()}
