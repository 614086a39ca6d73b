"""Run one training or validation pass over the examples, in a few calls of a compiled loop over the batches."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import tensorflow as tf

from .tracing import fast_operations

OnCall = Callable[[float], None]


class Pass:
    """Run a step for each batch, in calls of a compiled loop over full batches and one call for the remainder.

    Args:
        take: returns the examples at the indices of one batch, int32 [batch], as they are stored.
        step: trains or validates one batch; it gets the examples that `take` returned, and their indices.
        count: the number of examples.
        batch: the number of examples in a full batch.
        rows: the largest number of batches in a call; the loop gets their indices as a matrix [rows, batch].
        jit: whether XLA compiles the loop.

    The loop copies the examples of the next batch before `step` needs them: a core keeps several reads of memory in
    progress during a plain copy, but not if the arithmetic of `step` reads the examples one after another.

    The last call may have fewer batches than `rows`. It uses the same executable, because the number of batches is a
    tensor. A remainder of less than `batch` examples has its own graph. It runs without XLA, because XLA would take
    longer to compile it than it would save.
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
        """Run the step on all examples, in batches in the given order of their indices.

        After each call of the loop, `on_call` gets the share of the examples that is done.
        """
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
        """Yield the traced functions: of the loop and, if there is one, of the remainder."""
        yield self._loop.get_concrete_function()
        if self.rest:
            yield self._rest.get_concrete_function()
