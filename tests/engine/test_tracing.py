"""Tests of what hpdash replaces while a graph is traced: the replacement computes the same."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from hpdash.engine.tracing import fused_batch_normalization

LAYERS = keras.layers
PICTURES = (8, 6, 5, 16)


def operations(layer: keras.layers.Layer, x: tf.Tensor, **arguments: Any) -> set[str]:
    """Return the types of the operations in a layer's call, traced in training mode."""

    @tf.function(autograph=False)
    def call(x: tf.Tensor) -> tf.Tensor:
        with fused_batch_normalization():
            return layer(x, training=True, **arguments)

    return {each.type for each in call.get_concrete_function(x).graph.get_operations()}


def trained(fuse: bool, options: dict[str, Any]) -> dict[str, Any]:
    """Return the outputs, gradients and moving statistics of two steps of batch normalisation over pictures."""
    keras.utils.set_random_seed(3)
    layer = LAYERS.BatchNormalization(momentum=0.9, **options)
    layer.build(PICTURES)
    x = tf.random.stateless_normal(PICTURES, (1, 2), mean=3.0, stddev=2.0)
    upstream = tf.random.stateless_normal(PICTURES, (3, 4))
    for variable in layer.trainable_variables:
        variable.assign(tf.random.stateless_normal(variable.shape, (5, 6)) + 1.0)

    @tf.function(autograph=False)
    def step(x: tf.Tensor) -> Any:
        with tf.GradientTape() as tape:
            tape.watch(x)
            if fuse:
                with fused_batch_normalization():
                    outputs = layer(x, training=True)
            else:
                outputs = layer(x, training=True)
        return outputs, tape.gradient(outputs, [x, *layer.trainable_variables], output_gradients=upstream)

    step(x)
    outputs, gradients = step(x + 1.0)
    found = {"outputs": outputs, "mean": layer.moving_mean, "variance": layer.moving_variance}
    return {name: np.asarray(value) for name, value in found.items()} | {
        f"gradient {place}": each.numpy() for place, each in enumerate(gradients)
    }


@pytest.mark.parametrize("options", [{}, {"center": False}, {"scale": False}, {"axis": 3, "epsilon": 0.1}], ids=str)
def test_fused_batch_normalization_computes_what_keras_does(options: dict[str, Any]) -> None:
    """Outputs, gradients and moving statistics are equal within rounding.

    The tolerance is small enough to detect a differently computed variance.
    """
    plain, fused = trained(False, options), trained(True, options)
    assert plain.keys() == fused.keys()
    for name, value in plain.items():
        np.testing.assert_allclose(fused[name], value, rtol=2e-5, atol=2e-5, err_msg=name)
    count = np.prod(PICTURES[:-1])
    corrected = plain["variance"] * count / (count - 1)
    assert abs(corrected / plain["variance"] - 1).min() > 1e-3  # the test would detect Bessel's correction


def test_a_batch_of_one_value_has_no_variance() -> None:
    """One picture of one pixel gives zero outputs and a moving variance that shrinks, as in Keras."""
    layer = LAYERS.BatchNormalization(momentum=0.5)
    layer.build((None, 1, 1, 3))
    with fused_batch_normalization():
        outputs = layer(tf.ones((1, 1, 1, 3)), training=True)
    assert np.asarray(outputs).tolist() == [[[[0.0] * 3]]]
    assert np.asarray(layer.moving_variance).tolist() == [0.5] * 3


def test_only_what_is_known_to_be_equal_is_fused() -> None:
    """Batch normalisation of pictures in float32 is fused.

    Keras' own code handles masks, other axes, types and ranks, and frozen layers.
    """
    x = tf.ones(PICTURES)
    frozen = LAYERS.BatchNormalization(trainable=False)
    assert "FusedBatchNormV3" in operations(LAYERS.BatchNormalization(), x)
    assert "FusedBatchNormV3" not in operations(LAYERS.BatchNormalization(), x, mask=tf.ones(PICTURES[:-1], tf.bool))
    assert "FusedBatchNormV3" not in operations(LAYERS.BatchNormalization(axis=1), x)
    assert "FusedBatchNormV3" not in operations(LAYERS.BatchNormalization(dtype="mixed_bfloat16"), x)
    assert "FusedBatchNormV3" not in operations(LAYERS.BatchNormalization(), tf.ones((8, 16)))
    assert "FusedBatchNormV3" not in operations(frozen, x)


def test_keras_is_as_before_after_tracing() -> None:
    """Keras is unchanged after tracing, even if tracing fails."""
    usual = LAYERS.BatchNormalization.call
    with pytest.raises(ZeroDivisionError), fused_batch_normalization():
        assert LAYERS.BatchNormalization.call is not usual
        raise ZeroDivisionError
    assert LAYERS.BatchNormalization.call is usual
