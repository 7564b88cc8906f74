"""How do routes of an installation's own come to be? Checked, sealed, priced by version, audited and told to the gateways."""

from __future__ import annotations

import re
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec
from sqlalchemy import Row

from litemaas.control.audit.service import record
from litemaas.control.catalog import pass_through_repository as repository
from litemaas.control.catalog.repository import add_price
from litemaas.control.http.feed import ChangeKind
from litemaas.control.http.work import Work
from litemaas.core.errors import AlreadyExists, InvalidField, NotFound
from litemaas.core.money import per_million_from_usd_per_unit
from litemaas.core.pass_through import METHODS, PROVIDER, check_path
from litemaas.core.pricing import Price
from litemaas.kit.outbound import AddressRefused, judge_host

MASK: Final = "****"
"""Shown for a value that is kept; whoever sends it back keeps what is there."""
_MOST_ROUTES: Final = 1000
_MOST_VALUES: Final = 64
_MOST_CHARACTERS: Final = 8192
_MOST_COST: Final = 10**18
"""Nano-USD per million requests: a thousand USD for one."""
_HEADER: Final = re.compile(r"[A-Za-z0-9-]{1,128}")
_OURS: Final = frozenset({
    "host", "content-length", "transfer-encoding", "connection", "keep-alive", "te", "trailer", "upgrade", "expect",
    "accept-encoding", "proxy-connection", "proxy-authorization",
})  # fmt: skip
"""Headers that say how a message is framed: they are the gateway's."""
_REFERENCE: Final = "os.environ/"


class Draft(msgspec.Struct, kw_only=True):
    """A route as it is asked for. ``cost``: USD per request."""

    path: str
    target: str
    headers: dict[str, str] = {}
    query: dict[str, str] = {}
    methods: list[str] = []
    include_subpath: bool = False
    needs_key: bool = True
    cost: float | str = 0


def _purpose(route_id: str) -> str:
    return f"pass_through:{route_id}"


def _checked(draft: Draft) -> Draft:
    """Errors: InvalidField naming the member."""
    try:
        check_path(draft.path)
    except ValueError as error:
        raise InvalidField(f"{error}.", "path") from None
    _check_target(draft.target)
    _check_values("headers", draft.headers)
    _check_values("default_query_params", draft.query)
    for name in draft.headers:
        if not _HEADER.fullmatch(name) or name.lower() in _OURS:
            raise InvalidField(f"headers names {name[:100]!r}, which cannot be set.", "headers")
    methods = [method.upper() for method in draft.methods] or list(METHODS)
    if unknown := sorted(set(methods) - set(METHODS)):
        raise InvalidField(f"methods names {unknown[0][:100]!r}; there are {', '.join(METHODS)}.", "methods")
    return msgspec.structs.replace(draft, methods=[method for method in METHODS if method in methods])


def _check_target(target: str) -> None:
    """As the address of a deployment; and no address that only this machine's platform answers at. Errors: InvalidField."""
    wrong = InvalidField(
        "target must be an http or https URL with a host, without credentials, query or fragment.", "target"
    )
    try:
        url = urlsplit(target)
        port, host = url.port, url.hostname
    except ValueError:
        raise wrong from None
    odd = not target.isascii() or any(ord(character) <= 32 or ord(character) == 127 for character in target)
    if (
        url.scheme not in ("http", "https")
        or not host
        or "@" in url.netloc
        or port == 0
        or "?" in target
        or "#" in target
        or odd
    ):
        raise wrong
    if {".", ".."} & set(url.path.split("/")) or len(target) > _MOST_CHARACTERS:
        raise wrong
    try:
        judge_host(host, loopback_allowed=True)
    except AddressRefused as error:
        raise InvalidField(f"target cannot be called: {error}.", "target") from None


def _check_values(member: str, values: dict[str, str]) -> None:
    """Errors: InvalidField, without the value."""
    if len(values) > _MOST_VALUES:
        raise InvalidField(f"{member} holds more than {_MOST_VALUES} values.", member)
    for name, value in values.items():
        if _REFERENCE in value:
            raise InvalidField(
                f"{member}.{name[:100]}: variables of the environment are only read from a configuration file; send the value.",
                member,
            )
        if len(value) > _MOST_CHARACTERS or not value.isascii() or not value.isprintable():
            raise InvalidField(f"{member}.{name[:100]} holds characters that cannot be sent, or too many.", member)


def _price(cost: float | str) -> Price:
    """Errors: InvalidField."""
    try:
        exact = per_million_from_usd_per_unit(cost)
    except ValueError:
        exact = -1
    if not 0 <= exact <= _MOST_COST:
        raise InvalidField("cost_per_request must be an amount of USD from 0 on.", "cost_per_request")
    return Price(request_per_million=exact)


async def add(work: Work, route_id: str, draft: Draft) -> Row[Any]:
    """Errors: InvalidField, AlreadyExists."""
    checked = _checked(draft)
    price = _price(draft.cost)
    connection = await work.connection()
    if len(await repository.every(connection)) >= _MOST_ROUTES:
        raise InvalidField(f"There are {_MOST_ROUTES} routes, which is the most; delete one first.", "path")
    columns = _columns(work, route_id, checked)
    columns |= {"id": route_id, "created_at": work.now, "created_by": work.actor}
    columns["price_version"] = await add_price(connection, route_id, price, work.actor, PROVIDER)
    if not await repository.add(connection, columns):
        raise AlreadyExists(f"A route with the path {checked.path!r} already exists.", "path")
    await _tell(work, "create", route_id, checked, sorted(Draft.__struct_fields__))
    return await find(work, route_id)


async def change(work: Work, route_id: str, values: dict[str, Any]) -> Row[Any]:
    """Sets members of :class:`Draft`; a value that is masked stays what it is, unless the route is to lead elsewhere.

    Errors: NotFound, InvalidField, AlreadyExists.
    """
    connection = await work.connection()
    before = await repository.find(connection, route_id, lock=True)
    if before is None:
        raise _not_found(route_id)
    members = sorted(values)
    held = secrets_of(work, before)
    moves = values.get("target", before.target) != before.target
    for member, word in (("headers", "headers"), ("query", "default_query_params")):
        sent = values.get(member, dict.fromkeys(held[member], MASK))
        if moves and MASK in sent.values():
            raise InvalidField(f"With another target {word} must be sent, too: kept ones do not go elsewhere.", word)
        values[member] = {
            name: held[member].get(name, value) if value == MASK else value for name, value in sent.items()
        }
    draft = Draft(
        path=before.path, target=before.target, methods=list(before.methods), include_subpath=before.include_subpath,
        needs_key=before.needs_key,
    )  # fmt: skip
    checked = _checked(msgspec.structs.replace(draft, **values))
    if await repository.is_taken(connection, checked.path, route_id):
        raise AlreadyExists(f"A route with the path {checked.path!r} already exists.", "path")
    columns = _columns(work, route_id, checked)
    if "cost" in values and (price := _price(values["cost"])).request_per_million != before.request_per_million:
        columns["price_version"] = await add_price(connection, route_id, price, work.actor, PROVIDER)
    await repository.change(connection, route_id, columns)
    await _tell(work, "update", route_id, checked, members)
    return await find(work, route_id)


async def remove(work: Work, route_id: str) -> Row[Any]:
    """What it was. Errors: NotFound."""
    row = await find(work, route_id)
    await repository.remove(await work.connection(), route_id)
    await record(work, "pass_through.delete", "pass_through", route_id, {}, row.path)
    work.changed(ChangeKind.CATALOG, row.path)
    return row


async def find(work: Work, route_id: str) -> Row[Any]:
    """Errors: NotFound."""
    row = await repository.find(await work.connection(), route_id)
    if row is None:
        raise _not_found(route_id)
    return row


def secrets_of(work: Work, row: Row[Any]) -> dict[str, dict[str, str]]:
    """``headers`` and ``query`` in clear."""
    opened = work.vault.open(row.secrets_sealed, _purpose(row.id))
    return msgspec.json.decode(opened, type=dict[str, dict[str, str]])


def _columns(work: Work, route_id: str, checked: Draft) -> dict[str, Any]:
    secrets = msgspec.json.encode({"headers": checked.headers, "query": checked.query}).decode()
    return {
        "path": checked.path, "target": checked.target, "methods": checked.methods,
        "include_subpath": checked.include_subpath, "needs_key": checked.needs_key,
        "secrets_sealed": work.vault.seal(secrets, _purpose(route_id)), "updated_at": work.now, "updated_by": work.actor,
    }  # fmt: skip


async def _tell(work: Work, action: str, route_id: str, checked: Draft, members: list[str]) -> None:
    """The target's host and not its path, which of a webhook is its secret."""
    detail = {"members": members, "needs_key": checked.needs_key, "host": urlsplit(checked.target).hostname}
    await record(work, f"pass_through.{action}", "pass_through", route_id, detail, checked.path)
    work.changed(ChangeKind.CATALOG, checked.path)


def _not_found(route_id: str) -> NotFound:
    return NotFound(f"The route {route_id[:100]!r} was not found.", "endpoint_id")
