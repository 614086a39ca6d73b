"""A sweep's folder: its own files, its journal line by line, and whether its driver lives."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from .. import logdir
from ..journal import Record
from ..reader.sweeps import is_held
from ..trial import TrialState
from .findings import NOTHING_TO_DO, Finding, Make, Severity, spans
from .lines import Line, numbered, read_lines
from .own_files import look_at_origins, look_at_record, look_at_source

GO_ON = "`hpdash sweep FILE` goes on"
_KEPT = f"{logdir.JOURNAL}.damaged-"


@dataclass(frozen=True, slots=True)
class SweepFolder:
    """What a sweep's folder says of its trials: the last record of each that its journal has.

    `planned` is how many trials it has, None where nobody knows; `hurt` are those that a bad line tells of. `is_lost`
    says that there is no journal to know them from, `is_live` that a driver holds it.
    """

    folder: Path
    name: str
    is_live: bool = False
    latest: Mapping[int, Record] = field(default_factory=dict)
    planned: int | None = None
    hurt: frozenset[int] = frozenset()
    is_lost: bool = False
    findings: tuple[Finding, ...] = ()

    def is_written(self, number: int) -> bool:
        """Say whether a trial's files may change at this moment: only what a driver runs, or may yet run again."""
        state = self.latest[number].state if number in self.latest else None
        return self.is_live and state is not TrialState.FINISHED


def look_at(folder: Path, name: str, names: Iterable[str], has_runs: bool) -> SweepFolder:
    """Look at a sweep's own files; `names` are those of all in its folder."""
    names, make, path = frozenset(names), partial(Finding, sweep=name), folder / logdir.JOURNAL
    held = is_held(folder / logdir.LOCK)
    lines, trouble = read_lines(path) if logdir.JOURNAL in names else ([], None)
    live = held or is_held(folder / logdir.LOCK)  # before and after: a driver that ends meanwhile has not died
    is_lost = has_runs and not live and not lines
    has_begun = is_lost or bool(lines)  # else what is not there was not yet written
    planned, findings = None, list[Finding]()
    if has_begun or logdir.SWEEP_JSON in names:
        planned, findings = look_at_record(folder / logdir.SWEEP_JSON, make)
        findings += look_at_source(folder / logdir.SWEEP_TOML, make)
        findings += look_at_origins(folder / logdir.SWEEP_JSON, make)
    if trouble or is_lost:
        findings.append(_no_journal(path, make, trouble or ("0 bytes" if logdir.JOURNAL in names else "there is none")))
    findings += _bad_lines(path, make, lines, planned, live)
    findings += _order(path, make, lines)
    findings += [_original(folder / kept, make) for kept in sorted(names) if kept.startswith(_KEPT)]
    latest = {record.trial: record for _, record in numbered(lines)}
    hurt = frozenset[int]().union(*(each.trials for each in lines))
    return SweepFolder(folder, name, live, latest, planned, hurt, is_lost or bool(trouble), tuple(findings))


def _no_journal(path: Path, make: Make, reason: str) -> Finding:
    affected = "how every trial of the sweep stands: all count as not begun, finished ones too"
    advice = (
        "Put back a copy before the sweep runs again. Without one, `hpdash sweep FILE` trains every trial again and"
        " sets the event files that are there aside."
    )
    return make(path, f"no journal beside the runs ({reason})", affected, advice)


def _bad_lines(path: Path, make: Make, lines: Sequence[Line], planned: int | None, live: bool) -> Iterator[Finding]:
    """Yield a finding for each bad line, one for all of those together that tell of nobody knows which trial."""
    latest = {record.trial: (number, record) for number, record in numbered(lines)}
    done = {trial for trial, (_, record) in latest.items() if record.state.is_result}
    bad = [line for line in lines if line.reason and not line.is_newer and not (line.is_torn and live)]  # or as yet
    empty = [line for line in bad if not line.trials and not line.records]
    unknown = [line for line in empty if not line.lost]
    for line in empty:
        if line.lost:
            yield _hurt(path, make, line, line.reason, line.lost)
    for line in bad:
        if line.trials or line.records:
            effects = (_effect(trial, latest.get(trial), line.number) for trial in sorted(line.trials))
            yield _hurt(path, make, line, line.reason, "; ".join(filter(None, effects)))
    if unknown:
        effect = "trials of which it told, nobody knows which: each counts as other lines say"
        what = f"{spans([line.number for line in unknown], 'line')}: {unknown[0].reason}"
        is_done = planned is not None and all(number in done for number in range(planned))
        yield _hurt(path, make, unknown[0], what if unknown[1:] else unknown[0].reason, "" if is_done else effect)
    if newer := [line.number for line in lines if line.is_newer]:
        what, affected = f"{spans(newer, 'line')}: of a newer hpdash than this one", "nothing: this one leaves them out"
        advice = "Update hpdash to go on with the sweep."
        yield make(path, what, affected, advice, line=newer[0], severity=Severity.NOTE)


def _effect(trial: int, latest: tuple[int, Record] | None, line: int) -> str:
    """Say what a trial loses with a bad line; nothing where a later line has its state."""
    if latest is None:
        return f"trial {trial}: it counts as not begun, and is trained again"
    number, record = latest
    if number > line:
        return ""
    again = "" if record.state.is_result or record.state is TrialState.FAILED else ", and is trained again"
    return f"trial {trial}: it counts as {record.state}, as line {number} has it{again}"


def _hurt(path: Path, make: Make, line: Line, what: str, effect: str) -> Finding:
    affected = effect or ("nothing: its records are whole" if line.records else "nothing: other lines count")
    advice = f"{GO_ON}; event files of a trial that is trained again are set aside, not deleted."
    told = f"torn: {what}" if line.is_torn else what
    return make(path, told, affected, advice if effect else NOTHING_TO_DO, line=line.number)


def _order(path: Path, make: Make, lines: Sequence[Line]) -> Iterator[Finding]:
    """Yield what is wrong with the sequence numbers: each is one more than the last, but for lines that are bad."""
    seq, bad, gaps, repeats = 0, 0, [], []
    for line in lines:
        bad += bool(line.reason)
        for record in line.records:
            if record.seq <= seq:
                repeats.append(line.number)
            elif record.seq > seq + 1 + bad:
                gaps.append((line.number, spans([range(seq + 1, record.seq)], "record")))
            seq, bad = max(seq, record.seq), 0
    if gaps:
        missing = "; ".join(text for _, text in gaps[:5])
        affected = "trials of which they told the state: each counts as other lines say"
        advice = f"Put back a copy if there is one; else {GO_ON} and trains again what has no result."
        yield make(path, f"{missing} missing before this line", affected, advice, line=gaps[0][0])
    if repeats:
        what = f"{spans(repeats, 'line')}: sequence numbers that were there before"
        affected = "trials that are told of twice: the last line counts"
        advice = "If lines were copied or two journals joined by hand, take back a copy; else nothing has to be done."
        yield make(path, what, affected, advice, line=repeats[0])


def _original(path: Path, make: Make) -> Finding:
    advice = "Delete it when nobody wants to look at it any more."
    affected = "nothing: what was whole in it is in the journal"
    return make(path, "the original of a journal that was mended", affected, advice, severity=Severity.NOTE)
