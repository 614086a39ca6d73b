"""Digests of the user's code and data that a sweep's results depend on, and what has changed since."""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

from ..system import disk

FOREIGN = ("site-packages", "dist-packages")  # folders of installed packages, which may be in a sweep file's folder
_PACKAGE = Path(__file__).resolve().parents[1]
_BLOCK = 1 << 20  # bytes read at a time


@dataclass(frozen=True, slots=True)
class DataFile:
    """The digest of a data file, with its size (bytes) and modification time (ns) when it was read.

    While both are the same, the file need not be read again.
    """

    sha256: str
    size: int
    time: int


@dataclass(frozen=True, slots=True)
class Provenance:
    """The user's code and data that a sweep was trained with.

    Attributes:
        code: the SHA-256 of each of the user's modules, by its path relative to the sweep file's folder, and of each
            function given in Python, by its reference, such as `__main__:build`.
        files: each data file, by its name in the sweep file.
        arrays: the SHA-256 of what each data function returned, by the function's reference.
    """

    code: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, DataFile] = field(default_factory=dict)
    arrays: Mapping[str, str] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Return the digests as JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Return the digests from JSON values. Raises LookupError, TypeError or AttributeError if they are invalid."""
        files = {str(name): DataFile(**each) for name, each in data["files"].items()}
        return cls(dict(data["code"]), files, dict(data["arrays"]))

    def changed(self, now: Provenance) -> dict[str, str]:
        """Return {name: how} of what differs in `now`. Data that only one of the two has are ignored, code is not."""
        names = sorted(self.code.keys() | now.code.keys())
        found = {name: _how(self.code.get(name), now.code.get(name)) for name in names}
        for name in self.files.keys() & now.files.keys():
            found[name] = "" if now.files[name].sha256 == self.files[name].sha256 else "has been changed"
        for name in self.arrays.keys() & now.arrays.keys():
            found[name] = "" if now.arrays[name] == self.arrays[name] else "returns different arrays"
        return {name: how for name, how in found.items() if how}

    def merged(self, now: Provenance) -> Provenance:
        """Return `now`, with the data that only the earlier digests have; the code is that of `now`."""
        return Provenance(now.code, {**self.files, **now.files}, {**self.arrays, **now.arrays})


def _how(before: str | None, now: str | None) -> str:
    if before == now:
        return ""
    if before is None:
        return "was not imported before"
    return "was deleted or moved, or is no longer imported" if now is None else "has been edited"


def current(
    modules: Sequence[str],
    names: Sequence[str],
    folder: Path,
    before: Provenance | None = None,
    inline: Mapping[str, str] | None = None,
    scripts: Sequence[str] = (),
) -> Provenance:
    """Return the digests of the code and the data files as they are now.

    Args:
        modules: the user's modules, as "package.module".
        names: the names of the data sets; those that end in ".npz" are files.
        folder: the sweep file's folder.
        before: earlier digests; a file with the same size and time is not read again.
        inline: the digests of functions given in Python, by their references; None for those in `before`, as in a
            worker, where they cannot have changed.
        scripts: the files that the command of a program names, by their paths relative to the folder.
    """
    if inline is None:
        inline = {name: digest for name, digest in before.code.items() if ":" in name} if before else {}
    known = before.files if before else {}
    paths = {name: folder / Path(name).expanduser() for name in names if name.endswith(".npz")}
    files = {name: _file(path, known.get(name)) for name, path in paths.items() if path.is_file()}
    return Provenance({**code(modules, folder, scripts), **inline}, files)


def code(modules: Sequence[str], folder: Path, scripts: Sequence[str] = ()) -> dict[str, str]:
    """Return the SHA-256 of modules and scripts, and of all modules that these import from the sweep file's folder.

    The keys are paths relative to that folder. Imports are found by parsing the sources, also inside functions; nothing
    is imported. A script imports from its own folder, too.
    """
    folder = folder.resolve()
    waiting = [path for module in modules for path in _files(module, folder)]
    waiting += [folder / script for script in scripts if (folder / script).is_file()]
    roots = list(dict.fromkeys([folder, *((folder / script).parent for script in scripts)]))
    found: dict[str, str] = {}
    while waiting:
        path = waiting.pop()
        name = path.relative_to(folder).as_posix()
        if name in found:
            continue
        with disk.guarded(path):
            source = path.read_bytes()
        found[name] = hashlib.sha256(source).hexdigest()
        names = list(_imported(source, path, folder)) if path.suffix == ".py" else []
        waiting += [each for root in roots for module in names for each in _files(module, root)]
    return dict(sorted(found.items()))


def changed_files(before: Provenance, folder: Path) -> dict[str, str]:
    """Return {name: how} of the files in a folder that have changed since a sweep was trained with them.

    If the folder does not exist, as on another machine, nothing is known and the result is empty.
    """
    if not folder.is_dir():
        return {}
    modules = {name: digest for name, digest in before.code.items() if ":" not in name}
    found = {name: "has been edited" for name, digest in modules.items() if _digest(folder / name) != digest}
    for name, file in before.files.items():
        path = folder / Path(name).expanduser()
        if not path.is_file() or _file(path, file).sha256 != file.sha256:
            found[name] = "has been changed"
    gone = {name for name in found if not (folder / Path(name).expanduser()).is_file()}
    return {name: "was deleted or moved" if name in gone else how for name, how in found.items()}


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""


def _files(module: str, folder: Path) -> Iterator[Path]:
    """Yield the files of a module in the sweep file's folder, those of its parent packages first.

    Files of hpdash and of installed packages are left out.
    """
    parts = module.split(".") if module else []
    for count in range(1, len(parts) + 1):
        base = folder.joinpath(*parts[:count])
        for path in (base.with_suffix(".py"), base / "__init__.py"):
            if path.is_file() and _PACKAGE not in path.resolve().parents and not set(FOREIGN) & set(path.parts):
                yield path


def _imported(source: bytes, path: Path, folder: Path) -> Iterator[str]:
    """Yield the names that a source may import as modules. A source that cannot be parsed yields nothing."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError):
        return
    package = list(path.relative_to(folder).parent.parts)
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            base += node.module.split(".") if node.module else []
            yield from (".".join([*base, alias.name]) for alias in node.names)
            yield ".".join(base)


def _file(path: Path, before: DataFile | None) -> DataFile:
    stat = path.stat()
    if before and (before.size, before.time) == (stat.st_size, stat.st_mtime_ns):
        return before
    digest = hashlib.sha256()
    with disk.guarded(path), path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return DataFile(digest.hexdigest(), stat.st_size, stat.st_mtime_ns)


def scripts_in(command: Sequence[str], folder: Path) -> list[str]:
    """Return the code in a folder that a command names, by the paths relative to the folder.

    It is the program if it is there, and the script: the first other element that names a file, or the module after
    `-m`. Later elements may be data and results, which the program reads and writes.
    """
    folder = folder.resolve()
    found: dict[str, None] = {}
    for place, text in enumerate(command):
        module = _files(text, folder) if place and command[place - 1] == "-m" else ()
        for path in (*module, folder / text):
            if _is_inside(path, folder):
                found[path.resolve().relative_to(folder).as_posix()] = None
        if place and found:
            break
    return list(found)


def _is_inside(path: Path, folder: Path) -> bool:
    """Return whether a path is a file in a folder; False if the system refuses it, as a name that is too long."""
    try:
        return path.is_file() and folder in path.resolve().parents
    except (OSError, ValueError):
        return False
