"""Run one training or validation pass over the examples, in a few calls of a compiled loop over the batches."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import tensorflow as tf

from .tracing import fast_operations

OnCall = Callable[[float], None]


class Pass:
    """Run a step for one batch after another, in compiled calls of a fixed length and one call for the remainder.

    `count` is the number of examples, `batch` the number of examples in a batch, and `rows` the largest number of
    batches in a call. A row has the indices of one batch. `take` returns a row's examples as they are stored; `step`
    gets these examples and the row. `jit` says whether XLA compiles the loop.
    While a step runs, the examples of the next row are copied. During a plain copy, a core has several memory reads in
    progress at once. If the arithmetic of `step` read the examples itself, each read would delay the next.
    A shorter last call uses the same executable, because the number of rows to run is a tensor. The remainder batch
    has its own graph. It runs without XLA, because XLA would take longer to compile it than it would save.
    """

    def __init__(
        self,
        take: Callable[[tf.Tensor], Any],
        step: Callable[[Any, tf.Tensor], Any],
        count: int,
        batch: int,
        rows: int,
        jit: bool = True,
    ) -> None:
        self.take, self.step, self.jit = take, step, jit
        self.batch, self.rows, self.rest = batch, rows, count % batch
        self._compile()

    def _compile(self) -> None:
        def loop(order: tf.Tensor, rows: tf.Tensor) -> None:
            def body(index: tf.Tensor, stored: Any) -> tuple[tf.Tensor, Any]:
                with fast_operations(self.jit):
                    self.step(stored, order[index])
                return index + 1, self.take(order[tf.minimum(index + 1, self.rows - 1)])

            start = [tf.constant(0), self.take(order[0])]
            tf.while_loop(lambda index, _: index < rows, body, start, parallel_iterations=1)

        def rest(row: tf.Tensor) -> None:
            with fast_operations(xla=False):
                self.step(self.take(row), row)

        matrix = tf.TensorSpec((self.rows, self.batch), tf.int32)
        count = tf.TensorSpec((), tf.int32)
        self._loop = tf.function(loop, jit_compile=self.jit, input_signature=[matrix, count], autograph=False)
        remainder = tf.TensorSpec((self.rest,), tf.int32)
        self._rest = tf.function(rest, input_signature=[remainder], autograph=False)

    def use_xla(self, jit: bool) -> None:
        """Trace the loop for XLA or for TensorFlow's own executor; do nothing if it is traced for that already."""
        if jit != self.jit:
            self.jit = jit
            self._compile()

    def graph(self) -> Any:
        """Return the graph of the loop, traced but not yet compiled."""
        return self._loop.get_concrete_function().graph

    def run(self, order: np.ndarray[Any, np.dtype[np.int32]], on_call: OnCall) -> None:
        """Process every index of `order` in turn; call `on_call` with the share done after each call of the loop."""
        full, size = len(order) // self.batch, self.rows * self.batch
        for first in range(0, full, self.rows):
            rows = min(self.rows, full - first)
            part = np.zeros(size, np.int32)
            part[: rows * self.batch] = order[first * self.batch : (first + rows) * self.batch]
            self._loop(tf.constant(part.reshape(self.rows, self.batch)), tf.constant(rows))
            on_call((first + rows) * self.batch / len(order))
        if self.rest:
            self._rest(tf.constant(order[full * self.batch :]))

    def traced(self) -> Iterator[Any]:
        """Yield the concrete functions that run."""
        yield self._loop.get_concrete_function()
        if self.rest:
            yield self._rest.get_concrete_function()
