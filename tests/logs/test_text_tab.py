"""Tests of the texts in TensorBoard's Text tab, rendered by TensorBoard's own Markdown."""

from __future__ import annotations

import warnings
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as limited
from hypothesis import strategies as st

from hpdash.goal import Goal
from hpdash.logs import text_tab
from hpdash.logs.outline import Layer
from hpdash.records import TrialSpec, visible

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # from html5lib, which TensorBoard bundles
    from tensorboard.plugin_util import markdown_to_safe_html

SETTINGS: dict[str, dict[str, Any]] = {
    "data": {"name": "digits", "train": None},
    "model": {"builder": "mlp", "hidden": [64, 32], "batchnorm": "before"},
    "train": {"epochs": 3, "nesterov": False, "learning_rate": 1e-4},
    "log": {"histograms": 1},
}


class Table(HTMLParser):
    """A parser that collects the cells of an HTML table by row, and the names of all tags."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.tags: set[str] = set()
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Start a row or a cell."""
        self.tags.add(tag)
        if tag == "tr":
            self.rows.append([])
        elif tag in ("th", "td"):
            self.rows[-1].append("")

    def handle_data(self, data: str) -> None:
        """Add text to the current cell."""
        if self.rows and self.rows[-1] and data != "\n":
            self.rows[-1][-1] += data


def rendered(text: str) -> Table:
    """Return the table that TensorBoard renders from Markdown."""
    return Table(markdown_to_safe_html(text))


def spec(swept: dict[str, Any], settings: dict[str, dict[str, Any]]) -> TrialSpec:
    """Return a trial with these settings."""
    return TrialSpec(0, 0, 7, swept, settings, "validation/accuracy", Goal.MAX)


def test_settings_begin_with_what_is_swept() -> None:
    """Swept settings come first and bold, followed by the other settings, the seed and the known versions."""
    text = text_tab.settings(spec({"batchnorm": "before"}, SETTINGS), {"keras": "3.15", "hpdash": None})
    assert rendered(text).rows == [
        ["setting", "value"],
        ["model.batchnorm", "before"],
        ["data.name", "digits"],
        ["model.builder", "mlp"],
        ["model.hidden", "64-32"],
        ["train.epochs", "3"],
        ["train.nesterov", "False"],
        ["train.learning_rate", "0.0001"],
        ["seed", "7"],
        ["keras", "3.15"],
    ]
    assert text.count("**") == 2


def test_a_model_ends_with_all_its_parameters() -> None:
    """Each layer has a row, and the last row has the sums."""
    layers = [Layer("hidden_1", "Dense", "(None, 300)", 235_500, 0), Layer("norm", "BatchNormalization", "", 600, 600)]
    assert rendered(text_tab.model(layers)).rows == [
        ["layer", "kind", "output shape", "trainable", "not trainable"],
        ["hidden_1", "Dense", "(None, 300)", "235,500", "0"],
        ["norm", "BatchNormalization", "", "600", "600"],
        ["all", "", "", "236,100", "600"],
    ]


HOSTILE = {
    "html": "<script>alert(1)</script><img src=x onerror=alert(1)>",
    "entity": "&lt;b&gt; &amp;",
    "emphasis": "**bold** _thin_ ~~gone~~ __init__",
    "link": "[here](javascript:alert(1)) ![x](http://x) <http://x>",
    "code": "`a` ``b`` ```",
    "table": "a | b || c \\| d \\\\| e",
    "lines": "a\n| b |\r\n# c\n\n---",
    "list": "- a",
    "control": "\x1b[31m\x00\x02klzzwxh:0001\x03\u202e",
    "reference": "[a]: http://x",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_names_and_values_stand_literally(name: str) -> None:
    """Hostile values and layer names are shown literally and add no tags to the page."""
    shown_as_themselves(HOSTILE[name])


@limited(max_examples=40)
@given(st.text(st.sampled_from("\\`*_{}[]()#+-.!|<>&;:/ab1 \n\"'~="), min_size=1, max_size=12))
def test_no_text_is_syntax(text: str) -> None:
    """Any text made of Markdown's special characters is shown literally and adds no tags."""
    shown_as_themselves(text)


def shown_as_themselves(text: str) -> None:
    """Check that both tables show a text literally."""
    table = rendered(text_tab.settings(spec({"note": text}, {**SETTINGS, "model": {"note": text}}), {}))
    assert table.rows[1] == ["model.note", visible(text).strip()]
    layers = rendered(text_tab.model([Layer(text, "Dense", "", 1, 0)]))
    assert layers.rows[1] == [visible(text).strip(), "Dense", "", "1", "0"]
    assert table.tags | layers.tags == {"table", "thead", "tbody", "tr", "th", "td", "strong"}
