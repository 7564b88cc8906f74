"""Can LiteMaaS move into the database that LiteLLM has, without touching what is there?"""

from __future__ import annotations

import asyncio

import asyncpg

from litemaas.db.migrate import upgrade


async def test_tables_of_litellm_stay_and_the_other_views_are_made(empty_database_url: str):
    connection = await asyncpg.connect(empty_database_url)
    try:
        await connection.execute('create table "LiteLLM_UserTable" (user_id text primary key)')
        await connection.execute("insert into \"LiteLLM_UserTable\" values ('ann')")
        await asyncio.to_thread(upgrade, empty_database_url)
        assert await connection.fetchval('select user_id from "LiteLLM_UserTable"') == "ann"
        assert await connection.fetchval('select count(*) from "LiteLLM_SpendLogs"') == 0
    finally:
        await connection.close()
