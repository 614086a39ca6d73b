"""Prepare the run folder of a program, start and end its HParams session, and read the end of what it printed.

The event files in it are the program's own, except those of the session.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

from ..records import Scalar
from ..system import disk
from . import layout
from .writer import EventFile, scalar_value, session_end, session_start, text_value

SHOWN = 4000  # bytes from the end of a program's output that are shown
_EVENTS = layout.EVENT_FILE.rpartition(".")[2]  # TensorBoard reads every file with this in its name
_ASIDE = layout.SET_ASIDE.rpartition(".")[2]


def prepare(run: Path, attempt: int, resume: bool) -> None:
    """Prepare a program's run folder for its next attempt; `attempt` is the number of the last one.

    With `resume`, the program goes on from the checkpoint in its folder `state`: its files stay, and the end of its
    HParams session is removed. Otherwise its event files, its output and `state` are moved to `attempts/<attempt>`,
    under names that TensorBoard does not read. After an interruption, call it again.
    """
    if not run.is_dir():
        return
    if resume:
        with disk.guarded(run):
            for path in run.glob(f"*{layout.END_SUFFIX}"):
                path.unlink()
        return
    aside = run / layout.ATTEMPTS / str(attempt)
    with disk.guarded(run):
        for path in (run / layout.STATE, run / layout.OUTPUT):
            if path.exists():
                aside.mkdir(parents=True, exist_ok=True)
                path.rename(aside / path.name)
        for path in layout.all_event_files(run):  # also those in the folder `state`, which is set aside by now
            inside = path.relative_to(run)
            target = path if inside.parts[0] == layout.ATTEMPTS else aside / inside
            target.parent.mkdir(parents=True, exist_ok=True)
            path.rename(target.with_name(target.name.replace(_EVENTS, _ASIDE)))


def start_session(run: Path, hparams: Mapping[str, Scalar], group: str, texts: Mapping[str, str]) -> None:
    """Make a program's run folder, and write the start of its HParams session with texts for the Text tab, by tag.

    An attempt that resumes writes another session start. Its time tells readers which folders that attempt has made.
    """
    with closing(EventFile(run, layout.START_SUFFIX, early=True)) as file:
        file.add(session_start(hparams, group), 0)
        for tag, text in texts.items():
            file.add(text_value(tag, text), 0)


def finish_session(run: Path, scalars: Mapping[str, float], step: int, success: bool) -> None:
    """Write scalars at a step and the end of a program's HParams session, and sync them to the disk."""
    with closing(EventFile(run, layout.END_SUFFIX)) as file:
        for tag, value in scalars.items():
            file.add(scalar_value(tag, value), step)
        file.add(session_end(success), 0)
        file.sync()
    with disk.guarded(run):
        disk.sync(run)


def has_session(run: Path) -> bool:
    """Return whether the start of a program's session is there: a program may clear its folder."""
    return any(run.glob(f"*{layout.START_SUFFIX}"))


def output_size(run: Path) -> int:
    """Return the size in bytes of what a program has printed."""
    try:
        return (run / layout.OUTPUT).stat().st_size
    except OSError:
        return 0


def output_tail(run: Path, size: int = SHOWN, since: int = 0) -> str:
    """Return up to `size` bytes from the end of what a program printed, from the start of a line; "" if nothing.

    What it printed before the offset `since` is left out, if the file is still at least that long.
    """
    try:
        with (run / layout.OUTPUT).open("rb") as file:
            length = file.seek(0, 2)
            begin = max(since if since <= length else 0, length - size)
            file.seek(begin)
            data = file.read()
    except OSError:
        return ""
    if begin > since:
        data = data.partition(b"\n")[2] or data
    return data.decode(errors="replace").strip("\n")
