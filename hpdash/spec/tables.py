"""Every key of the sweep file: its type, default and meaning; the reference of keys is generated from here."""

from __future__ import annotations

from typing import Annotated, Any, Literal, get_args

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from ..records import KERAS_LOOP
from .initializers import initializer
from .keys import (
    CLASS_WEIGHT,
    COUNT,
    DATA,
    DATA_SETS,
    FOLDER,
    FUNCTION,
    INITIALIZER,
    METRIC,
    MLP,
    PENALTY,
    POSITIVE,
    SERIES,
    SHARE,
    SWITCH,
    UNIT,
    Activation,
    Count,
    Direction,
    Fraction,
    InputScale,
    Norm,
    Optimizer,
    Penalty,
    Positive,
    PrunerName,
    Schedule,
    SeriesKind,
    Share,
    Side,
    StrategyName,
    Text,
    Unit,
    Weights,
    Xla,
    builder_name,
    class_weights,
    data_name,
    folder_name,
    key,
    loop_name,
    metric_tag,
    one_of,
    switched,
)


class Table(BaseModel):
    """A table of a sweep file. Assigning to a key checks the value; nothing but int to float is converted."""

    model_config = ConfigDict(strict=True, allow_inf_nan=False, validate_assignment=True, defer_build=True)


class SweepTable(Table):
    """[sweep]: how settings are chosen, how many, what ranks them, and what happens if trials fail."""

    name: Annotated[str, AfterValidator(folder_name)] = key(
        None, FOLDER, "The name of the sweep and of its folder; default: the file's stem."
    )
    description: str = key("", "a string", "A text that TensorBoard shows with the sweep.")
    strategy: StrategyName = one_of(
        None, StrategyName, 'How settings are chosen; default "grid", or "list" if there are [[trial]] tables.'
    )
    trials: Annotated[int, Field(ge=1, le=100_000)] = key(
        None,
        "an integer from 1 to 100000",
        "How many settings to try: required for random, sobol and tpe, a maximum for grid and list.",
    )
    repeats: Annotated[int, Field(ge=1, le=1000)] = key(
        1, "an integer from 1 to 1000", "Seeds per setting; with [prune], only the best settings get all of them."
    )
    seed: Annotated[int, Field(ge=0, lt=2**31)] = key(0, "an integer from 0 to 2147483647", "The seed of replicate 0.")
    objective: Annotated[str, AfterValidator(metric_tag)] = key(
        None,
        METRIC,
        "The metric that ranks trials; default: validation/accuracy for classes, else validation/loss. For a program: "
        "the tag of a scalar that it logs.",
    )
    goal: Direction = one_of(
        None, Direction, "Whether lower (min) or higher (max) is better; default: the direction of the Keras metric."
    )
    max_retries: Annotated[int, Field(ge=0, le=100)] = key(
        1, "an integer from 0 to 100", "How often a trial is tried again if its worker dies."
    )
    timeout: Positive = key(
        None, "a number of seconds above 0", "Seconds that an attempt at a trial may take; default: no limit."
    )
    max_consecutive_failures: Count = key(
        3,
        COUNT,
        "The sweep stops if this many trials have failed and none has finished or was pruned."
        " Once a trial has finished or was pruned, failures no longer stop the sweep.",
    )


class DataTable(Table):
    """[data]: the data set, how it is scaled, and which part of it validates."""

    name: Annotated[str, AfterValidator(data_name)] = key(None, DATA, "The data set (required).", DATA_SETS)
    validation: Count | Fraction | Literal["test"] = key(
        0.2,
        'a count, a fraction between 0 and 1, or "test"',
        "How much of the training set to validate on: a part at one of its ends, without shuffling. "
        '"test" validates on the test set instead.',
        ["test"],
    )
    validation_from: Side = one_of("end", Side, "Which end of the training set the validation part is cut from.")
    scale: InputScale = one_of(
        None,
        InputScale,
        'How inputs are scaled. "unit" divides inputs of type uint8 by 255, and those of digits by 16. "standard" '
        'gives the training part mean 0 and standard deviation 1. Default: "unit" for pictures (type uint8, height x '
        'width or height x width x channels), else "none".',
    )
    folds: Annotated[int, Field(ge=2, le=100)] = key(
        None,
        "an integer from 2 to 100",
        "Cross-validation with so many folds: every setting trains once for each fold, and validates on it. These "
        "trials are the replicates of the setting.",
    )
    fold: Annotated[int, Field(ge=0)] = key(
        None, "an integer of at least 0", "Train only this fold, counted from 0; needs `folds`. Default: every fold."
    )
    train: Count = key(
        None,
        COUNT,
        "How many training examples to use: the first of those that remain after the validation part is cut off; "
        "default: all of them.",
    )
    examples: Count = key(None, COUNT, "How many examples of synthetic data.")
    features: Count = key(None, COUNT, "How many features an example of synthetic data has.")
    classes: Annotated[int, Field(ge=2)] = key(None, "an integer of at least 2", "How many classes of synthetic data.")


class ModelTable(Table):
    """[model]: the keys of the built-in MLP, or the keyword arguments of a custom builder."""

    builder: Annotated[str, AfterValidator(builder_name)] = key(
        MLP,
        f'"mlp", or {FUNCTION}',
        "The built-in MLP, or a function of your own that builds the model. The function is called with all other keys "
        "of [model] in the file, and must accept each. A key of [data] or [train] is passed only if the function has a "
        "parameter of that name.",
        [MLP],
    )
    hidden: list[Count] = key(
        [64, 64], "a list of integers of at least 1, such as [512, 256]", "Units of each hidden layer; [] for none."
    )
    activation: Activation = one_of("relu", Activation, "The hidden layers' activation.")
    leaky_slope: Penalty = key(None, PENALTY, "The slope of leaky_relu below 0.")
    kernel_initializer: Annotated[Any, initializer("glorot_uniform")] = key(
        "glorot_uniform", INITIALIZER, "The hidden kernels' initialiser."
    )
    bias_initializer: Annotated[Any, initializer("zeros", ("same",), ("orthogonal",))] = key(
        "zeros", f'{INITIALIZER}, or "same"', "The hidden biases' initialiser; \"same\" uses the kernels' one."
    )
    output_initializer: Annotated[Any, initializer("glorot_uniform", ("same",))] = key(
        "glorot_uniform",
        f'{INITIALIZER}, or "same"',
        'The output kernel\'s initialiser; "same" initialises kernel and bias like those of the hidden layers.',
    )
    batchnorm: Annotated[Norm, BeforeValidator(switched)] = one_of(
        "none", Norm, "Batch normalisation before or after the activation; true means before."
    )
    batchnorm_input: bool = key(False, SWITCH, "Batch normalisation of the inputs.")
    dropout: Share = key(0.0, SHARE, "The share of hidden units dropped.")
    l1: Penalty = key(0.0, PENALTY, "The L1 penalty on the hidden kernels.")
    l2: Penalty = key(0.0, PENALTY, "The L2 penalty on the hidden kernels.")
    noise: Unit = key(0.0, UNIT, "The standard deviation of Gaussian noise on the inputs.")


class TrainTable(Table):
    """[train]: how a model is trained; names and defaults of optimiser arguments are Keras'."""

    epochs: Count = key(10, COUNT, "Passes over the training part.")
    batch_size: Count = key(32, COUNT, "Examples per step.")
    optimizer: Optimizer = one_of("sgd", Optimizer, "The optimiser.")
    learning_rate: Positive = key(None, POSITIVE, "The learning rate.")
    momentum: Unit = key(None, UNIT, "The momentum.")
    nesterov: bool = key(None, SWITCH, "Nesterov momentum.")
    rho: Share = key(None, SHARE, "The decay of RMSprop's mean square.")
    beta_1: Share = key(None, SHARE, "The decay of Adam's first moment.")
    beta_2: Share = key(None, SHARE, "The decay of Adam's second moment.")
    epsilon: Positive = key(None, POSITIVE, "A small number that keeps the optimiser from dividing by 0.")
    weight_decay: Penalty = key(None, PENALTY, "The decoupled weight decay; default: none, except for adamw.")
    clipnorm: Positive = key(None, POSITIVE, "The norm that each gradient is clipped to; default: no clipping.")
    schedule: Schedule = one_of(
        None, Schedule, "How the learning rate changes from epoch to epoch; default: not at all."
    )
    decay: Fraction = key(
        None,
        "a number between 0 and 1",
        "The factor that the learning rate is multiplied by: every epoch (exponential), every `decay_epochs` (step), "
        "or after `decay_epochs` without a better objective (plateau).",
    )
    decay_epochs: Count = key(None, COUNT, "Epochs between decays (step), or without a better objective (plateau).")
    min_learning_rate: Penalty = key(None, PENALTY, "The final (cosine) or the lowest (plateau) learning rate.")
    patience: Count = key(None, COUNT, "Epochs without a better objective after which a trial ends; default: no end.")
    min_delta: Penalty = key(None, PENALTY, "The smallest improvement that counts (patience, plateau); default: 0.")
    loss: Text = key(
        None, 'a Keras loss name such as "mse"', "The loss; default: cross-entropy, or mse for a regression."
    )
    metrics: list[Text] = key(
        None,
        'a list of Keras metric names, such as ["accuracy"]',
        "The metrics; default: accuracy, or mean_absolute_error for a regression.",
    )
    callbacks: Annotated[str, AfterValidator(loop_name)] = key(
        None,
        f'{FUNCTION}, or "none"',
        "A function that returns Keras callbacks for a trial; it is called with the keys that it has parameters for.",
        [KERAS_LOOP],
    )
    class_weight: Annotated[Any, AfterValidator(class_weights)] = key(
        None,
        CLASS_WEIGHT,
        "Weights of the classes in the loss; balanced gives each class the same total weight. Default: none.",
        ["balanced", "none"],
    )
    xla: Xla = one_of(
        None, Xla, "Whether XLA compiles the training; default: auto, which decides by the operations in the model."
    )
    loop: Annotated[str, AfterValidator(loop_name)] = key(
        None,
        f'{FUNCTION}, or "none"',
        'A training loop of your own, called with an hpdash.Trial; "none" trains a Keras model.',
        [KERAS_LOOP],
    )
    command: Annotated[list[Text], Field(min_length=1)] = key(
        None,
        'a list of texts, such as ["python", "train.py", "{*}", "--logdir", "{run}"]',
        "The command of the program that a trial is: {name} becomes a hyperparameter's value, {*} --name=value for "
        "each, {run} the folder to log into. [data] and [model] are then left out.",
    )
    steps: Count = key(
        None,
        COUNT,
        "The step of the last value that a program logs, for the time left and for [prune]. Default: unknown.",
    )


class LogTable(Table):
    """[log]: what is written besides the scalars."""

    histograms: Annotated[int, Field(ge=0)] = key(
        1, "an integer of at least 0", "Epochs between two histograms; 0 writes none."
    )
    checkpoint_minutes: Positive = key(
        1.0,
        POSITIVE,
        "Minutes between two checkpoints of a trial. A trial that is interrupted or pruned writes one too.",
    )
    checkpoint_epochs: Count = key(
        None, COUNT, "Write a checkpoint after every so many epochs, in addition to those by `checkpoint_minutes`."
    )
    weights: Weights = one_of(
        "best", Weights, "Which epoch's weights a trial keeps, for `hpdash evaluate` and `hpdash save`."
    )
    series: list[SeriesKind] = key(
        ["weights"], f"a list of {SERIES}", "What is written as histograms and per-layer scalars.", get_args(SeriesKind)
    )


class PruneTable(Table):
    """[prune]: which trials stop before their last epoch, and how soon."""

    strategy: PrunerName = one_of(
        "asha",
        PrunerName,
        "Which trials go on when they are compared after some epochs: only the best of them (asha, hyperband), or "
        "those no worse than the median of the others (median).",
    )
    watch: Annotated[str, AfterValidator(metric_tag)] = key(
        None, METRIC, "The metric that decides; default: the objective."
    )
    goal: Direction = one_of(
        None, Direction, "Whether lower (min) or higher (max) is better; default: the direction of the Keras metric."
    )
    min_epochs: Count = key(
        1, COUNT, "Epochs that every trial trains before it is first compared with others; for a program, steps."
    )
    reduction_factor: Annotated[int, Field(ge=2, le=100)] = key(
        3, "an integer from 2 to 100", "With 3, the best third goes on to three times the epochs (asha, hyperband)."
    )
    startup: Count = key(
        5,
        COUNT,
        "A trial is compared with the median of the others only if at least this many others have reached the same "
        "epoch (median).",
    )
