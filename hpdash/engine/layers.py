"""Layers of the built-in MLP: layers that Keras does not have, and faster forms of layers that XLA runs slowly."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf

MAXOUT_PIECES = 2
MOST_TRANSPOSED = 2**20  # values of the largest kernel that is stored transposed
SUM_PARTS, SUM_REST = 4, 1024  # a sum adds SUM_PARTS parts elementwise, until at most SUM_REST numbers are left

Array = np.ndarray[Any, np.dtype[Any]]


def on_gpu() -> bool:
    """Return whether models run on a GPU, where Keras' own layers are faster than those of this module."""
    return bool(tf.config.list_logical_devices("GPU"))


class Dense(keras.layers.Dense):  # type: ignore[misc]  # Keras ships no types
    """Keras' dense layer, with its products arranged so that XLA runs them at full speed on a CPU.

    On a CPU, XLA multiplies x [b, n] by a kernel [n, m] slowly if the batch is much smaller than the layer, if there
    are few columns m, or if the columns do not fill vectors. So a kernel of up to `MOST_TRANSPOSED` values is stored
    transposed, as [m, n]: the forward product then runs along the batch, and the kernel's gradient along the inputs.
    For a larger transposed kernel, the gradient of the layer's inputs would be slow. So a larger kernel stays [n, m],
    unless `skips_input_gradient` says that this gradient is not needed. That is so if nothing before the layer trains
    except `norm`, the batch normalisation of the model's inputs directly before the layer.

    If the gradient of the inputs is needed, it is computed before that of the kernel. In another order, XLA would copy
    the whole kernel in every step, because the gradient of the inputs reads the kernel while it is changed.

    Measured in whole steps on one core, in GFLOPS: 784-50-50-50-10 runs at 33 with Keras' layer and at 53 with this
    one, 3072-2000-4000-10 at 49 and 80.
    """

    def __init__(
        self,
        units: int,
        *,
        skips_input_gradient: bool = False,
        norm: BatchNormalization | None = None,
        **arguments: Any,
    ) -> None:
        super().__init__(units, **arguments)
        self.skips_input_gradient = skips_input_gradient or norm is not None
        object.__setattr__(self, "_input_norm", norm)  # bypasses Keras, which would track it as a part of this layer

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Create kernel and bias for inputs [..., n]; `toggle_transposed` gives the kernel's values in Keras' shape."""
        inputs = input_shape[-1] or 0
        turned = self.skips_input_gradient or inputs * self.units <= MOST_TRANSPOSED
        draw = self.kernel_initializer
        self._kernel = self.add_weight(
            name="kernel",
            shape=(self.units, inputs) if turned else (inputs, self.units),
            initializer=(lambda shape, dtype: keras.ops.transpose(draw(shape[::-1], dtype))) if turned else draw,
            regularizer=self.kernel_regularizer,
        )
        self._kernel.is_transposed = turned
        self.bias = self.add_weight(name="bias", shape=(self.units,), initializer=self.bias_initializer)
        self.built = True

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """Return activation(inputs @ kernel + bias)."""
        kernel = tf.convert_to_tensor(self._kernel)
        return self.activation(keras.ops.add(self._product(inputs, kernel), self.bias))

    def _product(self, inputs: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
        normalized = self._input_norm and self._input_norm.normalized
        if normalized and normalized.outputs is inputs:
            return _normalized_product(normalized, kernel)
        return (
            _turned_product(inputs, kernel, self.skips_input_gradient)
            if self._kernel.is_transposed
            else _product(inputs, kernel)
        )


def toggle_transposed(variable: keras.Variable, values: Array) -> Array:
    """Convert a variable's values from the stored shape to the shape in Keras' own layers, or back.

    The values of a kernel that is stored transposed are transposed; all others are returned unchanged.
    """
    return values.T if getattr(variable, "is_transposed", False) else values


def _turned_product(x: tf.Tensor, kernel: tf.Tensor, skips_input_gradient: bool) -> tf.Tensor:
    """Return x [b, n] @ kernel^T for a kernel [m, n], with its gradients."""

    @tf.custom_gradient  # type: ignore[untyped-decorator]
    def product(x: tf.Tensor, kernel: tf.Tensor) -> tuple[tf.Tensor, Any]:
        def gradients(upstream: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            passed = tf.matmul(upstream, kernel)
            turned = _transpose(upstream) if skips_input_gradient else _transpose(upstream) * unfolded_one(passed)
            return passed, tf.matmul(turned, x)

        return tf.transpose(_held(tf.matmul(kernel, x, transpose_b=True))), gradients

    return product(x, kernel)


@tf.custom_gradient  # type: ignore[untyped-decorator]
def _product(x: tf.Tensor, kernel: tf.Tensor) -> tuple[tf.Tensor, Any]:
    """Return x [b, n] @ kernel [n, m], with its gradients."""
    turned = _transpose(x)

    def gradients(upstream: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        passed = tf.matmul(kernel, _transpose(upstream))
        return tf.transpose(_held(passed)), tf.matmul(turned, upstream * unfolded_one(passed))

    return tf.matmul(turned, kernel, transpose_a=True), gradients


def _transpose(x: tf.Tensor) -> tf.Tensor:
    """Return a matrix transposed in memory."""
    return _held(tf.transpose(x))


def _held(x: tf.Tensor) -> tf.Tensor:
    """Return a matrix times `unfolded_one`; otherwise XLA merges transposes into products, which makes these slower."""
    return x * unfolded_one(x)


def unfolded_one(x: tf.Tensor) -> tf.Tensor:
    """Return 1.0, computed from x of any shape, so that XLA cannot replace it by a constant."""
    return 1.0 + 0.0 * x[(0,) * len(x.shape)]


class Penalty(keras.regularizers.L1L2):  # type: ignore[misc]  # Keras ships no types
    """Keras' penalty l1 sum |w| + l2 sum w^2, with vectorised sums; XLA itself adds one number after the other.

    Measured for an epoch with l2: 784-50-50-50-10 takes 123 ms with Keras' penalty and 77 ms with this one,
    784-512-256-10 1.28 and .75 s.
    """

    def __call__(self, x: tf.Tensor) -> tf.Tensor:
        """Return the penalty of weights of any shape, a scalar."""
        penalty = tf.zeros((), x.dtype)
        if self.l1:
            penalty += tf.cast(self.l1, x.dtype) * _sum(tf.abs(x))
        if self.l2:
            penalty += tf.cast(self.l2, x.dtype) * _sum(tf.square(x))
        return penalty


@tf.custom_gradient  # type: ignore[untyped-decorator]
def _sum(x: tf.Tensor) -> tuple[tf.Tensor, Any]:
    """Return the sum of all values; its gradient is made to depend on the sum, so that it is computed later.

    In another order, XLA would copy the weights, because the sum and the gradient both read them.
    """
    values = tf.reshape(x, [-1])
    while (count := values.shape[0]) > SUM_REST:
        rest = count % SUM_PARTS
        parts = tf.reshape(values[: count - rest], (SUM_PARTS, -1))
        values = tf.concat([tf.add_n(tf.unstack(parts)), values[count - rest :]], axis=0)
    total = tf.reduce_sum(values)
    return total, lambda upstream: tf.fill(x.shape, upstream * unfolded_one(total))


class BatchNormalization(keras.layers.BatchNormalization):  # type: ignore[misc]  # Keras ships no types
    """Keras' batch normalisation, with the gradients in closed form.

    This form has fewer sums over the batch, which XLA runs slowly. In training, `normalized` has the outputs of the
    last call and the tensors that they were computed from. A `Dense` layer computes its product and gradients from
    these tensors.
    """

    normalized: Normalized | None = None

    def call(self, inputs: tf.Tensor, training: bool = False, mask: Any = None) -> tf.Tensor:
        """Return gamma (x - mean) / sqrt(variance + epsilon) + beta, with the batch's moments in training.

        Keras' own implementation is used in inference, and for inputs other than float32 [b, n].
        """
        if not (training and self.trainable) or inputs.shape.rank != 2 or inputs.dtype != tf.float32:
            return super().call(inputs, training=training, mask=mask)
        gamma, beta = tf.convert_to_tensor(self.gamma), tf.convert_to_tensor(self.beta)
        outputs, standard, mean, variance = _normalize(inputs, gamma, beta, self.epsilon)
        for moving, value in ((self.moving_mean, mean), (self.moving_variance, variance)):
            moving.assign(moving * self.momentum + value * (1.0 - self.momentum))
        self.normalized = Normalized(outputs, standard, gamma, beta)
        return outputs


@dataclass(frozen=True, slots=True, eq=False)
class Normalized:
    """Outputs of batch normalisation: `outputs` [b, n] are gamma [n] times `standard` [b, n], plus beta [n]."""

    outputs: tf.Tensor
    standard: tf.Tensor
    gamma: tf.Tensor
    beta: tf.Tensor


@tf.custom_gradient  # type: ignore[untyped-decorator]
def _normalize(x: tf.Tensor, gamma: tf.Tensor, beta: tf.Tensor, epsilon: float) -> tuple[Any, Any]:
    """Normalise x [b, n] over the batch; return outputs, the values before gamma and beta, mean and variance.

    Mean and variance are [n]. The gradients of the outputs are those of Ioffe and Szegedy (2015), section 3; the other
    results pass no gradient back.
    """
    mean = tf.reduce_mean(x, axis=0)
    centered = x - mean
    variance = tf.reduce_mean(tf.square(centered), axis=0)
    scale = tf.math.rsqrt(variance + epsilon)
    standard = centered * scale

    def gradients(upstream: tf.Tensor, *_: Any) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor, None]:
        shift, slope = tf.reduce_sum(upstream, axis=0), tf.reduce_sum(upstream * standard, axis=0)
        count = tf.cast(tf.shape(x)[0], x.dtype)
        return gamma * scale * (upstream - (shift + standard * slope) / count), slope, shift, None

    return (standard * gamma + beta, standard, mean, variance), gradients


def _normalized_product(normalized: Normalized, kernel: tf.Tensor) -> tf.Tensor:
    """Return the normalised inputs of the model [b, n] times the transposed kernel [m, n], with the gradients.

    With G = upstream^T standard, the gradient of the kernel is G gamma + sum(upstream) beta, that of gamma is the sum
    of kernel G over m, and that of beta is sum(upstream) kernel. So the gradient of the product's inputs [b, n], which
    would take as long as the product, is never computed. The kernel's gradient is computed after the others: otherwise
    XLA copies the kernel in every step.
    """
    standard = normalized.standard

    @tf.custom_gradient  # type: ignore[untyped-decorator]
    def product(gamma: tf.Tensor, beta: tf.Tensor, kernel: tf.Tensor) -> tuple[tf.Tensor, Any]:
        x = standard * gamma + beta

        def gradients(upstream: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
            plain, total = tf.matmul(_transpose(upstream), standard), tf.reduce_sum(upstream, axis=0)
            slope, shift = tf.reduce_sum(kernel * plain, axis=0), tf.linalg.matvec(kernel, total, transpose_a=True)
            waiting = unfolded_one(slope) * unfolded_one(shift)
            return slope, shift, plain * (gamma * waiting) + total[:, None] * beta

        return tf.transpose(_held(tf.matmul(kernel, x, transpose_b=True))), gradients

    return product(normalized.gamma, normalized.beta, kernel)


class Noise(keras.layers.GaussianNoise):  # type: ignore[misc]  # Keras ships no types
    """Keras' Gaussian noise, drawn as sqrt(2) erfinv(u) with uniform u in (-1, 1), which is normally distributed.

    On a CPU, such a number takes 4 nanoseconds. XLA's own normal numbers (Box and Muller's logarithm, sine and cosine)
    take 9.7.
    """

    def call(self, inputs: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Add the noise in training."""
        if not training:
            return inputs
        lowest = float(np.nextafter(np.float32(-1), np.float32(0)))
        uniform = keras.random.uniform(keras.ops.shape(inputs), lowest, 1.0, self.compute_dtype, self.seed_generator)
        return inputs + self.stddev * (math.sqrt(2) * tf.math.erfinv(uniform))


class Maxout(keras.layers.Layer):  # type: ignore[misc]  # Keras ships no types
    """Take the largest of each unit's linear pieces: [..., units * pieces] to [..., units] (Goodfellow et al. 2013)."""

    def call(self, inputs: Any) -> Any:
        """Apply the layer."""
        shape = keras.ops.shape(inputs)
        return keras.ops.max(keras.ops.reshape(inputs, (*shape[:-1], -1, MAXOUT_PIECES)), axis=-1)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Return the shape with the number of units divided by `MAXOUT_PIECES`."""
        return (*input_shape[:-1], (input_shape[-1] or 0) // MAXOUT_PIECES)
