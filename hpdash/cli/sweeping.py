"""`hpdash sweep` and `hpdash check`: run a sweep file, or validate it."""

from __future__ import annotations

import gc
import shlex
import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

import click

from .group import JSON, console_for, examples, main, print_json

SWEEP_FILE = click.argument("file", type=click.Path(path_type=Path))
SET = click.option(
    "--set",
    "overrides",
    multiple=True,
    metavar="KEY=VALUE",
    help="Override a key of the file: --set train.epochs=3. The value is TOML: --set 'hparams.units=[64, 128]'. "
    "A word needs no quotes: --set train.optimizer=adam. The option can be given several times.",
)


@main.command(
    epilog=examples(
        "hpdash sweep sweeps/quickstart.toml", "hpdash sweep sweeps/quickstart.toml --set train.epochs=3 --workers 2"
    )
)
@SWEEP_FILE
@SET
@JSON
@click.option("--logdir", default="logs", show_default=True, type=click.Path(path_type=Path), help="The logs root.")
@click.option(
    "--workers",
    type=click.IntRange(1),
    help="Workers; by default one per GPU, else cores / --threads; on a cluster, all that fit.",
)
@click.option("--threads", type=click.IntRange(1), default=1, show_default=True, help="Threads per worker.")
@click.option(
    "--backend", type=click.Choice(["local", "ray"]), default="local", show_default=True, help="Where trials run."
)
@click.option(
    "--address",
    metavar="HOST:PORT",
    help="Address of the Ray cluster, or auto to find it; by default, hpdash starts one on this machine.",
)
@click.option("--cpus", type=float, help="CPUs of the Ray cluster per worker; by default as many as --threads.")
@click.option("--gpus", type=float, help="GPUs of the Ray cluster per worker; may be a fraction; by default none.")
@click.option("--dry-run", is_flag=True, help="List the trials and estimate the time; nothing is trained or written.")
@click.option("--fail-fast", is_flag=True, help="Stop at the first trial that fails, is killed or times out.")
@click.option("--retry-failed", is_flag=True, help="Run failed and diverged trials again, from the start.")
@click.option("--extend", is_flag=True, help="Add the trials or values that are new in FILE to the existing sweep.")
@click.option(
    "--accept-changes", is_flag=True, help="Continue although code or data have changed; every table will say so."
)
@click.option("--new", is_flag=True, help="Start the sweep again in a new folder; the old one is kept.")
@click.option(
    "--board",
    is_flag=True,
    help="Start TensorBoard, print its address, then run the sweep. "
    "On a terminal, TensorBoard runs on after the sweep until you press Ctrl-C.",
)
def sweep(
    file: Path,
    overrides: tuple[str, ...],
    as_json: bool,
    logdir: Path,
    workers: int | None,
    threads: int,
    backend: str,
    address: str | None,
    cpus: float | None,
    gpus: float | None,
    dry_run: bool,
    fail_fast: bool,
    retry_failed: bool,
    extend: bool,
    accept_changes: bool,
    new: bool,
    board: bool,
) -> None:
    """Run the sweep in FILE; if it was started before, run the trials that are missing."""
    from ..driver.runner import Options  # noqa: PLC0415  only this command needs it
    from ..spec import load_sweep  # noqa: PLC0415

    gc.enable()  # off since the start of the program, but a sweep may take days
    loaded = load_sweep(file, overrides)
    if extend and new:
        raise click.UsageError("--extend continues the existing sweep, --new starts another: give only one of them.")
    ray = _cluster(backend, address, cpus, gpus, threads)
    options = Options(
        workers, threads, fail_fast, retry_failed, new=new, extend=extend, accept_changes=accept_changes, ray=ray
    )
    if dry_run:
        if board:
            raise click.UsageError("--dry-run writes nothing that TensorBoard could show: leave out --board.")
        _dry_run(loaded, options, as_json)
    elif board:
        _run_with_board(loaded, logdir, options, as_json)
    else:
        sys.exit(_run(loaded, logdir, options, as_json))


def _run_with_board(loaded: Any, logdir: Path, options: Any, as_json: bool) -> NoReturn:
    """Start TensorBoard, run a sweep, and stop TensorBoard; on a terminal, wait for Ctrl-C before stopping it."""
    from ..plugin.sweep_board import sweep_board  # noqa: PLC0415

    console = console_for(stderr=True)
    with sweep_board(logdir) as tensorboard:
        console.print(f"TensorBoard: {tensorboard.link}", soft_wrap=True, highlight=False)
        code = _run(loaded, logdir, options, as_json)
        asked_to_end = code in (128 + signal.SIGTERM, 128 + signal.SIGHUP)
        if sys.stdout and sys.stdout.isatty() and not asked_to_end:  # it is None if standard output was closed
            console.print(
                f"TensorBoard is still running: {tensorboard.link}. Press Ctrl-C to stop it.",
                soft_wrap=True,
                highlight=False,
            )
            with suppress(KeyboardInterrupt):
                tensorboard.process.wait()
    sys.exit(code)


def _run(loaded: Any, logdir: Path, options: Any, as_json: bool) -> int:
    """Run a sweep and print its outcome; return the exit code."""
    from ..driver.plan import Watcher  # noqa: PLC0415
    from ..driver.runner import drive_sweep  # noqa: PLC0415
    from ..system.signals import Signals  # noqa: PLC0415
    from ..views.terminal.live import LiveView  # noqa: PLC0415

    with LiveView(console_for(stderr=True)) as view:
        outcome = drive_sweep(loaded, logdir, options, Watcher.of(view), Signals(ends_program=True))
    once = ("--new", "--accept-changes") if outcome.folder.exists() else ()  # a resumed sweep does not need them again
    again = shlex.join(["hpdash", *(word for word in sys.argv[1:] if word not in once)])
    _print_outcome(outcome, logdir, again, as_json)
    code: int = outcome.exit_code
    return code


def _cluster(backend: str, address: str | None, cpus: float | None, gpus: float | None, threads: int) -> Any:
    """Return the Ray cluster with a worker's CPUs and GPUs; None for the local backend.

    Raises UsageError if options of a cluster are given for the local backend.
    """
    from ..backends.cluster import Cluster  # noqa: PLC0415

    if backend == "ray":
        return Cluster(address, threads if cpus is None else cpus, gpus or 0.0)
    if (address, cpus, gpus) != (None, None, None):
        raise click.UsageError("--address, --cpus and --gpus need --backend ray.")
    return None


@main.command(epilog=examples("hpdash check sweeps/quickstart.toml"))
@SWEEP_FILE
@SET
@JSON
def check(file: Path, overrides: tuple[str, ...], as_json: bool) -> None:
    """Validate the sweep file FILE: show all its errors or, if it has none, what it would run."""
    from ..driver.known_inputs import with_known_inputs  # noqa: PLC0415
    from ..programs.command import check_executable, other_python  # noqa: PLC0415
    from ..search import strategy_for  # noqa: PLC0415
    from ..spec import load_sweep  # noqa: PLC0415
    from ..views.terminal.check import summary  # noqa: PLC0415

    loaded = with_known_inputs(load_sweep(file, overrides))
    check_executable(loaded)
    settings = strategy_for(loaded).count
    if as_json:
        remarks = [*loaded.remarks, *other_python(loaded)]
        print_json({**loaded.to_json(), "settings": settings, "trials": settings * loaded.repeats, "remarks": remarks})
        return
    console_for().print(summary(loaded, settings), soft_wrap=True)


def _dry_run(loaded: Any, options: Any, as_json: bool) -> None:
    from ..driver.forecast import dry_run  # noqa: PLC0415
    from ..views.terminal.check import trial_list  # noqa: PLC0415

    unused = {
        "--fail-fast": options.fail_fast, "--retry-failed": options.retry_failed, "--extend": options.extend,
        "--accept-changes": options.accept_changes, "--new": options.new, "--backend ray": options.ray,
    }  # fmt: skip
    if given := [name for name, value in unused.items() if value]:
        raise click.UsageError(
            f"--dry-run lists all trials and estimates their time on this machine: leave out {given[0]}."
        )
    forecast = dry_run(loaded, options.workers, options.threads)
    specs, total, seconds = forecast.specs, forecast.total, forecast.seconds
    if as_json:
        trials = [{"number": s.number, "seed": s.seed, "swept": s.swept, "settings": s.settings} for s in specs]
        has_estimate = not isinstance(seconds, str)  # otherwise `seconds` is the reason why there is none
        estimate = {"estimate_seconds": seconds} if has_estimate else {"estimate_seconds": None, "no_estimate": seconds}
        print_json({"trials": trials, "total": total, **estimate})
        return
    console = console_for()
    for part in trial_list(console, specs, total, seconds, loaded.pruning is not None):
        console.print(part, soft_wrap=True)


def _print_outcome(outcome: Any, logdir: Path, again: str, as_json: bool) -> None:
    from ..views.terminal.leaderboard import (  # noqa: PLC0415
        compare_first_two,
        fault_lines,
        first_traceback_lines,
        leaderboard,
        next_steps,
        outcome_json,
    )

    if as_json:
        end = outcome_json(outcome.sweep.name, outcome.specs, outcome.results, outcome.signal)
        print_json({**end, "stopped": outcome.stopped, "caveats": outcome.caveats})
        return
    console = console_for()
    notes = ", ".join(outcome.caveats)
    title = f"{outcome.sweep.name} ({notes})" if notes else outcome.sweep.name
    if outcome.results:
        console.print(leaderboard(console, outcome.specs, outcome.results, title))
        if verdict := compare_first_two(outcome.specs, outcome.results):
            console.print(verdict, soft_wrap=True, highlight=False)
    for line in fault_lines(outcome.specs, outcome.results):
        console.print(line, style="red", soft_wrap=True)
    for line in first_traceback_lines(outcome.specs, outcome.results) if outcome.stopped else ():
        console.print(line, soft_wrap=True)
    if outcome.stopped:
        console.print(outcome.stopped, style="red", markup=False, highlight=False, soft_wrap=True)
    stopped = outcome.signal is not None or bool(outcome.stopped)
    for line in next_steps(outcome.total, outcome.results, logdir, again, stopped):
        console.print(line, soft_wrap=True)
