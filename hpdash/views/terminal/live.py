"""A running sweep on a console: one line per running trial, a total with the time left, the best trial so far."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from ...records import Ended, Event, Notice, Progress, Started, TrialResult, TrialSpec, TrialState
from ..text import duration, number, plain

SHOWN_METRICS = 4
REFRESH_HERTZ = 8
SILENCE = 60.0  # seconds without a progress report after which a trial is shown as silent


@dataclass(slots=True)
class Running:
    """A running trial.

    `begin` is when this attempt started. `heard` is when its last progress report arrived, or `begin` before there is
    one; other events do not change it. Both are seconds on the monotonic clock. `epoch` is how many epochs earlier
    attempts had finished, `progress` the last progress report.
    """

    spec: TrialSpec
    begin: float
    epoch: int = 0
    progress: Progress | None = None
    heard: float = 0.0

    @property
    def share(self) -> float:
        """The share of the trial that is done, from 0 to 1."""
        progress = self.progress
        return (progress.epoch + progress.fraction) / max(1, progress.epochs) if progress else 0.0

    @property
    def had(self) -> float:
        """The share of the trial that was done before this attempt, from 0 to 1."""
        return self.epoch / self.progress.epochs if self.progress and self.epoch else 0.0


@dataclass(slots=True)
class Tally:
    """The state of a running sweep: counts, running trials, and the best trial so far.

    All times are seconds on the monotonic clock. `total` is the least number of trials that the sweep will have.
    `best` is a trial, its value of the objective and its best epoch.
    """

    total: int
    workers: int
    begin: float
    running: dict[int, Running] = field(default_factory=dict)
    best: tuple[TrialSpec, float, int | None] | None = None
    # Sum over the attempts that have ended and were not interrupted: 1 minus the share that was done before the attempt
    ended_shares: float = 0.0
    over: set[int] = field(default_factory=set)  # numbers of trials that have ended; a pruned one may start again

    @classmethod
    def of(cls, specs: Sequence[TrialSpec], results: Mapping[int, TrialResult], workers: int, total: int) -> Self:
        """Return the state at the start, which is now.

        `specs` are the trials known so far, `results` those already final, by trial number, and `total` is the least
        number of trials.
        """
        tally = cls(total, workers, time.monotonic(), over=set(results))
        for spec in specs:
            if spec.number in results:
                tally.note_best(spec, results[spec.number])
        return tally

    @property
    def done(self) -> int:
        """The number of trials that have ended."""
        return len(self.over)

    def note(self, event: Event, now: float) -> None:
        """Update the state with an event that was received at `now`."""
        match event:
            case Started(spec, _, _, epoch):
                self.over.discard(spec.number)
                self.running[spec.number] = Running(spec, now, epoch, heard=now)
                self.total = max(self.total, self.done + len(self.running))
            case Progress(number):
                if number in self.running:
                    self.running[number].progress, self.running[number].heard = event, now
            case Ended(spec, _, result):
                running = self.running.pop(spec.number, None)
                if result.state is not TrialState.INTERRUPTED:
                    self.over.add(spec.number)
                    self.ended_shares += 1 - (running.had if running else 0.0)
                self.note_best(spec, result)

    def note_best(self, spec: TrialSpec, result: TrialResult) -> None:
        """Make a trial the best one if it has finished and its value is better than all before."""
        value = result.best.get(spec.objective)
        if result.state is not TrialState.FINISHED or value is None:
            return
        if self.best is None or spec.goal.better(value, self.best[1]):
            self.best = spec, value, result.best_epoch

    @property
    def share_running(self) -> float:
        """The sum of the shares done of all running trials."""
        return sum(running.share for running in list(self.running.values()))  # a copy, because another thread draws

    def seconds_left(self, now: float) -> float | None:
        """Estimate the seconds left from the training done since the start; None before there is any."""
        trials = self.ended_shares + sum(running.share - running.had for running in list(self.running.values()))
        if trials <= 0 or now <= self.begin:
            return None
        return (now - self.begin) / trials * (self.total - self.done - self.share_running)


class LiveView:
    """Show a sweep on a console.

    Each attempt that has ended and each notice is a line that stays. On a terminal, the running trials are shown below
    these lines and redrawn in place. Elsewhere, only the lines are printed, and one for each megabyte of a download.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._tally: Tally | None = None
        self._live: Live | None = None
        self._fetching = ""

    def __enter__(self) -> Self:
        if self._console.is_terminal and not self._console.is_dumb_terminal:
            self._live = Live(
                get_renderable=self._draw, console=self._console, refresh_per_second=REFRESH_HERTZ, transient=True
            )
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.stop()

    def plan(self, specs: Sequence[TrialSpec], results: Mapping[int, TrialResult], workers: int, total: int) -> None:
        """Start to show a sweep.

        `specs` are the trials known so far, `results` those already final, by trial number, and `total` is the least
        number of trials.
        """
        self._tally = Tally.of(specs, results, workers, total)

    def event(self, event: Event | None) -> None:
        """Show an event; None is ignored."""
        tally = self._tally
        if event is not None and tally is not None:
            tally.note(event, time.monotonic())
        match event:
            case Notice(text, trial):
                self._say(plain(text if trial is None else f"{trial:04d}: {text}"))
            case Ended(spec, _, result) if tally is not None:
                line = plain(ended_line(tally, spec, result))
                line.stylize("" if result.state is TrialState.FINISHED else "yellow")
                self._say(line)

    def fetch(self, name: str, done: int, total: int | None) -> None:
        """Show how much of a data set has been fetched; `done` and `total` are in bytes."""
        share = f" of {total / 1e6:.0f}" if total else ""
        text = f"fetching {name}: {done / 1e6:.0f}{share} MB"
        if self._live is None and done and text != self._fetching:
            self._say(plain(text))
        self._fetching = text

    def _say(self, line: Text) -> None:
        self._console.print(line, soft_wrap=True)

    def _draw(self) -> RenderableType:
        if self._tally is None:
            return plain(self._fetching or "starting workers …")
        now = time.monotonic()
        parts: list[RenderableType] = [_running_table(self._tally, now), _total_line(self._tally, now)]
        if self._tally.best is not None:
            spec, value, epoch = self._tally.best
            parts.append(
                plain(f"best  {spec.number:04d} {spec.objective} {number(value)} at {spec.unit} {epoch}  {spec.label}")
            )
        return Group(*parts)


def ended_line(tally: Tally, spec: TrialSpec, result: TrialResult) -> str:
    """Return one line that says how a trial has ended."""
    value = result.best.get(spec.objective)
    best = f" {spec.objective} {number(value)} at {spec.unit} {result.best_epoch}" if value is not None else ""
    place = f"[{tally.done}/{tally.total}] {spec.number:04d} {spec.label}"
    return f"{place}: {result.state}{best} in {duration(result.seconds)}"


def _running_table(tally: Tally, now: float) -> Table:
    grid = Table.grid(padding=(0, 2))
    for running in list(tally.running.values()):
        progress, left = running.progress, time_left(running, now)
        if progress is None or progress.phase != "training":
            state, bar = progress.phase if progress else "starting", ProgressBar(completed=0, width=16)
        else:
            state = _position(running.spec, progress)
            bar = ProgressBar(total=1.0, completed=running.share, width=16)
        metrics = list(progress.metrics.items())[:SHOWN_METRICS] if progress else []
        values = "  ".join(f"{name} {number(value)}" for name, value in metrics)
        grid.add_row(plain(f"{running.spec.number:04d}"), plain(running.spec.label), state, bar, plain(values), left)
    return grid


def _position(spec: TrialSpec, progress: Progress) -> str:
    """Return how far a trial is: the epoch that it trains, or the last step that a program has logged."""
    if spec.unit == "epoch":
        return f"epoch {min(progress.epoch + 1, progress.epochs)}/{progress.epochs}"
    return f"step {progress.epoch}" + (f"/{progress.epochs}" if progress.epochs else "")


def time_left(running: Running, now: float) -> str:
    """Return how long a trial may still take; empty before the attempt has made progress.

    If no progress report has arrived for more than `SILENCE`, return for how long instead.
    """
    if now - running.heard > SILENCE:
        return f"no message for {duration(now - running.heard)}"
    gained = running.share - running.had
    if gained <= 0:
        return ""
    return f"{duration((now - running.begin) / gained * (1 - running.share))} left"


def _total_line(tally: Tally, now: float) -> Table:
    left = tally.seconds_left(now)
    grid = Table.grid(padding=(0, 2))
    grid.add_row(
        f"total {tally.done}/{tally.total} trials",
        ProgressBar(total=max(1, tally.total), completed=tally.done + tally.share_running, width=32),
        f"{duration(now - tally.begin)} elapsed",
        f"{duration(left)} left" if left is not None else "",
    )
    return grid
