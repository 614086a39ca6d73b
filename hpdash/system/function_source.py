"""The source of a function and of all that it uses from a notebook, to read, and to notice changes."""

from __future__ import annotations

import dis
import hashlib
import inspect
import sys
import textwrap
from collections.abc import Iterator
from functools import partial
from pathlib import PurePath
from types import CodeType, FunctionType, ModuleType
from typing import Any

MODULE = "__main__"  # the module of a notebook's functions; no file can be imported under this name
_PLAIN = (bool, int, float, complex, str, bytes, type(None), range, slice, PurePath)
_CONTAINERS = (list, tuple, set, frozenset, dict)
_WRAPPED = ("__wrapped__", "python_function")  # what functools.lru_cache and tf.function have wrapped
_GLOBAL = ("LOAD_GLOBAL", "LOAD_NAME", "STORE_GLOBAL", "DELETE_GLOBAL")


class Sources:
    """The sources of a function and of what it refers to, each once.

    Attributes:
        parts: the sources and values as text, for people to read.
        compared: the same as text for comparison: it differs if and only if a source or a value has changed.
        modules: the names of the modules that are used.
        not_compared: the names of objects for which there is no text for comparison.
    """

    def __init__(self) -> None:
        self.parts: list[str] = []
        self.compared: list[str] = []
        self.modules: set[str] = set()
        self.not_compared: list[str] = []
        self._seen: set[int] = set()

    def add(self, value: Any, name: str = "value") -> None:
        """Add what `name` stands for: its source, or its value."""
        if isinstance(value, _PLAIN) or _is_array(value):
            self._add_text(f"{name} = {_value_text(value)}")
        elif isinstance(value, ModuleType):
            self.modules.add(value.__name__)
        elif isinstance(value, FunctionType | type) and _is_elsewhere(value):
            self.modules.add(value.__module__)
        elif id(value) not in self._seen:
            self._seen.add(id(value))
            self._add_object(value, name)

    def _add_object(self, value: Any, name: str) -> None:
        if isinstance(value, FunctionType):
            self._add_function(value)
        elif isinstance(value, type):
            self._add_class(value)
        elif isinstance(value, _CONTAINERS):
            self._add_items(value, name)
        elif isinstance(value, partial):
            self.add(value.func, f"{name}.func")
            self._add_items(value.args, f"{name}.args")
            self._add_items(value.keywords, f"{name}.keywords")
        elif inspect.ismethod(value):
            self.add(value.__func__, name)
            self.add(value.__self__, f"{name}.__self__")
        elif wrapped := [getattr(value, each) for each in _WRAPPED if hasattr(value, each)]:
            self.add(wrapped[0], name)
        else:
            kind = type(value)
            self._add_text(f"{name} = <an object of {kind.__module__}.{kind.__qualname__}, which is not compared>")
            self.not_compared.append(name)
            self.add(kind, kind.__qualname__)

    def _add_text(self, text: str) -> None:
        self.parts.append(text)
        self.compared.append(text)

    def _add_items(self, values: Any, name: str) -> None:
        if isinstance(values, set | frozenset):
            values = sorted(values, key=repr)
        pairs = values.items() if isinstance(values, dict) else enumerate(values)
        if all(isinstance(each, _PLAIN) for pair in pairs for each in pair):
            self._add_text(f"{name} = {values!r}")
            return
        self.compared.append(f"{name}: {type(values).__name__}")
        for key, value in values.items() if isinstance(values, dict) else enumerate(values):
            self.add(value, f"{name}[{key!r}]")

    def _add_function(self, function: FunctionType, has_source: bool = False) -> None:
        """Add a function, whose source may have been added already, as a part of its class."""
        if not has_source:
            self._add_source(function)
        for name in sorted(_global_names(function.__code__) & function.__globals__.keys()):
            self.add(function.__globals__[name], name)
        cells = zip(function.__code__.co_freevars, function.__closure__ or (), strict=True)
        for name, cell in cells:
            if _is_filled(cell):
                self.add(cell.cell_contents, name)
        defaults: dict[Any, Any] = dict(enumerate(function.__defaults__ or ()))
        defaults |= function.__kwdefaults__ or {}
        for default, value in defaults.items():
            self.add(value, f"default {default} of {function.__name__}")

    def _add_source(self, function: FunctionType) -> None:
        """Add the source of a function; one without source, or a lambda in a line, is compared by its compiled code."""
        compiled = f"{function.__name__}: {' '.join(_instructions(function.__code__))}"
        try:
            source = textwrap.dedent(inspect.getsource(function)).rstrip()
        except (OSError, TypeError):  # made by exec(), or typed into a shell that keeps no lines
            self.parts.append(f"def {function.__name__}{inspect.signature(function)}: ...  # its source is not known")
            self.compared.append(compiled)
            return
        self.parts.append(source)
        self.compared.append(compiled if function.__name__ == "<lambda>" else source)

    def _add_class(self, kind: type) -> None:
        try:
            self._add_text(textwrap.dedent(inspect.getsource(kind)).rstrip())
            has_source = True
        except (OSError, TypeError):  # a class of a notebook, before Python 3.13
            has_source = False
            self._add_text(f"class {kind.__name__}({', '.join(base.__name__ for base in kind.__bases__)}):")
        for base in kind.__bases__:
            self.add(base, base.__name__)
        for name, member in vars(kind).items():
            function = getattr(member, "__func__", getattr(member, "fget", member))
            if isinstance(function, FunctionType) and id(function) not in self._seen:
                self._seen.add(id(function))
                self._add_function(function, has_source)
            elif not has_source and not name.startswith("__") and isinstance(member, (*_PLAIN, *_CONTAINERS)):
                self.add(member, f"{kind.__name__}.{name}")


def uses_tensorflow(function: Any) -> bool:
    """Return whether a function imports TensorFlow or Keras itself; False if it has no compiled code."""
    code = getattr(function, "__code__", None)
    return code is not None and bool({"tensorflow", "keras"} & _imported(code))


def _imported(code: CodeType) -> set[str]:
    """Return the names of the packages that a function and the functions inside it import."""
    own = {each.argval.partition(".")[0] for each in dis.get_instructions(code) if each.opname == "IMPORT_NAME"}
    return own.union(*(_imported(constant) for constant in code.co_consts if isinstance(constant, CodeType)))


def _is_elsewhere(value: Any) -> bool:
    return value.__module__ != MODULE and "<locals>" not in value.__qualname__ and value.__module__ in sys.modules


def _is_filled(cell: Any) -> bool:
    try:
        return cell.cell_contents is not cell
    except ValueError:  # a name that has no value yet
        return False


def _is_array(value: Any) -> bool:
    numpy = sys.modules.get("numpy")
    return numpy is not None and isinstance(value, numpy.ndarray | numpy.generic) and not value.dtype.hasobject


def _value_text(value: Any) -> str:
    if isinstance(value, _PLAIN):
        return repr(value)
    digest = hashlib.sha256(value.tobytes()).hexdigest()
    return f"array of {value.dtype}, shape {value.shape}, SHA-256 {digest}"


def _global_names(code: CodeType) -> set[str]:
    """Return the global names that a function and the functions inside it use."""
    own = {each.argval for each in dis.get_instructions(code) if each.opname in _GLOBAL}
    inner = (constant for constant in code.co_consts if isinstance(constant, CodeType))
    return own.union(*map(_global_names, inner))


def _instructions(code: CodeType) -> Iterator[str]:
    """Yield compiled code as text that has no line numbers."""
    for each in dis.get_instructions(code):
        is_code = isinstance(each.argval, CodeType)
        yield f"{each.opname} {'code' if is_code else each.argval!r}"
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _instructions(constant)
