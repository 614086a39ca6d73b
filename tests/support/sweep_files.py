"""Small sweep files, and the training loops that they name."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hpdash.spec.text import to_toml

DEFAULTS: Mapping[str, Any] = {
    "sweep": {},
    "data": {"name": "synthetic", "train": 20, "validation": 20},
    "train": {"epochs": 2},
}


def made_sweep(folder: Path, *, name: str = "own", loop: str | None = None, source: str = "", **tables: Any) -> Path:
    """Write a small sweep file and the module of its training loop; return the sweep file.

    Args:
        folder: where the files are written; made if it is missing
        name: the name of the sweep and, with the ending `.toml`, of its file
        loop: the training loop as MODULE:FUNCTION; without one, a Keras model is trained
        source: the text of MODULE.py; without it, no module is written
        tables: the tables of the sweep file; a list is several tables of that name, such as `trial`. A table that is
            given here replaces the one in DEFAULTS; the name and the loop are added to [sweep] and [train]
    """
    folder.mkdir(parents=True, exist_ok=True)
    content = {**DEFAULTS, **tables}
    content["sweep"] = {"name": name, **content["sweep"]}
    if loop is not None:
        content["train"] = {"loop": loop, **content["train"]}
        if source:
            (folder / f"{loop.partition(':')[0]}.py").write_text(source, encoding="utf-8")
    path = folder / f"{name}.toml"
    plain = json.loads(json.dumps(content, default=list))  # tuples and ranges become lists
    path.write_text(to_toml(plain), encoding="utf-8")
    return path
