"""Which Ray cluster a sweep runs on, and how its driver gets there."""

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
from ..signals import WATCHED
from .worker import Setup

OF_OUR_OWN = {  # the environment in which Ray begins a cluster
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",  # all that it starts listens to this machine alone
    "RAY_AUTH_MODE": "token",  # and, of this machine's users, to this one
    "RAY_USAGE_STATS_ENABLED": "0",  # and tells nobody else
}
LOOPBACK = "127.0.0.1"
CONNECT_SECONDS = 10.0
ANSWER_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Cluster:
    """A Ray cluster by its address, None for one of our own on this machine; the CPUs and GPUs a worker takes of it."""

    address: str | None = None
    cpus: float = 1.0
    gpus: float = 0.0

    def __post_init__(self) -> None:
        """Refuse what Ray cannot share out."""
        bad = [
            Problem(name, "a share of at least 0.01, or a whole number", f"{value:g}")
            for name, value, least in (("--cpus", self.cpus, 0.01), ("--gpus", self.gpus, 0.0))
            if not (0.01 <= value <= 1 or (value >= least and float(value).is_integer()))
        ]
        if bad:
            raise SpecError(bad)

    @property
    def is_own(self) -> bool:
        """Whether it is one that hpdash begins and ends."""
        return self.address in (None, "", "local")

    @property
    def needs(self) -> str:
        """What a worker takes, in words."""
        return f"{self.cpus:g} CPUs and {self.gpus:g} GPUs"


@dataclass(frozen=True, slots=True)
class Connection:
    """Ray, connected; whether we did that, and whether workers got the folder of the user's code."""

    ray: Any
    ours: bool
    is_sent: bool

    def answers(self) -> bool:
        """Say whether the cluster's head is there: without it, Ray ends this process after a minute, with no word."""
        host, _, port = self.ray.get_runtime_context().gcs_address.rpartition(":")
        try:
            socket.create_connection((host.strip("[]"), int(port)), ANSWER_SECONDS).close()
        except OSError:
            return False
        return True


def connect(cluster: Cluster, workers: int | None, setup: Setup, logs: Path) -> Connection:
    """Connect to a cluster, or begin one of our own; BackendError where that cannot be.

    A cluster of our own listens to this machine alone and has no dashboard. On another, workers may have no such folder
    as that of the sweep file: it travels there, but for the logs. Where this process is connected already, as in a
    notebook, it stays with that.
    """
    if cluster.is_own:
        os.environ |= {name: os.environ.get(name, value) for name, value in OF_OUR_OWN.items()}
    elif cluster.address != "auto":
        _check(str(cluster.address))
    handlers = {number: signal.getsignal(number) for number in WATCHED}
    import ray  # noqa: PLC0415  it reads the environment when imported

    if ray.is_initialized():
        return Connection(ray, ours=False, is_sent=False)
    is_sent = setup.own_code and not cluster.is_own
    environment = {"env_vars": setup.environment, **(_sent(setup.folder, logs) if is_sent else {})}
    in_main = threading.current_thread() is threading.main_thread()
    try:
        if in_main:
            signal.signal(signal.SIGHUP, signal.SIG_IGN)  # what begins now is to outlive a terminal that closes
        address, options = _asked(cluster, workers)
        ray.init(address, runtime_env=environment, log_to_driver=False, logging_level="error", **options)
    except Exception as error:  # Ray raises of all kinds
        raise _no_cluster(cluster.address, f"{type(error).__name__}: {error}") from None
    finally:
        for number, handler in handlers.items() if in_main else ():
            signal.signal(number, handler)  # Ray takes SIGTERM for itself
    if cluster.is_own and ray.util.get_node_ip_address() != LOOPBACK:
        ray.shutdown()
        hint = "Call hpdash first, or ray.init() yourself."
        raise BackendError(f"Ray was imported before it could be told to listen to this machine alone. {hint}")
    return Connection(ray, ours=True, is_sent=is_sent)


def _asked(cluster: Cluster, workers: int | None) -> tuple[str | None, dict[str, Any]]:
    """Return what Ray is asked for: an address, and how to begin where that is our own cluster."""
    if not cluster.is_own:
        return cluster.address, {}
    room = {} if workers is None else {"num_cpus": math.ceil(workers * cluster.cpus)}
    return "local", {"include_dashboard": False, "_node_ip_address": LOOPBACK, **room}


def _check(address: str) -> None:
    """Make sure that somebody listens at HOST:PORT: Ray would try for minutes."""
    host, _, port = address.rpartition(":")
    if "://" in address:
        raise _no_cluster(address, "an address for Ray Client. Type the command on a machine of the cluster")
    if host and port.isdigit():
        try:
            socket.create_connection((host, int(port)), CONNECT_SECONDS).close()
        except (OSError, UnicodeError) as error:
            raise _no_cluster(address, getattr(error, "strerror", None) or str(error)) from None


def _no_cluster(address: str | None, found: str) -> BackendError:
    hint = "`ray start --head` begins one; without --address, hpdash begins its own on this machine."
    return BackendError(f"--address {address}: expected a Ray cluster, found: {found}. {hint}")


def _sent(folder: Path, logs: Path) -> dict[str, Any]:
    inside = logs.resolve().is_relative_to(folder)
    return {"working_dir": str(folder), "excludes": [f"/{logs.resolve().relative_to(folder)}/"] if inside else []}
