"""The commands: open, call one function, print. Nothing else in hpdash prints or exits."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable
from io import TextIOWrapper
from pathlib import Path
from typing import Any, TypeVar

import click
from rich.console import Console

from . import __version__
from .errors import HpdashError, SpecError
from .views.text import PIPE_WIDTH, plain

Command = TypeVar("Command", bound=Callable[..., Any])

SWEEP_FILE = click.argument("file", type=click.Path(path_type=Path))
SET = click.option(
    "--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Override a key of the file: --set train.epochs=3."
)
JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


class Screen(Console):
    """A console that shows texts literally, and says when its reader has left instead of exiting."""

    def on_broken_pipe(self) -> None:
        """Raise BrokenPipeError."""
        raise BrokenPipeError


class Commands(click.Group):
    """A group whose commands end with an error's exit code and its text, never a traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command."""
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, TextIOWrapper):
                stream.reconfigure(errors="backslashreplace")  # a name may have what the terminal's encoding has not
        try:
            return super().invoke(ctx)
        except HpdashError as error:
            if ctx.params.get("as_json") or "--json" in sys.argv:
                _print_json({"error": str(error), "exit_code": error.exit_code})
            _say_error(error)
            ctx.exit(error.exit_code)
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # the reader has left: quiet, as with any command in a pipe
            ctx.exit(0)
        except KeyboardInterrupt:
            ctx.exit(128 + signal.SIGINT)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="hpdash")
def main() -> None:
    """Run hyperparameter sweeps of Keras models, fast, and understand them in TensorBoard."""


@main.command()
@SWEEP_FILE
@SET
@JSON
@click.option("--logdir", default="logs", show_default=True, type=click.Path(path_type=Path), help="The logs root.")
@click.option("--workers", type=click.IntRange(1), help="Worker processes; one a core, or one a GPU, by default.")
@click.option("--threads", type=click.IntRange(1), default=1, show_default=True, help="Threads a worker.")
@click.option("--backend", type=click.Choice(["local"]), default="local", show_default=True, help="Where trials run.")
@click.option("--dry-run", is_flag=True, help="List the trials and an estimate; train and write nothing.")
@click.option("--fail-fast", is_flag=True, help="Stop at the first trial that fails.")
@click.option("--retry-failed", is_flag=True, help="Run failed and diverged trials again, from the start.")
def sweep(
    file: Path,
    overrides: tuple[str, ...],
    as_json: bool,
    logdir: Path,
    workers: int | None,
    threads: int,
    backend: str,
    dry_run: bool,
    fail_fast: bool,
    retry_failed: bool,
) -> None:
    """Run the sweep of FILE, or what is missing of it."""
    from .drive import Watcher  # noqa: PLC0415  what only this command needs
    from .runner import Options, run_sweep  # noqa: PLC0415
    from .spec import load_sweep  # noqa: PLC0415
    from .views.live import LiveView  # noqa: PLC0415

    loaded = load_sweep(file, overrides)
    options = Options(workers=workers, threads=threads, fail_fast=fail_fast, retry_failed=retry_failed)
    if dry_run:
        _dry_run(loaded, options, as_json)
        return
    with LiveView(_console(stderr=True)) as view:
        watcher = Watcher(lambda plan: view.plan(plan.specs, plan.results, plan.workers), view.event, view.fetch)
        outcome = run_sweep(loaded, logdir, options, watcher)
    again = shlex.join(["hpdash", *sys.argv[1:]])
    _print_outcome(outcome, logdir, again, as_json)
    sys.exit(outcome.exit_code)


@main.command()
@SWEEP_FILE
@SET
@JSON
def check(file: Path, overrides: tuple[str, ...], as_json: bool) -> None:
    """Validate the sweep file FILE: every fault at once, or what it would run."""
    from .search import strategy_for  # noqa: PLC0415
    from .spec import load_sweep  # noqa: PLC0415
    from .views.describe import summary  # noqa: PLC0415

    loaded = load_sweep(file, overrides)
    settings = strategy_for(loaded).count
    if as_json:
        _print_json({**loaded.to_json(), "settings": settings, "trials": settings * loaded.repeats})
        return
    _console().print(summary(loaded, settings), soft_wrap=True)


@main.group(cls=Commands, invoke_without_command=True)
@JSON
@click.pass_context
def data(ctx: click.Context, as_json: bool) -> None:
    """List the data sets that have a name, and whether they are here."""
    if ctx.invoked_subcommand is not None:
        return
    from .data import SOURCES, status  # noqa: PLC0415
    from .views.describe import data_sets  # noqa: PLC0415

    found = [status(name) for name in SOURCES]
    if as_json:
        _print_json([{**_fields(each), "where": each.where and str(each.where)} for each in found])
        return
    console = _console()
    console.print(data_sets(console, found))


@data.command()
@click.argument("name")
def get(name: str) -> None:
    """Fetch the data set NAME, once, and keep it."""
    from .backends import probe  # noqa: PLC0415
    from .data import status  # noqa: PLC0415
    from .signals import Signals  # noqa: PLC0415
    from .views.live import LiveView  # noqa: PLC0415

    if not status(name).here:
        with LiveView(_console(stderr=True)) as view:
            probe.fetch([name], view.fetch, Signals())
    where = status(name).where
    _console().print(plain(f"{name}: {where}" if where else f"{name}: always here"), soft_wrap=True)


@main.command(context_settings={"ignore_unknown_options": True})
@click.argument("logdir", default="logs", type=click.Path(path_type=Path))
@click.argument("options", nargs=-1, type=click.UNPROCESSED)
def board(logdir: Path, options: tuple[str, ...]) -> None:
    """Start TensorBoard on LOGDIR so that it shows every step; OPTIONS go to TensorBoard (--port 6007)."""
    if not logdir.is_dir():
        raise SpecError([f"{logdir}: expected a logs root, found no such folder. Run a sweep first, or name another."])
    keep_all = "--samples_per_plugin=scalars=1000000,histograms=1000000"  # 0 keeps all, but then shows none of it
    command = [sys.executable, "-m", "tensorboard.main", f"--logdir={logdir}", keep_all, *options]
    if sys.platform == "win32":  # where exec leaves the shell before TensorBoard ends
        sys.exit(subprocess.call(command))
    os.execv(sys.executable, command)  # so that whoever ends this process ends TensorBoard


def _dry_run(loaded: Any, options: Any, as_json: bool) -> None:
    from .runner import dry_run  # noqa: PLC0415
    from .views.describe import trial_list  # noqa: PLC0415

    specs, estimate = dry_run(loaded, options)
    if as_json:
        trials = [{"number": s.number, "seed": s.seed, "swept": s.swept, "settings": s.settings} for s in specs]
        _print_json({"trials": trials, "estimate_seconds": estimate})
        return
    console = _console()
    for part in trial_list(console, specs, estimate):
        console.print(part, soft_wrap=True)


def _print_outcome(outcome: Any, logdir: Path, again: str, as_json: bool) -> None:
    from .trial import caveats  # noqa: PLC0415
    from .views.leaderboard import closing, faults, leaderboard, outcome_json  # noqa: PLC0415

    if as_json:
        end = outcome_json(outcome.sweep.name, outcome.specs, outcome.results, outcome.signal)
        _print_json({**end, "caveats": caveats(outcome.specs, outcome.synthetic)})
        return
    console = _console()
    notes = caveats(outcome.specs, outcome.synthetic)
    title = f"{outcome.sweep.name} ({', '.join(notes)})" if notes else outcome.sweep.name
    if outcome.results:
        console.print(leaderboard(console, outcome.specs, outcome.results, title))
    for line in faults(outcome.specs, outcome.results):
        console.print(line, style="red", soft_wrap=True)
    for line in closing(outcome.specs, outcome.results, logdir, again, outcome.signal is not None):
        console.print(line, soft_wrap=True)


def _console(stderr: bool = False) -> Console:
    console = Screen(stderr=stderr, markup=False, highlight=False, emoji=False)
    if not console.is_terminal:
        console.width = PIPE_WIDTH
    return console


def _fields(record: Any) -> dict[str, Any]:
    return {name: getattr(record, name) for name in record.__dataclass_fields__}


def _print_json(value: Any) -> None:
    click.echo(json.dumps(value, indent=1, ensure_ascii=False, default=str))


def _say_error(error: HpdashError) -> None:
    console = _console(stderr=True)
    for line in str(error).splitlines() or [""]:
        console.print(plain(line), style="red", soft_wrap=True)
