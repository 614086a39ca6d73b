"""The outcome of a sweep: a table of settings ranked by their best values, replicates averaged, and the failures."""

from __future__ import annotations

import math
import shlex
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console, RenderableType
from rich.text import Text

from ...analysis.significance import ALIKE, welch
from ...records import TrialResult, TrialSpec, TrialState
from ..markup import html_table
from ..text import duration, number, plain, setting, table

LONGEST = 1000  # maximum number of characters of an error below the table


@dataclass(frozen=True, slots=True)
class Row:
    """One setting: its trials that have results, and the finite best values of those that finished."""

    setting: int
    specs: tuple[TrialSpec, ...]
    results: tuple[TrialResult, ...]
    values: tuple[float, ...]

    @property
    def mean(self) -> float:
        """The mean best value over the finished replicates, NaN if there is none."""
        return statistics.fmean(self.values) if self.values else math.nan

    @property
    def pruned(self) -> int:
        """The number of epochs after which the setting was pruned, 0 if it was not."""
        return max((result.epochs for result in self.results if result.state is TrialState.PRUNED), default=0)

    @property
    def std(self) -> float | None:
        """The sample standard deviation over replicates, None for fewer than two."""
        return statistics.stdev(self.values) if len(self.values) > 1 else None


def rank(specs: Sequence[TrialSpec], results: Mapping[int, TrialResult]) -> list[Row]:
    """Group trials by setting and sort them, best first; settings without a finished trial come last.

    Among the latter, those that were pruned after more epochs come first.
    """
    groups: dict[int, list[TrialSpec]] = {}
    for spec in specs:
        if spec.number in results:
            groups.setdefault(spec.setting, []).append(spec)
    rows = [_row(setting, group, results) for setting, group in groups.items()]
    sign = specs[0].goal.sign if specs else 1
    return sorted(rows, key=lambda row: (not row.values, sign * row.mean if row.values else -row.pruned, row.setting))


def _row(setting: int, specs: Sequence[TrialSpec], results: Mapping[int, TrialResult]) -> Row:
    own = tuple(results[spec.number] for spec in specs)
    finished = (result for result in own if result.state is TrialState.FINISHED)
    values = (result.best.get(specs[0].objective, math.nan) for result in finished)
    return Row(setting, tuple(specs), own, tuple(value for value in values if math.isfinite(value)))


def leaderboard(
    console: Console, specs: Sequence[TrialSpec], results: Mapping[int, TrialResult], title: str, most: int = 20
) -> RenderableType:
    """Draw the best settings: differing hyperparameters, best and last value, epoch, time; a pipe gets all of them."""
    header, rows = _rows(specs, results, most if console.is_terminal else None)
    return table(console, header, rows, left=2 + len(differing(specs)), title=title)


def told_apart(specs: Sequence[TrialSpec], results: Mapping[int, TrialResult]) -> str:
    """Return a sentence: do the first two settings differ significantly? Empty if either has fewer than two values."""
    first_two = rank(specs, results)[:2]
    p = welch(first_two[0].values, first_two[1].values) if len(first_two) == 2 else None
    if p is None:
        return ""
    names = " and ".join(f"{row.setting:04d}" for row in first_two)
    verdict = "do not differ significantly" if p >= ALIKE else "differ significantly"
    return f"{names} {verdict}: p = {p:.2g} (Welch's t-test over their seeds)"


def leaderboard_html(specs: Sequence[TrialSpec], results: Mapping[int, TrialResult], title: str) -> str:
    """Return the leaderboard with all settings as an HTML table."""
    header, rows = _rows(specs, results, None)
    words = 2 + len(differing(specs))
    return html_table(header, rows, [place >= words for place in range(len(header))], title)


def _rows(
    specs: Sequence[TrialSpec], results: Mapping[int, TrialResult], most: int | None
) -> tuple[list[str], list[list[object]]]:
    rows, names = rank(specs, results), differing(specs)
    objective = specs[0].objective if specs else "objective"
    folded = any(len(row.specs) > 1 for row in rows)
    header = ["", "setting" if folded else "trial", *names, f"best {objective}", "epoch", "last", "time"]
    cells = (_cells(place, row, names, objective, folded) for place, row in enumerate(rows[:most], start=1))
    return header, list(cells)


def _cells(place: int, row: Row, names: Sequence[str], objective: str, folded: bool) -> list[object]:
    swept = row.specs[0].swept
    hyperparameters = [setting(swept.get(name)) for name in names]
    trial = row.setting if folded else row.specs[0].number
    seconds = duration(sum(result.seconds for result in row.results))
    first = row.results[0]
    if not row.values:
        states = ", ".join(dict.fromkeys(str(result.state) for result in row.results))
        if not row.pruned:
            return ["", f"{trial:04d}", *hyperparameters, Text(states, style="red"), "", "", seconds]
        last = number(first.metrics.get(objective))
        return ["", f"{trial:04d}", *hyperparameters, Text(states, style="yellow"), row.pruned, last, seconds]
    spread = f" ± {number(row.std)} ({len(row.values)})" if row.std is not None else ""
    epoch = first.best_epoch if len(row.specs) == 1 else ""
    last = number(first.metrics.get(objective)) if len(row.specs) == 1 else ""
    best = Text(number(row.mean) + spread, style="bold green" if place == 1 else "")
    return [place, f"{trial:04d}", *hyperparameters, best, epoch, last, seconds]


def differing(specs: Sequence[TrialSpec]) -> list[str]:
    """Return the swept hyperparameters that take more than one value, all of them if none does."""
    names = list(dict.fromkeys(name for spec in specs for name in spec.swept))
    varied = [name for name in names if len({str(spec.swept.get(name)) for spec in specs}) > 1]
    return varied or names


def faults(specs: Sequence[TrialSpec], results: Mapping[int, TrialResult]) -> Iterator[Text]:
    """Yield a line for each trial that failed, was killed, timed out or diverged; equal reasons are shown once."""
    first: dict[str, int] = {}
    for spec in specs:
        result = results.get(spec.number)
        if result is None or not (result.state.is_fault or result.state is TrialState.DIVERGED):
            continue
        reason = (result.error or "the loss is no longer finite").strip()
        if reason in first:
            yield plain(f"{spec.number:04d} {result.state}: same reason as {first[reason]:04d}")
            continue
        first[reason] = spec.number
        if len(reason) > LONGEST:
            reason = f"{reason[:LONGEST].rstrip()} … (the rest: hpdash show {spec.number:04d})"
        yield plain(f"{spec.number:04d} {result.state} ({spec.label}): {reason}")


def first_traceback(specs: Sequence[TrialSpec], results: Mapping[int, TrialResult]) -> Iterator[Text]:
    """Yield the traceback of the first failed trial, for a sweep that was stopped by failures."""
    failed = (spec for spec in specs if spec.number in results and results[spec.number].state is TrialState.FAILED)
    spec = next(failed, None)
    if spec is not None and results[spec.number].traceback:
        yield plain(f"{spec.number:04d} ended with:")
        yield from (plain(line) for line in (results[spec.number].traceback or "").rstrip().splitlines())


def closing(total: int, results: Mapping[int, TrialResult], logs: Path, again: str, stopped: bool) -> Iterator[Text]:
    """Yield what to type next: the command `again` if some of the `total` trials have no result, and TensorBoard."""
    states = [result.state for result in results.values()]
    missing, failed = total - sum(state.is_result for state in states), states.count(TrialState.FAILED)
    if missing:
        what = "Stopped" if stopped else "Done"
        asked = failed and "--retry-failed" not in again
        retry = " --retry-failed" if asked and failed == missing else ""
        also = f" (with --retry-failed for the {failed} that failed)" if asked and failed < missing else ""
        yield plain(f"{what}; {missing} of {total} trials have no result. To continue: {again}{retry}{also}")
    yield plain(f"tensorboard --logdir {shlex.quote(str(logs))}")


def outcome_json(
    name: str, specs: Sequence[TrialSpec], results: Mapping[int, TrialResult], signal: int | None
) -> dict[str, Any]:
    """Return a sweep's outcome as JSON values: every trial with its hyperparameters and result, and the ranking."""
    trials = [
        {"number": spec.number, "setting": spec.setting, "seed": spec.seed, "hparams": dict(spec.swept)}
        | {"result": results[spec.number].to_json() if spec.number in results else None}
        for spec in specs
    ]
    ranking = [
        {"setting": row.setting, "mean": row.mean, "std": row.std, "n": len(row.values)} for row in rank(specs, results)
    ]
    first_two = told_apart(specs, results)
    ranked = [row for row in ranking if row["n"]]
    return {"sweep": name, "signal": signal, "trials": trials, "ranking": ranked, "first_two": first_two}
