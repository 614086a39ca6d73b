"""Verify a sweep's folder: its own files, each line of its journal, and whether a driver holds its lock."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from ..journal.journal import Transition
from ..logs import layout
from ..reader.sweeps import is_held
from ..records import TrialState
from .findings import NOTHING_TO_DO, Finding, FindingFactory, Severity, spans
from .lines import JournalLine, numbered, read_lines
from .own_files import runs_programs, verify_provenance, verify_sweep_json, verify_sweep_toml

GO_ON = "`hpdash sweep FILE` continues"
_KEPT = f"{layout.JOURNAL}.damaged-"


@dataclass(frozen=True, slots=True)
class SweepFolder:
    """What a sweep's folder records about its trials, and the findings about the folder's own files.

    `latest` has the last transition of each trial in the journal. `planned` is the number of trials, None if unknown.
    `trials_in_bad_lines` are the trials that bad journal lines are about. `is_live` says that a driver holds the
    sweep's lock. `is_lost` says that the journal cannot be read, or is missing or empty although there are run folders.
    `is_program` says that its trials are programs.
    """

    folder: Path
    name: str
    is_live: bool = False
    latest: Mapping[int, Transition] = field(default_factory=dict)
    planned: int | None = None
    trials_in_bad_lines: frozenset[int] = frozenset()
    is_lost: bool = False
    findings: tuple[Finding, ...] = ()
    is_program: bool = False

    def is_written(self, number: int) -> bool:
        """Return whether a trial's files may change now: a driver runs the sweep, and the trial has not finished.

        A trial that has ended in another state may run again.
        """
        state = self.latest[number].state if number in self.latest else None
        return self.is_live and state is not TrialState.FINISHED


def verify_sweep_folder(folder: Path, name: str, names: Iterable[str], has_runs: bool) -> SweepFolder:
    """Verify a sweep's own files; `names` are the names of everything in its folder."""
    names, make, path = frozenset(names), partial(Finding, sweep=name), folder / layout.JOURNAL
    held = is_held(folder / layout.LOCK)
    lines, trouble = read_lines(path) if layout.JOURNAL in names else ([], None)
    live = held or is_held(folder / layout.LOCK)  # held before or after the journal was read
    is_lost = has_runs and not live and not lines
    has_started = is_lost or bool(lines)  # otherwise, missing files have not been written yet
    planned, findings = None, list[Finding]()
    if has_started or layout.SWEEP_JSON in names:
        planned, findings = verify_sweep_json(folder / layout.SWEEP_JSON, make)
        findings += verify_sweep_toml(folder / layout.SWEEP_TOML, make)
        findings += verify_provenance(folder / layout.SWEEP_JSON, make)
    if trouble or is_lost:
        findings.append(_no_journal(path, make, trouble or ("0 bytes" if layout.JOURNAL in names else "no such file")))
    findings += _bad_lines(path, make, lines, planned, live)
    findings += _order(path, make, lines)
    findings += [_original(folder / kept, make) for kept in sorted(names) if kept.startswith(_KEPT)]
    latest = {record.trial: record for _, record in numbered(lines)}
    trials_in_bad_lines = frozenset[int]().union(*(each.trials for each in lines))
    facts = live, latest, planned, trials_in_bad_lines, is_lost or bool(trouble), tuple(findings)
    return SweepFolder(folder, name, *facts, runs_programs(folder / layout.SWEEP_JSON))


def _no_journal(path: Path, make: FindingFactory, reason: str) -> Finding:
    affected = "the state of every trial: all count as not started, finished ones too"
    advice = (
        "Restore a backup before you run the sweep again. Without one, `hpdash sweep FILE` trains every trial again"
        " and sets the existing event files aside."
    )
    return make(path, f"no usable journal ({reason})", affected, advice)


def _bad_lines(
    path: Path, make: FindingFactory, lines: Sequence[JournalLine], planned: int | None, live: bool
) -> Iterator[Finding]:
    """Yield a finding for each bad line; one for all lines about unknown trials, one for all of a newer version."""
    latest = {record.trial: (number, record) for number, record in numbered(lines)}
    done = {trial for trial, (_, record) in latest.items() if record.state.is_result}
    # a torn last line may be one that a live driver is still writing
    bad = [line for line in lines if line.reason and not line.is_newer and not (line.is_torn and live)]
    empty = [line for line in bad if not line.trials and not line.entries]
    unknown = [line for line in empty if not line.lost]
    for line in empty:
        if line.lost:
            yield _bad_line(path, make, line, line.reason, line.lost)
    for line in bad:
        if line.trials or line.entries:
            effects = (_effect(trial, latest.get(trial), line.number) for trial in sorted(line.trials))
            yield _bad_line(path, make, line, line.reason, "; ".join(filter(None, effects)))
    if unknown:
        effect = "unknown trials: their states are taken from the other lines"
        what = f"{spans([line.number for line in unknown], 'line')}: {unknown[0].reason}"
        is_done = planned is not None and all(number in done for number in range(planned))
        yield _bad_line(path, make, unknown[0], what if unknown[1:] else unknown[0].reason, "" if is_done else effect)
    if newer := [line.number for line in lines if line.is_newer]:
        what, affected = f"{spans(newer, 'line')}: written by a newer hpdash", "nothing: this version ignores them"
        advice = "Update hpdash to continue the sweep."
        yield make(path, what, affected, advice, line=newer[0], severity=Severity.NOTE)


def _effect(trial: int, latest: tuple[int, Transition] | None, line: int) -> str:
    """Return what is lost of a trial because of a bad line; empty if a later line has the trial's state."""
    if latest is None:
        return f"trial {trial}: it counts as not started, so it is trained again"
    number, record = latest
    if number > line:
        return ""
    again = "" if record.state.is_result or record.state is TrialState.FAILED else ", so it is trained again"
    return f"trial {trial}: it counts as {record.state} (line {number}){again}"


def _bad_line(path: Path, make: FindingFactory, line: JournalLine, what: str, effect: str) -> Finding:
    reason_for_none = "its records are intact" if line.entries else "other lines have the states of its trials"
    affected = effect or f"nothing: {reason_for_none}"
    advice = f"{GO_ON}; event files of a trial that is trained again are set aside, not deleted."
    reason = f"torn: {what}" if line.is_torn else what
    return make(path, reason, affected, advice if effect else NOTHING_TO_DO, line=line.number)


def _order(path: Path, make: FindingFactory, lines: Sequence[JournalLine]) -> Iterator[Finding]:
    """Yield findings about the entries' sequence numbers: each has to be one more than that of the entry before.

    After bad lines, some numbers may be missing.
    """
    seq, bad, gaps, repeats = 0, 0, [], []
    for line in lines:
        bad += bool(line.reason)
        for record in line.entries:
            if record.seq <= seq:
                repeats.append(line.number)
            elif record.seq > seq + 1 + bad:
                gaps.append((line.number, spans([range(seq + 1, record.seq)], "record")))
            seq, bad = max(seq, record.seq), 0
    if gaps:
        missing = "; ".join(text for _, text in gaps[:5])
        affected = "the trials in the missing records: their states are taken from the other lines"
        advice = f"Restore a backup if there is one. Otherwise {GO_ON} and trains every trial without a result again."
        yield make(path, f"{missing} missing before this line", affected, advice, line=gaps[0][0])
    if repeats:
        what = f"{spans(repeats, 'line')}: sequence numbers that do not increase"
        affected = "the trials in these lines: the last line of each trial counts"
        advice = "If lines or journals were joined by hand, restore a backup. Otherwise, nothing has to be done."
        yield make(path, what, affected, advice, line=repeats[0])


def _original(path: Path, make: FindingFactory) -> Finding:
    advice = "Delete it when you no longer need it."
    affected = "nothing: its intact lines are in the journal"
    return make(path, "the original of a journal that was repaired", affected, advice, severity=Severity.NOTE)
