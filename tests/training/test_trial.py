"""Tests of `hpdash.Trial`, the object that a custom training loop receives."""

from __future__ import annotations

import copy
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hpdash import data
from hpdash.errors import TrialError
from hpdash.histograms.histogram import Histogram
from hpdash.logs.checkpoint import Checkpoint, Checkpointer
from hpdash.records import Progress, Reached
from hpdash.search import trials
from hpdash.spec import parse_sweep
from hpdash.training.attempt import Attempt
from hpdash.training.host import Diverged, Interrupted
from hpdash.training.trial import Trial


@dataclass
class Written:
    """A stand-in for a writer that records what it is given."""

    scalars: list[tuple[str, float, int, bool]] = field(default_factory=list)
    histograms: list[tuple[str, Histogram, int]] = field(default_factory=list)
    flushes: int = 0

    def scalar(self, tag: str, value: float, step: int, validation: bool = False) -> None:
        """Record a scalar."""
        self.scalars.append((tag, value, step, validation))

    def histogram(self, tag: str, histogram: Histogram, step: int) -> None:
        """Record a histogram."""
        self.histograms.append((tag, histogram, step))

    def flush(self) -> None:
        """Count the flush."""
        self.flushes += 1


@dataclass
class Told:
    """A stand-in for a host that records the reported progress and can be set to stop."""

    stopping: bool = False
    seen: list[Progress] = field(default_factory=list)
    asked: list[Reached] = field(default_factory=list)

    def progress(self, progress: Progress) -> None:
        """Record a progress report."""
        self.seen.append(progress)

    def notice(self, text: str) -> None:
        """Ignore a notice."""

    def ask_to_go_on(self, reached: Reached) -> bool:
        """Record the question, and answer that the trial goes on."""
        self.asked.append(reached)
        return True


def trial(
    objective: str = "validation/accuracy",
    goal: str = "max",
    settings: Mapping[str, Any] | None = None,
    kept: Checkpoint | None = None,
) -> tuple[Trial, Written, Told]:
    """Make a trial of three epochs on the digits; return it with its stand-in writer and host."""
    content = {
        "sweep": {"objective": objective, "goal": goal, "seed": 5},
        "data": {"name": "digits", "train": 30, "validation": 10, "scale": "unit", **(settings or {})},
        "train": {"epochs": 3, "loop": "loops:train"},
        "hparams": {"units": [[4, 2]]},
    }
    (spec,) = trials(parse_sweep(content, name="one", folder=Path()))
    dataset = data.load(spec.settings["data"], Path())
    split = data.split(dataset, spec.settings["data"])
    loaded = dataset, split, data.scaling(dataset, split, spec.settings["data"])
    writer, host = Written(), Told()
    checkpointer = Checkpointer(writer, spec.settings["log"], kept, 0.0)  # type: ignore[arg-type]  # a stand-in
    attempt = Attempt(spec, loaded, writer, host, checkpointer)  # type: ignore[arg-type]  # a stand-in
    return Trial(attempt), writer, host


def test_what_a_loop_is_set_to() -> None:
    """A loop gets its seed, its epochs, and its settings both as in the file and as TensorBoard shows them."""
    made, _, _ = trial()
    assert (made.number, made.seed, made.epochs, made.classes) == (0, 5, 3, 10)
    assert made.settings["model"]["units"] == [4, 2]
    assert made.hparams["units"] == "4-2"


@pytest.mark.parametrize(
    ("settings", "train", "validation"),
    [
        pytest.param({}, slice(0, 30), slice(-10, None), id="from-the-end"),
        pytest.param({"validation_from": "start"}, slice(10, 40), slice(0, 10), id="from-the-start"),
    ],
)
def test_data_are_cut_and_scaled(settings: Mapping[str, Any], train: slice, validation: slice) -> None:
    """Training and validation data are the slices that [data] names, in float32 and divided by the maximum.

    Labels are int32.
    """
    made, _, _ = trial(settings=settings)
    x, y = made._attempt.dataset.x_train, made._attempt.dataset.y_train
    np.testing.assert_array_equal(made.data.x_train, x[train].astype(np.float32) / np.float32(16))
    np.testing.assert_array_equal(made.data.x_validation, x[validation].astype(np.float32) / np.float32(16))
    np.testing.assert_array_equal(made.data.y_train, y[train])
    np.testing.assert_array_equal(made.data.y_validation, y[validation])
    assert made.data.x_train.dtype == np.float32
    assert made.data.y_train.dtype == np.int32
    assert made.data is made.data


def test_a_report_is_an_epoch_in_tensorboards_words() -> None:
    """A report writes metrics as `epoch_…`, those of validation to the sub-run, and then flushes the writer.

    Validation metrics can be spelled `validation_…` or `val_…`.
    """
    made, writer, _ = trial()
    made.report(1, loss=0.5, validation_accuracy=0.25, val_loss=1)
    assert writer.scalars == [
        ("epoch_loss", 0.5, 1, False), ("epoch_accuracy", 0.25, 1, True), ("epoch_loss", 1.0, 1, True)
    ]  # fmt: skip
    assert writer.flushes == 1
    assert made._attempt.metrics == {"loss": 0.5, "validation/accuracy": 0.25, "validation/loss": 1.0}


def test_scalars_and_histograms_of_ones_own() -> None:
    """A loop can write any series.

    The prefix `validation/` sends a series to the sub-run. An array of any shape is counted completely.
    """
    made, writer, _ = trial()
    made.scalar("pace", 1, 2)
    made.scalar("validation/pace", 3, 2)
    made.histogram("layer/kernel", np.ones((2, 3, 4)), 0)
    assert writer.scalars == [("pace", 1.0, 2, False), ("pace", 3.0, 2, True)]
    ((tag, histogram, step),) = writer.histograms
    assert (tag, step, histogram.counts.sum()) == ("layer/kernel", 0, 24)


@pytest.mark.parametrize(
    ("goal", "values", "epoch"),
    [
        pytest.param("max", [0.1, 0.3, 0.2], 2, id="max"),
        pytest.param("min", [0.1, 0.3, 0.05], 3, id="min"),
        pytest.param("max", [0.3, 0.3, 0.3], 1, id="ties-keep-the-first"),
        pytest.param("max", [math.nan, 0.1, math.nan], 2, id="nan-is-never-best"),
        pytest.param("max", [math.inf, 0.1, 0.2], 3, id="infinity-is-never-best"),
        pytest.param("max", [math.nan] * 3, None, id="nothing-finite"),
    ],
)
def test_the_best_epoch(goal: str, values: list[float], epoch: int | None) -> None:
    """The best epoch is the first one with the best finite value. Its metrics are written once, at the end."""
    made, writer, _ = trial(goal=goal)
    for number, value in enumerate(values, 1):
        made.report(number, loss=1 / number, validation_accuracy=value)
    writer.scalars.clear()
    made._attempt.write_best()
    assert made._attempt.best_epoch == epoch
    expected = [] if epoch is None else [("best/accuracy", values[epoch - 1], 3), ("best/epoch", float(epoch), 3)]
    assert [(tag, value, step) for tag, value, step, _ in writer.scalars] == expected


def test_a_training_objective_keeps_training_bests() -> None:
    """If the objective is a training metric, `best/…` has training metrics, not validation metrics."""
    made, writer, _ = trial("loss", "min")
    made.report(1, loss=0.5, accuracy=0.75, learning_rate=0.1, validation_loss=2)
    writer.scalars.clear()
    made._attempt.write_best()
    assert {tag: value for tag, value, _, _ in writer.scalars} == {
        "best/loss": 0.5, "best/accuracy": 0.75, "best/epoch": 1.0
    }  # fmt: skip


@pytest.mark.parametrize("name", ["loss", "validation_loss", "val_loss"])
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_loss_that_is_not_finite_ends_the_trial(name: str, value: float) -> None:
    """NaN or infinity in a loss raises Diverged after the report is written; in another metric it does not."""
    made, writer, _ = trial()
    made.report(1, validation_accuracy=0.1, other=value)
    with pytest.raises(Diverged):
        made.report(2, validation_accuracy=0.1, **{name: value})
    assert (made.epoch, writer.flushes) == (2, 2)


def test_an_objective_that_is_not_reported() -> None:
    """A report without the sweep's objective raises a TrialError that lists the reported metrics."""
    made, _, _ = trial()
    with pytest.raises(TrialError, match=r"sweep\.objective: expected one of loss, found validation/accuracy"):
        made.report(1, loss=1.0)


def test_a_report_without_metrics() -> None:
    """A report without metrics raises a TrialError that names the objective and says that there are none."""
    made, _, _ = trial()
    expected = r"sweep\.objective: expected a reported metric, found validation/accuracy\. .* without metrics"
    with pytest.raises(TrialError, match=expected):
        made.report(1)


def test_a_rung_that_is_left_out() -> None:
    """A report raises a TrialError if it leaves out an epoch after which trials are compared for pruning.

    Other epochs may be left out.
    """
    made, _, host = trial()
    made._attempt.spec = replace(made._attempt.spec, rungs=(2,), watch="validation/accuracy")
    made.report(1, validation_accuracy=0.5)
    with pytest.raises(TrialError, match=r"report: expected epoch 2, .* found epoch 3"):
        made.report(3, validation_accuracy=0.5)
    made.report(2, validation_accuracy=0.5)
    assert [reached.epoch for reached in host.asked] == [2]
    loose, _, host = trial()
    loose._attempt.spec = replace(loose._attempt.spec, rungs=(2,), watch="validation/accuracy")
    loose.report(2, validation_accuracy=0.5)
    assert [reached.epoch for reached in host.asked] == [2]


def test_progress_is_told() -> None:
    """A tick reports the fraction of the running epoch that is done, with the last metrics."""
    made, _, host = trial()
    made.report(1, validation_accuracy=0.5)
    made.tick(0.25, "compiling")
    assert host.seen[-1] == Progress(0, 1, 3, 0.25, {"validation/accuracy": 0.5}, "compiling")


def test_a_trial_stops_when_the_sweep_does() -> None:
    """If the sweep is stopping, a tick or a report raises Interrupted; the report of the last epoch does not."""
    made, _, host = trial()
    host.stopping = True
    with pytest.raises(Interrupted):
        made.tick(0.5)
    with pytest.raises(Interrupted):
        made.report(1, validation_accuracy=0.5)
    made.report(3, validation_accuracy=0.5)


@pytest.mark.parametrize(
    "read",
    [
        lambda made: made.hparams["units"],
        lambda made: made.hparams.get("units"),
        lambda made: dict(**made.hparams),
        lambda made: dict(made.hparams),
        lambda made: json.dumps(made.hparams),
        lambda made: list(made.hparams.items()),
        lambda made: made.settings["model"]["units"],
        lambda made: {**made.settings["model"]},
        lambda made: copy.deepcopy(made.hparams),
    ],
)
def test_what_is_swept_and_never_read_is_known(read: Callable[[Trial], object]) -> None:
    """A swept hyperparameter is unread until the loop reads it, in whichever way.

    Asking for the number of epochs counts as reading it.
    """
    made, _, _ = trial()
    assert made.epochs == 3
    assert made.hparams["name"] == "digits"
    assert made._attempt.unread() == ["units"]
    read(made)
    assert made._attempt.unread() == []
