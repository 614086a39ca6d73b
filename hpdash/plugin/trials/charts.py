"""The answers `curves` and `effects`: what the charts above the table draw."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ...analysis.effects import Effects, group_runs, interaction_of, measure_effects, outcomes_of
from ...analysis.first_rung import as_of, first_rung
from ...analysis.objective import goal_of, objective_of, tag_of
from ...analysis.rows import rank
from ...logs.layout import VALIDATION_PREFIX
from ...runs import Run, Series
from ..arguments import RefusedError, shorten
from .curves import thinned

_LINES = 20  # best trials that get a line each; the others are shown together, as a fan of quantiles
_FEW = 80  # trials that all get a line: a fan of few trials shows who was pruned when, more than how they learned
_POINTS = 120  # points of a line
_FAN = (0.1, 0.5, 0.9)  # quantiles of the fan
_DOTS = 60  # most values that are shown for one value or range of a hyperparameter
_MOST_AT_ONCE = 600  # finished trials; with more, the importance takes seconds and is computed only if asked for


def curves_impl(
    runs: Sequence[Run], metric: str | None, wanted: Sequence[str], over_time: bool = False
) -> dict[str, Any]:
    """Return the curves of a metric: of the best trials and of those in `wanted` (ids), and a fan of the others.

    If there are few trials, all of them have a line.
    With `over_time`, `steps` are seconds since the trial's start, and there is no fan, because trials end at any time.
    `metric` is by default the objective. Each line has the metric and, if the trial has it, the counterpart: the
    training metric for one of validation, or the other way round.
    """
    objective = objective_of(runs)
    name = metric or (objective.name if objective else "")
    is_objective = objective is not None and name == objective.name
    goal = objective.goal if objective and is_objective else goal_of(name)
    ordered = [run for row in rank(runs, objective) for run in row.runs if name and tag_of(run, name)]
    most = _FEW if len(ordered) <= _FEW else _LINES
    lines = [run for at, run in enumerate(ordered) if at < most or run.id in wanted]
    own = {run.name for run in lines}
    others = [run.scalars[tag_of(run, name) or ""] for run in ordered if run.name not in own]
    return {
        "metric": name,
        "counterpart": counterpart(name),
        "goal": goal and str(goal),
        "lines": [_line(run, name, over_time) for run in lines],
        "best": min(most, len(ordered)),
        "fan": None if over_time else _fan([series for series in others if len(series.steps)]),
        "left_out": len(runs) - len(ordered),
    }


def counterpart(name: str) -> str:
    """Return the name of the training metric for one of validation, and the other way round."""
    return name.removeprefix(VALIDATION_PREFIX) if name.startswith(VALIDATION_PREFIX) else f"{VALIDATION_PREFIX}{name}"


def _line(run: Run, name: str, over_time: bool) -> dict[str, Any]:
    other = counterpart(name)
    return {
        "id": run.id,
        "main": thinned(_series(run, name, over_time), _POINTS),
        "other": thinned(_series(run, other, over_time), _POINTS) if tag_of(run, other) else None,
    }


def _series(run: Run, name: str, over_time: bool) -> Series:
    """Return a metric's series; with `over_time`, seconds since the trial's start take the place of the steps."""
    series = run.scalars[tag_of(run, name) or ""]
    if not over_time or not len(series.times):
        return series
    begin = series.times[0] if run.started is None else min(run.started, series.times[0])
    seconds: Any = np.round(series.times - begin, 3)
    return Series(seconds, series.values, series.times)


def _fan(series: Sequence[Series]) -> dict[str, Any] | None:
    """Return quantiles over trials at each of at most `_POINTS` steps; a trial counts up to its last finite value."""
    if not series:
        return None
    steps = np.unique(np.concatenate([each.steps for each in series]))
    if len(steps) > _POINTS:
        steps = np.unique(steps[np.linspace(0, len(steps) - 1, _POINTS).round().astype(int)])
    table = np.full((len(series), len(steps)), np.nan)
    for row, each in zip(table, series, strict=True):
        known = np.isfinite(each.values)
        if known.any():
            inside = (steps >= each.steps[known][0]) & (steps <= each.steps[known][-1])
            row[inside] = np.interp(steps[inside], each.steps[known], each.values[known])
    filled = np.isfinite(table).any(axis=0)
    if not filled.any():
        return None
    quantiles = np.nanquantile(table[:, filled], _FAN, axis=0)
    counts = np.isfinite(table[:, filled]).sum(axis=0)
    return {
        "trials": len(series),
        "steps": steps[filled].tolist(),
        "low": quantiles[0].tolist(),
        "middle": quantiles[1].tolist(),
        "high": quantiles[2].tolist(),
        "counts": counts.tolist(),
    }


def effects_impl(
    runs: Sequence[Run], at_rung: bool = False, whole: bool = True, pair: Sequence[str] = ()
) -> dict[str, Any]:
    """Return what `hpdash effects --json` has, without the progress of a search but with the values behind each mean.

    With `at_rung`, trials are compared by their values at the first rung. So pruned trials count, not only finished
    ones. For a sweep that does not prune, `at_rung` has no effect. Unless `whole`, the importance is left out of an
    answer for which it would take seconds; `is_whole` then is False.
    `pair` names the two hyperparameters whose interaction is returned. By default, and if one of them has the same
    value in all runs, they are the two most important ones. Raises RefusedError if no run has one of them.
    """
    from ...views.terminal import effects as shown  # noqa: PLC0415  imports rich
    from ...views.terminal.failures import pattern_sentences, reason_sentences  # noqa: PLC0415
    from ...views.terminal.progress import pruning_sentence  # noqa: PLC0415
    from ...views.text import finite  # noqa: PLC0415

    reasons, in_common, pruned = reason_sentences(runs), pattern_sentences(runs), pruning_sentence(runs)
    rung, objective = first_rung(runs), objective_of(runs)
    at_rung = at_rung and rung is not None
    if at_rung and rung is not None and objective is not None:
        runs = as_of(runs, rung, objective)
    found = measure_effects(runs, None if whole else _MOST_AT_ONCE)
    dots = _dots(runs, found)
    labels = {marginal.name: [shown.label(level) for level in marginal.levels] for marginal in found.marginals}
    sentence = shown.importance_sentence(found, "trials") if at_rung else shown.importance_sentence(found)
    _check_pair(runs, pair)
    together = interaction_of(runs, *pair) if pair and labels.keys() >= set(pair) else found.interaction
    is_whole = whole or found.finished <= _MOST_AT_ONCE
    own = {"sentence": sentence, "is_whole": is_whole, "labels": labels, "dots": dots, "rung": rung, "at_rung": at_rung}
    of_pair = {
        "interaction": shown.interaction_json(together) if together else None,
        "interaction_sentence": shown.interaction_sentence(together) if together else "",
    }
    said = {"reasons": reasons, "patterns": in_common, "pruned": pruned, "same": _same(found, labels)}
    return {**finite({**shown.to_json(found), **of_pair}), **own, **said}


def _dots(runs: Sequence[Run], found: Effects) -> dict[str, list[list[float]]]:
    """Return some of the results behind each mean, by hyperparameter."""
    outcomes = outcomes_of(runs, found.objective)
    return {
        marginal.name: [
            _evenly_chosen([outcomes[run.name] for run in part.runs if run.name in outcomes])
            for part in group_runs(runs, marginal.name)
        ]
        for marginal in found.marginals
    }


def _check_pair(runs: Sequence[Run], pair: Sequence[str]) -> None:
    for name in pair:
        if not any(name in run.hparams for run in runs):
            raise RefusedError(f"pair: expected a hyperparameter of these trials, found {shorten(name)}.")
    if len(pair) not in (0, 2):
        raise RefusedError(f"pair: expected two hyperparameters, found {len(pair)}.")


def _same(found: Effects, labels: Mapping[str, Sequence[str]]) -> str:
    """Return a sentence with the values that all compared trials have, although others were tried; "" if none.

    A comparison of these trials cannot show such an effect, which may be the largest: no trial with another value is
    left to compare with.
    """
    levels = {marginal.name: [level.best is not None for level in marginal.levels] for marginal in found.marginals}
    alone = [
        f"{name} {labels[name][has.index(True)]}" for name, has in levels.items() if sum(has) == 1 and len(has) > 1
    ]
    return f"All of them have {' and '.join(alone)}; no trial with another value is among them." if alone else ""


def _evenly_chosen(values: Sequence[float]) -> list[float]:
    """Return at most `_DOTS` of some values, evenly chosen by size, the least and the greatest included."""
    ordered = sorted(values)
    if len(ordered) <= _DOTS:
        return ordered
    return [ordered[round(at)] for at in np.linspace(0, len(ordered) - 1, _DOTS)]
