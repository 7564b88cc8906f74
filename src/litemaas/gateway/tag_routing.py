"""Which deployments are for calls with these tags? Asked where calls are routed by tags (``enable_tag_filtering``)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from litemaas.core.errors import InvalidField

if TYPE_CHECKING:
    from litemaas.gateway.targets import Target

DEFAULT = "default"
"""The tag of deployments for calls that no other is for."""


def bearing(targets: Sequence[Target], tags: Iterable[str], model: str) -> Sequence[Target]:
    """Those that bear one of the tags; else those for all others: tagged ``default``, or not tagged where there are none.

    Errors: InvalidField when there is none of them.
    """
    wanted = set(tags)
    for found in (
        [target for target in targets if wanted.intersection(target.deployment.tags)],
        [target for target in targets if DEFAULT in target.deployment.tags],
        [target for target in targets if not target.deployment.tags],
    ):
        if found:
            return found
    known = sorted({tag for target in targets for tag in target.deployment.tags})
    raise InvalidField(f"no deployment of {model} is for calls with these tags; there are {', '.join(known)}", "tags")
