"""Which answers are kept to be given again, for how long, for whom, and which of them are not given any more?

Both planes read the settings; the forgetting is said by the control plane and reaches gateways with the catalogue. It is told
by counting, not by clocks: an answer bears the number that was current when it was kept.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

HIT = "litemaas_cache_hit"
"""Where a record's ``metadata`` names the kept answer that was given."""
SETTING = "answer_cache_forgetting"
"""The row of ``settings`` that holds :class:`Forgetting`."""
MOST_FORGOTTEN = 1000
"""Single answers that are remembered as forgotten; beyond that all are."""
CONTROLS = frozenset({"ttl", "s-maxage", "no-cache", "no-store", "namespace", "use-cache"})
"""What clients say in the member ``cache`` (gateway-api contract 1.5)."""
ROUTES = ("/chat/completions", "/completions", "/embeddings", "/rerank")
"""Calls whose answers can be kept: they depend on nothing but their body."""


class AnswerCacheSettings(msgspec.Struct, frozen=True):
    """``LITEMAAS_ANSWER_CACHE__…``.

    Units: seconds, bytes. ``type``: where answers are kept; ``local``: in each worker's memory; ``valkey``: in the Valkey of
    ``LITEMAAS_REDIS_URL``, or of ``url``, for all workers. ``shared_by``: who gets an answer that another got: calls of one
    key, of one team (of a person or key without one), or of everybody. ``on_request``: only calls that say ``use-cache``.
    ``routes``: names out of :data:`ROUTES`, with commas between them. ``most_bytes``: of one answer; ``worker_bytes``: of all
    that a worker keeps, in either place.
    """

    type: Literal["none", "local", "valkey"] = "none"
    url: str | None = None
    ttl_s: Annotated[float, msgspec.Meta(gt=0)] = 600.0
    most_ttl_s: Annotated[float, msgspec.Meta(gt=0)] = 7 * 86_400.0
    shared_by: Literal["key", "team", "everybody"] = "team"
    namespace: str = ""
    on_request: bool = False
    routes: str = ",".join(ROUTES)
    most_bytes: Annotated[int, msgspec.Meta(gt=0)] = 1024 * 1024
    worker_bytes: Annotated[int, msgspec.Meta(gt=0)] = 64 * 1024 * 1024
    timeout_s: Annotated[float, msgspec.Meta(gt=0)] = 0.25


def routes_in(setting: str) -> frozenset[str]:
    """Errors: ValueError naming what is no such route."""
    names = {"/" + name.strip().strip("/") for name in setting.split(",") if name.strip()}
    if unknown := sorted(names - set(ROUTES)):
        raise ValueError(f"answers of {unknown[0][:100]} cannot be kept; there are {', '.join(ROUTES)}")
    return frozenset(names)


class Forgetting(msgspec.Struct, frozen=True):
    """``number``: the current one. Given are answers from ``all_before`` on; of those in ``before``, from its number on."""

    number: int = 0
    all_before: int = 0
    before: dict[str, int] = {}

    def gives(self, name: str, number: int) -> bool:
        """Whether the answer of that name, kept under that number, may still be given."""
        return number >= self.all_before and number >= self.before.get(name, 0)

    def without_all(self) -> Forgetting:
        return Forgetting(self.number + 1, self.number + 1)

    def without(self, names: list[str]) -> Forgetting:
        number = self.number + 1
        before = self.before | dict.fromkeys(names, number)
        return self.without_all() if len(before) > MOST_FORGOTTEN else Forgetting(number, self.all_before, before)
