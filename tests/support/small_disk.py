"""A small file system as the logs root, and a sweep with a large checkpoint."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from sweep_files import made_sweep

CHECKPOINT_SIZE = 400_000  # bytes
# A training loop whose checkpoint has that size.
LARGE = f"""
import time
import numpy as np

def behave(trial):
    weights = np.random.default_rng(trial.seed).random({CHECKPOINT_SIZE // 8})
    trial.checkpoint(lambda: {{"weights": weights}})
    for epoch in range(trial.epoch + 1, trial.epochs + 1):
        trial.histogram("model/weights", weights, epoch)
        trial.report(epoch, loss=1 / epoch, validation_accuracy=epoch / 4)
        time.sleep(0.5)  # so that the driver of a remote worker has written this checkpoint before the next one
"""
ROOM = 10 * 2**20


def size(logs: Path, most: int) -> None:
    """Mount a file system of this many bytes, or resize the mounted one."""
    again = "remount," if logs.is_mount() else ""
    options = f"{again}size={most},uid={os.getuid()}"
    if as_root("mount", "-t", "tmpfs", "-o", options, "tmpfs", str(logs)):
        pytest.skip("this machine lets nobody mount")


def as_root(*command: str) -> int:
    """Run a command as root if that needs no password; return its exit code."""
    sudo = [] if os.getuid() == 0 else [shutil.which("sudo") or "false", "-n"]
    return subprocess.run([*sudo, *command], capture_output=True, check=False).returncode


def large(folder: Path) -> Path:
    """Write a sweep of one trial with three epochs and a large checkpoint after each; return the sweep's file."""
    tables = {"train": {"epochs": 3}, "log": {"checkpoint_epochs": 1}, "hparams": {"does": ["learn"]}}
    return made_sweep(folder, loop="loops:behave", source=LARGE, **tables)
