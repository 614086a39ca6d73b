"""Verify a run's folder against what the journal of its sweep says about the trial."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from ..journal.journal import Transition
from ..logs import checkpoint, kept_weights, layout
from ..reader.folders import RunPart
from ..reader.layouts import Layouts
from ..reader.program_runs import parts_of_program
from ..records import TrialState
from .events import File, Trouble, join_by_role, joined_session, read_parts, trouble_findings, troubles
from .findings import NOTHING_TO_DO, Finding, FindingFactory, Severity
from .journals import GO_ON, SweepFolder
from .losses import (
    Lost,
    Parts,
    describe_missing_steps,
    missing_at_end,
    missing_hparams,
    missing_of_program,
    missing_steps,
)

_ONLY_WHEN_ASKED = (TrialState.FAILED, TrialState.DIVERGED)
_AGAIN = "`hpdash sweep FILE --retry-failed` trains it again"
_COUNTS = "The result is in the journal and still counts."


@dataclass(frozen=True, slots=True)
class RunFolder:
    """A run, with its name in the logdir, its folder and its parts with event files.

    `sweep` and `number` are those of its trial, None if it is not a trial of a sweep in this logdir.
    """

    name: str
    folder: Path
    parts: Sequence[RunPart]
    sweep: SweepFolder | None = None
    number: int | None = None
    has_checkpoint: bool = False

    @property
    def record(self) -> Transition | None:
        """The last transition of the trial in the journal, None if there is none."""
        return self.sweep.latest.get(self.number) if self.sweep and self.number is not None else None

    @property
    def is_written(self) -> bool:
        """Whether its files may change at this moment."""
        return bool(self.sweep and self.number is not None and self.sweep.is_written(self.number))

    @property
    def is_settled(self) -> bool:
        """Whether the trial is done and its files will not change, unless the user asks to train it again."""
        return bool(self.record and _is_done(self.record) and not self.is_written)


def _is_done(record: Transition) -> bool:
    """Return whether the trial ended by itself, so that it has written all its logs and the end of its session."""
    return record.state.is_result or record.state is TrialState.FAILED


def verify_run(run: RunFolder, layouts: Layouts) -> tuple[list[Finding], int]:
    """Verify a run; return the findings, and the size in bytes of its event files."""
    make = partial(Finding, sweep=run.sweep.name if run.sweep else None, run=run.name)
    files = read_parts(run.parts, layouts)
    parts, found = join_by_role(files), list(troubles(files, run.is_written))
    if run.sweep and run.sweep.is_program:
        parts = parts_of_program(run.parts, {str(file.path): file.contents for file in files})
    findings = list(_state_findings(run, make))
    findings += trouble_findings(found, make, partial(_affected, run, parts, found), _remedy(run, parts))
    if run.is_settled and not any(each.places for each in found):
        findings += _unlogged(run, make, files, parts)
    if run.is_settled:
        findings += _weights(run, make)
    if run.has_checkpoint:
        findings += _checkpoint(run, make)
    return findings, sum(_size(file.path) for file in files)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:  # moved since it was read
        return 0


def trials_without_folder(sweep: SweepFolder, numbers: Sequence[int], prefix: str) -> Iterator[Finding]:
    """Yield a finding for each trial among `numbers` that is done; none of `numbers` has a run folder.

    `prefix` comes before the trial's number in the name of the run.
    """
    for number in numbers:
        record = sweep.latest[number]
        if _is_done(record) and not sweep.is_written(number):
            make = partial(Finding, sweep=sweep.name, run=f"{prefix}{number:04d}")
            yield _nothing_logged(make, sweep.folder / f"{number:04d}…", "its run folder is gone", record)


def duplicate_folders(sweep: SweepFolder, number: int, folders: Sequence[Path]) -> Finding:
    """Return the finding that one trial has several run folders."""
    names = ", ".join(folder.name for folder in folders)
    affected = "TensorBoard shows each as a separate run with the same trial number"
    advice = "Move away each folder whose name does not match the trial: it is a copy, or from another sweep."
    return Finding(sweep.folder, f"{len(folders)} folders of trial {number}: {names}", affected, advice, sweep.name)


def _state_findings(run: RunFolder, make: FindingFactory) -> Iterator[Finding]:
    """Yield a finding if the journal does not know a trial, or has it as running although no driver runs the sweep."""
    sweep, record = run.sweep, run.record
    if sweep is None or sweep.is_live or run.number is None or run.number in sweep.trials_in_bad_lines:
        return  # the finding about a bad journal line says what happens to its trials
    if record is None and not sweep.is_lost:
        advice = f"{GO_ON}: it sets these files aside and trains the trial."
        if sweep.planned is not None and run.number >= sweep.planned:
            advice = f"The sweep has trials 0 to {sweep.planned - 1:,}: move the folder away unless it belongs here."
        yield make(
            run.folder,
            "a run folder that the journal does not know",
            "no result: its series are shown as a run, but the state of the trial is unknown",
            advice,
        )
    if record and record.state is TrialState.RUNNING:
        what = "running according to the journal, but no driver holds the sweep: the driver died"
        yield make(run.folder, what, "what the trial did since its last checkpoint", f"{GO_ON} the trial.")


def _affected(run: RunFolder, parts: Parts, found: Sequence[Trouble], trouble: Trouble) -> str:
    """Return, as text, what is missing in a run and may have been in the damaged file."""
    result = run.record.result if run.record else None
    lost: Lost = missing_steps(parts, result, sum(len(each.places) for each in found))
    if run.sweep and run.sweep.is_program:
        lost = missing_of_program(parts, result) if result else {}
    own = {
        name: steps
        for name, steps in lost.items()
        if name.startswith(layout.VALIDATION_PREFIX) == (trouble.file.role == layout.VALIDATION)
    }
    more = [] if run.sweep is None or trouble.file.role else _missing_hparams(run, parts)
    return "; ".join(filter(None, [describe_missing_steps(own), *more]))


def _missing_hparams(run: RunFolder, parts: Parts) -> list[str]:
    tags = [tag for _, contents in parts for tag in contents.scalars]
    return list(missing_hparams(joined_session(parts), tags, run.record.result if run.record else None, run.is_settled))


def _unlogged(run: RunFolder, make: FindingFactory, files: Sequence[File], parts: Parts) -> Iterator[Finding]:
    """Yield what is missing from the logs of a trial that is done and whose event files are intact."""
    record = run.record
    assert record is not None
    if not files:
        yield _nothing_logged(make, run.folder, "its event files are gone", record)
        return
    missing = missing_of_program if run.sweep and run.sweep.is_program else missing_at_end
    short = describe_missing_steps(missing(parts, record.result)) if record.result else ""
    if affected := "; ".join(filter(None, [short, *_missing_hparams(run, parts)])):
        what = f"{record.state}, but some of its logs are missing: a file was deleted, or cut between two records"
        yield make(run.folder, what, affected, _remedy(run, parts))


def _nothing_logged(make: FindingFactory, path: Path, what: str, record: Transition) -> Finding:
    advice = f"Restore a backup. {_COUNTS} {GO_ON} without training it again."
    if record.state in _ONLY_WHEN_ASKED:
        advice = f"Restore a backup; otherwise {_AGAIN}."
    return make(path, f"{record.state}, but {what}", "all series of the trial", advice)


def _remedy(run: RunFolder, parts: Parts) -> str:
    """Return the advice for a trial whose series are damaged or incomplete."""
    state = run.record.state if run.record else None
    if run.is_written:
        return "Wait until its driver has ended, then verify again."
    if run.sweep is None or state is None:
        return "Restore a backup if there is one. Without one, the intact records are still read."
    if state in _ONLY_WHEN_ASKED:
        return f"Restore a backup if there is one; otherwise {_AGAIN} and sets these files aside."
    if not state.is_result:
        return f"{GO_ON} the trial, or trains it again and sets these files aside."
    if not joined_session(parts).hparams:
        return f"{_COUNTS} For the complete series, restore a backup if there is one."
    again = f"`hpdash show {shlex.quote(str(run.folder))}` prints a sweep file that trains it again."
    return f"{_COUNTS} For the complete series, restore a backup if there is one; otherwise {again}"


def _weights(run: RunFolder, make: FindingFactory) -> Iterator[Finding]:
    """Yield what is wrong with the weights that a trial has kept."""
    path, result = run.folder / layout.WEIGHTS, run.record.result if run.record else None
    if result is None or result.kept_sha256 is None or (reason := _weights_trouble(path, result.kept_sha256)) is None:
        return
    affected = "the trial's weights: `hpdash evaluate` cannot evaluate the trial"
    yield make(path, reason, affected, f"Restore a backup if there is one. {_COUNTS}")


def _weights_trouble(path: Path, sha256: str) -> str | None:
    """Return why a file does not hold the weights with this SHA-256, None if it does."""
    if not path.is_file():
        return "not a plain file" if path.exists() else "the kept weights are gone"
    try:
        found = kept_weights.digest(kept_weights.read(path).items())
    except (OSError, ValueError) as error:
        return str(error).removeprefix(f"{path}: ")
    return None if found == sha256 else "not the trial's kept weights: their digest differs from that in the journal"


def _checkpoint(run: RunFolder, make: FindingFactory) -> Iterator[Finding]:
    """Yield what is wrong with a checkpoint."""
    path = run.folder / layout.CHECKPOINT
    reason = _checkpoint_trouble(path)
    if reason is None:
        return
    if run.is_settled:
        affected, advice = "nothing: the trial is done and no longer needs it", "Delete it."
        yield make(path, reason, affected, advice, severity=Severity.NOTE)
    else:
        advice = f"{NOTHING_TO_DO} When the sweep continues, the trial starts over automatically."
        yield make(path, reason, "the epochs the trial has trained", advice)


def _checkpoint_trouble(path: Path) -> str | None:
    """Return why a checkpoint cannot be read, None if it can be or if it was removed meanwhile."""
    if not path.is_file():
        return "not a plain file" if path.exists() else None
    try:
        checkpoint.read(path)
    except FileNotFoundError:
        return None
    except (ArithmeticError, AttributeError, MemoryError, OSError, RuntimeError, ValueError) as error:
        return str(error).removeprefix(f"{path}: ") or type(error).__name__
    return None
