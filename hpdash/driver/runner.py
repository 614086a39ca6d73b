"""Run a sweep: from a sweep file to trained trials, a journal and logs."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from .. import data
from ..backends import estimate, probe
from ..backends.base import Backend
from ..backends.callbacks import with_callbacks
from ..backends.cluster import Cluster
from ..backends.local import LocalBackend
from ..backends.worker import WorkerSetup
from ..data import Dataset
from ..data.inline import Sendable, sendable
from ..errors import LockedError, SpecError
from ..journal.history import History
from ..journal.journal import Journal, lock, read_journal
from ..logs import hparams_record, layout
from ..nested import leaves
from ..programs.command import check_executable, other_python
from ..records import Notice, TrialResult, TrialSpec, TrialState, default_metrics, own_loop, trains_keras
from ..search import Schedule
from ..spec import Sweep, load_sweep, parse_sweep
from ..spec.inline import check_given, remember
from ..sweep_folder import changed_code, provenance
from ..sweep_folder import folder as sweep_folder
from ..sweep_folder.provenance import Provenance
from ..system import disk, limits
from ..system.signals import Signals, Stopped
from .amounts import class_weights_of, data_tables, large_batches, sizes_by_split, split_key
from .drive import Driver
from .new_folder import start_folder
from .plan import Outcome, Plan, Watcher
from .settling import builder_requests, settle

RETRIED_ON_REQUEST = (TrialState.FAILED, TrialState.DIVERGED)  # run again only with --retry-failed


@dataclass(frozen=True, slots=True)
class Options:
    """How to run a sweep, apart from what is in its file.

    Attributes:
        workers: the number of workers; None for one per GPU or, without a GPU, as many as the cores allow. With `ray`,
            None for as many as the cluster has room for.
        threads: the number of threads of each worker.
        fail_fast: whether to stop at the first trial that fails, is killed or times out.
        retry_failed: whether to run failed and diverged trials again.
        newest_first: whether to reverse the order in which trials start.
        new: whether to start the sweep anew, in a new folder.
        extend: whether the file may add trials or values to the sweep in the folder.
        accept_changes: whether to continue although the user's code or data have changed.
        ray: the Ray cluster to run on; None for worker processes on this machine.
    """

    workers: int | None = None
    threads: int = 1
    fail_fast: bool = False
    retry_failed: bool = False
    newest_first: bool = False
    new: bool = False
    extend: bool = False
    accept_changes: bool = False
    ray: Cluster | None = None


def as_sweep(source: Path | str | Mapping[str, Any] | Sweep) -> Sweep:
    """Return the sweep of a file or a mapping; return a Sweep as it is."""
    if isinstance(source, Sweep):
        return source
    if isinstance(source, Mapping):
        return parse_sweep(source, name="sweep", folder=Path.cwd())
    return load_sweep(Path(source))


def drive_sweep(
    source: Path | str | Mapping[str, Any] | Sweep,
    logs: Path | str = "logs",
    options: Options | None = None,
    watcher: Watcher | None = None,
    signals: Signals | None = None,
) -> Outcome:
    """Run the missing trials of a sweep and return its outcome.

    `hpdash.run_sweep` describes the arguments, except `signals`, which counts the signals while the sweep runs.
    Shows nothing: progress goes to the watcher. Raises HpdashError, before anything is written, if the file, the data
    or the logs root is invalid.
    """
    sweep, options = as_sweep(source), options or Options()
    if options.ray and importlib.util.find_spec("ray") is None:
        raise SpecError(['running on a Ray cluster needs ray, which is not installed: pip install "hpdash[ray]"'])
    check_given(sweep.functions, sweep.inline)
    check_executable(sweep)
    folder = (
        next(sweep_folder.free_folders(Path(logs), sweep))
        if options.new
        else sweep_folder.folder_to_resume(Path(logs), sweep)
    )
    sweep = sweep_folder.with_recorded(folder, sweep, options.extend)
    watcher = watcher or Watcher()
    with ExitStack() as stack:
        given = stack.enter_context(sendable(sweep.inline, lambda text: watcher.event(Notice(text))))
        job = _Job(sweep, Schedule(sweep), folder, options, watcher, _provenance(sweep, folder, given), given.functions)
        before = _outcome_so_far(job)
        remember(before.folder, sweep.inline)
        if len(before.results) == before.total:
            return before
        signals = stack.enter_context(signals or Signals())
        try:
            drive = _prepare(job, signals, stack)
        except Stopped:
            return replace(before, signal=signals.last)
        outcome = drive.run(signals, options.newest_first)
        remember(outcome.folder, sweep.inline)  # with --new, it may be another folder
        return outcome


def _provenance(sweep: Sweep, folder: Path, given: Sendable) -> Provenance:
    inline = {reference: each.sha256 for reference, each in sweep.inline.functions.items()}
    before = changed_code.provenance_of(folder)
    scripts = provenance.scripts_in(sweep.command or (), sweep.folder)
    found = provenance.current(sweep.modules, sweep.data_names, sweep.folder, before, inline, scripts)
    return replace(found, arrays=given.arrays)


@dataclass(frozen=True, slots=True)
class _Job:
    """A sweep to run, and how to run it.

    `provenance` is that of the code and data when the driver starts. `functions` are those given in Python, pickled.
    """

    sweep: Sweep
    schedule: Schedule
    folder: Path
    options: Options
    watcher: Watcher
    provenance: Provenance
    functions: Mapping[str, bytes]

    @property
    def named(self) -> Sweep:
        """The sweep with the name of its folder."""
        return replace(self.sweep, name=self.folder.name)

    def with_sweep(self, sweep: Sweep) -> _Job:
        """Return the job with a sweep that has further facts, and with the schedule of this sweep."""
        return self if sweep == self.sweep else replace(self, sweep=sweep, schedule=Schedule(sweep))

    def replayed(self) -> Schedule:
        """Return the schedule as far as it is known; if it depends on results, it is rebuilt from the journal."""
        if not self.schedule.is_adaptive:
            return self.schedule
        return Schedule.replayed(self.sweep, read_journal(self.folder / layout.JOURNAL).entries)

    def results_that_count(self, schedule: Schedule, history: History) -> dict[int, TrialResult]:
        """Return the results that count, by trial number; with --retry-failed, failed and diverged ones do not."""
        again = RETRIED_ON_REQUEST if self.options.retry_failed else ()
        results = history.results
        known = ((spec.number, results.get(spec.number)) for spec in schedule.specs)
        return {number: result for number, result in known if result and result.state not in again}

    def check_locked(self, folder: Path) -> None:
        """Check the folder again, now that it is locked; raises LockedError if another driver extended the sweep."""
        sweep_folder.check(folder, self.sweep, self.options.extend)
        if sweep_folder.with_recorded(folder, replace(self.sweep, tried=()), self.options.extend) != self.sweep:
            raise LockedError(f"{folder}: another driver has just extended this sweep. Run the same command again.")

    def load(self, settings: Mapping[str, Any]) -> Dataset:
        """Load a data set in a child process, because its function may import anything."""
        return probe.load(settings, self.sweep.folder, Signals())

    def warn_user(self, warnings: Sequence[str]) -> None:
        """Pass warnings on to the user."""
        for warning in warnings:
            self.watcher.event(Notice(warning))


def _outcome_so_far(job: _Job) -> Outcome:
    """Return the outcome of the sweep so far. Writes nothing and needs no lock."""
    with disk.guarded(job.folder):
        if not job.folder.exists():
            return Outcome(job.named, job.folder, job.schedule.specs, job.schedule.total, {})
    known = sweep_folder.check(job.folder, job.sweep, job.options.extend)
    changed_code.check_provenance(job.folder, job.provenance, job.options.accept_changes)
    replay = read_journal(job.folder / layout.JOURNAL)
    schedule, history = job.replayed(), History.of(replay.entries)
    results = job.results_that_count(schedule, history)
    total = schedule.count_trials(history, results)
    if len(results) == total:
        job.warn_user(replay.warnings)
    synthetic = known.get("synthetic", False)
    facts = {"synthetic": synthetic, "accepted": changed_code.accepted(known)}
    return Outcome(job.named, job.folder, schedule.specs, total, results, **facts)


def _prepare(job: _Job, signals: Signals, stack: ExitStack) -> Driver:
    """Take the lock, start the workers, examine what trials need, open the journal; `stack` cleans up."""
    sweep, specs, watcher = job.sweep, job.schedule.samples(), job.watcher
    tables, exists = data_tables(specs), job.folder.exists() and not job.options.new
    limits.check_folder(job.folder if exists else job.folder.parent)
    limits.check_files(0 if job.options.ray else min(job.options.workers or limits.cores(), job.schedule.total))
    if exists:
        stack.enter_context(lock(job.folder))
    _fetch_missing(tables, watcher, signals)
    backend, workers = _start(job, specs, signals)
    stack.callback(backend.close)
    facts = _gather_facts(job, specs, tables, signals, stack)
    job = job.with_sweep(settle(sweep, specs, tables, facts))
    if not exists:
        job = replace(job, folder=start_folder(job.folder, sweep, job.options.new, stack))
    folder, sweep, specs, sizes = job.folder, job.sweep, job.schedule.samples(), sizes_by_split(tables, facts)
    current = replace(job.provenance, arrays=facts.arrays)
    notes = _write_sweep_files(job, current, facts)
    warnings = hparams_record.update_records(folder.parent)
    journal = stack.enter_context(Journal.open(folder / layout.JOURNAL))
    known = changed_code.keep_provenance(folder, current)  # only once the journal is open: that may fail
    remarks = [*sweep.remarks, *facts.remarks, *large_batches(sweep, specs, sizes), *sweep.inline.remarks]
    job.warn_user([*notes, *other_python(sweep), *remarks, *warnings, *journal.warnings])
    schedule = job.replayed()
    results = job.results_that_count(schedule, journal.history)

    def seconds(spec: TrialSpec) -> float:
        size = sizes.get(split_key(spec.settings["data"]))
        return 0.0 if size is None else estimate.trial_seconds(spec, size, estimate.mlp_work(spec, size))

    changed = changed_code.accepted(known)
    plan = Plan(job.named, folder, schedule, results, workers, facts.synthetic, changed, facts.mapped, seconds)
    watcher.plan(plan)
    return Driver(plan, journal, backend, watcher, job.options.fail_fast)


def _gather_facts(
    job: _Job, specs: Sequence[TrialSpec], tables: Sequence[Mapping[str, Any]], signals: Signals, stack: ExitStack
) -> probe.ProbeResult:
    """Examine the data and the builders of trials; `stack` deletes the files with the arrays of data functions."""
    own_data = any(":" in table["name"] for table in tables)
    spool = stack.enter_context(closing(data.temporary_folder())).folder if own_data else None
    asked = () if sweep_folder.knows_builders(job.folder, job.options.extend) else builder_requests(job.sweep, specs)
    given = class_weights_of(specs), with_callbacks(specs)
    request = probe.ProbeRequest(tables, _functions(specs), job.sweep.folder, spool, asked, *given, job.functions)
    return probe.gather_facts(request, signals, lambda text: job.watcher.event(Notice(text)))


def _write_sweep_files(job: _Job, current: Provenance, facts: probe.ProbeResult) -> list[str]:
    """Write the sweep's files if they are missing or outdated; return messages for the user."""
    folder, sweep, specs = job.folder, job.sweep, job.schedule.samples()
    job.check_locked(folder)
    changed = changed_code.check_provenance(folder, current, job.options.accept_changes)
    sweep_folder.write(folder, sweep, specs, job.schedule.total, _metrics(specs, facts), facts.synthetic)
    sweep_folder.write_functions(folder, sweep.inline)
    anew = f"{sweep.name} was started anew in {folder}" if folder.name != sweep.name else ""
    return [sentence for sentence in (anew, changed) if sentence]


def _functions(specs: Sequence[TrialSpec]) -> list[str]:
    """Return the user's functions that trials call: training loops, builders of trials without a loop, callbacks."""
    named: dict[str, None] = {}
    for spec in (each for each in specs if not each.is_program):
        model, train = spec.settings["model"], spec.settings["train"]
        for reference in (own_loop(train) or model.get("builder"), train.get("callbacks")):
            if reference and ":" in reference:
                named[reference] = None
    return list(named)


def _metrics(specs: Sequence[TrialSpec], facts: probe.ProbeResult) -> list[str]:
    defaults = [name for classes in facts.classes for each in leaves(classes) for name in default_metrics(each[1])]
    return list(dict.fromkeys(name for spec in specs for name in spec.settings["train"].get("metrics") or defaults))


def _fetch_missing(tables: Sequence[Mapping[str, Any]], watcher: Watcher, signals: Signals) -> None:
    missing = list(dict.fromkeys(table["name"] for table in tables if data.needs_fetch(table)))
    if missing:
        probe.fetch(missing, watcher.fetch, signals)


def _start(job: _Job, specs: Sequence[TrialSpec], signals: Signals) -> tuple[Backend, int]:
    """Start the workers, which warm up during the rest of the preparation; return the backend and their number."""
    sweep, options = job.sweep, job.options
    keras = any(trains_keras(spec.settings["train"]) for spec in specs)
    own_code = bool(_functions(specs)) or any(":" in name for name in sweep.data_names)
    code_and_data = sweep.modules, sweep.data_names, job.provenance, job.functions
    scripts = sweep.command is not None, provenance.scripts_in(sweep.command or (), sweep.folder)
    setup = WorkerSetup(sweep.folder.resolve(), options.threads, keras, own_code, *code_and_data, *scripts)
    if options.ray is not None:
        from ..backends.ray import RayBackend  # noqa: PLC0415  an extra

        most = None if options.workers is None else min(options.workers, job.schedule.total)
        cluster = RayBackend(setup, options.ray, most, job.load, job.folder.parent, sweep.timeout)
        return cluster, min(cluster.room, job.schedule.total)
    gpus = probe.count_gpus(signals)
    workers = min(options.workers or gpus or max(1, limits.cores() // options.threads), job.schedule.total)
    return LocalBackend(setup, workers, gpus, sweep.timeout), workers
