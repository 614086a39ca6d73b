"""Fetch a published data set once: under a lock, with its digest checked, and moved into place in one step."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping
from concurrent.futures import Future, wait
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Thread

import numpy as np
from filelock import FileLock

from ..errors import DataError
from .archives import ARCHIVES, Archive, data_folder, how_to_get, read_archive
from .arrays import NAMES
from .dataset import Array, data_error

Pairs = tuple[tuple[Array, Array], tuple[Array, Array]]
Report = Callable[[int, int | None], None]
Loader = Callable[[], Pairs]

TICK = 0.2  # seconds between two checks of the download
PATIENCE = 20.0  # seconds without a new byte after which the download is stopped


def fetch(name: str, report: Report) -> Path:
    """Fetch a published data set through keras.datasets into the data folder, and return its file.

    Call it in a short-lived process that has not imported Keras: once imported, Keras keeps to its own cache folder.
    `report(bytes so far, bytes in all)` is called about five times a second. If another process fetches the same data
    set, this one waits for the other. Raises DataError, which says what to do, if there is no network or if the data
    are not the published ones.
    """
    return fetch_archive(ARCHIVES[name], data_folder(), keras_loader, report)


def fetch_archive(archive: Archive, folder: Path, loader: Callable[[str, Path], Loader], report: Report) -> Path:
    """Fetch one archive into a folder; `loader(name, scratch folder)` returns a function that returns the arrays."""
    target = archive.path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / f".{archive.name}.lock"):
            if target.exists():
                read_archive(archive, target)
                return target
            with TemporaryDirectory(prefix=f".{archive.name}-", dir=folder, ignore_cleanup_errors=True) as scratch:
                pairs = _watched(loader(archive.name, Path(scratch)), Path(scratch), archive.download, report)
                _save(_checked(archive, pairs), Path(scratch) / f"{target.name}.part", target)
    except DataError:
        raise
    except Exception as error:  # Keras, proxies, disks and broken archives raise many kinds
        reason = f"{archive.name} could not be fetched: {type(error).__name__}: {error}"
        raise DataError(f"{reason}. {how_to_get(archive, folder)}") from error
    return target


def keras_loader(name: str, scratch: Path) -> Loader:
    """Return Keras' own loader of a data set, with Keras' cache in the scratch folder."""
    os.environ |= {"KERAS_BACKEND": "tensorflow", "KERAS_HOME": str(scratch)}
    import keras  # noqa: PLC0415  only the fetching child needs it, and only after the environment is set

    def load() -> Pairs:
        keras.utils.disable_interactive_logging()  # applies to the current thread only
        pairs: Pairs = import_module(f"keras.datasets.{name}").load_data()
        return pairs

    return load


def _watched(load: Loader, scratch: Path, total: int, report: Report) -> Pairs:
    """Run the loader in a thread, and report the bytes in its folder. Raises TimeoutError if no new bytes arrive.

    A timeout of the socket is not enough: it starts again for each address of a host.
    """
    outcome: Future[Pairs] = Future()
    Thread(target=_run, args=(load, outcome), daemon=True).start()
    size = quiet = 0
    while not wait([outcome], timeout=TICK).done:
        before, size = size, max(size, min(_bytes_in(scratch), total))  # a file being renamed is not counted
        report(size, total)
        quiet = 0 if size > before or size == total else quiet + 1
        if quiet * TICK > PATIENCE:
            raise TimeoutError(f"no data received for {PATIENCE:.0f} seconds")
    return outcome.result()


def _run(load: Loader, outcome: Future[Pairs]) -> None:
    try:
        outcome.set_result(load())
    except BaseException as error:
        outcome.set_exception(error)


def _bytes_in(folder: Path) -> int:
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.stat().st_size if path.is_file() else 0
        except FileNotFoundError:  # extracting an archive renames and removes files
            continue
    return total


def _checked(archive: Archive, pairs: Pairs) -> Mapping[str, Array]:
    arrays = dict(zip(NAMES, (np.ascontiguousarray(array) for pair in pairs for array in pair), strict=True))
    digest = hashlib.sha256()
    for array in arrays.values():
        digest.update(array.data)
    if digest.hexdigest() != archive.sha256:
        hint = "The download was damaged or changed, and was deleted. Try again."
        raise data_error(f"{archive.name}, as downloaded", f"SHA-256 {archive.sha256}", digest.hexdigest(), hint)
    return {name: array.reshape(archive.shapes[name]) for name, array in arrays.items()}


def _save(arrays: Mapping[str, Array], part: Path, target: Path) -> None:
    with part.open("wb") as file:
        np.savez(file, **arrays)  # type: ignore[arg-type]  # NumPy's stub mistakes the names for allow_pickle
        file.flush()
        os.fsync(file.fileno())
    part.replace(target)
