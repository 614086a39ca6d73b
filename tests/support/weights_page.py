"""Helpers that open the Weights tab in a browser with a real TensorBoard, read it and use its controls."""

from __future__ import annotations

from typing import Any

from tab_page import TabPage

PREFIX = "p.hpdash_weights."


class WeightsPage(TabPage):
    """The Weights tab of the TensorBoard at an address."""

    tab = "hpdash_weights"

    def drawn(self, traces: int, view: str = "overlay", step: int | None = None) -> None:
        """Wait until a view shows this many traces at a step."""
        at = "" if step is None else f'[data-step="{step}"]'
        self.frame.locator(f'.charts[data-drawn="{traces}"][data-view="{view}"]{at}').wait_for()

    def view(self, name: str) -> None:
        """Switch to a view."""
        self.control("view", name).click()

    def chip(self, hparam: str, text: str) -> Any:
        """Return the locator of a value's chip in the legend."""
        return self.frame.locator(f'[data-hparam="{hparam}"] .chip').get_by_text(text, exact=True)
