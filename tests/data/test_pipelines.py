"""Tests of `tf.data` pipelines and `PyDataset`s: they are read once, whole, and unbatched."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from hpdash import data
from hpdash.data import pipelines
from hpdash.data.function import as_dataset
from hpdash.data.inline import sendable
from hpdash.data.pipelines import read_pipelines
from hpdash.errors import DataError
from hpdash.spec.inline import Inline

RANDOM = np.random.default_rng(5)
X = RANDOM.normal(size=(50, 3)).astype(np.float32)
Y = RANDOM.integers(0, 4, 50)
WEIGHT = RANDOM.uniform(size=50)
Slices = tf.data.Dataset.from_tensor_slices


class Batches(keras.utils.PyDataset):  # type: ignore[misc]
    """Batches of 20 examples, the last of 10."""

    def __len__(self) -> int:
        return 3

    def __getitem__(self, index: int) -> tuple[Any, ...]:
        part = slice(20 * index, 20 * index + 20)
        return X[part], Y[part], WEIGHT[part]


class Objects(Batches):
    """Batches whose labels are Python integers."""

    def __getitem__(self, index: int) -> tuple[Any, ...]:
        x, y, _ = super().__getitem__(index)
        return x, y.astype(object) * 5


class Endless(Batches):
    """Batches without an end."""

    @property
    def num_batches(self) -> None:
        """No number."""


FORMS: dict[str, tuple[Callable[[], Any], dict[str, Any]]] = {
    "batches": (lambda: Slices((X, Y)).batch(16), {"x_train": X, "y_train": Y}),
    "single examples": (lambda: Slices((X, Y)), {"x_train": X, "y_train": Y}),
    "weights": (lambda: Slices((X, Y, WEIGHT)).batch(16), {"x_train": X, "y_train": Y, "sample_weight": WEIGHT}),
    "a PyDataset": (Batches, {"x_train": X, "y_train": Y, "sample_weight": WEIGHT}),
    "three": (
        lambda: (Slices((X, Y)).batch(16), Slices((X[:9], Y[:9])).batch(4), Slices((X[9:], Y[9:])).batch(4)),
        {"x_train": X, "y_train": Y, "x_val": X[:9], "y_val": Y[:9], "x_test": X[9:], "y_test": Y[9:]},
    ),
    "no validation set": (
        lambda: (Slices((X, Y)).batch(16), None, Slices((X[9:], Y[9:])).batch(4)),
        {"x_train": X, "y_train": Y, "x_test": X[9:], "y_test": Y[9:]},
    ),
    "several": (
        lambda: Slices(({"a": X, "b": X[:, 0]}, (Y, X[:, 1]))).batch(7),
        {"x_train": {"a": X, "b": X[:, :1]}, "y_train": (Y, X[:, 1])},
    ),
    "bfloat16": (
        lambda: Slices((tf.cast(X, tf.bfloat16), Y)).batch(16),
        {"x_train": tf.cast(X, tf.bfloat16).numpy().astype(np.float32), "y_train": Y},
    ),
    "numbers as objects": (Objects, {"x_train": X, "y_train": 5 * Y}),
    "texts": (
        lambda: Slices((X, np.array(["bird", "cat", "dög", "eel"])[Y])).batch(16),
        {"x_train": X, "y_train": np.array(["bird", "cat", "dög", "eel"])[Y]},
    ),
}


@pytest.mark.parametrize(("pipeline", "arrays"), FORMS.values(), ids=FORMS.keys())
def test_a_pipeline_gives_the_data_set_of_its_arrays(
    pipeline: Callable[[], Any], arrays: dict[str, Any], tmp_path: Path
) -> None:
    """A pipeline gives the data set that its arrays give, in the same order, with names, classes and weights."""
    if "b" in arrays["x_train"]:
        pipeline = lambda: FORMS["several"][0]().map(lambda x, y: ({**x, "b": x["b"][:, None]}, y))  # noqa: E731
    told: list[str] = []
    found = as_dataset("mine", pipeline(), tmp_path, told.append)
    expected = as_dataset("mine", arrays, None, told.append)
    assert (found.sha256, found.classes, found.labels) == (expected.sha256, expected.classes, expected.labels)
    assert "read once" in told[-1] and "50" in told[-1]


REFUSED: dict[str, tuple[Callable[[], Any], str]] = {
    "endless": (lambda: Slices((X, Y)).batch(16).repeat(), "repeat"),
    "an endless PyDataset": (Endless, "endless"),
    "no labels": (lambda: Slices(X).batch(16), r"\(x, y\)"),
    "empty": (lambda: Slices((X, Y)).take(0).batch(16), "at least one"),
    "shapes that differ": (
        lambda: tf.data.Dataset.from_generator(
            lambda: ((X[:4, : 1 + count], Y[:4]) for count in range(2)),
            output_signature=(tf.TensorSpec((None, None)), tf.TensorSpec((None,), tf.int64)),
        ),
        "padded_batch",
    ),
    "ragged": (lambda: Slices((tf.ragged.constant([[1, 2], [3]]), [0, 1])).batch(2), "to_tensor"),
    "lengths that differ": (
        lambda: tf.data.Dataset.from_generator(
            lambda: [(X[:4], Y[:3])],
            output_signature=(tf.TensorSpec((None, 3)), tf.TensorSpec((None,), tf.int64)),
        ),
        "the same number of examples",
    ),
    "one that is none": (lambda: (Slices((X, Y)).batch(16), X), "ndarray"),
}


@pytest.mark.parametrize(("pipeline", "said"), REFUSED.values(), ids=REFUSED.keys())
def test_what_cannot_be_read_is_refused(pipeline: Callable[[], Any], said: str, tmp_path: Path) -> None:
    """A pipeline without an end, labels or a fixed shape is an error that says what to do."""
    with pytest.raises(DataError, match=said):
        read_pipelines("mine", pipeline(), tmp_path)


class Failing(Batches):
    """Batches that raise an error of the user's code."""

    def __getitem__(self, index: int) -> tuple[Any, ...]:
        raise KeyError("a column")


def test_an_error_of_a_pipeline_names_the_data() -> None:
    """An error in a pipeline that was given in Python is a DataError, as from a data function."""
    with (
        pytest.raises(DataError, match="mine: failed with KeyError: 'a column'"),
        sendable(Inline({}, {"mine": Failing()})),
    ):
        pass


def test_one_that_fills_the_disk_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A pipeline whose length nobody knows ends with an error before the disk is full; until then it is told of."""
    monkeypatch.setattr(pipelines, "TELL_SECONDS", 0.0)
    monkeypatch.setattr(pipelines.shutil, "disk_usage", lambda _: type("Usage", (), {"free": 10**9})())
    told: list[str] = []
    with pytest.raises(DataError, match="HPDASH_DATA"):
        read_pipelines("mine", Slices((X, Y)).batch(16), tmp_path, told.append)
    assert "16 examples so far" in told[0]


def test_a_function_is_called_with_seeded_generators(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A function that shuffles without a seed returns the same data each time."""
    source = """
import numpy as np, tensorflow as tf
def shuffled():
    x = np.random.permutation(50).astype("float32").reshape(-1, 1)
    return tf.data.Dataset.from_tensor_slices((x, np.arange(50) % 2)).shuffle(50).batch(8)
"""
    (tmp_path / "unseeded.py").write_text(source)
    monkeypatch.setattr(sys, "path", list(sys.path))
    digests = {data.load({"name": "unseeded:shuffled"}, tmp_path).sha256 for _ in range(2)}
    assert len(digests) == 1
    assert not list(tmp_path.glob("hpdash-scratch*"))
