"""An evaluation on the test set as a table: one row per trial, their ensemble and its gain, and notes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.console import Console, RenderableType
from rich.text import Text

from ...analysis.rows import caveats, differing
from ...logs import layout
from ...runs import Run
from ...testset import Evaluation, Score
from ..text import number, plain, setting, table


def draw(console: Console, evaluation: Evaluation, runs: Sequence[Run], opened: bool) -> Iterator[RenderableType]:
    """Yield the table of an evaluation on the test set, and notes.

    `runs` are all runs of the sweep. `opened` is false if the result comes from the journal and the test set was not
    evaluated just now.
    """
    names = _names(runs)
    metrics = sorted(evaluation.scores[0].test, key=lambda name: (name == "loss", name))
    header = ["", "trial", *names, "epoch", evaluation.objective, *(layout.test_tag(name) for name in metrics)]
    rows = [_row(place, score, runs, names, metrics) for place, score in enumerate(evaluation.scores, 1)]
    if evaluation.ensemble:
        empty = [""] * (len(names) + 1)
        mean = [Text(number(evaluation.ensemble.get(name)), style="bold green") for name in metrics]
        rows.append(["", f"ensemble of {len(evaluation.scores)}", *empty, "", *mean])
    yield plain(_title(evaluation, runs))
    yield table(console, header, rows, left=2 + len(names))
    yield from map(plain, _notes(evaluation, runs, opened))


def _names(runs: Sequence[Run]) -> list[str]:
    swept = {name for run in runs for name in run.swept}
    return [name for name in differing(runs) if name in swept]


def _row(place: int, score: Score, runs: Sequence[Run], names: Sequence[str], metrics: Sequence[str]) -> list[object]:
    run = next((run for run in runs if run.number == score.trial), None)
    hparams = [setting(run.hparams.get(name)) if run else "" for name in names]
    style = "bold green" if place == 1 else ""
    test = [Text(number(score.test.get(name)), style=style) for name in metrics]
    return [place, f"{score.trial:04d}", *hparams, score.epoch, number(score.validation), *test]


def _title(evaluation: Evaluation, runs: Sequence[Run]) -> str:
    parts = [f"{runs[0].sweep}", f"test set of {evaluation.data}, {evaluation.examples:,} examples"]
    return " · ".join([*parts, f"selected by {evaluation.objective} ({evaluation.goal})", *caveats(runs)])


def _notes(evaluation: Evaluation, runs: Sequence[Run], opened: bool) -> Iterator[str]:
    if evaluation.gain:
        gains = ", ".join(f"{name} {gain:+.4f}" for name, gain in sorted(evaluation.gain.items()))
        yield f"Ensemble compared with trial {evaluation.scores[0].trial:04d} alone: {gains}"
    if unfinished := _unfinished(runs):
        yield f"{unfinished:,} of {len(runs):,} trials have not finished and could not be selected"
    if evaluation.number > 1:
        yield (
            f"Evaluation {evaluation.number} on this test set: the trials were selected after earlier test results "
            "were known, so these figures may be too optimistic"
        )
    if not opened:
        yield "From the journal: the trials were not evaluated again"


def _unfinished(runs: Sequence[Run]) -> int:
    return sum(run.status is None or not run.status.is_result for run in runs)


def to_json(evaluation: Evaluation, runs: Sequence[Run], opened: bool) -> dict[str, Any]:
    """Return an evaluation as JSON values, with each trial's hyperparameters, the ensemble's gain and the caveats."""
    known = {run.number: run for run in runs}
    scores = [
        {**score, "hparams": dict(known[score["trial"]].hparams) if score["trial"] in known else None}
        for score in evaluation.to_json()["scores"]
    ]
    return {
        "sweep": runs[0].sweep,
        **evaluation.to_json(),
        "scores": scores,
        "gain": evaluation.gain or None,
        "opened": opened,
        "unfinished": _unfinished(runs),
        "caveats": caveats(runs),
    }


def of_run(run: Run) -> Iterator[Text]:
    """Yield one line for each evaluation on the test set that includes this run, with its test metrics."""
    for evaluation in run.evaluations:
        for score in evaluation.scores:
            if score.trial == run.number:
                yield plain(_run_line(evaluation, score.epoch, score.test))


def _run_line(evaluation: Evaluation, epoch: int, test: Mapping[str, float]) -> str:
    values = ", ".join(f"{name} {number(value)}" for name, value in sorted(test.items()))
    line = f"test set: {values} with the weights of epoch {epoch}"
    if evaluation.number == 1:
        return line
    return f"{line} (evaluation {evaluation.number}, selected after earlier test results were known)"
