"""The progress of a search: at the end of each trial, the best value so far and the epochs of all trials so far."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from ..journal.entries import Proposal
from ..journal.journal import JournalContent, Transition
from ..journal.of_runs import current_journal
from ..logs.layout import JOURNAL, setting_of
from ..records import TrialState
from ..runs import Objective, Run


@dataclass(frozen=True, slots=True)
class Step:
    """The end of a trial, after `epochs` epochs of its own and `spent` epochs of all trials.

    `value` is the best objective of the trial, NaN if it has none. `best` is the best value of all trials so far, and
    `is_better` says that this step improved it. A trial that is pruned, promoted and ends again has a step for each
    end.
    """

    trial: int
    state: TrialState
    epochs: int
    spent: int
    value: float
    best: float
    is_better: bool


@dataclass(frozen=True, slots=True)
class SearchProgress:
    """The steps of a search in chronological order, and the objective that they are measured by.

    `whole` is the number of epochs that the same trials would train if none stopped early. `known` has, for each trial
    that a search proposed, the number of steps that had taken place by then: the results that it could learn from.
    `unit` is what the epochs are called: "epoch", or "step" if the trials are programs.
    """

    objective: Objective
    steps: tuple[Step, ...]
    whole: int
    known: Mapping[int, int] = field(default_factory=dict)
    unit: str = "epoch"

    @property
    def spent(self) -> int:
        """The number of epochs that all trials together have trained."""
        return self.steps[-1].spent

    @property
    def improvements(self) -> list[Step]:
        """The steps that improved the best value so far."""
        return [step for step in self.steps if step.is_better]

    @property
    def pruned(self) -> dict[int, int]:
        """The number of trials whose last state is pruned, by the epoch after which they were pruned."""
        last = {step.trial: step for step in self.steps}
        stopped = sorted(step.epochs for step in last.values() if step.state is TrialState.PRUNED)
        return {epoch: stopped.count(epoch) for epoch in stopped}


def progress(runs: Sequence[Run]) -> SearchProgress | None:
    """Return the ends of one sweep's trials in chronological order.

    None if the runs have no objective, if they do not share one sweep folder with a journal, or if no trial has ended.
    """
    by_number = {run.number: run for run in runs if run.number is not None}
    if not by_number or runs[0].objective is None:
        return None
    folders = {run.sweep_folder for run in runs if run.number is not None}
    if len(folders) != 1 or not (next(iter(folders)) / JOURNAL).is_file():
        return None
    journal = current_journal(folders.pop() / JOURNAL)
    records = [each for each in journal.transitions if each.trial in by_number]
    found = steps(records, runs[0].objective)
    whole = sum(run.planned or 0 for run in by_number.values())
    known, unit = _known(journal, records, by_number), runs[0].unit
    return SearchProgress(runs[0].objective, found, whole, known, unit) if found else None


def _known(journal: JournalContent, records: Iterable[Transition], runs: Mapping[int, Run]) -> dict[int, int]:
    """Return for each proposed trial the number of steps among `records` before its proposal."""
    ends = [record.seq for record in records if record.result is not None and record.state.is_conclusive]
    after = {entry.setting: entry.after for entry in journal.entries if isinstance(entry, Proposal)}
    settings = {number: setting_of(run.group) for number, run in runs.items() if run.group is not None}
    return {
        number: bisect_right(ends, after[setting])
        for number, setting in settings.items()
        if setting in after and setting is not None
    }


def steps(records: Iterable[Transition], objective: Objective) -> tuple[Step, ...]:
    """Return a step for each end of a trial in a journal.

    A trial that ends after fewer epochs than before has started over, so all its epochs are added to the epochs spent.
    Otherwise it counts as resumed, and only the epochs since its earlier end are added.
    """
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
