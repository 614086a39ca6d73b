"""Tests of a sweep on a real Ray cluster: it gives the same bits, survives the same faults and shares no folder."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from commands import hpdash
from driven import (
    alive,
    digests,
    driving,
    journal_faults,
    own,
    run,
    series,
    session_ends,
    states,
    trial_folder,
    until,
)  # fmt: skip
from programs import COMMAND, noted_pids, program_sweep
from small_disk import CHECKPOINT_SIZE, ROOM, large, size
from sweep_files import made_sweep
from tensorboard.plugins.hparams import api_pb2

from hpdash.backends.cluster import Cluster
from hpdash.errors import SpecError
from hpdash.journal.journal import read_journal
from hpdash.logs import checkpoint, layout
from hpdash.logs.kept_weights import digest, read
from hpdash.records import Started, TrialState

pytest.importorskip("ray", reason="ray is not installed")
pytestmark = pytest.mark.timeout(600)

QUICKSTART = Path(__file__).parents[2] / "sweeps" / "quickstart.toml"
# Training loops that fail if their process opens anything under a folder of logs. Their own folder has no other files.
LOOPS = """
import os, sys, time
import numpy as np

OPENED = []

def look(event, arguments):
    if event in ("open", "os.mkdir", "os.listdir", "os.scandir") and os.sep + "logs" in str(arguments[0]):
        OPENED.append((event, arguments[0]))

sys.addaudithook(look)

def behave(trial):
    weights = np.random.default_rng(trial.seed).normal(size=1000)
    if kept := trial.checkpoint(lambda: {"weights": weights}):
        weights[:] = kept["weights"]
    for epoch in range(trial.epoch + 1, trial.epochs + 1):
        weights += trial.data.x_train.mean()
        while trial.hparams["does"] == "wait" and not trial.should_stop:
            time.sleep(0.05)
        time.sleep(0.2 if trial.hparams["does"] == "dawdle" else 0)
        trial.histogram("model/weights", weights, epoch)
        worse = len(trial.hparams["does"])
        trial.report(epoch, loss=1 / epoch, validation_accuracy=float(abs(weights).sum()) + epoch - worse)
    if OPENED:
        raise RuntimeError(f"opened {OPENED}")
"""


@contextmanager
def clustered(head_cpus: int) -> Iterator[Any]:
    """Start a cluster on this machine, which ends with the `with` block."""
    os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"  # loopback, also for the drivers that the tests start
    from ray.cluster_utils import Cluster

    made = Cluster(initialize_head=True, head_node_args={"num_cpus": head_cpus, "include_dashboard": False})
    try:
        yield made
    finally:
        made.shutdown()


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """Start a cluster of a head without room for workers, and two machines with one CPU each."""
    with clustered(head_cpus=0) as made:
        for _ in range(2):
            made.add_node(num_cpus=1)
        yield made


def on(cluster: Any) -> tuple[str, ...]:
    """Return the options that run a sweep on the cluster."""
    return "--backend", "ray", "--address", cluster.address


def raylets(cluster: Any) -> dict[int, Any]:
    """Return the machines of the cluster by the IDs of the processes that represent them."""
    return {
        process.process.pid: node for node in cluster.worker_nodes for process in node.all_processes.get("raylet", [])
    }


def actors(cluster: Any) -> dict[int, Any]:
    """Return the IDs of the cluster's worker processes, and the machine of each."""
    listed = subprocess.run(["ps", "-Aww", "-o", "pid=,ppid=,args="], capture_output=True, text=True, check=True).stdout
    rows, homes = [line.split(maxsplit=2) for line in listed.splitlines()], raylets(cluster)
    return {
        int(pid): homes[int(parent)] for pid, parent, *args in rows if int(parent) in homes and "ray::Actor" in args[0]
    }


def listening(group: int) -> set[str]:
    """Return the addresses at which the processes of a session listen, in hexadecimal as Linux writes them."""
    mine = set()
    for pid in (int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()):
        try:
            if os.getsid(pid) == group:
                mine |= {os.readlink(link) for link in Path(f"/proc/{pid}/fd").iterdir()}  # noqa: PTH115
        except OSError:
            continue
    rows = [line.split() for name in ("tcp", "tcp6") for line in Path(f"/proc/net/{name}").read_text().splitlines()[1:]]
    return {row[1].split(":")[0] for row in rows if row[3] == "0A" and f"socket:[{row[9]}]" in mine}


LOOPBACK = {"0100007F", "0000000000000000FFFF00000100007F", "00000000000000000000000001000000"}


@pytest.fixture(scope="module")
def quick(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Run the quickstart on the local backend and on Ray's own cluster; return the folder of both logs."""
    folder = tmp_path_factory.mktemp("quick")
    for backend in ("local", "ray"):
        shown = hpdash(
            "sweep", str(QUICKSTART), "--set", "train.epochs=4", "--backend", backend, "--logdir", backend, cwd=folder
        )
        assert (shown.returncode, "Traceback" in shown.stderr) == (0, False), shown.stderr
        assert f"tensorboard --logdir {backend}" in shown.stdout
    return folder


def test_the_same_bits_as_on_this_machine(quick: Path) -> None:
    """The scalars, histograms, weights and files of each run are the same as on the local backend."""
    local, ray = quick / "local" / "quickstart", quick / "ray" / "quickstart"
    assert series(ray) == series(local)
    assert digests(ray) == digests(local)
    assert not list(journal_faults(ray, 8))
    for number in range(8):
        ours, theirs = trial_folder(ray, number), trial_folder(local, number)
        assert session_ends(ours) == [api_pb2.STATUS_SUCCESS]
        assert _names(ours) == _names(theirs)
        assert digest(read(ours / layout.WEIGHTS).items()) == digest(read(theirs / layout.WEIGHTS).items())


def _names(run: Path) -> set[str]:
    paths = (path.relative_to(run).as_posix() for path in run.rglob("*"))
    return {re.sub(r"tfevents.*", "tfevents", path) for path in paths}


def test_nobody_else_reaches_a_cluster_of_our_own(tmp_path: Path) -> None:
    """A cluster that hpdash starts listens only to this machine while it runs, and is gone at the end."""
    path = own(tmp_path, "wait", loops=LOOPS)
    with driving(path, "--backend", "ray") as driver:
        until(lambda: states(tmp_path / "logs" / "own") if (tmp_path / "logs").exists() else {}, 60)
        heard_at = listening(driver.pid)
        driver.send_signal(signal.SIGINT)
        out, err = driver.communicate(timeout=60)
    assert heard_at
    assert heard_at <= LOOPBACK
    assert driver.returncode == 130, err
    assert "To continue: hpdash sweep" in out
    assert "Traceback" not in out + err
    assert states(tmp_path / "logs" / "own") == {0: TrialState.INTERRUPTED}
    until(lambda: not listening(driver.pid), 10)


def test_workers_see_no_logs_and_all_of_them_arrive(cluster: Any, tmp_path: Path) -> None:
    """On machines that share no folder, no worker opens anything in the logs, and the logs are complete."""
    does = [f"learn {number}" for number in range(6)]
    loops = {"there": LOOPS, "here": LOOPS.replace("if OPENED", "if False"), "seen": LOOPS}
    for name in loops:
        (tmp_path / name).mkdir()
    paths = {name: own(tmp_path / name, *does, loops=source) for name, source in loops.items()}
    shown = hpdash("sweep", paths["there"].name, *on(cluster), cwd=paths["there"].parent)
    assert shown.returncode == 0, shown.stdout + shown.stderr
    assert run(paths["here"])[0].exit_code == 0
    assert series(tmp_path / "there" / "logs" / "own") == series(tmp_path / "here" / "logs" / "own")
    errors = {result.error or "" for result in run(paths["seen"], fail_fast=True)[0].results.values()}
    assert any("RuntimeError: opened" in error for error in errors)  # the check works: a local worker opens logs


def checkpoint_times(sweep: Path) -> dict[Path, int]:
    """Return the time at which each checkpoint was written."""
    return {path: path.stat().st_mtime_ns for path in sweep.glob(f"*/{layout.CHECKPOINT}")}


def dawdling(folder: Path, *does: str, **keys: int) -> Path:
    """Write a sweep whose trials take 40 epochs and keep a checkpoint after each; return its file."""
    tables = {"train": {"epochs": 40}, "log": {"checkpoint_epochs": 1}, "hparams": {"does": does}}
    return made_sweep(folder, loop="loops:behave", source=LOOPS, sweep=keys, **tables)


def test_a_killed_actor_and_a_machine_that_goes(cluster: Any, tmp_path: Path) -> None:
    """A trial resumes on another machine from its checkpoint and ends with the bits of an undisturbed run.

    The output names the reason. The loss of a machine is not counted against the trial: one retry is enough for both
    faults.
    """
    path, sweep = dawdling(tmp_path, "dawdle", max_retries=1), tmp_path / "logs" / "own"
    with driving(path, *on(cluster)) as driver:
        until(lambda: checkpoint_times(sweep), 90)
        (actor,) = actors(cluster)
        os.kill(actor, signal.SIGKILL)
        until(lambda: 2 in {record.attempt for record in read_journal(sweep / layout.JOURNAL).transitions}, 60)
        before = checkpoint_times(sweep)
        until(lambda: checkpoint_times(sweep) != before, 90)
        cluster.remove_node(next(iter(actors(cluster).values())))
        out, err = driver.communicate(timeout=200)
    cluster.add_node(num_cpus=1)
    assert driver.returncode == 0, out + err
    killed = "its process was killed or has crashed, perhaps out of memory"
    for number, reason in enumerate((killed, "its machine has left the cluster")):
        assert re.search(rf"worker {number} on \S+ died: {reason}; trying again from epoch \d+", err), err
    assert [record.attempt for record in read_journal(sweep / layout.JOURNAL).latest.values()] == [3]
    alone = dawdling(tmp_path / "alone", "dawdle")
    alone.with_name("loops.py").write_text(LOOPS.replace("if OPENED", "if False"))
    assert run(alone)[0].exit_code == 0
    assert series(sweep) == series(tmp_path / "alone" / "logs" / "own")


@pytest.mark.slow
def test_workers_go_with_their_driver(cluster: Any, tmp_path: Path) -> None:
    """After kill -9 of the driver, its workers end, finished trials stay, and the next run resumes where it stopped."""
    path, sweep = dawdling(tmp_path, "learn", "dawdle"), tmp_path / "logs" / "own"
    with driving(path, *on(cluster)) as driver:
        until(lambda: checkpoint_times(sweep) and TrialState.FINISHED in states(sweep).values(), 60)
        driver.kill()
        until(lambda: not actors(cluster), 15)
    finished = (trial_folder(sweep, 0) / layout.CHECKPOINT).exists(), session_ends(trial_folder(sweep, 0))
    assert finished == (False, [api_pb2.STATUS_SUCCESS])
    assert hpdash("sweep", path.name, *on(cluster), cwd=tmp_path).returncode == 0
    assert not list(journal_faults(sweep, 2))
    steps = {step for run, tag, step in series(sweep) if run.startswith("0001") and tag == "epoch_loss"}
    assert steps == set(range(1, 41))


@pytest.mark.slow
def test_a_cluster_that_grows_is_used(cluster: Any, tmp_path: Path) -> None:
    """A machine that joins while a sweep runs gets work; at Ctrl-C all trials stop and the sweep says how to resume."""
    path, sweep = own(tmp_path, "wait", loops=LOOPS, repeats=3), tmp_path / "logs" / "own"
    with driving(path, *on(cluster)) as driver:
        until(lambda: sweep.exists() and len(states(sweep)) == 2, 60)
        node = cluster.add_node(num_cpus=1)
        until(lambda: len(states(sweep)) == 3, 60)
        driver.send_signal(signal.SIGINT)
        out, err = driver.communicate(timeout=60)
    cluster.remove_node(node)
    assert driver.returncode == 130, err
    assert "To continue: hpdash sweep" in out
    assert "Traceback" not in out + err
    assert set(states(sweep).values()) == {TrialState.INTERRUPTED}


def test_pruned_and_promoted_as_on_this_machine(cluster: Any, tmp_path: Path) -> None:
    """With one worker, a search that prunes decides the same on a cluster as locally, and promoted trials resume."""
    sweeps = {}
    for name in ("there", "here"):
        does = ["learn" + "+" * number for number in range(9)]
        tables = {"train": {"epochs": 9}, "prune": {"strategy": "asha"}, "hparams": {"does": does}}
        source = LOOPS.replace("if OPENED", "if False")
        path = made_sweep(tmp_path / name, loop="loops:behave", source=source, **tables)
        sweeps[name] = path.parent / "logs" / "own"
        shown = hpdash("sweep", path.name, "--workers", "1", *(on(cluster) if name == "there" else ()), cwd=path.parent)
        assert shown.returncode == 0, shown.stderr
    assert states(sweeps["there"]) == states(sweeps["here"])
    assert {TrialState.PRUNED, TrialState.FINISHED} == set(states(sweeps["there"]).values())
    assert max(record.attempt for record in read_journal(sweeps["there"] / layout.JOURNAL).transitions) > 1
    assert series(sweeps["there"]) == series(sweeps["here"])


def test_programs_on_a_cluster(cluster: Any, tmp_path: Path) -> None:
    """Programs log into the run folders, which all machines share; none outlives its actor; a killed one goes on."""
    command = (*COMMAND, "--state", "{state}")
    head = {"timeout": 5.0}
    path = program_sweep(tmp_path, {"does": ["learn", "die", "leave"]}, command=command, sweep=head)
    shown = hpdash("sweep", path.name, *on(cluster), cwd=tmp_path)
    assert shown.returncode == 1, shown.stderr
    folder = tmp_path / "logs" / "programs"
    assert states(folder) == {0: TrialState.FINISHED, 1: TrialState.KILLED, 2: TrialState.TIMED_OUT}
    until(lambda: not any(map(alive, noted_pids(tmp_path))), 20)
    (tmp_path / "mended").touch()
    shown = hpdash("sweep", path.name, *on(cluster), cwd=tmp_path)
    assert shown.returncode == 0, shown.stderr
    assert "going on after step 2" in (trial_folder(folder, 1) / layout.OUTPUT).read_text()


def test_a_hung_trial_is_timed_out(cluster: Any, tmp_path: Path) -> None:
    """A trial that takes too long is ended with its actor, and the other trials continue."""
    path = own(tmp_path, "wait", "learn", loops=LOOPS, timeout=2)
    shown = hpdash("sweep", path.name, *on(cluster), cwd=tmp_path)
    assert shown.returncode == 1, shown.stderr
    assert "timed out: it took more than 2 s" in shown.stdout + shown.stderr
    assert states(tmp_path / "logs" / "own") == {0: TrialState.TIMED_OUT, 1: TrialState.FINISHED}


def test_a_full_disk(cluster: Any, disk: Path, tmp_path: Path) -> None:
    """If the disk is full, the sweep exits with 4 and the bytes free, and the last checkpoint is whole.

    Once there is room, the same command completes the sweep.
    """
    path, folder = large(tmp_path), disk / "own"
    size(disk, 2 * CHECKPOINT_SIZE)  # room for one checkpoint and the other files, but not for a second checkpoint
    full = hpdash("sweep", path.name, *on(cluster), cwd=tmp_path)
    assert full.returncode == 4, full.stderr
    assert re.search(r"checkpoint\.npz: .*No space left on device \([\d,]+ bytes free\)", full.stderr)
    assert states(folder) == {0: TrialState.INTERRUPTED}
    assert checkpoint.read(trial_folder(folder, 0) / layout.CHECKPOINT).epoch == 1
    size(disk, ROOM)
    assert hpdash("sweep", path.name, *on(cluster), cwd=tmp_path).returncode == 0
    assert {step for _, tag, step in series(folder) if tag == "epoch_loss"} == {1, 2, 3}
    assert not list(journal_faults(folder, 1))
    assert list(disk.rglob("*.part")) == []


def test_what_a_cluster_cannot_give(cluster: Any, tmp_path: Path) -> None:
    """If a cluster has no room for a worker or is not there, one line says so before anything is written."""
    path = own(tmp_path, "learn", loops=LOOPS)
    no_room = hpdash("sweep", path.name, *on(cluster), "--cpus", "1000000", cwd=tmp_path)
    nobody = hpdash("sweep", path.name, "--backend", "ray", "--address", "127.0.0.1:1", cwd=tmp_path)
    assert [(shown.returncode, shown.stdout) for shown in (no_room, nobody)] == [(4, ""), (4, "")]
    assert all(part in no_room.stderr for part in ("no room for a worker", "1e+06 CPUs", "--cpus", "--workers"))
    assert "expected a Ray cluster, found: Connection refused" in nobody.stderr
    assert [len(shown.stderr.splitlines()) for shown in (no_room, nobody)] == [1, 1]
    assert not (tmp_path / "logs").exists()


@pytest.mark.slow
def test_the_head_of_the_cluster_goes(tmp_path: Path) -> None:
    """If the head of the cluster dies, the sweep exits with 4 and one line that says so.

    The finished trials stay, and the rest runs again.
    """
    path, sweep = own(tmp_path, "learn", "wait", loops=LOOPS), tmp_path / "logs" / "own"
    with clustered(head_cpus=1) as doomed, driving(path, *on(doomed)) as driver:
        until(lambda: sweep.exists() and len(states(sweep)) == 2, 60)
        (head,) = doomed.head_node.all_processes["gcs_server"]
        head.process.kill()
        out, err = driver.communicate(timeout=100)
    assert (driver.returncode, out) == (4, ""), err
    assert all(part in err.splitlines()[-1] for part in ("head of the Ray cluster", "the same command again"))
    assert states(sweep)[0] is TrialState.FINISHED
    path.with_name("loops.py").write_text(LOOPS.replace('== "wait"', '== "nothing"'))
    assert [event.spec.number for event in run(path, accept_changes=True)[1] if isinstance(event, Started)] == [1]


@pytest.mark.parametrize("share", [0.0, 0.001, 1.5, float("nan"), float("inf")])
def test_what_a_cluster_cannot_share_out(share: float) -> None:
    """A share of CPUs that Ray would refuse in the middle of a sweep is refused when the user gives it."""
    with pytest.raises(SpecError, match=rf"--cpus: .*0\.01 to 1, .*whole number, found {share:g}$"):
        Cluster(cpus=share)


def test_options_of_a_cluster_need_one(tmp_path: Path) -> None:
    """`--cpus` without Ray is an error."""
    path = own(tmp_path, "learn", loops=LOOPS)
    shown = hpdash("sweep", path.name, "--cpus", "2", cwd=tmp_path)
    assert shown.returncode == 2
    assert "--backend ray" in shown.stderr
    assert not (tmp_path / "logs").exists()
