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

from ..errors import BackendError
from ..signals import WATCHED
from .worker import Setup

OF_OUR_OWN = {  # the environment in which Ray begins a cluster
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",  # all that it starts listens to this machine alone
    "RAY_AUTH_MODE": "token",  # and, of this machine's users, to this one
    "RAY_USAGE_STATS_ENABLED": "0",  # and tells nobody else
}
CONNECT_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Cluster:
    """A Ray cluster by its address, None for one of our own on this machine; the CPUs and GPUs a worker takes of it."""

    address: str | None = None
    cpus: float = 1.0
    gpus: float = 0.0

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


def connect(cluster: Cluster, workers: int | None, setup: Setup, logs: Path) -> Connection:
    """Connect to a cluster, or begin one of our own; BackendError where that cannot be.

    A cluster of our own listens to this machine alone and has no dashboard. On another, workers may have no such folder
    as that of the sweep file: it travels there, but for the logs. Where this process is connected already, as in a
    notebook, it stays with that.
    """
    if cluster.address is None:
        os.environ |= {name: os.environ.get(name, value) for name, value in OF_OUR_OWN.items()}
    else:
        _check(cluster.address)
    handlers = {number: signal.getsignal(number) for number in WATCHED}
    import ray  # noqa: PLC0415  it reads the environment when imported

    if ray.is_initialized():
        return Connection(ray, ours=False, is_sent=False)
    is_own = cluster.address in (None, "local")
    options: dict[str, Any] = {"runtime_env": {"env_vars": setup.environment}}
    if is_own:
        options |= {"include_dashboard": False, "_node_ip_address": "127.0.0.1"}
        options |= {} if workers is None else {"num_cpus": math.ceil(workers * cluster.cpus)}
    is_sent = setup.own_code and not is_own
    if is_sent:
        options["runtime_env"] |= _sent(setup.folder, logs)
    try:
        ray.init(cluster.address or "local", log_to_driver=False, logging_level="error", **options)
    except (ConnectionError, ray.exceptions.RayError, RuntimeError, ValueError) as error:
        raise _no_cluster(cluster.address, str(error)) from None
    finally:
        if threading.current_thread() is threading.main_thread():
            for number, handler in handlers.items():
                signal.signal(number, handler)  # Ray takes SIGTERM for itself
    return Connection(ray, ours=True, is_sent=is_sent)


def _check(address: str) -> None:
    """Make sure that somebody listens at HOST:PORT: Ray would try for minutes."""
    host, _, port = address.rpartition(":")
    if "://" in address:
        raise _no_cluster(address, "an address for Ray Client. Type the command on a machine of the cluster")
    if host and port.isdigit():
        try:
            socket.create_connection((host, int(port)), CONNECT_SECONDS).close()
        except OSError as error:
            raise _no_cluster(address, error.strerror or str(error)) from None


def _no_cluster(address: str | None, found: str) -> BackendError:
    hint = "`ray start --head` begins one; without --address, hpdash begins its own on this machine."
    return BackendError(f"--address {address}: expected a Ray cluster, found: {found}. {hint}")


def _sent(folder: Path, logs: Path) -> dict[str, Any]:
    inside = logs.resolve().is_relative_to(folder)
    return {"working_dir": str(folder), "excludes": [f"/{logs.resolve().relative_to(folder)}/"] if inside else []}
