"""Train the trials of a sweep one after another in one process, reusing loaded data and compiled graphs."""

from __future__ import annotations

import gc
import json
import sys
import time
import traceback
from collections import OrderedDict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import data
from ..data import Dataset, MappedDataset
from ..errors import ChangedError, HpdashError, LogdirError, MetricError
from ..logs import checkpoint, kept_weights, layout, text_tab
from ..logs.checkpoint import Checkpointer
from ..logs.writer import RunWriter
from ..records import OUTSIDE_GRAPH, TrialResult, TrialSpec, TrialState, own_loop
from ..system import disk
from ..system.user_functions import load_function
from ..system.versions import versions
from .attempt import Attempt, Loaded
from .callbacks import resume
from .diagnosis import add_likely_cause, loss_name, state_and_reason
from .engine_data import to_engine_data, weighted
from .host import Diverged, Host, Interrupted, Pruned
from .layer_series import LayerSeries
from .trial import Trial

if TYPE_CHECKING:
    from ..engine.engine import Engine
    from ..engine.feed import EngineData

CHANGED_MESSAGE = (
    "code or data changed while the sweep was running: {}. Run the same command again; it says how to continue"
)
GRAPHS_KEPT = 4  # compiled graphs that a process keeps; each holds a model and its optimiser's state


class Trainer:
    """Train trials of one sweep; `folder` contains the user's modules and files.

    `load` returns the data set of a [data] table; by default the data set is loaded from this machine.
    `changed` returns the user's code and data files that have changed since the driver started, each with a description
    of the change. It is called before data are loaded, and so before any user code is imported.
    """

    def __init__(
        self,
        folder: Path,
        load: Callable[[Mapping[str, Any]], Dataset] | None = None,
        changed: Callable[[], Mapping[str, str]] = dict,
    ) -> None:
        self.folder, self._changed = folder, changed
        self._read = load or (lambda settings: data.load(settings, folder))
        self._graphs: OrderedDict[str, Engine] = OrderedDict()
        self._given: dict[str, Mapping[str, Any]] = {}  # by graph key: what the kept engine's builder got
        self._shared: dict[str, bool] = {}  # by graph key: whether a second model had the constants of the first
        self._data: tuple[str, Loaded] | None = None
        self._tensors: EngineData | None = None

    def warm_up(self) -> None:
        """Import everything that a Keras trial needs. This takes seconds, once per process."""
        gc.disable()  # imports leave no garbage, so collections would find nothing to free
        from ..engine import engine, models  # noqa: F401, PLC0415  imports TensorFlow

        gc.freeze()
        gc.enable()

    def run(
        self, spec: TrialSpec, run: Path, group: str, host: Host, epoch: int = 0, mapped: MappedDataset | None = None
    ) -> TrialResult:
        """Train one trial, write into its run folder `run`, and return its result; never raises.

        `group` is the HParams session group. The trial resumes from its checkpoint if `epoch` is not 0. `mapped` is its
        data set, if that is in files; otherwise the data set is loaded. An error of the trial becomes a part of the
        result. If the run folder cannot be written or the checkpoint cannot be read, the state is `INTERRUPTED`,
        because this is not the trial's fault, and `error` has the reason.
        """
        begin = time.monotonic()
        try:
            with disk.guarded(run):
                run.mkdir(exist_ok=True)  # no parents: if the sweep's folder is missing, somebody has moved it away
            kept = checkpoint.read(run / layout.CHECKPOINT) if epoch else None
            with RunWriter(run) as writer:
                if kept is None:
                    writer.start(spec.hparams, group)
                    writer.text(layout.SETTINGS_TEXT, text_tab.settings(spec, versions()))
                checkpointer = Checkpointer(writer, spec.settings["log"], kept, begin)
                return self._run_attempt(spec, mapped, writer, host, checkpointer)
        except (LogdirError, OSError, ValueError) as error:
            return TrialResult(TrialState.INTERRUPTED, seconds=time.monotonic() - begin, error=str(error))

    def _run_attempt(
        self, spec: TrialSpec, mapped: MappedDataset | None, writer: RunWriter, host: Host, checkpointer: Checkpointer
    ) -> TrialResult:
        facts: dict[str, Any] = {}
        trial: Attempt | None = None
        try:
            trial = Attempt(spec, self._load(spec.settings["data"], mapped), writer, host, checkpointer)
            self._train(trial, facts)
            state = TrialState.FINISHED
        except Interrupted:
            state = TrialState.INTERRUPTED
        except Diverged:
            state = TrialState.DIVERGED
        except Pruned:
            state = TrialState.PRUNED
        except LogdirError:
            raise
        except MetricError as error:
            state, facts["error"], facts["is_refused"] = TrialState.INTERRUPTED, str(error), True
        except ChangedError as error:
            state, facts["error"], facts["is_stale"] = TrialState.INTERRUPTED, str(error), True
        except HpdashError as error:
            state, facts["error"] = TrialState.FAILED, str(error)
        except Exception as error:  # a user's model may raise anything; the sweep goes on
            traceback.clear_frames(error.__traceback__)  # their local variables may hold most of the memory
            state, facts["error"] = state_and_reason(error)
            facts["traceback"] = traceback.format_exc()
        if trial is not None and state.is_result:
            trial.write_best()
            if checkpointer.weights and state is not TrialState.PRUNED:  # a pruned trial may go on later
                facts |= checkpointer.weights.end(trial.epoch, trial.best_epoch)
        if state.is_conclusive:  # in any other state, the trial may be tried again
            writer.end(success=state in (TrialState.FINISHED, TrialState.PRUNED))
            writer.sync()  # before the journal records the result
        if trial is not None:
            facts |= {"epochs": trial.epoch, "metrics": dict(trial.metrics)}
            facts |= {"best": dict(trial.best), "best_epoch": trial.best_epoch}
        return TrialResult(state=state, seconds=checkpointer.seconds, **facts)

    def _load(self, settings: Mapping[str, Any], mapped: MappedDataset | None = None) -> Loaded:
        key = json.dumps(settings, sort_keys=True)
        if self._data is None or self._data[0] != key:
            if changed := self._changed():
                raise ChangedError(CHANGED_MESSAGE.format(", ".join(f"{name} {how}" for name, how in changed.items())))
            self._data = self._tensors = None  # release the old data first: never hold two data sets at once
            self._graphs.clear()  # compiled graphs hold the old data
            self._data = key, data.prepare(mapped.open() if mapped else self._read(settings), settings)
        return self._data[1]

    def _train(self, trial: Attempt, facts: dict[str, Any]) -> None:
        loop = own_loop(trial.settings["train"])
        if loop is not None:
            _run_own(load_function(loop, self.folder), trial)
            return
        key = trial.spec.graph_key
        trial.tick(0.0, "training" if key in self._graphs else "compiling")
        engine, facts["reused_graph"] = self._engine(trial)
        facts["parameters"], facts["trainable_parameters"] = engine.parameters
        facts["loss_function"] = loss_name(engine.model) or None
        if not trial.epoch:
            trial.require([*engine.metrics, *(layout.VALIDATION_PREFIX + name for name in engine.metrics)])
        series = LayerSeries(trial, engine)
        callbacks = resume(trial, engine, self.folder)
        if not trial.epoch:
            series.write(0)
        trial.keep_weights(lambda: kept_weights.named(engine.weights()))
        series.begin(trial.epoch)
        begin = time.monotonic()
        try:
            for epoch, logs in engine.fit(trial.spec.seed, trial.epochs, callbacks, trial.tick, trial.epoch):
                begin = _log_epoch(trial, engine, series, epoch, logs, begin)
        except Exception as error:
            add_likely_cause(error, engine.model, trial.dataset)
            raise
        finally:
            if trial.epoch:
                facts["xla"], facts["weights_sha256"] = engine.compilation.xla, engine.digest()
                facts["xla_reason"] = engine.compilation.reason or None
                self._keep(trial.spec, engine)

    def _engine(self, trial: Attempt) -> tuple[Engine, bool]:
        """Return an engine with the trial's initial values, and whether it reuses a compiled graph."""
        from ..engine.engine import Engine  # noqa: PLC0415  imports TensorFlow, which a user's loop may not need

        fresh = self._build(trial)
        kept = self._graphs.pop(trial.spec.graph_key, None)
        if kept is not None and not self._decide_sharing(trial, kept, fresh):
            kept, fresh = None, self._build(trial)  # again: the comparison has drawn random numbers
        trial.describe(fresh)
        if kept is not None and kept.load_values(fresh):
            kept.notice = trial.host.notice
            return kept, True
        loaded = trial.dataset, trial.split, trial.scaling
        self._tensors = self._tensors or to_engine_data(loaded)
        train = trial.settings["train"]
        xla = train.get("xla") or "auto"
        try:
            return Engine(
                fresh, weighted(self._tensors, loaded, train), train["batch_size"], trial.host.notice, xla
            ), False
        except Exception as error:
            add_likely_cause(error, fresh, trial.dataset)
            raise

    def _build(self, trial: Attempt) -> Any:
        from ..engine import models  # noqa: PLC0415  imports TensorFlow, which a user's loop may not need

        own, spec = trial.dataset, trial.spec
        return models.build(
            trial.settings, self.folder, own.input_shape, own.classes, spec.seed, spec.takes, own.one_hot
        )

    def _decide_sharing(self, trial: Attempt, kept: Engine, fresh: Any) -> bool:
        """Return whether a trial with the graph key of a kept engine may share its graph; notify the user if not.

        Trials of the built-in MLP always may. A user's builder may have put constants into the graph. Therefore, the
        new model of the trial is compared with the model of the kept engine. `_given` has the values that the builder
        gets although the graph key leaves them out, such as the learning rate.

        - If these values differ between the two trials, the models are compared each time: the builder may have made
          constants of the values.
        - If they are equal, the models are compared only once for each graph key: the builder may have made constants
          of random numbers, and it does so for all trials or for none.
        """
        key, builder = trial.spec.graph_key, trial.settings["model"]["builder"]
        if builder == "mlp":
            return True
        given, before = _given(trial.spec), self._given[key]
        if changed := [name for name, value in given.items() if value != before[name]]:
            if kept.same_step(fresh) and kept.same_constants(fresh):
                return True
            trial.host.notice(
                f"{builder} puts {', '.join(changed)} or random numbers into the graph as constants, or its model has a"
                " train_step of its own, so each trial needs its own graph, which takes longer"
            )
            return False
        if key not in self._shared:
            self._shared[key] = kept.same_constants(fresh)
            if not self._shared[key]:
                trial.host.notice(
                    f"{builder} puts random numbers into the graph as constants, so each trial needs its own graph,"
                    " which takes longer. Keep random numbers in variables, for example with add_weight"
                )
        return self._shared[key]

    def _keep(self, spec: TrialSpec, engine: Engine) -> None:
        key = spec.graph_key
        if engine.is_reusable and self._shared.get(key, True):
            self._graphs[key], self._given[key] = engine, _given(spec)
        while len(self._graphs) > GRAPHS_KEPT:
            self._graphs.popitem(last=False)


def _given(spec: TrialSpec) -> dict[str, Any]:
    """Return the values that a trial's builder gets although the graph key leaves them out."""
    train = spec.settings["train"]
    return {name: train[name] for name in OUTSIDE_GRAPH if name in spec.takes}


def _run_own(loop: Callable[[Trial], object], trial: Attempt) -> None:
    """Run a user's training loop; raise Interrupted if it returns early because the sweep stops.

    If Keras has been imported, its automatic names and all random generators are reset first, as for a Keras trial.
    """
    if "keras" in sys.modules:
        from ..engine import models  # noqa: PLC0415  imports TensorFlow, which a user's loop may not need

        models.reset_keras(trial.spec.seed)
    loop(Trial(trial))
    if unread := trial.unread():
        trial.host.notice(f"the training loop does not read {', '.join(unread)}, which the sweep varies")
    if trial.host.stopping and trial.epoch < trial.epochs:
        raise Interrupted


def _log_epoch(
    trial: Attempt, engine: Engine, series: LayerSeries, epoch: int, logs: Mapping[str, float], begin: float
) -> float:
    """Write and report an epoch that began at the time `begin`; return the time at which the next one begins."""
    now = time.monotonic()
    trial.scalar(layout.time_tag("epoch"), now - begin, epoch)
    series.write(epoch)
    series.begin(epoch)
    # A callback that changes the rate has put the rate of this epoch into `logs`
    rate = logs.get(layout.LEARNING_RATE, float(engine.model.optimizer.learning_rate))
    trial.report(epoch, **{**logs, layout.LEARNING_RATE: rate})
    return now
