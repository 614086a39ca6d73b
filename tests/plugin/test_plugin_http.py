"""Tests of the Weights tab in a real TensorBoard over HTTP, with both loaders and with missing or broken parts."""

from __future__ import annotations

import gzip
import json
import re
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import urlencode

import numpy as np
import pytest
from boards import Board
from tensorboard.context import RequestContext
from tensorboard.plugins import base_plugin
from weights_logs import KERNEL, RUNS, write_logs
from werkzeug.test import Client

from hpdash.logs import layout
from hpdash.plugin import assets
from hpdash.plugin.answer_cache import AnswerCache
from hpdash.plugin.loader import Loader, TrialsLoader


@pytest.fixture(scope="module")
def logs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Logs with a sweep, hostile names, damage, and a long series."""
    root = tmp_path_factory.mktemp("logs")
    write_logs(root)
    return root


@pytest.fixture(scope="module", params=["true", "false"], ids=["default-server", "python-loader"])
def board(request: pytest.FixtureRequest, logs: Path) -> Iterator[Board]:
    """A real TensorBoard over the logs."""
    with Board(logs, request.param, tensorflow=True) as board:
        yield board.until(lambda board: len(board.get(f"plugin/{layout.PLUGIN}/overview", sweep="*")["runs"]) == RUNS)


def http(board: Board, path: str, method: str = "GET", **headers: str) -> tuple[int, Any, bytes]:
    """Request a path below the plugin's; return status, headers and body."""
    url = f"{board.url}/data/plugin/{layout.PLUGIN}/{path}"
    request = urllib.request.Request(url, None if method == "GET" else b"", headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=20) as response:
            return response.status, response.headers, response.read()
    except urllib.error.HTTPError as error:
        return error.code, error.headers, error.read()


def test_tensorboard_shows_the_tab(board: Board) -> None:
    """TensorBoard lists the tab as active without any setting, with the module that draws it."""
    listed = board.get("plugins_listing")[layout.PLUGIN]
    assert listed["enabled"] and listed["tab_name"] == "Weights"
    page = listed["loading_mechanism"]["module_path"]
    assert re.search(rf"/plugin/{layout.PLUGIN}/[0-9a-f]{{12}}/weights/index\.js$", page)


def test_a_browser_keeps_the_files_of_a_version(board: Board) -> None:
    """A file with the version in its address may be kept for a year; without it, or with another one, it may not."""
    status, headers, content = http(board, f"{assets.version()}/weights/index.js")
    assert status == 200 and f"max-age={365 * 24 * 3600}" in headers["Cache-Control"]
    status, headers, same = http(board, "weights/index.js")
    assert same == content and "max-age" not in headers.get("Cache-Control", "")
    assert http(board, f"{'0' * 12}/weights/index.js")[0] == 404


@pytest.mark.filterwarnings("ignore:html5lib")
@pytest.mark.parametrize(("tab", "loader"), [("Weights", Loader), ("Trials", TrialsLoader)])
def test_every_route_is_in_http_api(tab: str, loader: type[Loader | TrialsLoader]) -> None:
    """The section of a tab in http_api.md has a heading for each route and for no other."""
    plugin = loader().load(base_plugin.TBContext())
    assert plugin is not None
    text = Path(assets.__file__).with_name("http_api.md").read_text()
    section = text.partition(f"## {tab} tab")[2].partition("\n## ")[0]
    headings = re.findall(r"^### (\w+)", section, re.MULTILINE)
    assert {f"/{name}" for name in headings} == set(plugin.get_plugin_apps()) - {"/*"}


def test_routes_answer(board: Board) -> None:
    """Each route answers a request, gzipped if the client accepts gzip."""
    answer = board.get(f"plugin/{layout.PLUGIN}/distributions", tag=KERNEL, bins="10")
    assert len(answer["runs"]) == 4 and answer["version"] == board.get(f"plugin/{layout.PLUGIN}/overview")["version"]
    query = urlencode({"tag": KERNEL, "by": "batchnorm", "keep": '{"flag": [true]}', "reference": '"none"'})
    assert json.loads(http(board, f"spread?{query}")[2])["tags"][0]["verdicts"]
    status, headers, body = http(board, f"distributions?tag={KERNEL}&bins=10", **{"Accept-Encoding": "gzip"})
    assert (status, headers["Content-Encoding"]) == (200, "gzip")
    assert json.loads(gzip.decompress(body)) == answer


def test_the_module_and_what_it_imports_are_served(board: Board) -> None:
    """Every module and stylesheet of the package is served with its content type."""
    static = Path(assets.__file__).with_name("static")
    files = [file for file in static.rglob("*") if file.is_file()]
    assert files
    for file in files:
        status, headers, body = http(board, file.relative_to(static).as_posix())
        assert (status, body) == (200, file.read_bytes())
        assert headers["Content-Type"].startswith({".js": "text/javascript", ".css": "text/css"}[file.suffix])


@pytest.mark.parametrize(
    ("path", "status", "found"),
    [
        pytest.param("overview?x=1", 400, "argument 'x'", id="unknown-argument"),
        pytest.param("distributions", 400, "argument tag is missing", id="no-tag"),
        pytest.param("distributions?tag=a&tag=b", 400, "found 2", id="two-tags"),
        pytest.param("distributions?tag=nowhere", 404, "'nowhere'", id="no-such-tag"),
        pytest.param("distributions?tag=" + "x" * 20_000, 404, "20,002 characters", id="a-huge-tag"),
        pytest.param("distributions?tag=%00%ff", 404, "tag:", id="bytes-that-are-no-text"),
        pytest.param("distributions?tag=long&bins=0", 400, "from 1 to 500", id="no-bins"),
        pytest.param("distributions?tag=long&bins=1e9", 400, "'1e9'", id="bins-no-whole-number"),
        pytest.param("distributions?tag=long&bins=" + "9" * 5000, 400, "characters", id="a-huge-number"),
        pytest.param("distributions?tag=long&clip=nan", 400, "'nan'", id="clip-nan"),
        pytest.param("distributions?tag=long&clip=2", 400, "'2'", id="clip-over-1"),
        pytest.param("spread?by=batchnorm", 400, "argument tag is missing", id="spread-of-nothing"),
        pytest.param("spread?tag=long&by=nothing", 400, "'nothing'", id="no-such-hyperparameter"),
        pytest.param("spread?tag=nowhere", 404, "'nowhere'", id="spread-of-no-such-tag"),
        pytest.param("spread?" + "&".join(f"tag={n}" for n in range(99)), 400, "at most 64", id="too-many-tags"),
        pytest.param("spread?tag=long&keep={", 400, "expected JSON", id="keep-no-json"),
        pytest.param("spread?tag=long&keep=" + "[" * 20_000, 400, "expected JSON", id="keep-too-deep"),
        pytest.param("spread?tag=long&keep=[1]", 400, "keep: expected", id="keep-no-table"),
        pytest.param('spread?tag=long&keep={"flag":1}', 400, "keep: expected", id="keep-no-list"),
        pytest.param('spread?tag=long&keep={"flag":[[]]}', 400, "expected values", id="keep-no-values"),
        pytest.param('spread?tag=long&keep={"x":[]}', 400, "'x'", id="keep-no-such-name"),
        pytest.param("spread?tag=long&runs=1-", 400, "runs: expected indices", id="runs-no-places"),
        pytest.param("spread?tag=long&runs=0-999999999", 400, "runs: expected indices", id="runs-beyond"),
        pytest.param("spread?tag=long&by=batchnorm&reference=7", 400, "reference: expected", id="no-such-reference"),
        pytest.param("spread?tag=long&reference={}", 400, "reference: expected", id="reference-no-value"),
        pytest.param("nowhere", 404, "'nowhere'", id="no-such-route"),
        pytest.param("..%2f..%2fplugin.py", 404, "no file or route", id="a-path"),
        pytest.param("..%2fplugin.py", 404, "no file or route", id="the-folder-above"),
        pytest.param("static/weights/index.js", 404, "no file or route", id="the-folder-itself"),
        pytest.param("weights/index.js%00", 404, "no file or route", id="nul"),
    ],
)
def test_bad_requests(board: Board, path: str, status: int, found: str) -> None:
    """A bad request gets a short sentence that says what is wrong, and never the content of a file."""
    answered, headers, body = http(board, path.replace('"', "%22").replace("{", "%7B").replace("[", "%5B"))
    assert answered == status
    assert headers["Content-Type"] == "application/json"
    [(key, sentence)] = json.loads(body).items()
    assert key == "error" and found in sentence and sentence.endswith(".") and len(sentence) < 400


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "HEAD"])
@pytest.mark.parametrize("path", ["overview", f"distributions?tag={KERNEL}", "spread", "weights/index.js"])
def test_nothing_but_get(board: Board, path: str, method: str) -> None:
    """Every route refuses all methods but GET."""
    status, headers, _ = http(board, path, method)
    assert (status, headers["Allow"]) == (405, "GET")


# --- what is missing or broken


class Gone:
    """A data provider that cannot be reached."""

    def list_tensors(self, *_: object, **__: object) -> None:
        """Raise an error."""
        raise RuntimeError("gone")


@pytest.mark.filterwarnings("ignore:html5lib")  # TensorBoard's own import
def test_a_data_server_that_is_gone_is_told() -> None:
    """If TensorBoard's data provider fails, the request is answered with status 503 and the reason."""
    plugin = Loader().load(base_plugin.TBContext(data_provider=Gone()))
    assert plugin is not None
    environ = {"tensorboard.request_context": RequestContext()}
    response = Client(plugin.get_plugin_apps()["/overview"]).get("/overview", environ_overrides=environ)
    assert response.status_code == 503
    assert "gone" in response.get_json()["error"]


def test_a_missing_piece_leaves_the_tab_out(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """If the plugin cannot be imported, TensorBoard has no Weights tab, and the log has one line."""
    monkeypatch.setitem(sys.modules, "hpdash.plugin.plugin", None)
    assert Loader().load(base_plugin.TBContext()) is None
    [line] = caplog.records
    assert line.getMessage().startswith("hpdash: the Weights tab cannot be loaded: ModuleNotFoundError: ")


def test_tensorboard_starts_with_a_broken_piece(logs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An experiment record has the tag and content that the HParams plugin expects, in a folder with no other file."""
    (tmp_path / "google_crc32c.py").write_text("raise RuntimeError('broken')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with Board(logs, "true") as board:
        listing = board.until(lambda board: board.runs() != set()).get("plugins_listing")
    assert layout.PLUGIN not in listing and listing["histograms"]["enabled"]


HEAVY = """
import sys
from hpdash.plugin.loader import Loader, TrialsLoader
light = {name for name in sys.modules if name.startswith("hpdash")}
from tensorboard.plugins import base_plugin
assert light <= {"hpdash", "hpdash.plugin", "hpdash.plugin.loader"}, light
assert Loader().load(base_plugin.TBContext()) is not None
heavy = {"tensorflow", "keras", "sklearn", "plotly", "pydantic", "rich", "click", "pandas"} & set(sys.modules)
assert not heavy, heavy
"""


def test_loading_the_tab_loads_nothing_heavy() -> None:
    """The entry point imports nothing else of hpdash, and the tab imports no package that is slow to load."""
    subprocess.run([sys.executable, "-c", HEAVY], check=True, timeout=60)


def test_bodies_are_made_once_and_bounded() -> None:
    """An answer is made at its first use and kept while there is room, also with concurrent threads."""
    bodies, made = AnswerCache(most=200), []

    def make(key: int) -> str:
        made.append(key)
        return json.dumps(np.random.default_rng(key).bytes(40).hex())

    threads = [Thread(target=lambda n=n: bodies.get(n % 3, lambda: make(n % 3))) for n in range(30)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(made) == {0, 1, 2}
    made.clear()
    bodies.get(2, lambda: make(2))
    for key in range(3, 9):
        bodies.get(key, lambda key=key: make(key))
    bodies.get(8, lambda: make(8))
    bodies.get(0, lambda: make(0))
    assert made == [3, 4, 5, 6, 7, 8, 0]
