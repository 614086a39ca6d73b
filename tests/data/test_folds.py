"""Tests of cross-validation: the folds are scikit-learn's, and so are the scores of a linear model on them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import Ridge
from sklearn.model_selection import KFold, StratifiedKFold, cross_val_score
from sweep_files import made_sweep

import hpdash
from hpdash import Options, run_sweep
from hpdash.data.arrays import from_arrays
from hpdash.data.folds import on_fold
from hpdash.errors import DataError, SpecError
from hpdash.spec import parse_sweep
from hpdash.views.terminal.check import summary

RANDOM = np.random.default_rng(4)
COUNT, FOLDS = 60, 4
X = RANDOM.normal(size=(COUNT, 3)).astype(np.float32)
Y = (X @ [1.0, -2.0, 0.5] + 0.3 * RANDOM.normal(size=COUNT)).astype(np.float32)
LABELS = np.sort(RANDOM.integers(0, 3, COUNT))
WEIGHT = RANDOM.uniform(1, 2, COUNT).astype(np.float32)
PENALTY = 0.05  # of the loss mse + PENALTY * |w|^2

FORMS: dict[str, tuple[Any, type]] = {
    "targets": (Y, KFold),
    "labels": (LABELS, StratifiedKFold),
    "one-hot": (np.eye(3)[LABELS], StratifiedKFold),
    "several outputs": ({"a": LABELS, "b": Y}, KFold),
}


@pytest.mark.parametrize(("y", "kind"), FORMS.values(), ids=FORMS.keys())
def test_the_folds_are_those_of_scikit_learn(y: Any, kind: type) -> None:
    """Each fold has scikit-learn's examples, stratified if there are classes; weights go with them."""
    dataset = from_arrays("mine", {"x": X, "y": y, "sample_weight": WEIGHT})
    expected = list(kind(FOLDS).split(X, LABELS))
    for fold, (train, held_out) in enumerate(expected):
        found = on_fold(dataset, {"folds": FOLDS, "fold": fold})
        for got, index in ((found.train, train), (found.validation, held_out)):
            assert got is not None
            np.testing.assert_array_equal(got.x, X[index])
            np.testing.assert_array_equal(got.weight, WEIGHT[index])


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        pytest.param({"x": X, "y": Y, "x_val": X, "y_val": Y}, "x_val", id="own-validation"),
        pytest.param({"x": X, "y": np.arange(COUNT) // (COUNT - 2)}, "fewer folds", id="a-rare-class"),
        pytest.param({"x": X[:3], "y": Y[:3]}, "fewer folds", id="few-examples"),
    ],
)
def test_data_that_do_not_fit_are_refused(arrays: dict[str, Any], said: str) -> None:
    """A validation set of one's own, and too few examples, are errors with a remedy."""
    with pytest.raises(DataError, match=said):
        on_fold(from_arrays("mine", arrays), {"folds": FOLDS, "fold": 0})


LINEAR = """
import keras

def linear(input_shape, penalty):
    layer = keras.layers.Dense(1, kernel_regularizer=keras.regularizers.L2(penalty), kernel_initializer="zeros")
    model = keras.Sequential([keras.Input(input_shape), layer])
    model.compile(keras.optimizers.SGD(0.1), "mse", metrics=["mse"])
    return model
"""


@pytest.mark.usefixtures("one_process")
def test_a_linear_model_has_the_scores_of_cross_val_score(tmp_path: Path) -> None:
    """A linear model trained to its optimum scores on each fold what scikit-learn's `cross_val_score` says."""
    (tmp_path / "nets.py").write_text(LINEAR)
    np.savez(tmp_path / "mine.npz", x=X, y=Y)
    path = made_sweep(
        tmp_path,
        sweep={"objective": "validation/mse", "goal": "min"},
        data={"name": "mine.npz", "folds": FOLDS},
        model={"builder": "nets:linear"},
        train={"epochs": 300, "batch_size": COUNT},
        log={"histograms": 0, "weights": "none"},
        hparams={"penalty": [PENALTY]},
    )
    outcome = run_sweep(path, tmp_path / "logs", Options(workers=1))
    assert outcome.total == FOLDS
    found = [outcome.results[fold].metrics["validation/mse"] for fold in range(FOLDS)]
    # scikit-learn penalises the sum of the squared errors, Keras their mean; all folds have equally many examples
    ridge = Ridge(alpha=PENALTY * (COUNT - COUNT // FOLDS))
    expected = -cross_val_score(ridge, X, Y, cv=FOLDS, scoring="neg_mean_squared_error")
    np.testing.assert_allclose(found, expected, rtol=1e-3)
    (table,) = hpdash.read_runs(tmp_path / "logs").to_json()["sweeps"]
    (row,) = table["rows"]
    assert len(row["runs"]) == FOLDS
    again = hpdash.show("own/2", tmp_path / "logs").to_json()
    assert again["hparams"]["fold"] == 2
    (tmp_path / "again.toml").write_text(again["recipe"])


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "another number of repeats": ({"sweep": {"repeats": 3}}, "sweep.repeats"),
    "a validation part": ({"data": {"validation": 0.1}}, "data.validation"),
    "swept": ({"hparams": {"folds": [2, 3]}}, "hparams.folds"),
    "a fold too many": ({"data": {"fold": FOLDS}}, "data.fold"),
}


@pytest.mark.parametrize(("tables", "key"), REFUSED.values(), ids=REFUSED.keys())
def test_keys_that_contradict_folds_are_refused(tables: dict[str, Any], key: str) -> None:
    """A key that has no meaning beside folds is an error."""
    content: dict[str, Any] = {"data": {"name": "digits", "folds": FOLDS}, "hparams": {"l2": [0.0, 0.1]}}
    for name, table in tables.items():
        content[name] = {**content.get(name, {}), **table}
    if "folds" in content["hparams"]:
        del content["data"]["folds"]
    with pytest.raises(SpecError, match=key):
        parse_sweep(content, name="mine", folder=Path())


def test_a_fold_alone_is_one_trial() -> None:
    """With `fold`, each setting trains for this fold only; without `folds` it is an error."""
    content = {"data": {"name": "digits", "folds": 3, "fold": 1}, "hparams": {"l2": [0.0, 0.1]}}
    sweep = parse_sweep(content, name="mine", folder=Path())
    assert (sweep.repeats, sweep.settings({"l2": 0.1})["data"]["fold"]) == (1, 1)
    seeds = parse_sweep({**content, "sweep": {"repeats": 3}}, name="mine", folder=Path())
    assert "x 3 seeds" in summary(seeds, 2).plain
    folds = parse_sweep({**content, "data": {"name": "digits", "folds": 3}}, name="mine", folder=Path())
    assert "x 3 folds" in summary(folds, 2).plain
    with pytest.raises(SpecError, match=r"data\.fold"):
        parse_sweep({"data": {"name": "digits", "fold": 1}, "hparams": {"l2": [0.0]}}, name="mine", folder=Path())
