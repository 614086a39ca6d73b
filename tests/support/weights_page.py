"""Helpers that open the Weights tab in a browser with a real TensorBoard, read it and use its controls."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

TAB = "hpdash_weights"
PREFIX = f"p.{TAB}."


class WeightsPage:
    """The Weights tab of the TensorBoard at an address; `page` is Playwright's, `errors` holds the console's errors."""

    def __init__(self, page: Any, url: str) -> None:
        self.page, self._url = page, url
        self.frame = page.frame_locator("iframe")
        self.errors: list[str] = []
        page.set_default_timeout(30_000)
        page.on("console", lambda message: self.errors.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("dialog", self._dialog)

    def open(self, **selection: str) -> None:
        """Open the tab with a selection in the link, and wait until the tab is drawn."""
        chosen = urlencode({f"{PREFIX}{key}": value for key, value in selection.items()})
        self.page.goto("about:blank")
        self.page.goto(f"{self._url}/#{TAB}{'&' if chosen else ''}{chosen.replace('+', '%20')}")
        self.wait()

    def wait(self, state: str = "ready") -> None:
        """Wait until the page is in a state and the drawing is up to date."""
        self.frame.locator(f'#hpdash[data-state="{state}"]:not([data-busy="true"])').wait_for()

    def drawn(self, traces: int, view: str = "overlay", step: int | None = None) -> None:
        """Wait until a view shows this many traces at a step."""
        at = "" if step is None else f'[data-step="{step}"]'
        self.frame.locator(f'.charts[data-drawn="{traces}"][data-view="{view}"]{at}').wait_for()

    def control(self, name: str, value: str = "") -> Any:
        """Return the locator of a control, or of one of its values."""
        inner = f' [data-value="{value}"]' if value else ""
        return self.frame.locator(f'[data-control="{name}"]{inner}')

    def view(self, name: str) -> None:
        """Switch to a view."""
        self.control("view", name).click()

    def chip(self, hparam: str, text: str) -> Any:
        """Return the locator of a value's chip in the legend."""
        return self.frame.locator(f'[data-hparam="{hparam}"] .chip').get_by_text(text, exact=True)

    def linked(self) -> str:
        """Return the part of TensorBoard's link after the #."""
        return str(self.page.evaluate("location.hash"))

    def _dialog(self, dialog: Any) -> None:
        self.errors.append(dialog.message)
        dialog.dismiss()
