"""Tests of files of named arrays: what is written is read back, and what NumPy would misread is refused."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hpdash.logs import npz


def test_arrays_come_back_in_their_order(tmp_path: Path) -> None:
    """All arrays are read back, in the order in which they were written."""
    arrays = {"z/kernel": np.arange(6.0).reshape(2, 3), "a": np.array(7), "args": np.array(["text"])}
    npz.write(tmp_path / "a.npz", arrays)
    found = npz.read(tmp_path / "a.npz")
    assert list(found) == list(arrays)
    assert all(np.array_equal(found[name], array) for name, array in arrays.items())


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        pytest.param({"a": np.ones(1), "file": np.ones(2)}, "another name than 'file'", id="file"),
        pytest.param({"allow_pickle": np.ones(2)}, "another name than 'allow_pickle'", id="allow-pickle"),
        pytest.param({"b": np.array([{}])}, "'b': expected an array of numbers or texts", id="objects"),
        pytest.param({"b": np.ones(1, [("x", "O")])}, "'b': expected an array of numbers or texts", id="in-a-record"),
    ],
)
def test_what_would_not_come_back_is_refused(arrays: Mapping[str, Any], said: str, tmp_path: Path) -> None:
    """A name that NumPy uses itself, and an array that it would pickle, are errors, and no file is left."""
    with pytest.raises(ValueError, match=said):
        npz.write(tmp_path / "a.npz", arrays)
    assert not list(tmp_path.iterdir())
