"""Tests of every net of the benchmark `tests/bench/zoo.py`: what it learns, and that its graph is reusable."""

from __future__ import annotations

import math
import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from hpdash.engine.engine import Engine
from hpdash.engine.feed import epoch_order
from hpdash.nested import map_leaves

sys.path.append(str(Path(__file__).parents[1] / "bench"))  # last: support/zoo.py has the same name as a file there

from zoo_data import load
from zoo_nets import NETS, Net, compiled, engine_data

BATCH, STEPS, MANY_STEPS = 16, 4, 20
# The relative tolerance; the absolute one is a tenth of it. bfloat16 has three digits. After two steps of the VGG-like
# net, rounding decides a maximum or a ReLU. Even in float64, weights changed by 1e-7 of their values end up 3e-4 apart
# after four steps, and Keras' own float32 ends 1e-3 from its float64. In these steps the weights change by 8e-2.
LOOSER = {"bfloat16": 2e-2, "vgg": 2e-2}
NUDGED, FACTOR = 3, 10.0  # models that start with rounding differences; how much farther away the engine may end


def build(net: Net, seed: int, dropout: float = 0.0) -> keras.Model:
    """Return the net compiled with SGD, because Adam scales up the rounding errors of small gradients."""
    return compiled(net, keras.optimizers.SGD(0.01), dropout, seed)


def make_engine(name: str, seed: int, dropout: float = 0.0, steps: int = STEPS) -> Engine:
    """Return an engine over made-up examples of the net's data, with the given number of steps per epoch."""
    net, count = NETS[name], steps * BATCH
    examples = load(net.data, net.target, count + BATCH, real=False)
    return Engine(build(net, seed, dropout), engine_data(examples, count), BATCH)


def train(engine: Engine, epochs: int = 1) -> None:
    """Train without validating."""
    for epoch in range(epochs):
        engine.train_epoch(3, epoch, lambda _: None)


def values(model: keras.Model) -> dict[str, Any]:
    """Return the model's weights by index and path."""
    return {f"{place} {each.path}": each.numpy().copy() for place, each in enumerate(model.weights)}


def taught(reference: keras.Model, engine: Engine) -> dict[str, Any]:
    """Return a model's weights after `train_on_batch` on the batches of an engine's first epoch."""
    part = engine.data.train
    x = map_leaves(lambda each, divisor: each.numpy().astype(np.float32) / divisor, part.x, engine.data.divisor)
    y, weight = part.y.numpy(), None if part.weight is None else part.weight.numpy()
    for index in epoch_order(part, 3, 0).reshape(-1, BATCH):
        rows = map_leaves(lambda each, index=index: each[index], x)
        reference.train_on_batch(rows, y[index], None if weight is None else weight[index])
    return values(reference)


EVERY_RUN = (  # one net for each way that the engine treats a layer; the others are slow tests
    "lenet", "masked lstm", "augmented", "bfloat16", "own train_step",
)  # fmt: skip


@pytest.mark.parametrize(
    "name", [name if name in EVERY_RUN else pytest.param(name, marks=pytest.mark.slow) for name in NETS]
)
def test_four_steps_teach_what_train_on_batch_teaches(name: str) -> None:
    """After four steps on the same batches, the weights equal Keras' within rounding."""
    engine = make_engine(name, seed=1)
    before = values(engine.model)
    train(engine)
    ours, theirs = values(engine.model), taught(build(NETS[name], seed=1), engine)
    assert any((theirs[path] != before[path]).any() for path in before)
    bound = LOOSER.get(name, 1e-3)
    for path, value in theirs.items():
        np.testing.assert_allclose(ours[path], value, rtol=bound, atol=bound / 10, err_msg=path)


@pytest.mark.slow
@pytest.mark.parametrize("name", NETS)
def test_twenty_steps_differ_from_train_on_batch_by_rounding(name: str) -> None:
    """After twenty steps, the engine differs from Keras only as much as rounding explains.

    Training is chaotic: rounding decides a ReLU or a maximum. The yardstick is therefore how far apart `train_on_batch`
    ends from initial weights that differ by a unit in the last place. The engine may end up to FACTOR times as far
    away.
    """
    engine = make_engine(name, seed=1, steps=MANY_STEPS)
    train(engine)
    ours, theirs = values(engine.model), taught(build(NETS[name], seed=1), engine)
    spreads = []
    for seed in range(NUDGED):
        nudged, random = build(NETS[name], seed=1), np.random.default_rng(seed)
        for variable in nudged.weights:
            value = variable.numpy()
            if value.dtype == np.float32:
                towards = np.where(random.random(value.shape) < 0.5, -np.inf, np.inf).astype(np.float32)
                variable.assign(np.nextafter(value, towards))
        spreads.append(distance(taught(nudged, engine), theirs))
    moved = distance(values(build(NETS[name], seed=1)), theirs)
    ours_from_theirs = distance(ours, theirs)
    assert ours_from_theirs < max(FACTOR * max(spreads), 1e-5 * moved), (ours_from_theirs, spreads, moved)


def distance(one: dict[str, Any], other: dict[str, Any]) -> float:
    """Return the Euclidean distance of two models' weights."""
    return math.sqrt(sum(float(np.square(one[path] - value.astype(float)).sum()) for path, value in other.items()))


@pytest.mark.slow  # test_xla.py and test_engine.py test a net with XLA and one without in every run
@pytest.mark.parametrize("name", NETS)
def test_a_poured_graph_gives_the_bits_of_a_fresh_one(name: str) -> None:
    """A trial with dropout and augmentation gives the same bits on another trial's graph as on a graph of its own."""
    fresh = make_engine(name, 1, dropout=0.25)
    train(fresh, 2)
    engine = make_engine(name, 99, dropout=0.25)
    train(engine)
    engine.validate()
    assert engine.is_reusable
    assert engine.load_values(build(NETS[name], 1, dropout=0.25))
    train(engine, 2)
    assert engine.digest() == fresh.digest()
