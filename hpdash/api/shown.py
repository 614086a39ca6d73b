"""The results of the reading commands, which can be shown in a terminal or a notebook and converted to JSON."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.jupyter import JupyterMixin

if TYPE_CHECKING:  # slow to import: imported only where used
    from ..analysis.effects import Effects
    from ..verification import VerifyResult
    from ..views.terminal.show import Page


class Shown(JupyterMixin):
    """A result that Rich displays in a terminal or a notebook; subclasses implement `render`."""

    def render(self, console: Console) -> Iterator[RenderableType]:
        """Draw the result part by part."""
        raise NotImplementedError

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[RenderableType]:
        return self.render(console)


@dataclass(frozen=True, eq=False)
class RunPage(Shown):
    """Everything about one run: settings, metrics, statistics of weights, error, and a sweep file to train it again."""

    page: Page
    warnings: tuple[str, ...]

    def render(self, console: Console) -> Iterator[RenderableType]:
        """Draw the run part by part."""
        from ..views.terminal.show import draw  # noqa: PLC0415

        return draw(self.page)

    def to_json(self) -> dict[str, Any]:
        """Return the run as JSON values."""
        from ..views.terminal.show_json import to_json  # noqa: PLC0415

        return to_json(self.page)


@dataclass(frozen=True, eq=False)
class SweepEffects(Shown):
    """Which hyperparameters matter, sweep by sweep."""

    sweeps: tuple[Effects, ...]
    warnings: tuple[str, ...]

    def render(self, console: Console) -> Iterator[RenderableType]:
        """Draw the marginal means, the importance and the interaction of each sweep."""
        from ..views.terminal.effects import render  # noqa: PLC0415

        for each in self.sweeps:
            yield from render(console, each)

    def to_json(self) -> dict[str, Any]:
        """Return the effects and the warnings as JSON values."""
        from ..views.terminal.effects import to_json  # noqa: PLC0415

        return {"sweeps": [to_json(each) for each in self.sweeps], "warnings": list(self.warnings)}


@dataclass(frozen=True, eq=False)
class Verified(Shown):
    """What is damaged in a logdir, what the damage affects and what to do about it."""

    checked: VerifyResult

    @property
    def is_damaged(self) -> bool:
        """Whether any finding is damage, not only a note."""
        return bool(self.checked.damage)

    def render(self, console: Console) -> Iterator[RenderableType]:
        """Draw the findings sweep by sweep and run by run, then a line that sums them up."""
        from ..views.terminal.verify import draw  # noqa: PLC0415

        return draw(console, self.checked)

    def to_json(self) -> dict[str, Any]:
        """Return the findings as JSON values."""
        return self.checked.to_json()
