"""Tests of row 11 in README.md: trials that are tried again, from the start or from a checkpoint.

The tests check what real TensorBoard processes show of such trials.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

import pytest
from boards import Board
from commands import hpdash
from driven import driving
from sweep_files import made_sweep

from hpdash.logs import layout

# The trials of both sweeps die in their fourth epoch, once or twice, after the test has seen the third in TensorBoard.
LOOPS = """
import os, signal, time
from pathlib import Path
import numpy as np

HERE = Path(__file__).parent

def behave(trial, name="own"):
    if trial.epoch == 0:
        trial.histogram("hidden_1/kernel", np.arange(9.0), 0)
    for epoch in range(trial.epoch + 1, trial.epochs + 1):
        if epoch == 4:
            die(f"{name}-{trial.number}", trial.hparams["deaths"])
        trial.histogram("hidden_1/kernel", np.arange(9.0) * epoch, epoch)
        trial.report(epoch, loss=1 / epoch, validation_accuracy=epoch / 5)

def keep(trial):
    trial.checkpoint(lambda: {"nothing": np.zeros(1)})
    behave(trial, "kept")

def die(name, deaths):
    while not (HERE / "seen").exists():
        time.sleep(0.05)
    if len(list(HERE.glob(f"{name}-died-*"))) < deaths:
        (HERE / f"{name}-died-{os.getpid()}").touch()
        os.kill(os.getpid(), signal.SIGKILL)
"""
RUNS = ["own/0000-deaths=1", "own/0001-deaths=2", "kept/0000-deaths=1"]
SERIES = [  # plugin, suffix of the run's name, tag, first step
    ("scalars", "", "epoch_loss", 1),
    ("scalars", "/validation", "epoch_accuracy", 1),
    ("histograms", "", "hidden_1/kernel", 0),
]
Shown = dict[tuple[str, str], list[int]]


def shown(board: Board) -> Shown:
    """Return the steps that TensorBoard shows of every series, in its order: (run, tag) -> steps."""
    found: Shown = {}
    for run in RUNS:
        for plugin, below, tag, _ in SERIES:
            try:
                points = board.get(f"plugin/{plugin}/{plugin}", run=run + below, tag=tag)
            except HTTPError:  # not logged yet
                points = []
            found[run + below, tag] = [step for _, step, _ in points]
    return found


def whole(last: int) -> Shown:
    """Return what TensorBoard must show of trials that have ended after the epoch `last`."""
    return {(run + below, tag): list(range(first, last + 1)) for run in RUNS for _, below, tag, first in SERIES}


@dataclass
class Lab:
    """What a TensorBoard showed that ran during both sweeps."""

    folder: Path
    polled: list[Shown] = field(default_factory=list)
    given_up: dict[str, Any] = field(default_factory=dict)

    def watch(self, board: Board, last: int, runs: list[str]) -> None:
        """Poll TensorBoard until it shows these runs up to an epoch."""

        def there(board: Board) -> bool:
            self.polled.append(shown(board))
            return all(
                steps[-1:] == [last] for (run, _), steps in self.polled[-1].items() if run.startswith(tuple(runs))
            )

        board.until(there)


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """Run both sweeps under a live TensorBoard.

    One trial is given up, and finishes when the command is run again.
    """
    folder = tmp_path_factory.mktemp("retried")
    for name, loop, deaths in (("own", "loops:behave", [1, 2]), ("kept", "loops:keep", [1])):
        tables = {"train": {"epochs": 5}, "log": {"checkpoint_epochs": 2}, "hparams": {"deaths": deaths}}
        made_sweep(folder, name=name, loop=loop, source=LOOPS, **tables)
    (folder / "logs").mkdir()
    lab = Lab(folder)
    with (
        driving(folder / "kept.toml", "--workers", "1") as kept,
        driving(folder / "own.toml", "--workers", "2") as own,
        Board(folder / "logs", "true", "--reload_interval=1") as board,
    ):
        lab.watch(board, 3, RUNS)
        (folder / "seen").touch()
        told = [driver.communicate(timeout=60)[1] for driver in (own, kept)]
        assert (own.returncode, kept.returncode) == (1, 0), told
        lab.watch(board, 5, [RUNS[0], RUNS[2]])
        board.until(lambda board: "STATUS_FAILURE" in board.groups().get("own/0001", {}).get("statuses", ()))
        lab.given_up = board.groups()
        lab.polled.append(shown(board))
        assert hpdash("sweep", "own.toml", cwd=folder).returncode == 0
        lab.watch(board, 5, RUNS)
    yield lab


@pytest.fixture(scope="module")
def boards(lab: Lab) -> Iterator[dict[str, Board]]:
    """Start a TensorBoard with each of the two loaders after the sweeps have ended."""
    with ExitStack() as stack:
        started = {fast: stack.enter_context(Board(lab.folder / "logs", fast)) for fast in ("true", "false")}
        for board in started.values():
            board.until(lambda board: all(steps[-1:] == [5] for steps in shown(board).values()))
            board.until(lambda board: len(board.groups()) == len(RUNS))
        yield started


def test_the_trials_died_as_they_should(lab: Lab) -> None:
    """One trial resumed from its checkpoint; the others started again, one of them twice."""
    attempts = {run: sorted(path.name for path in (lab.folder / "logs" / run / "attempts").glob("*")) for run in RUNS}
    assert attempts == {RUNS[0]: ["1"], RUNS[1]: ["1", "2"], RUNS[2]: []}
    assert len(layout.event_files(lab.folder / "logs" / RUNS[2])) == 2


def test_a_live_board_shows_no_zig_zag(lab: Lab) -> None:
    """A live TensorBoard shows each step once and in order at any time, and at the end no step is missing."""
    for looked in lab.polled:
        for series, steps in looked.items():
            assert all(one < other for one, other in pairwise(steps)), (series, steps)
    assert lab.polled[-1] == whole(5)


def test_a_trial_that_is_given_up_is_one_failed_session(lab: Lab) -> None:
    """The two attempts of a trial that is given up are one failed session, with the metrics of the trained epochs."""
    assert lab.given_up["own/0001"]["statuses"] == ["STATUS_FAILURE"]
    assert lab.given_up["own/0001"]["metrics"]["/epoch_loss"] == pytest.approx(1 / 3)
    assert [lab.given_up[name]["statuses"] for name in ("own/0000", "kept/0000")] == [["STATUS_SUCCESS"]] * 2


both_loaders = pytest.mark.parametrize("load_fast", ["true", "false"])


@both_loaders
def test_a_board_started_afterwards_shows_each_step_once(boards: dict[str, Board], load_fast: str) -> None:
    """A TensorBoard started afterwards shows every step once and in order, and nothing of earlier attempts."""
    assert shown(boards[load_fast]) == whole(5)


@both_loaders
def test_a_trial_is_one_session(boards: dict[str, Board], load_fast: str) -> None:
    """Every trial is one successful session with its last metrics, which are not averaged over its attempts."""
    groups = boards[load_fast].groups()
    assert groups.keys() == {"own/0000", "own/0001", "kept/0000"}
    assert all(group["statuses"] == ["STATUS_SUCCESS"] for group in groups.values())
    for name in groups:
        assert groups[name]["metrics"]["/epoch_loss"] == pytest.approx(1 / 5)
        assert groups[name]["metrics"]["validation/epoch_accuracy"] == pytest.approx(1)
