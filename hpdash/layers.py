"""Layers of the built-in MLP that Keras does not have, or that XLA would run at half a core's speed."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf

MAXOUT_PIECES = 2
TURNED = 2**20  # values of the largest kernel that is held turned over
FOLDS, FOLDED = 4, 1024  # a sum is taken of so many parts side by side, until so many numbers are left

Array = np.ndarray[Any, np.dtype[Any]]


def on_gpu() -> bool:
    """Say whether models run on a GPU, where Keras' own parts are the fast ones."""
    return bool(tf.config.list_logical_devices("GPU"))


class Dense(keras.layers.Dense):  # type: ignore[misc]  # Keras ships no types
    """Keras' dense layer, its products arranged so that XLA runs them at full speed on a CPU.

    XLA's CPU product of x [b, n] and a kernel [n, m] is slow for a batch much smaller than the layer, and for few
    columns m or some that fill no vector. So a kernel of up to `TURNED` values is held as [m, n]: the forward product
    runs along the batch, the kernel's gradient along the inputs. Held so, a larger one would make the gradient of its
    inputs slow; it stays [n, m], unless `is_first`: nothing below it trains, or only `norm`, the batch normalisation of
    the model's inputs, which is then the layer before. Where the gradient of the inputs is
    needed, the kernel's waits for it: else XLA copies the whole kernel a step, to read it while it is changed.
    Measured, whole steps on one core, as Keras writes them and so: 784-50-50-50-10 at 33 and 53 GFLOPS,
    3072-2000-4000-10 at 49 and 80.
    """

    def __init__(
        self, units: int, *, is_first: bool = False, norm: BatchNormalization | None = None, **arguments: Any
    ) -> None:
        super().__init__(units, **arguments)
        self.is_first = is_first or norm is not None
        object.__setattr__(self, "_input_norm", norm)  # past Keras, which would take it for a part of this layer

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Create kernel and bias for inputs [..., n]; `natural` tells the kernel's values as Keras would."""
        inputs = input_shape[-1] or 0
        turned = self.is_first or inputs * self.units <= TURNED
        draw = self.kernel_initializer
        self._kernel = self.add_weight(
            name="kernel",
            shape=(self.units, inputs) if turned else (inputs, self.units),
            initializer=(lambda shape, dtype: keras.ops.transpose(draw(shape[::-1], dtype))) if turned else draw,
            regularizer=self.kernel_regularizer,
        )
        self._kernel.is_turned = turned
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
        return _turned_product(inputs, kernel, self.is_first) if self._kernel.is_turned else _product(inputs, kernel)


def natural(variable: keras.Variable, values: Array) -> Array:
    """Return a variable's values as Keras' own layers shape them, or those as the variable holds them."""
    return values.T if getattr(variable, "is_turned", False) else values


def _turned_product(x: tf.Tensor, kernel: tf.Tensor, is_first: bool) -> tf.Tensor:
    """Return x [b, n] @ kernel^T, the kernel being [m, n], with its gradients."""

    @tf.custom_gradient  # type: ignore[untyped-decorator]
    def product(x: tf.Tensor, kernel: tf.Tensor) -> tuple[tf.Tensor, Any]:
        def gradients(upstream: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            passed = tf.matmul(upstream, kernel)
            turned = _turn(upstream) if is_first else _turn(upstream) * one(passed)
            return passed, tf.matmul(turned, x)

        return tf.transpose(_held(tf.matmul(kernel, x, transpose_b=True))), gradients

    return product(x, kernel)


@tf.custom_gradient  # type: ignore[untyped-decorator]
def _product(x: tf.Tensor, kernel: tf.Tensor) -> tuple[tf.Tensor, Any]:
    """Return x [b, n] @ kernel [n, m], and its gradients."""
    turned = _turn(x)

    def gradients(upstream: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        passed = tf.matmul(kernel, _turn(upstream))
        return tf.transpose(_held(passed)), tf.matmul(turned, upstream * one(passed))

    return tf.matmul(turned, kernel, transpose_a=True), gradients


def _turn(x: tf.Tensor) -> tf.Tensor:
    """Return a matrix transposed in memory."""
    return _held(tf.transpose(x))


def _held(x: tf.Tensor) -> tf.Tensor:
    """Return a matrix times such a one: else it folds transposes into products, which slows them."""
    return x * one(x)


def one(x: tf.Tensor) -> tf.Tensor:
    """Return one, which XLA does not know, and only once x, of any shape, has been computed."""
    return 1.0 + 0.0 * x[(0,) * len(x.shape)]


class Penalty(keras.regularizers.L1L2):  # type: ignore[misc]  # Keras ships no types
    """Keras' penalty l1 sum |w| + l2 sum w^2, its sums computed along vectors: XLA adds one number after the other.

    Measured, an epoch with l2: 123 and 77 ms at 784-50-50-50-10, 1.28 and .75 s at 784-512-256-10.
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
    """Return the sum of all values, and its gradient, which waits for it: else XLA copies weights that both read."""
    values = tf.reshape(x, [-1])
    while (count := values.shape[0]) > FOLDED:
        rest = count % FOLDS
        parts = tf.reshape(values[: count - rest], (FOLDS, -1))
        values = tf.concat([tf.add_n(tf.unstack(parts)), values[count - rest :]], axis=0)
    total = tf.reduce_sum(values)
    return total, lambda upstream: tf.fill(x.shape, upstream * one(total))


class BatchNormalization(keras.layers.BatchNormalization):  # type: ignore[misc]  # Keras ships no types
    """Keras' batch normalisation, with the gradients in closed form: fewer sums over the batch, which XLA runs slowly.

    In training `normalized` has what the last call returned and was computed from, for a layer that needs no more.
    """

    normalized: Normalized | None = None

    def call(self, inputs: tf.Tensor, training: bool = False, mask: Any = None) -> tf.Tensor:
        """Return gamma (x - mean) / sqrt(variance + epsilon) + beta, with the batch's moments in training."""
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
    """`outputs` [b, n] of batch normalisation, which are gamma [n] times `standard` [b, n], plus beta [n]."""

    outputs: tf.Tensor
    standard: tf.Tensor
    gamma: tf.Tensor
    beta: tf.Tensor


@tf.custom_gradient  # type: ignore[untyped-decorator]
def _normalize(x: tf.Tensor, gamma: tf.Tensor, beta: tf.Tensor, epsilon: float) -> tuple[Any, Any]:
    """Normalise x [b, n] over the batch; return the outputs, them before gamma and beta, and the moments [n].

    The gradients of the outputs are those of Ioffe and Szegedy (2015), section 3; nothing passes back from the others.
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
    """Return the product of normalised inputs of the model and the kernel [m, n], transposed, with its gradients.

    With G = upstream^T standard, the kernel's gradient is G gamma + sum(upstream) beta, gamma's is the sum of kernel G
    over m, and beta's is sum(upstream) kernel. So the gradient of the product's inputs [b, n] is never computed, which
    would take as long as the product. The kernel's gradient waits for the others: else XLA copies the kernel a step.
    """
    standard = normalized.standard

    @tf.custom_gradient  # type: ignore[untyped-decorator]
    def product(gamma: tf.Tensor, beta: tf.Tensor, kernel: tf.Tensor) -> tuple[tf.Tensor, Any]:
        x = standard * gamma + beta

        def gradients(upstream: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
            plain, total = tf.matmul(_turn(upstream), standard), tf.reduce_sum(upstream, axis=0)
            slope, shift = tf.reduce_sum(kernel * plain, axis=0), tf.linalg.matvec(kernel, total, transpose_a=True)
            waiting = one(slope) * one(shift)
            return slope, shift, plain * (gamma * waiting) + total[:, None] * beta

        return tf.transpose(_held(tf.matmul(kernel, x, transpose_b=True))), gradients

    return product(normalized.gamma, normalized.beta, kernel)


class Noise(keras.layers.GaussianNoise):  # type: ignore[misc]  # Keras ships no types
    """Keras' Gaussian noise, drawn as sqrt(2) erfinv(u) of uniform u in (-1, 1), which is the normal distribution's.

    XLA's own normal numbers take 9.7 nanoseconds each on a CPU (Box and Muller's logarithm, sine and cosine), these 4.
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
        """Return the shape with so many times fewer units."""
        return (*input_shape[:-1], (input_shape[-1] or 0) // MAXOUT_PIECES)
