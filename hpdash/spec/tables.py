"""Every key of the sweep file: its type, default and meaning; the README's table of keys comes from here."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, get_args

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from ..logdir import is_sweep_name
from ..trial import NO_LOOP, TABLES
from .dependent import DEPENDENT
from .initializers import initializer

IMAGES = ("mnist", "fashion_mnist", "cifar10", "digits")
DATA_SETS = (*IMAGES, "synthetic")
MLP = "mlp"

Strategy = Literal["grid", "list", "random", "sobol", "tpe"]
DRAWN = ("random", "sobol", "tpe")  # strategies that have to be told how many settings
Goal = Literal["min", "max"]
Pruner = Literal["asha", "hyperband", "median"]
Side = Literal["end", "start"]
Scale = Literal["none", "unit", "standard"]
Activation = Literal["relu", "leaky_relu", "prelu", "elu", "selu", "gelu", "silu", "tanh", "sigmoid", "maxout"]
Norm = Literal["none", "before", "after"]
Optimizer = Literal["sgd", "rmsprop", "adam", "adamw"]
Weights = Literal["best", "last", "none"]
Series = Literal["weights", "gradients", "activations"]

Count = Annotated[int, Field(ge=1)]
Positive = Annotated[float, Field(gt=0)]
Penalty = Annotated[float, Field(ge=0)]
Share = Annotated[float, Field(ge=0, lt=1)]
Fraction = Annotated[float, Field(gt=0, lt=1)]
Text = Annotated[str, Field(min_length=1)]

_COUNT, _POSITIVE, _PENALTY = "an integer of at least 1", "a number above 0", "a number of at least 0"
_SHARE, _SWITCH, _FUNCTION = "a number of at least 0 and below 1", "true or false", '"package.module:function"'
_DATA = f'one of {", ".join(DATA_SETS)}, a path that ends in ".npz", or {_FUNCTION}'
_SERIES = ", ".join(f'"{name}"' for name in get_args(Series))
_FOLDER = "letters, digits, `_`, `.` and `-`, at most 64 of them and not `.` or `-` first"
_INITIALIZER = 'a Keras name or a table such as { name = "random_normal", stddev = 1.0 }'


def is_reference(text: str) -> bool:
    """Say whether a text names a function as "package.module:function"."""
    module, colon, function = text.partition(":")
    return bool(colon) and all(part.isidentifier() for part in (*module.split("."), function))


def _holds(valid: bool) -> None:
    if not valid:
        raise ValueError("")  # the key's own text says what is expected


def _data(name: str) -> str:
    _holds(name in DATA_SETS or name.endswith(".npz") or is_reference(name))
    return name


def _builder(name: str) -> str:
    _holds(name == MLP or is_reference(name))
    return name


def _loop(name: str) -> str:
    _holds(name == NO_LOOP or is_reference(name))
    return name


def _folder(name: str) -> str:
    _holds(is_sweep_name(name))
    return name


def _objective(name: str) -> str:
    _holds(re.fullmatch(r"(validation/)?[A-Za-z_]\w*", name, re.ASCII) is not None)
    return name


def _switched(value: Any) -> Any:
    return ("before" if value else "none") if isinstance(value, bool) else value


def _key(default: Any, expected: str, description: str, options: Sequence[str] = ()) -> Any:
    return Field(default, title=expected, description=description, examples=list(options) or None)


def _one_of(default: str | None, choices: Any, description: str) -> Any:
    return _key(default, f"one of {', '.join(get_args(choices))}", description, get_args(choices))


class Table(BaseModel):
    """A table of the file; a key is checked as it is assigned, strictly: only an integer widens, to a float."""

    model_config = ConfigDict(strict=True, allow_inf_nan=False, validate_assignment=True)


class SweepTable(Table):
    """[sweep]: what is asked, and how often."""

    name: Annotated[str, AfterValidator(_folder)] = _key(None, _FOLDER, "The sweep's folder; default: the file's stem.")
    description: str = _key("", "a string", "What TensorBoard shows beside the sweep.")
    strategy: Strategy = _one_of(
        None, Strategy, 'How settings are chosen; default "grid", or "list" where there are [[trial]] tables.'
    )
    trials: Annotated[int, Field(ge=1, le=100_000)] = _key(
        None,
        "an integer from 1 to 100000",
        "How many settings: needed for random, sobol and tpe, a cap for a grid or a list.",
    )
    repeats: Annotated[int, Field(ge=1, le=1000)] = _key(1, "an integer from 1 to 1000", "Seeds a setting.")
    seed: Annotated[int, Field(ge=0, lt=2**31)] = _key(0, "an integer from 0 to 2147483647", "The first seed.")
    objective: Annotated[str, AfterValidator(_objective)] = _key(
        "validation/accuracy", 'a metric such as "validation/accuracy" or "loss"', "The metric that ranks trials."
    )
    goal: Goal = _one_of(None, Goal, 'Whether less or more is better; default "min" for a loss, else "max".')
    max_retries: Annotated[int, Field(ge=0, le=100)] = _key(
        1, "an integer from 0 to 100", "How often a trial whose worker died is tried again."
    )
    timeout: Positive = _key(None, "a number of seconds above 0", "Seconds an attempt at a trial may take.")
    max_consecutive_failures: Count = _key(3, _COUNT, "Failed trials, before any has finished, that stop the sweep.")


class DataTable(Table):
    """[data]: what is learned, and which part of it validates."""

    name: Annotated[str, AfterValidator(_data)] = _key(None, _DATA, "The data set (required).", DATA_SETS)
    validation: Count | Fraction | Literal["test"] = _key(
        0.2, 'a count, a fraction between 0 and 1, or "test"', "How much of the training set validates.", ["test"]
    )
    validation_from: Side = _one_of("end", Side, "Which side of the training set the validation part is cut from.")
    scale: Scale = _one_of(
        None, Scale, 'By 255 (unit), or by mean and std of the training part; default "unit" for images, else "none".'
    )
    train: Count = _key(None, _COUNT, "Use only so many training examples; default: all.")
    examples: Count = _key(None, _COUNT, "How many examples of synthetic data.")
    features: Count = _key(None, _COUNT, "How many features a synthetic example has.")
    classes: Annotated[int, Field(ge=2)] = _key(None, "an integer of at least 2", "How many synthetic classes.")


class ModelTable(Table):
    """[model]: the built-in MLP's settings, or the keywords of a builder of one's own."""

    builder: Annotated[str, AfterValidator(_builder)] = _key(
        MLP, f'"mlp", or {_FUNCTION}', "What builds the model; one's own gets the other keys as keywords.", [MLP]
    )
    hidden: list[Count] = _key(
        [64, 64], "a list of integers of at least 1, such as [512, 256]", "Units of the hidden layers; none is allowed."
    )
    activation: Activation = _one_of("relu", Activation, "The hidden layers' activation.")
    leaky_slope: Penalty = _key(None, _PENALTY, "The slope of leaky_relu below 0.")
    kernel_initializer: Annotated[Any, initializer("glorot_uniform")] = _key(
        "glorot_uniform", _INITIALIZER, "The hidden kernels' initialiser."
    )
    bias_initializer: Annotated[Any, initializer("zeros", ("same",), ("orthogonal",))] = _key(
        "zeros", f'{_INITIALIZER}, or "same"', "The hidden biases' initialiser; \"same\" is the kernels'."
    )
    output_initializer: Annotated[Any, initializer("glorot_uniform", ("same",))] = _key(
        "glorot_uniform",
        f'{_INITIALIZER}, or "same"',
        'The output kernel\'s initialiser; "same" treats kernel and bias as the hidden ones.',
    )
    batchnorm: Annotated[Norm, BeforeValidator(_switched)] = _one_of(
        "none", Norm, "Batch normalisation before or after the activation; true means before."
    )
    batchnorm_input: bool = _key(False, _SWITCH, "Batch normalisation of the inputs.")
    dropout: Share = _key(0.0, _SHARE, "The share of hidden units dropped.")
    l1: Penalty = _key(0.0, _PENALTY, "The L1 penalty on the hidden kernels.")
    l2: Penalty = _key(0.0, _PENALTY, "The L2 penalty on the hidden kernels.")
    noise: Penalty = _key(0.0, _PENALTY, "The standard deviation of Gaussian noise on the inputs.")


class TrainTable(Table):
    """[train]: how a model is trained; names and defaults of optimiser arguments are Keras'."""

    epochs: Count = _key(10, _COUNT, "Passes over the training part.")
    batch_size: Count = _key(32, _COUNT, "Examples a step.")
    optimizer: Optimizer = _one_of("sgd", Optimizer, "The optimiser.")
    learning_rate: Positive = _key(None, _POSITIVE, "The learning rate.")
    momentum: Annotated[float, Field(ge=0, le=1)] = _key(None, "a number from 0 to 1", "The momentum.")
    nesterov: bool = _key(None, _SWITCH, "Nesterov momentum.")
    rho: Share = _key(None, _SHARE, "The decay of RMSprop's mean square.")
    beta_1: Share = _key(None, _SHARE, "The decay of Adam's first moment.")
    beta_2: Share = _key(None, _SHARE, "The decay of Adam's second moment.")
    epsilon: Positive = _key(None, _POSITIVE, "What keeps the optimiser from dividing by 0.")
    weight_decay: Penalty = _key(None, _PENALTY, "The decoupled weight decay; default: none, but for adamw.")
    clipnorm: Positive = _key(None, _POSITIVE, "The norm each gradient is clipped to; default: not clipped.")
    loss: Text = _key(None, 'a Keras loss name such as "mse"', "The loss; default: for classification.")
    metrics: list[Text] = _key(
        None,
        'a list of Keras metric names, such as ["accuracy"]',
        "The metrics; default: accuracy, or mean_absolute_error for a regression.",
    )
    loop: Annotated[str, AfterValidator(_loop)] = _key(
        None,
        f'{_FUNCTION}, or "none"',
        "A training loop of one's own instead, which gets an hpdash.Trial; none: a Keras model, beside such.",
        [NO_LOOP],
    )


class LogTable(Table):
    """[log]: what is written besides the scalars."""

    histograms: Annotated[int, Field(ge=0)] = _key(
        1, "an integer of at least 0", "Epochs from one histogram to the next; 0 writes none."
    )
    checkpoint_minutes: Positive = _key(
        1.0, _POSITIVE, "Minutes from one checkpoint of a trial to the next; also an interrupted trial keeps one."
    )
    checkpoint_epochs: Count = _key(None, _COUNT, "Epochs from one checkpoint of a trial to the next.")
    weights: Weights = _one_of("best", Weights, "Which epoch's weights a trial keeps, for `hpdash evaluate`.")
    series: list[Series] = _key(
        ["weights"], f"a list of {_SERIES}", "What has histograms, and scalars a layer.", get_args(Series)
    )


class PruneTable(Table):
    """[prune]: which trials stop before their last epoch, and how soon."""

    strategy: Pruner = _one_of(
        "asha", Pruner, "Which trials go on: the best share of those that came as far, or those above the median."
    )
    watch: Annotated[str, AfterValidator(_objective)] = _key(
        None, 'a metric such as "validation/accuracy" or "loss"', "The metric that decides; default: the objective."
    )
    min_epochs: Count = _key(1, _COUNT, "Epochs that every trial trains, after which it is compared first.")
    reduction_factor: Annotated[int, Field(ge=2, le=100)] = _key(
        3, "an integer from 2 to 100", "One in so many goes on to so many times the epochs (asha, hyperband)."
    )
    startup: Count = _key(5, _COUNT, "Trials that came as far, before one is compared with their median (median).")


@dataclass(frozen=True, slots=True)
class Setting:
    """One key of the sweep file; `options` are the words it takes, None is the default where there is none."""

    table: str
    name: str
    expected: str
    description: str
    default: Any
    options: tuple[str, ...]
    model: type[Table]

    def check(self, value: Any) -> Any:
        """Return a value as it is kept; raise ValueError, which says what was expected."""
        probe = self.model.model_construct()
        try:
            setattr(probe, self.name, value)
        except ValidationError as error:
            own = error.errors()[0].get("ctx", {}).get("error")
            raise ValueError(str(own or "") or self.expected) from None
        return getattr(probe, self.name)

    @property
    def default_text(self) -> str:
        """The default as the README shows it; empty where the description tells it."""
        if self.name in DEPENDENT:
            by_value = {key: value for key, value in DEPENDENT[self.name][1].items() if value is not None}
            return ", ".join(f"{json.dumps(value)} ({key})" for key, value in by_value.items())
        return "" if self.default is None else json.dumps(self.default)


def _settings(table: str, model: type[Table]) -> dict[str, Setting]:
    return {
        name: Setting(
            table, name, field.title or "", field.description or "", field.default, tuple(field.examples or ()), model
        )
        for name, field in model.model_fields.items()
    }


_MODELS: Mapping[str, type[Table]] = {
    "sweep": SweepTable,
    "data": DataTable,
    "model": ModelTable,
    "train": TrainTable,
    "log": LogTable,
    "prune": PruneTable,
}
SETTINGS: Mapping[str, Mapping[str, Setting]] = {table: _settings(table, model) for table, model in _MODELS.items()}
SWEEPABLE: Mapping[str, Setting] = {name: key for table in TABLES for name, key in SETTINGS[table].items()}


def table_of(name: str) -> str:
    """Return the table a hyperparameter belongs to; a name that is no setting is a keyword for one's own code."""
    return SWEEPABLE[name].table if name in SWEEPABLE else "model"
