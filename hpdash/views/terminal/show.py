"""The page of `hpdash show`: a run's settings, metrics, statistics of weights, error, and how to train it again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from difflib import get_close_matches
from pathlib import PurePosixPath

import numpy as np
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from ...analysis.objective import best, goal_of, last, objective_of, seconds, trained
from ...analysis.rows import caveats
from ...errors import Problem, SpecError
from ...histograms.histogram import NEAR_ZERO
from ...logs import layout, program_folder
from ...logs.layout import VALIDATION_PREFIX
from ...logs.outline import Layer
from ...runs import HistogramSeries, Run, Series
from ...sweep_folder.sweep_json import SweepRecord
from ..statistics import STATISTICS, sparkline, statistics
from ..text import duration, number, plain, setting
from .evaluate import of_run
from .layers import layer_table
from .ls import progress

_LONGEST = 100  # characters shown of a value
_KINDS = {"Weights": "", "Gradients": layout.GRADIENTS, "Activations": layout.ACTIVATIONS}


@dataclass(frozen=True, slots=True)
class Page:
    """One run and what is known about it.

    `histograms` are by tag. `recipe` is a sweep file that trains the run again, None if none can be made. `layers`
    are those of its model. `about` is the record in its sweep's folder.
    """

    run: Run
    histograms: Mapping[str, HistogramSeries]
    recipe: str | None = None
    layers: Sequence[Layer] = ()
    about: SweepRecord | None = None

    @property
    def output(self) -> str:
        """The end of what the run's program printed; "" if it is no program."""
        return program_folder.output_tail(self.run.folder) if self.run.is_program else ""

    @property
    def inputs(self) -> str:
        """The run's input data and their scaling in words; empty if unknown."""
        inputs = self.about.known.inputs.get(str(self.run.hparams.get("name"))) if self.about else None
        return inputs.scaled(str(self.run.hparams.get("scale"))) if inputs else ""


def find(runs: Sequence[Run], name: str) -> Run:
    """Return the run with a name: the run's name or id, else its folder's name or number (`3`, `quickstart/3`).

    Raises SpecError with the nearest names if there is no such run, and with the ids if there are several.
    """
    wanted = name.strip("/")
    whole = [run for run in runs if wanted in (run.name, run.id)]
    for found in (whole, [run for run in runs if wanted in _short(run)]):
        if len(found) == 1:
            return found[0]
        if found:
            ids = " or ".join(run.id for run in found[:3])
            raise SpecError([Problem("RUN", "one run", f"{len(found)} that match {name!r}", f"Use {ids}.")])
    names = dict.fromkeys(each for run in runs for each in (run.id, run.name))
    near = get_close_matches(wanted[:200], names, n=3)
    hint = f"Did you mean {' or '.join(near)}?" if near else f"For example: {runs[0].id}." if runs else ""
    raise SpecError([Problem("RUN", "a run's name, folder or id", repr(name), hint)])


def _short(run: Run) -> Iterator[str]:
    yield PurePosixPath(run.name).name
    if run.number is not None:
        for spelled in (f"{run.number}", f"{run.number:04d}"):
            yield from (spelled, f"{run.sweep}/{spelled}")


def draw(page: Page) -> Iterator[RenderableType]:
    """Yield the sections of a run's page. Names, errors and tracebacks are shown literally."""
    run = page.run
    yield _lines(run.id, "bold")
    yield _lines(str(run.folder), "dim")
    yield from _facts(run)
    yield from _origin(page)
    yield from _settings(run)
    if page.layers:
        yield _heading("Layers")
        yield layer_table(page.layers)
    if run.scalars:
        yield _heading("Metrics")
        yield _metrics(run)
    for what, kept in _by_kind(page.histograms).items():
        yield _heading(f"{what}, at the first and at the last step")
        yield from _distributions(run, kept)
    if page.output:
        yield from (_heading(f"The end of {layout.OUTPUT}"), _lines(page.output))
    yield from _faults(run)
    if page.recipe:
        yield _heading("Train it again")
        yield _lines(_advice(run), "dim")
        yield _lines(page.recipe)


def _advice(run: Run) -> str:
    own = any(":" in str(run.hparams.get(name)) for name in ("name", "builder", "loop"))
    modules = ", next to the modules it names," if own else ""
    return f"Save this as again.toml{modules} and run: hpdash sweep again.toml"


def _heading(text: str) -> Text:
    return Text(f"\n{text}", style="bold")


def _lines(text: str, style: str = "") -> Text:
    made = Text("\n").join(plain(line.expandtabs(4)) for line in text.splitlines())
    made.stylize(style)
    return made


def _facts(run: Run) -> Iterator[Text]:
    objective, result, time = objective_of([run]), run.result, seconds(run)
    found, end, unit = best(run, objective), last(run, objective), run.unit
    parts = [
        run.status,
        run.attempt and run.attempt > 1 and f"attempt {run.attempt}",
        trained(run, objective) is not None and f"{progress(run, objective)} {unit}s",
        time is not None and duration(time),
        run.seed is not None and f"seed {run.seed}",
        run.started and _start_time(run.started),
        *caveats([run]),
    ]
    yield plain(" · ".join(str(part) for part in parts if part))
    if objective and found:
        yield plain(f"{objective.name}: {number(found[0])} at {unit} {found[1]}, {number(end)} at the end")
    if result and result.parameters is not None:
        yield plain(f"{result.parameters:,} parameters, {result.trainable_parameters or 0:,} of them trainable")
    if result and result.loss_function:
        yield plain(f"loss function {result.loss_function}")
    if result and result.xla is not None:
        graph = "graph reused from an earlier trial" if result.reused_graph else "new graph"
        reason = f" ({result.xla_reason})" if result.xla_reason else ""
        yield plain(f"{'compiled with' if result.xla else 'without'} XLA{reason}; {graph}")
    yield from of_run(run)
    if result and result.weights_sha256:
        yield plain(f"weights' sha256 {result.weights_sha256}")
    if result and result.kept_epoch is not None:
        yield plain(f"{layout.WEIGHTS} has the weights of epoch {result.kept_epoch}")


def _origin(page: Page) -> Iterator[Text]:
    """Yield a line on the input data, and the SHA-256 of the user's code, files and arrays that the sweep used."""
    if page.inputs:
        yield plain(page.inputs)
    origin = page.about and page.about.provenance
    if origin:
        digests = {**origin.code, **{name: file.sha256 for name, file in origin.files.items()}, **origin.arrays}
        for name, digest in digests.items():
            yield plain(f"{name} sha256 {digest}")


def _start_time(started: float) -> str:
    try:
        return f"started {datetime.fromtimestamp(started):%Y-%m-%d %H:%M}"
    except (ValueError, OverflowError, OSError):  # the clock was wrong, or the file is damaged
        return "start time invalid"


def _settings(run: Run) -> Iterator[RenderableType]:
    names = [name for name in run.swept if name in run.hparams] or sorted(run.hparams)
    if not names:
        return
    yield _heading("Hyperparameters")
    table = Table.grid(padding=(0, 2, 0, 0))
    for name in names:
        table.add_row(plain(name), plain(_cut(setting(run.hparams[name]))))
    yield table
    rest = (f"{name}={_cut(setting(run.hparams[name]))}" for name in sorted(run.hparams.keys() - set(names)))
    yield _lines("  ".join(rest), "dim")


def _cut(text: str) -> str:
    """Cut a value that would fill the page; `--json` has all of it."""
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}… ({len(text):,} characters)"


def _metrics(run: Run) -> Table:
    """Return a table with one row per tag, each validation tag below its training tag."""
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
    for name in ("tag", "", "first", "last", "best", "at"):
        table.add_column(
            name, justify="left" if name in ("tag", "") else "right", no_wrap=name != "tag", overflow="fold"
        )
    for tag in sorted(run.scalars, key=lambda tag: (tag.removeprefix(VALIDATION_PREFIX), tag)):
        series = run.scalars[tag]
        if len(series.values) and not tag.startswith(layout.best_tag("")):
            found = best_of(run, tag, series)
            at_best = (number(found[0]), str(found[1])) if found else ("", "")
            ends = number(float(series.values[0])), number(series.last)
            table.add_row(plain(tag), sparkline(series.values), *ends, *at_best)
    return table


def best_of(run: Run, tag: str, series: Series) -> tuple[float, int] | None:
    """Return the best value of a scalar of a run and its step; None if it is not known which direction is better."""
    goal = run.objective.goal if run.objective and run.objective.tag == tag else goal_of(tag)
    return series.best(goal) if goal else None


def _by_kind(histograms: Mapping[str, HistogramSeries]) -> dict[str, dict[str, HistogramSeries]]:
    """Group histograms into those of weights, gradients and activations, each sorted by tag; leave out empty groups."""
    parts: dict[str, dict[str, HistogramSeries]] = {}
    for kind, prefix in _KINDS.items():
        own = {tag: series for tag, series in sorted(histograms.items()) if layout.probe_prefix(tag) == prefix}
        if own:
            parts[kind] = own
    return parts


def _distributions(run: Run, histograms: Mapping[str, HistogramSeries]) -> Iterator[Text]:
    names = "".join(f"{name:>9}" for name in STATISTICS)
    yield Text(f"{'step':>6}{names} |w|≤{NEAR_ZERO:g}", style="dim")
    for tag, series in histograms.items():
        places = dict.fromkeys((0, len(series.steps) - 1)) if len(series.steps) else {}
        for at in places:
            found = statistics(run, tag, series, at)
            if not at:
                yield plain(f"{tag} ({found['values']:,.0f})")
            lost = f"  {found['nonfinite']:.2%} not finite" if found["nonfinite"] else ""
            numbers = "".join(f"{_short_number(found[name]):>9}" for name in STATISTICS)
            # Tiny gradients differ by less than `_varies` notices, but lie in several buckets.
            varies = _varies(found) or np.count_nonzero(series.histograms[at].counts) > 1
            text = f"{numbers}{found['near_0']:>10.1%}" if varies else f"  all {found['mean']:.3g}"
            yield Text(f"{found['step']:>6}{text}{lost}")


def _varies(found: Mapping[str, float]) -> bool:
    """Return whether the values differ.

    Equal values are in one bucket of width 1e-6 * max(1, |value|).
    """
    return not found["max"] - found["min"] <= 2e-6 * max(1.0, abs(found["mean"]))


def _short_number(value: float) -> str:
    text = f"{value:.3g}"
    return text if len(text) < 9 else f"{value:.2g}"


def _faults(run: Run) -> Iterator[Text]:
    if run.result and run.result.error:
        yield _heading("Error")
        yield _lines(run.result.traceback or run.result.error, "red")
    if run.damage:
        yield _heading("Damage")
        yield from (plain(damage) for damage in run.damage)
