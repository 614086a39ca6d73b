"""The data of a trial in the form in which an engine takes them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ..data.class_weights import class_weights
from ..data.dataset import Examples
from ..nested import map_leaves
from .attempt import Loaded

if TYPE_CHECKING:
    from ..engine.feed import EngineData


def weighted(engine_data: EngineData, loaded: Loaded, train: Mapping[str, Any]) -> EngineData:
    """Return the data with the sample weights that the key `class_weight` of the [train] table gives."""
    from ..engine.feed import tensor  # noqa: PLC0415

    weights = class_weights(loaded[0], loaded[1], train.get("class_weight"))
    if weights is None:
        return engine_data
    return replace(engine_data, train=replace(engine_data.train, weight=tensor(weights)))


def to_engine_data(loaded: Loaded) -> EngineData:
    """Return the training and validation data of an engine, as tensors; imports TensorFlow."""
    from ..engine.feed import EngineData, Subset, tensor  # noqa: PLC0415

    def tensors(examples: Examples) -> tuple[Any, Any, Any]:
        weight = examples.weight
        parts = (map_leaves(tensor, part) for part in (examples.x, examples.y))
        return *parts, None if weight is None else map_leaves(tensor, weight)

    dataset, split, scaling = loaded
    x, y, weight = tensors(dataset.train)
    own = (x, y, weight) if split.source == "train" else tensors(split.held_out(dataset))
    train = Subset(x, y, split.train.start, split.train.stop, weight)
    held_out = Subset(*own[:2], split.validation.start, split.validation.stop, own[2])
    return EngineData(train, held_out, scaling.offset, scaling.divisor)
