"""Where are answers kept? In each worker's memory, in a Valkey for all workers, or nowhere, as the settings say."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

from litemaas.gateway.adapters.kept_answers import SharedAnswers
from litemaas.gateway.answer_cache import AnswerCache
from litemaas.kit.settings import SettingsError
from litemaas.kit.ticks import monotonic

if TYPE_CHECKING:
    from litemaas.gateway.judging import Judging
    from litemaas.gateway.reply_headers import ReplyHeaders
    from litemaas.gateway.routing import Routing
    from litemaas.gateway.settings import GatewaySettings
    from litemaas.kit.crypto import Vault


class LocalAnswers:
    """Answers in the memory of one worker; what was not used for longest goes first."""

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._bytes = 0
        self._answers: OrderedDict[str, tuple[float, bytes]] = OrderedDict()

    async def get(self, name: str) -> bytes | None:
        found = self._answers.get(name)
        if found is None:
            return None
        ends_at, value = found
        if monotonic() >= ends_at:
            self._drop(name)
            return None
        self._answers.move_to_end(name)
        return value

    def put(self, name: str, value: bytes, ttl_s: float) -> None:
        self._drop(name)
        self._answers[name] = monotonic() + ttl_s, value
        self._bytes += len(value)
        while self._bytes > self._most_bytes:
            self._drop(next(iter(self._answers)))

    def _drop(self, name: str) -> None:
        found = self._answers.pop(name, None)
        if found is not None:
            self._bytes -= len(found[1])


def answer_cache(
    settings: GatewaySettings, routing: Routing, headers: ReplyHeaders, vault: Vault, judging: Judging | None = None
) -> tuple[AnswerCache | None, SharedAnswers | None]:
    """The cache, and the store that has to be worked and closed; None where there is none. Errors: SettingsError."""
    own = settings.answer_cache
    if own.type == "none":
        return None, None
    url = own.url or settings.redis_url
    if own.type == "local":
        return AnswerCache(
            LocalAnswers(own.worker_bytes), own, routing, headers, settings.encryption_key, judging
        ), None
    if url is None:
        raise SettingsError(
            "LITEMAAS_ANSWER_CACHE__TYPE: valkey needs LITEMAAS_REDIS_URL, or LITEMAAS_ANSWER_CACHE__URL"
        )
    shared = SharedAnswers(url, vault, own.timeout_s, own.worker_bytes)
    return AnswerCache(shared, own, routing, headers, settings.encryption_key, judging), shared
