"""Check, in a child process before the first trial, which keys users' builders take, lack or do not use."""

from __future__ import annotations

import inspect
import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from ..data import Dataset
from ..errors import Problem, SpecError
from ..facts import COMPILE_KEYS, OPTIMIZER_KEYS, BuilderUse
from ..nested import is_nested, map_leaves
from ..records import TrialSpec
from ..system.user_functions import load_function

BY_DATA = ("input_shape", "classes")  # parameters whose arguments come from the data

Parameters = Mapping[str, inspect.Parameter]


@dataclass(frozen=True, slots=True)
class BuilderRequest:
    """How a sweep uses a user's builder.

    Attributes:
        reference: the builder, "package.module:function".
        spec: a trial that uses it.
        keywords: the keyword arguments for the builder, each with its location in the sweep file: "hparams.units".
        given: the keys of [data] and [train] that the sweep file fixes or varies, each with its location.
        always: the keys of [model] and [hparams] that every trial with this builder has.
        varied: the keys in `given` that vary, each with a value other than that of `spec`.
    """

    reference: str
    spec: TrialSpec
    keywords: Mapping[str, str]
    given: Mapping[str, str]
    always: Collection[str]
    varied: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Built:
    """How a builder uses keys, and the names that its model's metrics have in logs; None if they are unknown."""

    use: BuilderUse
    metrics: tuple[str, ...] | None = None


def examine(request: BuilderRequest, folder: Path, dataset: Dataset) -> Built:
    """Build a trial's model, and return how its builder uses the keys.

    An error in the builder itself is not raised: its trial will report it, and the builder may work for other trials.
    Raises SpecError with every key that the builder does not take, that it lacks, or that has no effect.
    """
    os.environ["CUDA_VISIBLE_DEVICES"] = "-1"  # the workers may be using the GPUs
    parameters = inspect.signature(load_function(request.reference, folder)).parameters
    _raise([*_not_taken(request, parameters), *_lacking(request, parameters)])
    spec = replace(request.spec, takes=_taken(request, parameters))
    try:
        model, is_compiled = _build(spec, folder, dataset)
    except Exception:  # a user's builder may raise anything
        return Built(BuilderUse(spec.takes))
    unused = tuple(name for name in COMPILE_KEYS if name not in spec.takes) if is_compiled else ()
    without_effect = _without_effect(request, spec, model, folder, dataset) if is_compiled else ()
    _raise([*_unused(request, unused), *without_effect])
    return Built(BuilderUse(spec.takes, unused), _metrics(model, dataset))


def _raise(problems: Sequence[Problem]) -> None:
    if problems:
        raise SpecError(problems)


def _takes_any(parameters: Parameters) -> bool:
    return any(each.kind is each.VAR_KEYWORD for each in parameters.values())


def _named(parameters: Parameters) -> dict[str, inspect.Parameter]:
    return {name: each for name, each in parameters.items() if each.kind not in (each.VAR_KEYWORD, each.VAR_POSITIONAL)}


def _needed(parameters: Parameters) -> list[str]:
    return [name for name, each in _named(parameters).items() if each.default is each.empty]


def _not_taken(request: BuilderRequest, parameters: Parameters) -> Iterator[Problem]:
    names = list(_named(parameters))
    for name, where in request.keywords.items() if not _takes_any(parameters) else ():
        if name not in names:
            near = get_close_matches(name, names, n=1)
            hint = f"Did you mean {near[0]}?" if near else f"Its parameters: {', '.join(names) or 'none'}."
            yield Problem(where, f"a parameter of {request.reference}", name, hint)


def _lacking(request: BuilderRequest, parameters: Parameters) -> Iterator[Problem]:
    known = {*request.always, *BY_DATA, *request.spec.settings["train"], *request.spec.settings["data"]}
    for name in _needed(parameters):
        if name not in known:
            expected = f"a value for the parameter {name}, which has no default"
            hint = f"Set {name} in [model] or [hparams]."
            yield Problem(request.reference, expected, "none in some trials", hint)


def _taken(request: BuilderRequest, parameters: Parameters) -> tuple[str, ...]:
    """Return the keys of [train] and [data] to call the builder with.

    A parameter with a default is left out unless the sweep file sets the key: a builder's own `momentum=0.99` may be
    meant for a batch normalisation layer. A builder with `**` keywords also gets the keys that vary.
    """
    needed, keys = _needed(parameters), {*request.spec.settings["train"], *request.spec.settings["data"]}
    taken = {name for name in _named(parameters) if name in keys and (name in needed or name in request.given)}
    others = set(request.varied) if _takes_any(parameters) else set()
    return tuple(sorted((taken | others) - set(BY_DATA)))


def _build(spec: TrialSpec, folder: Path, dataset: Dataset) -> tuple[Any, bool]:
    from ..engine import models  # noqa: PLC0415  imports TensorFlow, only in the child

    shape, classes, one_hot = dataset.input_shape, dataset.classes, dataset.one_hot
    models.reset_keras(spec.seed)
    model = models.build_model(spec.settings, folder, shape, classes, spec.takes, one_hot)
    is_compiled = bool(model.compiled)
    models.ensure_compiled(model, spec.settings["train"], classes, one_hot)
    return model, is_compiled


def _unused(request: BuilderRequest, unused: Collection[str]) -> Iterator[Problem]:
    for name, where in request.given.items():
        if name in unused:
            found = f"{request.reference}, which compiles its model itself and has no parameter {name}"
            hint = f"Add the parameter {name} to the builder and use it there, or leave the key out."
            yield Problem(where, f"a builder that uses {name}", found, hint)


def _without_effect(
    request: BuilderRequest, spec: TrialSpec, model: Any, folder: Path, dataset: Dataset
) -> Iterator[Problem]:
    """Yield a problem for each optimizer key that varies but has no effect, although the builder takes it.

    A key has no effect if the model's optimizer is the same for two of its values. If the model has a training step, an
    optimizer or a schedule of the user's, the effect of a key is unknown.
    """
    from ..engine.sharing import has_keras_step  # noqa: PLC0415  imports TensorFlow, only in the child

    for name, value in request.varied.items():
        if name not in OPTIMIZER_KEYS or name not in spec.takes:
            continue
        settings = {**spec.settings, "train": {**spec.settings["train"], name: value}}
        try:
            other, _ = _build(replace(spec, settings=settings), folder, dataset)
        except Exception:
            continue
        if has_keras_step(other) and _optimizer(other) == _optimizer(model):
            values = f"the same optimizer for {spec.settings['train'][name]} and {value}"
            expected = f"a hyperparameter that changes the optimizer of {request.reference}"
            yield Problem(request.given[name], expected, values, f"Use {name} in the builder, or leave it out.")


def _optimizer(model: Any) -> str:
    return f"{type(model.optimizer).__name__} {model.optimizer.get_config()}"


def _metrics(model: Any, dataset: Dataset) -> tuple[str, ...] | None:
    from ..engine.metric_values import scalars  # noqa: PLC0415

    try:
        x = map_leaves(lambda each: each[:1].astype("float32"), dataset.x_train)
        y = map_leaves(lambda each: each[:1], dataset.y_train)
        outputs = model(x, training=False)
        if is_nested(y):
            model.compute_loss(x, y, outputs)  # creates the means of the losses of several outputs
        model.compute_metrics(x, y, outputs)
        return tuple(name for name, _ in scalars(model.get_metrics_result()))
    except Exception:  # a user's model may raise anything; its trial will report it
        return None
