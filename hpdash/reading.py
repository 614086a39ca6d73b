"""The reading commands as functions: a logdir in; out come values that a notebook displays and a command prints."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeAlias, overload

from rich.console import Console, RenderableType

from . import disk, kept, outline, reader
from .analysis.folds import by_sweep
from .analysis.objective import ranked_by
from .errors import SpecError
from .runs import Damage, HistogramSeries, Logdir, Run
from .shown import RunPage, SweepEffects, Verified
from .views.listed import cells, draw, title
from .views.listing import Listing, listings, to_json
from .views.markup import html_table
from .where import select

if TYPE_CHECKING:  # what takes time to import is imported by those who use it
    import pandas

    from .views.comparison import Comparison
    from .views.export import Export

Source: TypeAlias = "Path | str | Runs"


@dataclass(frozen=True, eq=False)
class Runs(Sequence[Run]):
    """Runs of a logdir, in the order of their names; a notebook shows them as ranked tables, one a sweep.

    `condition` says which of the logdir's runs they are, `options` of `read_runs` how they are shown.
    """

    found: Logdir
    condition: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def warnings(self) -> tuple[str, ...]:
        """What was damaged or left out, in sentences."""
        return self.found.warnings

    @cached_property
    def runs(self) -> list[Run]:
        """The runs as a list."""
        return select(self.found.runs, self.condition)

    @cached_property
    def tables(self) -> list[Listing]:
        """The runs ranked, a table a sweep."""
        every = self.found.runs
        return listings(every, where=self.condition, planned=kept.planned(every), **self.options)

    @overload
    def __getitem__(self, index: int) -> Run: ...
    @overload
    def __getitem__(self, index: slice) -> list[Run]: ...
    def __getitem__(self, index: int | slice) -> Run | list[Run]:
        return self.runs[index]

    def __len__(self) -> int:
        return len(self.runs)

    def where(self, condition: str) -> Self:
        """Return those that a condition holds for: `"batchnorm=before and not learning_rate<0.01"`."""
        both = f"({self.condition}) and ({condition})" if self.condition else condition
        return type(self)(self.found, both, self.options)._checked()

    def _checked(self) -> Self:
        """Return itself where every name in its condition and options is one that a run has; else SpecError."""
        if self.condition or any(self.options.values()):
            self.tables  # noqa: B018
        return self

    def histograms(self, run: Run, *tags: str) -> dict[str, HistogramSeries]:
        """Read histograms of a run, all that it has where no tags are named."""
        return reader.read_histograms(run, tags or run.histograms)

    def to_pandas(self) -> pandas.DataFrame:
        """Return a row a run with everything `hpdash export` gives: ids, hyperparameters, last and best metrics.

        Raises SpecError where pandas is absent.
        """
        try:
            import pandas  # noqa: PLC0415  not a dependency: for those who have it
        except ImportError:
            raise SpecError(["to_pandas() needs pandas: pip install pandas"]) from None
        return pandas.DataFrame(export(self).to_json())

    def to_json(self, top: int | None = None) -> dict[str, Any]:
        """Return the tables as JSON values, of each only so many rows."""
        return {"sweeps": to_json(self.tables, top), "warnings": list(self.warnings)}

    def render(self, console: Console, top: int | None = None) -> Iterator[RenderableType]:
        """Draw the tables, of each only so many rows."""
        return draw(console, self.tables, top)

    def _repr_html_(self) -> str:
        return "".join(_table(table) for table in self.tables)


def _table(table: Listing) -> str:
    header, numbers, rows = cells(table, table.columns)
    return html_table(header, rows, numbers, title(table))


def read_runs(
    logdir: Path | str = "logs",
    *,
    where: str | None = None,
    sort: str | None = None,
    columns: Sequence[str] = (),
    repeats: bool = False,
    objective: str | None = None,
    goal: str | None = None,
) -> Runs:
    """Read a logdir: hpdash's, or any that TensorBoard can show; LogdirError where there is none.

    `objective` is the metric to rank by instead of the sweeps' own, `goal` whether "min" or "max" of it is best.
    `where` is a condition such as `"batchnorm=before and learning_rate<0.01"`. Of the tables, `sort` names a column
    (`"-time"`: from great to small), `columns` replace those that are shown, `repeats` unfolds replicates.
    Raises SpecError where a name is in none of the runs.
    """
    options = {"sort": sort, "columns": columns, "repeats": repeats}
    found = reader.read(Path(logdir))
    found = replace(found, runs=tuple(ranked_by(found.runs, objective, goal)))
    return Runs(found, where, options)._checked()


def show(run: str, source: Source = "logs") -> RunPage:
    """Show one run whole: by its folder, its name, its id (`quickstart/0003`), or its number where only one has it.

    Raises SpecError, with the nearest names, where there is none or more than one.
    """
    from .views.page import Page, find  # noqa: PLC0415
    from .views.recipe import recipe  # noqa: PLC0415

    own = read_runs(run) if Path(run).is_dir() else None
    runs = own if own and len(own) == 1 else _opened(source)
    chosen = runs[0] if runs is own else find(runs.found.runs, run)
    about = kept.kept(chosen)
    again = recipe(chosen, about) if about else None
    damage: list[Damage] = []
    histograms = reader.read_histograms(chosen, chosen.histograms, damage)
    warnings = dict.fromkeys((*runs.warnings, *map(str, damage)))  # what was damaged at the first look still is
    return RunPage(Page(chosen, histograms, again, outline.read(chosen.folder), about), tuple(warnings))


def compare(
    source: Source = "logs",
    tag: str = "accuracy",
    by: str | None = None,
    *,
    where: str | None = None,
    step: int | None = None,
    over_steps: bool = False,
) -> Comparison:
    """Compare one tag across runs, grouped by a hyperparameter: curves of a scalar, distributions of a histogram.

    `step` asks for another than the last; `over_steps` draws histograms with a row a step. The result is shown by a
    notebook, and saved with `.save("x.html")` (or .png, .svg, .csv).
    """
    from .views import comparison  # noqa: PLC0415

    runs = _opened(source, where)
    return comparison.compare(runs.runs, tag, by, step=step, over_steps=over_steps, every=runs.found.runs)


def effects(source: Source = "logs", *, where: str | None = None) -> SweepEffects:
    """Say which hyperparameters matter for the best objective: marginal means, importance, interaction.

    Of a sweep that draws its settings, or prunes, also how the search went.
    """
    from .analysis.effects import effects as of  # noqa: PLC0415
    from .views.progress import searched  # noqa: PLC0415

    runs = _opened(source, where)
    found = (replace(of(own), progress=searched(own)) for own in by_sweep(runs).values())
    return SweepEffects(tuple(found), runs.warnings)


def export(source: Source = "logs", what: str = "trials", *, where: str | None = None) -> Export:
    """Return rows for other programs: one a run ("trials") or one a point of a scalar ("series")."""
    from .views.export import export as of  # noqa: PLC0415

    return of(_opened(source, where).runs, what)


def report(
    source: Source = "logs",
    output: Path | str = "report.html",
    *,
    by: str | None = None,
    where: str | None = None,
    command: str = "",
) -> Path:
    """Write one HTML file about a logdir, which opens offline and prints; return its path.

    `by` is the hyperparameter that curves are grouped by at first, `command` what the page says made it.
    """
    from .views.report import report as of  # noqa: PLC0415

    runs = _opened(source, where)
    disk.write(Path(output), of(runs.found, by=by, where=runs.condition, command=command).encode())
    return Path(output)


def verify(logdir: Path | str = "logs") -> Verified:
    """Look for damage under a logs root, in a sweep's folder or in a run's; LogdirError where there is no folder.

    Every byte of the event files is read and checked, whatever was read before.
    """
    from .verification import verify as of  # noqa: PLC0415

    return Verified(of(logdir))


def _opened(source: Source, where: str | None = None) -> Runs:
    runs = source if isinstance(source, Runs) else read_runs(source)
    return runs.where(where) if where else runs
