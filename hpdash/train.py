"""Trials trained one after another in one process, which keeps what the next one can use: data and compiled graphs."""

from __future__ import annotations

import gc
import json
import sys
import time
import traceback
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import checkpoint, data, disk, logdir, markdown, weights
from .checkpoint import Keeper
from .data import Dataset
from .diagnosis import blame, explain, loss_name
from .errors import ChangedError, HpdashError, LogdirError, MetricError, TrialError
from .functions import load_function
from .series import Series
from .session import Diverged, Host, Interrupted, Loaded, Pruned, Trial
from .trial import BETWEEN, TrialResult, TrialSpec, TrialState, own_loop
from .versions import versions
from .writer import RunWriter

if TYPE_CHECKING:
    from .between_epochs import BetweenEpochs
    from .engine import Engine
    from .feed import EngineData

CHANGED = "code or data changed while the sweep was running: {}. Run the same command again, which says how to go on"
UNUSED = ("scipy", "sklearn", "pandas", "matplotlib", "IPython")  # by Keras, but in its wrappers, pictures, notebooks
GRAPHS_KEPT = 4  # compiled graphs a process keeps; each holds a model and its optimiser's state


class Trainer:
    """Train trials of one sweep; `folder` is where users' modules and files are looked for.

    `load` returns the data set of a [data] table; by default it is loaded from where it is kept on this machine.
    `changed` returns which of the user's code and data files changed since the sweep started, and how. It is asked
    before data are loaded, which is also before any code of the user's is imported.
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
        self._shared: dict[str, bool] = {}  # by graph key, whether a second model had the first one's constants
        self._data: tuple[str, Loaded] | None = None
        self._tensors: EngineData | None = None

    def warm_up(self, own_code: bool) -> None:
        """Import what a Keras trial needs, which takes seconds and which a process pays once.

        Where no function of a user's own will run, Keras does without packages that may be installed beside it, whose
        import takes half as long as that of all else, and 160 MB.
        """
        gc.disable()  # a collection finds nothing to free among what is imported
        with _hidden(() if own_code else UNUSED):
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
                    writer.text(logdir.SETTINGS_TEXT, markdown.settings(spec, versions()))
                return self._attempt(spec, writer, host, Keeper(writer, spec.settings["log"], kept, begin))
        except (LogdirError, OSError, ValueError) as error:
            seconds = time.monotonic() - begin
            return TrialResult(TrialState.INTERRUPTED, seconds=seconds, error=str(error))

    def _attempt(self, spec: TrialSpec, writer: RunWriter, host: Host, keeper: Keeper) -> TrialResult:
        facts: dict[str, Any] = {}
        trial: Trial | None = None
        try:
            trial = Trial(spec, self._load(spec.settings["data"]), writer, host, keeper)
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
            traceback.clear_frames(error.__traceback__)  # what they hold may be all the memory there is
            state, facts["error"] = blame(error)
            facts["traceback"] = traceback.format_exc()
        if trial is not None and state.is_result:
            trial.write_best()
            if keeper.weights and state is not TrialState.PRUNED:  # which may yet go on
                facts |= keeper.weights.end(trial.epoch, trial.best_epoch)
        if state.is_conclusive:  # others may be tried again
            writer.end(success=state in (TrialState.FINISHED, TrialState.PRUNED))
            writer.sync()  # before the journal says that it is done
        if trial is not None:
            facts |= {"epochs": trial.epoch, "metrics": dict(trial.metrics)}
            facts |= {"best": dict(trial.best), "best_epoch": trial.best_epoch}
        return TrialResult(state=state, seconds=keeper.seconds, **facts)

    def _load(self, settings: Mapping[str, Any]) -> Loaded:
        key = json.dumps(settings, sort_keys=True)
        if self._data is None or self._data[0] != key:
            if changed := self._changed():
                raise ChangedError(CHANGED.format(", ".join(f"{name} {how}" for name, how in changed.items())))
            self._data = self._tensors = None  # never two data sets at once
            self._graphs.clear()  # the old one's graphs hold it
            dataset = self._read(settings)
            split = data.split(dataset, settings)
            self._data = key, (dataset, split, data.scaling(dataset, split, settings))
        return self._data[1]

    def _train(self, trial: Trial, facts: dict[str, Any]) -> None:
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
            trial.require([*engine.metrics, *(logdir.VALIDATION + "/" + name for name in engine.metrics)])
        series, between = Series(trial, engine), _between_epochs(trial, engine)
        kept = trial.checkpoint(lambda: {**engine.state(), **(between.state() if between else {})})
        callbacks = between.callbacks(kept or {}) if between else []
        if kept is None:
            series.write(0)
        elif not engine.restore({name: value for name, value in kept.items() if not name.startswith(BETWEEN)}):
            raise TrialError("the checkpoint does not fit the model; --retry-failed starts over")
        trial.keep_weights(lambda: weights.named(engine.weights()))
        series.begin(trial.epoch)
        begin = time.monotonic()
        try:
            for epoch, logs in engine.fit(trial.seed, trial.epochs, callbacks, trial.tick, trial.epoch):
                begin = _log_epoch(trial, engine, series, epoch, logs, begin)
        except Exception as error:
            explain(error, engine.model, trial.dataset)
            raise
        finally:
            if trial.epoch:
                facts["xla"], facts["weights_sha256"] = engine.compilation.xla, engine.digest()
                facts["xla_reason"] = engine.compilation.reason or None
                self._keep(key, engine)

    def _engine(self, trial: Trial) -> tuple[Engine, bool]:
        """Return an engine with the trial's initial values, and whether it is a kept one of the same graph."""
        from .engine import Engine  # noqa: PLC0415  imports TensorFlow, which own loops need not have

        fresh = self._build(trial)
        kept = self._graphs.pop(trial.spec.graph_key, None)
        if kept is not None and not self._is_shared(trial, kept, fresh):
            kept, fresh = None, self._build(trial)  # anew: looking at its graph has drawn from what is random in it
        trial.describe(fresh)
        if kept is not None and kept.pour(fresh):
            kept.notice = trial.host.notice
            return kept, True
        self._tensors = self._tensors or engine_data((trial.dataset, trial.split, trial.scaling))
        train = trial.settings["train"]
        xla = train.get("xla") or "auto"
        try:
            return Engine(fresh, self._tensors, train["batch_size"], trial.host.notice, xla), False
        except Exception as error:
            explain(error, fresh, trial.dataset)
            raise

    def _build(self, trial: Trial) -> Any:
        from . import models  # noqa: PLC0415  imports TensorFlow, which own loops need not have

        shape = trial.dataset.x_train.shape[1:]
        return models.build(trial.settings, self.folder, shape, trial.classes, trial.seed, trial.spec.takes)

    def _is_shared(self, trial: Trial, kept: Engine, fresh: Any) -> bool:
        """Return whether trials with a kept engine's key may train on its graph; the second of them shows it."""
        key, builder = trial.spec.graph_key, trial.settings["model"]["builder"]
        if builder != "mlp" and key not in self._shared:
            self._shared[key] = kept.has_constants_of(fresh)
            if not self._shared[key]:
                trial.host.notice(
                    f"{builder} draws random numbers that become constants of the graph: each trial needs one of its"
                    " own, which takes longer. Keep them in variables, such as those of add_weight"
                )
        return self._shared.get(key, True)

    def _keep(self, key: str, engine: Engine) -> None:
        if engine.reusable and self._shared.get(key, True):
            self._graphs[key] = engine
        while len(self._graphs) > GRAPHS_KEPT:
            self._graphs.popitem(last=False)


def _between_epochs(trial: Trial, engine: Engine) -> BetweenEpochs | None:
    """Return what happens between a trial's epochs, None where nothing was asked for."""
    train, spec = trial.settings["train"], trial.spec
    if not (train["schedule"] or train["patience"]):
        return None
    from .between_epochs import BetweenEpochs  # noqa: PLC0415  imports TensorFlow

    return BetweenEpochs(train, spec.objective, spec.goal, float(engine.model.optimizer.learning_rate))


def _run_own(loop: Callable[[Trial], object], trial: Trial) -> None:
    """Run a training loop of one's own; where it uses Keras, that is as new, as it is for a model."""
    if "keras" in sys.modules:
        from . import models  # noqa: PLC0415  imports TensorFlow, which own loops need not have

        models.begin(trial.seed)
    loop(trial)
    if unread := trial.unread():
        trial.host.notice(f"the training loop does not read {', '.join(unread)}, which the sweep varies")
    if trial.should_stop and trial.epoch < trial.epochs:
        raise Interrupted


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


def engine_data(loaded: Loaded) -> EngineData:
    """Return what an engine trains and validates on; imports TensorFlow."""
    from .feed import EngineData, Part, tensor  # noqa: PLC0415

    dataset, split, scaling = loaded
    x, y = tensor(dataset.x_train), tensor(dataset.y_train)
    held_out = Part(x, y, split.validation.start, split.validation.stop)
    if split.validation_is_test:
        assert dataset.x_test is not None
        assert dataset.y_test is not None
        held_out = Part(tensor(dataset.x_test), tensor(dataset.y_test), 0, len(dataset.x_test))
    return EngineData(Part(x, y, split.train.start, split.train.stop), held_out, scaling.offset, scaling.divisor)


def _log_epoch(
    trial: Trial, engine: Engine, series: Series, epoch: int, logs: Mapping[str, float], begin: float
) -> float:
    now = time.monotonic()
    trial.scalar(logdir.time_tag("epoch"), now - begin, epoch)
    series.write(epoch)
    series.begin(epoch)
    rate = logs.get(logdir.LEARNING_RATE, float(engine.model.optimizer.learning_rate))  # before it decays
    trial.report(epoch, **{**logs, logdir.LEARNING_RATE: rate})
    return now
