"""How do discounts and margins come to hold? Every price that they change becomes a new version, in one transaction."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from litemaas.control.audit.service import record
from litemaas.control.catalog import price_terms_repository as repository
from litemaas.control.catalog.drafts import PRICED_PROVIDERS
from litemaas.control.http.feed import ChangeKind
from litemaas.control.http.work import Work
from litemaas.core.errors import InvalidField
from litemaas.core.price_terms import check_discounts, check_margins

DISCOUNTS: Final = "discounts"
MARGINS: Final = "margins"
_CHECKS: Final[dict[str, Callable[[Any, frozenset[str]], dict[str, Any]]]] = {
    DISCOUNTS: check_discounts, MARGINS: check_margins,
}  # fmt: skip


async def read(work: Work, kind: str) -> dict[str, Any]:
    """As they were written. ``kind``: ``DISCOUNTS`` or ``MARGINS``."""
    return dict((await repository.stored(await work.connection())).get(kind, {}))


async def write(work: Work, kind: str, wanted: dict[str, Any]) -> dict[str, Any]:
    """Puts all of one kind; calls that begin from now on are charged so. Errors: InvalidField."""
    try:
        checked = _CHECKS[kind](wanted, PRICED_PROVIDERS)
    except ValueError as error:
        raise InvalidField(f"{error}.", kind) from None
    connection = await work.connection()
    await repository.hold_for_change(connection)
    held = await repository.stored(connection)
    if held.get(kind, {}) == checked:
        return checked
    await repository.store(connection, {**held, kind: checked}, work.actor, work.now)
    changed = [await repository.reprice(connection, provider, work.actor) for provider in sorted(PRICED_PROVIDERS)]
    detail = {"old": held.get(kind, {}), "new": checked, "prices": sum(changed)}
    await record(work, f"price_terms.{kind}", "settings", repository.NAME, detail)
    work.changed(ChangeKind.CATALOG, repository.NAME)
    return checked
