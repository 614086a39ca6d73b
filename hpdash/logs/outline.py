"""The outline of a model: its layers, in the run folder for `hpdash show`, and the graph that TensorBoard draws."""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ..system import disk
from . import layout


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer: its class, its output shape as Keras spells it (empty if Keras knows none), and its parameters.

    `trainable` and `fixed` are the numbers of parameters that train and that do not, such as moving statistics.
    """

    name: str
    kind: str
    shape: str
    trainable: int
    fixed: int


def layers_of(model: Any) -> tuple[Layer, ...]:
    """Describe the layers of a built Keras model in its order; a nested model counts as one layer.

    Each weight counts once, for the first layer that has it. If the model has weights outside its layers, the last
    entry is the model itself.
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
    except (AttributeError, ValueError):  # layers of a subclassed model, and layers with several outputs
        return ""


def total(layers: Collection[Layer]) -> Layer:
    """Return the sum of layers as one layer, named "all"."""
    return Layer("all", "", "", sum(layer.trainable for layer in layers), sum(layer.fixed for layer in layers))


def graph_of(model: Any) -> bytes | None:
    """Return the graph of a Keras model's layers as a serialized GraphDef, None if Keras cannot describe them.

    This is TensorBoard's own conceptual graph, converted to the form of a run's graph. If it were logged as a Keras
    model under a tag, the Graphs tab would show an error first, and then draw the whole model as one node.
    """
    from tensorboard.plugins.graph.keras_util import keras_model_to_graph_def  # noqa: PLC0415  custom loops need none

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
    """Store the layers of a run's model in its folder; raises LogdirError if the disk refuses it."""
    disk.write(run / layout.MODEL, json.dumps([asdict(layer) for layer in layers]).encode())


def read(run: Path) -> Sequence[Layer]:
    """Return the layers of a run's model; empty if none are stored or if the file is damaged."""
    try:
        return tuple(_layer(**layer) for layer in json.loads((run / layout.MODEL).read_bytes()))
    except (OSError, ValueError, TypeError, OverflowError, RecursionError):
        return ()


def _layer(name: str, kind: str, shape: str, trainable: int, fixed: int, **_newer: object) -> Layer:
    return Layer(str(name), str(kind), str(shape), int(trainable), int(fixed))
