"""Tests of sweep files: how a file is interpreted, and which errors an invalid file gives."""

from __future__ import annotations

import json
import subprocess
import sys
import time
import tomllib
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpdash.errors import SpecError
from hpdash.spec import FILE_KEYS, load_sweep, parse_sweep, synonyms
from hpdash.spec.domains import Choice, FloatRange, IntRange
from hpdash.spec.initializers import NAMES

SMALL = '[data]\nname = "digits"\n[hparams]\nhidden = [[8], [4]]\n'


def parse(source=SMALL, *overrides):
    """Parse a sweep from a file named x.toml."""
    return parse_sweep(source, name="x.toml", folder=Path(), overrides=overrides)


def problems(source, *overrides):
    """Return the problems of an invalid sweep, by key."""
    with pytest.raises(SpecError) as caught:
        parse(source, *overrides)
    assert all(problem.where.startswith("x.toml") for problem in caught.value.problems)
    return {problem.where.removeprefix("x.toml: "): problem for problem in caught.value.problems}


def test_defaults():
    """A file with only data and hparams has every documented default."""
    sweep = parse()
    assert (sweep.name, sweep.strategy, sweep.repeats, sweep.seed) == ("x", "grid", 1, 0)
    assert (sweep.objective, sweep.goal, sweep.trials) == ("validation/accuracy", "max", None)
    assert sweep.fixed["data"] | {"name": "digits", "validation": 0.2, "scale": "unit"} == sweep.fixed["data"]
    assert sweep.fixed["model"] == {
        "builder": "mlp", "hidden": [64, 64], "activation": "relu", "leaky_slope": None,
        "kernel_initializer": "glorot_uniform", "bias_initializer": "zeros", "output_initializer": "glorot_uniform",
        "batchnorm": "none", "batchnorm_input": False, "dropout": 0.0, "l1": 0.0, "l2": 0.0, "noise": 0.0,
    }  # fmt: skip
    train = sweep.fixed["train"]
    assert (train["epochs"], train["batch_size"], train["optimizer"], train["learning_rate"]) == (10, 32, "sgd", 0.01)
    assert sweep.fixed["log"] == {
        "histograms": 1, "series": ["weights"], "checkpoint_minutes": 1.0, "checkpoint_epochs": None, "weights": "best",
    }  # fmt: skip
    assert (sweep.max_retries, sweep.timeout, sweep.max_consecutive_failures) == (1, None, 3)


OPTIMIZERS = {
    "sgd": {"learning_rate": 0.01, "momentum": 0.0, "nesterov": False},
    "rmsprop": {"learning_rate": 0.001, "rho": 0.9, "momentum": 0.0, "epsilon": 1e-7},
    "adam": {"learning_rate": 0.001, "beta_1": 0.9, "beta_2": 0.999, "epsilon": 1e-7},
    "adamw": {"learning_rate": 0.001, "beta_1": 0.9, "beta_2": 0.999, "epsilon": 1e-7, "weight_decay": 0.004},
}
ARGUMENTS = {name for arguments in OPTIMIZERS.values() for name in arguments} | {"clipnorm"}


@pytest.mark.parametrize(("optimizer", "arguments"), OPTIMIZERS.items(), ids=OPTIMIZERS.keys())
def test_optimizer_defaults_are_keras(optimizer, arguments):
    """An optimiser's arguments have the defaults of Keras, and the arguments of other optimisers are None."""
    train = parse().settings({"optimizer": optimizer})["train"]
    assert {name: train[name] for name in ARGUMENTS if train[name] is not None} == arguments


def test_settings_put_a_point_in():
    """`settings` puts a point's values into their tables and updates the defaults that depend on them."""
    settings = parse().settings({"activation": "leaky_relu", "epochs": 3, "name": "synthetic", "optimizer": "adam"})
    assert settings["model"]["leaky_slope"] == 0.2
    assert settings["train"]["epochs"] == 3
    data = settings["data"]
    assert (data["scale"], data["examples"], data["features"], data["classes"]) == ("none", 2000, 20, 4)


KEPT = {
    "integer as a float": ("train.learning_rate=1", "train", "learning_rate", 1.0),
    "batchnorm true": ("model.batchnorm=true", "model", "batchnorm", "before"),
    "batchnorm false": ("model.batchnorm=false", "model", "batchnorm", "none"),
    "default": ('model.kernel_initializer="default"', "model", "kernel_initializer", "glorot_uniform"),
    "default bias": ("model.bias_initializer=default", "model", "bias_initializer", "zeros"),
    "same": ("model.output_initializer=same", "model", "output_initializer", "same"),
    "table with a name alone": ('model.bias_initializer={name="ones"}', "model", "bias_initializer", "ones"),
    "integer argument": (
        'model.kernel_initializer={name="random_normal",stddev=1}',
        "model",
        "kernel_initializer",
        {"name": "random_normal", "stddev": 1.0},
    ),
    "count": ("data.validation=1000", "data", "validation", 1000),
    "test set": ("data.validation=test", "data", "validation", "test"),
    "npz": ("data.name=../some data.npz", "data", "name", "../some data.npz"),
    "function": ("data.name=mine.sets:load", "data", "name", "mine.sets:load"),
}


@pytest.mark.parametrize(("override", "table", "key", "value"), KEPT.values(), ids=KEPT.keys())
def test_values_as_they_are_kept(override, table, key, value):
    """Values are normalised once: integers become floats where needed, and words such as "default" are resolved."""
    kept = parse(SMALL, override).fixed[table][key]
    assert kept == value
    assert type(kept) is type(value)


@pytest.mark.parametrize("name", NAMES)
def test_every_initializer_is_one_of_keras(name):
    """Kernels accept every Keras initialiser by name; biases refuse orthogonal, which needs two dimensions."""
    assert parse(SMALL, f"model.kernel_initializer={name}").fixed["model"]["kernel_initializer"] == name
    if name == "orthogonal":
        assert "model.bias_initializer" in problems(SMALL, f"model.bias_initializer={name}")


def test_domains():
    """A list becomes a choice; a range has the type of its setting, with its log scale or step."""
    swept = parse(
        {
            "sweep": {"strategy": "random", "trials": 3},
            "data": {"name": "digits"},
            "hparams": {
                "batchnorm": [True, False],
                "learning_rate": {"min": 1e-4, "max": 1, "scale": "log"},
                "dropout": {"min": 0, "max": 0.5, "step": 0.1},
                "batch_size": {"min": 16, "max": 64, "step": 16},
                "leaky_slope": {"values": [0.2, 0.3], "when": {"activation": "leaky_relu"}},
                "activation": ["relu", "leaky_relu"],
            },
        }
    )
    domains = {hparam.name: (hparam.table, hparam.domain) for hparam in swept.hparams}
    assert domains["batchnorm"] == ("model", Choice(("before", "none")))
    assert domains["learning_rate"] == ("train", FloatRange(1e-4, 1.0, "log"))
    assert domains["dropout"] == ("model", FloatRange(0.0, 0.5, "linear", 0.1))
    assert domains["batch_size"] == ("train", IntRange(16, 64, "linear", 16))
    assert swept.hparams[4].when == {"activation": ("leaky_relu",)}


def test_a_builder_of_ones_own_gets_what_is_said_alone():
    """With a user's builder, all other names in [model] are its keyword arguments, without the MLP's defaults."""
    table = {"builder": "nets:cnn", "filters": [8, 16], "hidden": 5}
    source = {"data": {"name": "digits"}, "model": table, "hparams": {"width": {"min": 1, "max": 3}, "epochs": [1, 2]}}
    sweep = parse(source)
    assert sweep.fixed["model"] == table
    assert sweep.settings({"width": 2, "epochs": 1})["model"] == {**table, "width": 2}
    assert [(hparam.name, hparam.table) for hparam in sweep.hparams] == [("width", "model"), ("epochs", "train")]


def test_a_loop_of_ones_own_needs_no_model():
    """With a user's training loop and no builder, [model] holds only what the file sets."""
    sweep = parse({"data": {"name": "digits"}, "train": {"loop": "my:loop"}, "hparams": {"depth": [1, 2]}})
    assert sweep.settings({"depth": 2})["model"] == {"builder": None, "depth": 2}


@pytest.mark.parametrize(
    "varied",
    [
        pytest.param({"hparams": {"loop": ["none", "my:loop"]}}, id="swept"),
        pytest.param({"trial": [{"loop": "none"}, {"loop": "my:loop"}]}, id="listed"),
        pytest.param({"trial": [{}, {"loop": "my:loop"}]}, id="left-out"),
        pytest.param({"train": {"loop": "my:loop"}, "trial": [{"loop": "none"}, {"depth": 3}]}, id="put-over-it"),
    ],
)
def test_loops_stand_beside_the_mlp(varied):
    """If only some trials use a user's loop, [model] still checks the MLP's settings and accepts other names."""
    source = {"data": {"name": "digits"}, "model": {"hidden": [4], "depth": 2}, **varied}
    sweep = parse(source)
    keras, own = sweep.settings({"loop": "none"}), sweep.settings({"loop": "my:loop"})
    assert (keras["model"]["builder"], keras["model"]["dropout"], keras["model"]["hidden"]) == ("mlp", 0.0, [4])
    assert own["model"] == {"builder": None, "hidden": [4], "depth": 2}
    with pytest.raises(SpecError, match=r"model\.hidden"):
        parse({**source, "model": {"hidden": "four"}})


def test_listed_trials():
    """`[[trial]]` tables make a list of trials and define the hyperparameters; they may repeat a fixed key."""
    text = '[data]\nname = "digits"\n[model]\nactivation = "elu"\n[[trial]]\n[[trial]]\nactivation = "relu"\nl2 = 1\n'
    sweep = parse(text)
    assert sweep.strategy == "list"
    assert sweep.listed == ({}, {"activation": "relu", "l2": 1.0})
    assert [(hparam.name, hparam.domain) for hparam in sweep.hparams] == [
        ("activation", Choice(("relu",))),
        ("l2", Choice((1.0,))),
    ]


def test_many_listed_trials():
    """The time to parse `[[trial]]` tables grows linearly with their number, not quadratically."""
    start = time.perf_counter()
    sweep = parse({"data": {"name": "digits"}, "trial": [{"l2": index / 7} for index in range(20_000)]})
    assert time.perf_counter() - start < 10
    assert sweep.hparams[0].domain.size == len(sweep.listed) == 20_000


@pytest.mark.parametrize(("objective", "goal"), [("loss", "min"), ("validation/loss", "min"), ("accuracy", "max")])
def test_the_goal_follows_the_objective(objective, goal):
    """The goal is to minimise a loss and to maximise any other metric."""
    assert parse(SMALL, f"sweep.objective={objective}").goal == goal


def test_overrides():
    """`--set` takes TOML values and bare words, and overrides the file."""
    sweep = parse(SMALL, "train.epochs=3", "sweep.name=other", "hparams.hidden=[[1]]", "sweep.seed = 5")
    assert (sweep.fixed["train"]["epochs"], sweep.name, sweep.seed) == (3, "other", 5)
    assert sweep.hparams[0].domain == Choice(([1],))
    assert sweep.source == SMALL


def test_dots_are_no_keys():
    """A long row of dots in a comment or a description is not mistaken for a deeply nested key."""
    assert parse(f"# {'.' * 200}\n{SMALL}[sweep]\ndescription = 'Wait{'.' * 200} 1.2.3'\n").repeats == 1


def test_a_mapping_is_as_good_as_a_file():
    """A sweep from a mapping equals the same sweep from TOML, and its source is equivalent TOML."""
    text = SMALL + 'batchnorm = { values = [true, "after"] }\n'
    mapping = tomllib.loads(text) | {"sweep": {"description": 'tab\t "quotes" \x7f é'}}
    sweep = parse(mapping)
    assert sweep.to_json() == parse(sweep.source).to_json()
    assert {**sweep.to_json(), "description": ""} == parse(text).to_json()


def test_equal_files_have_equal_json():
    """Comments, the order of tables and explicit defaults do not change a sweep's JSON; a different value does."""
    spelled = '# x\n[hparams]\nhidden = [[8], [4]]\n[train]\nepochs = 10\n[data]\nname = "digits"\n'
    assert parse(spelled).to_json() == parse().to_json()
    assert parse(SMALL, "train.epochs=11").to_json() != parse().to_json()


# Invalid files: (text or mapping, key, part of the message: what was expected, found or suggested)
TEXTS = {
    "syntax error": ("[data\n", "line 1, column 6", "TOML"),
    "duplicate key": (SMALL + "hidden = [[1]]\n", "line 5, column 15", "given twice"),
    "table twice": (SMALL + "[data]\n", "line 5, column 6", "twice"),
    "control character": ("[data]\nname = 'a\x01'\n", "line 2, column 10", "TOML"),
    "JSON": ('{"data": {"name": "digits"}}', "line 1, column 1", "JSON"),
    "JSON list": ('[\n  {"data": "digits"}]', "line 1, column 2", "JSON"),
    "YAML": ("data:\n  name: digits\n", "line 1, column 5", "YAML"),
    "YAML list": ("- data\n- hparams\n", "line 1, column 3", "YAML"),
    "a megabyte of lines": ("\n" * 1_000_000 + "x", "end of document", "TOML"),
    "empty": ("", "x.toml", "empty"),
    "comments only": ("# nothing\n\n", "x.toml", "empty"),
    "lists 5,000 deep": ("x = " + "[" * 5000 + "]" * 5000, "x.toml", "deep"),
    "tables 5,000 deep": ("\n" + ".".join("a" * 5000) + " = 1", "line 2", "deep"),
    "tables 30 deep": (".".join("a" * 30) + " = 1", "a.a.a.a", "deep"),
    "tables 500,000 deep": ("a." * 500_000 + "a = 1", "line 1", "deep"),
    "odd tables 5,000 deep": ("x = 1\n[" + " . ".join(["'b c'"] * 5000) + "]", "line 2", "deep"),
    "thousands of names": (SMALL + "".join(f"k{i} = [1]\n" for i in range(1001)), "hparams", "at most 1000 names"),
    "a list too long": (SMALL + f"l2 = {list(range(10_001))}\n", "hparams.l2", "{ min, max }"),
    "list for a number": (SMALL + "[train]\nlearning_rate = [0.1]\n", "train.learning_rate", "in [hparams]"),
    "5,000 digits": (SMALL + f"[train]\nepochs = {'9' * 5000}\n", "x.toml", "digits"),
    "5,000 hex digits": (SMALL + f"[train]\nepochs = 0x{'9' * 5000}\n", "train.epochs", "64 bits"),
    "inf": (SMALL + "[train]\nlearning_rate = inf\n", "train.learning_rate", "finite"),
    "nan": (SMALL + "dropout = [nan]\n", "hparams.dropout[0]", "finite"),
    "date": (SMALL + "dropout = [1979-05-27]\n", "hparams.dropout[0]", "found date 1979-05-27"),
    "time": (SMALL + "[train]\nepochs = 07:32:00\n", "train.epochs", "time"),
    "mixed list": (SMALL + 'activation = ["relu", 1]\n', "hparams.activation[1]", "one of relu"),
    "unknown key": (SMALL + "[train]\nepoch = 1\n", "train.epoch", "Did you mean 'epochs'?"),
    "key of another table": (SMALL + "[model]\nepochs = 1\n", "model.epochs", "It belongs in [train]"),
    "unknown table": (SMALL + "[modle]\n", "modle", "Did you mean 'model'?"),
    "key outside the tables": ("epochs = 3\n" + SMALL, "epochs", "It belongs in [train]"),
    "no [data]": ("[hparams]\nhidden = [[1], [2]]\n", "data.name", "mnist"),
    "no [hparams]": ("[data]\nname = 'digits'\n", "hparams", "[[trial]]"),
    "empty [hparams]": ("[data]\nname = 'digits'\n[hparams]\n", "hparams", "[[trial]]"),
    "table as a word": ("data = 'digits'\n[hparams]\nl2 = [0, 1]\n", "data", "a table [data]"),
    "table as a list": ("[[data]]\nname = 'digits'\n[hparams]\nl2 = [0, 1]\n", "data", "a table [data]"),
    "[trial] as a table": ("[data]\nname = 'digits'\n[trial]\nl2 = 1\n", "trial", "[[trial]]"),
    "empty key": (SMALL + "'' = [1]\n", "hparams.''", "unknown"),
    "slashed key": (SMALL + "'../x' = [1]\n", "hparams.'../x'", "unknown"),
    "escaped key": (SMALL + '"\\u001b[31m" = [1]\n', "hparams.'\\x1b[31m'", "unknown"),
    "string for a number": (SMALL + "[model]\ndropout = '0.1'\n", "model.dropout", "'0.1'"),
    "true for an integer": (SMALL + "[train]\nepochs = true\n", "train.epochs", "true"),
    "float for an integer": (SMALL + "[train]\nepochs = 1.0\n", "train.epochs", "1.0"),
    "integer for true": (SMALL + "[model]\nbatchnorm_input = 1\n", "model.batchnorm_input", "true or false"),
    "too small": (SMALL + "[train]\nepochs = 0\n", "train.epochs", "at least 1"),
    "dropout of all": (SMALL + "[model]\ndropout = 1\n", "model.dropout", "below 1"),
    "noise that Keras refuses": (SMALL + "[model]\nnoise = 2.0\n", "model.noise", "from 0 to 1"),
    "validation of all": (SMALL.replace("[hp", "validation = 1.0\n[hp"), "data.validation", "fraction"),
    "unknown word": (SMALL + "[model]\nactivation = 'rellu'\n", "model.activation", "Did you mean 'relu'?"),
    "condition with a misspelled value": (
        SMALL.replace(
            "[hparams]", "[[require]]\nthat = 'activation == tahn'\n[hparams]\nactivation = ['relu', 'tanh']"
        ),
        "require[0].that",
        "Did you mean 'tanh'?",
    ),
    "unknown data": (SMALL.replace("digits", "mnits"), "data.name", "Did you mean 'mnist'?"),
    "unknown initialiser": (SMALL + "[model]\nkernel_initializer = 'he'\n", "model.kernel_initializer", "he_normal"),
    "argument of another": (
        SMALL + "[model]\nkernel_initializer = { name = 'random_normal', scale = 1 }\n",
        "model.kernel_initializer",
        "mean, stddev",
    ),
    "seed in an initialiser": (
        SMALL + "[model]\nbias_initializer = { name = 'he_normal', seed = 1 }\n",
        "model.bias_initializer",
        "no arguments",
    ),
    "strategy": (SMALL + "[sweep]\nstrategy = 'tpes'\n", "sweep.strategy", "grid, list, random, sobol, tpe"),
    "tpe of how many": (SMALL + "[sweep]\nstrategy = 'tpe'\n", "sweep.trials", "trials = 20"),
    "no condition": (SMALL + "[[require]]\n", "require[0].that", "product(hidden)"),
    "condition of another key": (SMALL + "[[require]]\nwhen = 'epochs < 3'\n", "require[0].when", 'that = "product'),
    "condition in a table": (SMALL + "[require]\nthat = 'epochs < 3'\n", "require", "[[require]] tables"),
    "condition on nothing": (SMALL + "[[require]]\nthat = '1 < 2'\n", "require[0].that", "names a key"),
    "condition on what is not": (
        SMALL + "[[require]]\nthat = 'hiden == [8]'\n",
        "require[0].that",
        "Did you mean 'hidden'?",
    ),
    "condition with an unknown word": (
        SMALL + "[[require]]\nthat = 'optimizer = sdg'\n",
        "require[0].that",
        "a value of the key on the other side",
    ),
    "condition that calls": (
        SMALL + "[[require]]\nthat = 'exit(hidden) == 1'\n",
        "require[0].that",
        "found 'exit' at character 1 of",
    ),
    "condition with an attribute": (
        SMALL + "[[require]]\nthat = 'hidden.pop() == 1'\n",
        "require[0].that",
        "hidden.pop",
    ),
    "condition with a power": (SMALL + "[[require]]\nthat = '9 ** 9 ** epochs > 1'\n", "require[0].that", "9 ** 9"),
    "condition without end": (
        SMALL + f"[[require]]\nthat = '{'-' * 500}epochs < 1'\n",
        "require[0].that",
        "at most 400",
    ),
    "condition of parentheses": (SMALL + f"[[require]]\nthat = '{'(' * 300}'\n", "require[0].that", "levels of"),
    "unknown series": (SMALL + "[log]\nseries = ['gradient']\n", "log.series", '"weights", "gradients", "activations"'),
    "sweep name": (SMALL + "[sweep]\nname = '../x'\n", "sweep.name", "letters"),
    "objective": (SMALL + "[sweep]\nobjective = 'validation/acuracy'\n", "sweep.objective", "Did you mean 'accuracy'?"),
    "random without trials": (SMALL + "[sweep]\nstrategy = 'random'\n", "sweep.trials", "trials = 20"),
    "list without trials": (SMALL + "[sweep]\nstrategy = 'list'\n", "sweep.strategy", "[[trial]]"),
    "both": (SMALL + "[[trial]]\nl2 = 1\n", "hparams", "both"),
    "not a list": (SMALL + "l2 = 0.1\n", "hparams.l2", "a list of values, or { min, max }"),
    "empty list": (SMALL + "l2 = []\n", "hparams.l2", "at least one"),
    "same value twice": (SMALL + "l2 = [0, 0.0]\n", "hparams.l2", "differ"),
    "min above max": (SMALL + "l2 = { min = 1, max = 0.5, step = 0.1 }\n", "hparams.l2", "min below max"),
    "log from 0": (SMALL + "l2 = { min = 0, max = 1, scale = 'log' }\n", "hparams.l2", "min above 0"),
    "range without max": (SMALL + "l2 = { min = 1 }\n", "hparams.l2", "min, max"),
    "unknown range key": (SMALL + "l2 = { min = 0, max = 1, steps = 1 }\n", "hparams.l2.steps", "'step'"),
    "range of words": (SMALL + "activation = { min = 'elu', max = 'relu' }\n", "hparams.activation", "a list"),
    "bound outside": (SMALL + "dropout = { min = 0, max = 1, step = 0.1 }\n", "hparams.dropout.max", "below 1"),
    "float step": (SMALL + "epochs = { min = 1, max = 5, step = 0.5 }\n", "hparams.epochs", "integers"),
    "infinite grid": (SMALL + "l2 = { min = 0, max = 1 }\n", "hparams.l2", "finitely many"),
    "unknown hyperparameter": (SMALL + "learnin_rate = [1]\n", "hparams.learnin_rate", "'learning_rate'"),
    "fixed and swept": (SMALL + "[model]\nhidden = [1]\n", "model.hidden", "remove it here"),
    "when unknown": (SMALL + "l2 = { values = [0, 1], when = { hiden = 1 } }\n", "hparams.l2.when.hiden", "'hidden'"),
    "when not swept": (
        SMALL + "l2 = { values = [0, 1], when = { hidden = [[16]] } }\n",
        "hparams.l2.when.hidden",
        "[8], [4]",
    ),
    "when of a wrong type": (
        SMALL + "l2 = { values = [0, 1], when = { epochs = 'ten' } }\n",
        "hparams.l2.when.epochs",
        "'ten'",
    ),
    "when no table": (SMALL + "l2 = { values = [0, 1], when = 'sgd' }\n", "hparams.l2.when", "a table"),
    "circle": (
        SMALL + "l1 = { values = [0, 1], when = { l2 = 1 } }\nl2 = { values = [0, 1], when = { l1 = 1 } }\n",
        "hparams.l1.when",
        "l1",
    ),
    "argument of no optimiser": (SMALL + "[train]\nrho = 0.5\n", "train.rho", "rmsprop"),
    "argument of one optimiser": (
        SMALL + "momentum = [0.5]\noptimizer = ['sgd', 'adam']\n",
        "hparams.momentum",
        'Add when = { optimizer = ["sgd"] }',
    ),
    "argument in a trial": ("[data]\nname = 'digits'\n[[trial]]\nbeta_1 = 0.5\n", "trial[0].beta_1", "adam"),
    "trial twice": ("[data]\nname = 'digits'\n[[trial]]\nl2 = 1\n[[trial]]\nl2 = 1.0\n", "trial[1]", "repeats"),
    "unknown name in a trial": ("[data]\nname = 'digits'\n[[trial]]\nl3 = 1\n", "trial[0].l3", "unknown"),
}


@pytest.mark.parametrize(("text", "key", "said"), TEXTS.values(), ids=TEXTS.keys())
def test_a_bad_file_names_the_key(text, key, said):
    """Every error names the file and the key, and says what was expected and found, or suggests a correction."""
    found = problems(text)
    assert said in str(found[key])


OWN = {"data": {"name": "digits"}, "model": {"builder": "nets:net"}}
MAPPINGS = {
    "None": ({"data": None}, "data", "None"),
    "a number as a key": ({"data": {1: 2}}, "data", "dict"),
    "an object": ({"data": {"name": "digits"}, "hparams": {"l2": {1, 2}}}, "hparams.l2", "set"),
    "a date": ({"data": {"name": date(2020, 1, 1)}}, "data.name", "date"),
    "half a character": ({"data": {"name": "\ud800"}}, "data.name", "str"),
    "deep": ({"data": {"name": json.loads("[" * 30 + "]" * 30)}}, "data.name[0][0]", "deep"),
    "own types": ({**OWN, "hparams": {"a": [1, "x"]}}, "hparams.a", "one type"),
    "own name": ({**OWN, "hparams": {"a b": [1]}}, "hparams.'a b'", "keyword"),
    "own keyword": ({**OWN, "hparams": {"class": [1]}}, "hparams.class", "keyword"),
    "own name taken": (
        {**OWN, "model": {"builder": "nets:net", "momentum": 1}, "hparams": {"a": [1]}},
        "model.momentum",
        "Move it to [train]",
    ),
    "own range": ({**OWN, "hparams": {"a": {"min": "x", "max": 2}}}, "hparams.a", "numbers"),
    "when nowhere": ({**OWN, "hparams": {"a": {"values": [1], "when": {"b": 1}}}}, "hparams.a.when.b", "neither"),
}


@pytest.mark.parametrize(("mapping", "key", "said"), MAPPINGS.values(), ids=MAPPINGS.keys())
def test_a_bad_mapping_names_the_key(mapping, key, said):
    """A mapping from Python is checked by the same rules as a file."""
    assert said in str(problems(mapping)[key])


OVERRIDES = {
    "no value": ("train.epochs", "--set"),
    "half a list": ("hparams.hidden=[[1]", "--set"),
    "two lines": ("train.epochs=1\ntrain.batch_size=2", "--set"),
    "no key": ("=3", "--set"),
    "nothing": ("", "--set"),
    "nan": ("train.learning_rate=nan", "train.learning_rate"),
    "a word for a number": ("train.epochs=ten", "train.epochs"),
    "unknown key": ("train.epoch=1", "train.epoch"),
    "not UTF-8": ("sweep.description=\udcff", "--set"),
}


@pytest.mark.parametrize(("override", "key"), OVERRIDES.values(), ids=OVERRIDES.keys())
def test_a_bad_override_names_the_key(override, key):
    """An error in --set is detected like an error in the file."""
    assert key in problems(SMALL, override)


def test_an_override_of_a_swept_key_says_how():
    """Fixing a swept setting with --set is refused, and the hint gives the --set argument that does it."""
    assert "--set 'hparams.hidden=[[32]]'" in problems(SMALL, "model.hidden=[32]")["model.hidden"].hint


def test_all_faults_are_reported_at_once():
    """One check reports all errors of a file."""
    text = "[sweep]\nseeds = 1\n[data]\nnme = 'x'\n[train]\nepochs = 'ten'\n"
    text += "[hparams]\nl2 = []\nactivation = ['x', 'elu', 3]\n"
    keys = {"sweep.seeds", "data.nme", "data.name", "train.epochs", "hparams.l2"}
    assert problems(text).keys() == keys | {"hparams.activation[0]", "hparams.activation[2]"}


OPEN_FILES = {
    "not UTF-8": (b"# caf\xe9\n" + SMALL.encode(), "line 1", "UTF-8"),
    "UTF-16": (SMALL.encode("utf-16"), "line 1", "UTF-16"),
    "NUL": (SMALL.encode() + b"\0", "line 5, column 1", "TOML"),
    "large": (b"#" * (2 << 20), "x.toml", "1 MiB"),
}


@pytest.mark.parametrize(("data", "where", "said"), OPEN_FILES.values(), ids=OPEN_FILES.keys())
def test_a_file_that_is_no_text(tmp_path, data, where, said):
    """A file that is not UTF-8 text, or is too large, is refused with an error that names it."""
    path = tmp_path / "x.toml"
    path.write_bytes(data)
    with pytest.raises(SpecError) as caught:
        load_sweep(path)
    assert where in caught.value.problems[0].where
    assert str(path) in str(caught.value)
    assert said in str(caught.value)


def test_no_file(tmp_path):
    """A missing file, a folder and an impossible path give an error, with a similar file's name if there is one."""
    (tmp_path / "quickstart.toml").write_text(SMALL)
    with pytest.raises(SpecError, match=r"no such file. Did you mean 'quickstart.toml'"):
        load_sweep(tmp_path / "quikstart.toml")
    with pytest.raises(SpecError, match=r"a folder. There is .*quickstart.toml"):
        load_sweep(tmp_path)
    with pytest.raises(SpecError):
        load_sweep("a\0b")


def test_a_file(tmp_path):
    """A sweep gets its name, source and folder for user modules from its file; a byte order mark is accepted."""
    path = tmp_path / "my_sweep.toml"
    path.write_bytes(b"\xef\xbb\xbf" + SMALL.encode())
    sweep = load_sweep(path)
    assert (sweep.name, sweep.source, sweep.path, sweep.folder) == ("my_sweep", SMALL, path, tmp_path)


def test_a_stem_that_cannot_be_a_folder(tmp_path):
    """A file whose stem is not a valid folder name gives an error that asks for a name."""
    path = tmp_path / "a b.toml"
    path.write_text(SMALL)
    with pytest.raises(SpecError, match="Set a name"):
        load_sweep(path)
    assert load_sweep(path, ["sweep.name=ab"]).name == "ab"


snippets = st.lists(st.sampled_from([*"[]{}=.,'#\n 1a", '"', "data", "hparams", "trial", SMALL])).map("".join)


@given(data=st.binary(max_size=300) | st.text(max_size=100).map(str.encode) | snippets.map(str.encode))
def test_random_bytes(tmp_path_factory, data):
    """Random bytes and random pieces of TOML either give a sweep or raise SpecError, and nothing else."""
    path = tmp_path_factory.getbasetemp() / "x.toml"
    path.write_bytes(data)
    try:
        assert load_sweep(path).name == "x"
    except SpecError as error:
        assert error.problems


scalars = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.sampled_from(["relu", "sgd"])
)
keys = st.sampled_from([name for table in FILE_KEYS.values() for name in table]) | st.text(max_size=5)
wheres = st.sampled_from(["min", "max", "step", "scale", "when", "values"]) | keys
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(wheres, inner, max_size=4), max_leaves=6
)


@given(st.dictionaries(st.sampled_from([*FILE_KEYS, "hparams", "trial", "x"]), st.dictionaries(keys, values) | values))
def test_random_documents(document):
    """Any document either gives a sweep or raises SpecError."""
    document.setdefault("data", {"name": "digits"})
    try:
        assert parse(document).settings({}).keys() == {"data", "model", "train", "log"}
    except SpecError as error:
        assert error.problems


@given(st.text(max_size=30))
def test_random_overrides(override):
    """Any --set argument is either accepted or raises SpecError."""
    try:
        parse(SMALL, override)
    except SpecError as error:
        assert error.problems


def test_every_key_is_described():
    """Every key has a type and a description that is a sentence; no two tables with sweepable keys share a key."""
    for table in FILE_KEYS.values():
        for setting in table.values():
            assert setting.expected
            assert setting.description.endswith(".")
            if setting.default is not None:
                assert setting.check(setting.default) == setting.default
    names = [name for table in ("data", "model", "train") for name in FILE_KEYS[table]]
    assert len(names) == len(set(names))
    assert FILE_KEYS["train"]["learning_rate"].default_text.startswith("0.01 (sgd), 0.001 (rmsprop)")
    assert FILE_KEYS["train"]["epochs"].default_text == "10"


def test_reading_a_sweep_needs_no_array_library():
    """Reading a sweep file imports neither TensorFlow, Keras, numpy nor scikit-learn."""
    code = "import sys, hpdash.spec, hpdash.search; import json; print(json.dumps(list(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert not {"tensorflow", "keras", "numpy", "sklearn"} & set(json.loads(done.stdout))


@pytest.mark.parametrize(
    ("tables", "key"),
    [
        ({"train": {"lr": 0.1}}, "learning_rate"),
        ({"hparams": {"learning-rate-schedule": ["cosine"]}}, "schedule"),
        ({"train": {"early_stopping": 3}}, "patience"),
        ({"train": {"callbacks": ["x"]}}, "package.module:function"),
        ({"callbacks": {"x": 1}}, "[train]"),
        ({"train": {"class_weight": "equal"}}, "balanced"),
        ({"train": {"sample_weight": [1.0]}}, ".npz"),
        ({"data": {"name": "digits", "validation_split": 0.1}}, "validation, in [data]"),
        ({"hparams": {"dropout_rate": [0.1, 0.2]}}, "dropout, in [model]"),
        ({"hparams": {"units": [1, 2]}}, "hidden"),
        ({"sweep": {"max_trials": 3}}, "trials, in [sweep]"),
        ({"sweep": {"direction": "min"}}, "goal, in [sweep]"),
        ({"train": {"num_epochs": 3}}, "epochs, in [train]"),
    ],
)
def test_what_people_write_by_habit_is_answered_in_hpdashs_words(tables: dict[str, Any], key: str) -> None:
    """A key that another tool uses is an error, in any table, and the message gives hpdash's name for it."""
    with pytest.raises(SpecError) as caught:
        parse({"data": {"name": "digits"}, "hparams": {"l2": [0.0, 0.1]}, **tables})
    assert key in str(caught.value)


def test_every_answer_names_a_key_that_there_is() -> None:
    """No synonym is itself a key of its table, and each synonym stands for a key that the table has."""
    for meaning, habits in synonyms._MEANINGS.items():
        table, name = meaning.split()
        assert name in FILE_KEYS[table.strip("[]")]
        assert not any(habit in FILE_KEYS[table.strip("[]")] for habit in habits), habits


@pytest.mark.parametrize(
    ("content", "remedy"),
    [
        ({"data": {"name": "digits"}, "hparams": {"l2": [0.0, test_dots_are_no_keys]}}, "builder, loop, callbacks"),
        ({"data": {"name": "digits"}, "hparams": {"l2": np.zeros(3)}}, r"\[data\]"),
        ({"data": {"name": "digits", "x": np.zeros(3)}, "hparams": {"l2": [0.0, 0.1]}}, "either a name or arrays"),
    ],
)
def test_what_a_notebook_holds_is_refused_with_a_remedy(content: dict[str, Any], remedy: str) -> None:
    """A function or an array is refused where none is taken, and the error says where one is."""
    with pytest.raises(SpecError, match=remedy):
        parse(content)
