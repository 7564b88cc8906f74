"""Who is told of this, and by which channels? Written in the transaction of what happened; a duty carries it out of the house.

Nobody is told twice of the same (event, subject, ``once``). Inbox, e-mail and webhooks fail apart from one another.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any
from uuid import uuid4

from litemaas.control.http.work import Work
from litemaas.control.notices import repository
from litemaas.control.notices.events import Event, always_in_inbox
from litemaas.core.permissions import Permission


async def notify(
    work: Work,
    event: Event,
    *,
    user_ids: Iterable[str],
    subject: str,
    facts: Mapping[str, Any],
    once: str | None = None,
) -> None:
    """Tells active users of ``event`` about ``subject`` (``subscription:<id>``), and every webhook that listens.

    ``facts`` fill the texts and go to webhooks: plain JSON, never a secret. ``once``: a threshold and window; without it
    each call is a telling of its own.
    """
    connection = await work.connection()
    told, stay = dict(facts), once if once is not None else str(uuid4())
    people = await repository.recipients(connection, set(user_ids))
    rows = [
        {
            "id": str(uuid4()), "user_id": person.id, "event": event.value, "subject": subject, "once": stay, "facts": told,
            "in_inbox": always_in_inbox(event, told) or chosen(person.preferences, event, "inbox"), "at": work.now,
        }
        for person in people
    ]  # fmt: skip
    new = await repository.add_notices(connection, rows)
    by_mail = {person.id for person in people if person.email and chosen(person.preferences, event, "email")}
    waiting: list[dict[str, Any]] = [
        {"channel": "email", "notice_id": row["id"], "webhook_id": None, "event": event.value, "payload": {}}
        for row in rows
        if row["id"] in new and row["user_id"] in by_mail
    ]
    if new or not rows:
        payload = {"event": event.value, "subject": subject, "facts": told, "at": work.now.isoformat()}
        waiting += [
            {"channel": "webhook", "notice_id": None, "webhook_id": webhook, "event": event.value, "payload": payload}
            for webhook in await repository.listening_webhooks(connection, event.value)
        ]
    await repository.add_deliveries(connection, waiting)


async def notify_holders(work: Work, permission: Permission, event: Event, *, subject: str, facts: Mapping[str, Any],
                         once: str | None = None) -> None:  # fmt: skip
    """Tells everybody whose roles carry ``permission``."""
    holders = await repository.holders_of(await work.connection(), permission)
    await notify(work, event, user_ids=holders, subject=subject, facts=facts, once=once)


def chosen(preferences: Mapping[str, Any], event: Event, channel: str) -> bool:
    """Whether somebody wants an event by a channel; without a choice they do."""
    wishes = preferences.get("notifications", {}).get(event.value, {})
    return bool(wishes.get(channel, True))
