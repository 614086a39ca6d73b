"""Tests of what is settled before a sweep starts: what data and users' builders decide, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from commands import hpdash, invoke
from sweep_files import made_sweep

from hpdash import Options, run_sweep
from hpdash.backends.builders import Built, examine
from hpdash.data import load
from hpdash.driver.settling import builder_requests
from hpdash.errors import SpecError
from hpdash.journal.journal import read_journal
from hpdash.logs import layout
from hpdash.records import TrialState
from hpdash.search import trials
from hpdash.spec import Sweep, parse_sweep

BUILDERS = """
import keras
from keras import layers


def net(input_shape, units, classes):
    return keras.Sequential([
        keras.Input(input_shape), layers.Flatten(),
        layers.Dense(units, activation="relu"), layers.Dense(classes, activation="softmax"),
    ])


def plain(input_shape, classes, units=8):
    return net(input_shape, units, classes)


def compiled(input_shape, classes, units=8, momentum=0.99):
    model = net(input_shape, units, classes)
    model.compile(keras.optimizers.Adam(1e-3), "sparse_categorical_crossentropy", metrics=["acc"])
    return model


def takes_rate(input_shape, classes, learning_rate, units=8):
    model = net(input_shape, units, classes)
    model.compile(keras.optimizers.Adam(learning_rate), "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def ignores_rate(input_shape, classes, learning_rate, units=8):
    return compiled(input_shape, classes, units)


def takes_any(input_shape, classes, **settings):
    return takes_rate(input_shape, classes, settings["learning_rate"], settings.get("units", 8))


def default_rate(input_shape, classes, units=8, learning_rate=0.5):
    return takes_rate(input_shape, classes, learning_rate, units)


def takes_all(input_shape, classes, units, optimizer, batch_size, epochs, scale, train):
    assert (optimizer, batch_size, scale, train) == ("adam", 64, "unit", 200), (optimizer, batch_size, scale, train)
    return net(input_shape, units, classes)


def breaks(input_shape, classes, units=8):
    raise RuntimeError("no net today")
"""
SMALL: Mapping[str, Any] = {
    "data": {"name": "digits", "train": 200, "validation": 100},
    "train": {"epochs": 1, "batch_size": 64},
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a folder with users' builders, with data for a regression, and with pictures and series."""
    made = tmp_path_factory.mktemp("sweeps")
    (made / "settling_builders.py").write_text(BUILDERS)
    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, 4)).astype("float32")
    np.savez(made / "prices.npz", x_train=x, y_train=(x @ [1.0, 2.0, 0.0, -1.0]).astype("float32"))
    np.savez(made / "pictures.npz", x_train=rng.integers(0, 256, (60, 6, 6, 3), "uint8"), y_train=np.arange(60) % 3)
    np.savez(made / "series.npz", x_train=rng.normal(size=(60, 5, 3)), y_train=np.arange(60) % 3)
    return made


def sweep(folder: Path, builder: str, hparams: Mapping[str, Any], **tables: Mapping[str, Any]) -> Sweep:
    """Make a sweep that uses one of the builders."""
    merged = {name: {**SMALL.get(name, {}), **tables.get(name, {})} for name in {*SMALL, *tables}}
    merged["model"] = {"builder": f"settling_builders:{builder}", **tables.get("model", {})}
    merged["train"] = {key: value for key, value in merged["train"].items() if key not in hparams}
    return parse_sweep({**merged, "hparams": hparams}, name="settled", folder=folder)


def looked_at(made: Sweep) -> Built:
    """Examine the builder of a sweep in this process."""
    (usage,) = builder_requests(made, trials(made))
    return examine(usage, made.folder, load(usage.spec.settings["data"], made.folder))


@pytest.mark.parametrize(
    ("builder", "hparams", "takes"),
    [
        pytest.param("plain", {"units": [4, 8]}, (), id="nothing"),
        pytest.param("takes_rate", {"learning_rate": [0.1, 0.01]}, ("learning_rate",), id="a-parameter"),
        pytest.param("takes_rate", {"units": [4, 8]}, ("learning_rate",), id="one-without-a-default"),
        pytest.param("default_rate", {"units": [4, 8]}, (), id="one-with-a-default-keeps-it"),
        pytest.param("default_rate", {"learning_rate": [0.1, 0.2]}, ("learning_rate",), id="unless-it-is-swept"),
        pytest.param("takes_any", {"learning_rate": [0.1, 0.2]}, ("learning_rate",), id="keywords"),
    ],
)
def test_a_builder_gets_what_it_names(
    folder: Path, builder: str, hparams: Mapping[str, Any], takes: tuple[str, ...]
) -> None:
    """A builder gets the settings of [train] and [data] for which it has a parameter.

    A parameter with a default gets a setting only if the sweep file sets it.
    """
    assert looked_at(sweep(folder, builder, hparams)).use.takes == takes


def test_what_does_not_reach_a_compiled_model_is_no_hyperparameter(folder: Path) -> None:
    """If a builder compiles its model, hpdash's own optimizer, loss and metrics are not shown as its settings."""
    built = looked_at(sweep(folder, "compiled", {"units": [4, 8]}))
    assert {"optimizer", "learning_rate", "momentum", "loss", "metrics"} <= set(built.use.unused)
    assert built.metrics == ("loss", "acc")


@pytest.mark.parametrize(
    ("builder", "hparams", "tables", "key"),
    [
        ("compiled", {"learning_rate": [0.1, 0.2]}, {}, "hparams.learning_rate"),
        ("compiled", {"optimizer": ["sgd", "adam"]}, {}, "hparams.optimizer"),
        ("compiled", {"loss": ["mse", "mae"]}, {}, "hparams.loss"),
        ("compiled", {"metrics": [["mse"], ["mae"]]}, {}, "hparams.metrics"),
        ("compiled", {"clipnorm": [1.0, 2.0]}, {}, "hparams.clipnorm"),
        ("compiled", {"units": [4, 8]}, {"train": {"learning_rate": 0.5}}, "train.learning_rate"),
        ("ignores_rate", {"learning_rate": [0.1, 0.2]}, {}, "hparams.learning_rate"),
        ("plain", {"width": [4, 8]}, {}, "hparams.width"),
        ("plain", {"units": [4, 8]}, {"model": {"width": 4}}, "model.width"),
        ("takes_all", {"learning_rate": [0.1, 0.2]}, {}, "parameter units"),
    ],
)
def test_what_reaches_nothing_is_refused(
    folder: Path, builder: str, hparams: Mapping[str, Any], tables: Mapping[str, Any], key: str
) -> None:
    """A setting without effect, or a parameter without a setting, is refused with its key in the file.

    A setting has no effect if the builder does not take it, or takes it and does not use it.
    """
    with pytest.raises(SpecError, match=key):
        looked_at(sweep(folder, builder, hparams, **tables))


def test_a_builder_that_breaks_is_left_to_its_trials(folder: Path) -> None:
    """A builder that raises does not stop the sweep: it may succeed with the settings of other trials."""
    assert looked_at(sweep(folder, "breaks", {"units": [4, 8]})).metrics is None


@pytest.mark.usefixtures("one_process")
def test_a_builder_is_called_with_the_trials_settings(folder: Path, tmp_path: Path) -> None:
    """A builder gets the resolved settings of [data], [train] and [hparams], in a worker of a complete sweep."""
    made = sweep(folder, "takes_all", {"units": [4]}, train={"optimizer": "adam"})
    outcome = run_sweep(made, tmp_path, Options(workers=1))
    assert [result.state for result in outcome.results.values()] == [TrialState.FINISHED]
    recorded = json.loads((tmp_path / "settled" / layout.SWEEP_JSON).read_bytes())
    uses = recorded["known"]["builders"]["settling_builders:takes_all"]
    assert uses == {"takes": ["batch_size", "epochs", "optimizer", "scale", "train"], "unused": []}


WRONG = {"objective": "loss_x", "goal": "min"}


@pytest.mark.usefixtures("one_process")
@pytest.mark.parametrize(
    ("hparams", "tables", "key"),
    [
        pytest.param(
            {"learning_rate": [0.1, 0.2]},
            {"model": {"builder": "settling_builders:compiled"}},
            "learning_rate",
            id="reaches-nothing",
        ),
        pytest.param(
            {"units": [4]},
            {"model": {"builder": "settling_builders:plain"}, "sweep": WRONG},
            "objective",
            id="own-model",
        ),
        pytest.param(
            {"hidden": [[4]]},
            {"data": {"name": "prices.npz"}, "sweep": {"objective": "validation/accuracy"}},
            "objective",
            id="built-in",
        ),
    ],
)
def test_what_is_refused_leaves_nothing_behind(
    folder: Path, tmp_path: Path, hparams: Mapping[str, Any], tables: Mapping[str, Any], key: str
) -> None:
    """A sweep that is refused leaves no folder and no journal, so the corrected file can simply be run."""
    with pytest.raises(SpecError, match=key):
        run_sweep(
            parse_sweep({**SMALL, **tables, "hparams": hparams}, name="wrong", folder=folder),
            tmp_path,
            Options(workers=1),
        )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("one_process")
def test_the_default_objective_is_what_data_and_model_have(folder: Path, tmp_path: Path) -> None:
    """The default objective depends on the data and the model, also when the sweep is run again.

    A regression is ranked by its loss; a model that reports `acc` instead of `accuracy` is ranked by `acc`.
    """
    regression = parse_sweep(
        {**SMALL, "data": {"name": "prices.npz"}, "hparams": {"hidden": [[4], [8]]}}, name="prices", folder=folder
    )
    own = sweep(folder, "compiled", {"units": [4]})
    for made, objective in ((regression, "validation/loss"), (own, "validation/acc")):
        for _ in range(2):
            outcome = run_sweep(made, tmp_path, Options(workers=1))
            assert outcome.sweep.objective == objective
            assert {result.state for result in outcome.results.values()} == {TrialState.FINISHED}
    assert invoke("ls", str(tmp_path)).exit_code == 0


LOOP = """
def behave(trial):
    for epoch in range(trial.epoch + 1, trial.epochs + 1):
        trial.report(epoch, loss=1.0 / epoch, validation_f1=epoch / 2)
"""


def ranked(folder: Path, objective: str) -> None:
    """Write a sweep of the loop that is ranked by an objective."""
    made_sweep(
        folder,
        loop="settling_loops:behave",
        source=LOOP,
        sweep={"objective": objective, "goal": "max"},
        data={"name": "synthetic"},
        hparams={"x": [1, 2]},
    )


def test_a_loops_objective_is_corrected_without_a_trace(tmp_path: Path) -> None:
    """A wrong objective of a training loop, known only at its first report, fails no trial.

    After the file is corrected, the sweep continues.
    """
    ranked(tmp_path, "validation/f2")
    shown = hpdash("sweep", "own.toml", "--workers", "1", cwd=tmp_path)
    assert (shown.returncode, "validation/f1" in shown.stderr, "Traceback" in shown.stderr) == (2, True, False)
    entries = read_journal(tmp_path / "logs" / "own" / layout.JOURNAL).entries
    assert {entry.state for entry in entries} == {TrialState.RUNNING, TrialState.INTERRUPTED}  # type: ignore[union-attr]
    ranked(tmp_path, "validation/f1")
    shown = hpdash("sweep", "own.toml", "--workers", "1", "--json", cwd=tmp_path)
    assert shown.returncode == 0, shown.stderr
    assert [trial["result"]["state"] for trial in json.loads(shown.stdout)["trials"]] == ["finished", "finished"]
    ranked(tmp_path, "validation/f3")
    assert hpdash("sweep", "own.toml", cwd=tmp_path).returncode == 2


@pytest.mark.usefixtures("one_process")
def test_inputs_are_scaled_by_what_they_are(folder: Path, tmp_path: Path) -> None:
    """A user's byte pictures are divided by 255, and series are scaled per feature; `check` and `show` say so."""
    tables = {"train": {"epochs": 1}, "hparams": {"hidden": [[4]]}}
    file = made_sweep(folder, name="pictures", data={"name": "pictures.npz"}, **tables)
    checked = invoke("check", str(file))
    assert "pictures of 6 x 6 x 3, divided by 255" in checked.output
    outcome = run_sweep(file, tmp_path, Options(workers=1))
    assert outcome.specs[0].hparams["scale"] == "unit"
    assert "pictures of 6 x 6 x 3, divided by 255" in invoke("show", "pictures/0", "--logdir", str(tmp_path)).output
    file = made_sweep(folder, name="series", data={"name": "series.npz", "scale": "standard"}, **tables)
    assert "each feature" in invoke("check", str(file)).output
