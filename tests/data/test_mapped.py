"""Tests of data sets in files: what is written, what stays where it is, and what a mapping shares."""

from __future__ import annotations

import errno
import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hpdash.data import Dataset, to_files
from hpdash.data.arrays import from_arrays
from hpdash.data.mapped import MappedArray, mapped
from hpdash.errors import DataError
from hpdash.nested import leaves

RANDOM = np.random.default_rng(5)
X = RANDOM.normal(size=(40, 3)).astype(np.float32)
Y = RANDOM.integers(0, 4, 40)


def same(one: Dataset, other: Dataset) -> bool:
    """Return whether two data sets have the same arrays, classes, maxima and labels."""
    facts = ((each.classes, each.maximum, each.labels, each.name, each.synthetic) for each in (one, other))
    return len({str(each) for each in facts}) == 1 and one.sha256 == other.sha256


FORMS = {
    "arrays": {"x": X, "y": Y},
    "all parts": {"x": X, "y": Y, "x_val": X, "y_val": Y, "x_test": X, "y_test": Y, "sample_weight": np.ones(40)},
    "several": {"x": {"a": X, "b": (X, X.astype(np.uint8))}, "y": [Y, X[:, 0]]},
    "texts": {"x": X, "y": np.array(list("abcd"))[Y]},
    "one-hot": {"x": X, "y": np.eye(4)[Y]},
}


@pytest.mark.parametrize("arrays", FORMS.values(), ids=FORMS.keys())
def test_a_data_set_comes_back_as_it_was(arrays: dict[str, Any], tmp_path: Path) -> None:
    """Another process gets the same data set; its arrays are mapped, aligned to 64 bytes and read-only."""
    dataset = from_arrays("mine", arrays)
    opened = pickle.loads(pickle.dumps(to_files(dataset, tmp_path / "arrays"))).open()
    assert same(opened, dataset)
    for _, x in leaves(opened.x_train):
        assert mapped(x) is not None and x.ctypes.data % 64 == 0 and not x.flags.writeable


def test_a_mapped_array_stays_in_its_file(tmp_path: Path) -> None:
    """An array that a user has mapped is not copied, also if only a part of it is used."""
    np.save(tmp_path / "x.npy", X)
    x = np.load(tmp_path / "x.npy", mmap_mode="r")
    stored = to_files(from_arrays("mine", {"x": x[16:], "y": Y[16:]}), tmp_path / "arrays")
    place = stored.fields["x_train"]
    assert isinstance(place, MappedArray) and place.file == tmp_path / "x.npy"
    np.testing.assert_array_equal(stored.open().x_train, X[16:])
    assert [path.name for path in (tmp_path / "arrays").iterdir()] == ["array-0"]  # the labels


@pytest.mark.parametrize("mode", ["c", None])
def test_what_may_differ_from_its_file_is_written(mode: Any, tmp_path: Path) -> None:
    """An array mapped copy-on-write, and one in memory, are written."""
    np.save(tmp_path / "x.npy", X)
    x = np.load(tmp_path / "x.npy", mmap_mode=mode)
    x[0] = 7
    stored = to_files(from_arrays("mine", {"x": x, "y": Y}), tmp_path / "arrays")
    assert stored.fields["x_train"].file.parent == tmp_path / "arrays"
    np.testing.assert_array_equal(stored.open().x_train, x)


def test_a_full_disk_is_an_error_with_a_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If the arrays do not fit on the disk, the error names the folder and what to set."""

    def full(path: Path, *_: Any, **__: Any) -> Any:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

    monkeypatch.setattr(Path, "open", full)
    with pytest.raises(DataError, match=r"HPDASH_DATA") as caught:
        to_files(from_arrays("mine", {"x": X, "y": Y}), tmp_path)
    assert str(tmp_path) in str(caught.value)
