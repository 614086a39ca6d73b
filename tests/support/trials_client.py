"""A client of the routes of the Trials tab, without a TensorBoard."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from tensorboard.plugins import base_plugin
from werkzeug.test import Client

from hpdash.plugin.loader import TrialsLoader


def client(**flags: object) -> Client:
    """Return a client of the plugin's routes."""
    context = base_plugin.TBContext(flags=SimpleNamespace(**flags), logdir=flags.get("logdir"))
    plugin = TrialsLoader().load(context)
    assert plugin is not None

    def app(environ: dict[str, Any], start: Any) -> Any:
        apps = plugin.get_plugin_apps()
        return apps.get(environ["PATH_INFO"], apps["/*"])(environ, start)

    return Client(app)
