"""The report: a logdir as one HTML file that opens offline, can be printed, and follows the browser's colour scheme."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from importlib.resources import files

from ...analysis.effects import measure_effects, varied
from ...analysis.first_rung import as_of, first_rung
from ...analysis.ranking import RankedTable, listings
from ...analysis.timeline import attempts
from ...analysis.where import known, unknown
from ...errors import Problem, SpecError
from ...runs import Logdir, Objective, Run
from ...sweep_folder.sweep_json import planned, record_of
from ..markup import escaped
from ..terminal.effects import importance_sentence, interaction_sentence
from ..terminal.failures import pattern_sentences
from ..terminal.progress import how_pruned, searched, summary, time_sentence
from ..web.effect_figures import importance_figure, interaction_figure, marginals_figure
from ..web.html import Block, Chart, Figure, Fragment, Heading, page
from ..web.progress_figure import figure
from .curves import curves
from .origin import how_made, warned, what_ran
from .parallel import parallel
from .timeline import timeline
from .trials import failures, headline, leaderboard
from .weights import weights

READING = (
    "One line per trial: green is best, violet is worst, dashed did not finish; — means no value. "
    "Hover over a line for its settings."
)
MARGINALS = "Mean and standard deviation of the best objective, by hyperparameter value"
COMMON = "These values fail, diverge or are pruned significantly more often than the others (Fisher's exact test):"
EARLY = "The sweep prunes, so mostly good trials finish, and a comparison of finished trials is biased."
BARS = "The dark part of a bar is training. Attempts at the same time are in different rows."


def render_report(found: Logdir, *, by: str | None = None, where: str | None = None, command: str = "") -> str:
    """Return an HTML page about the runs for which the condition `where` holds, with one chapter per sweep.

    `by` is the hyperparameter that the curves are grouped by when the page is opened. The page shows `command` as the
    command that made it.
    Raises SpecError if the condition is invalid, if no run is left, or if no run has `by`.
    """
    tables = listings(found.runs, where=where, planned=planned(found.runs))
    chapters = [table for table in tables if table.rows]
    _check(found, [run for chapter in chapters for run in chapter.runs], by)
    title = chapters[0].sweep or found.path.name if len(chapters) == 1 else f"{found.path.name}: {len(chapters)} sweeps"
    blocks: list[Block] = [Fragment(f"<style>{_static('report.css')}</style><script>{_static('report.js')}</script>")]
    for number, chapter in enumerate(chapters):
        if len(chapters) > 1:
            blocks.append(Fragment(f'<h2 id="sweep-{number}">{escaped(chapter.sweep or "runs of no sweep")}</h2>'))
        blocks += _chapter(chapter, by, where, level=3 if len(chapters) > 1 else 2)
    if len(chapters) > 1:
        blocks.insert(1, _contents(chapters))
    if found.warnings:
        blocks += [Heading("Warnings"), Fragment(warned(found))]
    blocks += [Heading("How this report was made"), Fragment(how_made(found, command, datetime.now().astimezone()))]
    return page(title, blocks)


def _check(found: Logdir, runs: Sequence[Run], by: str | None) -> None:
    if not found.runs:
        raise SpecError(
            [Problem(str(found.path), "runs to report", "none", "Run a sweep first, or name another folder.")]
        )
    if not runs:
        raise SpecError([Problem("--where", "a condition that at least one run meets", "no matching run")])
    if by is not None and not known(by, runs):
        raise SpecError([Problem("--by", *unknown(by, runs))])


def _contents(chapters: Sequence[RankedTable]) -> Fragment:
    links = (
        f'<li><a href="#sweep-{number}">{escaped(chapter.sweep or "runs of no sweep")}</a></li>'
        for number, chapter in enumerate(chapters)
    )
    return Fragment(f'<ul class="contents">{"".join(links)}</ul>')


def _chapter(chapter: RankedTable, by: str | None, where: str | None, level: int) -> Iterator[Block]:
    """Yield the sections on a sweep: its result, then what explains the result, then what is needed to repeat it."""
    runs, objective = chapter.runs, chapter.objective
    yield Fragment(_introduction(chapter, where) + headline(chapter))
    yield Heading("Leaderboard", level)
    yield Fragment(leaderboard(chapter))
    wrong = list(failures(runs))
    common = "".join(f"<li>{escaped(sentence)}</li>" for sentence in pattern_sentences(runs))
    if wrong or common:
        yield Heading("What failed" if wrong else "What was pruned", level)
        yield Fragment("".join(wrong) + (f"<p>{COMMON}</p><ul>{common}</ul>" if common else ""))
    if objective is not None:
        yield Heading("Curves", level)
        yield from curves(runs, objective, by)
        if search := searched(runs):
            yield Heading("How the search went", level)
            yield Chart(figure(search), f"{summary(search)} {how_pruned(runs)}".rstrip())
        yield from _effects(runs, objective, level)
        if names := varied(runs):
            yield Heading("Every trial", level)
            yield Fragment(f'<p class="soft">{READING}</p>{parallel(runs, names, objective)}')
        if charts := weights(runs, objective):
            yield Heading("Weights of the best and the worst trial", level)
            yield from charts
    if (found := attempts(runs)) and len(found) > 1:
        yield Heading("When the trials ran", level)
        yield Fragment(f'<p class="soft">{time_sentence(found)} {BARS}</p>{timeline(found)}')
    yield Heading("What was run", level)
    yield Fragment(what_ran(runs))


def _introduction(chapter: RankedTable, where: str | None) -> str:
    record = record_of(chapter.runs[0])
    description = str(record.settings.get("description", "")) if record else ""
    notes = f'<p class="caveat">{escaped(", ".join(chapter.caveats))}</p>' if chapter.caveats else ""
    if chapter.advice:
        notes += f'<p class="soft">{escaped(chapter.advice)}</p>'
    if len(chapter.runs) < chapter.found:
        notes += f'<p class="soft">{len(chapter.runs):,} of {chapter.found:,} trials match {escaped(where)}</p>'
    return f"<p>{escaped(description)}</p>{notes}" if description else notes


def _effects(runs: Sequence[Run], objective: Objective, level: int) -> Iterator[Block]:
    found, rung = measure_effects(runs), first_rung(runs)
    if not found.marginals or not (found.finished or rung):
        return
    yield Heading("Which hyperparameters matter", level)
    if found.finished:
        yield _rows(marginals_figure(found), MARGINALS)
    if rung is not None:
        early = measure_effects(as_of(runs, rung, objective), 0)
        epochs = f"{rung} epoch{'s' * (rung > 1)}"
        yield Fragment(f'<p class="soft">{EARLY}</p>')
        yield _rows(marginals_figure(early), f"The same for all {early.finished} trials, by their value after {epochs}")
    if found.importance.shares:
        yield _rows(importance_figure(found), "Importance, with its standard error")
    yield Fragment(f'<p class="soft">{escaped(importance_sentence(found))}</p>')
    if found.interaction:
        yield _rows(interaction_figure(found.interaction), interaction_sentence(found.interaction), 44)


def _rows(figure: Figure, caption: str, each: int = 22) -> Chart:
    return Chart(figure, caption, height=each * len(figure["layout"]["yaxis"]["tickvals"]) + 80)


def _static(name: str) -> str:
    return files(__package__).joinpath(name).read_text("utf-8")
