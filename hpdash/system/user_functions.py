"""Import a function given as "package.module:function", from the sweep file's folder first, then from sys.path."""

from __future__ import annotations

import importlib
import pickle
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from difflib import get_close_matches
from pathlib import Path
from types import ModuleType
from typing import Any

from ..errors import Problem, SpecError
from .function_source import MODULE

_inline: dict[str, Callable[..., Any] | bytes] = {}


def register(functions: Mapping[str, bytes]) -> None:
    """Make `load_function` return these functions in this process; `functions` has each one, pickled, by its reference.

    The functions must come from a process of the same sweep, never from a file. Each is unpickled when it is first
    used. Functions that were registered before, perhaps for another sweep, are forgotten.
    """
    _inline.clear()
    _inline.update(functions)


@contextmanager
def registered(functions: Mapping[str, bytes]) -> Iterator[None]:
    """Register functions until the end of the context."""
    before = dict(_inline)
    register(functions)
    try:
        yield
    finally:
        _inline.clear()
        _inline.update(before)


def load_function(reference: str, folder: Path) -> Callable[..., Any]:
    """Return the function that a sweep file refers to: the registered one if there is one, else import it.

    A registered function needs no import; it is unpickled when it is first used. Before the import or the unpickling,
    the sweep's `folder` is put first on sys.path. It stays there, because the function may import modules from it when
    it is called. Raises SpecError if the reference is invalid, if there is no such function, or if the import or the
    unpickling fails. The error says where the function was searched for, or what was raised.
    """
    if reference in _inline:
        return _registered(reference, folder)
    module_name, _, name = reference.partition(":")
    if module_name == MODULE:
        raise function_gone_error(reference)
    if not all(part.isidentifier() for part in (*module_name.split("."), name)):
        raise SpecError([f'{reference!r} must have the form "package.module:function"'])
    module = _import(reference, module_name, folder)
    function = getattr(module, name, None)
    if not callable(function):
        found = "no such name" if function is None else type(function).__name__
        near = get_close_matches(name, [key for key, value in vars(module).items() if callable(value)], n=1)
        hint = f"Did you mean {module_name}:{near[0]}?" if near else ""
        raise SpecError([Problem(reference, f"a function {name} in {module.__file__ or module_name}", found, hint)])
    return function  # type: ignore[no-any-return]  # mypy does not know the signature


def function_gone_error(reference: str) -> SpecError:
    """Return the error about a reference that stands for a function or data of a Python process that is gone."""
    return SpecError(
        [
            f"{reference} stands for a function or data that were given in Python, and this process does not have them."
            " Call hpdash.run_sweep in Python with the same functions and data again: finished trials are kept. Then"
            " hpdash.evaluate and hpdash.load_model work in that process."
        ]
    )


def _registered(reference: str, folder: Path) -> Callable[..., Any]:
    found = _inline[reference]
    if isinstance(found, bytes):
        _put_first(folder)
        try:
            found = _inline[reference] = pickle.loads(found)
        except Exception as error:  # it may import anything
            expected = "a function that can be loaded in a worker"
            raise SpecError([Problem(reference, expected, f"{type(error).__name__}: {error}")]) from error
    assert callable(found)
    return found


def _put_first(folder: Path) -> None:
    folder_path = str(folder.resolve())
    if sys.path[:1] != [folder_path]:
        sys.path[:] = [folder_path, *(path for path in sys.path if path != folder_path)]


def _import(reference: str, module_name: str, folder: Path) -> ModuleType:
    _put_first(folder)
    importlib.invalidate_caches()  # the file may be newer than the import system's cache of the folder
    try:
        return importlib.import_module(module_name)
    except (Exception, SystemExit) as error:
        missing = error.name if isinstance(error, ModuleNotFoundError) else None
        # The module itself or a package that contains it is missing, not another module that it imports
        if missing and f"{module_name}.".startswith(f"{missing}."):
            expected = f"a module {module_name} in {folder.resolve()} or on sys.path"
            raise SpecError([Problem(reference, expected, f"no module {missing}")]) from error
        expected = f"a module {module_name} that can be imported"
        raise SpecError([Problem(reference, expected, f"{type(error).__name__}: {error}")]) from error
