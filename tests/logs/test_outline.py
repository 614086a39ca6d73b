"""Tests of a model's outline: parameter counts by layer, the file that stores them, and the model's graph."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import zoo
from tensorboard.compat.proto.graph_pb2 import GraphDef
from trained import HERE, specs

from hpdash.engine import models
from hpdash.logs import layout, outline
from hpdash.logs.outline import Layer

SHAPE = (8, 8)


def mlp(**settings: Any) -> keras.Model:
    """Build an MLP on images of 28 x 28."""
    (spec,) = specs({"epochs": [1]}, model={"hidden": [300, 100], **settings})
    return models.build(spec.settings, HERE, (28, 28), 10, 0)


def built(model: keras.Model) -> keras.Model:
    """Return the model with its weights created, as in the trainer."""
    if not model.built:
        model(np.zeros((1, *SHAPE), np.float32))
    return model


def test_batch_normalisation_has_four_parameters_a_unit() -> None:
    """Batch normalization adds four parameters per unit, of which two are trainable.

    On the inputs and after two layers, that is 4,736 parameters, of which 2,368 are trainable.
    """
    layers = outline.layers_of(mlp(batchnorm="after", batchnorm_input=True))
    assert [(each.name, each.shape, each.trainable, each.fixed) for each in layers if each.fixed] == [
        ("batchnorm_input", "(None, 784)", 1568, 1568),
        ("batchnorm_1", "(None, 300)", 600, 600),
        ("batchnorm_2", "(None, 100)", 200, 200),
    ]
    with_, without = outline.total(layers), outline.total(outline.layers_of(mlp()))
    assert (with_.trainable - without.trainable, with_.fixed) == (2368, 2368)


class Own(keras.Model):  # type: ignore[misc]
    """A model with a weight of its own, a layer that is not trainable, and a layer used twice under two names."""

    def __init__(self) -> None:
        super().__init__(name="own")
        self.first = keras.layers.Dense(64, use_bias=False, name="first")
        self.again = keras.Sequential([self.first], name="again")
        self.still = keras.layers.Dense(3, trainable=False, name="still")
        self.scale = self.add_weight(shape=(5,), name="scale")

    def call(self, inputs: Any) -> Any:
        """Apply the layers."""
        return self.still(self.again(self.first(keras.ops.reshape(inputs, (-1, 64))))) * keras.ops.sum(self.scale)


MODELS = {
    "mlp": lambda: mlp(batchnorm="before", activation="prelu"),
    "convolutional": lambda: zoo.convolutional(SHAPE, 10),
    "subclassed": lambda: zoo.subclassed(10),
    "mixed-precision": lambda: zoo.mixed(SHAPE, 10),
    "weights-of-its-own": Own,
}


@pytest.mark.parametrize("name", MODELS)
def test_every_parameter_is_counted_once(name: str) -> None:
    """The layers' parameters add up to Keras' own counts of all and of trainable parameters."""
    model = built(MODELS[name]())
    total = outline.total(outline.layers_of(model))
    trainable = sum(int(np.prod(weight.shape)) for weight in model.trainable_weights)
    assert (total.trainable, total.trainable + total.fixed) == (trainable, model.count_params())


def test_shared_and_own_weights_have_their_place() -> None:
    """A shared weight counts for the first layer that has it; weights of no layer come last, under the model's name."""
    assert [(each.name, each.kind, each.trainable, each.fixed) for each in outline.layers_of(built(Own()))] == [
        ("first", "Dense", 64 * 64, 0),
        ("again", "Sequential", 0, 0),
        ("still", "Dense", 0, 64 * 3 + 3),
        ("own", "Own", 5, 0),
    ]


def test_layers_are_read_back(tmp_path: Path) -> None:
    """An outline is read back as written, even with a lone surrogate in a name.

    Keys added by a newer version are ignored.
    """
    layers = (Layer("a\ud800", "Dense", "(None, 3)", 1, 2),)
    outline.write(tmp_path, layers)
    assert outline.read(tmp_path) == layers
    path = tmp_path / layout.MODEL
    path.write_text(json.dumps([{**each, "newer": 1} for each in json.loads(path.read_text())]))
    assert outline.read(tmp_path) == layers


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(None, id="absent"),
        pytest.param("", id="empty"),
        pytest.param('[{"name": "a"', id="torn"),
        pytest.param("3", id="number"),
        pytest.param("{}", id="no-layers"),
        pytest.param('["a"]', id="no-layer"),
        pytest.param('[{"name": "a"}]', id="keys-missing"),
        pytest.param('[{"name": "a", "kind": "", "shape": "", "trainable": "x", "fixed": 0}]', id="no-number"),
        pytest.param('[{"name": "a", "kind": "", "shape": "", "trainable": 1e999, "fixed": 0}]', id="infinite"),
        pytest.param("[" * 100_000, id="too-deep"),
    ],
)
def test_damage_is_as_if_nothing_were_kept(content: str | None, tmp_path: Path) -> None:
    """A missing or damaged outline file reads as no layers, so that the rest of the run can still be shown."""
    if content is not None:
        (tmp_path / layout.MODEL).write_text(content)
    assert outline.read(tmp_path) == ()


@pytest.mark.parametrize("name", ["mlp", "convolutional"])
def test_a_graph_has_a_node_a_layer(name: str) -> None:
    """The graph has one node for the input and one for each layer, named by its class, each fed by the node before."""
    model = built(MODELS[name]())
    graph = GraphDef.FromString(outline.graph_of(model) or b"")
    assert [(node.name, node.op) for node in graph.node][1:] == [(x.name, type(x).__name__) for x in model.layers]
    names = [node.name for node in graph.node]
    assert [list(node.input) for node in graph.node] == [[], *([name] for name in names[:-1])]


@pytest.mark.parametrize("name", ["subclassed", "weights-of-its-own"])
def test_a_model_without_a_configuration_has_no_graph(name: str) -> None:
    """A subclassed model has no graph, because only its code describes it."""
    assert outline.graph_of(built(MODELS[name]())) is None
