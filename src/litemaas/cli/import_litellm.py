"""How is a LiteLLM installation taken over? Its database is read, and what is in it is shown or written; it is not changed.

The source needs no rights but reading. Without ``--apply`` everything is tried and rolled back, so the report is what would be.
"""

from __future__ import annotations

import asyncio
import base64
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import asyncpg
import msgspec

from litemaas.cli.wording import describe_database_error
from litemaas.control.http.feed import SilentPublisher
from litemaas.control.http.work import Plane
from litemaas.control.litellm_api.importing import Outcome, Tables, take_over
from litemaas.core.principals import SYSTEM
from litemaas.db.connect import connector
from litemaas.db.engine import open_engine
from litemaas.kit.clock import SystemClock
from litemaas.kit.crypto import Vault

DONE, LEFT_SOME, FAILED = 0, 1, 2
_TABLES = {
    "budgets": "LiteLLM_BudgetTable", "models": "LiteLLM_ProxyModelTable", "teams": "LiteLLM_TeamTable",
    "users": "LiteLLM_UserTable", "keys": "LiteLLM_VerificationToken", "customers": "LiteLLM_EndUserTable",
}  # fmt: skip
"""Source: the tables that LiteLLM 1.81 makes in PostgreSQL, gateway-api contract 3.9."""
_MUST = ("keys",)
_JSON = (
    "litellm_params", "model_info", "metadata", "aliases", "config", "permissions", "model_spend", "model_max_budget",
    "members_with_roles", "router_settings",
)  # fmt: skip
_NOT_TAKEN = ("LiteLLM_SpendLogs", "LiteLLM_OrganizationTable", "LiteLLM_CredentialsTable", "LiteLLM_Config")
_SHOWN = 20
_NONCE_AND_TAG = 40
"""Bytes; more than a name of a model that happens to be base64 has."""


class NotLitellm(Exception):
    """The source is some other database."""


class Target(msgspec.Struct, frozen=True):
    """Where it goes. ``encryption_key``: that of the planes, which keys of model servers are sealed with."""

    database_url: str
    encryption_key: str


def import_litellm(source_url: str | None, target: Target, models: Sequence[Mapping[str, Any]], *, apply: bool) -> int:
    """The exit status: 0 when everything was taken, 1 when something was left, 2 when nothing could be done."""
    try:
        outcomes, others = asyncio.run(_import(source_url, target, models, apply=apply))
    except NotLitellm as error:
        print(f"litemaas: {error}", file=sys.stderr)
        return FAILED
    except (OSError, ValueError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        print(f"litemaas: a database cannot be used: {describe_database_error(error)}", file=sys.stderr)
        return FAILED
    _show(outcomes, others, apply=apply)
    return LEFT_SOME if any(outcome.left for outcome in outcomes) else DONE


async def _import(
    source_url: str | None, target: Target, models: Sequence[Mapping[str, Any]], *, apply: bool
) -> tuple[list[Outcome], dict[str, int]]:
    tables, others = await read_tables(source_url) if source_url else (Tables(), {})
    tables = msgspec.structs.replace(tables, models=[*tables.models, *map(dict, models)])
    engine = open_engine(target.database_url, 2, "litemaas-import")
    plane = Plane(engine, SilentPublisher(), Vault(target.encryption_key), SystemClock())
    try:
        async with plane.work(SYSTEM) as work:
            outcomes = await take_over(work, tables)
            if not apply:
                await work.undo()
            return outcomes, others
    finally:
        await engine.dispose()


async def read_tables(source_url: str) -> tuple[Tables, dict[str, int]]:
    """All rows of one moment, and how many rows there are in tables that are not taken over.

    Errors: NotLitellm.
    """
    connection = await connector(source_url, "litemaas-import")()
    try:
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            there = {row["table_name"] for row in await connection.fetch(
                "select table_name from information_schema.tables where table_schema = any(current_schemas(false))"
                " and table_type = 'BASE TABLE'"  # our own database has views under the same names
            )}  # fmt: skip
            if missing := [_TABLES[kind] for kind in _MUST if _TABLES[kind] not in there]:
                raise NotLitellm(f"this is no database of LiteLLM: it has no table {missing[0]}")
            rows = {kind: await _rows(connection, name) for kind, name in _TABLES.items() if name in there}
            others = {
                name: await connection.fetchval(f'select count(*) from "{name}"')  # noqa: S608 — names of ours
                for name in _NOT_TAKEN
                if name in there
            }
    finally:
        await connection.close(timeout=5)
    for model in rows.get("models", []):
        model["is_sealed"] = _is_sealed(model)
    return Tables(**rows), {name: count for name, count in others.items() if count}


async def _rows(connection: asyncpg.Connection, table: str) -> list[dict[str, Any]]:
    found = await connection.fetch(f'select * from "{table}"')  # noqa: S608 — names of ours
    return [{name: _read(name, value) for name, value in row.items()} for row in found]


def _read(name: str, value: Any) -> Any:
    return msgspec.json.decode(value) if name in _JSON and isinstance(value, str) else value


def _is_sealed(model: Mapping[str, Any]) -> bool:
    """LiteLLM encrypts every text of the parameters: what should be a name is base64 of a nonce, a tag and a text."""
    name = str((model.get("litellm_params") or {}).get("model", ""))
    try:
        return len(base64.b64decode(name.replace("-", "+").replace("_", "/"), validate=True)) > _NONCE_AND_TAG
    except ValueError:
        return False


def _show(outcomes: Sequence[Outcome], others: Mapping[str, int], *, apply: bool) -> None:
    print("Taken over:" if apply else "Would be taken over (nothing was written; --apply writes):")
    for outcome in outcomes:
        left = f", {len(outcome.left)} left" if outcome.left else ""
        print(f"  {outcome.kind:10} {outcome.taken} new, {outcome.known} here already{left}")
    for outcome in outcomes:
        for label, reason in outcome.left[:_SHOWN]:
            print(f"  left: {outcome.kind[:-1]} {label}: {reason}")
        if len(outcome.left) > _SHOWN:
            print(f"  left: {len(outcome.left) - _SHOWN} more {outcome.kind}")
    for name, count in others.items():
        print(f"  not taken: {count} rows of {name}")
