"""Which trials of a sweep are selected, on validation alone, and which cannot be, with the reason."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from ..errors import Problem, SpecError
from ..kept import Kept
from ..runs import Objective, Run
from ..trial import TrialResult, TrialState, own_loop

_TOO_GOOD = (
    "Its trials have seen the test set after every epoch, and the best of them looks better there than it is: "
    "train them with another [data] validation, such as 0.2."
)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A finished trial, its result, and the objective's value with the weights that it has kept."""

    run: Run
    result: TrialResult
    value: float


def pick_sweep(runs: Iterable[Run], name: str | None) -> Path:
    """Return the folder of the sweep that is meant; SpecError where there is none, or several to choose from."""
    folders = {run.sweep: run.folder.parent for run in runs if run.sweep is not None and run.objective}
    if name is None and len(folders) == 1:
        return next(iter(folders.values()))
    if name in folders:
        return folders[name]
    names = " or ".join(map(str, folders))
    if not folders:
        raise SpecError([Problem("LOGDIR", "a sweep of hpdash's", "none", "Run one first, or name another folder.")])
    near = get_close_matches(name or "", map(str, folders), n=1)
    hint = f"Did you mean {near[0]}?" if near else ""
    raise SpecError([Problem("--sweep", f"one of the sweeps, {names}", repr(name) if name else "none", hint)])


def select(runs: Sequence[Run], about: Kept, top: int = 1) -> tuple[Candidate, ...]:
    """Return the `top` trials of a sweep: those of the setting with the best mean first, of each its best seed first.

    Only finished trials count, by the sweep's objective with the weights that were kept; the lower number wins a tie.
    Raises SpecError where that is no selection on validation, or one whose weights are not there.
    """
    objective = runs[0].objective
    found = list(_candidates(runs))
    if objective is None or not found:
        raise SpecError([Problem(about.settings["name"], "finished trials", "none", "Run the sweep first.")])
    if len(found) < top:
        raise SpecError([Problem("--top", f"at most the {len(found)} trials that have finished", str(top))])
    means = _means(found)
    chosen = sorted(found, key=lambda each: (*_place(each, objective, means), each.run.number))[:top]
    problems = [problem for each in chosen if (problem := _obstacle(each, about))]
    data = {str(set_to(each.run, about, "data", "name")) for each in chosen}
    if len(data) > 1:
        problems.append(Problem("--top", "trials of one test set", " and ".join(sorted(data))))
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
    """Return the objective with the kept weights: the best epoch's, or the last where those were kept."""
    is_last = result.kept_epoch is not None and result.kept_epoch != result.best_epoch
    return (result.metrics if is_last else result.best).get(objective, math.nan)


def _means(candidates: Sequence[Candidate]) -> dict[str | None, float]:
    groups: dict[str | None, list[float]] = {}
    for each in candidates:
        groups.setdefault(each.run.group, []).append(each.value)
    return {group: statistics.fmean(values) for group, values in groups.items()}


def _place(each: Candidate, objective: Objective, means: Mapping[str | None, float]) -> tuple[float, str, float]:
    return objective.goal.sign * means[each.run.group], each.run.group or "", objective.goal.sign * each.value


def _obstacle(each: Candidate, about: Kept) -> Problem | None:
    """Say what keeps a trial from being evaluated."""
    if set_to(each.run, about, "data", "validation") == "test":
        return Problem(each.run.id, "a trial validated on a part of the training set", 'validation = "test"', _TOO_GOOD)
    if set_to(each.run, about, "data", "name") == "synthetic":
        return Problem(each.run.id, "a trial on real data", "synthetic data", "A test set of those says nothing.")
    if (loop := own_loop({"loop": set_to(each.run, about, "train", "loop")})) is not None:
        hint = "How to build its model only the loop knows: let it report on the test set itself."
        return Problem(each.run.id, "a Keras model", f"a training loop of its own, {loop}", hint)
    if each.result.kept_sha256 is None:
        hint = 'Train it again, with [log] weights = "best" and --new.'
        return Problem(each.run.id, "a trial that has kept its weights", "none kept", hint)
    return None


def set_to(run: Run, about: Kept, table: str, name: str) -> object:
    """Return what a setting was in a run: what its session logged, else what the sweep fixes."""
    return run.hparams.get(name, about.settings[table].get(name))
