"""Tests of kept weights and of evaluation on the test set.

Trials are selected on validation data, the test set is opened once, and every evaluation is reported.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from commands import invoke
from driven import snapshot, trial_folder, values
from made import trial
from resumed import EPOCHS, kill, resume
from trained import HERE, Listener, run

import hpdash
from hpdash import Options, data, run_sweep
from hpdash.backends.base import Queue
from hpdash.errors import DataError, LogdirError, SpecError
from hpdash.evaluation import Evaluated, evaluate
from hpdash.evaluation.scoring import Scores, TrialToScore, score
from hpdash.evaluation.selection import pick_sweep, select
from hpdash.journal.entries import EVALUATION, kind_of
from hpdash.journal.journal import Journal, lock, read_journal
from hpdash.logs import kept_weights, layout
from hpdash.reader import read
from hpdash.records import Ended, Event, Started, TrialResult, TrialSpec, TrialState
from hpdash.search import trials
from hpdash.spec import parse_sweep
from hpdash.sweep_folder.sweep_json import SweepRecord
from hpdash.testset import Evaluation, Score
from hpdash.training.trainer import Trainer

SWEEP: dict[str, dict[str, Any]] = {
    "sweep": {"name": "s"},
    "data": {"name": "digits", "train": 300, "validation": 200, "scale": "standard"},
    "model": {"hidden": [12]},
    "train": {"epochs": 3, "optimizer": "adam", "learning_rate": 0.01},
    "hparams": {"kernel_initializer": ["zeros", "he_normal", "glorot_normal"]},
}


class Here:
    """A backend that trains in this process, with a trainer that compiles the graph of this module once."""

    def __init__(self, trainer: Trainer) -> None:
        self._trainer = trainer

    def run(self, queue: Queue) -> Iterator[Event]:
        """Run one task after another."""
        while (task := queue.take(())) is not None:
            yield Started(task.spec, task.attempt, 0)
            result = self._trainer.run(task.spec, task.run, task.group, Listener())
            yield Ended(task.spec, task.attempt, result)

    def close(self) -> None:
        """Do nothing: there is no process to end."""


@pytest.fixture(scope="module")
def trainer() -> Trainer:
    """Return the trainer of every trial of this module, in this process."""
    return Trainer(HERE)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, trainer: Trainer) -> Path:
    """Train three trials once; return the logs root."""
    logs = tmp_path_factory.mktemp("trained") / "logs"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("hpdash.driver.runner.LocalBackend", lambda *_: Here(trainer))
        assert run_sweep(SWEEP, logs, Options(workers=1)).exit_code == 0
    return logs


@pytest.fixture(scope="module")
def looked(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Evaluated]:
    """Evaluate all three trials on the test set, in a copy; return the copy's logs root and the result."""
    logs = tmp_path_factory.mktemp("looked") / "logs"
    shutil.copytree(trained, logs)
    return logs, evaluate(logs, top=3)


@pytest.fixture
def logs(trained: Path, tmp_path: Path) -> Path:
    """Copy the trained sweep, so that a test may change it; return the logs root."""
    shutil.copytree(trained, tmp_path / "logs")
    return tmp_path / "logs"


@pytest.fixture
def seen(looked: tuple[Path, Evaluated], tmp_path: Path) -> Path:
    """Copy the sweep that has been evaluated on the test set; return the logs root."""
    shutil.copytree(looked[0], tmp_path / "logs")
    return tmp_path / "logs"


def alone(folder: Path) -> np.ndarray[Any, Any]:
    """Return what plain Keras predicts for the test set with a trial's kept weights."""
    os.environ["KERAS_BACKEND"] = "tensorflow"
    import keras

    settings = SWEEP["data"]
    dataset = data.load(settings, folder)
    split = data.split(dataset, settings)
    part = dataset.x_train[split.train.start : split.train.stop].astype(np.float64)
    assert dataset.x_test is not None
    x = (dataset.x_test - part.mean()) / part.std()  # mean and std of the training part only
    kept = np.load(folder / layout.WEIGHTS)
    layers = [keras.layers.Dense(12, "relu"), keras.layers.Dense(10, "softmax")]
    model = keras.Sequential([keras.Input((8, 8)), keras.layers.Flatten(), *layers])
    model.set_weights([kept[name] for name in ("hidden_1/kernel", "hidden_1/bias", "output/kernel", "output/bias")])
    return np.asarray(model.predict(x, verbose=0))


def test_the_ensemble_is_the_mean_of_what_plain_keras_predicts(looked: tuple[Path, Evaluated]) -> None:
    """Accuracy and loss equal those of plain Keras with the kept weights.

    Those of the ensemble equal those of the mean of the predictions, computed by NumPy.
    """
    logs, found = looked
    y = data.load(SWEEP["data"], logs).y_test
    assert y is not None
    said = [alone(trial_folder(logs / "s", each.trial)) for each in found.evaluation.scores]
    assert found.evaluation.ensemble is not None
    figures = [each.test for each in found.evaluation.scores]
    for told, predicted in zip([*figures, found.evaluation.ensemble], [*said, np.mean(said, axis=0)], strict=True):
        assert told["accuracy"] == pytest.approx((predicted.argmax(1) == y).mean(), abs=1e-6)
        assert told["loss"] == pytest.approx(-np.log(predicted[np.arange(len(y)), y]).mean(), rel=1e-4)
    assert found.evaluation.gain["accuracy"] == found.evaluation.ensemble["accuracy"] - figures[0]["accuracy"]


def test_the_best_on_validation_are_selected_in_their_order(looked: tuple[Path, Evaluated]) -> None:
    """Trials are selected by their best validation accuracy in the journal, whatever the test set says.

    Each is evaluated with the weights of its best epoch.
    """
    logs, found = looked
    results = {number: record.result for number, record in read_journal(logs / "s" / layout.JOURNAL).latest.items()}
    best = {number: result.best["validation/accuracy"] for number, result in results.items() if result}
    assert [each.trial for each in found.evaluation.scores] == sorted(best, key=lambda number: -best[number])
    for each in found.evaluation.scores:
        result = results[each.trial]
        assert result is not None
        assert (each.validation, each.epoch, each.sha256) == (
            best[each.trial], result.best_epoch, result.kept_sha256,
        )  # fmt: skip


def test_a_look_is_in_the_journal_and_changes_no_state(looked: tuple[Path, Evaluated], trained: Path) -> None:
    """An evaluation adds one line to the journal and changes no trial; the line is read back as it was written."""
    before, after = (read_journal(logs / "s" / layout.JOURNAL) for logs in (trained, looked[0]))
    assert [each.evaluation for each in after.evaluations] == [looked[1].evaluation]
    assert after.evaluations[0].seq == len(before.transitions) + 1
    assert after.transitions == before.transitions
    assert after.warnings == ()


def test_tensorboard_shows_it_at_the_epoch_of_the_weights(looked: tuple[Path, Evaluated]) -> None:
    """Each selected run has `test/accuracy` and `test/loss` once, at the epoch of its weights.

    The run's other data are untouched, and the reader returns the new values.
    """
    logs, found = looked
    runs = {run.number: run for run in read(logs).runs}
    for each in found.evaluation.scores:
        told = [(value.tag, step) for step, value in values(trial_folder(logs / "s", each.trial))]
        assert sorted(pair for pair in told if pair[0].startswith("test/")) == [
            ("test/accuracy", each.epoch), ("test/loss", each.epoch),
        ]  # fmt: skip
        assert runs[each.trial].scalars["test/accuracy"].last == pytest.approx(each.test["accuracy"])
    assert hpdash.verify(logs).is_damaged is False


def test_a_second_evaluation_opens_nothing(seen: Path) -> None:
    """A second evaluation with the same selection, or the first part of it, is answered from the journal.

    No file changes and no child process starts.
    """
    before = snapshot(seen)
    for top in ("3", "1"):
        shown = invoke("evaluate", str(seen), "--top", top, "--json")
        assert shown.exit_code == 0, shown.output
        assert json.loads(shown.stdout)["opened"] is False
    assert snapshot(seen) == before


def test_scalars_that_a_death_has_left_out_are_added(seen: Path) -> None:
    """Test scalars that are missing, because an evaluation died after its journal line, are written by the next call.

    The test set is not opened again.
    """
    folder = trial_folder(seen / "s", 0)
    last = layout.event_files(folder)[-1]
    lost = last.read_bytes()
    last.unlink()
    assert evaluate(seen, top=3).opened is False
    assert len(layout.event_files(folder)[-1].read_bytes()) == len(lost)
    assert "test/loss" in {run.number: run for run in read(seen).runs}[0].scalars


def test_another_selection_needs_again_and_is_told_of_everywhere(seen: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another selection is refused with exit code 2 and a reason, unless --again is given.

    With --again it is evaluation 2, and the table, `ls`, `show` and the report say so.
    """
    monkeypatch.setattr(
        "hpdash.evaluation.in_child", lambda *_, **__: Scores(360, ({"loss": 1.0, "accuracy": 0.5},), None)
    )
    journal = seen / "s" / layout.JOURNAL
    evaluation = read_journal(journal).evaluations[0].evaluation
    best, *_, worst = evaluation.scores
    lines = [line for line in journal.read_bytes().splitlines(keepends=True) if kind_of(line) != EVALUATION]
    journal.write_bytes(b"".join(lines))
    with Journal.open(journal) as opened:
        opened.append_evaluation(replace(evaluation, scores=(worst,), ensemble=None))
    refused = invoke("evaluate", str(seen))
    assert refused.exit_code == 2
    for part in (f"({worst.trial:04d}), found another ({best.trial:04d})", "test set of digits", "--again"):
        assert part in refused.stderr
    told = invoke("evaluate", str(seen), "--again").stdout
    assert "2 evaluations on the test set" in told
    assert "Evaluation 2 on this test set" in told
    assert "2 evaluations on the test set" in invoke("ls", str(seen)).stdout
    shown = invoke("show", f"s/{best.trial}", "--logdir", str(seen)).stdout
    assert "(evaluation 2, selected after earlier test results" in shown
    hpdash.report(seen, seen.parent / "report.html")
    assert "2 evaluations on the test set" in (seen.parent / "report.html").read_text()


def test_show_prints_test_metrics(looked: tuple[Path, Evaluated]) -> None:
    """`show` prints the test metrics of a selected run, also among the series."""
    logs, found = looked
    score = found.evaluation.scores[0]
    shown = invoke("show", f"s/{score.trial}", "--logdir", str(logs)).stdout
    assert f"test set: accuracy {score.test['accuracy']:.4f}" in shown
    assert "test/accuracy" in shown
    about = json.loads(invoke("show", f"s/{score.trial}", "--logdir", str(logs), "--json").stdout)
    assert about["looks"][0]["scores"][0]["test"] == score.test


def test_the_driver_loads_no_tensorflow(looked: tuple[Path, Evaluated]) -> None:
    """Evaluation runs in a child process: the process that calls `hpdash.evaluate` loads no TensorFlow."""
    assert looked[1].opened
    source = f"import sys, hpdash\nhpdash.evaluate({str(looked[0])!r}, top=3)\nsys.exit('tensorflow' in sys.modules)"
    assert os.spawnl(os.P_WAIT, sys.executable, sys.executable, "-c", source) == 0


def hurt(path: Path) -> None:
    """Change one weight in a file."""
    kept = kept_weights.read(path)
    kept["output/bias"][0] += 1
    np.savez(path, **kept)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("harm", "reason"),
    [
        pytest.param(hurt, r"weights\.npz .*SHA-256.*journal.*--new", id="other"),
        pytest.param(lambda path: path.write_bytes(path.read_bytes()[:-9]), "cannot be read", id="cut"),
        pytest.param(Path.unlink, r"kept weights: .*weights\.npz is gone.*--new", id="gone"),
    ],
)
def test_damaged_weights_open_nothing(logs: Path, harm: Any, reason: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """If the weights do not match the journal, evaluation exits with 4 before it opens the test set.

    `hpdash verify` finds the damage.
    """
    monkeypatch.setattr("hpdash.evaluation.in_child", lambda work, job, _, **__: work(job, None))
    for folder in (logs / "s").glob("000*"):
        harm(folder / layout.WEIGHTS)
    with pytest.raises(LogdirError, match=reason):
        evaluate(logs)
    assert read_journal(logs / "s" / layout.JOURNAL).evaluations == ()
    found = hpdash.verify(logs).checked.damage
    assert [each.path.name for each in found] == [layout.WEIGHTS] * 3


def test_a_driver_that_runs_the_sweep_is_in_the_way(logs: Path) -> None:
    """If another process holds the sweep's lock, `hpdash evaluate` exits with 3."""
    with lock(logs / "s"):
        assert invoke("evaluate", str(logs)).exit_code == 3


ABOUT = SweepRecord({"name": "s", "data": {"name": "mnist"}, "train": {}, "log": {}}, 4, {}, "")
DIGEST = {"kept_sha256": "a", "kept_epoch": 1}


def made(*accuracies: tuple[float, ...], repeats: int = 1, **more: Any) -> list[Any]:
    """Make finished trials that have kept weights and the given validation accuracies."""
    return [trial(n, *each, repeats=repeats, result=DIGEST, **more) for n, each in enumerate(accuracies)]


def test_a_settings_mean_selects_then_its_best_seed() -> None:
    """Settings are ranked by the mean over their seeds, so a worse setting with one lucky seed does not win.

    Of the best setting, the best seed comes first, then the other seeds.
    """
    chosen = select(made((0.9,), (0.1,), (0.7,), (0.8,), repeats=2), ABOUT, top=3)
    assert [each.run.number for each in chosen] == [3, 2, 0]


def test_the_value_is_that_of_the_weights_that_were_kept() -> None:
    """If the last weights were kept, trials are ranked by their last value, not by their best."""
    runs = [
        trial(n, *each, result={"kept_sha256": "a", "kept_epoch": 2}) for n, each in enumerate([(0.9, 0.1), (0.5, 0.6)])
    ]
    assert [(each.run.number, each.value) for each in select(runs, ABOUT, top=2)] == [(1, 0.6), (0, 0.1)]


def test_only_finished_trials_are_selected_from() -> None:
    """A trial that was killed, has diverged or still runs is never selected, however good its value is."""
    states = (TrialState.KILLED, TrialState.DIVERGED, TrialState.RUNNING)
    others = [trial(n, 0.9, status=state, result=DIGEST) for n, state in enumerate(states, 1)]
    assert [each.run.number for each in select([*made((0.5,)), *others], ABOUT)] == [0]


@pytest.mark.parametrize(
    ("hparams", "result", "top", "reason"),
    [
        pytest.param({"validation": "test"}, DIGEST, 1, 'found validation = "test"', id="on-the-test-set"),
        pytest.param({"name": "synthetic"}, DIGEST, 1, "found synthetic data", id="synthetic"),
        pytest.param({"loop": "a:b"}, DIGEST, 1, "training loop, a:b", id="own-loop"),
        pytest.param({}, {}, 1, r"weights, found none\. .*\[log\] weights = .best. and --new", id="nothing-kept"),
        pytest.param({}, DIGEST, 2, "--top: expected at most 1, .* found 2", id="too-many"),
    ],
)
def test_what_is_no_selection_on_validation_is_refused(
    hparams: dict[str, Any], result: dict[str, Any], top: int, reason: str
) -> None:
    """A selection that is not made on validation data raises a SpecError with the reason and the remedy."""
    with pytest.raises(SpecError, match=reason):
        select([trial(0, 0.5, hparams=hparams, result=result)], ABOUT, top)


def test_several_sweeps_are_asked_for(tmp_path: Path) -> None:
    """If --sweep is missing, the error names the sweeps; for a wrong name it suggests the nearest one.

    If there is no sweep, the error says so.
    """
    runs = [trial(0, 0.5, sweep=name) for name in ("mnist", "cifar")]
    assert pick_sweep(runs, "cifar") == Path("logs/cifar")
    lost = replace(trial(1, 0.5, sweep="cifar"), name="cifar/0001", folder=Path("logs/cifar"))  # it has no folder
    assert pick_sweep([*runs, lost], "cifar") == Path("logs/cifar")
    with pytest.raises(SpecError, match="mnist or cifar, found none"):
        pick_sweep(runs, None)
    with pytest.raises(SpecError, match="Did you mean mnist"):
        pick_sweep(runs, "mnits")
    with pytest.raises(SpecError, match="LOGDIR: expected an hpdash sweep, found none"):
        pick_sweep([], None)


def test_data_without_a_test_set_are_refused(tmp_path: Path) -> None:
    """A user's data without a test set raise a DataError with the reason and exit code 4."""
    rng = np.random.default_rng(0)
    np.savez(tmp_path / "own.npz", x_train=rng.normal(size=(60, 3)), y_train=rng.integers(0, 2, 60))
    sweep = parse_sweep({"data": {"name": "own.npz"}, "hparams": {"epochs": [1]}}, name="own", folder=tmp_path)
    (spec,) = trials(sweep)
    with pytest.raises(DataError, match="expected a test set, x_test and y_test, found none") as caught:
        score(([TrialToScore("own/0000", spec, tmp_path / layout.WEIGHTS, "", 0.5)], tmp_path), lambda _: None)
    assert caught.value.exit_code == 4


def test_a_look_is_read_as_it_was_written(tmp_path: Path) -> None:
    """An evaluation's journal line is read back completely, also with infinite numbers, which JSON lacks.

    A line with a wrong checksum is skipped with a warning.
    """
    score = Score(3, 2, "ab", 0.5, {"loss": float("inf"), "accuracy": 0.25})
    ensemble = {"loss": float("-inf"), "accuracy": 0.5}
    evaluation = Evaluation(2, "mnist", 10, "validation/accuracy", "max", (score,), ensemble)
    path = tmp_path / layout.JOURNAL
    with Journal.open(path) as journal:
        journal.append(3, TrialState.FINISHED, 1, TrialResult(TrialState.FINISHED))
        journal.append_evaluation(evaluation)
    with Journal.open(path) as journal:
        assert journal.append(4, TrialState.RUNNING, 1).seq == 3
    replay = read_journal(path)
    assert [each.evaluation for each in replay.evaluations] == [evaluation]
    assert [record.seq for record in replay.transitions] == [1, 3]
    path.write_bytes(path.read_bytes().replace(b"mnist", b"mnest"))
    assert [record.seq for record in read_journal(path).transitions] == [1, 3]
    assert "line 2: its checksum does not match" in read_journal(path).warnings[0]


def one(objective: dict[str, str], log: dict[str, Any]) -> TrialSpec:
    """Return one trial that uses the graph of the sweep, with the given keys of [sweep] and [log]."""
    tables = {**SWEEP, "sweep": objective, "train": {**SWEEP["train"], "epochs": EPOCHS}, "log": log}
    tables["hparams"] = {"kernel_initializer": ["he_normal"]}
    return trials(parse_sweep(tables, name="one", folder=HERE))[0]


def record_of(folder: Path) -> dict[str, bytes]:
    """Return the kept weights of a run as bytes."""
    return {name: values.tobytes() for name, values in kept_weights.read(folder / layout.WEIGHTS).items()}


def test_a_trial_killed_between_a_best_and_its_checkpoint_keeps_the_right_weights(
    tmp_path: Path, trainer: Trainer
) -> None:
    """A trial killed after a best epoch and before its checkpoint ends with the right kept weights when resumed.

    They equal those of an undisturbed trial, and no temporary file is left.
    """
    spec = one({}, {"checkpoint_epochs": 2})
    whole = run(trainer, spec, tmp_path / "whole")
    assert whole.best_epoch == EPOCHS  # so kept weights are newer than the only checkpoint, that of epoch 2
    for epoch in (1, 3):
        folder = kill(trainer, spec, tmp_path / str(epoch), epoch)
        assert layout.pending_weights_files(folder)
        result = resume(trainer, spec, folder)
        assert (result.kept_epoch, result.kept_sha256) == (whole.kept_epoch, whole.kept_sha256)
        assert record_of(folder) == record_of(tmp_path / "whole" / folder.name)
        assert layout.pending_weights_files(folder) == []


def checkpointer(
    run_folder: Path, epoch: int, before: kept_weights.KeptWeights | None = None
) -> kept_weights.WeightsKeeper:
    """Return the keeper of a run's weights after it has kept weights whose values are the given epoch."""
    made = kept_weights.WeightsKeeper(
        run_folder, kept_weights.BEST, lambda: [("a/b", np.full(3, float(epoch)))], before
    )
    made.after_best(epoch)
    return made


@pytest.mark.parametrize(
    ("when", "epoch"),
    [
        pytest.param("before its checkpoint", 1, id="before-its-checkpoint"),
        pytest.param("after its checkpoint", 2, id="between-the-checkpoint-and-the-name"),
        pytest.param("at the end", None, id="between-the-end-and-the-journal"),
    ],
)
def test_kept_weights_follow_the_checkpoint(tmp_path: Path, when: str, epoch: int | None) -> None:
    """After a death at the second best epoch, a resumed trial keeps no weights that its checkpoint does not mention.

    This matters because the resumed trial may compute other bits.
    """
    first = checkpointer(tmp_path, 1)
    told = first.sync()
    first.settle()
    second = checkpointer(tmp_path, 2, told)
    if when == "after its checkpoint":
        told = second.sync()
    elif when == "at the end":  # the checkpoint has epoch 1, the file epoch 2
        second.end(3, best_epoch=2)
    again = kept_weights.WeightsKeeper(tmp_path, kept_weights.BEST, lambda: [], told)
    assert layout.pending_weights_files(tmp_path) == []
    assert again.end(3, best_epoch=epoch or 1).get("kept_epoch") == epoch
    path = tmp_path / layout.WEIGHTS
    assert (kept_weights.read(path)["a/b"][0] if path.exists() else None) == epoch


@pytest.mark.parametrize(("mode", "epoch"), [("best", 1), ("last", EPOCHS), ("none", None)])
def test_the_sweep_file_says_which_weights_are_kept(
    mode: str, epoch: int | None, tmp_path: Path, trainer: Trainer
) -> None:
    """The sweep file says whether the weights of the best epoch, of the last epoch or none are kept.

    The digest of the last epoch's weights equals that of the final weights.
    """
    spec = one({"objective": "validation/loss", "goal": "max"}, {"weights": mode})
    result = run(trainer, spec, tmp_path)
    assert result.best_epoch == 1
    assert result.kept_epoch == epoch
    assert (result.kept_sha256 == result.weights_sha256) is (mode == "last")
    path = tmp_path / f"{spec.number:04d}" / layout.WEIGHTS
    assert path.exists() is (mode != "none")
    if mode != "none":
        assert kept_weights.digest(kept_weights.read(path).items()) == result.kept_sha256
        assert set(kept_weights.read(path)) == {"hidden_1/kernel", "hidden_1/bias", "output/kernel", "output/bias"}
