"""The reading commands as functions: each reads a logdir and returns a result that a notebook or a command shows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeAlias, overload

from rich.console import Console, RenderableType

from .. import reader
from ..analysis.objective import with_objective
from ..analysis.ranking import RankedTable, listings, to_json
from ..analysis.rows import by_sweep
from ..analysis.where import select
from ..errors import SpecError
from ..logs import outline
from ..runs import Damage, HistogramSeries, Logdir, Run
from ..sweep_folder import sweep_json
from ..system import disk
from ..views.markup import html_table
from ..views.terminal.ls import cells, draw, title
from .shown import RunPage, SweepEffects, Verified

if TYPE_CHECKING:  # slow to import; imported by the functions that use them
    import pandas

    from ..views.comparison import Comparison
    from .exporting import Export

Source: TypeAlias = "Path | str | Runs"


@dataclass(frozen=True, eq=False)
class Runs(Sequence[Run]):
    """Runs of a logdir, sorted by name; a notebook shows them as ranked tables, one per sweep.

    `found` has all runs of the logdir; `condition` selects some of them. `options` are the options of `read_runs` that
    concern the tables.
    """

    found: Logdir
    condition: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def warnings(self) -> tuple[str, ...]:
        """Messages about what was damaged or left out."""
        return self.found.warnings

    @cached_property
    def runs(self) -> list[Run]:
        """The runs as a list."""
        return select(self.found.runs, self.condition)

    @cached_property
    def tables(self) -> list[RankedTable]:
        """The ranked tables, one per sweep."""
        every = self.found.runs
        return listings(every, where=self.condition, planned=sweep_json.planned(every), **self.options)

    @overload
    def __getitem__(self, index: int) -> Run: ...
    @overload
    def __getitem__(self, index: slice) -> list[Run]: ...
    def __getitem__(self, index: int | slice) -> Run | list[Run]:
        return self.runs[index]

    def __len__(self) -> int:
        return len(self.runs)

    def where(self, condition: str) -> Self:
        """Return the runs that meet a condition such as `"batchnorm=before and not learning_rate<0.01"`.

        Raises SpecError if the condition is invalid, or if one of its names is in no run.
        """
        both = f"({self.condition}) and ({condition})" if self.condition else condition
        return type(self)(self.found, both, self.options)._checked()

    def _checked(self) -> Self:
        """Return itself; raises SpecError if a name in its condition or options is in no run."""
        if self.condition or any(self.options.values()):
            self.tables  # noqa: B018  making them checks the names
        return self

    def histograms(self, run: Run, *tags: str) -> dict[str, HistogramSeries]:
        """Return histograms of a run by tag: of these tags, or all if no tags are given."""
        return reader.read_histograms(run, tags or run.histograms)

    def to_pandas(self) -> pandas.DataFrame:
        """Return one row per run, with the columns of `hpdash export`: ids, hyperparameters, last and best metrics.

        Raises SpecError if pandas is not installed.
        """
        try:
            import pandas  # noqa: PLC0415  not a dependency
        except ImportError:
            raise SpecError(["to_pandas() needs pandas: pip install pandas"]) from None
        return pandas.DataFrame(export(self).to_json())

    def to_json(self, top: int | None = None) -> dict[str, Any]:
        """Return the tables as JSON values, each with its first `top` rows; None for all."""
        return {"sweeps": to_json(self.tables, top), "warnings": list(self.warnings)}

    def render(self, console: Console, top: int | None = None) -> Iterator[RenderableType]:
        """Draw the tables, each with its first `top` rows: by default 40 on a terminal, and all in a pipe."""
        return draw(console, self.tables, top)

    def _repr_html_(self) -> str:
        return "".join(_table(table) for table in self.tables)


def _table(table: RankedTable) -> str:
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
    """Read a logdir of hpdash, or any that TensorBoard can show.

    Args:
        logdir: a logs root, the folder of a sweep, or the folder of a run.
        where: a condition for the runs, such as `"batchnorm=before and learning_rate<0.01"`.
        sort: the column to sort tables by; with a leading `-`, as in `"-time"`, in descending order.
        columns: the columns of tables, instead of the default ones.
        repeats: whether each replicate gets a row of its own.
        objective: the metric to rank by, instead of the sweeps' own.
        goal: "min" or "max": whether a lower or a higher value of the objective is better.

    Raises LogdirError if the folder does not exist, and SpecError if a name is in no run.
    """
    options = {"sort": sort, "columns": columns, "repeats": repeats}
    found = reader.read(Path(logdir))
    found = replace(found, runs=tuple(with_objective(found.runs, objective, goal)))
    return Runs(found, where, options)._checked()


def show(run: str, source: Source = "logs") -> RunPage:
    """Return everything about one run, given by its folder, name, id (`quickstart/0003`) or number.

    Raises SpecError if no run or more than one matches; its message suggests similar names.
    """
    from ..sweep_folder.recipe import recipe  # noqa: PLC0415
    from ..views.terminal.show import Page, find  # noqa: PLC0415

    own = read_runs(run) if Path(run).is_dir() else None
    runs = own if own and len(own) == 1 else _opened(source)
    chosen = runs[0] if runs is own else find(runs.found.runs, run)
    about = sweep_json.record_of(chosen)
    again = recipe(chosen, about) if about else None
    damage: list[Damage] = []
    histograms = reader.read_histograms(chosen, chosen.histograms, damage)
    warnings = dict.fromkeys((*runs.warnings, *map(str, damage)))  # both reads report the same damage
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

    `step` is the step to compare at; by default it is the last, and for histograms also the first. `over_steps` draws
    histograms with one row per step. A notebook shows the result; `.save("x.html")` (or .png, .svg, .csv) saves it.
    Raises SpecError if no run has the tag or the name `by`, or if the runs do not have the step in common.
    """
    from ..views import comparison  # noqa: PLC0415

    runs = _opened(source, where)
    return comparison.compare(runs.runs, tag, by, step=step, over_steps=over_steps, every=runs.found.runs)


def effects(source: Source = "logs", *, where: str | None = None) -> SweepEffects:
    """Return which hyperparameters matter for the best objective: marginal means, importance, interaction.

    For a sweep that draws its settings or prunes, the result also has the progress of the search.
    """
    from ..analysis.effects import measure_effects  # noqa: PLC0415
    from ..views.terminal.progress import searched  # noqa: PLC0415

    runs = _opened(source, where)
    found = (replace(measure_effects(own), progress=searched(own)) for own in by_sweep(runs).values())
    return SweepEffects(tuple(found), runs.warnings)


def export(source: Source = "logs", what: str = "trials", *, where: str | None = None) -> Export:
    """Return rows for other programs: one per run ("trials"), or one per point of each scalar ("series")."""
    from .exporting import export_runs  # noqa: PLC0415

    return export_runs(_opened(source, where).runs, what)


def report(
    source: Source = "logs",
    output: Path | str = "report.html",
    *,
    by: str | None = None,
    where: str | None = None,
    command: str = "",
) -> Path:
    """Write a report about a logdir as one HTML file that opens offline and can be printed; return its path.

    `by` is the hyperparameter that curves are grouped by when the page is opened. The page shows `command` as the
    command that made it.
    """
    from ..views.report import render_report  # noqa: PLC0415

    runs = _opened(source, where)
    disk.write(Path(output), render_report(runs.found, by=by, where=runs.condition, command=command).encode())
    return Path(output)


def verify(logdir: Path | str = "logs") -> Verified:
    """Find what is damaged in a logs root, in the folder of a sweep, or in the folder of a run.

    Every byte of the event files is read and checked; the cache is not used. Raises LogdirError if the folder does not
    exist.
    """
    from ..verification import find_damage  # noqa: PLC0415

    return Verified(find_damage(logdir))


def _opened(source: Source, where: str | None = None) -> Runs:
    runs = source if isinstance(source, Runs) else read_runs(source)
    return runs.where(where) if where else runs
