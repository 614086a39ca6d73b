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
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import data, logdir
from .errors import HpdashError
from .functions import load_function
from .session import Diverged, Host, Interrupted, Trial
from .trial import TrialResult, TrialSpec, TrialState
from .writer import RunWriter

if TYPE_CHECKING:
    from .engine import Engine
    from .feed import EngineData

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

    def run(self, spec: TrialSpec, run: Path, group: str, host: Host) -> TrialResult:
        """Train one trial into its run folder; whatever goes wrong in it becomes its result."""
        begin = time.monotonic()
        facts: dict[str, Any] = {}
        trial: Trial | None = None
        with RunWriter(run) as writer:
            writer.start(spec.hparams, group)
            try:
                trial = Trial(spec, self._load(spec.settings["data"]), writer, host)
                self._train(trial, facts)
                state = TrialState.FINISHED
            except Interrupted:
                state = TrialState.INTERRUPTED
            except Diverged:
                state = TrialState.DIVERGED
            except HpdashError as error:
                state, facts["error"] = TrialState.FAILED, str(error)
            except Exception as error:  # a user's model may raise anything; the sweep goes on
                state, facts["error"] = TrialState.FAILED, f"{type(error).__name__}: {error}"
                facts["traceback"] = traceback.format_exc()
            if trial is not None and state.is_result:
                trial.write_best()
            if state is not TrialState.INTERRUPTED:
                writer.end(success=state is TrialState.FINISHED)
        if trial is not None:
            facts |= {"epochs": trial.epoch, "metrics": dict(trial.metrics)}
            facts |= {"best": dict(trial.best), "best_epoch": trial.best_epoch}
        return TrialResult(state=state, seconds=time.monotonic() - begin, **facts)

    def _load(self, settings: Mapping[str, Any]) -> Loaded:
        key = json.dumps(settings, sort_keys=True)
        if self._data is None or self._data[0] != key:
            self._data = self._tensors = None  # never two data sets at once
            self._graphs.clear()  # the old one's graphs hold it
            dataset = data.load(settings, self.folder)
            split = data.split(dataset, settings)
            self._data = key, (dataset, split, data.scaling(dataset, split, settings["scale"]))
        return self._data[1]

    def _train(self, trial: Trial, facts: dict[str, Any]) -> None:
        loop = trial.settings["train"].get("loop")
        if loop:
            load_function(loop, self.folder)(trial)
            return
        key = trial.spec.graph_key
        trial.tick(0.0, "training" if key in self._graphs else "compiling")
        engine, facts["reused_graph"] = self._engine(trial)
        facts["parameters"], facts["trainable_parameters"] = engine.parameters
        _log_weights(trial, engine, 0)
        begin = time.monotonic()
        try:
            for epoch, logs in engine.fit(trial.seed, trial.epochs, on_call=trial.tick):
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
