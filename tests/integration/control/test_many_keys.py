"""Among a hundred thousand keys, is any call that shows a few of them answered by reading them all?

How quick that is depends on the machine and is measured by ``benchmarks/bulk_keys.py``; that no table is read from end to end
does not. Source: gateway-api contract 6, B32.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextvars import ContextVar
from typing import Any

import asyncpg
import httpx2
import pytest
from sqlalchemy import event

KEYS = 100_000
READ_WHOLE = "Seq Scan on virtual_keys"
Statements = list[tuple[str, Any]]
IS_CALL = ContextVar("IS_CALL", default=False)
"""What is done from time to time has statements of its own, in tasks that began before."""


@pytest.fixture
async def many(database: asyncpg.Connection) -> None:
    await database.execute(
        "insert into virtual_keys (key_hash, key_name, alias, user_id, team_id, created_at, created_by, updated_by)"
        " select lpad(n::text, 64, '0'), 'sk-...' || n, 'alias-' || n, 'user-' || n % 5000, 'team-' || n % 500,"
        " now() - n * interval '1 second', 'x', 'x' from generate_series(1, $1::int) n",
        KEYS,
    )
    await database.execute(
        "insert into users (id, username, created_by, updated_by) values ('user-7', 'ann', 'x', 'x')"
    )
    await database.execute("vacuum analyze virtual_keys")


@pytest.fixture
def asked(app: Any) -> Iterator[Statements]:
    """Statements that read keys, with their values; those that count all of them must read all."""
    engine = app.state.plane.engine.sync_engine
    statements: Statements = []

    def note(_: Any, __: Any, statement: str, parameters: Any, *___: Any) -> None:
        if IS_CALL.get() and "virtual_keys" in statement and not statement.startswith("SELECT count("):
            statements.append((statement, parameters))

    event.listen(engine, "before_cursor_execute", note)
    yield statements
    event.remove(engine, "before_cursor_execute", note)


@pytest.mark.usefixtures("many")
async def test_no_key_is_looked_for_by_reading_them_all(client: httpx2.AsyncClient, app: Any, asked: Statements):
    IS_CALL.set(True)
    token = "7".rjust(64, "0")
    for path, expected in (
        ("/key/list?size=100&page=3&return_full_object=true", 100),
        ("/key/list?key_alias=alias-99999", 1),
        ("/key/list?user_id=user-7&include_team_keys=true", KEYS // 5000),
        ("/key/list?team_id=team-7&size=1000", KEYS // 500),
        (f"/key/info?key={token}", 1),
        ("/user/info?user_id=user-7", KEYS // 5000),
    ):
        answer = await client.get(f"/litellm{path}")
        assert answer.status_code == 200, answer.text
        shown = answer.json().get("keys", [None])
        assert len(shown) == expected, path
    statements = list(asked)
    assert len(statements) >= 6
    async with app.state.plane.engine.connect() as connection:
        for statement, parameters in statements:
            plan = (await connection.exec_driver_sql(f"EXPLAIN {statement}", parameters)).scalars()
            assert READ_WHOLE not in "\n".join(plan), statement
