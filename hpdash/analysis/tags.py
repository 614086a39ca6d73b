"""Match the tags of runs: Keras numbers unnamed models and layers per process, so their names differ between runs."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

# Keras' default names of models, and of layers with weights, before the number
_AUTOMATIC = re.compile(
    r"(?P<base>sequential|functional|model|dense|einsum_dense|embedding|p_re_lu|(?:batch|layer|group|unit)_normalization"
    r"|(?:depthwise_|separable_)?conv[123]d(?:_transpose)?|(?:conv_)?lstm(?:[123]d)?|gru|simple_rnn|bidirectional"
    r"|time_distributed|(?:multi_head_|group_query_|additive_)?attention)(?:_(?P<number>\d+))?"
)


def aligned(tags: Sequence[Collection[str]]) -> list[dict[str, str]]:
    """Return {name: tag} for each run; tags with the same name in different runs are compared with each other.

    Default names are renumbered in every run if the runs then have more names in common: the name of
    `sequential_3/dense_7/kernel` is `sequential/dense/kernel`, as in the first model of a process. Otherwise every name
    is the tag itself.
    """
    anew = [_counted_anew(own) for own in tags]
    shared = {name for own in anew for name in own}
    if len(shared) < len({tag for own in tags for tag in own}):
        return anew
    return [{tag: tag for tag in own} for own in tags]


def _counted_anew(tags: Collection[str]) -> dict[str, str]:
    numbers: dict[tuple[str, str], set[int]] = {}  # by the path before a name and the name without its number
    for tag in tags:
        for place in _places(tag):
            numbers.setdefault(place[:2], set()).add(place[2])
    ranks = {key: {number: rank for rank, number in enumerate(sorted(found))} for key, found in numbers.items()}
    return {_renamed(tag, ranks): tag for tag in tags}


def _places(tag: str) -> list[tuple[str, str, int]]:
    parts = tag.split("/")
    found = ((at, _AUTOMATIC.fullmatch(part)) for at, part in enumerate(parts))
    return [("/".join(parts[:at]), match["base"], int(match["number"] or 0)) for at, match in found if match]


def _renamed(tag: str, ranks: dict[tuple[str, str], dict[int, int]]) -> str:
    parts = tag.split("/")
    for before, base, number in _places(tag):
        rank = ranks[before, base][number]
        parts[before.count("/") + 1 if before else 0] = f"{base}_{rank}" if rank else base
    return "/".join(parts)
