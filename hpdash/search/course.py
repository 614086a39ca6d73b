"""A sweep's trials: all of them known at once, or proposed a setting at a time as results come."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import accumulate
from typing import Any, Self

from ..entries import Entry, Proposed, Record
from ..spec import Sweep
from ..trial import TrialResult, TrialSpec, TrialState
from .evidence import Evidence
from .random import Random
from .strategies import is_adaptive, strategy_for
from .tpe import STARTUP

SAMPLED = 1000  # points that stand for those an adaptive strategy may propose
Point = Mapping[str, Any]


class Course:
    """The trials that a sweep has come to, and the next where results decide on it.

    `specs` are the trials known by now, replicates of a setting next to each other; `total` is how many there will be
    at most. Raises SpecError where the space does not fit.
    """

    def __init__(self, sweep: Sweep) -> None:
        self.sweep = sweep
        self._strategy = strategy_for(sweep)
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
        lines = [entry for entry in entries if isinstance(entry, Record | Proposed)]
        proposed = {line.setting: line.point for line in lines if isinstance(line, Proposed)}
        for setting, seq in enumerate(_used(lines, sweep.repeats)):
            before = (line for line in lines if isinstance(line, Record) and line.seq < seq)
            point = proposed[setting] if setting in proposed else course.propose(known(before))
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
        return [trial(self.sweep, random.point(number), number * self.sweep.repeats) for number in range(SAMPLED)]

    def certain(self) -> Sequence[TrialSpec]:
        """Return the trials that will run whatever the results are."""
        if not self.is_adaptive:
            return self.specs
        points = map(self._strategy.point, range(min(STARTUP, self.total // self.sweep.repeats)))
        numbered = ((point, setting * self.sweep.repeats) for setting, point in enumerate(points))
        return [trial(self.sweep, point, first + n) for point, first in numbered for n in range(self.sweep.repeats)]

    def end(self) -> None:
        """Take it that no more settings come."""
        self.total = len(self.specs)

    def add(self, point: Point) -> list[TrialSpec]:
        """Take a setting in; return its trials."""
        first = len(self.specs)
        new = [trial(self.sweep, point, first + repeat) for repeat in range(self.sweep.repeats)]
        self.specs += new
        return new

    def propose(self, results: Mapping[int, TrialResult]) -> Point | None:
        """Return the next setting in the light of these results, None after the last.

        Raises SpecError where no setting is to be found that is new and meets the sweep's requirements.
        """
        if len(self.specs) >= self.total:
            return None
        return self._strategy.point(self.settings, list(self._evidence(results)))

    def _evidence(self, results: Mapping[int, TrialResult]) -> Iterator[Evidence]:
        repeats = self.sweep.repeats
        for first in range(0, len(self.specs), repeats):
            specs = self.specs[first : first + repeats]
            yield Evidence(specs[0].swept, score([results.get(spec.number) for spec in specs], specs[0]))


def known(records: Iterable[Record]) -> dict[int, TrialResult]:
    """Return the results that a search learns from: each trial's last, where that is one."""
    latest = {record.trial: record for record in records}
    return {number: record.result for number, record in latest.items() if record.result and _tells(record.state)}


def _tells(state: TrialState) -> bool:
    return state.is_result or state is TrialState.FAILED


def _used(lines: Iterable[Record | Proposed], repeats: int) -> list[int]:
    """Return for each setting there is the first line by which it, or one after it, had been proposed."""
    first: dict[int, int] = {}
    for line in lines:
        setting = line.trial // repeats if isinstance(line, Record) else line.setting
        first[setting] = min(line.seq, first.get(setting, line.seq))
    latest = max(first, default=-1)
    backwards = (first.get(setting, math.inf) for setting in range(latest, -1, -1))
    return [int(seq) for seq in accumulate(backwards, min)][::-1]


def score(results: Sequence[TrialResult | None], spec: TrialSpec) -> float | None:
    """Return a setting's score, as `Evidence` has it, from its replicates' results; None is one that is not there."""
    ended = [result for result in results if result is not None]
    if len(ended) < len(results):
        return None
    if any(result.state is TrialState.DIVERGED for result in ended):
        return -math.inf if spec.goal == "max" else math.inf
    values = [result.best.get(spec.objective, math.nan) for result in ended if result.state is TrialState.FINISHED]
    return statistics.fmean(values) if values else math.nan


def trial(sweep: Sweep, point: Point, number: int) -> TrialSpec:
    """Return the trial of a setting that has a number: number = setting * repeats + repeat, seed = first + repeat."""
    setting, repeat = divmod(number, sweep.repeats)
    return TrialSpec(number, setting, sweep.seed + repeat, point, sweep.settings(point), sweep.objective, sweep.goal)


def trials(sweep: Sweep) -> list[TrialSpec]:
    """Return every trial of a sweep whose settings do not hang on its results."""
    return Course(sweep).specs
