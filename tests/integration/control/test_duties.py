"""Does a running control plane do what is to be done from time to time?"""

from __future__ import annotations

import asyncio

import asyncpg
import pytest

from litemaas.control.app import Settings, compose, create_app

WITHIN_S = 60.0


@pytest.fixture
def without_duties() -> None:
    """Here they are done, unlike in the other modules."""


async def test_every_duty_is_done_after_the_start_and_none_fails_on_an_empty_platform(
    settings: Settings, database: asyncpg.Connection
):
    app = create_app(settings)
    wanted = {duty.name for duty in compose._all_duties(app.state.carrier, app.state.prober, app.state.backups)}
    assert wanted > {duty.name for duty in compose.DUTIES}
    done: dict[str, str | None] = {}
    async with app.router.lifespan_context(app), asyncio.timeout(WITHIN_S):
        while set(done) != wanted:
            await asyncio.sleep(0.02)
            rows = await database.fetch("select name, last_error from duties where last_ended_at is not null")
            done = {row["name"]: row["last_error"] for row in rows}
    assert done == dict.fromkeys(wanted)
