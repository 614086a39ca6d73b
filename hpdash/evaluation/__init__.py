"""Evaluate a sweep's best trial on the test set: select on validation, evaluate once, record in the journal."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from rich.console import Console, RenderableType

from ..api import read_runs
from ..api.shown import Shown
from ..backends.probe import in_child
from ..data.inline import sendable
from ..errors import LogdirError, Problem, SpecError
from ..journal.journal import Journal, lock
from ..logs import layout
from ..logs.writer import add_scalars
from ..runs import Run
from ..spec.inline import remembered
from ..sweep_folder.recipe import spec_of
from ..sweep_folder.sweep_json import SweepRecord, record_of
from ..system.signals import Signals
from ..testset import Evaluation, Score
from ..views.terminal import evaluate as terminal
from .scoring import Scores, TrialToScore, score
from .selection import Candidate, pick_sweep, select, set_to


@dataclass(frozen=True, eq=False)
class Evaluated(Shown):
    """The results of a sweep's selected trials on the test set.

    `evaluation` is the evaluation, as the journal has it. `runs` are all runs of the sweep. `opened` is False if the
    evaluation was recorded earlier, and the test set was not opened again.
    """

    evaluation: Evaluation
    runs: Sequence[Run]
    opened: bool
    warnings: tuple[str, ...] = ()

    @property
    def look(self) -> Evaluation:
        """Deprecated: the former name of `evaluation`."""
        warnings.warn("Evaluated.look is now called Evaluated.evaluation", DeprecationWarning, stacklevel=2)
        return self.evaluation

    def render(self, console: Console) -> Iterator[RenderableType]:
        """Draw the table of the trials and their ensemble, and the notes below it."""
        return terminal.draw(console, self.evaluation, self.runs, self.opened)

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return terminal.to_json(self.evaluation, self.runs, self.opened)


def evaluate(logs: Path | str = "logs", *, sweep: str | None = None, top: int = 1, again: bool = False) -> Evaluated:
    """Evaluate a sweep on its test set once: the best trial on validation, or the best `top` and their ensemble.

    `sweep` names the sweep if the logdir has several. If the journal has an evaluation of this selection, or of one
    that begins with it, that evaluation is returned, and the test set is not opened. Evaluating another selection needs
    `again`, because the first result would influence the second choice.

    Raises SpecError if no trials can be selected on validation, or if another selection has been evaluated and
    `again` is False; LockedError while a driver runs the sweep; and the errors of `score`.
    """
    folder = pick_sweep(read_runs(logs), sweep)
    case = _Selection.of(folder, top)
    if case.evaluation is None or list(case.unlogged(case.evaluation)):
        with lock(folder):
            case = _Selection.of(folder, top)  # read again under the lock, because it may have changed
            evaluation = case.evaluation or _evaluate(case, again)
            for run, epoch, values in case.unlogged(evaluation):
                add_scalars(run.folder, values, epoch)
        opened = case.evaluation is None
        return Evaluated(evaluation, read_runs(folder), opened, case.warnings)
    return Evaluated(case.evaluation, case.runs, False, case.warnings)


@dataclass(frozen=True)
class _Selection:
    """A sweep as read from the disk, and the trials that are selected from it, best first."""

    folder: Path
    about: SweepRecord
    runs: Sequence[Run]
    chosen: Sequence[Candidate]
    warnings: tuple[str, ...]

    @classmethod
    def of(cls, folder: Path, top: int) -> _Selection:
        """Read a sweep and select its `top` trials; raise LogdirError if the sweep's record is damaged."""
        found = read_runs(folder)
        about = record_of(found[0])
        if about is None:
            files = f"{layout.SWEEP_JSON} or {layout.SWEEP_TOML}"
            raise LogdirError(f"{folder}: {files} is missing or damaged. Put back a copy.")
        return cls(folder, about, found.runs, select(found.runs, about, top), found.warnings)

    @property
    def data(self) -> str:
        """The name of the data set of the selected trials."""
        return str(set_to(self.chosen[0].run, self.about, "data", "name"))

    @cached_property
    def evaluation(self) -> Evaluation | None:
        """The recorded evaluation whose selection begins with these trials; None if there is none."""
        selection = tuple((each.run.number, each.result.kept_sha256) for each in self.chosen)
        evaluations = self.chosen[0].run.evaluations
        return next((each for each in evaluations if each.selection[: len(selection)] == selection), None)

    def next_number(self, again: bool) -> int:
        """Return the number of a new evaluation; raise SpecError if it is not the first and `again` is False."""
        before = [evaluation for evaluation in self.chosen[0].run.evaluations if evaluation.data == self.data]
        if before and not again:
            ids = ", ".join(f"{score.trial:04d}" for score in before[-1].scores)
            expected = f"the selection already evaluated on the test set of {self.data} ({ids})"
            others = ", ".join(f"{each.run.number:04d}" for each in self.chosen)
            hint = (
                "Selecting again after seeing test results means selecting on the test set, so the results will look "
                "too good. Use --again to do it anyway; every table will say so."
            )
            raise SpecError([Problem(self.folder.name, expected, f"another ({others})", hint)])
        return 1 + max((evaluation.number for evaluation in before), default=0)

    def unlogged(self, evaluation: Evaluation) -> Iterator[tuple[Run, int, Mapping[str, float]]]:
        """Yield (run, epoch, test metrics by tag) for each run whose folder lacks the evaluation's metrics."""
        runs = {run.number: run for run in self.runs}
        for each in evaluation.scores:
            values = {layout.test_tag(name): value for name, value in each.test.items()}
            run = runs.get(each.trial)
            if run is not None and not values.keys() <= run.scalars.keys():
                yield run, each.epoch, values


def _evaluate(case: _Selection, again: bool) -> Evaluation:
    """Evaluate the selected trials on the test set, and record the result in the journal before it is shown."""
    number = case.next_number(again)
    code = Path(case.about.folder or "")
    job = [_trial_to_score(each, case.about) for each in case.chosen], code if code.is_dir() else Path()
    with Journal.open(case.folder / layout.JOURNAL) as journal, sendable(remembered(case.folder)) as given:
        found: Scores = in_child(score, job, Signals(), functions=given.functions, keras=True)
        chosen = zip(case.chosen, found.single, strict=True)
        scores = tuple(_score_entry(each, values) for each, values in chosen)
        objective = case.chosen[0].run.objective
        assert objective is not None
        evaluation = Evaluation(
            number, case.data, found.examples, objective.name, objective.goal, scores, found.ensemble
        )
        return journal.append_evaluation(evaluation).evaluation


def _trial_to_score(each: Candidate, about: SweepRecord) -> TrialToScore:
    spec = spec_of(each.run, about)
    if spec is None:
        why = "cannot read the trial's settings, because its event files are damaged. Restore a backup of these files."
        raise LogdirError(f"{each.run.folder}: {why}")
    assert each.result.kept_sha256 is not None
    return TrialToScore(each.run.id, spec, each.run.folder / layout.WEIGHTS, each.result.kept_sha256, each.value)


def _score_entry(each: Candidate, test: Mapping[str, float]) -> Score:
    assert each.run.number is not None
    assert each.result.kept_epoch is not None
    assert each.result.kept_sha256 is not None
    return Score(each.run.number, each.result.kept_epoch, each.result.kept_sha256, each.value, test)
