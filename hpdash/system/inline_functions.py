"""Functions that a sweep is given as Python objects: how they reach workers, and how changes of them are noticed.

Workers get them by cloudpickle, over pipes between processes of one sweep. Nothing on the disk is ever unpickled.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from .function_source import MODULE, Sources


@dataclass(frozen=True, slots=True)
class InlineFunction:
    """A function given in Python.

    Attributes:
        pickled: the function, by cloudpickle.
        source: its source, with that of the functions and classes of the notebook that it uses, and the values that it
            refers to; for people to read.
        sha256: the SHA-256 of what is compared to notice a change, in hexadecimal.
        modules: the names of the modules that it uses.
        not_compared: the names of objects that it uses and whose changes cannot be noticed.
    """

    pickled: bytes
    source: str
    sha256: str
    modules: tuple[str, ...]
    not_compared: tuple[str, ...]

    @classmethod
    def of(cls, function: Callable[..., Any]) -> InlineFunction:
        """Take a function as it is now. Raises ValueError, with the reason, if it cannot be sent to another process."""
        import cloudpickle  # noqa: PLC0415  few sweeps need it

        try:
            pickled = cloudpickle.dumps(function)
        except Exception as error:  # the function may refer to anything
            raise ValueError(f"{type(error).__name__}: {error}") from error
        sources = Sources()
        sources.add(function)
        digest = hashlib.sha256("\n".join(sources.compared).encode()).hexdigest()
        source = "\n\n".join(sources.parts) + "\n"
        return cls(pickled, source, digest, tuple(sorted(sources.modules)), tuple(sources.not_compared))


def importable_name(function: Callable[..., Any]) -> str | None:
    """Return "package.module:function" if a module other than `MODULE` has the function, else None."""
    module, name = getattr(function, "__module__", None), getattr(function, "__qualname__", "")
    if not module or module == MODULE or getattr(sys.modules.get(module), name, None) is not function:
        return None
    return f"{module}:{name}"


def short_name(function: Callable[..., Any]) -> str:
    """Return a name for a function that is a Python identifier: "lambda" for a lambda."""
    inner = function.func if isinstance(function, partial) else function
    name = getattr(inner, "__name__", type(inner).__name__).strip("<>")
    return name if name.isidentifier() else "function"
