"""Import a function given as "package.module:function", from the sweep file's folder first, then from sys.path."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from difflib import get_close_matches
from pathlib import Path
from types import ModuleType
from typing import Any

from ..errors import Problem, SpecError


def load_function(reference: str, folder: Path) -> Callable[..., Any]:
    """Import a function that a sweep file names, and leave the sweep's folder first on sys.path.

    The folder stays there because a user's function may import modules from it when it is called.
    Raises SpecError if the reference is invalid, if there is no such function, or if the import fails. The error says
    where the function was searched for, or what the import raised.
    """
    module_name, _, name = reference.partition(":")
    if module_name == "__main__":
        hint = f'Save the function in a file next to it, such as models.py, and refer to it as "models:{name}".'
        raise SpecError([Problem(reference, "a module that workers can import", "a notebook or a script", hint)])
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


def _import(reference: str, module_name: str, folder: Path) -> ModuleType:
    folder_path = str(folder.resolve())
    if sys.path[:1] != [folder_path]:
        sys.path[:] = [folder_path, *(path for path in sys.path if path != folder_path)]
    importlib.invalidate_caches()  # the file may be newer than the import system's cache of the folder
    try:
        return importlib.import_module(module_name)
    except (Exception, SystemExit) as error:
        missing = error.name if isinstance(error, ModuleNotFoundError) else None
        if missing and f"{module_name}.".startswith(f"{missing}."):
            expected = f"a module {module_name} in {folder_path} or on sys.path"
            raise SpecError([Problem(reference, expected, f"no module {missing}")]) from error
        expected = f"a module {module_name} that can be imported"
        raise SpecError([Problem(reference, expected, f"{type(error).__name__}: {error}")]) from error
