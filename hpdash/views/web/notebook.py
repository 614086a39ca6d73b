"""A running sweep in a notebook: one output that is redrawn in place, without widgets."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any, Self

from ...records import Ended, Event, Notice, Progress, TrialResult, TrialSpec, TrialState
from ..markup import escaped, html_table
from ..terminal.live import SHOWN_METRICS, Tally, ended_line
from ..text import duration, number

REDRAW_SECONDS = 0.5


def in_notebook() -> bool:
    """Return whether this process is a Jupyter kernel; a plain IPython shell counts as a terminal."""
    ipython = sys.modules.get("IPython")
    return ipython is not None and hasattr(ipython.get_ipython(), "kernel")


class NotebookView:
    """Show a sweep in a notebook's output: a total, one row per running trial, notices and unfinished trials."""

    def __init__(self) -> None:
        self._display: Any = None
        self._tally: Tally | None = None
        self._said: list[str] = []
        self._fetching = ""
        self._drawn = 0.0

    def __enter__(self) -> Self:
        from IPython.display import HTML, display  # noqa: PLC0415  only a kernel is sure to have it

        self._display = display(HTML(self.html()), display_id=True)
        return self

    def __exit__(self, *_: object) -> None:
        self._redraw()

    def plan(self, specs: Sequence[TrialSpec], results: Mapping[int, TrialResult], workers: int, total: int) -> None:
        """Start to show a sweep.

        `specs` are the trials known so far, `results` those already final, by trial number, and `total` is the least
        number of trials.
        """
        self._tally = Tally.of(specs, results, workers, total)

    def event(self, event: Event | None) -> None:
        """Show an event; None only redraws. Redraws at most every `REDRAW_SECONDS`."""
        if event is not None and self._tally is not None:
            self._tally.note(event, time.monotonic())
        match event:
            case Notice(text, trial):
                self._said.append(text if trial is None else f"{trial:04d}: {text}")
            case Ended(spec, _, result) if self._tally is not None and result.state is not TrialState.FINISHED:
                self._said.append(ended_line(self._tally, spec, result))
        if time.monotonic() - self._drawn > REDRAW_SECONDS:
            self._redraw()

    def fetch(self, name: str, done: int, total: int | None) -> None:
        """Show how much of a data set has been fetched; `done` and `total` are in bytes."""
        self._fetching = f"fetching {name}: {done / 1e6:.0f}{f' of {total / 1e6:.0f}' if total else ''} MB"
        if time.monotonic() - self._drawn > REDRAW_SECONDS:
            self._redraw()

    def html(self) -> str:
        """Return the current output as HTML."""
        messages = "".join(f"<div>{escaped(line)}</div>" for line in self._said)
        if self._tally is None:
            return f"<div>{escaped(self._fetching or 'starting workers …')}</div>{messages}"
        return f"{_total(self._tally)}{_running(self._tally)}{messages}"

    def _redraw(self) -> None:
        from IPython.display import HTML  # noqa: PLC0415

        self._drawn = time.monotonic()
        self._display.update(HTML(self.html()))


def _total(tally: Tally) -> str:
    now = time.monotonic()
    left = tally.seconds_left(now)
    words = [f"{tally.done}/{tally.total} trials", f"{duration(now - tally.begin)} elapsed"]
    if left is not None and tally.done < tally.total:
        words.append(f"{duration(left)} left")
    if tally.best is not None:
        spec, value, epoch = tally.best
        words.append(f"best {spec.objective} {number(value)} at epoch {epoch}: {spec.number:04d} {spec.label}")
    share = (tally.done + tally.share_running) / max(1, tally.total)
    return f"<div><progress value='{share:.4f}' max='1'></progress> {escaped(' · '.join(words))}</div>"


def _running(tally: Tally) -> str:
    rows = []
    for running in tally.running.values():
        progress = running.progress
        epoch = _epoch(progress) if progress else "starting"
        metrics = list(progress.metrics.items())[:SHOWN_METRICS] if progress else []
        values = "  ".join(f"{name} {number(value)}" for name, value in metrics)
        rows.append((f"{running.spec.number:04d}", running.spec.label, epoch, values))
    return html_table(["trial", "", "epoch", "metrics"], rows, [False] * 4) if rows else ""


def _epoch(progress: Progress) -> str:
    if progress.phase != "training":
        return progress.phase
    return f"{min(progress.epoch + 1, progress.epochs)}/{progress.epochs}"
