"""Tests of reading one tag of many runs: the runs without room, and how damaged edges are named."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from hpdash.plugin.catalogue import Catalogue, Member
from hpdash.plugin.series import read_histograms
from hpdash.reader.values import MalformedError, _histogram

GOOD = np.array([[-1.0, 0.0, 3.0], [0.0, 1.0, 1.0]])


class Provided:
    """A stand-in for a source: it returns the given tables, and nothing for the other runs."""

    def __init__(self, tables: dict[str, Sequence[np.ndarray]]) -> None:
        self._tables = tables

    def histograms(self, tag: str, runs: Sequence[str]) -> Iterator[tuple[str, list[Any]]]:
        """Yield the runs that have tables, one step for each table."""
        for run in runs:
            if run in self._tables:
                yield run, [SimpleNamespace(numpy=each, step=at) for at, each in enumerate(self._tables[run])]


def catalogue(*names: str) -> Catalogue:
    """Return a catalogue of runs that all have the tag "w"."""
    runs = tuple(Member(name, name, None, None, {}) for name in names)
    return Catalogue(runs, (), "none", {"w": dict.fromkeys(range(len(names)), "w")}, "", {})


def read(tables: dict[str, Sequence[np.ndarray]], most: int, *names: str) -> Any:
    """Read about `most` histograms of the runs."""
    return read_histograms(Provided(tables), catalogue(*names), "w", range(len(names)), most)  # type: ignore[arg-type]


@pytest.mark.parametrize("gone", ["a", "b", "c"])
def test_only_runs_without_room_are_left_out(gone: str) -> None:
    """A run that the provider was asked for and did not return does not count as left out for lack of room."""
    names = ["a", "b", "c", "d", "e"]
    has = [name for name in names if name != gone]
    found = read({name: [GOOD, GOOD] for name in has}, 3, *names)
    assert [place for batch in found.batches for place, _ in batch.parts()] == [names.index(name) for name in has[:2]]
    assert found.left_out == [names.index(name) for name in has[2:]]


@pytest.mark.parametrize(
    ("table", "said"),
    [
        pytest.param([[-1.0, np.nan, 3.0], [0.0, 1.0, 1.0]], "found gaps, overlaps or NaN between them", id="right"),
        pytest.param([[-1.0, 0.0, 3.0], [np.nan, 1.0, 1.0]], "found NaN or infinity", id="left"),
        pytest.param([[-1.0, np.nan, 3.0], [np.nan, 1.0, 1.0]], "found NaN or infinity", id="both"),
        pytest.param([[np.nan, 0.0, 3.0], [0.0, 1.0, 1.0]], "found NaN or infinity", id="the-first"),
        pytest.param([[-1.0, 0.0, 3.0], [0.0, np.nan, 1.0]], "found NaN or infinity", id="the-last"),
    ],
)
def test_a_nan_edge_is_named(table: list[list[float]], said: str) -> None:
    """The sentence about a NaN edge names NaN, wherever the edge is, as the reader's does."""
    [sentence] = read({"a": [np.array(table)]}, 9, "a").sentences()
    assert said in sentence
    with pytest.raises(MalformedError, match=r"(?i)nan"):
        _histogram(np.array(table))
