"""The kept weights of a trial: arrays by `<layer>/<variable>` in `weights.npz` of its run folder.

A trial may be killed at any time, and its kept weights must still match its checkpoint. So new weights are first
written to a pending file, which has another name. It replaces `weights.npz` only after a checkpoint with its epoch and
digest is on the disk. This module does not import TensorFlow.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import LogdirError
from ..system import disk
from . import layout, npz
from .npz import Array

BEST, LAST = "best", "last"
Named = Iterable[tuple[str, Array]]


@dataclass(frozen=True, slots=True)
class KeptWeights:
    """Which weights a file contains: the epoch after which they were kept, and their digest."""

    epoch: int
    sha256: str


def named(weights: Iterable[tuple[str, str, Array]]) -> Iterator[tuple[str, Array]]:
    """Yield (tag, values) for weights given as (layer, variable, values).

    If a tag has been used before, the weight's index is appended: `<tag>#<index>`.
    """
    seen: set[str] = set()
    for place, (layer, variable, values) in enumerate(weights):
        name = layout.weight_tag(layer, variable)
        yield f"{name}#{place}" if name in seen else name, values
        seen.add(name)


def digest(weights: Named) -> str:
    """Return the SHA-256, in hexadecimal, of weights in their order, with their names, types and shapes."""
    total = hashlib.sha256()
    for name, values in weights:
        kind = "bfloat16" if values.dtype == "V2" else values.dtype  # .npz files store bfloat16 as V2
        total.update(f"{name} {kind} {values.shape}\n".encode())
        total.update(np.ascontiguousarray(values).view(np.uint8).data)
    return total.hexdigest()


def read(path: Path) -> dict[str, Array]:
    """Read kept weights in the order in which they were written.

    Raises FileNotFoundError if there is no file, ValueError if it is damaged.
    """
    try:
        return npz.read(path)
    except FileNotFoundError:
        raise
    except npz.DAMAGE as error:
        raise ValueError(f"{path}: cannot be read: {error}") from error


def read_recorded(run: str, path: Path, sha256: str | None) -> dict[str, Array]:
    """Read the kept weights of a run; `sha256` is their digest in the journal, None if it has none.

    Raises LogdirError, with a remedy, if there are none, or if they are damaged or not those that were recorded.
    """
    remedy = "Put back a copy, or train it again with --new."
    try:
        kept = read(path)
    except FileNotFoundError:
        if sha256 is not None:
            raise LogdirError(f"{run}: cannot read its kept weights: {path} is gone. {remedy}") from None
        raise LogdirError(f'{run}: no weights were kept. It may have failed, or [log] weights is "none".') from None
    except (OSError, ValueError) as error:
        raise LogdirError(f"{run}: cannot read its kept weights: {error}. {remedy}") from None
    if sha256 is not None and digest(kept.items()) != sha256:
        raise LogdirError(f"{run}: {path} does not have the SHA-256 that the journal recorded. {remedy}")
    return kept


def settle(run: Path, kept: KeptWeights | None) -> KeptWeights | None:
    """Bring a run folder's weights in line with its checkpoint, which records `kept`; return what is kept.

    If there is a pending file of that epoch, it replaces `weights.npz`; other pending files are deleted. If the digest
    of `weights.npz` is not that in `kept`, or if `kept` is None, delete `weights.npz` too and return None.
    """
    path = run / layout.WEIGHTS
    if kept is not None and layout.pending_weights_file(run, kept.epoch).exists():
        _promote(run, kept.epoch)
    for left in layout.pending_weights_files(run):
        left.unlink()
    if kept is not None and kept.sha256 == _digest_of(path):
        return kept
    path.unlink(missing_ok=True)
    return None


def _promote(run: Path, epoch: int) -> None:
    layout.pending_weights_file(run, epoch).replace(run / layout.WEIGHTS)
    disk.sync(run)


def _digest_of(path: Path) -> str | None:
    try:
        return digest(read(path).items())
    except (FileNotFoundError, ValueError):
        return None


class WeightsKeeper:
    """Keep the weights of one attempt, after the epoch that `mode` names: "best" or "last"; "none" keeps none.

    `source` returns the current weights. `kept` describes the weights that the checkpoint records, from which the
    attempt resumes; None if there are none.
    """

    def __init__(self, run: Path, mode: str, source: Callable[[], Named], kept: KeptWeights | None) -> None:
        self._run, self._mode, self._source = run, mode, source
        self._path = run / layout.WEIGHTS
        self._pending: KeptWeights | None = None
        with disk.guarded(self._path):
            self._kept = settle(run, kept)

    def after_best(self, epoch: int) -> None:
        """Write the weights to a pending file if `mode` is "best"; call this after each new best epoch."""
        if self._mode == BEST:
            self._write_pending(epoch)

    def _write_pending(self, epoch: int) -> None:
        """Write the weights to a pending file, in place of an earlier one.

        The file is not synced to the disk here: `sync` does this before a checkpoint refers to it.
        """
        weights = dict(self._source())
        path = layout.pending_weights_file(self._run, epoch)
        with disk.guarded(path):
            npz.write(path, weights, sync=False)
            if self._pending is not None:
                layout.pending_weights_file(self._run, self._pending.epoch).unlink()
        self._pending = KeptWeights(epoch, digest(weights.items()))

    def sync(self) -> KeptWeights | None:
        """Sync the pending file to the disk; return what the next checkpoint has to record as kept."""
        if self._pending is None:
            return self._kept
        path = layout.pending_weights_file(self._run, self._pending.epoch)
        with disk.guarded(path):
            disk.sync(path)
            disk.sync(self._run)
        return self._pending

    def settle(self) -> KeptWeights | None:
        """Replace `weights.npz` by the pending file, which must be synced; return what is kept."""
        if self._pending is not None:
            with disk.guarded(self._path):
                _promote(self._run, self._pending.epoch)
            self._kept, self._pending = self._pending, None
        return self._kept

    def end(self, epoch: int, best_epoch: int | None) -> Mapping[str, Any]:
        """Keep the weights of a trial that is done after `epoch` epochs, as `mode` says.

        Return the fields `kept_epoch` and `kept_sha256` of its result; an empty mapping if no such weights are kept.
        """
        if self._mode == LAST and epoch:
            self._write_pending(epoch)
        self.sync()
        kept, wanted = self.settle(), {BEST: best_epoch, LAST: epoch}.get(self._mode)
        is_wanted = kept is not None and kept.epoch == wanted  # false if the mode was changed between attempts
        return {"kept_epoch": kept.epoch, "kept_sha256": kept.sha256} if kept and is_wanted else {}
