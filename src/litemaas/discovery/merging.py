"""Whose is a member of the catalogue: discovery's, or an administrator's who has edited it? A comparison of three values.

What discovery wrote last is remembered beside the member. As long as the catalogue still says that, it is discovery's and
follows the cluster. Anything else was edited and stays; where it differs from the cluster, that is drift, and shown. Somebody
who sets a member to what the cluster says hands it back.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

Values = Mapping[str, Any]
_EMPTY: tuple[Any, ...] = (None, "", [], {})


class Merged(msgspec.Struct, frozen=True):
    """``changes``: to be written now; ``wrote``: what to remember with it; ``drift``: what the cluster says otherwise."""

    changes: dict[str, Any]
    wrote: dict[str, Any]
    drift: dict[str, Any]


def merge(wanted: Values, current: Values, wrote: Values) -> Merged:
    """Members that the cluster no longer names stay as they are and are no longer discovery's."""
    changes: dict[str, Any] = {}
    remembered: dict[str, Any] = {}
    drift: dict[str, Any] = {}
    for member, value in wanted.items():
        now = current.get(member)
        is_ours = wrote[member] == now if member in wrote else now in _EMPTY
        if is_ours:
            remembered[member] = value
            if value != now:
                changes[member] = value
            continue
        if value == now and not _hides_a_hand(member, value):
            remembered[member] = value
            continue
        if member in wrote:
            remembered[member] = wrote[member]
        if value != now:
            drift[member] = {"cluster": value, "catalogue": now}
    return Merged(changes, remembered, drift)


def _hides_a_hand(member: str, value: Any) -> bool:
    """A deployment that somebody has switched off does not become discovery's because its server is away, too."""
    return member == "enabled" and value is False
