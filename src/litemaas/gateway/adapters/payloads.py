"""How are captured calls stored? Without credentials, sealed, and only while their capture goes on."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from litemaas.core.guardrails import mask, patterns_of
from litemaas.core.keys import payload_purpose
from litemaas.kit.crypto import Vault

if TYPE_CHECKING:
    from litemaas.gateway.adapters.postgres import Postgres
    from litemaas.gateway.captures import Payload

_STORE = """
insert into captured_payloads (capture_id, request_id, at, key_hash, model, endpoint, status_code,
                               request_sealed, request_bytes, answer_sealed, answer_bytes)
select c.id, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11 from payload_captures c where c.id = $1 and c.until > $3
on conflict do nothing
"""
_CREDENTIALS = patterns_of(["credentials"])


class Payloads:
    """``vault``: of both planes, for administrators read these in the other one."""

    def __init__(self, postgres: Postgres, vault: Vault) -> None:
        self._postgres = postgres
        self._vault = vault

    async def store(self, payloads: Sequence[Payload]) -> None:
        """Those whose capture was ended meanwhile are dropped. Errors: ServiceUnavailable."""
        rows = [await asyncio.to_thread(self._row, payload) for payload in payloads]
        async with self._postgres.connection() as connection:
            await connection.executemany(_STORE, rows)

    def _row(self, payload: Payload) -> tuple[Any, ...]:
        return (
            payload.capture_id, payload.call_id, datetime.fromtimestamp(payload.started_at, UTC), payload.key_hash,
            payload.model, payload.route, payload.status,
            self._sealed(payload, payload.body), payload.body_bytes,
            self._sealed(payload, payload.answer), payload.answer_bytes,
        )  # fmt: skip

    def _sealed(self, payload: Payload, content: bytes) -> bytes:
        """What is no text is kept as far as it reads like one; credentials are replaced by what they are."""
        text, _ = mask(content.decode("utf-8", "replace"), _CREDENTIALS)
        return self._vault.seal(text, payload_purpose(payload.capture_id, payload.call_id))
