"""Build and compile the Keras model of a trial: the built-in MLP, or the model of a user's builder."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import keras
import numpy as np

from ..errors import TrialError
from ..nested import Nested, is_nested, map_leaves, map_shapes
from ..records import default_metrics
from ..system.user_functions import load_function
from .hyper import make_hypers
from .layers import MAXOUT_PIECES, BatchNormalization, Dense, Maxout, Noise, Penalty, on_gpu
from .optimizers import optimizer


def build(
    settings: Mapping[str, Mapping[str, Any]],
    folder: Path,
    input_shape: Nested,
    classes: Nested,
    seed: int,
    takes: Collection[str] = (),
    one_hot: Nested = False,
    plain: bool = False,
) -> keras.Model:
    """Build and compile a trial's model; its random numbers are drawn from `seed`.

    A model that its builder has not compiled is compiled from [train]. Raises TrialError if the builder returns no
    model.

    Args:
        settings: the resolved tables of the trial.
        folder: where the builder's module is looked for.
        input_shape: the shape of one example; of several inputs, their shapes in a tuple, a list or a dict.
        classes: the number of classes, None for a regression; of several outputs, a tuple, a list or a dict.
        seed: the seed of the initial weights.
        takes: the keys of [train] and [data] that the builder is called with.
        one_hot: whether the labels are one-hot, for each output.
        plain: whether the built-in MLP and its optimiser have only classes of Keras.
    """
    reset_keras(seed)
    model = build_model(settings, folder, input_shape, classes, takes, one_hot, plain)
    ensure_compiled(model, settings["train"], classes, one_hot, plain)
    return model


def build_model(
    settings: Mapping[str, Mapping[str, Any]],
    folder: Path,
    input_shape: Nested,
    classes: Nested,
    takes: Collection[str] = (),
    one_hot: Nested = False,
    plain: bool = False,
) -> keras.Model:
    """Build a trial's model with its weights; a user's builder may have compiled the model, too."""
    if settings["model"]["builder"] == "mlp":
        model = mlp(settings["model"], input_shape, classes, plain)
    else:
        model = _from_builder(settings, folder, input_shape, classes, takes, one_hot)
    if not model.built:  # a subclassed model is built by being called, not by build()
        model(map_shapes(lambda shape: np.zeros((1, *shape), np.float32), input_shape))
    return model


def ensure_compiled(
    model: keras.Model, train: Mapping[str, Any], classes: Nested, one_hot: Nested = False, plain: bool = False
) -> None:
    """Compile a model from the [train] table unless its builder has compiled it."""
    if not model.compiled:
        loss, metrics = _losses(train, classes, one_hot, model), _metrics(train, classes)
        model.compile(optimizer=optimizer(train, plain), loss=loss, metrics=metrics)


def reset_keras(seed: int) -> None:
    """Restart Keras' automatic names and seed all random generators, whatever the process has done before.

    A dtype policy that a user's module has set is kept.
    """
    policy = keras.config.dtype_policy()
    keras.utils.clear_session(free_memory=False)
    keras.config.set_dtype_policy(policy)
    keras.utils.set_random_seed(seed)


def _losses(train: Mapping[str, Any], classes: Nested, one_hot: Nested, model: keras.Model | None = None) -> Any:
    """Return the loss that [train] names, else for each output the one that fits the data and the model."""
    if train.get("loss"):
        return str(train["loss"])
    own = None if is_nested(classes) else model
    return map_leaves(lambda number, encoded: _loss(number, encoded, own), classes, one_hot)


def _loss(classes: int | None, one_hot: bool, model: keras.Model | None) -> str:
    if classes is None:
        return "mean_squared_error"
    if one_hot:
        return "categorical_crossentropy"
    return "binary_crossentropy" if classes == 2 and _is_sigmoid(model) else "sparse_categorical_crossentropy"


def _is_sigmoid(model: keras.Model | None) -> bool:
    """Return whether a model ends with a single sigmoid unit: the probability of the second of two classes."""
    last = model.layers[-1] if model is not None and model.layers else None
    function = getattr(last, "activation", None)
    return getattr(function, "__name__", "") == "sigmoid" and getattr(last, "units", 1) == 1


def _metrics(train: Mapping[str, Any], classes: Nested) -> Any:
    """Return the metrics that [train] names or the default ones, for each output."""
    return map_leaves(lambda number: list(train.get("metrics") or default_metrics(number)), classes)


def _from_builder(
    settings: Mapping[str, Mapping[str, Any]],
    folder: Path,
    input_shape: Nested,
    classes: Nested,
    takes: Collection[str],
    one_hot: Nested,
) -> keras.Model:
    own, train = settings["model"], settings["train"]
    reference = own["builder"]
    builder = load_function(reference, folder)
    keywords = {name: value for name, value in own.items() if name != "builder" and value is not None}
    parameters = inspect.signature(builder).parameters
    losses, metrics = _losses(train, classes, one_hot), _metrics(train, classes)
    known = {**settings["data"], **train, "loss": losses, "metrics": metrics}
    for name in takes:
        parameter = parameters.get(name)
        if known[name] is not None or (parameter is not None and parameter.default is parameter.empty):
            keywords[name] = known[name]
    keywords |= {k: v for k, v in (("input_shape", input_shape), ("classes", classes)) if k in parameters}
    model = builder(**keywords)
    if not isinstance(model, keras.Model):
        raise TrialError(f"{reference}: expected a keras.Model, found {type(model).__name__}")
    return model


def _is_shape(shape: Nested) -> bool:
    return isinstance(shape, tuple) and all(isinstance(size, int) for size in shape)


def mlp(settings: Mapping[str, Any], input_shape: Nested, classes: Nested, plain: bool = False) -> keras.Model:
    """Build the MLP of a resolved [model] table; layer names do not depend on batch normalisation.

    With `plain`, or on a GPU, all layers are Keras' own, so that a saved model loads without hpdash.

    Order: flatten, input batch normalisation, input noise. For each hidden layer: a linear dense layer, the activation
    with batch normalisation before or after it, dropout. Then a softmax over the classes, or one linear unit for a
    regression.
    """
    if is_nested(classes) or not _is_shape(input_shape):
        raise TrialError("the built-in MLP has one input and one output. Set model.builder for data with several.")
    layers: list[Any] = [keras.Input(input_shape), keras.layers.Flatten(name="flatten")]
    plain = plain or on_gpu()
    norm = _batchnorm("batchnorm_input", plain) if settings["batchnorm_input"] else None
    if norm:
        layers.append(norm)
    if settings["noise"]:
        layers.append((keras.layers.GaussianNoise if plain else Noise)(settings["noise"], name="noise"))
    dense = _dense(plain, skips_input_gradient=not norm, norm=None if settings["noise"] else norm)
    for number, units in enumerate(settings["hidden"], start=1):
        layers += _hidden(settings, number, units, dense, plain)
        dense = _dense(plain)
    kernel, bias = _output_initializers(settings)
    output = dense(
        1 if classes is None else classes,
        activation=None if classes is None else "softmax",
        kernel_initializer=kernel,
        bias_initializer=bias,
        name="output",
    )
    for layer in layers if not plain or on_gpu() else ():
        make_hypers(layer, ("rate", "stddev"))
        make_hypers(getattr(layer, "kernel_regularizer", None), ("l1", "l2"))
    return keras.Sequential([*layers, output], name="mlp")  # all at once: each added layer would rebuild the model


def _dense(plain: bool, **place: Any) -> Callable[..., keras.layers.Dense]:
    """Return a function that makes dense layers; `place` are the keywords of `layers.Dense` about its position."""
    return keras.layers.Dense if plain else partial(Dense, **place)


def _batchnorm(name: str, plain: bool) -> keras.layers.BatchNormalization:
    return (keras.layers.BatchNormalization if plain else BatchNormalization)(name=name)


def _penalty(l1: float, l2: float, plain: bool) -> keras.regularizers.Regularizer | None:
    if not (l1 or l2):
        return None
    return (keras.regularizers.L1L2 if plain else Penalty)(l1, l2)


def _hidden(
    settings: Mapping[str, Any], number: int, units: int, dense: Callable[..., Any], plain: bool
) -> Iterator[Any]:
    layers = keras.layers
    yield dense(
        units * (MAXOUT_PIECES if settings["activation"] == "maxout" else 1),
        kernel_initializer=initializer(settings["kernel_initializer"]),
        bias_initializer=_bias_initializer(settings),
        kernel_regularizer=_penalty(settings["l1"], settings["l2"], plain),
        name=f"hidden_{number}",
    )
    if settings["batchnorm"] == "before":
        yield _batchnorm(f"batchnorm_{number}", plain)
    if plain and settings["activation"] == "maxout":
        yield layers.Reshape((units, MAXOUT_PIECES), name=f"pieces_{number}")
        yield layers.GlobalMaxPooling1D(data_format="channels_first", name=f"activation_{number}")
    else:
        yield _activation(settings, f"activation_{number}")
    if settings["batchnorm"] == "after":
        yield _batchnorm(f"batchnorm_{number}", plain)
    if settings["dropout"]:
        yield layers.Dropout(settings["dropout"], name=f"dropout_{number}")


def _activation(settings: Mapping[str, Any], name: str) -> keras.layers.Layer:
    match settings["activation"]:
        case "maxout":
            return Maxout(name=name)
        case "prelu":
            return keras.layers.PReLU(name=name)
        case "leaky_relu":
            return keras.layers.LeakyReLU(negative_slope=settings["leaky_slope"], name=name)
        case other:
            return keras.layers.Activation(other, name=name)


def initializer(value: str | Mapping[str, Any]) -> keras.initializers.Initializer:
    """Return the Keras initialiser for a name, or for a table with `name` and its arguments."""
    if isinstance(value, str):
        return keras.initializers.get(value)
    arguments = {key: item for key, item in value.items() if key != "name"}
    return type(keras.initializers.get(value["name"]))(**arguments)


def _bias_initializer(settings: Mapping[str, Any]) -> keras.initializers.Initializer:
    value = settings["bias_initializer"]
    return initializer(settings["kernel_initializer"] if value == "same" else value)


def _output_initializers(settings: Mapping[str, Any]) -> tuple[Any, Any]:
    """Return the output layer's (kernel, bias) initialisers; "same" means those of the hidden layers."""
    if settings["output_initializer"] == "same":
        return initializer(settings["kernel_initializer"]), _bias_initializer(settings)
    return initializer(settings["output_initializer"]), initializer("zeros")
