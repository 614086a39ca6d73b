"""The colours of groups of runs: a value of a hyperparameter has the same colour in every view and in print."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..records import Scalar
from ..runs import Run
from .text import setting

# Okabe & Ito 2008, "Color Universal Design", without black, which is invisible on a dark page, and without yellow,
# which is hard to see on a white page
CATEGORIES = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
# darker shades of CATEGORIES, used if there are more names than colours
DARKER = ("#004A73", "#8A3C00", "#00614A", "#8F4673", "#8F6300", "#2A7AA8")
# viridis (Smith & van der Walt 2015) from 0.2 to 0.8, the part that stands out on both dark and white pages
SEQUENCE = ("#414487", "#355F8D", "#2A788E", "#21918C", "#22A884", "#44BF70", "#7AD151")
ABSENT = "#8C8C8C"


@dataclass(frozen=True, slots=True)
class ColourGroup:
    """The runs that share a value and are drawn in one colour; legends show `label` literally."""

    value: Scalar | None
    label: str
    colour: str
    runs: tuple[Run, ...]


def palette(values: Sequence[Scalar | None]) -> dict[Scalar | None, str]:
    """Return a colour `#RRGGBB` for each value of a hyperparameter; it depends only on the values and their order.

    Three or more numbers get shades of a sequence, so that their order is visible. Names get shades too if there are
    more of them than distinguishable colours. None, for a hyperparameter that does not apply, is grey.
    """
    present = [value for value in values if value is not None]
    ordered = len(present) > 2 and all(not isinstance(value, bool | str) for value in present)
    names = (*CATEGORIES, *DARKER)
    shades = names if len(present) <= len(names) and not ordered else _shades(len(present))
    return {None: ABSENT, **dict(zip(present, shades, strict=False))}


def colour_groups(
    groups: Mapping[Scalar | None, Sequence[Run]], by: str | None = None, values: Sequence[Scalar | None] = ()
) -> tuple[ColourGroup, ...]:
    """Label and colour groups of runs: the label is `batchnorm=before`, or only the value if `by` is None.

    If the groups have only some of the values, `values` are all of them, so that each keeps its colour.
    """
    colours = palette(values or list(groups))
    prefix = f"{by}=" if by else ""
    return tuple(
        ColourGroup(value, f"{prefix}{'—' if value is None else setting(value)}", colours[value], tuple(runs))
        for value, runs in groups.items()
    )


def _shades(count: int) -> tuple[str, ...]:
    """Return `count` colours at equal distances along SEQUENCE."""
    places = [place * (len(SEQUENCE) - 1) / max(count - 1, 1) for place in range(count)]
    return tuple(_between(place) for place in places)


def _between(place: float) -> str:
    start = min(int(place), len(SEQUENCE) - 2)
    first, second = SEQUENCE[start : start + 2]
    pairs = [(int(first[at : at + 2], 16), int(second[at : at + 2], 16)) for at in (1, 3, 5)]
    return "#" + "".join(f"{round(low + (high - low) * (place - start)):02X}" for low, high in pairs)
