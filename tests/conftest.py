"""Fixtures of several test modules: a real browser, an isolated cache, and logs written by other tools."""

from __future__ import annotations

import compileall
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from browsers import CHROMIUM, FLAGS
from hypothesis import HealthCheck, settings
from once import once

import hpdash

settings.register_profile("suite", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("suite")  # check results, not speed: other tests keep every core busy


LONGEST = (  # files that take a minute or more: they start first, so that no core waits for them at the end
    "test_ray_cluster", "test_trainer", "test_load_model", "test_data_forms", "test_tensorboard", "test_weights_page",
    "test_several_arrays", "test_user_callbacks", "test_imports", "test_models", "test_xla", "test_provenance",
    "test_pruning", "test_driver_signalled", "test_crash_points_remote", "test_engine", "test_cli", "test_notebook",
    "test_checkpoint", "test_layer_series", "test_own_loop", "test_inline", "test_crash_points", "test_folds",
    "test_environment", "test_runner", "test_strategies", "test_evaluate", "test_zoo_nets", "test_pipelines",
    "test_trials_page", "test_trials_groups",
)  # fmt: skip


def pytest_configure(config: pytest.Config) -> None:
    """Compile hpdash to bytecode once, and let SIGHUP have its effect.

    If Python may not write bytecode, each of hundreds of processes would compile hpdash again. Under `nohup`, drivers
    of tests would inherit that SIGHUP is ignored.
    """
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    if not hasattr(config, "workerinput"):
        compileall.compile_dir(Path(hpdash.__file__).parent, quiet=2)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Use one process more than there are cores.

    Each process waits a third of its time for drivers, servers and browsers.
    """
    return (os.cpu_count() or 1) + 1


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the slowest files first."""
    places = {name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: places.get(item.path.stem, len(places)))


@pytest.fixture(scope="session", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Keep what is read from test logs out of the user's cache, in child processes too."""
    os.environ["HPDASH_CACHE"] = str(tmp_path_factory.mktemp("cache"))


@pytest.fixture
def one_process(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """Run the sweeps of a test in its own process, where no worker has to import TensorFlow first."""
    import one_process  # imports NumPy, which most tests do not need

    yield from one_process.install(monkeypatch, tmp_path)


@pytest.fixture(scope="session")
def others(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return logs by Keras, TensorFlow and tensorboardX, written in a separate process."""

    def make(folder: Path) -> None:
        command = [sys.executable, str(Path(__file__).parent / "support" / "foreign.py"), str(folder)]
        written = subprocess.run(command, capture_output=True, check=False, timeout=250)
        assert written.returncode == 0, written.stderr

    return once(tmp_path_factory, "others", make)


@pytest.fixture(scope="module")  # not longer: the browser's event loop would conflict with a notebook's
def browser() -> Iterator[Any]:
    """Return a headless Chromium."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine")
    sync_api.expect.set_options(timeout=30_000)  # as for pages: drawing is slow while the whole suite runs
    with (
        sync_api.sync_playwright() as playwright,
        playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS) as browser,
    ):
        yield browser
