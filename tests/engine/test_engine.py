"""Tests of the engine: against Keras' own loop, against itself, and with difficult models."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from small_net import LAYERS, make_data, make_model

from hpdash.engine.engine import Engine, Pass
from hpdash.engine.engine import _nodes as engine_nodes
from hpdash.engine.feed import EngineData, Subset, epoch_order, tensor
from hpdash.engine.layers import Dense
from hpdash.engine.tracing import threefry
from hpdash.engine.weights import load_weights
from hpdash.logs.kept_weights import named


def train(engine: Engine, seed: int = 3, epochs: int = 2) -> list[dict[str, float]]:
    """Train and return the logs of every epoch."""
    return [logs for _, logs in engine.fit(seed, epochs)]


CASES: dict[str, Callable[[], Any]] = {
    "momentum": lambda: make_model(optimizer=keras.optimizers.SGD(0.05, momentum=0.9, nesterov=True)),
    "batch_normalisation": lambda: make_model(norm=True),
    "adam_batch_normalisation_l2": lambda: make_model(optimizer=keras.optimizers.Adam(0.003), norm=True, l2=0.01),
}


def _is_rounding(path: str, build: Callable[[], Any]) -> bool:
    """Return whether a weight differs only by rounding.

    A bias before batch normalisation has a gradient of zero except for rounding errors, and Adam scales these up.
    """
    return build is CASES["adam_batch_normalisation_l2"] and any(
        part in path for part in ("hidden_1/bias", "hidden_2/bias", "moving_mean")
    )


@pytest.mark.parametrize("build", CASES.values(), ids=CASES.keys())
def test_an_epoch_learns_what_train_on_batch_learns(build: Callable[[], Any]) -> None:
    """After an epoch with an incomplete last batch, weights and logs equal those of Keras on the same batches."""
    data, batch = make_data(), 32
    engine = Engine(build(), data, batch)
    logs = engine.train_epoch(seed=3, epoch=0, on_call=lambda _: None)
    reference = build()
    order = epoch_order(data.train, 3, 0)
    x, y = data.train.x.numpy() / np.float32(16), data.train.y.numpy()
    expected = dict.fromkeys(logs, 0.0)
    for start in range(0, len(order), batch):
        index = order[start : start + batch]
        for name, value in reference.train_on_batch(x[index], y[index], return_dict=True).items():
            expected[name] += float(value) * len(index) / len(order)
    for ours, theirs in zip(engine.model.weights, reference.weights, strict=True):
        if _is_rounding(ours.path, build):
            continue
        np.testing.assert_allclose(ours.numpy(), theirs.numpy(), rtol=2e-4, atol=2e-5, err_msg=ours.path)
    assert logs == pytest.approx(expected, rel=1e-4)
    assert engine.compilation.xla


def test_validation_is_keras_evaluate() -> None:
    """Validation gives the result of `evaluate`, also if the number of examples is no multiple of the batch size."""
    data = make_data(held_out=53)
    engine = Engine(make_model(), data, 32)
    x, y = data.train.x.numpy()[330:] / np.float32(16), data.train.y.numpy()[330:]
    expected = engine.model.evaluate(x, y, verbose=0, return_dict=True)
    assert engine.validate() == pytest.approx(expected, rel=1e-5)


def test_a_poured_graph_gives_the_bits_of_a_fresh_one() -> None:
    """A trial on a reused graph gives the same bits as on a graph of its own, whatever trial ran on it before."""

    def build(seed: int) -> Any:
        return make_model(seed, keras.optimizers.Adam(0.003), norm=True, dropout=0.3)

    data = make_data()
    fresh = Engine(build(1), data, 32)
    logs = train(fresh)
    reused = Engine(build(99), data, 32)
    train(reused, seed=8, epochs=3)
    assert reused.is_reusable
    assert reused.load_values(build(1))
    assert train(reused) == logs
    assert reused.digest() == fresh.digest()


def test_dropout_is_drawn_by_threefry() -> None:
    """A compiled epoch fixes the random algorithm of dropout when it is traced.

    If XLA chooses the algorithm at run time, a CPU takes hundreds of times as long. Functions traced elsewhere are not
    changed.
    """

    def chosen_at_run_time(concrete: Any) -> bool:
        return any("GetKeyCounter" in node.op for node in engine_nodes(concrete.graph))

    engine = Engine(make_model(dropout=0.3), make_data(), 32)
    train(engine, epochs=1)
    loop, rest = engine._train.traced()
    assert not chosen_at_run_time(loop)
    assert chosen_at_run_time(rest)


@pytest.mark.parametrize("alg", [{}, {"rng_alg": "philox"}], ids=["open", "named"])
def test_what_threefry_draws(alg: dict[str, str]) -> None:
    """Dropout at rate 0.2 drops a fifth of the values, scales the rest and depends on the seed.

    An algorithm that the caller names is kept.
    """

    @tf.function(jit_compile=True)
    def drawn(seed: tf.Tensor) -> tf.Tensor:
        with threefry():
            return tf.nn.experimental.stateless_dropout(tf.ones((400, 500)), 0.2, seed=seed, **alg)

    first, again, other = (drawn(tf.constant([3, number])).numpy() for number in (1, 1, 2))
    assert np.unique(first).tolist() == [0.0, 1.25]
    assert abs((first == 0).mean() - 0.2) < 0.005
    assert abs(((first == 0) & (other == 0)).mean() - 0.04) < 0.005
    assert abs(np.corrcoef(first[:, :-1].ravel(), first[:, 1:].ravel())[0, 1]) < 0.01
    assert (first == again).all()


def test_seeds_differ() -> None:
    """Another seed shuffles differently, so the weights end with different bits."""
    data = make_data()
    one, other = Engine(make_model(), data, 32), Engine(make_model(), data, 32)
    train(one, seed=1)
    train(other, seed=2)
    assert one.digest() != other.digest()


def test_the_length_of_a_compiled_call_does_not_change_the_bits() -> None:
    """The number of steps in a compiled call does not change the bits, and each call reports the progress so far."""
    digests, shares = set(), {}
    for rows in (2, 3, 10):
        engine = Engine(make_model(dropout=0.2), make_data(), 32)
        engine._train = Pass(engine._train.take, engine._train.step, 330, 32, rows)
        told: list[float] = []
        engine.train_epoch(3, 0, told.append)
        shares[rows] = told
        digests.add(engine.digest())
    assert len(digests) == 1
    assert [len(told) for told in shares.values()] == [5, 4, 1]
    assert shares[3] == sorted(shares[3])


def test_one_compile_a_pass() -> None:
    """The loop is traced once, however many calls an epoch has and however full the last call is."""
    engine = Engine(make_model(), make_data(), 32)
    engine._train = Pass(engine._train.take, engine._train.step, 330, 32, 4)
    train(engine, epochs=3)
    assert engine._train._loop.experimental_get_tracing_count() == 1


def test_shapes_that_do_not_fit_are_not_poured() -> None:
    """The engine refuses to take over a model with other shapes, and its own model stays unchanged."""
    engine = Engine(make_model(), make_data(), 32)
    before = engine.digest()
    wider = keras.Sequential([keras.Input((8, 8)), LAYERS.Flatten(), LAYERS.Dense(5, activation="softmax")])
    wider.compile("sgd", "sparse_categorical_crossentropy")
    assert not engine.load_values(wider)
    assert engine.digest() == before


def test_keras_callbacks_get_their_epoch_hooks() -> None:
    """ReduceLROnPlateau changes the compiled optimizer's learning rate, and EarlyStopping ends the training."""

    class Never(keras.callbacks.Callback):
        seen: list[str] = []  # noqa: RUF012

        def on_train_begin(self, logs: Any = None) -> None:
            self.seen.append("train")

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            self.seen.append(",".join(sorted(logs)))

    plateau = keras.callbacks.ReduceLROnPlateau("loss", factor=0.5, patience=0, min_delta=100.0, min_lr=0.0)
    stop = keras.callbacks.EarlyStopping("val_loss", patience=2, min_delta=100.0)
    engine = Engine(make_model(), make_data(), 32)
    epochs = [epoch for epoch, _ in engine.fit(0, 10, [Never(), plateau, stop])]
    assert epochs == [1, 2, 3]
    assert float(engine.model.optimizer.learning_rate) < 0.1
    assert Never.seen == ["train"] + ["accuracy,loss,val_accuracy,val_loss"] * 3


def test_a_changed_rate_reaches_the_compiled_step() -> None:
    """If the learning rate is set to zero from outside, an epoch of the compiled loop leaves the weights unchanged."""
    engine = Engine(make_model(), make_data(), 32)
    train(engine, epochs=1)
    before = engine.digest()
    engine.model.optimizer.learning_rate = 0.0
    train(engine, epochs=1)
    assert engine.digest() == before


class Refused(LAYERS.Layer):  # type: ignore[misc]
    """A layer with an operation that XLA cannot compile."""

    def call(self, inputs: Any) -> Any:
        """Convert the inputs to strings and back."""
        return tf.reshape(tf.strings.to_number(tf.strings.as_string(inputs)), tf.shape(inputs)) * 0.0 + inputs


def test_what_xla_refuses_trains_without_it_and_says_so_once() -> None:
    """A model with a string operation trains without XLA after one notice, and it learns."""
    notices: list[str] = []
    model = keras.Sequential([keras.Input((8, 8)), LAYERS.Flatten(), Refused(), LAYERS.Dense(5, activation="softmax")])
    model.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"])
    engine = Engine(model, make_data(), 32, notices.append)
    logs = train(engine, epochs=2)
    assert not engine.compilation.xla
    assert len(notices) == 1
    assert "XLA refuses" in notices[0]
    assert logs[1]["loss"] < logs[0]["loss"]


def test_an_error_of_the_model_is_not_taken_for_a_refusal() -> None:
    """An error that occurs with and without XLA is raised, not treated as a refusal by XLA."""
    model = keras.Sequential([keras.Input((8, 8)), LAYERS.Flatten(), LAYERS.Dense(5, activation="softmax")])
    model.compile("sgd", "categorical_crossentropy")
    with pytest.raises(ValueError, match="shape"):
        train(Engine(model, make_data(), 32), epochs=1)


def test_stateful_random_operations_are_named_once() -> None:
    """A model that uses tf.random causes one warning, because its seed does not determine its bits."""

    class Noisy(LAYERS.Layer):  # type: ignore[misc]
        def call(self, inputs: Any) -> Any:
            return inputs + tf.random.normal(tf.shape(inputs)) * 0.01

    notices: list[str] = []
    model = keras.Sequential([keras.Input((8, 8)), LAYERS.Flatten(), Noisy(), LAYERS.Dense(5, activation="softmax")])
    model.compile("sgd", "sparse_categorical_crossentropy")
    train(Engine(model, make_data(), 32, notices.append))
    assert [text for text in notices if "stateful random" in text] == notices
    assert len(notices) == 1
    assert "RandomStandardNormal" in notices[0]


def test_a_graph_with_state_of_its_own_is_not_reusable() -> None:
    """A graph with a tf.Variable that is neither weight, optimizer state nor metric is not reused."""

    class Counting(LAYERS.Layer):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.hidden_away = [tf.Variable(0.0)]

        def call(self, inputs: Any) -> Any:
            self.hidden_away[0].assign_add(1.0)
            return inputs

    model = keras.Sequential([keras.Input((8, 8)), LAYERS.Flatten(), Counting(), LAYERS.Dense(5, activation="softmax")])
    model.compile("sgd", "sparse_categorical_crossentropy")
    engine = Engine(model, make_data(), 32)
    train(engine)
    assert not engine.is_reusable


def test_weights_are_named_by_layer() -> None:
    """Weights, including moving statistics, are named by layer and variable, never by the model's name."""
    engine = Engine(make_model(norm=True), make_data(), 32)
    names = [f"{layer}/{variable}" for layer, variable, _ in engine.weights()]
    assert names[:6] == [
        "hidden_1/kernel", "hidden_1/bias",
        "batchnorm_1/gamma", "batchnorm_1/beta", "batchnorm_1/moving_mean", "batchnorm_1/moving_variance",
    ]  # fmt: skip
    assert engine.parameters == (engine.model.count_params(), engine.model.count_params() - 4 * 16)


def test_weights_are_told_and_taken_as_keras_shapes_them() -> None:
    """A kernel stored transposed is read and set in Keras' shape, [inputs, units]."""
    layers = [LAYERS.Flatten(), Dense(6, activation="relu", skips_input_gradient=True), Dense(5, activation="softmax")]
    model = keras.Sequential([keras.Input((8, 8)), *layers])
    model.compile("sgd", "sparse_categorical_crossentropy")
    engine = Engine(model, make_data(), 32)
    before = {name: value.copy() for name, value in named(engine.weights())}
    assert [value.shape for value in before.values()] == [(64, 6), (6,), (6, 5), (5,)]
    digest = engine.digest()
    train(engine, epochs=1)
    assert engine.digest() != digest
    assert load_weights(engine.model, before)
    assert engine.digest() == digest


def test_a_tensor_shares_aligned_memory() -> None:
    """On a CPU an aligned array becomes a tensor without a copy, even a read-only one; an unaligned one is copied."""
    if tf.config.list_logical_devices("GPU"):
        pytest.skip("on a GPU the data are copied to it")
    memory = np.zeros(64 * 4, np.uint8)
    start = -memory.ctypes.data % 64
    aligned, odd = memory[start : start + 64], memory[start + 1 : start + 65]
    mapped = aligned.view()
    mapped.flags.writeable = False  # like arrays that Ray maps into memory
    shared, also, copied = tensor(aligned), tensor(mapped), tensor(odd)
    memory[:] = 9
    assert shared.numpy().min() == also.numpy().min() == 9
    assert copied.numpy().max() == 0


def test_inputs_are_scaled_in_the_graph() -> None:
    """Inputs are scaled to (x - offset) / divisor in float32, with an offset and a divisor per channel."""
    x = np.arange(2 * 3 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3, 3)
    offset, divisor = np.float32([1, 2, 3]), np.float32([2, 4, 8])
    part = Subset(tensor(x), tensor(np.zeros(2, np.int32)), 0, 2)
    scaled, *_ = EngineData(part, part, offset, divisor).batch(part, tf.constant([1]))
    np.testing.assert_array_equal(scaled.numpy(), (x[1:].astype(np.float32) - offset) / divisor)
