"""`run_sweep`: the only place where the stages meet. A sweep file in; trained trials, a journal and logs out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import data, disk, estimate, experiment, logdir, record
from .backends import probe
from .backends.local import LocalBackend, cores
from .drive import Drive, Outcome, Plan, Watcher
from .journal import Journal, lock, read_journal
from .search import trials
from .signals import Signals
from .spec import Sweep, load_sweep, parse_sweep
from .trial import TrialResult, TrialSpec, TrialState, default_metrics

ONLY_WHEN_ASKED = (TrialState.FAILED, TrialState.DIVERGED)  # states that --retry-failed runs again


@dataclass(frozen=True, slots=True)
class Options:
    """How to run a sweep, apart from what is in its file.

    `workers` None is one a core, or one a GPU. `newest_first` reverses the order in which trials start.
    """

    workers: int | None = None
    threads: int = 1
    fail_fast: bool = False
    retry_failed: bool = False
    newest_first: bool = False


def as_sweep(source: Path | str | Mapping[str, Any] | Sweep) -> Sweep:
    """Return the sweep of a file, of a mapping, or itself."""
    if isinstance(source, Sweep):
        return source
    if isinstance(source, Mapping):
        return parse_sweep(source, name="sweep", folder=Path.cwd())
    return load_sweep(Path(source))


def run_sweep(
    source: Path | str | Mapping[str, Any] | Sweep,
    logs: Path | str = "logs",
    options: Options | None = None,
    watcher: Watcher | None = None,
) -> Outcome:
    """Run what is missing of a sweep and return how it stands.

    `source` is a sweep file, its content as a mapping, or a loaded Sweep. Raises HpdashError before anything is
    written where the file, the data or the logs root are not right; a trial's failure is a result, not an error.
    """
    sweep, options, watcher = as_sweep(source), options or Options(), watcher or Watcher()
    specs, folder = trials(sweep), Path(logs) / sweep.name
    tables = _data_tables(specs)
    with ExitStack() as stack:
        signals = stack.enter_context(Signals())
        exists = folder.exists()
        if exists:
            record.check(folder, sweep)
            stack.enter_context(lock(folder))
            results = _standing(folder, specs, options)
            if len(results) == len(specs):
                return Outcome(sweep, folder, specs, results)
        _fetch_missing(tables, watcher)
        backend, workers = _start(sweep, specs, options)
        stack.callback(backend.close)
        facts = probe.look(probe.Question(tables, _functions(specs), sweep.folder))
        if not exists:
            with disk.guarded(folder):
                folder.mkdir(parents=True)
            stack.enter_context(lock(folder))
        record.write(folder, sweep, specs, _metrics(specs, facts), facts.synthetic)
        experiment.refresh(folder.parent)
        journal = stack.enter_context(Journal.open(folder / logdir.JOURNAL))
        results = _standing(folder, specs, options)
        plan = Plan(sweep, folder, specs, results, len(specs) - len(results), workers, facts.synthetic)
        drive = Drive(plan, journal, backend, watcher, options.fail_fast)
        watcher.plan(plan)
        return drive.run(drive.tasks(options.newest_first), signals)


def _standing(folder: Path, specs: Sequence[TrialSpec], options: Options) -> dict[int, TrialResult]:
    """Return the results that stand: what is done, and what failed unless it is to be tried again."""
    latest = read_journal(folder / logdir.JOURNAL).latest
    stands = {TrialState.FINISHED, TrialState.PRUNED}
    if not options.retry_failed:
        stands |= set(ONLY_WHEN_ASKED)
    records = ((spec.number, latest.get(spec.number)) for spec in specs)
    return {number: last.result for number, last in records if last and last.result and last.state in stands}


def _data_tables(specs: Sequence[TrialSpec]) -> list[Mapping[str, Any]]:
    tables: list[Mapping[str, Any]] = []
    for spec in specs:
        if spec.settings["data"] not in tables:
            tables.append(spec.settings["data"])
    return tables


def _functions(specs: Sequence[TrialSpec]) -> list[str]:
    """List the users' functions that trials call, builders only where no loop of one's own takes their place."""
    named: dict[str, None] = {}
    for spec in specs:
        model, train = spec.settings["model"], spec.settings["train"]
        reference = train.get("loop") or model.get("builder") or ""
        if ":" in reference:
            named[reference] = None
    return list(named)


def _metrics(specs: Sequence[TrialSpec], facts: probe.Facts) -> list[str]:
    defaults = [name for classes in facts.classes for name in default_metrics(classes)]
    chosen = (spec.settings["train"]["metrics"] or defaults for spec in specs)
    return list(dict.fromkeys(name for names in chosen for name in names))


def _fetch_missing(tables: Sequence[Mapping[str, Any]], watcher: Watcher) -> None:
    missing = list(dict.fromkeys(table["name"] for table in tables if data.needs_fetch(table)))
    if missing:
        probe.fetch(missing, watcher.fetch)


def _start(sweep: Sweep, specs: Sequence[TrialSpec], options: Options) -> tuple[LocalBackend, int]:
    """Start the workers, which warm up while the rest is looked at."""
    gpus = probe.count_gpus()
    workers = min(options.workers or gpus or max(1, cores() // options.threads), len(specs))
    keras = any(not spec.settings["train"].get("loop") for spec in specs)
    return LocalBackend(sweep.folder, workers, options.threads, gpus, keras), workers


def dry_run(sweep: Sweep, options: Options | None = None) -> tuple[list[TrialSpec], float | None]:
    """Return the trials a sweep would run and an estimate of the seconds it would take, None where there is none.

    Trains and writes nothing; reads the data where they are here.
    """
    options = options or Options()
    specs = trials(sweep)
    tables = _data_tables(specs)
    if _functions(specs) or any(data.needs_fetch(table) for table in tables):
        return specs, None
    facts = probe.look(probe.Question(tables, (), sweep.folder))
    sizes = [facts.sizes[tables.index(spec.settings["data"])] for spec in specs]
    workers = min(options.workers or max(1, cores() // options.threads), len(specs))
    return specs, estimate.seconds(specs, sizes, workers)
