"""What every comparison of runs can do: draw itself in a terminal and a notebook, and save itself in four forms."""

from __future__ import annotations

import csv
import io
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console, RenderableType

from ... import disk
from ...errors import Problem, SpecError
from ...runs import Run
from ..colours import Group
from ..markup import html_table, said
from ..plots import Block, Figure, Fragment, page
from ..text import plain, setting

ENDINGS = (".html", ".png", ".svg", ".csv")


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Comparison(ABC):
    """One tag across runs in groups; `by` names what groups them, None where every run is its own group."""

    tag: str
    by: str | None
    groups: tuple[Group, ...]

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {plain(self.title)}: {len(self.runs)} runs>"

    @property
    def title(self) -> str:
        """What is compared, by what."""
        return f"{self.tag} by {self.by or 'run'}"

    @property
    def answers(self) -> list[str]:
        """What it says in sentences."""
        return []

    @property
    def warnings(self) -> list[str]:
        """What could not be read, in sentences."""
        return []

    @property
    def runs(self) -> tuple[Run, ...]:
        """All runs, group by group."""
        return tuple(run for group in self.groups for run in group.runs)

    @abstractmethod
    def render(self, console: Console) -> RenderableType:
        """Draw it in characters that fit the console."""

    @abstractmethod
    def to_json(self) -> dict[str, Any]:
        """Return its numbers as JSON values."""

    @abstractmethod
    def rows(self) -> Iterator[dict[str, Any]]:
        """Yield its numbers in long form, one row a number."""

    @abstractmethod
    def blocks(self) -> list[Block]:
        """Return the blocks of its page."""

    @abstractmethod
    def panels(self) -> list[list[Figure]]:
        """Return the rows of charts of its picture."""

    def save(self, path: Path) -> None:
        """Write an interactive page (.html), a picture (.png, .svg) or the numbers (.csv).

        Raises SpecError for another ending, LogdirError where the file cannot be written.
        """
        match ending_of(path):
            case ".html":
                content = page(self.title, self.blocks()).encode()
            case ".csv":
                content = self._csv().encode()
            case ending:
                from .. import figures  # noqa: PLC0415  an extra, and slow

                content = figures.picture(self.title, self.answers, self.groups, self.panels(), ending[1:])
        with disk.guarded(path):
            path.write_bytes(content)

    def _csv(self) -> str:
        rows = list(self.rows())
        text = io.StringIO()
        writer = csv.DictWriter(text, list(rows[0]) if rows else ["tag"], lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        return text.getvalue()

    def _repr_html_(self) -> str:
        """Show it in a notebook as a picture of lines, without scripts: outputs stay small and need no network."""
        from ..svg import legend, svg  # noqa: PLC0415  notebooks alone need it

        answers = "".join(f"<p>{said(sentence)}</p>" for sentence in self.answers)
        charts = "".join(svg(figure) for row in self.panels() for figure in row)
        return f"<div><b>{said(self.title)}</b>{answers}{legend(self.groups)}{charts}</div>"


def sheet(header: Sequence[str], rows: Iterable[Sequence[str]]) -> Fragment:
    """Return a table of a page: a column of names, and numbers."""
    return Fragment(html_table(header, rows, [False, *[True] * (len(header) - 1)]))


def ending_of(path: Path) -> str:
    """Return what a file's name says about its form; SpecError where `save` has no such form."""
    if path.suffix.lower() not in ENDINGS:
        raise SpecError([Problem("-o", f"a name ending in {', '.join(ENDINGS[:-1])} or {ENDINGS[-1]}", str(path))])
    return path.suffix.lower()


def run_labels(runs: Sequence[Run], names: Sequence[str]) -> dict[str, str]:
    """Name runs briefly, by their names: the number, or the id where there are several sweeps, and what differs."""
    sweeps = {run.sweep for run in runs}
    labels = {}
    for run in runs:
        values = [setting(run.hparams.get(name)) or "—" for name in names]
        name = f"{run.number:04d}" if run.number is not None and len(sweeps) == 1 else run.id
        labels[run.name] = " ".join([name, *values])
    return labels
