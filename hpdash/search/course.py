"""A sweep's trials: all of them known at once, or one after another as results decide."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import accumulate
from typing import Any, Self

from ..entries import Entry, Proposed, Record, Rung
from ..history import History
from ..spec import Sweep
from ..trial import TrialResult, TrialSpec, TrialState
from .evidence import Evidence
from .pruners import Pruner, pruner_for
from .racing import leaders_seed, next_seed
from .random import Random
from .strategies import is_adaptive, strategy_for
from .tpe import STARTUP

SAMPLED = 1000  # points that stand for those an adaptive strategy may propose
Point = Mapping[str, Any]


class Course:
    """The trials that a sweep has come to, and the next where results decide on it.

    `specs` are the trials known by now, replicates of a setting next to each other; `total` is how many there will be
    at most. A sweep that prunes takes its trials one by one, in their order, so that pruned ones can go on in between
    and replicates be left out. Raises SpecError where the space does not fit.
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
        """Return the course that a journal's lines tell of.

        A setting whose line is lost is proposed again, in the light of the results that stood before it was used.
        """
        course = cls(sweep)
        if not course.is_adaptive:
            return course
        lines = [entry for entry in entries if isinstance(entry, Record | Rung | Proposed)]
        proposed = {line.setting: line.point for line in lines if isinstance(line, Proposed)}
        for setting, seq in enumerate(_used(lines, sweep.repeats)):
            point = proposed.get(setting)
            if point is None:
                point = course.propose(History.of(line for line in lines if line.seq < seq))
            if point is None:
                break
            course.add(point)
        return course

    @property
    def settings(self) -> int:
        """How many settings there are by now."""
        return len(self.specs) // self.sweep.repeats

    def samples(self) -> Sequence[TrialSpec]:
        """Return trials that stand for all that may come: all where they are known, else random ones."""
        if not self.is_adaptive:
            return self.specs
        random = Random(self.sweep, SAMPLED)
        return [self._trial(random.point(number), number * self.sweep.repeats) for number in range(SAMPLED)]

    def certain(self) -> Sequence[TrialSpec]:
        """Return the trials of settings that are tried whatever the results are."""
        if not self.is_adaptive:
            return self.specs
        points = map(self._strategy.point, range(min(STARTUP, self.total // self.sweep.repeats)))
        numbered = ((point, setting * self.sweep.repeats) for setting, point in enumerate(points))
        return [self._trial(point, first + n) for point, first in numbered for n in range(self.sweep.repeats)]

    def waiting(self, history: History) -> list[TrialSpec]:
        """Return the trials to put in line at once: all that are known, but those a sweep that prunes may leave out."""
        return [spec for spec in self.specs if self.pruner is None or spec.number in history.latest]

    def next(self, history: History, alone: bool) -> TrialSpec | None:
        """Return a known trial that is to run now, None where none is; `alone` says that no other runs.

        First those that were pruned and are promoted, of the highest rung; then replicates of settings that deserve
        them; then settings in their order. When nothing else is left, a search that has no finished trial lets the one
        that got furthest go on to its end, and the best setting gets all its seeds.
        """
        if self.pruner is None:
            return None
        number = self.pruner.promoted(history)
        if number is None:
            number = next_seed(self.sweep, self.settings, history)
        if number is None:
            firsts = range(0, len(self.specs), self.sweep.repeats)
            number = next((first for first in firsts if first not in history.latest), None)
        if number is None and alone and len(self.specs) >= self.total:
            number = self._last(history)
        return None if number is None else self.specs[number]

    def _last(self, history: History) -> int | None:
        if any(record.state is TrialState.FINISHED for record in history.latest.values()):
            return leaders_seed(self.sweep, self.settings, history)
        paused = ((history.pruned_after(trial), trial) for trial in history.latest)
        stopped = {trial: epoch for epoch, trial in paused if epoch is not None}
        goal = self.sweep.pruning.goal if self.sweep.pruning else self.sweep.goal

        def standing(trial: int) -> tuple[int, float, int]:
            rung = history.rungs.get(stopped[trial], {}).get(trial)
            return stopped[trial], goal.worth(rung.value) if rung else -math.inf, -trial

        return max(stopped, key=standing, default=None)

    @property
    def least(self) -> int:
        """How many trials there will be at least: a sweep that prunes need not run every replicate."""
        return self.total if self.pruner is None else self.total // self.sweep.repeats

    def extent(self, history: History, results: Mapping[int, TrialResult]) -> int:
        """Return how many trials there are in all, given the results that stand: at most, until none is to come."""
        if self.pruner is None or len(self.specs) < self.total or not history.latest.keys() <= results.keys():
            return self.total
        return len(results) if self.next(history, alone=True) is None else self.total

    def end(self) -> None:
        """Take it that no more settings come."""
        self.total = len(self.specs)

    def add(self, point: Point) -> list[TrialSpec]:
        """Take a setting in; return its trials."""
        first = len(self.specs)
        new = [self._trial(point, first + repeat) for repeat in range(self.sweep.repeats)]
        self.specs += new
        return new

    def propose(self, history: History) -> Point | None:
        """Return the next setting in the light of what is known, None after the last.

        Raises SpecError where no setting is to be found that is new and meets the sweep's requirements.
        """
        if len(self.specs) >= self.total:
            return None
        return self._strategy.point(self.settings, list(self._evidence(history)))

    def _evidence(self, history: History) -> Iterator[Evidence]:
        repeats, results = self.sweep.repeats, history.results
        for first in range(0, len(self.specs), repeats):
            specs = self.specs[first : first + repeats]
            if self.pruner is not None:  # replicates that may never run are not waited for
                specs = [spec for spec in specs if spec.number in history.latest] or specs[:1]
            yield evidence(specs, [results.get(spec.number) for spec in specs])

    def _trial(self, point: Point, number: int) -> TrialSpec:
        """Return a setting's trial of a number: number = setting * repeats + repeat, seed = the sweep's + repeat."""
        setting, repeat = divmod(number, self.sweep.repeats)
        sweep, settings = self.sweep, self.sweep.settings(point)
        seed, takes = sweep.seed + repeat, sweep.use(settings).takes
        spec = TrialSpec(number, setting, seed, point, settings, sweep.objective, sweep.goal, takes=takes)
        if self.pruner is None or sweep.pruning is None or repeat:
            return spec
        return replace(spec, rungs=self.pruner.rungs(setting, settings["train"]["epochs"]), watch=sweep.pruning.watch)


def evidence(specs: Sequence[TrialSpec], results: Sequence[TrialResult | None]) -> Evidence:
    """Return what is known of a setting from its replicates' results; None is one that is not there yet."""
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


def _used(lines: Iterable[Record | Rung | Proposed], repeats: int) -> list[int]:
    """Return for each setting there is the first line by which it, or one after it, had been proposed."""
    first: dict[int, int] = {}
    for line in lines:
        setting = line.setting if isinstance(line, Proposed) else line.trial // repeats
        first[setting] = min(line.seq, first.get(setting, line.seq))
    backwards = (first.get(setting, math.inf) for setting in range(max(first, default=-1), -1, -1))
    return [int(seq) for seq in accumulate(backwards, min)][::-1]


def trials(sweep: Sweep) -> list[TrialSpec]:
    """Return every trial of a sweep whose settings do not hang on its results."""
    return Course(sweep).specs
