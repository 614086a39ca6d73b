"""Helpers that run hpdash commands in this process or as separate processes, and the small sweep of most tests."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result
from forked_drivers import ForkedDriver, fits
from sweep_files import made_sweep

from hpdash import cli

PATIENCE = 250  # seconds for a command: less than pytest's timeout for a test
LOOPS = """
import time

def behave(trial):
    if trial.hparams["does"] == "raise":
        raise ValueError("[/b] \\x1b[31m odd")
    for epoch in range(1, trial.epochs + 1):
        while trial.hparams["does"] == "wait":
            trial.tick(0.5)
            time.sleep(0.05)
        trial.report(epoch, loss=1.0, validation_accuracy=epoch / 4)
"""


def own(folder: Path, *does: str, loops: str = LOOPS) -> str:
    """Write a sweep whose custom training loops behave as the values of `does` say; return its file's name."""
    return made_sweep(folder, loop="loops:behave", source=loops, hparams={"does": does}).name


def invoke(*arguments: str) -> Result:
    """Run a command in this process."""
    return CliRunner().invoke(cli.main, arguments, prog_name="hpdash")


def hpdash(
    *arguments: str,
    cwd: Path,
    environment: Mapping[str, str] | None = None,
    before: str = "",
    stdout: int = subprocess.PIPE,
    stderr: int = subprocess.PIPE,
) -> subprocess.CompletedProcess[str]:
    """Run a command as a process; `before` is shell code that runs before it, such as `ulimit -n 20;`."""
    wanted = {**os.environ, **(environment or {})}
    options: dict[str, Any] = {"cwd": cwd, "env": wanted, "stdout": stdout, "stderr": stderr, "errors": "replace"}
    if not before and fits(wanted):
        with ForkedDriver(arguments, **options) as process:
            output, errors = process.communicate(timeout=PATIENCE)
        return subprocess.CompletedProcess(arguments, process.returncode, output, errors)
    command = [sys.executable, "-m", "hpdash", *arguments]
    shell = ["sh", "-c", f'{before} "$@"', "sh"] if before else []
    return subprocess.run([*shell, *command], timeout=PATIENCE, check=False, **options)


def patched(folder: Path, source: str) -> dict[str, str]:
    """Return an environment in which every Python process, including workers, first runs this source."""
    site = folder / "site"
    site.mkdir()
    (site / "sitecustomize.py").write_text(source)
    return {"PYTHONPATH": os.pathsep.join(filter(None, [str(site), os.environ.get("PYTHONPATH")]))}
