"""A histogram tag across runs: the distributions on one axis, their statistics, differences and changes."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from rich.cells import cell_len
from rich.console import Console, RenderableType
from rich.console import Group as Stack
from rich.table import Table
from rich.text import Text

from ...analysis.rows import differing
from ...analysis.snapshots import Snapshot, snapshots
from ...analysis.spread import Pair, Spread, baseline, measure
from ...analysis.verdict import verdicts
from ...errors import Problem, SpecError
from ...histograms.distances import wasserstein
from ...histograms.histogram import NEAR_ZERO, Histogram, mixture, shared_edges
from ...runs import Damage, HistogramSeries, Run
from ..colours import ColourGroup
from ..markup import escaped
from ..terminal.strips import over_steps, side_by_side
from ..text import number, plain, table
from ..web.panels import density_panels, titled
from ..web.plots import (
    CLIP,
    Block,
    Chart,
    Figure,
    Fragment,
    Heading,
    bands_figure,
    densities_figure,
    ridges_figures,
    steps_figure,
)
from .base import Comparison, run_labels, sheet

STATISTICS = ("mean", "std", "min", "p1", "p50", "p99", "max", "near 0", "from start", "W1 to ref")
NARROW_STATISTICS = ("std", "p1", "p99", "near 0", "from start", "W1 to ref")
NARROW = 120  # columns below which tables leave out what the picture shows
MOST_RUNS = 24  # maximum number of runs that a terminal shows one by one
MOST_RIDGES = 4  # maximum number of groups whose densities over steps are drawn


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class WeightsComparison(Comparison):
    """Compare a histogram tag, with one series in `histograms` for each run's name.

    `snapshots` are the steps that all runs have; if there are none, each run's first and its last step. `shown` are the
    snapshots that are drawn: the first and the last, or one.
    """

    histograms: Mapping[str, HistogramSeries]
    snapshots: tuple[Snapshot, ...]
    shown: tuple[Snapshot, ...]
    spread: Spread
    over_steps: bool
    damage: tuple[Damage, ...] = ()

    @classmethod
    def of(
        cls, tag: str, by: str | None, groups: Sequence[ColourGroup], histograms: Mapping[str, HistogramSeries],
        step: int | None = None, over_steps: bool = False, damage: Sequence[Damage] = (),
    ) -> WeightsComparison:  # fmt: skip
        """Compare a tag's histograms at `step`, by default at the first and the last step that all runs have.

        Raises SpecError if not all runs have `step`, or if no run has any step.
        """
        kept = {name: series for name, series in histograms.items() if len(series.steps)}
        own = [(group, tuple(run for run in group.runs if run.name in kept)) for group in groups]
        groups = tuple(ColourGroup(group.value, group.label, group.colour, runs) for group, runs in own if runs)
        found = snapshots(kept)
        if not found:
            raise SpecError([Problem("--tag", "a histogram with at least one step that can be read", tag)])
        shown = (found[0], found[-1])[-len(found) :]
        if step is not None:
            shown = tuple(snapshot for snapshot in found if snapshot.step == step)
        if not shown:
            known = [snapshot.step for snapshot in found if snapshot.step is not None]
            hint = f"The nearest is {min(known, key=lambda each: abs(each - (step or 0)))}." if known else ""
            raise SpecError([Problem("--step", f"one of the {len(known)} steps that all runs have", str(step), hint)])
        spread = measure({group.value: [kept[run.name] for run in group.runs] for group in groups})
        return cls(tag, by, groups, kept, found, shown, spread, over_steps, tuple(damage))

    @property
    def reference(self) -> ColourGroup:
        """The group that the others are compared with: the one whose value is off or unset, else the first."""
        return self.groups[self.spread.groups.index(baseline(self.spread.groups))]

    @property
    def conclusions(self) -> list[str]:
        """How similar each group's runs are and how much they change; empty if every run is its own group."""
        return verdicts(self.spread, self.tag, self.by) if self.by else []

    @property
    def warnings(self) -> list[str]:
        """The parts of the histograms that could not be read, as sentences."""
        return [str(each) for each in self.damage]

    def statistics(self, snapshot: Snapshot) -> Iterator[tuple[ColourGroup, Run | None, dict[str, float]]]:
        """Yield (group, run, statistics) for each group's mean distribution, and for each run of a group of several.

        For the mean distribution, the run is None.
        """
        reference = mixture([snapshot.histograms[run.name] for run in self.reference.runs])
        for group in self.groups:
            own = {run.name: snapshot.histograms[run.name] for run in group.runs}
            starts = [self.snapshots[0].histograms[name] for name in own]
            drifts = [wasserstein(start, end) for start, end in zip(starts, own.values(), strict=True)]
            whole = mixture(list(own.values()))
            known = [drift for drift in drifts if math.isfinite(drift)]
            yield group, None, _numbers(whole, reference, float(np.mean(known)) if known else math.nan)
            if len(own) > 1:
                for run, drift in zip(group.runs, drifts, strict=True):
                    yield group, run, _numbers(own[run.name], reference, drift)

    def render(self, console: Console) -> RenderableType:
        """Draw the distributions as small multiples on one axis, tables of numbers, and the conclusions."""
        width = min(console.width, 160 if console.is_terminal else 100)
        drawn = self.snapshots if self.over_steps else self.shown
        edges = shared_edges([each for snapshot in drawn for each in snapshot.histograms.values()], 1, CLIP)
        ends = (float(edges[0]), float(edges[-1]))
        names = [name for name in differing(self.runs) if name != self.by]
        labels = run_labels(self.runs, names) if len(self.runs) <= MOST_RUNS else {}
        if self.over_steps:
            picture = over_steps(self.groups, self.snapshots, ends, width)
        else:
            picture = side_by_side(self.groups, self.shown, ends, width, labels if self.by else {})
        return Stack(
            Text.assemble((plain(self.title).plain, "bold"), f"   density of {self._counts()}"),
            *picture,
            Text(self._outside(drawn, ends), style="dim"),
            Text(),
            self._statistics_table(console, labels),
            Text.assemble((plain(self._notes()).plain, "dim"), "\n"),
            *([self._spread_table(console)] if self.by else []),
            *(plain(sentence) for sentence in self.conclusions),
        )

    def _counts(self) -> str:
        logged = len(np.unique(np.concatenate([series.steps for series in self.histograms.values()])))
        steps = f"{len(self.snapshots)} of {logged} steps in common"
        return f"{len(self.runs)} runs, {steps if self.spread.steps else 'no step in common: first and last of each'}"

    def _outside(self, drawn: Sequence[Snapshot], ends: tuple[float, float]) -> str:
        shares = [1 - each.share(*ends) for snapshot in drawn for each in snapshot.histograms.values() if each.total]
        share = 100 * float(np.mean(shares or [0.0]))
        return "One axis for all" + (f"; {share:.2g} % of the values lie outside it." if share > 0.005 else ".")

    def _statistics_table(self, console: Console, labels: Mapping[str, str]) -> RenderableType:
        columns = NARROW_STATISTICS if _is_narrow(console) else STATISTICS
        rows = []
        for group, run, numbers in self.statistics(self.shown[-1]):
            if run is None:
                name = Text.assemble(("■ ", group.colour), (plain(group.label).plain, "bold"))
            elif run.name in labels:
                name = Text("  ").append_text(plain(labels[run.name]))
            else:
                continue
            rows.append([name, *_cells(numbers, columns)])
        return _fitted(table(console, [self.shown[-1].label, *columns], rows), console, 10 * len(columns))

    def _spread_table(self, console: Console) -> RenderableType:
        rows = [
            [Text.assemble(("■ ", group.colour), plain(group.label)), *cells]
            for group, cells in zip(self.groups, self._spread_cells(), strict=True)
        ]
        columns = 4 if _is_narrow(console) else len(SPREAD_HEADER)
        made = table(console, SPREAD_HEADER[:columns], (row[:columns] for row in rows))
        return _fitted(made, console, 19 * (columns - 1))

    def _spread_cells(self) -> Iterator[list[str]]:
        for own in self.spread.groups:
            pairs = (own.spread.mean, own.change.mean, own.spread.initial, own.change.initial)
            yield [str(own.runs), *map(_pair, pairs)]

    def to_json(self) -> dict[str, Any]:
        """Return the statistics of the shown snapshots, the spread and the change, and the conclusions."""
        return {
            "tag": self.tag, "by": self.by, "kind": "histogram", "reference": self.reference.label,
            "verdict": self.conclusions, "spread": asdict(self.spread),
            "statistics": [
                {"moment": snapshot.label, "group": group.label, "run": run.id if run else None, **numbers}
                for snapshot in self.shown for group, run, numbers in self.statistics(snapshot)
            ],
        }  # fmt: skip

    def rows(self) -> Iterator[dict[str, Any]]:
        """Yield a row for each statistic of each run and group at each step, and for spread and change."""
        for snapshot in self.snapshots:
            for group, run, numbers in self.statistics(snapshot):
                step = snapshot.label if snapshot.step is None else snapshot.step
                for name, value in numbers.items():
                    yield self._row(group, run.id if run else "", step, name, value)
        for group, own in zip(self.groups, self.spread.groups, strict=True):
            for name, trace in (("spread", own.spread), ("change", own.change), ("drift", own.drift)):
                for step, raw, scaled in zip(trace.steps, trace.raw, trace.scaled, strict=True):
                    yield self._row(group, "", step, name, raw)
                    yield self._row(group, "", step, f"{name} / std", scaled)

    def _row(self, group: ColourGroup, run: str, step: int | str, statistic: str, value: float) -> dict[str, Any]:
        return {"tag": self.tag, "group": group.label, "run": run, "step": step, "statistic": statistic, "value": value}

    def blocks(self) -> list[Block]:
        """Return the conclusions, densities with a slider, quantiles and distances over steps, and the tables."""
        lead = "".join(f'<p class="lead">{escaped(sentence)}</p>' for sentence in self.conclusions)
        steps = (
            [snapshot.step for snapshot in self.shown if snapshot.step is not None] if len(self.shown) == 1 else None
        )
        caption = "Mean of each group, range of its runs as a band, every run as a thin line; one axis for all steps."
        bands = "Quantiles of each group's mean: the median, 25 to 75 % shaded, 1 % and 99 % dotted."
        labels = run_labels(self.runs, [name for name in differing(self.runs) if name != self.by])
        rows = [
            [f"\u2003{labels[run.name]}" if run else group.label, *_cells(numbers, STATISTICS)]
            for group, run, numbers in self.statistics(self.shown[-1])
        ]
        made: list[Block] = [
            Fragment(f'{lead}<p class="soft">{escaped(self._counts())}</p>'),
            Chart(densities_figure(self.groups, self.histograms, self.tag, steps), caption, height=460),
        ]
        if len(self.snapshots) > 1:
            made += [Heading("Over steps"), Chart(bands_figure(self.groups, self.histograms, self.tag), bands)]
        if len(self.snapshots) > 1 and len(self.groups) <= MOST_RIDGES:
            ridges = zip(self.groups, ridges_figures(self.groups, self.histograms, self.tag), strict=True)
            made += [Chart(figure, f"{group.label}, step by step", 420, wide=False) for group, figure in ridges]
        if self.by:
            made += [Heading("How similar the runs are, and how much they change"), Fragment(_MEANING)]
            made += [Chart(figure, title, height=300, wide=False) for title, figure in self._traces()]
            cells = ([group.label, *cells] for group, cells in zip(self.groups, self._spread_cells(), strict=True))
            made.append(sheet(SPREAD_HEADER, cells))
        notes = f'<p class="soft">{escaped(self._notes())}</p>'
        heading = Heading(f"Statistics at {self.shown[-1].label}")
        return [*made, heading, sheet(["", *STATISTICS], rows), Fragment(notes)]

    def _notes(self) -> str:
        start = self.snapshots[0].label
        near = f"near 0: the share within {NEAR_ZERO:g}"
        return f"{near}; from start: W1 from {start}; ref: {self.reference.label}; W1: Wasserstein-1 distance"

    def _traces(self) -> Iterator[tuple[str, Figure]]:
        for name, title in (("spread", "Distance between runs"), ("change", "Change per step")):
            for unit, words in (("raw", "weight units"), ("scaled", "standard deviations")):
                both = zip(self.groups, self.spread.groups, strict=True)
                traces = [(group, getattr(own, name)) for group, own in both]
                lines = [(group, trace.steps, getattr(trace, unit)) for group, trace in traces]
                yield f"{title}, {words}", steps_figure(lines, words)

    def panels(self) -> list[list[Figure]]:
        """Return the densities of each shown snapshot, then the distances over steps."""
        traces = list(self._traces()) if self.by and len(self.spread.steps) > 1 else []
        over = [titled(figure, title) for title, figure in traces]
        return density_panels(self.groups, self.shown, self.tag) + [row for row in (over[:2], over[2:]) if row]


SPREAD_HEADER = ("", "runs", "spread (÷ std)", "change per step (÷ std)", "spread at step 0", "change from step 0")
_MEANING = (
    '<p class="soft">Wasserstein-1 distances: between every two runs of a group, averaged; and between consecutive '
    "steps of each run, averaged over the group. They are given in weight units, and divided by the pooled standard "
    "deviation, because larger weights are further apart even if the runs are equally similar.</p>"
)


def _numbers(own: Histogram, reference: Histogram, drift: float) -> dict[str, float]:
    low, middle, high = own.quantiles([0.01, 0.5, 0.99]).tolist()
    values = (own.mean, own.std, own.min, low, middle, high, own.max, own.share_near_zero(), drift)
    whole = own.total + own.nonfinite
    distance = wasserstein(own, reference)
    named = dict(zip(STATISTICS, (*values, distance), strict=True))
    return {**named, "non-finite": own.nonfinite / whole if whole else 0.0}


def _cells(numbers: Mapping[str, float], names: Sequence[str]) -> list[str]:
    """Format statistics: with four decimals if the standard deviation is at least 0.01, else as `number` does."""
    return [f"{numbers[name]:.4f}" if numbers["std"] >= 0.01 else number(numbers[name]) for name in names]


def _pair(pair: Pair | None) -> str:
    return f"{pair.raw:.3g} ({pair.scaled:.3g})" if pair else ""


def _is_narrow(console: Console) -> bool:
    return console.is_terminal and console.width < NARROW


def _fitted(made: Table, console: Console, numbers: int) -> Table:
    """Reserve `numbers` columns of the console for numbers, and the rest for names; longer names are cut."""
    names = made.columns[0]
    longest = max((cell_len(str(cell)) for cell in names.cells), default=0)
    names.width, names.no_wrap = max(8, min(longest, console.width - numbers - 4)), True
    return made
