"""Does a record that PostgreSQL can never take hold up any other? Each kind of poison stands among sound ones."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest
import structlog

from litemaas.gateway.accountant import Accountant
from litemaas.gateway.adapters.ledger import PREPARE, Ledger
from litemaas.gateway.adapters.postgres import Postgres
from litemaas.gateway.journal import Journal
from litemaas.gateway.metrics import Metrics
from litemaas.gateway.records import JOURNAL_COLUMNS, NULL, text

from .harness import WITHIN_S

_DICE = random.Random(9)
INCOMPRESSIBLE = "".join(chr(_DICE.randrange(0x4E00, 0x9FFF)) for _ in range(4000))
SOUND = {
    "started_at": "2026-11-25 10:00:00+00", "duration_us": "1000", "ttft_us": NULL, "stream": "f", "status": "success",
    "http_status": "200", "prompt_tokens": "1", "completion_tokens": "1", "cached_tokens": "0", "cache_write_tokens": "0",
    "reasoning_tokens": "0", "pages": "0", "usage_source": "engine", "cost_nano": "5", "input_cost_nano": "2",
    "output_cost_nano": "3", "attempts": "1", "tags": "[]", "metadata": "{}", "held_nano": "5", "endpoint": "/chat/completions",
    "key_hash": "abc", "model": "granite", "bookings": '[["key:abc","2026-11-01T00:00:00Z"]]',
}  # fmt: skip
POISON = {
    "a member that must be there is missing": {"cost_nano": NULL},
    "a number too large": {"prompt_tokens": "99999999999"},
    "no number": {"duration_us": "soon"},
    "no moment": {"started_at": "yesterday or so"},
    "a moment that no calendar has": {"started_at": "999999-01-01 00:00:00+00"},
    "no JSON": {"metadata": "{"},
    "tags that are no list": {"tags": "{}"},
    "too large for an index": {"key_hash": INCOMPRESSIBLE},
    "too many columns": {"user_agent": "a\tb"},
    "an escape that is none": {"model": "\\xff"},
    "a booking without a window": {"bookings": '[["key:abc"]]'},
    "a booking in no calendar": {"bookings": '[["key:abc","soon"]]'},
    "bookings that are no list": {"bookings": '"key:abc"'},
}


def line(request_id: str, **members: str) -> str:
    """A record as the journal takes it; the journal adds the checksum itself."""
    values = {"request_id": request_id, **SOUND, **members}
    return "\t".join(values.get(name, NULL) for name, _ in JOURNAL_COLUMNS if name != "checksum")


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(database_url, timeout=WITHIN_S)
    yield connection
    await connection.close()


class Office:
    """A journal and the accountant that empties it into the database."""

    def __init__(self, url: str, directory: Path) -> None:
        self.journal = Journal(directory, 1 << 20, 1 << 30)
        self.metrics = Metrics()
        self.postgres = Postgres(url, PREPARE, connections=1, timeout_s=WITHIN_S)
        self.accountant = Accountant(self.journal, Ledger(self.postgres, "worker"), self.metrics, 0.01)

    async def store(self, *lines: str) -> None:
        for each in lines:
            self.journal.append(each)
        with structlog.testing.capture_logs():
            await self.accountant.empty()


@pytest.fixture
async def office(database_url: str, tmp_path: Path) -> AsyncIterator[Office]:
    office = Office(database_url, tmp_path / "journal")
    yield office
    office.journal.close()
    await office.postgres.close()


@pytest.mark.parametrize("kind", POISON)
async def test_one_poisoned_record_is_set_aside_and_all_others_are_stored_and_paid(
    office: Office, database: asyncpg.Connection, tmp_path: Path, kind: str
):
    await office.store(
        *(line(f"before-{n}") for n in range(5)),
        line("poison", **POISON[kind]),
        *(line(f"after-{n}") for n in range(5)),
    )
    assert await database.fetchval("SELECT count(*) FROM usage_records") == 10
    assert await database.fetchval("SELECT sum(calls) FROM usage_deltas") == 10
    assert await database.fetchval("SELECT settled_nano FROM budget_windows WHERE scope = 'key:abc'") == 50
    assert (tmp_path / "journal" / "rejected").read_bytes().startswith(b"poison\t")
    assert office.metrics.lost_records == 1
    assert office.journal.waiting_bytes == 0


async def test_lines_with_and_without_a_source_are_taken_once_however_often_they_come(
    office: Office, database: asyncpg.Connection
):
    """A journal that an older version wrote names no source."""
    lines = [line("old"), line("playground", endpoint="playground /embeddings")]
    await office.store(*lines)
    await office.store(*lines)
    rows = await database.fetch("SELECT request_id, source, endpoint FROM usage_records ORDER BY request_id")
    assert [tuple(row) for row in rows] == [
        ("old", "api", "/chat/completions"),
        ("playground", "playground", "/embeddings"),
    ]
    assert await database.fetchval("SELECT settled_nano FROM budget_windows WHERE scope = 'key:abc'") == 10


async def test_what_clients_can_send_is_no_poison(office: Office, database: asyncpg.Connection):
    """Names of any length and script, tags of any length: they are shortened where an index needs it."""
    await office.store(
        line("long", model=text(INCOMPRESSIBLE), user_agent=text(INCOMPRESSIBLE), tags=f'["{INCOMPRESSIBLE}"]'),
        line("odd", model=text("a\tb\n\\N\u0000"), error_message=text("\\.\n"), metadata='{"a": "\\\\u2028"}'),
        line("far", started_at="2262-01-01 00:00:00+00"),
    )
    rows = await database.fetch("SELECT request_id, model, tags FROM usage_records ORDER BY request_id")
    assert [row["request_id"] for row in rows] == ["far", "long", "odd"]
    assert (rows[1]["model"], rows[1]["tags"]) == (INCOMPRESSIBLE, [INCOMPRESSIBLE[:256]])
    assert rows[2]["model"] == "a\tb\n\\N"
