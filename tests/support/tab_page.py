"""A tab of hpdash in a browser with a real TensorBoard."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Self
from urllib.parse import urlencode


class TabPage:
    """A tab of the TensorBoard at an address; `page` is Playwright's, `errors` holds the console's errors."""

    tab: str  # its name in TensorBoard's addresses

    def __init__(self, page: Any, url: str) -> None:
        self.page, self._url = page, url
        self.frame = page.frame_locator("iframe")
        self.errors: list[str] = []
        page.set_default_timeout(30_000)
        page.on("console", lambda message: self.errors.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("dialog", self._dialog)

    @classmethod
    @contextmanager
    def opened(cls, browser: Any, url: str, width: int = 1280, height: int = 900, **options: Any) -> Iterator[Self]:
        """Give the tab in a new window; afterwards, fail if the page has reported an error."""
        context = browser.new_context(viewport={"width": width, "height": height}, **options)
        tab = cls(context.new_page(), url)
        yield tab
        context.close()
        assert tab.errors == []

    def open(self, **selection: str) -> None:
        """Open the tab with a selection in the link, and wait until the tab is drawn."""
        chosen = urlencode({f"p.{self.tab}.{key}": value for key, value in selection.items()})
        self.page.goto("about:blank")
        self.page.goto(f"{self._url}/#{self.tab}{'&' if chosen else ''}{chosen.replace('+', '%20')}")
        self.wait()

    def wait(self, state: str = "ready") -> None:
        """Wait until the page is in a state and the drawing is up to date."""
        self.frame.locator(f'#hpdash[data-state="{state}"]:not([data-busy="true"])').wait_for()

    def control(self, name: str, value: str = "") -> Any:
        """Return the locator of a control, or of one of its values."""
        inner = f' [data-value="{value}"]' if value else ""
        return self.frame.locator(f'[data-control="{name}"]{inner}')

    def linked(self) -> str:
        """Return the part of TensorBoard's link after the #."""
        return str(self.page.evaluate("location.hash"))

    def _dialog(self, dialog: Any) -> None:
        self.errors.append(dialog.message)
        dialog.dismiss()
