"""The base of all comparisons of runs, which can be drawn in a terminal or a notebook, or saved in four formats."""

from __future__ import annotations

import csv
import io
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console, RenderableType

from ...errors import Problem, SpecError
from ...runs import Run
from ...system import disk
from ..colours import ColourGroup
from ..markup import escaped, html_table
from ..text import plain, setting
from ..web.plots import Block, Figure, Fragment, page

ENDINGS = (".html", ".png", ".svg", ".csv")


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Comparison(ABC):
    """One tag across groups of runs; `by` is the name that groups them, None if every run is its own group."""

    tag: str
    by: str | None
    groups: tuple[ColourGroup, ...]

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {plain(self.title)}: {len(self.runs)} runs>"

    @property
    def title(self) -> str:
        """The tag, and the name that groups the runs."""
        return f"{self.tag} by {self.by or 'run'}"

    @property
    def conclusions(self) -> list[str]:
        """The conclusions, as sentences."""
        return []

    @property
    def warnings(self) -> list[str]:
        """What could not be read, as sentences."""
        return []

    @property
    def runs(self) -> tuple[Run, ...]:
        """All runs, group by group."""
        return tuple(run for group in self.groups for run in group.runs)

    @abstractmethod
    def render(self, console: Console) -> RenderableType:
        """Draw the comparison in characters that fit the console."""

    @abstractmethod
    def to_json(self) -> dict[str, Any]:
        """Return the comparison's numbers as JSON values."""

    @abstractmethod
    def rows(self) -> Iterator[dict[str, Any]]:
        """Yield the comparison's numbers in long form, one row for each number."""

    @abstractmethod
    def blocks(self) -> list[Block]:
        """Return the blocks of the HTML page."""

    @abstractmethod
    def panels(self) -> list[list[Figure]]:
        """Return the charts of the picture, row by row."""

    def save(self, path: Path) -> None:
        """Write an interactive page (.html), a picture (.png, .svg) or the numbers (.csv).

        Raises SpecError for another ending, or if a picture needs matplotlib and it is not installed. Raises
        LogdirError if the file cannot be written.
        """
        match file_format(path):
            case ".html":
                content = page(self.title, self.blocks()).encode()
            case ".csv":
                content = self._csv().encode()
            case ending:
                from ..web import figures  # noqa: PLC0415  an optional dependency, and slow

                content = figures.picture(self.title, self.conclusions, self.groups, self.panels(), ending[1:])
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
        """Return HTML for a notebook: SVG charts without scripts, so that outputs stay small and need no network."""
        from ..web.svg import legend, svg  # noqa: PLC0415  only notebooks need it

        conclusions = "".join(f"<p>{escaped(sentence)}</p>" for sentence in self.conclusions)
        charts = "".join(svg(figure) for row in self.panels() for figure in row)
        return f"<div><b>{escaped(self.title)}</b>{conclusions}{legend(self.groups)}{charts}</div>"


def sheet(header: Sequence[str], rows: Iterable[Sequence[str]]) -> Fragment:
    """Return an HTML table with a column of names, then columns of numbers."""
    return Fragment(html_table(header, rows, [False, *[True] * (len(header) - 1)]))


def file_format(path: Path) -> str:
    """Return the ending of a file's name in lower case; raise SpecError if `save` does not support it."""
    if path.suffix.lower() not in ENDINGS:
        raise SpecError([Problem("-o", f"a name ending in {', '.join(ENDINGS[:-1])} or {ENDINGS[-1]}", str(path))])
    return path.suffix.lower()


def run_labels(runs: Sequence[Run], names: Sequence[str]) -> dict[str, str]:
    """Return a short label for each run, by the run's name.

    It has the run's number, or its id if there are several sweeps, and its values of the hyperparameters `names`.
    """
    sweeps = {run.sweep for run in runs}
    labels = {}
    for run in runs:
        values = [setting(run.hparams.get(name)) or "—" for name in names]
        name = f"{run.number:04d}" if run.number is not None and len(sweeps) == 1 else run.id
        labels[run.name] = " ".join([name, *values])
    return labels
