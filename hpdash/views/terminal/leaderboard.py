"""The outcome of a sweep: a table of settings ranked by their best values, replicates averaged, and the failures."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console, RenderableType
from rich.text import Text

from ...analysis.rows import Row, rank
from ...analysis.significance import ALIKE, welch
from ...records import TrialResult, TrialSpec, TrialState
from ...runs import Objective, Run
from ..markup import html_table
from ..text import duration, number, plain, setting, table

LONGEST = 1000  # maximum number of characters of an error below the table


def ranked(specs: Sequence[TrialSpec], results: Mapping[int, TrialResult]) -> list[Row]:
    """Return the settings of the trials that have results, ranked as in `hpdash ls`, best first."""
    if not specs:
        return []
    objective = Objective(specs[0].objective, "", specs[0].goal)
    return rank([_run(spec, results[spec.number], objective) for spec in specs if spec.number in results], objective)


def _run(spec: TrialSpec, result: TrialResult, objective: Objective) -> Run:
    return Run(
        name=f"{spec.number:04d}",
        folder=Path(),
        hparams={name: value for name, value in spec.swept.items() if value is not None},
        status=result.state,
        number=spec.number,
        group=f"{spec.setting:04d}",
        objective=objective,
        result=result,
    )


def leaderboard(
    console: Console, specs: Sequence[TrialSpec], results: Mapping[int, TrialResult], title: str, most: int = 20
) -> RenderableType:
    """Draw the best settings: differing hyperparameters, best and last value, epoch, time; a pipe gets all of them."""
    header, rows = _rows(specs, results, most if console.is_terminal else None)
    return table(console, header, rows, left=2 + len(differing(specs)), title=title)


def compare_first_two(specs: Sequence[TrialSpec], results: Mapping[int, TrialResult]) -> str:
    """Return a sentence: do the first two settings differ significantly? Empty if either has fewer than two values."""
    if all(spec.setting == spec.number for spec in specs):  # one trial for each setting
        return ""
    first_two = ranked(specs, results)[:2]
    p = welch(first_two[0].values, first_two[1].values) if len(first_two) == 2 else None
    if p is None:
        return ""
    settings = {spec.number: spec.setting for spec in specs}
    names = " and ".join(f"{settings[_numbers(row)[0]]:04d}" for row in first_two)
    verdict = "do not differ significantly" if p >= ALIKE else "differ significantly"
    return f"{names} {verdict}: p = {p:.2g} (Welch's t-test over their replicates)"


def leaderboard_html(specs: Sequence[TrialSpec], results: Mapping[int, TrialResult], title: str) -> str:
    """Return the leaderboard with all settings as an HTML table."""
    header, rows = _rows(specs, results, None)
    text_columns = 2 + len(differing(specs))
    return html_table(header, rows, [column >= text_columns for column in range(len(header))], title)


def _rows(
    specs: Sequence[TrialSpec], results: Mapping[int, TrialResult], most: int | None
) -> tuple[list[str], list[list[object]]]:
    rows, names = ranked(specs, results), differing(specs)
    objective, unit = (specs[0].objective, specs[0].unit) if specs else ("objective", "epoch")
    has_replicates = any(len(row.runs) > 1 for row in rows)
    header = ["", "setting" if has_replicates else "trial", *names, f"best {objective}", unit, "last", "time"]
    by_number = {spec.number: spec for spec in specs}
    cells = []
    for row in rows[:most]:
        spec = by_number[_numbers(row)[0]]
        shown = [f"{spec.setting if has_replicates else spec.number:04d}", *(setting(spec.swept.get(n)) for n in names)]
        cells.append(
            [row.place or "", *shown, *_measured(row, [results[number] for number in _numbers(row)], objective)]
        )
    return header, cells


def _measured(row: Row, results: Sequence[TrialResult], objective: str) -> list[object]:
    """Return the cells of the best value, its epoch, the last value and the time."""
    first, seconds = results[0], duration(sum(result.seconds for result in results))
    last = number(first.metrics.get(objective))
    if row.best is None:
        states = ", ".join(dict.fromkeys(str(result.state) for result in results))
        if not row.pruned_after:
            return [Text(states, style="red"), "", "", seconds]
        return [Text(states, style="yellow"), row.pruned_after, last, seconds]
    spread = f" ± {number(row.best.std)} ({row.best.n})" if row.best.std is not None else ""
    best = Text(number(row.best.mean) + spread, style="bold green" if row.place == 1 else "")
    return [best, first.best_epoch, last, seconds] if len(results) == 1 else [best, "", "", seconds]


def _numbers(row: Row) -> list[int]:
    return [run.number for run in row.runs if run.number is not None]


def differing(specs: Sequence[TrialSpec]) -> list[str]:
    """Return the swept hyperparameters that take more than one value, all of them if none does."""
    names = list(dict.fromkeys(name for spec in specs for name in spec.swept))
    varied = [name for name in names if len({str(spec.swept.get(name)) for spec in specs}) > 1]
    return varied or names


def fault_lines(specs: Sequence[TrialSpec], results: Mapping[int, TrialResult]) -> Iterator[Text]:
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


def first_traceback_lines(specs: Sequence[TrialSpec], results: Mapping[int, TrialResult]) -> Iterator[Text]:
    """Yield the traceback of the first failed trial, for a sweep that was stopped by failures."""
    failed = (spec for spec in specs if spec.number in results and results[spec.number].state is TrialState.FAILED)
    spec = next(failed, None)
    if spec is not None and results[spec.number].traceback:
        yield plain(f"{spec.number:04d} ended with:")
        yield from (plain(line) for line in (results[spec.number].traceback or "").rstrip().splitlines())


def next_steps(total: int, results: Mapping[int, TrialResult], logs: Path, again: str, stopped: bool) -> Iterator[Text]:
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
    settings = {spec.number: spec.setting for spec in specs}
    ranking = [
        {"setting": settings[_numbers(row)[0]], "mean": row.best.mean, "std": row.best.std, "n": row.best.n}
        for row in ranked(specs, results)
        if row.best
    ]
    first_two = compare_first_two(specs, results)
    return {"sweep": name, "signal": signal, "trials": trials, "ranking": ranking, "first_two": first_two}
