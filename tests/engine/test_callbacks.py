"""Tests of what happens between a trial's epochs: when a trial stops, and how its learning rate changes."""

from __future__ import annotations

import math
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from driven import series

from hpdash.engine.callbacks import schedule
from hpdash.logs.run_folder import prepare
from hpdash.records import Progress, Reached, TrialResult, TrialSpec, TrialState
from hpdash.search import trials
from hpdash.spec import parse_sweep
from hpdash.training.trainer import Trainer

DIGITS = """
[sweep]
name = "digits"
objective = "{objective}"
[data]
name = "digits"
train = 300
validation = 100
[model]
hidden = [8]
[train]
epochs = 8
optimizer = "adam"
learning_rate = 0.01
{train}
[log]
checkpoint_epochs = 1
[hparams]
batchnorm = ["before"]
"""
STOPPING = "patience = 2\nmin_delta = 0.2"
PLATEAU = 'schedule = "plateau"\ndecay_epochs = 1\ndecay = 0.5\nmin_delta = 0.3\nmin_learning_rate = 0.001'
COSINE = 'schedule = "cosine"'


class Host:
    """A host that stops a trial after an epoch."""

    def __init__(self, last: int = 10**9) -> None:
        self.last, self.epoch = last, 0

    @property
    def stopping(self) -> bool:
        """Whether the last epoch has been reached."""
        return self.epoch >= self.last

    def progress(self, progress: Progress) -> None:
        """Record the trial's epoch."""
        self.epoch = progress.epoch

    def notice(self, text: str) -> None:
        """Fail, because no notice is expected."""
        raise AssertionError(text)

    def ask_to_go_on(self, reached: Reached) -> bool:
        """Let every trial continue."""
        return True


def spec(train: str, objective: str = "validation/accuracy") -> TrialSpec:
    """Return the sweep's only trial."""
    content = DIGITS.format(train=train, objective=objective)
    return trials(parse_sweep(content, name="digits.toml", folder=Path()))[0]


def rates(folder: Path) -> list[float]:
    """Return the learning rate of each epoch."""
    found = {step: value for (_, tag, step), value in series(folder).items() if tag == "epoch_learning_rate"}
    return [float(np.frombuffer(found[step][-4:], "<f4")[0]) for step in sorted(found)]


@pytest.fixture(scope="module")
def trainer() -> Trainer:
    """Return a trainer that all tests share; it reuses one graph, because no setting here is compiled into it."""
    return Trainer(Path())


def train(trainer: Trainer, folder: Path, settings: str, stops: tuple[int, ...] = ()) -> TrialResult:
    """Train the trial, interrupted after each of the given epochs and then resumed."""
    run = folder / "run"
    folder.mkdir(exist_ok=True)
    for attempt, last in enumerate((*stops, 10**9), 1):
        epoch, trouble = prepare(run, attempt, resume=True)
        assert not trouble
        result = trainer.run(spec(settings), run, "digits/0000", Host(last), epoch)
    return result


def test_patience(trainer: Trainer, tmp_path: Path) -> None:
    """A trial finishes early when its objective has not improved by `min_delta` for `patience` epochs."""
    result = train(trainer, tmp_path, STOPPING)
    assert (result.state, result.epochs < 8) == (TrialState.FINISHED, True)
    whole = train(trainer, tmp_path / "whole", "")
    assert (whole.state, whole.epochs) == (TrialState.FINISHED, 8)


@pytest.mark.parametrize("settings", ["patience = 1", PLATEAU.replace("0.3", "0")])
def test_an_error_that_falls_improves(trainer: Trainer, tmp_path: Path, settings: str) -> None:
    """Early stopping and plateau see a falling error as an improvement."""
    name = "sparse_categorical_crossentropy"
    run = tmp_path / "run"
    falling = f'{settings}\nmetrics = ["{name}"]'
    result = trainer.run(spec(falling, f"validation/{name}"), run, "digits/0000", Host())
    found = {step: value for (_, tag, step), value in series(tmp_path).items() if tag == f"epoch_{name}"}
    assert found, series(tmp_path).keys()
    assert (result.state, result.epochs) == (TrialState.FINISHED, 8)
    assert rates(tmp_path) == pytest.approx([0.01] * 8)


def test_a_plateau(trainer: Trainer, tmp_path: Path) -> None:
    """The learning rate halves when the objective does not improve, down to the minimum learning rate.

    The rate that is logged for an epoch is the rate that the epoch used.
    """
    train(trainer, tmp_path, PLATEAU)
    found = rates(tmp_path)
    assert found[0] == pytest.approx(0.01)
    assert found[-1] == pytest.approx(0.001)
    for before, after in pairwise(found):
        assert any(after == pytest.approx(rate) for rate in (before, before / 2, 0.001))


def test_a_schedule_is_followed(trainer: Trainer, tmp_path: Path) -> None:
    """The logged learning rates follow the schedule epoch by epoch, and the schedule does not change the graph."""
    result = train(trainer, tmp_path, COSINE)
    assert rates(tmp_path) == pytest.approx([0.005 * (1 + math.cos(math.pi * n / 8)) for n in range(8)])
    assert result.reused_graph
    assert spec(COSINE).graph_key == spec(PLATEAU).graph_key == spec(STOPPING).graph_key == spec("").graph_key


SCHEDULES = {
    "exponential": ('schedule = "exponential"\ndecay = 0.5', [1, 0.5, 0.25, 0.125]),
    "step": ('schedule = "step"\ndecay_epochs = 2', [1, 1, 0.1, 0.1, 0.01]),
    "cosine": ('schedule = "cosine"\nmin_learning_rate = 0.5', [1, 0.5 + 0.25 * (1 + math.cos(math.pi / 8))]),
}


@pytest.mark.parametrize(("train", "expected"), SCHEDULES.values(), ids=SCHEDULES.keys())
def test_schedules(train: str, expected: list[float]) -> None:
    """Each schedule starts at the initial learning rate and is a function of the epoch."""
    made = schedule(spec(train).settings["train"], 1.0)
    assert [made(epoch) for epoch in range(len(expected))] == pytest.approx(expected)


@pytest.mark.parametrize("settings", [STOPPING, PLATEAU, f"{COSINE}\npatience = 3\nmin_delta = 0.1"])
def test_stopped_and_gone_on_with(trainer: Trainer, tmp_path: Path, settings: str) -> None:
    """A trial interrupted after epochs 1, 5 and 7 has the epochs, rates and bits of an uninterrupted one."""
    whole = train(trainer, tmp_path / "whole", settings)
    parts = train(trainer, tmp_path / "parts", settings, (1, 5, 7))
    assert (parts.epochs, parts.weights_sha256) == (whole.epochs, whole.weights_sha256)
    assert parts.state is whole.state is TrialState.FINISHED
    assert series(tmp_path / "parts") == series(tmp_path / "whole")
