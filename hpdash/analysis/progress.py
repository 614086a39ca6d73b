"""How a search went: the best so far over its trials and over the epochs they trained, and what was stopped when."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ..journal import Record, read_journal
from ..logdir import JOURNAL
from ..runs import Objective, Run
from ..trial import TrialState


@dataclass(frozen=True, slots=True)
class Step:
    """A trial's end: after `epochs` of its own and `spent` epochs of all trials by then; `best` is the best so far.

    `value` is the best objective the trial has come to, NaN where it has none. One that was pruned and promoted has a
    step each time.
    """

    trial: int
    state: TrialState
    epochs: int
    spent: int
    value: float
    best: float
    is_better: bool


@dataclass(frozen=True, slots=True)
class Progress:
    """The steps of a search in the order in which they happened, what they are measured by, and what all would cost.

    `whole` is how many epochs the same trials train where none is stopped.
    """

    objective: Objective
    steps: tuple[Step, ...]
    whole: int

    @property
    def spent(self) -> int:
        """The epochs that all trials have trained."""
        return self.steps[-1].spent

    @property
    def improvements(self) -> list[Step]:
        """The steps at which the best so far became better."""
        return [step for step in self.steps if step.is_better]

    @property
    def pruned(self) -> dict[int, int]:
        """How many trials stand as pruned, by the epoch after which they were."""
        last = {step.trial: step for step in self.steps}
        stopped = sorted(step.epochs for step in last.values() if step.state is TrialState.PRUNED)
        return {epoch: stopped.count(epoch) for epoch in stopped}


def progress(runs: Sequence[Run]) -> Progress | None:
    """Return how a sweep's trials ended one after another, None where its folder or its objective is not there."""
    by_number = {run.number: run for run in runs if run.number is not None}
    if not by_number or runs[0].objective is None:
        return None
    folders = {run.folder.parent for run in by_number.values() if (run.folder.parent / JOURNAL).is_file()}
    if len(folders) != 1:
        return None
    records = (each for each in read_journal(folders.pop() / JOURNAL).records if each.trial in by_number)
    found = steps(records, runs[0].objective)
    epochs = [run.hparams.get("epochs") for run in by_number.values()]
    whole = sum(int(each) for each in epochs if isinstance(each, int | float))
    return Progress(runs[0].objective, found, whole) if found else None


def steps(records: Iterable[Record], objective: Objective) -> tuple[Step, ...]:
    """Return a step for each end that a journal tells of; what was trained twice counts twice."""
    had: dict[int, int] = {}
    found: list[Step] = []
    spent, best = 0, math.nan
    for record in records:
        result = record.result
        if result is None:
            continue
        before = had.get(record.trial, 0)
        spent += result.epochs - before if result.epochs >= before else result.epochs
        had[record.trial] = result.epochs
        if record.state.is_conclusive:
            value = result.best.get(objective.name, math.nan)
            better = objective.goal.better(value, best)
            best = value if better else best
            found.append(Step(record.trial, record.state, result.epochs, spent, value, best, better))
    return tuple(found)
