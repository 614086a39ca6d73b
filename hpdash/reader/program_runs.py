"""The runs of programs: everything that a program logs below its run folder is one run."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ..runs import Series
from .assembly import joined
from .events import Contents, read_file
from .folders import EventFileInfo, merged, parts_of_runs, walk
from .layouts import Layouts


def scalars_below(
    run: Path, known: Mapping[EventFileInfo, Contents]
) -> tuple[dict[str, Series], dict[EventFileInfo, Contents]]:
    """Return all scalars below a run folder by tag, and the contents of the event files; `known` are
    those that an earlier call returned.

    Only files that have changed are read. What is damaged or not yet written is left out.
    """
    layouts, folders = Layouts(), list(walk(run, []))
    contents = {
        file: known.get(file) or read_file(Path(file.path), layouts) for folder in folders for file in folder.files
    }
    parts = parts_of_runs(folders, (".",)).get(".", ())
    return merged((part.role, joined([contents[file] for file in part.files]).scalars) for part in parts), contents
