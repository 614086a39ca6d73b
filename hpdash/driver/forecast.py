"""The forecast of `hpdash sweep --dry-run`: which trials a sweep would run, and about how long that takes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .. import data
from ..backends import estimate, probe
from ..records import TrialSpec, own_loop
from ..search import Course
from ..spec import Sweep
from ..system import limits
from ..system.signals import Signals
from .amounts import cut_of, data_tables, sizes_of
from .settling import settled, usages


@dataclass(frozen=True, slots=True)
class Forecast:
    """What a sweep would run.

    `specs` are the trials that run whatever the results are, `total` is the greatest possible number of trials, and
    `seconds` the estimated duration or the reason why it is unknown.
    """

    specs: Sequence[TrialSpec]
    total: int
    seconds: float | str


def dry_run(sweep: Sweep, workers: int | None = None, threads: int = 1) -> Forecast:
    """Return what a sweep would run, without training or writing anything; read the data if they are on this machine.

    `workers` defaults to the number of processors divided by `threads`, at least 1.
    """
    limits.check_files(0)
    course = Course(sweep)
    return Forecast(
        course.certain(), course.total, _forecast(sweep, course, workers or max(1, limits.cores() // threads))
    )


def _forecast(sweep: Sweep, course: Course, workers: int) -> float | str:
    samples = course.samples()
    tables = data_tables(samples)
    if any(own_loop(spec.settings["train"]) for spec in samples):
        return "the duration of a custom training loop is unknown before it runs"
    if any(data.needs_fetch(table) for table in tables):
        return "the data are not on this machine yet"
    signals = Signals()
    facts = probe.gather_facts(probe.Question(tables, (), sweep.folder, usages(sweep, samples)), signals)
    samples = Course(settled(sweep, samples, tables, facts)).samples()
    by_cut = sizes_of(tables, facts)
    sizes = [by_cut[cut_of(spec.settings["data"])] for spec in samples]
    works: Sequence[estimate.Work] | str = list(map(estimate.mlp_work, samples, sizes))
    if any(spec.settings["model"]["builder"] != "mlp" for spec in samples):
        works = probe.measure(samples, sweep.folder, signals)
    if isinstance(works, str):
        return works
    return estimate.seconds(samples, sizes, works, min(workers, course.total), course.total / len(samples))
