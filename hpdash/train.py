"""Trials trained one after another in one process, which keeps what the next one can use: data and compiled graphs."""

from __future__ import annotations

import gc
import json
import sys
import time
import traceback
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import checkpoint, data, disk, logdir
from .checkpoint import Checkpoint
from .errors import HpdashError, LogdirError, TrialError
from .functions import load_function
from .session import Diverged, Host, Interrupted, Trial
from .trial import TrialResult, TrialSpec, TrialState
from .writer import RunWriter

if TYPE_CHECKING:
    from .engine import Engine
    from .feed import EngineData

ENDED_BY_TRIAL = (TrialState.FINISHED, TrialState.DIVERGED, TrialState.FAILED)  # others may be tried again
OUT_OF_MEMORY = "out of memory; fewer --workers or a smaller batch_size need less"
GRAPHS_KEPT = 4  # compiled graphs a process keeps; each holds a model and its optimiser's state

Loaded = tuple[data.Dataset, data.Split, data.Scaling]


class Trainer:
    """Train trials of one sweep; `folder` is where users' modules and files are looked for."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._graphs: OrderedDict[str, Engine] = OrderedDict()
        self._data: tuple[str, Loaded] | None = None
        self._tensors: EngineData | None = None

    def warm_up(self, own_code: bool) -> None:
        """Import what a Keras trial needs, which takes seconds and which a process pays once.

        Where no function of a user's own will run, Keras does without SciPy and scikit-learn, whose import takes a
        third of the time and serves its wrappers and old preprocessing alone.
        """
        gc.disable()  # a collection finds nothing to free among what is imported
        with _hidden(() if own_code else ("scipy", "sklearn")):
            from . import engine, models  # noqa: F401, PLC0415  TensorFlow's import, paid here
        gc.freeze()
        gc.enable()

    def run(self, spec: TrialSpec, run: Path, group: str, host: Host, epoch: int = 0) -> TrialResult:
        """Train one trial into its run folder, from its checkpoint where `epoch` is not 0; never raises.

        Whatever goes wrong in it becomes its result. Where the disk refuses to be written to, which is not the trial's
        fault, it is interrupted, with the reason.
        """
        begin = time.monotonic()
        try:
            with disk.guarded(run):
                run.mkdir(exist_ok=True)  # but not its sweep's folder, which may have been moved away meanwhile
            kept = checkpoint.read(run / logdir.CHECKPOINT) if epoch else None
            with RunWriter(run) as writer:
                if kept is None:
                    writer.start(spec.hparams, group)
                return self._attempt(_Attempt(spec, run, writer, host, kept, begin))
        except (LogdirError, OSError, ValueError) as error:
            seconds = time.monotonic() - begin
            return TrialResult(TrialState.INTERRUPTED, seconds=seconds, error=str(error))

    def _attempt(self, attempt: _Attempt) -> TrialResult:
        facts: dict[str, Any] = {}
        trial: Trial | None = None
        try:
            trial = Trial(attempt.spec, self._load(attempt.spec.settings["data"]), attempt.writer, attempt.host)
            self._train(trial, attempt, facts)
            state = TrialState.FINISHED
        except Interrupted:
            state = TrialState.INTERRUPTED
        except Diverged:
            state = TrialState.DIVERGED
        except LogdirError:
            raise
        except HpdashError as error:
            state, facts["error"] = TrialState.FAILED, str(error)
        except Exception as error:  # a user's model may raise anything; the sweep goes on
            traceback.clear_frames(error.__traceback__)  # what they hold may be all the memory there is
            state, facts["error"] = _blame(error)
            facts["traceback"] = traceback.format_exc()
        if trial is not None and state.is_result:
            trial.write_best()
        if state in ENDED_BY_TRIAL:
            attempt.writer.end(success=state is TrialState.FINISHED)
            attempt.writer.sync()  # before the journal says that it is done
        if trial is not None:
            facts |= {"epochs": trial.epoch, "metrics": dict(trial.metrics)}
            facts |= {"best": dict(trial.best), "best_epoch": trial.best_epoch}
        return TrialResult(state=state, seconds=attempt.seconds, **facts)

    def _load(self, settings: Mapping[str, Any]) -> Loaded:
        key = json.dumps(settings, sort_keys=True)
        if self._data is None or self._data[0] != key:
            self._data = self._tensors = None  # never two data sets at once
            self._graphs.clear()  # the old one's graphs hold it
            dataset = data.load(settings, self.folder)
            split = data.split(dataset, settings)
            self._data = key, (dataset, split, data.scaling(dataset, split, settings["scale"]))
        return self._data[1]

    def _train(self, trial: Trial, attempt: _Attempt, facts: dict[str, Any]) -> None:
        loop = trial.settings["train"].get("loop")
        if loop:
            load_function(loop, self.folder)(trial)
            return
        key = trial.spec.graph_key
        if attempt.kept:
            trial.go_on(attempt.kept)
        trial.tick(0.0, "training" if key in self._graphs else "compiling")
        engine, facts["reused_graph"] = self._engine(trial)
        facts["parameters"], facts["trainable_parameters"] = engine.parameters
        if attempt.kept is None:
            _log_weights(trial, engine, 0)
        elif not engine.restore(attempt.kept.arrays):
            raise TrialError(f"{attempt.run}: the checkpoint does not fit the model; --retry-failed starts over")
        trial.keep = _Keeper(trial, attempt, engine)
        begin = time.monotonic()
        try:
            for epoch, logs in engine.fit(trial.seed, trial.epochs, on_call=trial.tick, initial_epoch=trial.epoch):
                begin = _log_epoch(trial, engine, epoch, logs, begin)
        finally:
            if trial.epoch:
                facts["xla"], facts["weights_sha256"] = engine.xla, engine.digest()
                self._keep(key, engine)

    def _engine(self, trial: Trial) -> tuple[Engine, bool]:
        """Return an engine with the trial's initial values, and whether it is a kept one of the same graph."""
        from . import models  # noqa: PLC0415  imports TensorFlow, which own loops need not have
        from .engine import Engine  # noqa: PLC0415

        shape = trial.dataset.x_train.shape[1:]
        fresh = models.build(trial.settings, self.folder, shape, trial.classes, trial.seed)
        kept = self._graphs.pop(trial.spec.graph_key, None)
        if kept is not None and kept.pour(fresh):
            kept.notice = trial.host.notice
            return kept, True
        self._tensors = self._tensors or _engine_data(trial)
        return Engine(fresh, self._tensors, trial.settings["train"]["batch_size"], trial.host.notice), False

    def _keep(self, key: str, engine: Engine) -> None:
        if engine.reusable:
            self._graphs[key] = engine
        while len(self._graphs) > GRAPHS_KEPT:
            self._graphs.popitem(last=False)


@dataclass(frozen=True, slots=True)
class _Attempt:
    """What one attempt works on; `kept` is what it goes on from, `begin` its start on the monotonic clock."""

    spec: TrialSpec
    run: Path
    writer: RunWriter
    host: Host
    kept: Checkpoint | None
    begin: float

    @property
    def seconds(self) -> float:
        """How long the trial has trained, before the checkpoint too."""
        return time.monotonic() - self.begin + (self.kept.seconds if self.kept else 0.0)


class _Keeper:
    """Keep a trial's checkpoints: every so many epochs or minutes, and when the sweep stops."""

    def __init__(self, trial: Trial, attempt: _Attempt, engine: Engine) -> None:
        self._trial, self._attempt, self._engine = trial, attempt, engine
        self._last = time.monotonic()

    def __call__(self, stopping: bool) -> None:
        trial, log, now = self._trial, self._trial.settings["log"], time.monotonic()
        every = log["checkpoint_epochs"]
        due = (every and trial.epoch % every == 0) or now - self._last >= 60 * log["checkpoint_minutes"]
        if not (due or stopping):
            return
        self._last = now
        attempt, marks = self._attempt, self._attempt.writer.sync()
        best = trial.best, trial.best_epoch
        kept = Checkpoint(trial.epoch, trial.metrics, *best, attempt.seconds, marks, self._engine.state())
        checkpoint.write(attempt.run, kept)


def _blame(error: Exception) -> tuple[TrialState, str]:
    """Return how a trial ends that raised, and why in words: one out of memory as if the kernel had killed it."""
    reason = f"{type(error).__name__}: {error}"
    if isinstance(error, MemoryError) or type(error).__name__ == "ResourceExhaustedError":
        return TrialState.KILLED, f"{OUT_OF_MEMORY} ({reason})"
    return TrialState.FAILED, reason


@contextmanager
def _hidden(packages: tuple[str, ...]) -> Iterator[None]:
    """Let optional imports of packages that are not yet imported fail inside, as if they were not installed."""
    hidden = [name for name in packages if name not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]  # None is Python's way to say so
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]


def _engine_data(trial: Trial) -> EngineData:
    from .feed import EngineData, Part, tensor  # noqa: PLC0415  imports TensorFlow

    dataset, split, scaling = trial.dataset, trial.split, trial.scaling
    x, y = tensor(dataset.x_train), tensor(dataset.y_train)
    held_out = Part(x, y, split.validation.start, split.validation.stop)
    if split.validation_is_test:
        assert dataset.x_test is not None
        assert dataset.y_test is not None
        held_out = Part(tensor(dataset.x_test), tensor(dataset.y_test), 0, len(dataset.x_test))
    return EngineData(Part(x, y, split.train.start, split.train.stop), held_out, scaling.offset, scaling.divisor)


def _log_epoch(trial: Trial, engine: Engine, epoch: int, logs: Mapping[str, float], begin: float) -> float:
    now = time.monotonic()
    trial.scalar(logdir.time_tag("epoch"), now - begin, epoch)
    _log_weights(trial, engine, epoch)
    rate = float(engine.model.optimizer.learning_rate)
    trial.report(epoch, **logs, **{logdir.LEARNING_RATE: rate})
    return now


def _log_weights(trial: Trial, engine: Engine, epoch: int) -> None:
    every = trial.settings["log"]["histograms"]
    if every and "weights" in trial.settings["log"]["series"] and (epoch % every == 0 or epoch == trial.epochs):
        for layer, variable, values in engine.weights():
            trial.histogram(logdir.weight_tag(layer, variable), values, epoch)
