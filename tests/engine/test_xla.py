"""Tests of what decides whether XLA compiles a graph: its operations, their shapes, and the setting [train] xla."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from hpdash.engine.engine import Engine
from hpdash.engine.feed import EngineData, Subset, tensor
from hpdash.engine.xla import SLOW, _is_used, choose, operations_of

LAYERS = keras.layers


def make_data(shape: tuple[int, ...] = (32, 32, 3), examples: int = 150) -> EngineData:
    """Return seeded uint8 pictures of 10 classes, the last 50 held out."""
    random = np.random.default_rng(7)
    x = random.integers(0, 256, (examples, *shape), dtype=np.uint8)
    tensors = tensor(x), tensor(random.integers(0, 10, examples).astype(np.int32))
    parts = Subset(*tensors, 0, examples - 50), Subset(*tensors, examples - 50, examples)
    return EngineData(*parts, np.zeros((), np.float32), np.asarray(255, np.float32))


def make_model(*layers: Any, shape: tuple[int, ...] = (32, 32, 3)) -> Any:
    """Return a compiled classifier with the given layers."""
    model = keras.Sequential([keras.Input(shape), *layers, LAYERS.Flatten(), LAYERS.Dense(10, activation="softmax")])
    model.compile(keras.optimizers.Adam(0.003), "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def convolutional(seed: int = 0, dropout: float = 0.3) -> Any:
    """Return a net with convolutions, batch normalisation, pooling and dropout, with seeded weights."""
    keras.utils.clear_session()
    keras.utils.set_random_seed(seed)
    parts = [LAYERS.Conv2D(16, 3), LAYERS.BatchNormalization(), LAYERS.Activation("relu"), LAYERS.MaxPooling2D()]
    return make_model(*parts, LAYERS.Dropout(dropout))


def trained(engine: Engine, epochs: int = 1) -> list[dict[str, float]]:
    """Train and return the logs of every epoch."""
    return [logs for _, logs in engine.fit(3, epochs)]


def test_convolutions_train_without_xla_and_are_traced_once() -> None:
    """The forward pass shows that the gradients would be slow under XLA, so only a graph without XLA is traced."""
    notices: list[str] = []
    engine = Engine(convolutional(), make_data(), 32, notices.append)
    trained(engine)
    assert not engine.compilation.xla
    assert "convolutions" in engine.compilation.reason
    assert engine._train._loop.experimental_get_tracing_count() == 1
    assert notices == []


@pytest.mark.parametrize(("setting", "xla"), [("always", True), ("never", False), ("auto", False)])
def test_the_setting_decides(setting: str, xla: bool) -> None:
    """With "always" XLA compiles convolutions too; the training logs are the same within rounding."""
    engines = [Engine(convolutional(dropout=0.0), make_data(), 32, xla=each) for each in (setting, "auto")]
    ours, theirs = (trained(engine)[0] for engine in engines)
    assert engines[0].compilation.xla is xla
    assert ours == pytest.approx(theirs, rel=0.02)


def test_a_small_convolution_stays_with_xla() -> None:
    """XLA compiles a few filters over 8 x 8 pictures, as starting each kernel separately would cost more time."""
    engine = Engine(make_model(LAYERS.Conv2D(2, 3), shape=(8, 8, 1)), make_data((8, 8, 1)), 8)
    trained(engine)
    assert engine.compilation.xla
    assert engine.compilation.reason == ""


def test_a_dense_net_never_takes_the_other_way_but_when_told() -> None:
    """XLA compiles an MLP, in which nothing is slow, unless the setting is "never"; the setting is then the reason."""
    engine = Engine(make_model(LAYERS.Flatten(), LAYERS.Dense(16)), make_data(), 32)
    trained(engine)
    assert engine.compilation.xla
    told = Engine(make_model(LAYERS.Flatten(), LAYERS.Dense(16)), make_data(), 32, xla="never")
    trained(told)
    assert not told.compilation.xla
    assert "never" in told.compilation.reason


def test_a_wrong_guess_is_put_right_before_training() -> None:
    """A slow operation that only the training step has, here in the loss, is found in the traced step."""

    class Sorted(keras.losses.Loss):  # type: ignore[misc]
        def call(self, y: Any, p: Any) -> Any:
            spread = tf.math.top_k(tf.tile(p, (1, 500)), 5)[0]
            return keras.losses.sparse_categorical_crossentropy(y, p) + tf.reduce_mean(spread, -1) * 1e-3

    model = make_model(LAYERS.Flatten(), LAYERS.Dense(16))
    model.compile("sgd", Sorted())
    engine = Engine(model, make_data(), 32)
    assert engine._train.jit
    trained(engine)
    assert not engine.compilation.xla
    assert "sorting" in engine.compilation.reason


def test_a_poured_graph_without_xla_gives_the_bits_of_a_fresh_one() -> None:
    """A convolutional trial on a reused graph gives the same bits as on a graph of its own."""
    data = make_data()
    fresh = Engine(convolutional(1), data, 32)
    logs = trained(fresh, 2)
    reused = Engine(convolutional(99), data, 32)
    trained(reused, 3)
    assert reused.is_reusable
    assert reused.load_values(convolutional(1))
    assert trained(reused, 2) == logs
    assert reused.digest() == fresh.digest()


OPERATIONS: dict[str, Any] = {
    "convolutions": lambda x: tf.nn.conv2d(x, tf.ones((3, 3, 3, 64)), 1, "SAME"),
    "depthwise convolutions": lambda x: tf.nn.depthwise_conv2d(x, tf.ones((3, 3, 3, 4)), [1, 1, 1, 1], "SAME"),
    "convolutions in three dimensions": lambda x: tf.nn.conv3d(
        x[..., None], tf.ones((3, 3, 3, 1, 16)), [1, 1, 1, 1, 1], "SAME"
    ),
    "the gradients of convolutions": lambda x: tf.nn.conv2d_transpose(
        x, tf.ones((3, 3, 16, 3)), (64, 64, 64, 16), 2, "SAME"
    ),
    "sorting": lambda x: tf.sort(tf.reshape(x, (64, -1))),
    "bilinear resizing": lambda x: tf.image.resize(x, (64, 64)),
    "matrix factorisations": lambda x: tf.linalg.inv(x[..., 0] + tf.eye(32) * 50.0),
    "singular values": lambda x: tf.linalg.svd(x[..., 0])[0],
}


@pytest.mark.parametrize("name", OPERATIONS)
def test_each_slow_operation_is_known_by_name(name: str) -> None:
    """A graph of one slow operation, large enough to matter, is not compiled by XLA; the reason names the operation."""
    graph = tf.function(OPERATIONS[name]).get_concrete_function(tf.TensorSpec((64, 32, 32, 3))).graph
    assert name in {slow.name for slow in SLOW}
    found = choose("auto", [graph])
    assert not found.xla
    assert name in found.reason


def test_a_gradient_that_nothing_reads_does_not_count() -> None:
    """The gradient of the first convolution's inputs is never computed, so it does not count as slow."""

    @tf.function
    def kernel_gradient(x: Any, kernel: Any) -> Any:
        with tf.GradientTape() as tape:
            tape.watch(kernel)
            y = tf.nn.conv2d(x, kernel, 1, "SAME")
        return tape.gradient(y, kernel)

    specs = tf.TensorSpec((64, 8, 8, 3)), tf.TensorSpec((3, 3, 3, 16))
    operations = list(operations_of(kernel_gradient.get_concrete_function(*specs).graph))
    used = {each.type: _is_used(each) for each in operations if "Backprop" in each.type}
    assert used.pop("Conv2DBackpropFilter")
    assert not any(used.values())
