"""One pass over examples in a few calls of one compiled loop, which is where no time goes into Python."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import tensorflow as tf

from .tracing import fast_operations

OnCall = Callable[[float], None]


class Pass:
    """One step after another over rows of indices, in compiled calls of a fixed length and a remainder.

    `take` returns a row's examples as they are stored, `step` works on them and on the row. The next row's examples are
    taken beside each step, as a mere copy: a core then waits for several places in memory at once, where in one loop
    with what `step` does to them it would wait for one after the other.
    `rows` is the length: as many batches as a call may take. A shorter last call uses the same executable,
    since the number of rows to run is a tensor; the remainder batch runs as a graph of its own size, without XLA,
    because compiling it takes longer than it saves.
    """

    def __init__(
        self,
        take: Callable[[tf.Tensor], tf.Tensor],
        step: Callable[[tf.Tensor, tf.Tensor], Any],
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
            def body(row: tf.Tensor, taken: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
                with fast_operations(self.jit):
                    self.step(taken, order[row])
                return row + 1, self.take(order[tf.minimum(row + 1, self.rows - 1)])

            start = [tf.constant(0), self.take(order[0])]
            tf.while_loop(lambda row, _: row < rows, body, start, parallel_iterations=1)

        def rest(row: tf.Tensor) -> None:
            with fast_operations(xla=False):
                self.step(self.take(row), row)

        matrix = tf.TensorSpec((self.rows, self.batch), tf.int32)
        count = tf.TensorSpec((), tf.int32)
        self._loop = tf.function(loop, jit_compile=self.jit, input_signature=[matrix, count], autograph=False)
        remainder = tf.TensorSpec((self.rest,), tf.int32)
        self._rest = tf.function(rest, input_signature=[remainder], autograph=False)

    def use_xla(self, jit: bool) -> None:
        """Trace the loop for XLA, or for TensorFlow's own executor; do nothing if it is traced so already."""
        if jit != self.jit:
            self.jit = jit
            self._compile()

    def graph(self) -> Any:
        """Return the graph of the loop, traced but not yet compiled."""
        return self._loop.get_concrete_function().graph

    def run(self, order: np.ndarray[Any, np.dtype[np.int32]], on_call: OnCall) -> None:
        """Take every index of `order` in turn, telling `on_call` the share done after each compiled call."""
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
