"""Functions that a sweep is given in Python instead of their names: how they reach workers, and their source to read.

Workers get them by cloudpickle, over pipes between processes of one sweep. Nothing on the disk is ever unpickled.
"""

from __future__ import annotations

import hashlib
import inspect
import sys
import textwrap
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from types import CodeType, FunctionType, ModuleType
from typing import Any

import cloudpickle

MODULE = "__main__"  # the module of a notebook's functions; no file can be imported under this name
_PLAIN = (bool, int, float, complex, str, bytes, type(None))


@dataclass(frozen=True, slots=True)
class InlineFunction:
    """A function given in Python.

    Attributes:
        pickled: the function, by cloudpickle.
        source: its source, with that of the functions and classes of the notebook that it uses, and the values that it
            refers to.
        modules: the names of the modules that it uses.
    """

    pickled: bytes
    source: str
    modules: tuple[str, ...]

    @classmethod
    def of(cls, function: Callable[..., Any]) -> InlineFunction:
        """Take a function as it is now. Raises ValueError, with the reason, if it cannot be sent to another process."""
        try:
            pickled = cloudpickle.dumps(function)
        except Exception as error:  # the function may refer to anything
            raise ValueError(f"{type(error).__name__}: {error}") from error
        sources = _Sources()
        sources.add(function)
        return cls(pickled, "\n\n".join(sources.parts) + "\n", tuple(sorted(sources.modules)))

    @property
    def sha256(self) -> str:
        """The SHA-256 of the source, in hexadecimal."""
        return hashlib.sha256(self.source.encode()).hexdigest()


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


class _Sources:
    """The sources of a function and of what it refers to, each once, and the modules that it uses."""

    def __init__(self) -> None:
        self.parts: list[str] = []
        self.modules: set[str] = set()
        self._seen: set[int] = set()

    def add(self, value: Any, name: str = "") -> None:
        """Add what `name` stands for: its source, or its value."""
        if id(value) in self._seen:
            return
        if isinstance(value, ModuleType):
            self.modules.add(value.__name__)
        elif isinstance(value, partial):
            self.add(value.func)
            self._add_values(f"{name or 'partial'}.", {**dict(enumerate(value.args)), **value.keywords})
        elif isinstance(value, FunctionType | type) and _is_elsewhere(value):
            self.modules.add(value.__module__)
        elif isinstance(value, FunctionType):
            self._seen.add(id(value))
            self._add_function(value)
        elif isinstance(value, type):
            self._seen.add(id(value))
            self._add_class(value)
        elif inspect.ismethod(value):
            self.add(value.__func__)
            self._add_values(f"{name or 'self'}.", vars(value.__self__) if hasattr(value.__self__, "__dict__") else {})
        else:
            self.parts.append(f"{name or 'value'} = {_described(value)}")
            if callable(value):  # an object with __call__
                self.add(type(value))

    def _add_function(self, function: FunctionType, has_source: bool = False) -> None:
        """Add a function, whose source may have been added already, as a part of its class."""
        if not has_source:
            self.parts.append(_source(function))
        names = _names(function.__code__)
        for name in sorted(names & function.__globals__.keys()):
            self.add(function.__globals__[name], name)
        cells = zip(function.__code__.co_freevars, function.__closure__ or (), strict=True)
        self._add_values("", {name: cell.cell_contents for name, cell in cells if _is_filled(cell)})
        defaults: dict[Any, Any] = dict(enumerate(function.__defaults__ or ()))
        defaults |= function.__kwdefaults__ or {}
        self._add_values(f"{function.__name__} default ", defaults)

    def _add_class(self, kind: type) -> None:
        try:
            self.parts.append(textwrap.dedent(inspect.getsource(kind)).rstrip())
            has_source = True
        except (OSError, TypeError):  # a class of a notebook, before Python 3.13
            has_source = False
            self.parts.append(f"class {kind.__name__}({', '.join(base.__name__ for base in kind.__bases__)}):")
            plain = {name: value for name, value in vars(kind).items() if isinstance(value, _PLAIN)}
            self._add_values("    ", {name: value for name, value in plain.items() if not name.startswith("__")})
        for base in kind.__bases__:
            self.add(base)
        for member in vars(kind).values():
            function = getattr(member, "__func__", getattr(member, "fget", member))
            if isinstance(function, FunctionType) and id(function) not in self._seen:
                self._seen.add(id(function))
                self._add_function(function, has_source)

    def _add_values(self, prefix: str, values: Mapping[Any, Any]) -> None:
        for name, value in values.items():
            self.add(value, f"{prefix}{name}")


def _is_elsewhere(value: Any) -> bool:
    return value.__module__ != MODULE and "<locals>" not in value.__qualname__ and value.__module__ in sys.modules


def _is_filled(cell: Any) -> bool:
    try:
        return cell.cell_contents is not cell
    except ValueError:  # a name that has no value yet
        return False


def _names(code: CodeType) -> set[str]:
    """Return the names that a function and the functions inside it look up."""
    inner = (constant for constant in code.co_consts if isinstance(constant, CodeType))
    return set(code.co_names).union(*map(_names, inner))


def _source(function: FunctionType) -> str:
    try:
        return textwrap.dedent(inspect.getsource(function)).rstrip()
    except (OSError, TypeError):  # made by exec(), or typed into a shell that keeps no lines
        digest = hashlib.sha256("".join(_instructions(function.__code__)).encode()).hexdigest()
        return f"def {function.__name__}{inspect.signature(function)}: ...  # compiled code with the SHA-256 {digest}"


def _instructions(code: CodeType) -> Iterator[str]:
    yield f"{code.co_code.hex()} {code.co_names} {code.co_varnames}"
    for constant in code.co_consts:
        yield from _instructions(constant) if isinstance(constant, CodeType) else [repr(constant)]


def _described(value: Any) -> str:
    """Return a value as text that is the same in every process; of an object without such a text, its type."""
    if isinstance(value, _PLAIN):
        return repr(value)
    if isinstance(value, list | tuple | set | frozenset):
        items = map(_described, sorted(value, key=repr) if isinstance(value, set | frozenset) else value)
        return f"{type(value).__name__}({', '.join(items)})"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{_described(key)}: {_described(item)}' for key, item in value.items())}}}"
    if hasattr(value, "__array_interface__"):
        digest = hashlib.sha256(value.tobytes()).hexdigest()
        return f"array of {value.dtype}, shape {value.shape}, SHA-256 {digest}"
    return f"<{type(value).__module__}.{type(value).__qualname__}, whose content is not compared>"
