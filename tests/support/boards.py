"""A real TensorBoard for tests: started by `hpdash board`, queried over HTTP, killed with its whole process group."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlencode

HPARAMS = "experiment/defaultExperimentId/data/plugin/hparams"
STATUSES = ["STATUS_UNKNOWN", "STATUS_SUCCESS", "STATUS_FAILURE", "STATUS_RUNNING"]
ADDRESS = re.compile(r"TensorBoard \S+ at (http://[^/\s]+)/")  # in what TensorBoard prints
PATIENCE = 60.0  # seconds for TensorBoard to start and load
# TensorBoard's own switch for running without TensorFlow, whose import takes most of TensorBoard's start-up time.
WITHOUT_TENSORFLOW = "import sys, types; sys.modules['tensorboard.compat.notf'] = types.ModuleType('notf')"


class Board:
    """A TensorBoard process over a logs root; `load_fast` "true" selects its default loader, "false" the Python one.

    `hpdash board` starts TensorBoard without TensorFlow unless a test asks for it. With the Python loader, TensorFlow
    is always loaded, as in a TensorBoard that a user starts by its own command. `spec` is a `--logdir_spec`, which
    `hpdash board` does not take.
    """

    def __init__(self, logdir: Path, load_fast: str, *options: str, tensorflow: bool = False, spec: str = "") -> None:
        self.logdir = logdir
        # TensorBoard takes a port that is free. A port that was free before it started could be taken by another test.
        command = [sys.executable, "-m", "hpdash", "board", str(logdir), "--port=0", f"--load_fast={load_fast}"]
        if spec:
            command[2:5] = ["hpdash.plugin.start", f"--logdir_spec={spec}"]
        elif tensorflow or load_fast != "true":
            command.append("--tensorflow")
        self._folder = tempfile.TemporaryDirectory()
        self._output = Path(self._folder.name, "output")
        with self._output.open("wb") as output:
            self._process = subprocess.Popen(
                [*command, *options],
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        with suppress(ProcessLookupError):  # it has ended by itself
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._folder.cleanup()

    @property
    def pid(self) -> int:
        """The process of TensorBoard."""
        return self._process.pid

    @property
    def output(self) -> str:
        """What TensorBoard has printed so far."""
        return self._output.read_text(errors="replace")

    @cached_property
    def url(self) -> str:
        """The address, without a slash at its end; TensorBoard prints it when it has started."""
        deadline = time.monotonic() + PATIENCE
        while not (said := ADDRESS.search(self.output)):
            assert time.monotonic() < deadline, f"TensorBoard did not start:\n{self.output}"
            assert self._process.poll() is None, f"TensorBoard has ended:\n{self.output}"
            time.sleep(0.1)
        return said.group(1)

    def get(self, path: str, **query: str) -> Any:
        """Query one of the data routes and return its JSON."""
        return self._open(f"{self.url}/data/{path}?{urlencode(query)}")

    def text(self, path: str, **query: str) -> str:
        """Query one of the data routes that do not return JSON."""
        with urllib.request.urlopen(f"{self.url}/data/{path}?{urlencode(query)}", timeout=20) as response:
            return str(response.read().decode())

    def runs(self) -> set[str]:
        """Return the name of every run."""
        return set(self.get("runs"))

    def hparams(self) -> dict[str, dict[str, Any]]:
        """Return the experiment's hyperparameters by name, in the experiment's order."""
        return {info["name"]: info for info in self.experiment()["hparamInfos"]}

    def experiment(self) -> Any:
        """Return the HParams experiment."""
        return self._post("experiment", {})

    def groups(self) -> dict[str, dict[str, Any]]:
        """Return the HParams session groups by name: `metrics` by "group/tag" and the `statuses` of the sessions."""
        request = {"allowedStatuses": STATUSES, "startIndex": 0, "sliceSize": 1000}
        groups = self._post("session_groups", request)["sessionGroups"]
        return {
            group["name"]: {
                "hparams": group["hparams"],
                "metrics": {f"{m['name']['group']}/{m['name']['tag']}": m["value"] for m in group["metricValues"]},
                "statuses": [session["status"] for session in group["sessions"]],
            }
            for group in groups
        }

    def until(self, holds: Callable[[Board], bool]) -> Self:
        """Wait until TensorBoard has loaded enough data for a condition to hold."""
        deadline = time.monotonic() + PATIENCE
        while not self._answers(holds):
            assert time.monotonic() < deadline, f"TensorBoard over {self.logdir.name} never showed what was awaited"
            assert self._process.poll() is None, "TensorBoard has ended"
            time.sleep(0.3)
        return self

    def _answers(self, holds: Callable[[Board], bool]) -> bool:
        try:
            return holds(self)
        except OSError:  # not started yet
            return False

    def _post(self, route: str, request: dict[str, Any]) -> Any:
        headers = {"Content-Type": "application/json"}
        return self._open(
            urllib.request.Request(f"{self.url}/{HPARAMS}/{route}", json.dumps(request).encode(), headers)
        )

    def _open(self, request: str | urllib.request.Request) -> Any:
        with urllib.request.urlopen(request, timeout=20) as response:
            return json.load(response)
