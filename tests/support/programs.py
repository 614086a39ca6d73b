"""Sweeps whose trials are programs, and the program that they run."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hpdash.spec.text import to_toml

# It logs `score` at every step, and does what the hyperparameter `does` says. It appends its process id to `pids`.
SOURCE = """
import argparse, json, math, os, signal, subprocess, sys, time
from pathlib import Path
from hpdash.logs.writer import EventFile, scalar_value

HERE = Path(__file__).parent
SLEEPER = "import os, sys, time; sys.argv[1:] and os.setsid(); time.sleep(300)"

def note(pid):
    with (HERE / "pids").open("a") as file:
        file.write(f"{pid}\\n")

parser = argparse.ArgumentParser()
parser.add_argument("--does", default="learn")
parser.add_argument("--x", type=float, default=1.0)
parser.add_argument("--steps", type=int, default=4)
parser.add_argument("--pause", type=float, default=0.0)
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--logdir", type=Path)
parser.add_argument("--state", type=Path)
flags = parser.parse_args()
logdir = flags.logdir or Path(os.environ["HPDASH_RUN"])
does = "learn" if (HERE / "mended").exists() else flags.does
note(os.getpid())
print("the arguments are", sys.argv[1:])
if does == "refuse":
    sys.exit("a reason [/b]")
if does == "crash":
    os.kill(os.getpid(), signal.SIGSEGV)
if does == "hang":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
if does == "leave":
    for arguments in ([], ["away"]):
        note(subprocess.Popen([sys.executable, "-c", SLEEPER, *arguments]).pid)
if does == "print":
    for _ in range(100):
        sys.stdout.write(("x" * 1023 + "\\n") * 1024)
    print("the last line")
first, saved = 1, flags.state and flags.state / "step"
if saved and saved.exists():
    first = int(saved.read_text()) + 1
    print("going on after step", first - 1)
file = EventFile(logdir)
for step in range(first, flags.steps + 1):
    if does == "die" and step == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    value = math.nan if does == "diverge" and step >= 3 else flags.x * step
    file.add(scalar_value("mute" if does == "mute" else "score", value), step)
    file.flush()
    if saved:
        saved.write_text(str(step))
    time.sleep(flags.pause)
    while does in ("hang", "wait", "leave") and step == 2:
        time.sleep(0.1)
file.close()
"""
PYTHON = sys.executable
COMMAND = (PYTHON, "program.py", "{*}", "--logdir", "{run}")


def program_sweep(
    folder: Path,
    hparams: Mapping[str, Any],
    *,
    command: tuple[str, ...] = COMMAND,
    source: str = SOURCE,
    steps: int | None = 4,
    **tables: Any,
) -> Path:
    """Write a sweep file of programs and the program; return the sweep file.

    The objective is `score`, the higher the better. `tables` are further tables; those in "sweep" are added.
    """
    folder.mkdir(parents=True, exist_ok=True)
    head = {"name": "programs", "objective": "score", "goal": "max", **tables.pop("sweep", {})}
    train = {"command": [*command], **({} if steps is None else {"steps": steps})}
    path = folder / "programs.toml"
    path.write_text(to_toml({"sweep": head, "train": train, "hparams": dict(hparams), **tables}))
    (folder / "program.py").write_text(source)
    return path


def noted_pids(folder: Path) -> list[int]:
    """Return the process ids of all programs, and of the processes that they have started on purpose."""
    path = folder / "pids"
    return [int(line) for line in path.read_text().split()] if path.exists() else []
