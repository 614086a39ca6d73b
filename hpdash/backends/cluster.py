"""Which Ray cluster a sweep runs on, and how its driver connects to it."""

from __future__ import annotations

import math
import os
import signal
import socket
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import BackendError, Problem, SpecError
from ..system.signals import WATCHED
from .worker import WorkerSetup

OWN_CLUSTER_ENVIRONMENT = {  # the environment variables for a cluster that hpdash starts
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",  # its processes listen on this machine only
    "RAY_AUTH_MODE": "token",  # no other user of this machine can connect
    "RAY_USAGE_STATS_ENABLED": "0",  # no usage statistics are sent
}
LOOPBACK = "127.0.0.1"
CONNECT_SECONDS = 10.0
ANSWER_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Cluster:
    """The address of a Ray cluster, and the CPUs and GPUs that Ray reserves for each worker.

    `address` is None for a cluster that hpdash starts on this machine.
    """

    address: str | None = None
    cpus: float = 1.0
    gpus: float = 0.0

    def __post_init__(self) -> None:
        """Raise SpecError if Ray cannot allocate these amounts."""
        bad = [
            Problem(name, f"{'' if least else '0, '}a fraction from 0.01 to 1, or a larger whole number", f"{value:g}")
            for name, value, least in (("--cpus", self.cpus, 0.01), ("--gpus", self.gpus, 0.0))
            if not (0.01 <= value <= 1 or (value >= least and float(value).is_integer()))
        ]
        if bad:
            raise SpecError(bad)

    @property
    def is_own(self) -> bool:
        """Whether hpdash starts and ends the cluster."""
        return self.address in (None, "", "local")

    @property
    def needs(self) -> str:
        """The CPUs and GPUs that Ray reserves for a worker, as text."""
        return f"{self.cpus:g} CPUs and {self.gpus:g} GPUs"


@dataclass(frozen=True, slots=True)
class Connection:
    """A connection to a Ray cluster.

    `ours` says that hpdash made the connection, `is_code_copied` that Ray copies the folder of the user's code to the
    workers.
    """

    ray: Any
    ours: bool
    is_code_copied: bool

    def answers(self) -> bool:
        """Return whether the cluster's head answers; Ray silently ends this process if it does not for a minute."""
        host, _, port = self.ray.get_runtime_context().gcs_address.rpartition(":")
        try:
            socket.create_connection((host.strip("[]"), int(port)), ANSWER_SECONDS).close()
        except OSError:
            return False
        return True


def connect(cluster: Cluster, workers: int | None, setup: WorkerSetup, logs: Path) -> Connection:
    """Connect to a cluster, or start one on this machine; raises BackendError if that fails.

    A cluster that hpdash starts listens on this machine only and has no dashboard. The machines of another cluster may
    not have the folder of the sweep file. If workers need the user's code, Ray therefore copies the folder to them,
    without the logs. If this process is already connected, as in a notebook, that connection is used.
    """
    if cluster.is_own:
        os.environ |= {name: os.environ.get(name, value) for name, value in OWN_CLUSTER_ENVIRONMENT.items()}
    elif cluster.address != "auto":
        _check_address(str(cluster.address))
    handlers = {number: signal.getsignal(number) for number in WATCHED}
    import ray  # noqa: PLC0415  Ray reads the environment variables when it is imported

    if ray.is_initialized():
        return Connection(ray, ours=False, is_code_copied=False)
    is_code_copied = setup.own_code and not cluster.is_own
    environment = {"env_vars": setup.environment, **(_copied_folder(setup.folder, logs) if is_code_copied else {})}
    in_main = threading.current_thread() is threading.main_thread()
    try:
        if in_main:
            signal.signal(signal.SIGHUP, signal.SIG_IGN)  # the cluster must survive a terminal that closes
        address, options = _init_arguments(cluster, workers)
        ray.init(address, runtime_env=environment, log_to_driver=False, logging_level="error", **options)
    except Exception as error:  # Ray raises exceptions of many kinds
        raise _no_cluster(cluster.address, f"{type(error).__name__}: {error}") from None
    finally:
        for number, handler in handlers.items() if in_main else ():
            signal.signal(number, handler)  # Ray installs its own handler of SIGTERM
    if cluster.is_own and ray.util.get_node_ip_address() != LOOPBACK:
        ray.shutdown()
        hint = "Call hpdash before you import ray, or call ray.init() yourself before you call hpdash."
        raise BackendError(f"Ray was imported too early to restrict it to this machine. {hint}")
    return Connection(ray, ours=True, is_code_copied=is_code_copied)


def _init_arguments(cluster: Cluster, workers: int | None) -> tuple[str | None, dict[str, Any]]:
    """Return the address for `ray.init`, and its options if it starts a cluster."""
    if not cluster.is_own:
        return cluster.address, {}
    room = {} if workers is None else {"num_cpus": math.ceil(workers * cluster.cpus)}
    return "local", {"include_dashboard": False, "_node_ip_address": LOOPBACK, **room}


def _check_address(address: str) -> None:
    """Raise BackendError if nothing listens at HOST:PORT, because Ray would try for minutes."""
    host, _, port = address.rpartition(":")
    if "://" in address:
        found = "an address for Ray Client, which hpdash does not support. Run the command on a machine of the cluster"
        raise _no_cluster(address, found)
    if host and port.isdigit():
        try:
            socket.create_connection((host, int(port)), CONNECT_SECONDS).close()
        except (OSError, UnicodeError) as error:
            raise _no_cluster(address, getattr(error, "strerror", None) or str(error)) from None


def _no_cluster(address: str | None, found: str) -> BackendError:
    hint = "Start a cluster with `ray start --head`, or leave out --address: hpdash then starts one on this machine."
    return BackendError(f"--address {address}: expected a Ray cluster, found: {found}. {hint}")


def _copied_folder(folder: Path, logs: Path) -> dict[str, Any]:
    """Return the part of Ray's runtime environment that copies a folder to the workers, without the logs."""
    inside = logs.resolve().is_relative_to(folder)
    return {"working_dir": str(folder), "excludes": [f"/{logs.resolve().relative_to(folder)}/"] if inside else []}
