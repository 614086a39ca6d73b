"""The worker's side: `serve` trains the tasks of any backend; `main` runs as a process of the local backend."""

from __future__ import annotations

import os
import resource
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from ..records import Notice, Progress, Reached, TrialResult, TrialSpec
from ..sweep_folder import provenance
from ..sweep_folder.provenance import Provenance
from ..system.child_process import set_process_name
from ..system.user_functions import register
from .base import Task
from .children import tensorflow_environment

if TYPE_CHECKING:
    from ..data import Dataset, MappedDataset
    from ..training.host import Host


@dataclass(frozen=True, slots=True)
class WorkerSetup:
    """What a worker needs to start.

    Attributes:
        folder: the folder with the user's modules and files.
        threads: the number of threads that TensorFlow and NumPy use.
        keras: whether any trial needs TensorFlow.
        own_code: whether the worker will call functions of the user.
        modules: the names of the user's modules.
        names: the names of the data sets, as in the sweep file.
        provenance: the digests of the modules and the data sets when the driver started.
        functions: the pickled functions that were given in Python; the keys are their references.
        is_program: whether the trials are programs.
        scripts: the files of the user that the command of a program names, as in the command.
    """

    folder: Path
    threads: int = 1
    keras: bool = True
    own_code: bool = True
    modules: Sequence[str] = ()
    names: Sequence[str] = ()
    provenance: Provenance = field(default_factory=Provenance)
    functions: Mapping[str, bytes] = field(default_factory=dict)
    is_program: bool = False
    scripts: Sequence[str] = ()

    def changed(self, folder: Path) -> dict[str, str]:
        """Return which of the user's code and data files in a folder have changed since the driver started, and how."""
        now = provenance.current(self.modules, self.names, folder, self.provenance, scripts=self.scripts)
        return self.provenance.changed(now)

    @property
    def environment(self) -> dict[str, str]:
        """The environment variables that the worker's process starts with; a program gets those of the user alone."""
        return {} if self.is_program else tensorflow_environment(self.threads)

    def trainer(self, folder: Path, load: Callable[[Mapping[str, Any]], Dataset] | None = None) -> TrialRunner:
        """Return what runs the trials in this process; an actor of Ray's has `load`, which returns a data set."""
        if self.is_program:
            from ..programs.trainer import ProgramTrainer  # noqa: PLC0415  other workers do not need it

            return ProgramTrainer(folder, lambda: self.changed(folder), detached=load is not None)
        from ..training.trainer import Trainer  # noqa: PLC0415  the driver imports this module, without TensorFlow

        register(self.functions)
        trainer = Trainer(folder, load, lambda: self.changed(folder))
        if self.keras:
            trainer.warm_up()
        return trainer


@dataclass(frozen=True, slots=True)
class AttemptReport:
    """A task's result, and the worker's peak memory so far in bytes."""

    result: TrialResult
    peak_memory: int


class TrialRunner(Protocol):
    """What runs the trials in a worker: it trains Keras models and calls users' loops, or it starts programs."""

    def run(
        self, spec: TrialSpec, run: Path, group: str, host: Host, epoch: int = 0, mapped: MappedDataset | None = None
    ) -> TrialResult:
        """Run one trial, which writes into its run folder, and return its result; never raises."""


class Link(Protocol):
    """The connection of a worker and its driver: a pipe between processes, or a `Mailbox` between machines."""

    def send(self, message: Any, /) -> None:
        """Send a message to the driver."""

    def recv(self) -> Any:
        """Wait for the driver's next message; raises EOFError if there will be none."""

    def poll(self) -> bool:
        """Return whether a message is waiting."""


class LinkHost:
    """Send a trial's messages over the worker's link, and read from the link whether the sweep stops."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._stopped = False
        self.number: int | None = None

    @property
    def stopping(self) -> bool:
        """Whether the sweep stops.

        While a trial runs and does not wait at a rung, the driver sends only one message: that the sweep stops. So any
        waiting message means this. A shared flag is not used, because a worker that is killed while it reads the flag
        would hold the flag's lock forever.
        """
        return self._stopped or self._link.poll()

    def ask_to_go_on(self, reached: Reached) -> bool:
        """Ask the driver whether the trial goes on after a rung.

        If the driver answers that the sweep stops, return True: the trial is not pruned, and `stopping` ends it.
        """
        self._link.send(reached)
        verdict: bool | None = self._link.recv()
        self._stopped |= verdict is None
        return verdict is not False

    def progress(self, progress: Progress) -> None:
        """Send the progress of the trial."""
        self._link.send(progress)

    def notice(self, text: str) -> None:
        """Send a message for the user."""
        self._link.send(Notice(text, self.number))


def main(pipe: Connection, setup: WorkerSetup, output: Path) -> None:
    """Run a worker process of the local backend: set it up, then `serve` the tasks from the pipe.

    The process prints into the file `output`.
    """
    set_process_name("hpdash-worker")
    _redirect_output(output)

    serve(pipe, setup.trainer(setup.folder))


def serve(link: Link, trainer: TrialRunner) -> None:
    """Train the tasks that arrive over a link, one after another.

    Return when the link closes, or when the driver sends None: the sweep stops. A running trial notices None by
    `LinkHost.stopping`, and stops.
    """
    host = LinkHost(link)
    while True:
        try:
            task: Task | bool | None = link.recv()
        except EOFError:
            return
        if not isinstance(task, Task):  # None: the sweep stops; answers at rungs arrive only while a trial runs
            return
        host.number = task.spec.number
        host.progress(Progress(host.number, task.epoch, task.spec.epochs, 0.0, phase="starting"))
        result = trainer.run(task.spec, task.run, task.group, host, task.epoch, task.mapped)
        link.send(AttemptReport(result, _peak_memory()))


def _redirect_output(path: Path) -> None:
    """Redirect all output of this process to a file, whose end is shown if the worker dies."""
    sys.stdout.flush()
    sys.stderr.flush()
    with path.open("ab", buffering=0) as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)


def _peak_memory() -> int:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
