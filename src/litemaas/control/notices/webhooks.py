"""Which paths serve webhooks and tests of the channels?"""

from __future__ import annotations

import secrets
from typing import Any
from uuid import uuid4

from fastapi import APIRouter, Request, Response
from sqlalchemy import Row

from litemaas.control.audit.service import record
from litemaas.control.auth.gates import requires
from litemaas.control.http.etags import IfMatch, require_match, tag
from litemaas.control.http.shapes import PROBLEMS
from litemaas.control.http.work import Work, WorkOf, WorkRoute
from litemaas.control.notices import repository
from litemaas.control.notices.delivery import Carrier, message_for, open_secret
from litemaas.control.notices.events import Event
from litemaas.control.notices.schemas import (
    Deliveries,
    Delivery,
    NewWebhook,
    TestEmail,
    TestOutcome,
    WebhookIn,
    WebhookOut,
    WebhookPatch,
    Webhooks,
)
from litemaas.control.notices.texts import written
from litemaas.control.settings import service as settings
from litemaas.control.settings.groups import NotificationSettings
from litemaas.core.errors import NotFound
from litemaas.core.permissions import Permission

router = APIRouter(
    prefix="/api/v1/admin",
    tags=["notifications"],
    route_class=WorkRoute,
    dependencies=[requires(Permission.ADMIN_SETTINGS_READ, Permission.ADMIN_SETTINGS_WRITE)],
    responses=PROBLEMS,
)
_VOLATILE = frozenset({"failures"})


@router.get("/webhooks")
async def list_webhooks(work: WorkOf) -> Webhooks:
    """All webhooks; their secrets are not shown."""
    return Webhooks(data=[_out(row) for row in await repository.list_webhooks(await work.connection())])


@router.post("/webhooks", status_code=201)
async def create_webhook(work: WorkOf, body: WebhookIn) -> NewWebhook:
    """Makes a webhook and shows its secret this once."""
    webhook_id, secret = str(uuid4()), body.secret or secrets.token_urlsafe(32)
    values = {
        "id": webhook_id, "url": body.url, "events": [event.value for event in body.events], "is_active": body.is_active,
        "secret_sealed": work.vault.seal(secret, f"webhook:{webhook_id}"), "created_at": work.now,
        "created_by": work.actor, "updated_at": work.now, "updated_by": work.actor,
    }  # fmt: skip
    await repository.add_webhook(await work.connection(), values)
    await record(work, "webhook.created", "webhook", webhook_id, {"events": values["events"]})
    return NewWebhook(secret=secret, webhook=_out(await _held(work, webhook_id)))


@router.get("/webhooks/{webhook_id}")
async def get_webhook(work: WorkOf, webhook_id: str, response: Response) -> WebhookOut:
    """One webhook."""
    return tag(response, _out(await _held(work, webhook_id)), _VOLATILE)


@router.patch("/webhooks/{webhook_id}")
async def change_webhook(
    work: WorkOf, webhook_id: str, body: WebhookPatch, response: Response, if_match: IfMatch = None
) -> WebhookOut:
    """Changes what is named; enabling it again forgets earlier failures."""
    require_match(if_match, _out(await _held(work, webhook_id, lock=True)), _VOLATILE)
    values = body.model_dump(mode="json", exclude_unset=True)
    named = sorted(values)
    if "secret" in values:
        values["secret_sealed"] = work.vault.seal(values.pop("secret"), f"webhook:{webhook_id}")
    if values.get("is_active"):
        values |= {"failures": 0, "disabled_reason": None}
    if values:
        stamps = {"updated_at": work.now, "updated_by": work.actor}
        await repository.change_webhook(await work.connection(), webhook_id, values | stamps)
        await record(work, "webhook.updated", "webhook", webhook_id, {"members": named})
    return tag(response, _out(await _held(work, webhook_id)), _VOLATILE)


@router.delete("/webhooks/{webhook_id}", status_code=204)
async def delete_webhook(work: WorkOf, webhook_id: str) -> None:
    """Removes a webhook with its log."""
    await _held(work, webhook_id, lock=True)
    await repository.drop_webhook(await work.connection(), webhook_id)
    await record(work, "webhook.deleted", "webhook", webhook_id, {})


@router.get("/webhooks/{webhook_id}/deliveries")
async def list_deliveries(work: WorkOf, webhook_id: str) -> Deliveries:
    """The newest hundred."""
    await _held(work, webhook_id)
    rows = await repository.list_deliveries(await work.connection(), webhook_id, 100)
    return Deliveries(data=[Delivery(**{n: row._mapping[n] for n in Delivery.model_fields}) for row in rows])


@router.post("/webhooks/{webhook_id}/test")
async def try_webhook(work: WorkOf, webhook_id: str, request: Request) -> TestOutcome:
    """Sends a test now; answers 200 whether or not the other side took it."""
    hook = await _held(work, webhook_id)
    secret = open_secret(work.vault, hook)
    await record(work, "webhook.tested", "webhook", webhook_id, {})
    await work.pause()
    carrier: Carrier = request.app.state.carrier
    told = {"id": "test", "event": Event.TEST.value, "subject": "test", "facts": {}, "at": work.now}
    body = message_for(hook.url, told)
    outcome = await carrier.post(hook.url, secret, "test", body, work.now)
    return TestOutcome(ok=outcome.ok, detail=outcome.detail)


@router.post("/notifications/test-email")
async def try_email(work: WorkOf, body: TestEmail, request: Request) -> TestOutcome:
    """Sends a test e-mail now."""
    group = await settings.read(work, NotificationSettings)
    await record(work, "notification.tested", "notification", "email", {})
    await work.pause()
    carrier: Carrier = request.app.state.carrier
    outcome = await carrier.mail(group.sender, body.to, *written(Event.TEST, {}))
    return TestOutcome(ok=outcome.ok, detail=outcome.detail)


async def _held(work: Work, webhook_id: str, *, lock: bool = False) -> Row[Any]:
    row = await repository.find_webhook(await work.connection(), webhook_id, lock=lock)
    if row is None:
        raise NotFound("The webhook was not found.")
    return row


def _out(row: Row[Any]) -> WebhookOut:
    return WebhookOut(**{name: row._mapping[name] for name in WebhookOut.model_fields})
