"""The records every stage passes on: what a trial is, how it stands, how it ended."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from .goal import Goal

Scalar = bool | int | float | str
TABLES = ("data", "model", "train")  # whose settings are hyperparameters; [log] only says what is written
DRAWN = ("random", "sobol", "tpe")  # strategies that are told how many settings, in an order that means something
NO_LOOP = "none"  # as the loop of trials that train a Keras model, beside others that have one of their own
BETWEEN = "between_epochs/"  # of names in a checkpoint: what the callbacks between epochs go by
BETWEEN_EPOCHS = ("schedule", "decay", "decay_epochs", "min_learning_rate", "patience", "min_delta")
INITIALIZERS = ("kernel_initializer", "bias_initializer", "output_initializer")
MODEL_HYPERS = ("dropout", "l1", "l2", "noise")  # numbers of which a graph has to know only whether they are 0
OPTIMIZER_HYPERS = ("momentum", "rho", "beta_1", "beta_2", "epsilon", "weight_decay", "clipnorm")  # or not set


class TrialState(StrEnum):
    """How a trial stands; every state but `RUNNING` ends an attempt."""

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
        """Whether the trial is done for good: its outcome answers the question that was asked."""
        return self in (TrialState.FINISHED, TrialState.PRUNED, TrialState.DIVERGED)

    @property
    def is_conclusive(self) -> bool:
        """Whether the trial came to it by itself: nothing but --retry-failed, or a promotion, runs it again."""
        return self.is_result or self is TrialState.FAILED

    @property
    def is_fault(self) -> bool:
        """Whether a sweep that ends so exits with 1."""
        return self in (TrialState.FAILED, TrialState.KILLED, TrialState.TIMED_OUT)


def shown(value: object) -> Scalar | None:
    """Return a setting as TensorBoard and tables show it: a bool, a number or a string.

    Lists become `"512-256"`, an initialiser's table `"random_normal(stddev=1)"`; None stays None (left out).
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
    """Return the training loop of one's own that a [train] table names, None where a Keras model is trained."""
    loop: str | None = train.get("loop")
    return None if loop == NO_LOOP else loop


def visible(text: str, besides: str = "") -> str:
    """Spell what a terminal would obey or not show, such as escapes and marks of direction, but for `besides`."""
    return "".join(
        char if char.isprintable() or char in besides else char.encode("unicode_escape").decode() for char in text
    )


def default_metrics(classes: int | None) -> tuple[str, ...]:
    """Return the metrics of a model whose [train] table names none; `classes` is None for a regression."""
    return ("mean_absolute_error",) if classes is None else ("accuracy",)


@dataclass(frozen=True, slots=True)
class TrialSpec:
    """One point of a sweep's space with a seed, resolved: all that a worker needs to train it.

    `settings` has the tables "data", "model", "train" and "log" with every key resolved to JSON values.
    `swept` has the hyperparameters in the file's order; one whose `when` does not hold is absent.
    `takes` are the settings of [train] and [data] that a builder of one's own is called with.
    Replicates share `setting` and differ in `seed`. After each epoch in `rungs` the trial asks whether it goes on, with
    the value of the metric `watch`.
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
        """Every resolved setting that is a number, a string or a boolean, as TensorBoard gets it."""
        settings = (pair for table in TABLES for pair in self.settings[table].items())
        pairs = {key: shown(value) for key, value in settings if not key.startswith("_")}
        return {key: value for key, value in pairs.items() if value is not None}

    @property
    def graph_key(self) -> str:
        """Name the compiled graph this trial runs on: trials of one key differ only in values that are poured in.

        For the built-in MLP that is all but seed, initialisers, learning rate, what happens between epochs, and the
        values of other hyperparameters that are numbers; for a builder of one's own, which may do anything with its
        keywords and its optimiser, initialisers and numbers count too.
        """
        model, train = dict(self.settings["model"]), dict(self.settings["train"])
        for key in ("learning_rate", "epochs", *BETWEEN_EPOCHS):
            train.pop(key, None)
        if model.get("builder") == "mlp":
            for key in INITIALIZERS:
                model.pop(key, None)
            for table, keys in ((model, MODEL_HYPERS), (train, OPTIMIZER_HYPERS)):
                table |= {key: "poured" for key in keys if table.get(key)}
        return json.dumps([self.settings["data"], model, train], sort_keys=True)

    @property
    def label(self) -> str:
        """The swept hyperparameters in one line, `activation=elu batchnorm=before`."""
        return " ".join(f"{key}={_plain(value)}" for key, value in self.swept.items())


def caveats(
    specs: Sequence[TrialSpec], synthetic: bool, accepted: Mapping[str, int] = MappingProxyType({})
) -> list[str]:
    """Say what has to stand beside the results of these trials wherever they are shown."""
    on_test = any(spec.settings["data"]["validation"] == "test" for spec in specs)
    return caveats_of(synthetic, on_test, accepted=accepted)


def caveats_of(
    synthetic: bool, on_test: bool, looks: int = 0, accepted: Mapping[str, int] = MappingProxyType({})
) -> list[str]:
    """Say what has to stand beside results on synthetic data, validated on the test set, or selected with its help.

    `looks` is how many selections have been evaluated: the second was made by people who had seen what the first gave.
    `accepted` has the files and functions that were changed while the sweep ran, and how often.
    """
    again = [f"{looks} looks at the test set"] if looks > 1 else []
    return ["synthetic data"] * synthetic + ["validated on the test set"] * on_test + again + versions_of(accepted)


def versions_of(accepted: Mapping[str, int]) -> list[str]:
    """Say of files that were changed while a sweep ran, each so many times, that its results rest on all versions."""
    return [f"trained with {count + 1} versions of {name}" for name, count in sorted(accepted.items())]


@dataclass(frozen=True, slots=True)
class TrialResult:
    """How one attempt at a trial ended.

    `metrics` are the last epoch's and `best` the best epoch's, named `loss`, `accuracy`, `validation/accuracy`.
    `seconds` is the training time on the worker's monotonic clock; `weights_sha256` the digest of the final weights,
    `kept_sha256` that of the weights that were kept, after `kept_epoch`. `loss_function` names the loss that the
    model was compiled with. `xla` says whether XLA compiled the training loop, `xla_reason` why it did not.
    `is_refused` says that the trial does not have the metric that ranks or prunes: until a trial has finished, it is
    the sweep that has to change. `is_stale` says that the user's code or data changed while the sweep was running, so
    that the trial was not trained.
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
        """Whether the sweep has to change, or its code or data, before trials can train."""
        return bool(self.is_refused or self.is_stale)

    def to_json(self) -> dict[str, Any]:
        """Return the one JSON form, without what is not set."""
        return {key: value for key, value in asdict(self).items() if value is not None}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> TrialResult:
        """Read the JSON form back, leaving out keys of a newer version."""
        known = {key: value for key, value in data.items() if key in cls.__dataclass_fields__}
        return cls(**{**known, "state": TrialState(known["state"])})


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a running trial is: epochs finished, the share of the current one, the last metrics."""

    number: int
    epoch: int
    epochs: int
    fraction: float
    metrics: Mapping[str, float] = field(default_factory=dict)
    phase: str = "training"


@dataclass(frozen=True, slots=True)
class Started:
    """A worker has begun an attempt (from 1) at a trial, which goes on from `epoch`."""

    spec: TrialSpec
    attempt: int
    worker: int
    epoch: int = 0


@dataclass(frozen=True, slots=True)
class Ended:
    """An attempt has ended; `lost_machine` where a machine left the cluster, which is not held against the trial."""

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
    """A trial has come to an epoch after which it may be stopped, and waits to be told."""

    number: int
    epoch: int
    value: float


Event = Started | Progress | Reached | Ended | Notice
