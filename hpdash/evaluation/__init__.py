"""A sweep's best trial on the test set: selected on validation, looked at once, and every look kept in the journal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from rich.console import Console, RenderableType

from .. import logdir
from ..backends.probe import in_child
from ..errors import LogdirError, Problem, SpecError
from ..journal import Journal, lock
from ..kept import Kept, kept
from ..looks import Look, Score
from ..reading import read_runs
from ..runs import Run
from ..shown import Shown
from ..signals import Signals
from ..views import looked
from ..views.recipe import again as spec_of
from ..writer import add_scalars
from .scoring import Entrant, Scores, score
from .selection import Candidate, pick_sweep, select, set_to


@dataclass(frozen=True, eq=False)
class Evaluated(Shown):
    """What the selected trials of a sweep do on the test set.

    `runs` are all of the sweep, `opened` says whether the test set was looked at just now.
    """

    look: Look
    runs: Sequence[Run]
    opened: bool
    warnings: tuple[str, ...] = ()

    def render(self, console: Console) -> Iterator[RenderableType]:
        """Draw the table of the trials and their ensemble, and what has to stand beside it."""
        return looked.draw(console, self.look, self.runs, self.opened)

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return looked.to_json(self.look, self.runs, self.opened)


def evaluate(logs: Path | str = "logs", *, sweep: str | None = None, top: int = 1, again: bool = False) -> Evaluated:
    """Look at a sweep's test set once: with the trial that is best on validation, or with the `top` and their ensemble.

    `sweep` says which, where a logdir holds several. What was looked at before is shown from the journal, without the
    test set; another selection needs `again`. Raises SpecError where the selection is none on validation, or is
    another without `again`; LockedError while a driver runs the sweep.
    """
    folder = pick_sweep(read_runs(logs), sweep)
    case = _Case.of(folder, top)
    if case.look is None or list(case.unlogged(case.look)):
        with lock(folder):
            case = _Case.of(folder, top)  # anew: a driver may just have ended
            look = case.look or _take(case, again)
            for run, epoch, values in case.unlogged(look):
                add_scalars(run.folder, values, epoch)
        opened = case.look is None
        return Evaluated(look, read_runs(folder), opened, case.warnings)
    return Evaluated(case.look, case.runs, False, case.warnings)


@dataclass(frozen=True)
class _Case:
    """A sweep as it stands, and the trials of it that are selected."""

    folder: Path
    about: Kept
    runs: Sequence[Run]
    chosen: Sequence[Candidate]
    warnings: tuple[str, ...]

    @classmethod
    def of(cls, folder: Path, top: int) -> _Case:
        """Read a sweep and select."""
        found = read_runs(folder)
        about = kept(found[0])
        if about is None:
            raise LogdirError(f"{folder / logdir.SWEEP_JSON}: expected the sweep's record, found damage.")
        return cls(folder, about, found.runs, select(found.runs, about, top), found.warnings)

    @property
    def data(self) -> str:
        """The data set of the selected trials."""
        return str(set_to(self.chosen[0].run, self.about, "data", "name"))

    @cached_property
    def look(self) -> Look | None:
        """The look that has shown these trials, perhaps with more behind them; None where there is none."""
        selection = tuple((each.run.number, each.result.kept_sha256) for each in self.chosen)
        looks = self.chosen[0].run.looks
        return next((look for look in looks if look.selection[: len(selection)] == selection), None)

    def next_number(self, again: bool) -> int:
        """Return the number of another look; SpecError where it is not the first and was not asked for."""
        before = [look for look in self.chosen[0].run.looks if look.data == self.data]
        if before and not again:
            ids = ", ".join(f"{score.trial:04d}" for score in before[-1].scores)
            expected = f"the selection that the test set of {self.data} was opened for ({ids})"
            others = ", ".join(f"{each.run.number:04d}" for each in self.chosen)
            hint = (
                "To select anew when its figures have been seen is to select on the test set: they will look too good. "
                "--again does it all the same, and every table says so."
            )
            raise SpecError([Problem(self.folder.name, expected, f"another ({others})", hint)])
        return 1 + max((look.number for look in before), default=0)

    def unlogged(self, look: Look) -> Iterator[tuple[Run, int, Mapping[str, float]]]:
        """Yield the runs in whose folders a look's figures are not yet, the epoch, and the figures by their tags."""
        runs = {run.number: run for run in self.runs}
        for each in look.scores:
            values = {logdir.test_tag(name): value for name, value in each.test.items()}
            run = runs.get(each.trial)
            if run is not None and not values.keys() <= run.scalars.keys():
                yield run, each.epoch, values


def _take(case: _Case, again: bool) -> Look:
    """Open the test set, and put what it shows into the journal before anybody sees it."""
    number = case.next_number(again)
    code = Path(case.about.folder or "")
    job = [_entrant(each, case.about) for each in case.chosen], code if code.is_dir() else Path()
    with Journal.open(case.folder / logdir.JOURNAL) as journal:
        found: Scores = in_child(score, job, Signals())
        chosen = zip(case.chosen, found.single, strict=True)
        scores = tuple(_score(each, values) for each, values in chosen)
        objective = case.chosen[0].run.objective
        assert objective is not None
        look = Look(number, case.data, found.examples, objective.name, objective.goal, scores, found.ensemble)
        return journal.append_look(look).look


def _entrant(each: Candidate, about: Kept) -> Entrant:
    spec = spec_of(each.run, about)
    if spec is None:
        raise LogdirError(f"{each.run.folder}: expected the settings of the trial, found damage in its event files.")
    assert each.result.kept_sha256 is not None
    return Entrant(each.run.id, spec, each.run.folder / logdir.WEIGHTS, each.result.kept_sha256, each.value)


def _score(each: Candidate, test: Mapping[str, float]) -> Score:
    assert each.run.number is not None
    assert each.result.kept_epoch is not None
    assert each.result.kept_sha256 is not None
    return Score(each.run.number, each.result.kept_epoch, each.result.kept_sha256, each.value, test)
