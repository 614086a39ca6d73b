"""The weights a trial keeps: `weights.npz` in its run folder, arrays by `<layer>/<variable>`, without TensorFlow.

What it knows: a checkpoint and the file beside it tell of the same epoch, wherever the trial was killed. New weights
wait under a name of their own until a checkpoint that tells of them is on the disk, and only then take the file's.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from . import disk, logdir, npz
from .npz import Array

BEST, LAST = "best", "last"
Named = Iterable[tuple[str, Array]]


@dataclass(frozen=True, slots=True)
class Kept:
    """Which weights a file holds: those after `epoch`, and their digest."""

    epoch: int
    sha256: str


def named(weights: Iterable[tuple[str, str, Array]]) -> Iterator[tuple[str, Array]]:
    """Name weights, given as (layer, variable, values), by their tags; a second of one name has its place added."""
    seen: set[str] = set()
    for place, (layer, variable, values) in enumerate(weights):
        name = logdir.weight_tag(layer, variable)
        yield f"{name}#{place}" if name in seen else name, values
        seen.add(name)


def digest(weights: Named) -> str:
    """Return the SHA-256 of weights in their order, with their names, types and shapes."""
    total = hashlib.sha256()
    for name, values in weights:
        kind = "bfloat16" if values.dtype == "V2" else values.dtype  # as a file knows it
        total.update(f"{name} {kind} {values.shape}\n".encode())
        total.update(np.ascontiguousarray(values).view(np.uint8).data)
    return total.hexdigest()


def read(path: Path) -> dict[str, Array]:
    """Read kept weights in their order; ValueError says what is wrong with the file, FileNotFoundError if none is."""
    try:
        return npz.read(path)
    except FileNotFoundError:
        raise
    except npz.DAMAGE as error:
        raise ValueError(f"{path}: cannot be read: {error}") from error


def settled(run: Path, kept: Kept | None) -> Kept | None:
    """Leave in a run folder the weights that its checkpoint says are kept, and no others; return them, None if gone."""
    path = run / logdir.WEIGHTS
    if kept is not None and logdir.new_weights(run, kept.epoch).exists():
        _promote(run, kept.epoch)
    for left in logdir.waiting_weights(run):
        left.unlink()
    if kept is not None and kept.sha256 == _found(path):
        return kept
    path.unlink(missing_ok=True)
    return None


def _promote(run: Path, epoch: int) -> None:
    logdir.new_weights(run, epoch).replace(run / logdir.WEIGHTS)
    disk.sync(run)


def _found(path: Path) -> str | None:
    try:
        return digest(read(path).items())
    except (FileNotFoundError, ValueError):
        return None


class Weights:
    """Keep one attempt's weights: after its best epoch or its last, as `mode` says; "none" keeps none.

    `source` gives the weights as they are; `kept` is what the checkpoint that it goes on from says is kept.
    """

    def __init__(self, run: Path, mode: str, source: Callable[[], Named], kept: Kept | None) -> None:
        self._run, self._mode, self._source = run, mode, source
        self._path = run / logdir.WEIGHTS
        self._waiting: Kept | None = None
        with disk.guarded(self._path):
            self._kept = settled(run, kept)

    def after_best(self, epoch: int) -> None:
        """Keep the weights after an epoch that is the best so far."""
        if self._mode == BEST:
            self._put(epoch)

    def _put(self, epoch: int) -> None:
        """Write the weights to wait; the bytes need not be on the disk before somebody counts on them."""
        weights = dict(self._source())
        path = logdir.new_weights(self._run, epoch)
        with disk.guarded(path):
            npz.write(path, weights, sync=False)
            if self._waiting is not None:
                logdir.new_weights(self._run, self._waiting.epoch).unlink()
        self._waiting = Kept(epoch, digest(weights.items()))

    def sync(self) -> Kept | None:
        """Put what waits on the disk; return what will be kept, for a checkpoint to tell of."""
        if self._waiting is None:
            return self._kept
        path = logdir.new_weights(self._run, self._waiting.epoch)
        with disk.guarded(path):
            disk.sync(path)
            disk.sync(self._run)
        return self._waiting

    def settle(self) -> Kept | None:
        """Let what waits, and is on the disk, take the file's place; return what is kept."""
        if self._waiting is not None:
            with disk.guarded(self._path):
                _promote(self._run, self._waiting.epoch)
            self._kept, self._waiting = self._waiting, None
        return self._kept

    def end(self, epoch: int, best_epoch: int | None) -> Mapping[str, Any]:
        """Keep what is to be kept of a trial that is done after so many epochs; return it as fields of its result."""
        if self._mode == LAST and epoch:
            self._put(epoch)
        self.sync()
        kept, wanted = self.settle(), {BEST: best_epoch, LAST: epoch}.get(self._mode)
        is_it = kept is not None and kept.epoch == wanted  # not where the mode has changed on the way
        return {"kept_epoch": kept.epoch, "kept_sha256": kept.sha256} if kept and is_it else {}
