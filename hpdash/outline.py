"""A model in outline: its layers, kept beside a run's logs for `hpdash show`, and the graph that TensorBoard draws."""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from . import disk, logdir


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer: its class, the shape it gives out as Keras spells it (empty where Keras knows none), its parameters.

    `fixed` are the parameters that do not train, such as moving statistics.
    """

    name: str
    kind: str
    shape: str
    trainable: int
    fixed: int


def layers_of(model: Any) -> tuple[Layer, ...]:
    """Describe the layers of a built Keras model in its order; a model among them is one.

    Each weight counts once, for the first layer that has it; the model is a last layer where it has some of its own.
    """
    trains = {id(weight) for weight in model.trainable_weights}
    counted: set[int] = set()
    found = []
    for layer in (*model.layers, model):
        own = {id(weight): math.prod(weight.shape) for weight in layer.weights if id(weight) not in counted}
        counted |= own.keys()
        if own or layer is not model:
            trainable = sum(count for weight, count in own.items() if weight in trains)
            kind = type(layer).__name__
            found.append(Layer(layer.name, kind, _shape(layer), trainable, sum(own.values()) - trainable))
    return tuple(found)


def _shape(layer: Any) -> str:
    try:
        return str(layer.output.shape)
    except (AttributeError, ValueError):  # of a subclassed model's layers, and of those with several outputs
        return ""


def total(layers: Collection[Layer]) -> Layer:
    """Return layers as if they were one, named "all"."""
    return Layer("all", "", "", sum(layer.trainable for layer in layers), sum(layer.fixed for layer in layers))


def graph_of(model: Any) -> bytes | None:
    """Return the graph of a Keras model's layers, a serialized GraphDef; None where it has no configuration of them.

    It is TensorBoard's own conceptual graph, made what a run's graph is: as a Keras model's, under a tag, the Graphs
    tab would open it with an error, and fold it into one node.
    """
    from tensorboard.plugins.graph.keras_util import keras_model_to_graph_def  # noqa: PLC0415  own loops need it not

    try:
        content = json.loads(model.to_json())
        graph, scope = keras_model_to_graph_def(content), f"{content['config']['name']}/"
        for node in graph.node:
            node.name = node.name.removeprefix(scope)
            node.input[:] = [name.removeprefix(scope) for name in node.input]
            node.op = node.attr["keras_class"].s.decode()
        return bytes(graph.SerializeToString()) if content["config"]["layers"] else None
    except Exception:  # a user's layer may raise anything
        return None


def write(run: Path, layers: Collection[Layer]) -> None:
    """Keep the layers of a run's model in its folder; LogdirError where the disk refuses it."""
    disk.write(run / logdir.MODEL, json.dumps([asdict(layer) for layer in layers]).encode())


def read(run: Path) -> Sequence[Layer]:
    """Return the layers of a run's model; nothing where none are kept or the file is damaged."""
    try:
        return tuple(_layer(**layer) for layer in json.loads((run / logdir.MODEL).read_bytes()))
    except (OSError, ValueError, TypeError, OverflowError, RecursionError):
        return ()


def _layer(name: str, kind: str, shape: str, trainable: int, fixed: int, **_newer: object) -> Layer:
    return Layer(str(name), str(kind), str(shape), int(trainable), int(fixed))
