"""The schedule of a sweep's trials: all are known at the start, or they are added as results come in."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import accumulate
from typing import Any, Self

from ..journal.entries import Entry, Proposal, RungDecision, Transition
from ..journal.history import History
from ..records import TrialResult, TrialSpec, TrialState
from ..spec import Sweep
from .evidence import Evidence
from .pruners import Pruner, pruner_for
from .random import Random
from .replicates import leaders_seed, next_seed
from .strategies import is_adaptive, strategy_for
from .tpe import STARTUP

SAMPLED = 1000  # random points that represent the points that an adaptive strategy may propose
Point = Mapping[str, Any]


class Schedule:
    """The trials of a sweep so far, and the next ones if they depend on results.

    `specs` are the trials known so far, with the replicates of a setting next to each other. `total` is the maximum
    number of trials. A sweep that prunes starts its trials one by one, so that pruned trials can resume in between and
    replicates can be left out. Raises SpecError if the search space is too large or too small.
    """

    def __init__(self, sweep: Sweep) -> None:
        self.sweep = sweep
        self._strategy = strategy_for(sweep)
        self.pruner: Pruner | None = pruner_for(sweep)
        self.specs: list[TrialSpec] = []
        self.is_adaptive = is_adaptive(sweep)
        count = self._strategy.count
        self.total = count * sweep.repeats
        for point in () if self.is_adaptive else map(self._strategy.point, range(count)):
            self.add(point)

    @classmethod
    def replayed(cls, sweep: Sweep, entries: Iterable[Entry]) -> Self:
        """Rebuild the schedule from the entries of a journal.

        If the journal has lost the line with a proposed setting, the setting is proposed again. It was proposed before
        the first line about this or a later setting. So the new proposal is based on the lines before that line.
        """
        schedule = cls(sweep)
        if not schedule.is_adaptive:
            return schedule
        lines = [entry for entry in entries if isinstance(entry, Transition | RungDecision | Proposal)]
        proposed = {line.setting: line.point for line in lines if isinstance(line, Proposal)}
        for setting, seq in enumerate(_used(lines, sweep.repeats)):
            point = proposed.get(setting)
            if point is None:
                point = schedule.propose(History.of(line for line in lines if line.seq < seq))
            if point is None:
                break
            schedule.add(point)
        return schedule

    @property
    def setting_count(self) -> int:
        """How many settings there are so far."""
        return len(self.specs) // self.sweep.repeats

    def samples(self) -> Sequence[TrialSpec]:
        """Return trials that represent all that may run: all of them if they are known, else `SAMPLED` random ones."""
        if not self.is_adaptive:
            return self.specs
        random = Random(self.sweep, SAMPLED)
        return [self._trial(random.point(number), number * self.sweep.repeats) for number in range(SAMPLED)]

    def certain(self) -> Sequence[TrialSpec]:
        """Return the trials of the settings that do not depend on results."""
        if not self.is_adaptive:
            return self.specs
        points = map(self._strategy.point, range(min(STARTUP, self.total // self.sweep.repeats)))
        numbered = ((point, setting * self.sweep.repeats) for setting, point in enumerate(points))
        return [self._trial(point, first + n) for point, first in numbered for n in range(self.sweep.repeats)]

    def waiting(self, history: History) -> list[TrialSpec]:
        """Return the trials that a driver considers when it starts, including those that already have a result.

        Without pruning, these are all known trials. With pruning, they are the trials that an earlier driver started;
        `next` chooses the others.
        """
        return [spec for spec in self.specs if self.pruner is None or spec.number in history.latest]

    def next(self, history: History, alone: bool) -> TrialSpec | None:
        """Return the trial of a known setting to run next in a sweep that prunes, None if there is none.

        The first of these that exists is returned:

        1. a pruned trial that is promoted, from the highest rung,
        2. another seed of a setting that is among the best (`next_seed`),
        3. the first trial of the first setting that has not started,
        4. if all settings are known and no other trial is running (`alone`): another seed of the best setting. If no
           trial has finished yet, the pruned trial that got furthest instead.
        """
        if self.pruner is None:
            return None
        number = self.pruner.promoted(history)
        if number is None:
            number = next_seed(self.sweep, self.setting_count, history)
        if number is None:
            firsts = range(0, len(self.specs), self.sweep.repeats)
            number = next((first for first in firsts if first not in history.latest), None)
        if number is None and alone and len(self.specs) >= self.total:
            number = self._last(history)
        return None if number is None else self.specs[number]

    def _last(self, history: History) -> int | None:
        if any(record.state is TrialState.FINISHED for record in history.latest.values()):
            return leaders_seed(self.sweep, self.setting_count, history)
        epochs = ((trial, history.pruned_after(trial)) for trial in history.latest)
        pruned = {trial: epoch for trial, epoch in epochs if epoch is not None}
        goal = self.sweep.pruning.goal if self.sweep.pruning else self.sweep.goal

        def rank(trial: int) -> tuple[int, float, int]:
            rung = history.rungs.get(pruned[trial], {}).get(trial)
            return pruned[trial], goal.utility(rung.value) if rung else -math.inf, -trial

        return max(pruned, key=rank, default=None)

    @property
    def least(self) -> int:
        """The least number of trials: all, or one for each setting if the sweep prunes and may leave out replicates."""
        return self.total if self.pruner is None else self.total // self.sweep.repeats

    def count_trials(self, history: History, results: Mapping[int, TrialResult]) -> int:
        """Return the number of trials, given the results so far.

        It is `total` until it is certain that no more trials will run, and then the number of results.
        """
        if self.pruner is None or len(self.specs) < self.total or not history.latest.keys() <= results.keys():
            return self.total
        return len(results) if self.next(history, alone=True) is None else self.total

    def end(self) -> None:
        """Set `total` to the number of trials so far: no more settings will be added."""
        self.total = len(self.specs)

    def add(self, point: Point) -> list[TrialSpec]:
        """Add a setting; return its trials."""
        first = len(self.specs)
        new = [self._trial(point, first + repeat) for repeat in range(self.sweep.repeats)]
        self.specs += new
        return new

    def propose(self, history: History) -> Point | None:
        """Return the next setting, based on the results so far; None if there are enough settings. `add` adds it.

        Raises SpecError if no setting is found that is new and meets the sweep's requirements.
        """
        if len(self.specs) >= self.total:
            return None
        return self._strategy.point(self.setting_count, list(self._evidence(history)))

    def _evidence(self, history: History) -> Iterator[Evidence]:
        repeats, results = self.sweep.repeats, history.results
        for first in range(0, len(self.specs), repeats):
            specs = self.specs[first : first + repeats]
            if self.pruner is not None:  # replicates that may never run are not waited for
                specs = [spec for spec in specs if spec.number in history.latest] or specs[:1]
            yield evidence(specs, [results.get(spec.number) for spec in specs])

    def _trial(self, point: Point, number: int) -> TrialSpec:
        """Return the trial of a point: number = setting * repeats + repeat, seed = the sweep's seed + repeat.

        With folds, `repeat` is also the fold.
        """
        setting, repeat = divmod(number, self.sweep.repeats)
        sweep, settings = self.sweep, self.sweep.settings(point)
        if settings["data"].get("folds") and settings["data"]["fold"] is None:
            settings["data"]["fold"] = repeat
        seed, takes = sweep.seed + repeat, sweep.use(settings).takes
        spec = TrialSpec(number, setting, seed, point, settings, sweep.objective, sweep.goal, takes=takes)
        if self.pruner is None or sweep.pruning is None or repeat:
            return spec
        return replace(spec, rungs=self.pruner.rungs(setting, spec.epochs), watch=sweep.pruning.watch)


def evidence(specs: Sequence[TrialSpec], results: Sequence[TrialResult | None]) -> Evidence:
    """Return what is known about a setting from the results of its replicates; a missing result is None."""
    point, objective, goal = specs[0].swept, specs[0].objective, specs[0].goal
    ended = [result for result in results if result is not None]
    if len(ended) < len(results):
        return Evidence(point)
    if any(result.state is TrialState.DIVERGED for result in ended):
        return Evidence(point, goal.worst)
    values = [result.best.get(objective, math.nan) for result in ended if result.state is TrialState.FINISHED]
    if values:
        return Evidence(point, statistics.fmean(values))
    pruned = next((result for result in ended if result.state is TrialState.PRUNED), None)
    if pruned is not None:
        return Evidence(point, pruned.metrics.get(objective, math.nan), pruned.epochs)
    return Evidence(point, math.nan)


def _used(lines: Iterable[Transition | RungDecision | Proposal], repeats: int) -> list[int]:
    """Return, for each setting, the lowest `seq` of the lines about this or a later setting.

    The setting was proposed by then, because settings are proposed in their order.
    """
    first: dict[int, int] = {}
    for line in lines:
        setting = line.setting if isinstance(line, Proposal) else line.trial // repeats
        first[setting] = min(line.seq, first.get(setting, line.seq))
    backwards = (first.get(setting, math.inf) for setting in range(max(first, default=-1), -1, -1))
    return [int(seq) for seq in accumulate(backwards, min)][::-1]


def trials(sweep: Sweep) -> list[TrialSpec]:
    """Return every trial of a sweep whose settings do not depend on its results."""
    return Schedule(sweep).specs
