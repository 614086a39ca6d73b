"""Tests of row 25: missing data without a network, corrupt or hostile archives, and two fetches at once."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
from commands import hpdash, patched
from driven import snapshot
from sweep_files import made_sweep

NO_NETWORK = dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), "http://127.0.0.1:9")
# MNIST with two pictures. A fake Keras without TensorFlow fetches it slowly and records the call, to test the lock.
TINY = """
import hashlib, sys, time
from pathlib import Path
from types import ModuleType
import numpy as np
from hpdash.data.archives import ARCHIVES

arrays = [np.zeros(shape, np.uint8) for shape in ((1, 28, 28), (1,), (1, 28, 28), (1,))]
digest = hashlib.sha256(b"".join(array.tobytes() for array in arrays)).hexdigest()
for name, value in dict(train=1, test=1, sha256=digest).items():
    object.__setattr__(ARCHIVES["mnist"], name, value)

def load_data():
    with Path({calls!r}).open("a") as file:
        file.write("fetched ")
    time.sleep(1)
    return (arrays[0], arrays[1]), (arrays[2], arrays[3])

keras, mnist = ModuleType("keras"), ModuleType("keras.datasets.mnist")
keras.utils = ModuleType("keras.utils")
keras.utils.disable_interactive_logging = lambda: None
mnist.load_data = load_data
sys.modules.update({{"keras": keras, "keras.datasets": ModuleType("keras.datasets"), "keras.datasets.mnist": mnist}})
"""


@pytest.fixture
def data(tmp_path: Path) -> dict[str, str]:
    """Return an environment with an empty data folder, an isolated home folder and no network."""
    (tmp_path / "home" / ".keras").mkdir(parents=True)
    (tmp_path / "home" / ".keras" / "keras.json").write_text("{}")  # Keras would write one on its first import
    made_sweep(tmp_path, name="far", data={"name": "mnist"}, train={"epochs": 1}, hparams={"dropout": [0.1, 0.2]})
    return {**NO_NETWORK, "no_proxy": "", "HOME": str(tmp_path / "home"), "HPDASH_DATA": str(tmp_path / "data")}


def test_missing_data_without_a_network(tmp_path: Path, data: Mapping[str, str]) -> None:
    """Missing data without a network end a sweep with 4 before any worker starts.

    The message says where hpdash looked, how to fetch the data and how to place them by hand.
    """
    shown = hpdash("sweep", "far.toml", cwd=tmp_path, environment=data)
    assert shown.returncode == 4
    assert "mnist could not be fetched: Exception: URL fetch failure" in shown.stderr
    assert f"Looked for {tmp_path / 'data' / 'mnist.npz'} ($HPDASH_DATA)." in shown.stderr
    assert "hpdash data get mnist" in shown.stderr
    assert "By hand, from uint8 arrays of 60000 x 28 x 28" in shown.stderr
    assert "Traceback" not in shown.stderr
    assert not (tmp_path / "logs").exists()
    assert {path.name for path in (tmp_path / "data").iterdir()} <= {".mnist.lock"}
    assert list((tmp_path / "home").rglob("*.npz")) == []


def npz(**members: bytes) -> bytes:
    """Return an archive of `.npy` members with any bytes and names."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as bundle:
        for name, content in members.items():
            bundle.writestr(name.replace("__", "/").replace("UP", "..") + ".npy", content)
    return file.getvalue()


class Bomb:
    """An object that creates a file when it is unpickled."""

    def __reduce__(self) -> tuple[Callable[..., object], tuple[str, str]]:
        return open, ("unpickled", "w")


def pickled() -> bytes:
    """Return an archive whose arrays are pickles that run code when they are loaded."""
    file = io.BytesIO()
    np.save(file, np.array([Bomb()], dtype=object), allow_pickle=True)
    return npz(x_train=file.getvalue(), y_train=file.getvalue(), x_test=file.getvalue(), y_test=file.getvalue())


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"<html>404</html>", id="a-web-page"),
        pytest.param(npz(x_train=b"\x93NUMPY\x01\x00")[:-20], id="torn"),
        pytest.param(npz(UP__UP__escaped=b"x"), id="leads-out-of-its-folder"),
        pytest.param(pickled(), id="pickles"),
    ],
)
def test_a_corrupt_or_hostile_archive(tmp_path: Path, data: Mapping[str, str], content: bytes) -> None:
    """A corrupt or hostile archive ends a sweep with 4; the message names the archive and says what to do.

    Nothing is unpickled or written, and the archive is unchanged.
    """
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "mnist.npz").write_bytes(content)
    before = snapshot(tmp_path)
    shown = hpdash("sweep", "far.toml", "--workers", "1", cwd=tmp_path, environment=data)
    assert shown.returncode == 4
    assert f"{tmp_path / 'data' / 'mnist.npz'} cannot be used" in shown.stderr
    assert "Remove it, then: hpdash data get mnist." in shown.stderr
    assert "Traceback" not in shown.stderr
    assert snapshot(tmp_path) == before


def test_two_fetches_at_once(tmp_path: Path, data: Mapping[str, str]) -> None:
    """If two commands want a data set, one fetches it, and the other waits and then uses it.

    Only the archive and its lock are left.
    """
    calls = tmp_path / "calls"
    environment = {**os.environ, **data, **patched(tmp_path, TINY.format(calls=str(calls)))}
    command = [sys.executable, "-m", "hpdash", "data", "get", "mnist"]
    both = [subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    said = [process.communicate(timeout=60)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert said == [f"mnist: {tmp_path / 'data' / 'mnist.npz'}\n"] * 2
    assert calls.read_text() == "fetched "
    assert {path.name for path in (tmp_path / "data").iterdir()} <= {"mnist.npz", ".mnist.lock"}
