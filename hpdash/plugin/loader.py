"""The module that TensorBoard imports for the tabs.

TensorBoard does not catch errors of this import, so it must not raise any; and it has to be fast.
"""

from __future__ import annotations

from importlib import import_module

from tensorboard.plugins import base_plugin
from tensorboard.util import tb_logging


class _Loader(base_plugin.TBLoader):  # type: ignore[misc]  # tensorboard has no types
    """Load a tab if all its parts are present and intact; otherwise only write a line to TensorBoard's log."""

    tab: str
    module: str
    plugin: str

    def load(self, context: base_plugin.TBContext) -> base_plugin.TBPlugin | None:
        """Return the plugin, or None if it cannot be loaded; TensorBoard then starts without the tab."""
        try:
            module = import_module(self.module, __package__)  # raises here if a part is missing or broken
            return getattr(module, self.plugin)(context)
        except Exception as error:
            message = "hpdash: the %s tab cannot be loaded: %s: %s"
            tb_logging.get_logger().warning(message, self.tab, type(error).__name__, error)
            return None


class Loader(_Loader):
    """Load the Weights tab."""

    tab, module, plugin = "Weights", ".plugin", "WeightsPlugin"


class TrialsLoader(_Loader):
    """Load the Trials tab."""

    tab, module, plugin = "Trials", ".trials.plugin", "TrialsPlugin"
