"""Select the trials of a sweep to evaluate on the test set, by their results on validation alone.

A trial that was validated on the test set, or that kept no weights, is refused with the reason.
"""

from __future__ import annotations

import math
import shlex
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from ..errors import Problem, SpecError
from ..records import TrialResult, TrialState, own_loop, program_of
from ..runs import Objective, Run
from ..sweep_folder.sweep_json import SweepRecord

_TOO_GOOD = (
    "The trial was validated on the test set after every epoch and selected by these results, so its result on the "
    "test set would be too good. Train it again with another [data] validation, such as 0.2."
)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A finished trial, its result, and as `value` the objective with the weights that it has kept."""

    run: Run
    result: TrialResult
    value: float


def pick_sweep(runs: Iterable[Run], name: str | None) -> Path:
    """Return the folder of the sweep called `name`, or of the only sweep if `name` is None.

    Runs without a sweep or without an objective do not count.
    Raises SpecError if there is no such sweep, or if `name` is None and there are several.
    """
    folders = {run.sweep: run.sweep_folder for run in runs if run.sweep is not None and run.objective}
    if name is None and len(folders) == 1:
        return next(iter(folders.values()))
    if name in folders:
        return folders[name]
    names = " or ".join(map(str, folders))
    if not folders:
        raise SpecError([Problem("LOGDIR", "an hpdash sweep", "none", "Run a sweep first, or give another folder.")])
    near = get_close_matches(name or "", map(str, folders), n=1)
    hint = f"Did you mean {near[0]}?" if near else ""
    raise SpecError([Problem("--sweep", f"one of the sweeps, {names}", repr(name) if name else "none", hint)])


def select(runs: Sequence[Run], about: SweepRecord, top: int = 1) -> tuple[Candidate, ...]:
    """Return the `top` best trials of a sweep, by the sweep's objective with the weights that were kept.

    The trials of the setting with the best mean come first; within a setting, the best seed comes first. The lower
    number wins a tie. Only finished trials with a finite objective count.
    Raises SpecError if fewer than `top` trials have finished, if the selected trials have different data sets, or if
    one of them was validated on the test set, had synthetic data or a custom training loop, or kept no weights.
    """
    objective = runs[0].objective
    found = list(_candidates(runs))
    if objective is None or not found:
        raise SpecError([Problem(about.settings["name"], "finished trials", "none", "Run the sweep first.")])
    if len(found) < top:
        raise SpecError([Problem("--top", f"at most {len(found)}, the number of finished trials", str(top))])
    means = _means(found)
    chosen = sorted(found, key=lambda each: (*_sort_key(each, objective, means), each.run.number))[:top]
    problems = [problem for each in chosen if (problem := _reason_not_evaluable(each, about))]
    data = {str(set_to(each.run, about, "data", "name")) for each in chosen}
    if len(data) > 1:
        hint = "Select fewer trials, such as --top 1."
        problems.append(Problem("--top", "trials with the same data set", " and ".join(sorted(data)), hint))
    if problems:
        raise SpecError(problems[:1])
    return tuple(chosen)


def _candidates(runs: Iterable[Run]) -> Iterable[Candidate]:
    for run in runs:
        if run.status is TrialState.FINISHED and run.result is not None and run.objective is not None:
            value = _value(run.result, run.objective.name)
            if math.isfinite(value):
                yield Candidate(run, run.result, value)


def _value(result: TrialResult, objective: str) -> float:
    """Return the objective with the kept weights: that of the last epoch if its weights were kept, else of the best.

    NaN if the result does not have the objective.
    """
    is_last = result.kept_epoch is not None and result.kept_epoch != result.best_epoch
    return (result.metrics if is_last else result.best).get(objective, math.nan)


def _means(candidates: Sequence[Candidate]) -> dict[str | None, float]:
    groups: dict[str | None, list[float]] = {}
    for each in candidates:
        groups.setdefault(each.run.group, []).append(each.value)
    return {group: statistics.fmean(values) for group, values in groups.items()}


def _sort_key(each: Candidate, objective: Objective, means: Mapping[str | None, float]) -> tuple[float, str, float]:
    return objective.goal.sign * means[each.run.group], each.run.group or "", objective.goal.sign * each.value


def _reason_not_evaluable(each: Candidate, about: SweepRecord) -> Problem | None:
    """Return the reason why a trial cannot be evaluated, None if it can be."""
    if set_to(each.run, about, "data", "validation") == "test":
        return Problem(each.run.id, "a trial validated on a part of the training set", 'validation = "test"', _TOO_GOOD)
    if set_to(each.run, about, "data", "name") == "synthetic":
        hint = "A result on synthetic data says nothing about real data."
        return Problem(each.run.id, "a trial on real data", "synthetic data", hint)
    if (command := program_of(about.settings["train"])) is not None:
        hint = "Evaluate it with the program itself: hpdash has neither its model nor its weights."
        return Problem(each.run.id, "a Keras model", f"a program, {shlex.join(command)}", hint)
    if (loop := own_loop({"loop": set_to(each.run, about, "train", "loop")})) is not None:
        hint = "Only the loop can build its model: load the test set in the loop yourself, and evaluate there."
        return Problem(each.run.id, "a Keras model", f"a custom training loop, {loop}", hint)
    if each.result.kept_sha256 is None:
        hint = 'Train it again, with [log] weights = "best" and --new.'
        return Problem(each.run.id, "kept weights", "none", hint)
    return None


def set_to(run: Run, about: SweepRecord, table: str, name: str) -> object:
    """Return the value of a key in a run: from the run's session, else from the sweep file."""
    return run.hparams.get(name, about.settings[table].get(name))
