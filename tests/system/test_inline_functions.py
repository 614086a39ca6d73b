"""Tests of functions that are given in Python: their names, what is kept to read, and when they count as changed."""

from __future__ import annotations

import linecache
import pickle
import threading
from collections import UserDict
from functools import partial
from typing import Any

import numpy as np
import pytest

from hpdash.system.inline_functions import InlineFunction, importable_name, short_name

BUILD = """
import functools
import math

UNITS = 4

def triple(units):
    return units * 3

def counted(function):
    @functools.wraps(function)
    def wrapper(*values):
        return function(*values)
    return wrapper

@counted
def less(units):
    return units - 1

BLOCKS = {"one": [triple], "steps": range(5)}
TABLE = np.arange(3.0)

def head(units):
    return units * UNITS

class Layer:
    rate = 0.5
    def call(self, x):
        return math.sqrt(x) * SCALE

def build(units, depth=2):
    BLOCKS["one"][0](units), less(units)
    return [Layer() for _ in range(depth)], head(units), TABLE
"""


def cell(source: str, number: int = 1, **more: Any) -> dict[str, Any]:
    """Run a source as a notebook runs a cell, and return the names that it has defined."""
    name = f"<cell {number}>"
    linecache.cache[name] = (len(source), None, source.splitlines(keepends=True), name)
    names: dict[str, Any] = {"__name__": "__main__", "np": np, "SCALE": 1.0, **more}
    exec(compile(source, name, "exec"), names)
    return names


def digest(function: Any) -> str:
    """Return the digest by which a function counts as changed."""
    return InlineFunction.of(function).sha256


def test_the_source_has_what_the_function_uses() -> None:
    """The source that is kept has the function, and the functions, classes and values of the notebook it refers to."""
    found = InlineFunction.of(cell(BUILD)["build"])
    for part in ("def build(units, depth=2)", "def head(units)", "def call(self, x)", "UNITS = 4", "SCALE = 1.0"):
        assert part in found.source
    assert "TABLE = array of float64, shape (3,)" in found.source
    assert "math" in found.modules
    layers, units, table = pickle.loads(found.pickled)(3)
    assert (len(layers), units, list(table)) == (2, 12, [0.0, 1.0, 2.0])


EDITS = {
    "the function": ("head(units), TABLE", "head(units) + 1, TABLE"),
    "a function that it calls": ("units * UNITS", "units + UNITS"),
    "a value": ("UNITS = 4", "UNITS = 5"),
    "an array": ("arange(3.0)", "arange(4.0)"),
    "a method": ("math.sqrt(x)", "math.cos(x)"),
    "an attribute of a class": ("rate = 0.5", "rate = 0.6"),
    "a default": ("depth=2", "depth=3"),
    "a function in a list": ("units * 3", "units * 4"),
    "a decorated function": ("units - 1", "units - 2"),
    "a range": ("range(5)", "range(6)"),
}


@pytest.mark.parametrize(("old", "new"), EDITS.values(), ids=EDITS.keys())
def test_an_edit_counts_as_a_change(old: str, new: str) -> None:
    """An edit of the function, or of anything of the notebook that it refers to, changes its digest."""
    assert digest(cell(BUILD)["build"]) != digest(cell(BUILD.replace(old, new), 2)["build"])


def test_the_same_cell_run_again_is_no_change() -> None:
    """A cell that is run again, in another place of the notebook, gives the same digest; so does an unused name."""
    assert digest(cell(BUILD)["build"]) == digest(cell(BUILD, 7, other=3)["build"])


def test_names_of_attributes_are_no_names_of_the_notebook() -> None:
    """A method or an attribute with the name of something in the notebook does not make that a part of the function."""
    source = "def build(model):\n    return model.add(model.shape)\n"
    assert digest(cell(source)["build"]) == digest(cell(source, 2, add=lambda: 0, shape=3)["build"])


def test_the_line_around_a_lambda_does_not_count() -> None:
    """A lambda is compared by its code: another value in the same line is no change."""
    first = "settings = {'builder': lambda units: units + 1, 'epochs': 3}\n"
    digests = {
        digest(cell(source, number)["settings"]["builder"])
        for number, source in enumerate((first, first.replace("3", "4")))
    }
    assert len(digests) == 1 and digest(cell(first.replace("+", "-"), 3)["settings"]["builder"]) not in digests


def test_what_cannot_be_compared_is_named() -> None:
    """An object without a text of its own is named, so that the user can be told."""
    found = InlineFunction.of(cell("def build():\n    return THING\n", thing=0, THING=UserDict())["build"])
    assert found.not_compared == ("THING",)


def test_what_a_closure_holds_counts() -> None:
    """Functions made by the same function differ if they hold different values."""

    def maker(units: int) -> Any:
        def build() -> int:
            return units

        return build

    assert digest(maker(3)) == digest(maker(3)) != digest(maker(4))
    assert digest(partial(maker(3), depth=1)) != digest(partial(maker(3), depth=2))
    assert "units = 3" in InlineFunction.of(maker(3)).source


def test_a_function_without_a_source_is_compared_by_its_code() -> None:
    """A function made by exec() has no source; another body is a change."""
    made = []
    for body in ("x + 1", "x + 1", "x + 2"):
        names: dict[str, Any] = {"__name__": "__main__"}
        exec(f"def build(x): return {body}", names)
        made.append(digest(names["build"]))
    assert made[0] == made[1] != made[2]


def test_what_cannot_be_sent_says_why() -> None:
    """A function that holds a lock cannot be sent to another process."""
    lock = threading.Lock()
    with pytest.raises(ValueError, match="lock"):
        InlineFunction.of(lambda: lock)


def test_names() -> None:
    """A function of a module is named by it; a lambda, a partial and an object get a short name."""
    assert importable_name(np.load) == "numpy:load"
    assert importable_name(lambda: 0) is None
    assert importable_name(cell(BUILD)["build"]) is None
    assert [short_name(each) for each in (lambda: 0, partial(np.load, 1), threading.Event())] == [
        "lambda",
        "load",
        "Event",
    ]
