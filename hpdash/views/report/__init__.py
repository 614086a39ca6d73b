"""The report: a logdir as one HTML file that opens offline, prints, and is light or dark as its reader is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from importlib.resources import files

from ...analysis.effects import effects, varied
from ...errors import Problem, SpecError
from ...kept import kept, planned
from ...runs import Logdir, Run
from ...where import known, unknown
from ..effect_figures import importance_figure, interaction_figure, marginals_figure
from ..effects import basis, interplay
from ..html import Block, Chart, Figure, Fragment, Heading, page
from ..listing import Listing, listings
from ..markup import said
from ..progress import searched, spending
from ..progress_figure import figure
from .curves import curves
from .origin import how_made, warned, what_ran
from .parallel import parallel
from .trials import failures, headline, leaderboard
from .weights import weights

READING = (
    "A line a trial: green is best, violet worst; dashed lines did not finish, and — stands for no value. "
    "Point at a line to read it."
)


def report(found: Logdir, *, by: str | None = None, where: str | None = None, command: str = "") -> str:
    """Return the page about the runs that a condition holds for, a chapter a sweep.

    `by` is the hyperparameter whose groups the curves show first; `command` what the page says it was made with.
    Raises SpecError where no run is left or nothing is called so.
    """
    tables = listings(found.runs, where=where, planned=planned(found.runs))
    chapters = [table for table in tables if table.rows]
    _check(found, [run for chapter in chapters for run in chapter.runs], by)
    title = chapters[0].sweep or found.path.name if len(chapters) == 1 else f"{found.path.name}: {len(chapters)} sweeps"
    blocks: list[Block] = [Fragment(f"<style>{_static('report.css')}</style><script>{_static('report.js')}</script>")]
    for number, chapter in enumerate(chapters):
        if len(chapters) > 1:
            blocks.append(Fragment(f'<h2 id="sweep-{number}">{said(chapter.sweep or "runs of no sweep")}</h2>'))
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
        raise SpecError([Problem("--where", "a condition that some run meets", "none that does")])
    if by is not None and not known(by, runs):
        raise SpecError([Problem("--by", *unknown(by, runs))])


def _contents(chapters: Sequence[Listing]) -> Fragment:
    links = (
        f'<li><a href="#sweep-{number}">{said(chapter.sweep or "runs of no sweep")}</a></li>'
        for number, chapter in enumerate(chapters)
    )
    return Fragment(f'<ul class="contents">{"".join(links)}</ul>')


def _chapter(chapter: Listing, by: str | None, where: str | None, level: int) -> Iterator[Block]:
    """Tell a sweep: its result first, then what explains it, then what it takes to run it again."""
    runs, objective = chapter.runs, chapter.objective
    yield Fragment(_introduction(chapter, where) + headline(chapter))
    yield Heading("Leaderboard", level)
    yield Fragment(leaderboard(chapter))
    wrong = list(failures(runs))
    if wrong:
        yield Heading("What failed", level)
        yield Fragment("".join(wrong))
    if objective is not None:
        yield Heading("Curves", level)
        yield from curves(runs, objective, by)
        if search := searched(runs):
            yield Heading("How the search went", level)
            yield Chart(figure(search), spending(search))
        yield from _effects(runs, level)
        if names := varied(runs):
            yield Heading("Every trial", level)
            yield Fragment(f'<p class="soft">{READING}</p>{parallel(runs, names, objective)}')
        if charts := weights(runs, objective):
            yield Heading("Weights of the best and the worst trial", level)
            yield from charts
    yield Heading("What was run", level)
    yield Fragment(what_ran(runs))


def _introduction(chapter: Listing, where: str | None) -> str:
    record = kept(chapter.runs[0])
    description = str(record.settings.get("description", "")) if record else ""
    notes = f'<p class="caveat">{said(", ".join(chapter.caveats))}</p>' if chapter.caveats else ""
    if chapter.advice:
        notes += f'<p class="soft">{said(chapter.advice)}</p>'
    if len(chapter.runs) < chapter.found:
        notes += f'<p class="soft">{len(chapter.runs):,} of {chapter.found:,} trials: {said(where)}</p>'
    return f"<p>{said(description)}</p>{notes}" if description else notes


def _effects(runs: Sequence[Run], level: int) -> Iterator[Block]:
    found = effects(runs)
    if not found.marginals or not found.finished:
        return
    yield Heading("Which hyperparameters matter", level)
    yield _rows(marginals_figure(found), "Mean best value of the trials with each value, and their standard deviation")
    if found.importance.shares:
        yield _rows(importance_figure(found), "Importance, with its standard error")
    yield Fragment(f'<p class="soft">{said(basis(found))}</p>')
    if found.interaction:
        yield _rows(interaction_figure(found.interaction), interplay(found.interaction), 44)


def _rows(figure: Figure, caption: str, each: int = 22) -> Chart:
    return Chart(figure, caption, height=each * len(figure["layout"]["yaxis"]["tickvals"]) + 80)


def _static(name: str) -> str:
    return files(__package__).joinpath(name).read_text("utf-8")
