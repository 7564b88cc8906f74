"""How is a creating request done once, however often it is sent? Its answer is kept under the ``Idempotency-Key``.

The key is taken in the request's own transaction: a second request with it waits until the first has committed, and gets
that answer; after a rollback it is done as if the first had not been. Answers are kept for a day, sealed.
"""

from __future__ import annotations

import base64
import hashlib
from typing import Any

from fastapi import Request, Response
from fastapi.responses import StreamingResponse
from sqlalchemy import delete, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from litemaas.control.http.refusals import Conflict
from litemaas.core.errors import InvalidField
from litemaas.db.tables import given_answers
from litemaas.kit.crypto import Vault

HEADER = "idempotency-key"
_MAX_KEY = 255


class GivenAnswer(Exception):
    """This request was answered before."""

    def __init__(self, status: int, body: bytes) -> None:
        super().__init__(status)
        self.status = status
        self.body = body

    def response(self) -> Response:
        answer = Response(self.body, self.status, media_type="application/json")
        answer.headers["Idempotency-Replayed"] = "true"
        return answer


async def take_key(connection: AsyncConnection, vault: Vault, request: Request, asker: str) -> tuple[str, str] | None:
    """The asker and key to keep the answer under; None where the request has no key.

    Errors: GivenAnswer; Conflict when the key stands for another request; InvalidField.
    """
    key = request.headers.get(HEADER)
    if key is None:
        return None
    if not 0 < len(key) <= _MAX_KEY:
        raise InvalidField(f"Idempotency-Key must have 1 to {_MAX_KEY} characters.", "Idempotency-Key")
    digest = hashlib.sha256(f"{request.method} {request.url.path}\n".encode() + await request.body()).hexdigest()
    taken = insert(given_answers).values(asker=asker, key=key, request_hash=digest).on_conflict_do_nothing()
    if (await connection.execute(taken.returning(given_answers.c.key))).first() is not None:
        return asker, key
    held = select(given_answers).where(given_answers.c.asker == asker, given_answers.c.key == key)
    row = (await connection.execute(held)).one()
    if row.request_hash != digest:
        raise Conflict("This Idempotency-Key was used for another request. Choose a new one.")
    if row.body_sealed is None:  # committed what it had done so far, and has not answered
        raise Conflict("The first request with this Idempotency-Key has not ended, or was broken off.")
    raise GivenAnswer(row.status, _opened(vault, row))


async def keep_answer(connection: AsyncConnection, vault: Vault, once: tuple[str, str], response: Response) -> None:
    """An answer that is streamed is not kept: its key is free again, as if it had not been sent."""
    asker, key = once
    if isinstance(response, StreamingResponse):
        unkept = delete(given_answers).where(given_answers.c.asker == asker, given_answers.c.key == key)
        await connection.execute(unkept)
        return
    sealed = vault.seal(base64.b64encode(response.body).decode(), _purpose(asker, key))
    where = (given_answers.c.asker == asker, given_answers.c.key == key)
    await connection.execute(
        update(given_answers).where(*where).values(status=response.status_code, body_sealed=sealed)
    )


def _opened(vault: Vault, row: Any) -> bytes:
    return base64.b64decode(vault.open(row.body_sealed, _purpose(row.asker, row.key)))


def _purpose(asker: str, key: str) -> str:
    return f"answer:{asker}:{key}"
