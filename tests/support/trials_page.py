"""Helpers that open the Trials tab in a browser with a real TensorBoard, and read its table."""

from __future__ import annotations

from typing import Any

from tab_page import TabPage


class TrialsPage(TabPage):
    """The Trials tab of the TensorBoard at an address."""

    tab = "hpdash_trials"

    @property
    def grid(self) -> Any:
        """The table."""
        return self.frame.locator("[role=grid]")

    @property
    def drawer(self) -> Any:
        """The drawer, which shows one trial."""
        return self.frame.locator("[data-drawer]")

    def headline(self) -> str:
        """Return the sentence above the table."""
        return str(self.frame.locator("[data-headline]").inner_text())

    def ids(self) -> list[str]:
        """Return the trials of the rows in view, from top to bottom."""
        found: list[str] = self.grid.locator("[role=row][data-trial]").evaluate_all(
            "rows => rows.toSorted((a, b) => a.ariaRowIndex - b.ariaRowIndex).map((row) => row.dataset.trial)"
        )
        return found

    def column(self, name: str) -> list[str]:
        """Return the texts of a column, from top to bottom."""
        found: list[str] = self.frame.locator("[role=grid]").evaluate(
            """(grid, name) => {
                const heads = [...grid.querySelectorAll("[role=columnheader]")];
                const at = heads.findIndex((head) => head.dataset.column === name);
                const rows = [...grid.querySelectorAll("[role=row][data-trial]")];
                rows.sort((a, b) => a.ariaRowIndex - b.ariaRowIndex);
                return rows.map((row) => row.children[at].textContent);
            }""",
            name,
        )
        return found

    def columns(self) -> list[str]:
        """Return the names of the columns."""
        found: list[str] = self.grid.locator("[role=columnheader]").evaluate_all(
            "heads => heads.map((head) => head.dataset.column)"
        )
        return found

    def header(self, name: str) -> Any:
        """Return the button in the header of a column."""
        return self.grid.locator(f'[role=columnheader][data-column="{name}"] button')

    def row(self, trial: str) -> Any:
        """Return the first row of a trial."""
        return self.grid.locator(f'[role=row][data-trial="{trial}"]').first

    def rows(self, count: int) -> None:
        """Wait until the table has this many rows, those out of view included."""
        self.frame.locator(f'[role=grid][aria-rowcount="{count + 1}"]').wait_for()
