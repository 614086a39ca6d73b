"""Every net of the benchmark `tests/bench/zoo.py`: what it learns, and that its compiled graph is reusable."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from hpdash.engine import Engine
from hpdash.feed import EngineData, Part, epoch_order, tensor

sys.path.append(str(Path(__file__).with_name("bench")))  # at the end: tests/zoo.py has the name of a file there

from zoo_data import load
from zoo_nets import NETS, Net, compiled

BATCH, STEPS = 16, 4
COUNT = BATCH * STEPS
# rtol, with a tenth of it as atol. bfloat16 has three digits. After two steps of the VGG-like net a rounding decides
# a maximum or a ReLU: in float64, too, weights changed by 1e-7 of their values end up 3e-4 apart after four steps, and
# Keras' own float32 ends 1e-3 from its float64; they move by 8e-2
LOOSER = {"bfloat16": 2e-2, "vgg": 2e-2}


def build(net: Net, seed: int, dropout: float = 0.0) -> keras.Model:
    """The net with SGD, because Adam scales up the rounding of small gradients."""
    return compiled(net, keras.optimizers.SGD(0.01), dropout, seed)


def make_engine(name: str, seed: int, dropout: float = 0.0) -> Engine:
    """An engine over made-up examples of the net's data."""
    net = NETS[name]
    examples = load(net.data, net.target, COUNT + BATCH, real=False)
    x, y = tensor(examples.x), tensor(examples.y)
    parts = Part(x, y, 0, COUNT), Part(x, y, COUNT, COUNT + BATCH)
    return Engine(build(net, seed, dropout), EngineData(*parts, np.float32(0), np.float32(examples.divisor)), BATCH)


def train(engine: Engine, epochs: int = 1) -> None:
    """Train without validating."""
    for epoch in range(epochs):
        engine.train_epoch(3, epoch, lambda _: None)


def values(model: keras.Model) -> dict[str, Any]:
    """The model's weights by path and place."""
    return {f"{place} {each.path}": each.numpy().copy() for place, each in enumerate(model.weights)}


@pytest.mark.parametrize("name", NETS)
def test_four_steps_teach_what_train_on_batch_teaches(name: str) -> None:
    """After four steps on the same batches, the weights are Keras' own within rounding."""
    net = NETS[name]
    engine = make_engine(name, seed=1)
    train(engine)
    ours = values(engine.model)
    reference = build(net, seed=1)
    before = values(reference)
    x, y, order = engine.data.train.x.numpy(), engine.data.train.y.numpy(), epoch_order(engine.data.train, 3, 0)
    x = x.astype(np.float32) / engine.data.divisor
    for index in order.reshape(STEPS, BATCH):
        reference.train_on_batch(x[index], y[index])
    theirs = values(reference)
    assert any((theirs[path] != before[path]).any() for path in before)
    bound = LOOSER.get(name)
    for path, value in theirs.items():
        np.testing.assert_allclose(ours[path], value, rtol=bound or 1e-3, atol=(bound or 1e-3) / 10, err_msg=path)


@pytest.mark.slow  # test_xla.py and test_engine.py try a net of either way in every run
@pytest.mark.parametrize("name", NETS)
def test_a_poured_graph_gives_the_bits_of_a_fresh_one(name: str) -> None:
    """On the graph of another trial, dropout and augmentation included, a trial ends in the bits of its own graph."""
    fresh = make_engine(name, 1, dropout=0.25)
    train(fresh, 2)
    engine = make_engine(name, 99, dropout=0.25)
    train(engine)
    engine.validate()
    assert engine.reusable
    assert engine.pour(build(NETS[name], 1, dropout=0.25))
    train(engine, 2)
    assert engine.digest() == fresh.digest()
