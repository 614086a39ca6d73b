"""`hpdash.Trial`, the handle that a training loop gets: it gives settings and data, and takes metrics and checkpoints.

It keeps the last and the best metrics, and ends the trial when it has to stop.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property
from typing import Any

import numpy as np

from ..data import Dataset, Scaling, Split
from ..errors import MetricError, Problem, TrialError
from ..histograms.histogram import Histogram
from ..logs import layout, outline, text_tab
from ..logs.checkpoint import Keeper
from ..logs.writer import RunWriter
from ..records import Progress, Reached, Scalar, TrialSpec
from .host import Diverged, Host, Interrupted, Pruned
from .read_settings import Reads

VALIDATION = "validation/"
Array = np.ndarray[Any, np.dtype[Any]]
Loaded = tuple[Dataset, Split, Scaling]


@dataclass(frozen=True, slots=True)
class TrialData:
    """The scaled data of a custom training loop: x float32 [n, ...], y int32 (classes) or float32 [n]."""

    x_train: Array
    y_train: Array
    x_validation: Array
    y_validation: Array


class Trial:
    """One trial as its training loop sees it: `hparams`, `seed`, `data`; `scalar`, `histogram`, `report`.

    `epoch` is the number of finished epochs. At the start it is above 0 only if the trial resumes from a checkpoint.
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
        """Every resolved setting as TensorBoard shows it; `settings` has lists and tables as in the file."""
        return Reads(self.spec.hparams, self._read)

    @property
    def settings(self) -> Mapping[str, Mapping[str, Any]]:
        """The resolved tables "data", "model", "train" and "log"."""
        return {table: Reads(values, self._read) for table, values in self.spec.settings.items()}

    def unread(self) -> list[str]:
        """Return the swept settings that a custom training loop has not read, which therefore changed nothing.

        Settings of [data] count as read because they change the data, and `loop` because it chooses the loop.
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
        """The number of classes, or None for a regression."""
        return self.dataset.classes

    @cached_property
    def data(self) -> TrialData:
        """The training and the validation part, scaled as [data] says; created at the first access."""
        dataset, split, scaling = self.dataset, self.split, self.scaling
        held_out = (dataset.x_test, dataset.y_test) if split.validation_is_test else (dataset.x_train, dataset.y_train)
        assert held_out[0] is not None
        assert held_out[1] is not None
        train, validation = _slice(split.train), _slice(split.validation)

        def scaled(x: Array) -> Array:
            values = x.astype(np.float32)
            values -= scaling.offset  # in place: no second copy of large data
            values /= scaling.divisor
            return values

        return TrialData(
            scaled(dataset.x_train[train]), dataset.y_train[train],
            scaled(held_out[0][validation]), held_out[1][validation],
        )  # fmt: skip

    def scalar(self, tag: str, value: float, step: int) -> None:
        """Write one point of a series; `step` is the number of epochs finished.

        A tag that starts with "validation/" is written without this prefix, to the `validation` folder of the run.
        """
        name = tag.removeprefix(VALIDATION)
        self._writer.scalar(name, float(value), step, validation=name != tag)

    def histogram(self, tag: str, values: Array, step: int) -> None:
        """Write the distribution of an array of any shape; step 0 is before training.

        Values that are NaN or infinite are in no bucket; if there are any, their share is written as a scalar.
        """
        histogram = Histogram.of(np.asarray(values))
        self._writer.histogram(tag, histogram, step)
        if histogram.nonfinite:
            self._writer.scalar(layout.nonfinite_tag(tag), histogram.nonfinite / np.size(values), step)

    @property
    def should_stop(self) -> bool:
        """Whether the sweep stops.

        A loop need not ask, because `tick` and `report` end the trial. A loop that returns early when the sweep stops
        counts as interrupted, and runs again later.
        """
        return self.host.stopping

    def checkpoint(self, save: Callable[[], Mapping[str, Any]]) -> Mapping[str, Array] | None:
        """Make the trial resumable; return the state to resume from, or None if the trial starts from the beginning.

        `save` returns everything that training changes: arrays and numbers by name. `report` calls it if a checkpoint
        is due by [log] checkpoint_epochs or checkpoint_minutes, if the sweep stops, and if the trial is pruned. A later
        attempt gets the last saved state here, as NumPy arrays; `epoch` is the number of epochs finished by then:

            kept = trial.checkpoint(lambda: {v.path: v.numpy() for v in variables})
            for variable in variables if kept else ():
                variable.assign(kept[variable.path])
            for epoch in range(trial.epoch + 1, trial.epochs + 1): ...

        For Keras, `variables` are `model.variables + optimizer.variables`, once the optimiser is built. Nothing is
        pickled: convert other objects to arrays, and bytes with `np.frombuffer(content, np.uint8)`. A dtype that NumPy
        does not know, such as bfloat16, comes back as bytes; restore it with `view`. A resumed trial computes the same
        bits if the state has everything that the next epoch depends on: draw random numbers from (seed, epoch), or save
        the generator's state.
        """
        self._save = save
        if self._is_pruned():  # the worker may have died after the checkpoint and before the trial ended
            raise Pruned
        return self._keeper.kept.arrays if self._keeper.kept else None

    def describe(self, model: Any) -> None:
        """Show a built Keras model: its layers in `hpdash show` and TensorBoard's Text tab, and its graph in Graphs.

        Call this once, before training. The graph is left out if TensorBoard cannot draw the model. A trial that
        resumes from a checkpoint writes nothing, because its first attempt did.
        """
        if self.epoch:
            return
        layers, graph = outline.layers_of(model), outline.graph_of(model)
        outline.write(self._writer.folder, layers)
        self._writer.text(layout.MODEL_TEXT, text_tab.model(layers))
        if graph is not None:
            self._writer.graph(graph)

    def keep_weights(self, source: Callable[[], Iterable[tuple[str, Array]]]) -> None:
        """Keep weights in the run folder as [log] weights says; `source` returns pairs of layer/variable and values."""
        self._keeper.keep_weights(source)

    def tick(self, fraction: float, phase: str = "training") -> None:
        """Report that a share (0 to 1) of the current epoch is done. Raises Interrupted if the sweep stops.

        A trial with a `checkpoint` finishes its epoch first: then `report` raises.
        """
        self._tell(fraction, phase)
        if self.host.stopping and not self._save:
            raise Interrupted

    def _tell(self, fraction: float, phase: str = "training") -> None:
        self.host.progress(Progress(self.number, self.epoch, self.epochs, fraction, self.metrics, phase))

    def report(self, epoch: int, **metrics: float) -> None:
        """Finish an epoch (from 1) with its metrics: `loss=…, accuracy=…`, validation as `validation_accuracy=…`.

        Writes the metrics as `epoch_<metric>`, and keeps the last and the best. Ends the trial by raising Interrupted
        if the sweep stops, Pruned if other trials do better, Diverged if a loss is no longer finite. Raises MetricError
        if the objective or the metric that pruning watches is missing, TrialError if the epoch was reported before.
        """
        if epoch <= self.epoch:
            hint = "Start the loop at trial.epoch + 1. If the trial's state is lost, --retry-failed starts it over."
            raise TrialError(f"report: expected an epoch after {self.epoch}, found {epoch}. {hint}")
        named = {_metric_name(name): float(value) for name, value in metrics.items()}
        self.require(named)
        for name, value in named.items():
            base = name.removeprefix(VALIDATION)
            self._writer.scalar(layout.epoch_tag(base), value, epoch, validation=base != name)
        self.epoch, self.metrics = epoch, named
        self._keep_best()
        self._writer.flush()
        if not all(math.isfinite(value) for name, value in named.items() if name.removeprefix(VALIDATION) == "loss"):
            raise Diverged
        if epoch < self.epochs:
            self._between_epochs(epoch)

    def _between_epochs(self, epoch: int) -> None:
        """Keep a checkpoint if one is due or the trial has to stop; raise Pruned or Interrupted if it has to stop."""
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
        """Return whether the trial is pruned now; at a rung, ask the driver and wait for its answer."""
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
        """Raise MetricError unless `metrics` has the objective and, if the trial has rungs, the watched metric."""
        asked = {"sweep.objective": self.spec.objective} | ({"prune.watch": self.spec.watch} if self.spec.rungs else {})
        for key, metric in asked.items():
            if metric not in metrics:
                near = get_close_matches(metric, metrics, n=1)
                hint = f"Did you mean {near[0]!r}?" if near else ""
                raise MetricError(str(Problem(key, f"one of {', '.join(metrics)}", metric, hint)))

    def write_best(self) -> None:
        """Write the best epoch and its metrics once, because the HParams table shows only last values."""
        if self.best_epoch is None:
            return
        prefix = VALIDATION if self.spec.objective.startswith(VALIDATION) else ""
        for name, value in self.best.items():
            if name.startswith(VALIDATION) == bool(prefix) and name != layout.LEARNING_RATE:
                self._writer.scalar(layout.best_tag(name.removeprefix(prefix)), value, self.epoch)
        self._writer.scalar(layout.BEST_EPOCH, float(self.best_epoch), self.epoch)


def _metric_name(keyword: str) -> str:
    for prefix in ("validation_", "val_"):
        if keyword.startswith(prefix):
            return VALIDATION + keyword.removeprefix(prefix)
    return keyword


def _slice(part: range) -> slice:
    return slice(part.start, part.stop)
