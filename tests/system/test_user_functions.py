"""Tests of user functions: the functions that a sweep file names."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from hpdash.errors import SpecError
from hpdash.system.user_functions import load_function

SOURCE = """
import {neighbour}
def small_net(): return {neighbour}.LAYERS
def late():
    import {lazy}
    return {lazy}.LAYERS
number = 3
"""


@pytest.fixture(autouse=True)
def _imports_restored() -> Iterator[None]:
    path, modules = list(sys.path), set(sys.modules)
    yield
    sys.path[:] = path
    for name in set(sys.modules) - modules:
        del sys.modules[name]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a sweep's folder that contains modules of every kind."""
    (tmp_path / "own_nets.py").write_text(SOURCE.format(neighbour="own_sizes", lazy="own_later"))
    (tmp_path / "own_sizes.py").write_text("LAYERS = [1, 2]")
    (tmp_path / "own_later.py").write_text("LAYERS = [3]")
    (tmp_path / "own_broken.py").write_text("1 / 0")
    (tmp_path / "own_exit.py").write_text("raise SystemExit(3)")
    (tmp_path / "own_needs.py").write_text("import package_that_is_not_there")
    (tmp_path / "own_package").mkdir()
    (tmp_path / "own_package" / "inner.py").write_text("def build(): return 'inner'")
    return tmp_path


def test_a_function_is_found_beside_the_sweep_file(folder: Path) -> None:
    """A module next to the sweep file can be imported, and can import its neighbours, when loaded and when called."""
    assert load_function("own_nets:small_net", folder)() == [1, 2]
    assert load_function("own_nets:late", folder)() == [3]
    assert load_function("own_package.inner:build", folder)() == "inner"


def test_a_function_is_found_on_sys_path(tmp_path: Path) -> None:
    """A module that is not next to the sweep file is imported from sys.path."""
    assert load_function("json:loads", tmp_path)("3") == 3


def test_the_folder_comes_first_once(folder: Path) -> None:
    """The sweep's folder is the first entry of sys.path, exactly once, however often functions are loaded."""
    for _ in range(2):
        load_function("own_nets:small_net", folder)
    assert sys.path[0] == str(folder)
    assert sys.path.count(str(folder)) == 1


@pytest.mark.parametrize(
    ("reference", "parts"),
    [
        pytest.param("own_nets", ["'own_nets'", "package.module:function"], id="no colon"),
        pytest.param("own_nets:a:b", ["package.module:function"], id="two colons"),
        pytest.param("../own_nets:small_net", ["package.module:function"], id="a path"),
        pytest.param(":small_net", ["package.module:function"], id="no module"),
        pytest.param("own_nets:", ["package.module:function"], id="no function"),
        pytest.param("own_nots:small_net", ["no module own_nots", "sys.path"], id="no such module"),
        pytest.param("own_nowhere.inner:f", ["no module own_nowhere"], id="no such package"),
        pytest.param("own_nets:smal_net", ["no such name", "Did you mean own_nets:small_net?"], id="no such function"),
        pytest.param("own_nets:number", ["a function number", "own_nets.py", "found int"], id="not a function"),
        pytest.param("own_broken:f", ["ZeroDivisionError: division by zero"], id="import fails"),
        pytest.param("own_exit:f", ["SystemExit: 3"], id="import exits"),
        pytest.param("own_needs:f", ["can be imported", "package_that_is_not_there"], id="import needs more"),
    ],
)
def test_a_bad_reference_is_explained(folder: Path, reference: str, parts: list[str]) -> None:
    """A reference that leads to no function is a SpecError that says what was looked for and what was found."""
    with pytest.raises(SpecError) as caught:
        load_function(reference, folder)
    for part in parts:
        assert part in str(caught.value)


def test_a_function_of_a_notebook_that_is_gone_is_refused_with_a_remedy(tmp_path: Path) -> None:
    """A function that was given in another Python process is refused, because nothing on the disk is unpickled."""
    with pytest.raises(SpecError, match="run_sweep"):
        load_function("__main__:build", tmp_path)
