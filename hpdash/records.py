"""Records that all stages share: a trial's specification, its state, its result, and events while it runs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

from .goal import Goal

Scalar = bool | int | float | str
TABLES = ("data", "model", "train")  # tables whose keys are hyperparameters; [log] only selects what is written
DRAWING_STRATEGIES = ("random", "sobol", "tpe")  # strategies that draw as many settings as `sweep.trials` says
COMMAND, STEPS = "command", "steps"  # keys of [train] of a sweep whose trials are programs
KERAS_LOOP = "none"  # train.loop of a trial that trains a Keras model, in a sweep whose other trials have loops
CALLBACK_PREFIX = "between_epochs/"  # in a checkpoint, prefix of the names of the state of hpdash's callbacks
USER_CALLBACK_PREFIX = "callbacks/"  # the same for the user's callbacks
# Keys of [train] that act only between two epochs, and all keys of [train] whose values share a compiled graph
BETWEEN_EPOCHS = ("schedule", "decay", "decay_epochs", "min_learning_rate", "patience", "min_delta")
OUTSIDE_GRAPH = ("learning_rate", "epochs", *BETWEEN_EPOCHS)
INITIALIZERS = ("kernel_initializer", "bias_initializer", "output_initializer")
# Numbers that the graph of the built-in MLP reads from variables. All values but 0 and None give the same graph
MODEL_HYPERS = ("dropout", "l1", "l2", "noise")
OPTIMIZER_HYPERS = ("momentum", "rho", "beta_1", "beta_2", "epsilon", "weight_decay", "clipnorm")


class TrialState(StrEnum):
    """The state of a trial; every state except `RUNNING` ends an attempt."""

    RUNNING = "running"
    FINISHED = "finished"
    PRUNED = "pruned"
    DIVERGED = "diverged"
    FAILED = "failed"
    KILLED = "killed"
    TIMED_OUT = "timed_out"
    INTERRUPTED = "interrupted"

    @property
    def is_result(self) -> bool:
        """Whether the state counts as a result of the sweep: the trial finished, was pruned or diverged."""
        return self in (TrialState.FINISHED, TrialState.PRUNED, TrialState.DIVERGED)

    @property
    def is_conclusive(self) -> bool:
        """Whether the trial itself caused this state: it finished, was pruned, diverged or failed.

        It runs again only with --retry-failed (if it failed or diverged), or when it is promoted (if it was pruned).
        """
        return self.is_result or self is TrialState.FAILED

    @property
    def is_fault(self) -> bool:
        """Whether the state of a trial makes the sweep's command exit with 1."""
        return self in (TrialState.FAILED, TrialState.KILLED, TrialState.TIMED_OUT)


def shown(value: object) -> Scalar | None:
    """Return the value of a key as TensorBoard and tables show it: a bool, a number or a string.

    A list becomes `"512-256"`, an initialiser's table `"random_normal(stddev=1)"`. None stays None and is not shown.
    """
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, Mapping):
        arguments = ",".join(f"{key}={_plain(item)}" for key, item in value.items() if key != "name")
        return f"{value.get('name', '')}({arguments})"
    if isinstance(value, list | tuple):
        return "-".join(_plain(item) for item in value)
    return str(value)


def _plain(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.12g}"
    return str(shown(value))


def own_loop(train: Mapping[str, Any]) -> str | None:
    """Return the user's training loop, `module:function`, from a [train] table; None for trials of a Keras model."""
    loop: str | None = train.get("loop")
    return None if loop == KERAS_LOOP else loop


def program_of(train: Mapping[str, Any]) -> list[str] | None:
    """Return the command of a program from a [train] table; None for trials that are no program."""
    return train.get(COMMAND)


def trains_keras(train: Mapping[str, Any]) -> bool:
    """Return whether a [train] table is that of a Keras model that hpdash trains: no own loop and no program."""
    return own_loop(train) is None and program_of(train) is None


def visible(text: str, besides: str = "") -> str:
    """Escape characters that a terminal would interpret or not show, such as control and direction characters.

    Characters in `besides` stay as they are.
    """
    return "".join(
        char if char.isprintable() or char in besides else char.encode("unicode_escape").decode() for char in text
    )


def default_metrics(classes: int | None) -> tuple[str, ...]:
    """Return the metrics of a model if its [train] table names none; `classes` is None for a regression."""
    return ("mean_absolute_error",) if classes is None else ("accuracy",)


@dataclass(frozen=True, slots=True)
class TrialSpec:
    """One trial: a setting of a sweep and a seed, with everything that a worker needs to train it.

    `number` and `setting` count from 0; replicates share `setting` and differ in `seed`.
    `swept` has the values of the swept hyperparameters, in the order of the sweep file; a hyperparameter whose `when`
    does not hold is absent.
    `settings` has the tables "data", "model", "train" and "log", with every key resolved to a JSON value.
    `objective` names the metric that ranks trials, such as `validation/accuracy`.
    After each epoch in `rungs`, the trial reports the value of the metric `watch` and asks whether to go on.
    `takes` are the keys of [train] and [data] that a user's builder is called with.
    """

    number: int
    setting: int
    seed: int
    swept: Mapping[str, Any]
    settings: Mapping[str, Mapping[str, Any]]
    objective: str
    goal: Goal
    rungs: tuple[int, ...] = ()
    watch: str = ""
    takes: tuple[str, ...] = ()

    @property
    def hparams(self) -> dict[str, Scalar]:
        """The values of all keys of [data], [model] and [train], as numbers, strings or booleans for TensorBoard.

        Keys whose value is None, keys that begin with `_`, and the command of a program are left out.
        """
        settings = (pair for table in TABLES for pair in self.settings[table].items())
        pairs = {key: shown(value) for key, value in settings if not key.startswith("_") and key != COMMAND}
        return {key: value for key, value in pairs.items() if value is not None}

    @property
    def epochs(self) -> int:
        """How many epochs the trial is set to train; for a program, its steps, 0 if their number is unknown."""
        train = self.settings["train"]
        return int(train[STEPS] or 0) if self.is_program else int(train["epochs"])

    @property
    def is_program(self) -> bool:
        """Whether the trial is a program."""
        return program_of(self.settings["train"]) is not None

    @property
    def unit(self) -> str:
        """What a trial's steps are called: epochs, unless it is a program."""
        return "step" if self.is_program else "epoch"

    @property
    def graph_key(self) -> str:
        """A text that identifies the compiled graph: trials with equal texts differ only in values of variables.

        The text leaves out the seed and the keys `OUTSIDE_GRAPH`. For the built-in MLP, it also leaves out the
        initialisers, and it has "nonzero" for every value of `MODEL_HYPERS` and `OPTIMIZER_HYPERS` except 0 and None.
        For a user's builder, it has all these values, because the builder may do anything with its arguments.
        """
        model, train = dict(self.settings["model"]), dict(self.settings["train"])
        for key in OUTSIDE_GRAPH:
            train.pop(key, None)
        if model.get("builder") == "mlp":
            for key in INITIALIZERS:
                model.pop(key, None)
            for table, keys in ((model, MODEL_HYPERS), (train, OPTIMIZER_HYPERS)):
                table |= {key: "nonzero" for key in keys if table.get(key)}
        return json.dumps([self.settings["data"], model, train], sort_keys=True)

    @property
    def label(self) -> str:
        """The swept hyperparameters in one line: `activation=elu batchnorm=before`."""
        return " ".join(f"{key}={_plain(value)}" for key, value in self.swept.items())


@dataclass(frozen=True, slots=True)
class TrialResult:
    """How one attempt at a trial ended.

    `metrics` are the metrics of the last epoch and `best` those of the best epoch, by names such as `loss`, `accuracy`
    and `validation/accuracy`. `seconds` is the training time on the worker's monotonic clock. `weights_sha256` is the
    digest of the final weights, `kept_sha256` that of the kept weights, which are those after `kept_epoch`.
    `loss_function` names the loss that the model was compiled with. `xla` says whether XLA compiled the training loop,
    `xla_reason` why it did not.
    `is_refused` says that the trial lacks the metric by which trials are ranked or pruned. If no other trial of the
    sweep has finished, the driver stops the sweep, and the user has to correct the sweep file. Otherwise the driver
    changes the trial's state to failed, and the sweep goes on.
    `is_stale` says that the trial was not trained, because the user's code or data changed while the sweep was running.
    """

    state: TrialState
    epochs: int = 0
    metrics: Mapping[str, float] = field(default_factory=dict)
    best: Mapping[str, float] = field(default_factory=dict)
    best_epoch: int | None = None
    seconds: float = 0.0
    weights_sha256: str | None = None
    kept_sha256: str | None = None
    kept_epoch: int | None = None
    parameters: int | None = None
    trainable_parameters: int | None = None
    loss_function: str | None = None
    xla: bool | None = None
    xla_reason: str | None = None
    reused_graph: bool | None = None
    is_refused: bool | None = None
    is_stale: bool | None = None
    error: str | None = None
    traceback: str | None = None

    @property
    def stops_sweep(self) -> bool:
        """Whether the result stops the sweep, because of its file (`is_refused`) or its code or data (`is_stale`).

        A refused trial whose state the driver has changed to failed does not stop the sweep.
        """
        return self.state is TrialState.INTERRUPTED and bool(self.is_refused or self.is_stale)

    def to_json(self) -> dict[str, Any]:
        """Return the result as JSON values, without fields that are None."""
        return {key: value for key, value in asdict(self).items() if value is not None}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> TrialResult:
        """Return the result from its JSON values; keys of a newer version are ignored."""
        known = {key: value for key, value in data.items() if key in cls.__dataclass_fields__}
        return cls(**{**known, "state": TrialState(known["state"])})


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a running trial is.

    `epoch` is how many of the `epochs` epochs are finished, and `fraction` (0 to 1) how much of the next one is done.
    `metrics` are those of the last finished epoch. A `phase` other than "training" is shown instead of the epoch.
    """

    number: int
    epoch: int
    epochs: int
    fraction: float
    metrics: Mapping[str, float] = field(default_factory=dict)
    phase: str = "training"


@dataclass(frozen=True, slots=True)
class Started:
    """A worker has started an attempt at a trial; `attempt` counts from 1, `epoch` epochs are already finished."""

    spec: TrialSpec
    attempt: int
    worker: int
    epoch: int = 0


@dataclass(frozen=True, slots=True)
class Ended:
    """An attempt has ended; `lost_machine` says that a machine left the cluster, which is not the trial's fault."""

    spec: TrialSpec
    attempt: int
    result: TrialResult
    lost_machine: bool = False


@dataclass(frozen=True, slots=True)
class Notice:
    """A sentence for the user, from a trial or about a worker."""

    text: str
    number: int | None = None


@dataclass(frozen=True, slots=True)
class Reached:
    """A trial has reached an epoch after which it may be pruned, and waits for the decision.

    `value` is that of the metric which pruning watches.
    """

    number: int
    epoch: int
    value: float


Event = Started | Progress | Reached | Ended | Notice
