"""Which hyperparameters depend on which, and an order in which each one follows those in its `when`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..spec import Hyperparameter, Sweep

Hyperparameters = tuple[Hyperparameter, ...]


def children(hparams: Hyperparameters) -> dict[str, list[Hyperparameter]]:
    """Return for each name the hyperparameters whose `when` refers to it."""
    children: dict[str, list[Hyperparameter]] = {hparam.name: [] for hparam in hparams}
    for hparam in hparams:
        for parent in hparam.when.keys() & children.keys():
            children[parent].append(hparam)
    return children


def parents_first(hparams: Hyperparameters) -> list[Hyperparameter]:
    """Return hyperparameters in the file's order; those with a `when` come right after the last one they depend on."""
    dependent = children(hparams)
    waiting = {hparam.name: len(hparam.when.keys() & dependent.keys()) for hparam in hparams}
    ordered: list[Hyperparameter] = []
    stack = [hparam for hparam in reversed(hparams) if not waiting[hparam.name]]
    while stack:
        ordered.append(stack.pop())
        for child in reversed(dependent[ordered[-1].name]):
            waiting[child.name] -= 1
            if not waiting[child.name]:
                stack.append(child)
    return ordered


def ruled_out(sweep: Sweep) -> frozenset[str]:
    """Return the names that never apply, because their `when` excludes the value of a fixed key."""
    swept = {hparam.name for hparam in sweep.hparams}
    fixed = {name: value for table in sweep.fixed.values() for name, value in table.items() if name not in swept}
    return frozenset(
        hparam.name
        for hparam in sweep.hparams
        if any(fixed[name] not in values for name, values in hparam.when.items() if name in fixed)
    )


class Order:
    """A sweep's hyperparameters in the order in which a point is made: those that others depend on come first."""

    def __init__(self, sweep: Sweep) -> None:
        self._file_order = [hparam.name for hparam in sweep.hparams]
        self._ordered = [hparam for hparam in parents_first(sweep.hparams) if hparam.name not in ruled_out(sweep)]

    def point(self, pick: Callable[[Hyperparameter], Any]) -> dict[str, Any]:
        """Return a point with `pick(hparam)` for each hyperparameter that applies, in the file's order of names."""
        point: dict[str, Any] = {}
        for hparam in self._ordered:
            parents = hparam.when.keys() & self._file_order
            if all(parent in point and point[parent] in hparam.when[parent] for parent in parents):
                point[hparam.name] = pick(hparam)
        return {name: point[name] for name in self._file_order if name in point}
