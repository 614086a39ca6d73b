"""Tests of pruning: which trials stop early, which are promoted, and that interruptions do not change that."""

from __future__ import annotations

import signal
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest
from driven import digests, driving, run, series, session_ends, started, states, trial_folder, until
from searched import written
from sweep_files import made_sweep
from tensorboard.plugins.hparams import api_pb2

from hpdash.errors import SpecError
from hpdash.journal.entries import Entry, Proposal, RungDecision, Transition
from hpdash.journal.history import History
from hpdash.journal.journal import read_journal
from hpdash.logs import layout
from hpdash.records import TrialResult, TrialState
from hpdash.search import Schedule
from hpdash.spec import Sweep, parse_sweep


def entries(path: Path) -> tuple[Entry, ...]:
    """Return the journal's entries."""
    return read_journal(path.parent / "logs" / "curves" / layout.JOURNAL).entries


def decisions(path: Path) -> list[Any]:
    """Return a sweep's decisions in order: settings, rungs with their values, promotions, and how trials ended."""
    found: list[Any] = []
    states: dict[int, TrialState] = {}
    for entry in entries(path):
        if isinstance(entry, RungDecision):
            found.append(("rung", entry.trial, entry.epoch, entry.value, entry.goes_on))
        elif isinstance(entry, Proposal):
            found.append(("setting", entry.setting, dict(entry.point)))
        elif isinstance(entry, Transition):
            if entry.state is TrialState.RUNNING and states.get(entry.trial) is TrialState.PRUNED:
                found.append(("promoted", entry.trial))
            if entry.state.is_result:
                found.append((str(entry.state), entry.trial, entry.result and entry.result.metrics))
            states[entry.trial] = entry.state
    return found


CASES = {
    "random and hyperband": ("random", "hyperband", 1, [0.6]),
    "tpe and asha, three seeds": ("tpe", "asha", 3, [0.3, 0.7]),
}
SOBOL = pytest.param("sobol", "median", 1, [0.4], id="sobol and median", marks=pytest.mark.slow)
KILLED = [
    *(
        pytest.param(*case, id=name, marks=pytest.mark.slow if index else ())
        for index, (name, case) in enumerate(CASES.items())
    ),
    SOBOL,
]


@pytest.mark.parametrize(("strategy", "pruner", "repeats", "kills"), KILLED)
def test_killed_and_gone_on_with(tmp_path: Path, strategy: str, pruner: str, repeats: int, kills: list[float]) -> None:
    """A pruning search makes the same decisions whether or not its driver is killed, even more than once."""
    alone = written(tmp_path / "alone", strategy, pruner, repeats)
    killed = written(tmp_path / "killed", strategy, pruner, repeats)
    outcome, _ = run(alone, workers=1)
    assert outcome.exit_code == 0
    assert {TrialState.PRUNED, TrialState.FINISHED} <= set(states(alone.parent / "logs" / "curves").values())
    lines = len(entries(alone))
    for share in kills:
        with driving(killed, "--workers", "1") as driver:
            until(lambda share=share: len(entries(killed)) >= share * lines or driver.poll() is not None, 60)  # type: ignore[misc]
            driver.kill()
    run(killed, workers=1)
    assert decisions(killed) == decisions(alone)
    assert series(killed.parent / "logs") == series(alone.parent / "logs")
    for number in outcome.results:
        assert len(session_ends(trial_folder(killed.parent / "logs" / "curves", number))) == 1


def test_what_is_done_is_not_run_again(tmp_path: Path) -> None:
    """The same command again trains nothing, and no pruned trial is promoted."""
    path = written(tmp_path, repeats=2)
    first, _ = run(path)
    again, told = run(path)
    assert started(told) == []
    assert again.results == first.results
    assert again.total == len(again.results) < 28
    assert [number for number, result in again.results.items() if result.state is TrialState.FINISHED]


def test_the_best_has_all_its_seeds(tmp_path: Path) -> None:
    """Only promising settings get more than one seed, and the setting with the best mean gets all of them."""
    path = written(tmp_path, "random", repeats=3)
    outcome, _ = run(path)
    assert len(outcome.results) < 14 + 3 * 5
    found: dict[int, list[float]] = {}
    for spec in outcome.specs:
        result = outcome.results.get(spec.number)
        if result is not None and result.state is TrialState.FINISHED:
            found.setdefault(spec.setting, []).append(result.best["validation/accuracy"])
    best = max(found, key=lambda setting: sum(found[setting]) / len(found[setting]))
    assert len(found[best]) == 3


KERAS: dict[str, Any] = {
    "data": {"name": "synthetic", "train": 400, "validation": 100},
    "model": {"hidden": [12], "dropout": 0.2, "batchnorm": "before"},
    "train": {"epochs": 4, "optimizer": "adam"},
    "hparams": {"learning_rate": [0.03, 0.0001, 0.0003, 0.01, 0.001]},
}


@pytest.fixture(scope="module")
def keras(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Run a sweep of Keras models with pruning, and the same one without; return their folders."""
    folders = []
    for name, tables in (("pruned", {"prune": {"reduction_factor": 2}}), ("whole", {})):
        path = made_sweep(tmp_path_factory.mktemp(name), name="keras", **KERAS, **tables)
        run(path, workers=1)
        folders.append(path.parent / "logs" / "keras")
    return folders[0], folders[1]


def test_who_is_promoted_ends_with_the_same_bits(keras: tuple[Path, Path]) -> None:
    """A promoted trial ends with the same weights and series as one that never stopped."""
    pruned, whole = keras
    promoted = {entry.trial for entry in read_journal(pruned / layout.JOURNAL).transitions if entry.attempt > 1}
    done = {number for number, state in states(pruned).items() if state is TrialState.FINISHED}
    assert done
    assert promoted & done
    expected = series(whole)
    for number in done:
        name = trial_folder(pruned, number).name
        own = {key: value for key, value in series(pruned).items() if key[0].startswith(name)}
        assert own == {key: value for key, value in expected.items() if key[0].startswith(name)}
        assert digests(pruned)[number] == digests(whole)[number]


def test_a_pruned_trial_is_a_result_of_its_own(keras: tuple[Path, Path]) -> None:
    """A pruned trial has a result with its epochs and best value, and TensorBoard shows its session as ended."""
    pruned, _ = keras
    latest = read_journal(pruned / layout.JOURNAL).latest
    stopped = {number: record.result for number, record in latest.items() if record.state is TrialState.PRUNED}
    assert stopped
    for number, result in stopped.items():
        assert result is not None
        assert result.epochs in (1, 2)
        assert "validation/accuracy" in result.best
        run_folder = trial_folder(pruned, number)
        assert session_ends(run_folder) == [api_pb2.STATUS_SUCCESS]
        assert not (run_folder / layout.CHECKPOINT).exists()  # no trial can be promoted any more
        steps = [step for name, tag, step in series(pruned) if (name, tag) == (run_folder.name, "epoch_loss")]
        assert steps == list(range(1, result.epochs + 1))


def test_a_lost_checkpoint_costs_time_only(tmp_path: Path) -> None:
    """A promoted trial without its checkpoint starts over and passes the rung again."""
    path = written(tmp_path, "sobol")
    outcome, _ = run(path)
    first, journal = decisions(path), outcome.folder / layout.JOURNAL
    lines = journal.read_bytes().splitlines(keepends=True)
    at = next(n for n, entry in enumerate(entries(path)) if isinstance(entry, Transition) and entry.attempt > 1)
    journal.write_bytes(b"".join(lines[:at]))  # as at the first promotion, but without checkpoints
    assert not list(outcome.folder.glob(f"*/{layout.CHECKPOINT}"))
    run(path)
    assert decisions(path) == first


def test_ctrl_c_at_a_rung(tmp_path: Path) -> None:
    """A sweep that resumes after Ctrl-C makes the same decisions as one that was never stopped."""
    alone, stopped = written(tmp_path / "alone"), written(tmp_path / "stopped")
    run(alone, workers=1)
    for lines in (8, 25):
        with driving(stopped, "--workers", "1") as driver:
            until(lambda lines=lines: len(entries(stopped)) >= lines or driver.poll() is not None, 60)  # type: ignore[misc]
            driver.send_signal(signal.SIGINT)
            driver.communicate(timeout=60)
    run(stopped, workers=1)
    assert decisions(stopped) == decisions(alone)


MORTAL = """
import os, signal
from pathlib import Path

def curve(trial):
    kept = trial.checkpoint(lambda: {"epoch": trial.epoch})
    for epoch in range(trial.epoch + 1, trial.epochs + 1):
        if epoch == 2:
            died = Path(__file__).parent / f"died-{trial.number}"
            if not died.exists():
                died.touch()
                os.kill(os.getpid(), signal.SIGKILL)
        trial.report(epoch, loss=1.0, validation_accuracy=1 / (1 + trial.number) + epoch)
"""


def test_a_promoted_trial_has_its_retries(tmp_path: Path) -> None:
    """A trial whose worker dies after its promotion is retried like a trial that never stopped."""
    path = written(tmp_path, "sobol")
    (tmp_path / "loops.py").write_text(MORTAL)
    outcome, _ = run(path, workers=1)
    assert {result.state for result in outcome.results.values()} == {TrialState.FINISHED, TrialState.PRUNED}
    assert outcome.results[0].state is TrialState.FINISHED
    attempts = {record.trial: record.attempt for record in read_journal(outcome.folder / layout.JOURNAL).transitions}
    assert attempts[0] > 2


SOME_FAIL = """
def curve(trial):
    kept = trial.checkpoint(lambda: {"epoch": trial.epoch})
    if trial.number in (2, 3, 4):
        raise ValueError("too large")
    for epoch in range(trial.epoch + 1, trial.epochs + 1):
        trial.report(epoch, loss=1.0, validation_accuracy=1 / (1 + trial.number) + epoch)
"""


def test_pruned_trials_show_that_trials_can_train(tmp_path: Path) -> None:
    """A sweep goes on after three failures if trials were pruned before, although none has finished yet."""
    path = written(tmp_path, "sobol")
    (tmp_path / "loops.py").write_text(SOME_FAIL)
    outcome, _ = run(path, workers=1)
    assert outcome.stopped == ""
    assert sum(result.state is TrialState.FAILED for result in outcome.results.values()) == 3
    assert any(result.state is TrialState.FINISHED for result in outcome.results.values())


STOPS_ITS_DRIVER = """
import os, signal, time

def curve(trial):
    kept = trial.checkpoint(lambda: {"epoch": trial.epoch})
    for epoch in range(trial.epoch + 1, trial.epochs + 1):
        if trial.number == 13:
            os.kill(os.getppid(), signal.SIGTERM)
            time.sleep(1)
        trial.report(epoch, loss=1.0, validation_accuracy=100 * (trial.number == 13) + 1 / (1 + trial.number) + epoch)
"""


def test_a_sweep_stopped_in_its_last_trial_keeps_the_checkpoints(tmp_path: Path) -> None:
    """Pruned trials keep their checkpoints when the last trial is interrupted, because they may still be promoted."""
    path = written(tmp_path, "sobol")
    (tmp_path / "loops.py").write_text(STOPS_ITS_DRIVER)
    outcome, _ = run(path, workers=1)
    assert outcome.results[13].state is TrialState.INTERRUPTED
    pruned = [number for number, result in outcome.results.items() if result.state is TrialState.PRUNED]
    assert pruned
    assert all((trial_folder(outcome.folder, number) / layout.CHECKPOINT).exists() for number in pruned)


def sweep(strategy: str = "asha", **prune: Any) -> Sweep:
    """Build a sweep with pruning."""
    tables = {
        "sweep": {"strategy": "random", "trials": 30},
        "data": {"name": "digits"},
        "train": {"epochs": 27},
        "prune": {"strategy": strategy, **prune},
        "hparams": {"dropout": {"min": 0.0, "max": 0.5}},
    }
    return parse_sweep(tables, name="x.toml", folder=Path())


def history(values: Mapping[int, Mapping[int, float]], stopped: Iterable[tuple[int, int]] = ()) -> History:
    """Build a history of values by trial and epoch; `stopped` lists pruned trials with their last epochs."""
    lines: list[Entry] = []
    for trial, reached in values.items():
        lines += [RungDecision(0, 0.0, trial, epoch, value, True) for epoch, value in reached.items()]
    for trial, epoch in stopped:
        lines.append(Transition(0, trial, TrialState.PRUNED, 1, 0.0, TrialResult(TrialState.PRUNED, epochs=epoch)))
    return History.of(lines)


def test_halving_lets_the_best_share_go_on() -> None:
    """The best third of the trials at a rung goes on: none of two, one of three.

    Of equal trials, the one that reached the rung first goes on.
    """
    pruner = Schedule(sweep()).pruner
    assert pruner is not None
    assert pruner.rungs(0, 27) == (1, 3, 9)
    assert not pruner.goes_on(2, 1, 0.9, history({0: {1: 0.1}}))
    two = history({0: {1: 0.5}, 1: {1: 0.4}}, [(0, 1), (1, 1)])
    assert pruner.goes_on(2, 1, 0.6, two)
    assert not pruner.goes_on(2, 1, 0.5, two)
    assert pruner.promoted(two) is None
    three = history({0: {1: 0.5}, 1: {1: 0.4}, 2: {1: 0.5}}, [(0, 1), (1, 1), (2, 1)])
    assert pruner.promoted(three) == 0


def test_promotion_begins_at_the_highest_rung() -> None:
    """The trial that reached the highest rung is promoted first; a trial that is running is not promoted."""
    pruner = Schedule(sweep()).pruner
    assert pruner is not None
    values = {n: {1: n / 10, **({3: n / 10} if n > 3 else {})} for n in range(7)}
    assert pruner.promoted(history(values, [(n, 3 if n > 3 else 1) for n in range(6)])) is None  # trial 6 is running
    assert pruner.promoted(history(values, [(n, 3 if n > 3 else 1) for n in range(7)])) == 6
    assert pruner.promoted(history(values, [(5, 1)])) == 5


def test_less_may_be_better_and_nan_is_worst() -> None:
    """If less is better, a trial with a low value goes on; a trial with a NaN never does."""
    pruner = Schedule(sweep(watch="loss")).pruner
    assert pruner is not None
    others = history({0: {1: 0.5}, 1: {1: 0.4}})
    assert pruner.goes_on(2, 1, 0.3, others)
    assert not pruner.goes_on(2, 1, float("nan"), others)


def test_the_brackets_end_at_the_longest_trial() -> None:
    """The default number of epochs counts too if the `when` of `epochs` does not hold in every setting."""
    conditional = {"values": [5], "when": {"optimizer": "sgd"}}
    tables = {
        "data": {"name": "digits"},
        "prune": {"strategy": "hyperband", "min_epochs": 1},
        "sweep": {"strategy": "random", "trials": 12},
        "hparams": {"optimizer": ["sgd", "adam"], "epochs": conditional, "dropout": {"min": 0.0, "max": 0.5}},
    }
    pruner = Schedule(parse_sweep(tables, name="x.toml", folder=Path())).pruner
    assert pruner is not None
    firsts = {min(pruner.rungs(setting, 10), default=10) for setting in range(40)}
    assert firsts == {1, 3, 9, 10}


def test_hyperbands_brackets() -> None:
    """Each bracket starts a factor later, and settings are spread evenly in Hyperband's proportions.

    Of 49 settings, the brackets get 27, 12, 6 and 4.
    """
    pruner = Schedule(sweep("hyperband")).pruner
    assert pruner is not None
    ladders = [pruner.rungs(setting, 27) for setting in range(98)]
    counts = {ladder: ladders.count(ladder) for ladder in ladders}
    assert counts == {(1, 3, 9): 54, (3, 9): 24, (9,): 12, (): 8}
    assert set(ladders[:8]) == {(1, 3, 9), (3, 9), (9,), ()}
    of_two = history({0: {3: 0.5}, 1: {3: 0.4}}, [(0, 3), (1, 3)])
    same = [n for n, ladder in enumerate(ladders) if ladder == (3, 9)]
    assert not pruner.goes_on(same[0], 3, 0.9, of_two)  # the two other trials are in another bracket


def test_the_median() -> None:
    """A trial stops if its value is below the median of enough other trials at the same epoch.

    This starts at `min_epochs`.
    """
    pruner = Schedule(sweep("median", startup=3, min_epochs=2)).pruner
    assert pruner is not None
    assert pruner.rungs(0, 6) == (2, 3, 4, 5)
    assert pruner.goes_on(9, 2, 0.0, history({0: {2: 0.5}, 1: {2: 0.4}}))
    others = history({0: {2: 0.5}, 1: {2: 0.4}, 2: {2: 0.1}})
    assert pruner.goes_on(9, 2, 0.4, others)
    assert not pruner.goes_on(9, 2, 0.39, others)
    assert pruner.promoted(others) is None


def test_nothing_is_left_unfinished() -> None:
    """If no trial can be promoted by the rules and none runs, the trial that got furthest goes on."""
    schedule = Schedule(parse_sweep({
        "sweep": {"strategy": "grid"}, "data": {"name": "digits"}, "prune": {}, "hparams": {"dropout": [0.0, 0.5]},
    }, name="x.toml", folder=Path()))  # fmt: skip
    told = history({0: {1: 0.4}, 1: {1: 0.5}}, [(0, 1), (1, 1)])
    assert schedule.next(told, alone=False) is None
    following = schedule.next(told, alone=True)
    assert following is not None
    assert following.number == 1


BAD = {
    "strategy": ({"strategy": "ashes"}, "prune.strategy: expected one of asha, hyperband, median"),
    "factor": ({"reduction_factor": 1}, "prune.reduction_factor: expected an integer from 2 to 100"),
    "metric": ({"watch": "validation/acuracy"}, "Did you mean 'accuracy'?"),
    "unknown key": ({"epochs": 3}, "prune.epochs"),
}


@pytest.mark.parametrize(("prune", "said"), BAD.values(), ids=BAD.keys())
def test_a_bad_table_names_the_key(prune: dict[str, Any], said: str) -> None:
    """An error in [prune] names the key, what was expected and, for a likely typo, what was meant."""
    with pytest.raises(SpecError) as error:
        sweep(**{"strategy": "asha", **prune})
    assert said in str(error.value)
