"""The forecast of `hpdash sweep --dry-run`: which trials a sweep would run, and about how long that takes."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass

from .. import data
from ..backends import estimate, probe
from ..programs.command import check_executable
from ..records import TrialSpec, own_loop
from ..search import Schedule
from ..spec import Sweep
from ..spec.inline import check_given
from ..system import limits
from ..system.signals import Signals
from .amounts import class_weights_of, data_tables, sizes_by_split, split_key
from .settling import builder_requests, settle


@dataclass(frozen=True, slots=True)
class Forecast:
    """What a sweep would run.

    `specs` are the trials whose settings do not depend on results, and `total` is the greatest possible number of
    trials. `seconds` is the estimated duration, or the reason why it is unknown, in words.
    """

    specs: Sequence[TrialSpec]
    total: int
    seconds: float | str


def dry_run(sweep: Sweep, workers: int | None = None, threads: int = 1) -> Forecast:
    """Return what a sweep would run, without training or writing anything; read the data if they are on this machine.

    `workers` defaults to the number of processors divided by `threads`, at least 1.
    """
    limits.check_files(0)
    schedule = Schedule(sweep)
    return Forecast(
        schedule.certain(), schedule.total, _duration(sweep, schedule, workers or max(1, limits.cores() // threads))
    )


def _duration(sweep: Sweep, schedule: Schedule, workers: int) -> float | str:
    """Return the estimated duration in seconds, or the reason why it is unknown."""
    samples = schedule.samples()
    tables = data_tables(samples)
    check_executable(sweep)
    if sweep.command is not None:
        return "the duration of a program is unknown before it runs"
    if any(own_loop(spec.settings["train"]) for spec in samples):
        return "the duration of a custom training loop is unknown before it runs"
    if any(data.needs_fetch(table) for table in tables):
        return "the data are not on this machine yet"
    signals = Signals()
    asked = builder_requests(sweep, samples), class_weights_of(samples)
    check_given(sweep.functions, sweep.inline)
    with closing(data.temporary_folder()) as spool:
        facts = probe.gather_facts(probe.ProbeRequest(tables, (), sweep.folder, spool.folder, *asked), signals)
    samples = Schedule(settle(sweep, samples, tables, facts)).samples()
    by_split = sizes_by_split(tables, facts)
    sizes = [by_split[split_key(spec.settings["data"])] for spec in samples]
    works: Sequence[estimate.Work] | str = list(map(estimate.mlp_work, samples, sizes))
    if any(spec.settings["model"]["builder"] != "mlp" for spec in samples):
        works = probe.measure(samples, sweep.folder, signals)
    if isinstance(works, str):
        return works
    return estimate.seconds(samples, sizes, works, min(workers, schedule.total), schedule.total / len(samples))
