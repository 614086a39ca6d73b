"""`hpdash.Trial`, the handle a training loop gets: its settings and data, and where it reports to.

What it knows: which metrics were last and which best, and when a trial has to stop.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property
from typing import Any, Protocol

import numpy as np

from . import logdir, markdown, outline
from .checkpoint import Keeper
from .data import Dataset, Scaling, Split
from .errors import MetricError, Problem, TrialError
from .histogram import Histogram
from .reads import Reads
from .trial import Progress, Reached, Scalar, TrialSpec
from .writer import RunWriter

VALIDATION = "validation/"
Array = np.ndarray[Any, np.dtype[Any]]
Loaded = tuple[Dataset, Split, Scaling]


class Interrupted(Exception):
    """End a trial because the sweep stops; not an error."""


class Pruned(Exception):
    """End a trial early because others do better; not an error. It may go on later from its checkpoint."""


class Diverged(Exception):
    """End a trial because its loss is no longer finite; not an error."""


class Host(Protocol):
    """What a trial can ask of the process it runs in."""

    @property
    def stopping(self) -> bool:
        """Whether the trial is to stop as soon as it can."""

    def progress(self, progress: Progress) -> None:
        """Pass on how far the trial is."""

    def notice(self, text: str) -> None:
        """Pass on a sentence for the user."""

    def goes_on(self, reached: Reached) -> bool:
        """Ask whether a trial goes on after a rung; where the sweep stops meanwhile, it does for as long as that."""


@dataclass(frozen=True, slots=True)
class TrialData:
    """The data of a training loop of one's own, scaled: x float32 [n, ...], y int32 (classes) or float32 [n]."""

    x_train: Array
    y_train: Array
    x_validation: Array
    y_validation: Array


class Trial:
    """One trial as its training loop sees it: `hparams`, `seed`, `data`; `scalar`, `histogram`, `report`.

    `epoch` is the number of epochs finished: more than 0 at the start where it goes on from a `checkpoint`.
    """

    def __init__(self, spec: TrialSpec, loaded: Loaded, writer: RunWriter, host: Host, keeper: Keeper) -> None:
        self.spec, self.host = spec, host
        self.dataset, self.split, self.scaling = loaded
        self._writer, self._keeper = writer, keeper
        self._save: Callable[[], Mapping[str, Any]] | None = None
        self._read: set[str] = set()
        kept = keeper.kept
        self.epoch: int = kept.epoch if kept else 0
        self.metrics: Mapping[str, float] = kept.metrics if kept else {}
        self.best: Mapping[str, float] = kept.best if kept else {}
        self.best_epoch: int | None = kept.best_epoch if kept else None

    @property
    def number(self) -> int:
        """The trial's number in its sweep, from 0."""
        return self.spec.number

    @property
    def seed(self) -> int:
        """The seed that all of the trial's random numbers come from."""
        return self.spec.seed

    @property
    def hparams(self) -> dict[str, Scalar]:
        """Every resolved setting as TensorBoard shows it; `settings` has lists and tables as the file wrote them."""
        return Reads(self.spec.hparams, self._read)

    @property
    def settings(self) -> Mapping[str, Mapping[str, Any]]:
        """The resolved tables "data", "model", "train" and "log"."""
        return {table: Reads(values, self._read) for table, values in self.spec.settings.items()}

    def unread(self) -> list[str]:
        """Return what is swept that a training loop of one's own has not read, so that it cannot have changed anything.

        What [data] has changes the data, and the loop's own name chooses the loop.
        """
        used = {*self._read, *self.spec.settings["data"], "loop"}
        return [name for name in self.spec.swept if name not in used]

    @property
    def epochs(self) -> int:
        """How many epochs the trial is set to train."""
        self._read.add("epochs")
        return int(self.spec.settings["train"]["epochs"])

    @property
    def classes(self) -> int | None:
        """The number of classes, or None where the data are for a regression."""
        return self.dataset.classes

    @cached_property
    def data(self) -> TrialData:
        """The training and the validation part, scaled as [data] says; made at the first use."""
        dataset, split, scaling = self.dataset, self.split, self.scaling
        held_out = (dataset.x_test, dataset.y_test) if split.validation_is_test else (dataset.x_train, dataset.y_train)
        assert held_out[0] is not None
        assert held_out[1] is not None
        train, validation = _slice(split.train), _slice(split.validation)

        def scaled(x: Array) -> Array:
            values = x.astype(np.float32)
            values -= scaling.offset  # in place: large data are there once
            values /= scaling.divisor
            return values

        return TrialData(
            scaled(dataset.x_train[train]), dataset.y_train[train],
            scaled(held_out[0][validation]), held_out[1][validation],
        )  # fmt: skip

    def scalar(self, tag: str, value: float, step: int) -> None:
        """Write one point of a series; `step` is the number of epochs finished."""
        name = tag.removeprefix(VALIDATION)
        self._writer.scalar(name, float(value), step, validation=name != tag)

    def histogram(self, tag: str, values: Array, step: int) -> None:
        """Write the distribution of an array of any shape; step 0 is before training.

        Values that are NaN or infinite are in no bucket; their share is written as a scalar of its own.
        """
        histogram = Histogram.of(np.asarray(values))
        self._writer.histogram(tag, histogram, step)
        if histogram.nonfinite:
            self._writer.scalar(logdir.nonfinite_tag(tag), histogram.nonfinite / np.size(values), step)

    @property
    def should_stop(self) -> bool:
        """Whether the sweep stops. `tick` and `report` see to that; a loop that returns then is to be run again."""
        return self.host.stopping

    def checkpoint(self, save: Callable[[], Mapping[str, Any]]) -> Mapping[str, Array] | None:
        """Let the trial go on where it stopped, or was killed; return what it goes on from, None where it begins.

        `save` returns all that training changes, arrays and numbers by name. It is called by `report`, where [log]
        checkpoint_epochs or checkpoint_minutes say so and where the sweep stops, and what it returned is what a later
        attempt gets here, as NumPy arrays, with the number of epochs finished by then in `epoch`:

            kept = trial.checkpoint(lambda: {v.path: v.numpy() for v in variables})
            for variable in variables if kept else ():
                variable.assign(kept[variable.path])
            for epoch in range(trial.epoch + 1, trial.epochs + 1): ...

        For Keras, `variables` are `model.variables + optimizer.variables`, the optimiser built. Nothing is pickled:
        other objects are to be made arrays, bytes by `np.frombuffer(content, np.uint8)`. A type that NumPy does not
        know, such as bfloat16, comes back as bytes to `view`. The same bits follow where everything is in it that the
        next epoch depends on: draw random numbers from (seed, epoch), or save the generator's state.
        """
        self._save = save
        if self._is_pruned():  # where a death came between the checkpoint and the end
            raise Pruned
        return self._keeper.kept.arrays if self._keeper.kept else None

    def describe(self, model: Any) -> None:
        """Show a built Keras model: its layers in `hpdash show` and TensorBoard's Text tab, and its graph in Graphs.

        Once, before training: TensorBoard gets each at step 0, the graph where it can draw the model. A trial that goes
        on from a checkpoint has shown it.
        """
        if self.epoch:
            return
        layers, graph = outline.layers_of(model), outline.graph_of(model)
        outline.write(self._writer.folder, layers)
        self._writer.text(logdir.MODEL_TEXT, markdown.model(layers))
        if graph is not None:
            self._writer.graph(graph)

    def keep_weights(self, source: Callable[[], Iterable[tuple[str, Array]]]) -> None:
        """Keep weights in the run folder as [log] weights says: `source` returns them by `<layer>/<variable>`."""
        self._keeper.keep_weights(source)

    def tick(self, fraction: float, phase: str = "training") -> None:
        """Say that a share of the running epoch is done; raises Interrupted where the trial has to stop.

        One that has a `checkpoint` ends its epoch first.
        """
        self._tell(fraction, phase)
        if self.host.stopping and not self._save:
            raise Interrupted

    def _tell(self, fraction: float, phase: str = "training") -> None:
        self.host.progress(Progress(self.number, self.epoch, self.epochs, fraction, self.metrics, phase))

    def report(self, epoch: int, **metrics: float) -> None:
        """Finish an epoch (from 1) with its metrics: `loss=…, accuracy=…`, validation as `validation_accuracy=…`.

        Writes them as `epoch_<metric>`, keeps the last and the best, and ends the trial where it has to stop, where
        others do better, or where a loss is no longer finite. Raises MetricError if the sweep's objective is not
        among them, TrialError if the epoch has been reported before.
        """
        if epoch <= self.epoch:
            hint = "A loop begins at trial.epoch + 1; one that has lost what it goes on from, with --retry-failed."
            raise TrialError(f"report: expected an epoch after {self.epoch}, found {epoch}. {hint}")
        named = {_metric_name(name): float(value) for name, value in metrics.items()}
        self.require(named)
        for name, value in named.items():
            base = name.removeprefix(VALIDATION)
            self._writer.scalar(logdir.epoch_tag(base), value, epoch, validation=base != name)
        self.epoch, self.metrics = epoch, named
        self._keep_best()
        self._writer.flush()
        if not all(math.isfinite(value) for name, value in named.items() if name.removeprefix(VALIDATION) == "loss"):
            raise Diverged
        if epoch < self.epochs:
            self._between_epochs(epoch)

    def _between_epochs(self, epoch: int) -> None:
        """Keep a checkpoint where one is due, and end the trial where it is stopped or pruned."""
        pruned = self._is_pruned()
        stopping = self.host.stopping
        if self._save and (pruned or stopping or self._keeper.due(epoch)):
            self._keeper.keep(epoch, self.metrics, self.best, self.best_epoch, self._save())
        self._tell(0.0)
        if pruned:
            raise Pruned
        if stopping:
            raise Interrupted

    def _is_pruned(self) -> bool:
        """Ask whether the trial goes on, where it has come to a rung."""
        if self.epoch not in self.spec.rungs:
            return False
        return not self.host.goes_on(Reached(self.number, self.epoch, self.metrics[self.spec.watch]))

    def _keep_best(self) -> None:
        objective, goal = self.spec.objective, self.spec.goal
        value, best = self.metrics[objective], self.best.get(objective)
        better = best is None or goal.better(value, best)
        if better and math.isfinite(value):
            self.best, self.best_epoch = self.metrics, self.epoch
            if self._keeper.weights:
                self._keeper.weights.after_best(self.epoch)

    def require(self, metrics: Collection[str]) -> None:
        """Raise MetricError unless the metrics of an epoch have the one that ranks and the one that prunes."""
        asked = {"sweep.objective": self.spec.objective} | ({"prune.watch": self.spec.watch} if self.spec.rungs else {})
        for key, metric in asked.items():
            if metric not in metrics:
                near = get_close_matches(metric, metrics, n=1)
                hint = f"Did you mean {near[0]!r}?" if near else ""
                raise MetricError(str(Problem(key, f"one of {', '.join(metrics)}", metric, hint)))

    def write_best(self) -> None:
        """Write the best epoch and its metrics once, because the HParams table shows last values only."""
        if self.best_epoch is None:
            return
        prefix = VALIDATION if self.spec.objective.startswith(VALIDATION) else ""
        for name, value in self.best.items():
            if name.startswith(VALIDATION) == bool(prefix) and name != logdir.LEARNING_RATE:
                self._writer.scalar(logdir.best_tag(name.removeprefix(prefix)), value, self.epoch)
        self._writer.scalar(logdir.BEST_EPOCH, float(self.best_epoch), self.epoch)


def _metric_name(keyword: str) -> str:
    for prefix in ("validation_", "val_"):
        if keyword.startswith(prefix):
            return VALIDATION + keyword.removeprefix(prefix)
    return keyword


def _slice(part: range) -> slice:
    return slice(part.start, part.stop)
