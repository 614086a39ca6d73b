"""Train any compiled Keras model with a compiled loop, so that almost all time goes into arithmetic.

`model.fit` dispatches every batch from Python. Here an epoch is a few calls of a loop in a TensorFlow graph, which XLA
compiles if that is faster. For each batch, the loop gathers examples from the tensors with all data, scales them, and
calls the model's own `train_step`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from ..logs import kept_weights
from . import sharing
from .feed import EngineData, Subset, epoch_order, fill, view
from .forward import floating_operations, forward_pass
from .hyper import hypers
from .metric_values import scalars
from .passes import OnCall, Pass
from .probe import EXAMPLES, Probe
from .weights import weights_of
from .xla import REFUSALS, Compilation, choose, first_line, is_compile_error, predict

CALL_SECONDS = 2.0  # intended duration of a compiled call; progress, Ctrl-C and time limits wait for its end
CORE_FLOPS = 50e9  # operations a second of a modest core in float32 matrix products; assumed in all estimates below
CORE_BYTES = 8e9  # bytes a second that such a core moves from and to memory, when the optimiser updates the weights
STEP_SECONDS = 1e-4  # overhead of a step
XLA_PAYS = 0.2  # seconds: shorter validation passes run without XLA, unless xla = "always": compiling takes 0.7 seconds
FEWEST_ROWS = 2  # fewest batches in a call: for a loop over one batch, XLA makes other code, which gives other bits
EVALUATION_BATCH = 512
STATEFUL_RANDOM = {
    "RandomUniform", "RandomUniformInt", "RandomStandardNormal", "TruncatedNormal",
    "RandomShuffle", "RandomGamma", "RandomPoissonV2", "Multinomial",
}  # fmt: skip

Logs = dict[str, float]


class Engine:
    """Train and validate a compiled Keras model epoch by epoch; trials with the same graph can share an engine.

    `notice` is called once with each message for the user, such as that XLA refused the model, or that the model draws
    stateful random numbers. `xla` is the key `xla` of the [train] table: "auto", "always" or "never".
    `flops` is the number of floating-point operations of one example's forward pass.
    """

    def __init__(
        self,
        model: keras.Model,
        data: EngineData,
        batch_size: int,
        notice: Callable[[str], None] = lambda _: None,
        xla: str = "auto",
    ) -> None:
        self.model, self.data, self.notice = model, data, notice
        self._xla, self._compilations = xla, dict[Pass, Compilation]()
        self._notified: set[str] = set()
        self._examined: set[Pass] = set()
        batch = min(batch_size, len(data.train))
        model.optimizer.build(model.trainable_variables)
        self._forward = forward_pass(model, data)
        self.flops = floating_operations(self._forward)
        self._train = self._pass(data.train, model.train_step, batch, training=True)
        size = _even_batch(len(data.validation))
        self._validate = self._pass(data.validation, model.test_step, size, training=False)

    @cached_property
    def probe(self) -> Probe:
        """The model's probe; its batch is the first examples of the training part, at most 256, in stored order."""
        part = self.data.train
        batch = self.data.batch(part, tf.range(part.start, min(part.stop, part.start + EXAMPLES)))
        return Probe(self.model, *batch, lambda text: self._notify_once(text, text))

    def _pass(self, part: Subset, step: Callable[[Any], Any], batch: int, training: bool) -> Pass:
        steps = max(1, len(part) // batch)
        weights = sum(variable.value.shape.num_elements() * 4 for variable in self.model.weights)
        seconds = batch * self.flops / CORE_FLOPS + STEP_SECONDS
        if training:  # the backward pass takes twice the arithmetic, and the optimiser reads and writes the weights
            seconds += 2 * batch * self.flops / CORE_FLOPS + 6 * weights / CORE_BYTES
        calls = -(-steps // max(FEWEST_ROWS, int(CALL_SECONDS / seconds)))
        pays = training or self._xla == "always" or steps * seconds > XLA_PAYS
        jit = pays and predict(self._xla, self._forward, batch, training).xla
        data = self.data
        made = Pass(
            lambda row: data.take_rows(part, row),
            lambda stored, row: step(_as_keras(data.to_inputs(stored), *data.targets(part, row))),
            len(part), batch, -(-steps // calls), jit,
        )  # fmt: skip
        if not pays:
            self._compilations[made] = Compilation(False, "compiling takes longer than it saves")
        return made

    @property
    def parameters(self) -> tuple[int, int]:
        """The number of weights, and how many of them train."""
        trainable = sum(variable.value.shape.num_elements() for variable in self.model.trainable_variables)
        return self.model.count_params(), trainable

    @property
    def metrics(self) -> list[str]:
        """The names of the training metrics in an epoch's logs."""
        return [name for name, _ in scalars(self.model.get_metrics_result())]

    @property
    def compilation(self) -> Compilation:
        """Whether XLA compiles the training loop; before the first epoch, a prediction."""
        return self._compilations.get(self._train, Compilation(self._train.jit))

    @property
    def is_reusable(self) -> bool:
        """Whether `load_values` can prepare this engine for another trial.

        This is so if the graphs capture nothing but the data and known variables, and if they read every `Hyper` from
        its variable. Then `load_values` can replace every value that differs between trials.
        """
        parts = [(part.x, part.y, part.weight) for part in (self.data.train, self.data.validation)]
        held = {id(each) for concrete in self._traced() for each in concrete.captured_inputs}
        known = {id(tensor) for tensor in tf.nest.flatten(parts)} | self._handles()
        return held <= known and {id(number.variable.handle) for number in hypers(self.model)} <= held

    def _state(self) -> list[keras.Variable]:
        return [*self.model.variables, *self.model.optimizer.variables]

    def _handles(self) -> set[int]:
        variables = [variable.value for variable in (*self._state(), *self.model.metrics_variables)]
        return {id(v.handle) for v in (*variables, *(number.variable for number in hypers(self.model)))}

    def _traced(self) -> tuple[Any, ...]:
        return (*self._train.traced(), *self._validate.traced())

    def _variables(self) -> list[tf.Variable]:
        """Return all variables that training changes: the model's, the optimiser's, and others that the graphs use."""
        held = {id(v.handle): v for concrete in self._traced() for v in concrete.graph.variables}
        known = self._handles()  # only now: tracing may create metrics
        others = [variable for handle, variable in held.items() if handle not in known]
        return [*(variable.value for variable in self._state()), *others]

    def state(self) -> dict[str, np.ndarray[Any, Any]]:
        """Return all values that training changes, for `restore` in an engine with the same graph.

        The names are indices, because a model may have two variables with the same path. The values may share memory
        with the variables: read or copy them before training continues.
        """
        return {str(index): view(variable) for index, variable in enumerate(self._variables())}

    def restore(self, state: Mapping[str, np.ndarray[Any, Any]]) -> bool:
        """Assign a `state` to the variables; return False and change nothing if it does not fit this graph."""
        variables = self._variables()
        return fill(variables, state.values())

    def load_values(self, fresh: keras.Model) -> bool:
        """Copy the values of a freshly built model: its variables, its optimiser's variables and every `Hyper`.

        Return False and change nothing if the two models differ in the variables' shapes or types, or in the number of
        Hypers.
        """
        fresh.optimizer.build(fresh.trainable_variables)
        held, values = self._state(), [*fresh.variables, *fresh.optimizer.variables]
        numbers, others = hypers(self.model), hypers(fresh)
        if len(numbers) != len(others) or [(v.shape, v.dtype) for v in held] != [(v.shape, v.dtype) for v in values]:
            return False
        for variable, value in zip(held, values, strict=True):
            variable.assign(value)
        for number, other in zip(numbers, others, strict=True):
            number.variable.assign(other)
        return True

    def same_step(self, fresh: keras.Model) -> bool:
        """Return whether `fresh`, which the same builder has just built, uses its gradients in the same way.

        If not, the builder makes constants of the values that it gets, or its model has a `train_step`, an optimiser or
        a schedule that is not Keras'.
        """
        return sharing.same_step(self.model, fresh)

    def same_constants(self, fresh: keras.Model) -> bool:
        """Return whether the loss of `fresh`, which the same builder has just built, has the same constants.

        If not, the two models cannot share a graph: the builder draws random numbers that become constants or, if it
        was given other values for `fresh`, makes constants of these values.
        """
        batch = self.data.batch(self.data.train, tf.constant([self.data.train.start]))
        return sharing.graph_constants(self.model, *batch, seed=0) == sharing.graph_constants(fresh, *batch, seed=1)

    def fit(
        self,
        seed: int,
        epochs: int,
        callbacks: Sequence[keras.callbacks.Callback] = (),
        on_call: OnCall = lambda _: None,
        initial_epoch: int = 0,
    ) -> Iterator[tuple[int, Logs]]:
        """Train, yielding (epochs finished, logs) with Keras' names: `loss`, `accuracy`, `val_loss`, `val_accuracy`.

        The order of the examples in epoch e depends on (seed, e) alone. After `restore`, give the number of epochs
        finished as `initial_epoch`. The train, test and epoch hooks of callbacks are called, but not the batch hooks.
        `on_call` is called after each compiled call, with the share of the training epoch that is done.
        """
        hooks = keras.callbacks.CallbackList(list(callbacks), model=self.model)
        self.model.stop_training = False
        logs: Logs = {}
        hooks.on_train_begin()
        for epoch in range(initial_epoch, epochs):
            if self.model.stop_training:
                break
            hooks.on_epoch_begin(epoch)
            logs = self.train_epoch(seed, epoch, on_call)
            hooks.on_test_begin()
            found = self.validate(on_call)
            hooks.on_test_end(found)
            logs |= {f"val_{name}": value for name, value in found.items()}
            hooks.on_epoch_end(epoch, logs)
            yield epoch + 1, logs
        hooks.on_train_end(logs)

    def train_epoch(self, seed: int, epoch: int, on_call: OnCall) -> Logs:
        """Train one epoch in the order of examples that (seed, epoch) gives; return the metrics over it."""
        return self._run(self._train, epoch_order(self.data.train, seed, epoch), on_call)

    def validate(self, on_call: OnCall = lambda _: None) -> Logs:
        """Return the metrics over the validation part."""
        part = self.data.validation
        order = np.arange(part.start, part.stop, dtype=np.int32)
        return self._run(self._validate, order, lambda _: on_call(1.0))

    def _run(self, loop: Pass, order: np.ndarray[Any, np.dtype[np.int32]], on_call: OnCall) -> Logs:
        self.model.reset_metrics()
        if loop not in self._compilations:
            self._use(loop, choose(self._xla, [loop.graph()]))
        try:
            loop.run(order, on_call)
        except REFUSALS as error:
            if not loop.jit or not is_compile_error(error):
                raise
            reason = f"XLA refuses this model: {first_line(error)}"
            self._notify_once("xla", f"trains without XLA: {reason}")
            self._use(loop, Compilation(False, reason))
            return self._run(loop, order, on_call)
        self._look_for_stateful_random(loop)
        return dict(scalars(self.model.get_metrics_result()))

    def _use(self, loop: Pass, compilation: Compilation) -> None:
        loop.use_xla(compilation.xla)
        self._compilations[loop] = compilation

    def _look_for_stateful_random(self, loop: Pass) -> None:
        if loop in self._examined:
            return
        self._examined.add(loop)
        found = {node.op for concrete in loop.traced() for node in _nodes(concrete.graph)} & STATEFUL_RANDOM
        if found:
            self._notify_once(
                "random",
                f"the model draws stateful random numbers ({', '.join(sorted(found))}), so the same seed does not"
                " give the same bits; use keras.random with a keras.random.SeedGenerator",
            )

    def _notify_once(self, subject: str, text: str) -> None:
        if subject not in self._notified:
            self._notified.add(subject)
            self.notice(text)

    def weights(self, trainable: bool = False) -> Iterator[tuple[str, str, np.ndarray[Any, Any]]]:
        """Yield (layer path, variable name, values) of all weights, or only of the trainable ones: see `weights_of`."""
        return weights_of(self.model, trainable)

    def digest(self) -> str:
        """Return the SHA-256 of all weights, with their names, types and shapes, in hexadecimal."""
        return kept_weights.digest(kept_weights.named(self.weights()))


def _as_keras(x: Any, y: Any, weight: Any) -> tuple[Any, ...]:
    """Return a batch in the form that Keras' `train_step` and `test_step` take."""
    return (x, y) if weight is None else (x, y, weight)


def _even_batch(count: int) -> int:
    """Return the batch size of a validation pass over `count` examples, at most `EVALUATION_BATCH`.

    It is the largest divisor of `count` up to this limit, so that no remainder needs a graph of its own. But if that
    divisor is below a quarter of `EVALUATION_BATCH`, the batch size is the lesser of `EVALUATION_BATCH` and `count`,
    because small batches would be slow.
    """
    best = max(size for size in range(1, min(count, EVALUATION_BATCH) + 1) if count % size == 0)
    return best if best >= EVALUATION_BATCH // 4 else min(count, EVALUATION_BATCH)


def _nodes(graph: Any) -> Iterator[Any]:
    definition = graph.as_graph_def()
    yield from definition.node
    for function in definition.library.function:
        yield from function.node_def
