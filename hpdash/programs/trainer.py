"""Run a trial that is a program: start it, follow its logs, ask about it at rungs, and turn its end into a result."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ..data import MappedDataset
from ..errors import ChangedError, HpdashError, LogdirError, MetricError
from ..logs import layout, program_folder, text_tab
from ..records import Progress, Reached, TrialResult, TrialSpec, TrialState, program_of
from ..spec.program import keeps_state
from ..system import disk
from ..system.versions import versions
from ..training.host import Diverged, Host, Interrupted, Pruned
from ..training.trainer import CHANGED_MESSAGE
from . import command
from .endings import ending
from .following import SECONDS, Follower
from .logged import Logged
from .process import GuardLost, ProgramProcess
from .tails import cut_tails

NO_FOLDER = (
    "no such folder on this machine. A program logs into the run folder itself, so on a cluster, the --logdir of"
    " `hpdash sweep` has to be a folder that all machines share."
)
TAIL = 2000  # bytes from the end of a failed program's output that are kept in its result


class ProgramTrainer:
    """Run programs one after another; `folder` is the sweep file's folder, in which they run.

    `changed` returns the user's files that have changed since the driver started, each with a description.
    `detached` is passed to `ProgramProcess`.
    """

    def __init__(self, folder: Path, changed: Callable[[], Mapping[str, str]] = dict, detached: bool = False) -> None:
        self._folder, self._changed = folder, changed
        self._process = ProgramProcess(detached)

    def run(
        self, spec: TrialSpec, run: Path, group: str, host: Host, epoch: int = 0, mapped: MappedDataset | None = None
    ) -> TrialResult:
        """Run a trial's program, which logs into the run folder `run`, and return the trial's result; never raises.

        `group` is the HParams session group. If `epoch` is not 0, the program resumes from its folder `state`; it has
        logged `epoch` steps before. `mapped` is not used: a program has its own data.
        """
        begin, run = time.monotonic(), run.absolute()
        try:
            if not run.parent.is_dir():
                raise LogdirError(f"{run.parent}: {NO_FOLDER}")
            with disk.guarded(run):
                run.mkdir(exist_ok=True)
            logged = Logged(spec, epoch)
            state, facts = self._run(spec, run, group, host, logged)
            if state is not TrialState.FINISHED:  # it may have been ended while it wrote a record
                cut_tails(run)
            if state.is_conclusive:
                success = state in (TrialState.FINISHED, TrialState.PRUNED)
                if not program_folder.has_session(run):  # the program has cleared the folder
                    self._start_session(spec, run, group)
                program_folder.finish_session(run, logged.best_scalars(), logged.step, success)
            epochs = logged.pruned_after if state is TrialState.PRUNED else logged.step
            facts |= {"metrics": logged.metrics, "best": logged.best, "best_epoch": logged.best_step}
            return TrialResult(state, epochs or 0, seconds=time.monotonic() - begin, **facts)
        except (LogdirError, OSError) as error:
            self._process.close()
            return TrialResult(TrialState.INTERRUPTED, seconds=time.monotonic() - begin, error=str(error))

    def _run(
        self, spec: TrialSpec, run: Path, group: str, host: Host, logged: Logged
    ) -> tuple[TrialState, dict[str, Any]]:
        """Run the program to its end; return the trial's state, and fields of its result."""
        printed = program_folder.output_size(run)  # by earlier attempts
        try:
            self._start(spec, run, group)
            code = self._follow(spec, run, host, logged)
        except Interrupted:
            return TrialState.INTERRUPTED, {}
        except Diverged:
            return TrialState.DIVERGED, {}
        except Pruned:
            return TrialState.PRUNED, {}
        except GuardLost:
            return TrialState.KILLED, {"error": "the guard of the program was killed, and the program with it"}
        except ChangedError as error:
            return TrialState.INTERRUPTED, {"error": str(error), "is_stale": True}
        except LogdirError:
            raise
        except HpdashError as error:
            return TrialState.FAILED, {"error": str(error)}
        finally:
            self._end()
        if code:
            tail = program_folder.output_tail(run, TAIL, since=printed)
            name = (program_of(spec.settings["train"]) or [""])[0]
            state, reason = ending(code, tail, command.which(name) or name)
            return state, {"error": reason, "traceback": tail or None}
        try:
            logged.require()
        except MetricError as error:
            return TrialState.INTERRUPTED, {"error": str(error), "is_refused": True}
        return TrialState.FINISHED, {}

    def _end(self) -> None:
        """End the program if it still runs."""
        try:
            if self._process.is_running:
                self._process.stop()
        except GuardLost:
            self._process.close()

    def _start(self, spec: TrialSpec, run: Path, group: str) -> None:
        if changed := self._changed():
            raise ChangedError(CHANGED_MESSAGE.format(", ".join(f"{name} {how}" for name, how in changed.items())))
        own = program_of(spec.settings["train"]) or []
        if keeps_state(own):
            with disk.guarded(run):
                (run / layout.STATE).mkdir(exist_ok=True)
        self._start_session(spec, run, group)
        environment = command.environment(spec, run)
        self._process.start(command.arguments(own, spec, run), self._folder, environment, run / layout.OUTPUT)

    def _start_session(self, spec: TrialSpec, run: Path, group: str) -> None:
        texts = {layout.SETTINGS_TEXT: text_tab.settings(spec, versions())}
        program_folder.start_session(run, spec.hparams, group, texts)

    def _follow(self, spec: TrialSpec, run: Path, host: Host, logged: Logged) -> int:
        """Follow the program until it ends, and return its exit code.

        Raises Interrupted, Pruned or Diverged if it has to end earlier.
        """
        follower = Follower(run)
        code = None
        while code is None:
            code = self._process.wait(SECONDS)
            if code is None and host.stopping:
                raise Interrupted
            if code is None and not follower.is_due:
                continue
            has_more = logged.update(follower.scalars())
            diverges = logged.diverges(has_ended=code == 0)  # this forgets what was logged after the bad value
            if not code:
                self._ask(spec, host, logged)
            if diverges:
                raise Diverged
            if has_more:
                host.progress(Progress(spec.number, logged.step, spec.epochs, 0.0, logged.metrics))
        return code

    def _ask(self, spec: TrialSpec, host: Host, logged: Logged) -> None:
        """Ask whether the trial goes on after each rung that it has reached; raise Pruned if not."""
        for rung, value in logged.reached():
            if host.stopping:
                return
            if not host.ask_to_go_on(Reached(spec.number, rung, value)):
                logged.prune(rung)
                raise Pruned
