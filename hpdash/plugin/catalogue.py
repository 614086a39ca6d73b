"""The answer of the route `overview`: the runs with histograms, their hyperparameters and their tags."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..analysis.rows import sort_key
from ..analysis.tags import aligned
from ..reader import names
from ..reader.attribution import Sessions, hparams_of
from ..reader.sessions import HParamsSession
from ..records import Scalar
from .sessions import HParamsRecords, read_records
from .source import HISTOGRAMS, Source, TagListing
from .sweeps import ALL_SWEEPS, SweepRuns, chosen_runs, sweeps_of

MOST_RUNS = 10_000  # in the overview
MOST_TAGS = 2_000


@dataclass(frozen=True, slots=True)
class Member:
    """A run with histograms."""

    name: str
    label: str
    group: str | None
    status: str | None
    hparams: Mapping[str, Scalar | None]


@dataclass(frozen=True, slots=True)
class HyperparameterValues:
    """A hyperparameter and its distinct values in order; None comes last if some runs have no value."""

    name: str
    values: tuple[Scalar | None, ...]
    swept: bool

    @property
    def differs(self) -> bool:
        """Whether the runs have different values."""
        return len(self.values) > 1


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Runs in natural order, hyperparameters (swept ones first, then those that differ), and tags.

    `tags` has, for each tag, the indices of its runs and the name under which each run has logged it. `hparams_from` is
    "sessions", "names" or "none". `left_out` counts the runs and tags over the limits. `sweeps` are all sweeps of the
    logdir, the newest first; `sweep` is the one to which the runs belong, `ALL_SWEEPS` for all runs.
    """

    runs: tuple[Member, ...]
    hparams: tuple[HyperparameterValues, ...]
    hparams_from: str
    tags: Mapping[str, Mapping[int, str]]
    version: str
    left_out: Mapping[str, int]
    sweeps: tuple[SweepRuns, ...] = ()
    sweep: str = ALL_SWEEPS

    def to_json(self) -> dict[str, Any]:
        """Return the answer of the route `overview`."""
        return {
            "runs": [
                {"name": run.name, "label": run.label, "group": run.group, "status": run.status, "hparams": run.hparams}
                for run in self.runs
            ],
            "hparams": [
                {"name": each.name, "values": each.values, "differs": each.differs, "swept": each.swept}
                for each in self.hparams
            ],
            "hparams_from": self.hparams_from,
            "tags": [{"name": tag, "runs": list(runs)} for tag, runs in self.tags.items()],
            "version": self.version,
            "left_out": self.left_out,
            "sweeps": [{"name": each.name, "runs": len(each.runs)} for each in self.sweeps],
            "sweep": self.sweep,
        }


def read_catalogue(source: Source, sweep: str | None = ALL_SWEEPS) -> Catalogue:
    """Read the catalogue of a sweep from TensorBoard's data provider; of the newest one if there is no such sweep."""
    listing, records = source.listing(HISTOGRAMS), read_records(source)
    ordered = sorted((run for run, tags in listing.items() if tags), key=sort_key)
    sweeps = sweeps_of(ordered, listing)
    name, chosen = chosen_runs(sweeps, sweep)
    ordered = ordered if chosen is None else list(chosen)
    found = ordered[:MOST_RUNS]
    runs, origin = _members(found, records.sessions)
    swept = records.swept if origin == "sessions" else tuple(dict.fromkeys(key for run in runs for key in run.hparams))
    tags = _tags(found, listing)
    kept = {tag: tags[tag] for tag in sorted(tags, key=sort_key)[:MOST_TAGS]}
    left_out = {"runs": len(ordered) - len(found), "tags": len(tags) - len(kept)}
    version = _version({run: listing[run] for run in ordered}, records, sweeps)
    return Catalogue(runs, _hparams(runs, swept), origin, kept, version, left_out, sweeps, name)


def _tags(runs: Sequence[str], listing: TagListing) -> dict[str, dict[int, str]]:
    """Return the tags, each with the indices of its runs and the name under which each run has logged it."""
    tags: dict[str, dict[int, str]] = {}
    for place, named in enumerate(aligned([listing[run] for run in runs])):
        for name, tag in named.items():
            tags.setdefault(name, {})[place] = tag
    return tags


def _members(runs: Sequence[str], sessions: Sessions) -> tuple[tuple[Member, ...], str]:
    """Return the runs, and where their hyperparameters come from: "sessions", "names" or "none"."""
    hparams, origin = hparams_of(runs, sessions)
    own = [sessions.find(run) or HParamsSession() for run in runs]
    members = (
        Member(name, label, session.group, session.status, _plain(pairs))
        for name, label, session, pairs in zip(runs, names.labels(runs), own, hparams, strict=True)
    )
    return tuple(members), origin


def _plain(hparams: Mapping[str, Scalar]) -> dict[str, Scalar | None]:
    """Return hyperparameters as JSON allows them: a number that is not finite becomes None."""
    return {key: None if isinstance(v, float) and not math.isfinite(v) else v for key, v in hparams.items()}


def _hparams(runs: Iterable[Member], swept: Sequence[str]) -> tuple[HyperparameterValues, ...]:
    known = list(runs)
    found = []
    for name in dict.fromkeys([*swept, *sorted({name for run in known for name in run.hparams})]):
        values = {(isinstance(value, bool), value): value for value in (run.hparams.get(name) for run in known)}
        if set(values.values()) != {None}:
            found.append(HyperparameterValues(name, tuple(sorted(values.values(), key=sort_key)), name in swept))
    return tuple(sorted(found, key=lambda each: (not each.swept, not each.differs)))


def _version(listing: TagListing, records: HParamsRecords, sweeps: Sequence[SweepRuns]) -> str:
    """Return a digest that changes with the data of these runs, the HParams records or the list of sweeps."""
    ends = {
        run: {tag: (s.max_step, s.max_wall_time) for tag, s in sorted(tags.items())} for run, tags in listing.items()
    }
    known = [(each.name, len(each.runs)) for each in sweeps]
    digest = hashlib.sha256(repr((sorted(ends.items()), known)).encode("utf-8", "backslashreplace"))
    for content in records.contents:
        digest.update(content)
    return digest.hexdigest()[:16]
