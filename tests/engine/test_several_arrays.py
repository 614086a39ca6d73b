"""Tests of models with several inputs and outputs, sample weights and masks, against plain Keras."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from hpdash.engine.engine import Engine
from hpdash.engine.feed import EngineData, Subset, epoch_order, tensor
from hpdash.nested import map_leaves

L = keras.layers
EXAMPLES, HELD_OUT, BATCH = 70, 30, 16
RANDOM = np.random.default_rng(3)
COUNT = EXAMPLES + HELD_OUT
LEFT = RANDOM.normal(size=(COUNT, 5, 4)).astype(np.float32)
RIGHT = RANDOM.integers(0, 256, (COUNT, 6), dtype=np.uint8)
TOKENS = RANDOM.integers(0, 9, (COUNT, 7)).astype(np.float32)
KIND = RANDOM.integers(0, 3, COUNT).astype(np.int32)
SIZE = LEFT.mean((1, 2))
WEIGHT = RANDOM.uniform(0.1, 3.0, COUNT).astype(np.float32)
ONE_HOT = np.eye(3, dtype=np.float32)[KIND]


def several(inputs: Any, outputs: Callable[[Any], Any], loss: Any, **more: Any) -> Any:
    """Return a compiled model of a flattened left and a right input."""
    flat = list(inputs.values()) if isinstance(inputs, dict) else list(inputs)
    joined = L.Concatenate()([L.Flatten()(flat[0]), flat[1]])
    hidden = L.Dense(8, activation="tanh")(joined)
    model = keras.Model(inputs, outputs(hidden))
    model.compile(keras.optimizers.Adam(0.01), loss, **more)
    return model


def inputs() -> dict[str, Any]:
    """Return the two inputs by name."""
    return {"left": keras.Input((5, 4), name="left"), "right": keras.Input((6,), name="right")}


def two_outputs() -> Any:
    """Return a model with named inputs and outputs."""

    def outputs(hidden: Any) -> Any:
        return {"kind": L.Dense(3, "softmax", name="kind")(hidden), "size": L.Dense(1, name="size")(hidden)}

    losses = {"kind": "sparse_categorical_crossentropy", "size": "mse"}
    return several(inputs(), outputs, losses, metrics={"kind": ["accuracy"]})


def one_output() -> Any:
    """Return a model with a tuple of inputs and one output."""
    both = tuple(inputs().values())
    return several(list(both), L.Dense(3, "softmax"), "sparse_categorical_crossentropy", metrics=["accuracy"])


def encoded() -> Any:
    """Return a model for one-hot labels with label smoothing."""
    loss = keras.losses.CategoricalCrossentropy(label_smoothing=0.1)
    return several(list(inputs().values()), L.Dense(3, "softmax"), loss, metrics=["accuracy"])


def masked() -> Any:
    """Return a model whose embedding masks the token 0."""
    model = keras.Sequential([keras.Input((7,)), L.Embedding(9, 4, mask_zero=True), L.LSTM(5), L.Dense(3, "softmax")])
    model.compile(keras.optimizers.Adam(0.01), "sparse_categorical_crossentropy", weighted_metrics=["accuracy"])
    return model


BOTH = {"left": LEFT, "right": RIGHT}
CASES = {
    "two inputs and outputs by name": (two_outputs, BOTH, {"kind": KIND, "size": SIZE}, None),
    "a weight for each output": (two_outputs, BOTH, {"kind": KIND, "size": SIZE}, {"kind": WEIGHT, "size": WEIGHT**2}),
    "a tuple of inputs": (one_output, (LEFT, RIGHT), KIND, None),
    "a list of inputs, weights": (one_output, [LEFT, RIGHT], KIND, WEIGHT),
    "one-hot labels": (encoded, [LEFT, RIGHT], ONE_HOT, None),
    "masks and weights": (masked, TOKENS, KIND, WEIGHT),
}


def data(x: Any, y: Any, weight: Any) -> EngineData:
    """Return an engine's data; uint8 inputs are divided by 255."""
    parts = [map_leaves(tensor, part) if part is not None else None for part in (x, y, weight)]

    def part(start: int, stop: int) -> Subset:
        return Subset(parts[0], parts[1], start, stop, parts[2])

    zero = map_leaves(lambda _: np.zeros((), np.float32), x)
    divisor = map_leaves(lambda each: np.asarray(255.0 if each.dtype == np.uint8 else 1.0, np.float32), x)
    return EngineData(part(0, EXAMPLES), part(EXAMPLES, COUNT), zero, divisor)


def rows(value: Any, index: Any) -> Any:
    """Return rows of nested arrays; uint8 inputs are divided by 255."""
    if value is None:
        return None

    def own(each: Any) -> Any:
        taken = each[index]
        return taken.astype(np.float32) / np.float32(255) if each.dtype == np.uint8 else taken

    return map_leaves(own, value)


def losses_by_batch(model: Any, x: Any, y: Any, weight: Any, order: Any) -> dict[str, float]:
    """Return the loss of each output over an epoch of `train_on_batch`, as the mean over the examples.

    `fit` gives the mean over the batches instead, and so counts the examples of the last batch more.
    """
    totals: dict[str, float] = {}
    for first in range(0, len(order), BATCH):
        index = order[first : first + BATCH]
        model.reset_metrics()
        logs = model.train_on_batch(rows(x, index), rows(y, index), rows(weight, index), return_dict=True)
        for name in [name for name in logs if name.endswith("_loss")]:
            totals[name] = totals.get(name, 0.0) + float(logs[name]) * len(index) / len(order)
    return totals


@pytest.mark.parametrize(("build", "x", "y", "weight"), CASES.values(), ids=CASES.keys())
def test_an_epoch_learns_what_fit_learns(build: Callable[[], Any], x: Any, y: Any, weight: Any) -> None:
    """The engine's epoch ends with the weights and the metrics of Keras' `fit` and `evaluate`, within rounding."""
    keras.utils.set_random_seed(1)
    model = build()
    reference = build()
    start = model.get_weights()
    engine = Engine(model, data(x, y, weight), BATCH)
    logs = engine.train_epoch(5, 0, lambda _: None)
    order = epoch_order(engine.data.train, 5, 0)
    batch_losses = {}
    if any(name.endswith("_loss") for name in logs):
        reference.set_weights(start)
        batch_losses = losses_by_batch(reference, x, y, weight, order)
        reference = build()
    reference.set_weights(start)
    fitted = reference.fit(
        rows(x, order), rows(y, order), sample_weight=rows(weight, order), batch_size=BATCH, shuffle=False, verbose=0
    )
    for one, other in zip(model.get_weights(), reference.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, rtol=2e-4, atol=2e-5)
    epoch = {name: values[0] for name, values in fitted.history.items()} | batch_losses
    assert logs == {name: pytest.approx(value, rel=1e-3, abs=1e-4) for name, value in epoch.items()}
    held = np.arange(EXAMPLES, COUNT)
    expected = reference.evaluate(
        rows(x, held), rows(y, held), sample_weight=rows(weight, held), batch_size=HELD_OUT, return_dict=True, verbose=0
    )
    found = engine.validate()
    assert {name: pytest.approx(value, rel=1e-3, abs=1e-4) for name, value in expected.items()} == found


SHARED = ("two inputs and outputs by name", "masks and weights")  # the others are slow tests


@pytest.mark.parametrize(
    ("build", "x", "y", "weight"),
    [pytest.param(*case, id=name, marks=() if name in SHARED else pytest.mark.slow) for name, case in CASES.items()],
)
def test_the_graph_is_shared_and_the_probe_works(build: Callable[[], Any], x: Any, y: Any, weight: Any) -> None:
    """A second trial reuses the graph with the same bits, and gradients can be read for any structure."""
    keras.utils.set_random_seed(1)
    first = Engine(build(), data(x, y, weight), BATCH)
    first.train_epoch(5, 0, lambda _: None)
    digest = first.digest()
    assert first.is_reusable
    keras.utils.set_random_seed(1)
    assert first.load_values(build())
    first.train_epoch(5, 0, lambda _: None)
    assert first.digest() == digest
    gradients = {f"{layer}/{name}": values for layer, name, values in first.probe.gradients()}
    assert gradients and all(np.isfinite(values).all() for values in gradients.values())
    assert tf.executing_eagerly()
