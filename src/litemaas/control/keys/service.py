"""How does a virtual key come to be, change and end? Every change is audited and told to the gateways."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, tzinfo
from typing import Any

import msgspec
from sqlalchemy import Row

from litemaas.control.audit.service import record
from litemaas.control.http.feed import ChangeKind
from litemaas.control.http.work import Work
from litemaas.control.keys import repository
from litemaas.control.keys.drafts import KeyDraft, check_limits, check_secret
from litemaas.control.settings.service import require_guardrails
from litemaas.core.errors import AlreadyExists, InvalidField, NotFound
from litemaas.core.keys import KEY_PREFIX, generate_key, hash_key, key_scope, mask_key
from litemaas.core.windows import Window, window_at

_HEX = frozenset("0123456789abcdef")
_HASH_CHARACTERS = 64
_FREE_MEMBERS = ("metadata", "extras", "aliases")
"""Members that people fill freely: audit names them but does not quote them."""


async def create_key(work: Work, draft: KeyDraft, secret: str | None = None, spent_nano: int = 0) -> str:
    """Makes a key and returns its secret, which is kept nowhere. ``secret``: the caller's own.

    Errors: AlreadyExists (field ``alias`` or ``key``), InvalidField.
    """
    values = msgspec.structs.asdict(draft)
    check_limits(values)
    if secret is not None:
        check_secret(secret)
    secret = secret or generate_key()
    await _add(work, values, hash_key(secret), mask_key(secret), spent_nano, "key.create")
    return secret


async def adopt_key(work: Work, draft: KeyDraft, key_hash: str, key_name: str, spent_nano: int) -> None:
    """Takes over a key that was made elsewhere and of which only the SHA-256 is known; whoever has it goes on using it.

    Errors: AlreadyExists (field ``alias`` or ``key``), InvalidField.
    """
    values = msgspec.structs.asdict(draft)
    check_limits(values)
    if len(key_hash) != _HASH_CHARACTERS or not set(key_hash) <= _HEX:
        raise InvalidField("A key's hash is a SHA-256 in lower-case hex.", "token")
    await _add(work, values, key_hash, key_name, spent_nano, "key.adopt")


async def _add(work: Work, values: dict[str, Any], key_hash: str, key_name: str, spent_nano: int, action: str) -> None:
    connection = await work.connection()
    await require_guardrails(work, values["extras"].get("guardrails") or ())
    row = _columns(values) | {
        "key_hash": key_hash,
        "key_name": key_name,
        "budget_set_at": work.now,
        "created_at": work.now,
        "created_by": work.actor,
        "updated_at": work.now,
        "updated_by": work.actor,
    }
    if await repository.forget_deleted_key(connection, key_hash):
        await repository.clear_settled(connection, key_hash)
        work.changed(ChangeKind.BUDGET, key_scope(key_hash))
    if not await repository.add_key(connection, row):
        if await repository.find_key(connection, key_hash) is not None:
            raise AlreadyExists("This key already exists.", "key")
        raise alias_taken()
    if spent_nano:
        start = window_at(values["budget_duration"], work.now, work.now, work.zone).start
        await repository.set_settled(connection, key_scope(key_hash), start, spent_nano)
    work.changed(ChangeKind.KEY, key_hash)
    spend = {"spent_nano": spent_nano} if spent_nano else {}
    await record(work, action, "key", key_hash, _detail(values) | spend)


async def change_key(work: Work, key_hash: str, values: dict[str, Any], spent_nano: int | None = None) -> None:
    """Sets members of a key (columns as in :class:`KeyDraft`); ``spent_nano`` sets the spend of its current window.

    A new ``budget_duration`` keeps what was spent. Errors: NotFound, AlreadyExists (field ``alias``), InvalidField.
    """
    connection = await work.connection()
    before = await _held(work, key_hash)
    check_limits(values)
    await require_guardrails(work, (values.get("extras") or {}).get("guardrails") or ())
    columns = _columns(values)
    if "budget_duration" in columns and columns["budget_duration"] != before.budget_duration:
        columns["budget_set_at"] = work.now
        await _carry_spend(work, before, columns["budget_duration"])
    key_hash = before.key_hash
    if "blocked" in columns:
        columns["extras"] = without_disabler(columns.get("extras", before.extras))
    if columns and not await repository.change_key(connection, key_hash, columns | _touched(work)):
        raise alias_taken()
    if spent_nano is not None:
        after = await _held(work, key_hash)
        await repository.set_settled(
            connection, key_scope(key_hash), current_window(after, work.now, work.zone).start, spent_nano
        )
        work.changed(ChangeKind.BUDGET, key_scope(key_hash))
    if columns or spent_nano is not None:
        tell(work, before)
        spend = {} if spent_nano is None else {"spent_nano": spent_nano}
        await record(
            work, "key.update", "key", before.public_id or key_hash, _detail(values) | spend | _ledger_id(before)
        )


async def set_blocked(work: Work, key_hash: str, *, blocked: bool) -> None:
    """Errors: NotFound."""
    before = await _held(work, key_hash)
    values = {"blocked": blocked, "extras": without_disabler(before.extras)} | _touched(work)
    await repository.change_key(await work.connection(), before.key_hash, values)
    tell(work, before)
    action = "key.block" if blocked else "key.unblock"
    await record(work, action, "key", before.public_id or before.key_hash, _ledger_id(before))


async def delete_key(work: Work, key_hash: str, reason: str | None = None) -> None:
    """Ends a key at once; its alias is free, its records stay. ``reason``: for the audit trail. Errors: NotFound."""
    before = await _held(work, key_hash)
    gone = {"deleted_at": work.now, "secret_sealed": None} | _touched(work)
    await repository.change_key(await work.connection(), before.key_hash, gone)
    tell(work, before)
    because = {"reason": reason} if reason else {}
    detail = {"alias": before.alias, "key_name": before.key_name} | because | _ledger_id(before)
    await record(work, "key.delete", "key", before.public_id or before.key_hash, detail, before.name or before.alias)


DISABLED_BY = "disabled_by"
"""Where ``extras`` note who disabled a key of the portal: only they, and administrators, enable it again."""


def without_disabler(extras: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in extras.items() if name != DISABLED_BY}


def _ledger_id(row: Row[Any]) -> dict[str, Any]:
    """What a key of the portal is called where money is counted."""
    return {} if row.public_id is None else {"ledger_id": row.key_hash}


def tell(work: Work, row: Row[Any]) -> None:
    """The gateways know a key by each secret that opens it."""
    hashes = (row.key_hash, row.secret_hash, row.old_secret_hash)
    work.changed(ChangeKind.KEY, *(one for one in hashes if one is not None))


async def spend_of(work: Work, rows: Sequence[Row[Any]]) -> dict[str, int]:
    """What each key has spent in its current window, or in all its life without one. Units: nano-USD by key hash."""
    windows = {row.key_hash: (key_scope(row.key_hash), current_window(row, work.now, work.zone).start) for row in rows}
    booked = await repository.settled(await work.connection(), list(windows.values()))
    return {key_hash: booked.get(window, 0) for key_hash, window in windows.items()}


def current_window(row: Row[Any], now: datetime, zone: tzinfo) -> Window:
    return window_at(row.budget_duration, now, row.budget_set_at, zone)


def hash_of(key_or_hash: str) -> str:
    """Key arguments take the key itself or its hash."""
    return hash_key(key_or_hash) if key_or_hash.startswith(KEY_PREFIX) else key_or_hash


def key_not_found() -> NotFound:
    return NotFound("The key was not found.", "key")


def alias_taken() -> AlreadyExists:
    # Roles look for "model", "not" and "invalid" in this text and take it for another error when they find one
    # (gateway-api contract 3.2), so it quotes nothing and avoids even words that contain them.
    return AlreadyExists("A key with this alias already exists. Choose a different alias or delete that key.", "alias")


async def _held(work: Work, key_hash: str) -> Row[Any]:
    row = await repository.find_key(await work.connection(), key_hash, lock=True)
    if row is None:
        raise key_not_found()
    return row


async def _carry_spend(work: Work, before: Row[Any], duration: str | None) -> None:
    connection = await work.connection()
    scope = key_scope(before.key_hash)
    old = (scope, current_window(before, work.now, work.zone).start)
    new = (scope, window_at(duration, work.now, work.now, work.zone).start)
    booked = await repository.settled(connection, [old, new])
    spent = booked.get(old, 0)
    if new != old and spent > booked.get(new, 0):
        await repository.set_settled(connection, *new, spent)
        work.changed(ChangeKind.BUDGET, scope)


def _columns(values: dict[str, Any]) -> dict[str, Any]:
    if "model_limits" not in values:
        return dict(values)
    limits = {model: msgspec.structs.asdict(limit) for model, limit in values["model_limits"].items()}
    return values | {"model_limits": limits}


def _touched(work: Work) -> dict[str, Any]:
    return {"updated_at": work.now, "updated_by": work.actor}


def _detail(values: dict[str, Any]) -> dict[str, Any]:
    quoted = msgspec.to_builtins({k: v for k, v in values.items() if k not in _FREE_MEMBERS})
    return dict(quoted) | {"members": sorted(_set(values))}


def _set(values: dict[str, Any]) -> Iterable[str]:
    return (name for name, value in values.items() if value not in (None, {}, [], False))
