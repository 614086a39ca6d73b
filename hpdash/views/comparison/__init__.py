"""Compare one tag across runs, grouped by a hyperparameter or run by run."""

from __future__ import annotations

from collections.abc import Sequence

from ...analysis import where
from ...analysis.rows import differing, grouped, sort_key, value_of
from ...analysis.tags import aligned
from ...errors import Problem, SpecError
from ...records import Scalar
from ...runs import Damage, Run
from ..colours import ColourGroup, colour_groups
from .base import Comparison, file_format, run_labels
from .scalars import ScalarComparison
from .tags import scalar_tags, unknown
from .weights import WeightsComparison

__all__ = ["Comparison", "ScalarComparison", "WeightsComparison", "compare", "file_format", "groups_of"]


def compare(
    runs: Sequence[Run], tag: str, by: str | None = None, *,
    step: int | None = None, over_steps: bool = False, every: Sequence[Run] = (),
) -> Comparison:  # fmt: skip
    """Compare a scalar or a histogram across runs, grouped by the name `by` or run by run.

    `step` is the step to compare at; by default it is the last, and for histograms also the first. `over_steps` draws
    a row for each step in the terminal, for histograms. `every` are the runs that `runs` were chosen from: each group
    keeps the colour that it has among them. Histogram tags that differ only in Keras' automatic numbers are matched as
    `analysis.tags.aligned` says.
    Raises SpecError if no run has the tag or the name, or if the runs with the histogram do not all have the step.
    """
    runs = sorted(runs, key=lambda run: sort_key(run.name))
    tags = scalar_tags(runs, tag)
    called = {run.name: own for run, own in zip(runs, aligned([run.histograms for run in runs]), strict=True)}
    having = [
        run for run in runs if any(each in run.scalars for each in tags) or (not tags and tag in called[run.name])
    ]
    if not having:
        raise unknown(runs, tag)
    groups = groups_of(having, by, every)
    if tags:
        return ScalarComparison(tags[0], by, groups, tuple(tags), step)
    from ...reader import read_histograms  # noqa: PLC0415  only histograms need the files again

    damage: list[Damage] = []
    named = {run.name: called[run.name][tag] for run in having}
    histograms = {run.name: read_histograms(run, [named[run.name]], damage) for run in having}
    found = {name: series[named[name]] for name, series in histograms.items() if named[name] in series}
    return WeightsComparison.of(tag, by, groups, found, step, over_steps, damage)


def groups_of(runs: Sequence[Run], by: str | None, every: Sequence[Run] = ()) -> tuple[ColourGroup, ...]:
    """Group and colour runs by a hyperparameter or field; if `by` is None, each run is its own group.

    Raises SpecError if no run has the name `by`.
    """
    if by is None:
        labels = run_labels(runs, differing(runs))
        own: dict[Scalar | None, list[Run]] = {labels[run.name]: [run] for run in runs}
        return colour_groups(own)
    if all(value_of(run, by) is None for run in runs):
        raise SpecError([Problem("--by", *where.unknown(by, runs))])
    return colour_groups(grouped(runs, by), by, list(grouped(every, by)))
