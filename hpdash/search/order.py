"""Which names depend on which, and the order that sets a name after those its `when` asks about."""

from __future__ import annotations

from ..spec import Hyperparameter, Sweep

Hyperparameters = tuple[Hyperparameter, ...]


def children(hparams: Hyperparameters) -> dict[str, list[Hyperparameter]]:
    """Return for each name the hyperparameters whose `when` asks about it."""
    children: dict[str, list[Hyperparameter]] = {hparam.name: [] for hparam in hparams}
    for hparam in hparams:
        for parent in hparam.when.keys() & children.keys():
            children[parent].append(hparam)
    return children


def parents_first(hparams: Hyperparameters) -> list[Hyperparameter]:
    """Order names as the file does, but each conditional one right behind the last name it depends on."""
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
    """Return the names whose `when` asks of a fixed setting what it is not."""
    swept = {hparam.name for hparam in sweep.hparams}
    fixed = {name: value for table in sweep.fixed.values() for name, value in table.items() if name not in swept}
    return frozenset(
        hparam.name
        for hparam in sweep.hparams
        if any(fixed[name] not in values for name, values in hparam.when.items() if name in fixed)
    )
