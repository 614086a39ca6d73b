"""Which runs belong to which sweep, by the names of their run folders."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from ..logs import layout
from .source import TagListing

ALL_SWEEPS = "*"  # the choice of all sweeps; no sweep has this name
NO_SWEEP = ""  # the runs that belong to no sweep


@dataclass(frozen=True, slots=True)
class SweepRuns:
    """The names of a sweep's runs, in the order given."""

    name: str
    runs: tuple[str, ...]


def sweeps_of(runs: Iterable[str], listing: TagListing) -> tuple[SweepRuns, ...]:
    """Return the sweeps, the one with the latest data first; runs that belong to no sweep come last, as `NO_SWEEP`."""
    found: dict[str, list[str]] = {}
    for run in runs:
        found.setdefault(sweep_of(run), []).append(run)

    def order(name: str) -> tuple[bool, float]:
        return name == NO_SWEEP, -max(_latest(listing[run]) for run in found[name])

    return tuple(SweepRuns(name, tuple(found[name])) for name in sorted(found, key=order))


def chosen_runs(sweeps: Sequence[SweepRuns], sweep: str | None) -> tuple[str, Sequence[str] | None]:
    """Return the name of the chosen sweep and its runs; no runs for `ALL_SWEEPS`, which needs no choice.

    The first sweep is chosen by default, and if there is no sweep of that name.
    """
    if sweep == ALL_SWEEPS or not sweeps:
        return ALL_SWEEPS, None
    found = next((each for each in sweeps if each.name == sweep), sweeps[0])
    return found.name, found.runs


def sweep_of(run: str) -> str:
    """Return the folder above a run folder that hpdash made, relative to the logdir; `NO_SWEEP` for other runs."""
    parts = run.split("/")
    at = next((at for at, part in enumerate(parts) if at and layout.parse_run_name(part)), 0)
    return "/".join(parts[:at]) or NO_SWEEP


def _latest(tags: Mapping[str, object]) -> float:
    return max((getattr(series, "max_wall_time", 0.0) for series in tags.values()), default=0.0)
