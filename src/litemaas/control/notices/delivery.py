"""How do notifications leave the house? By e-mail and webhook, tried again over a day; a failing channel blocks nothing.

A webhook gets ``X-LiteMaaS-Signature: t=<seconds>,v1=<hex>``: HMAC-SHA256 over ``<seconds>.<body>`` with the webhook's
secret. After 50 failures in a row it is disabled and the administrators are told. What is due is taken by one replica for
two minutes; a replica that dies in between leaves it to another, so a receiver may see a delivery's id twice. What a receiver
or mail server refuses for good (a 4xx of HTTP, a 5xx of SMTP) is not sent again.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from collections.abc import Mapping
from datetime import datetime, timedelta
from email.message import EmailMessage
from html import escape
from typing import Any
from urllib.parse import unquote, urlsplit

import aiosmtplib
import httpx2
import msgspec
import orjson
from sqlalchemy import Row

from litemaas.control.http.duties import Duty
from litemaas.control.http.work import Plane, Work
from litemaas.control.notices import repository
from litemaas.control.notices.events import Event
from litemaas.control.notices.service import notify_holders
from litemaas.control.notices.texts import written
from litemaas.control.settings import service as settings
from litemaas.control.settings.groups import NotificationSettings
from litemaas.core.permissions import Permission
from litemaas.kit.crypto import SealBroken, Vault
from litemaas.kit.outbound import AddressRefused, call

WITHIN_S = 10.0
GIVE_UP_AFTER = timedelta(hours=24)
MAX_FAILURES = 50
_AT_ONCE = 20
_HELD = timedelta(minutes=2)
_FIRST_PAUSE_S = 30.0
_LONGEST_PAUSE_S = 4 * 3600.0
_SLACK = ("hooks.slack.com", "hooks.slack-gov.com")
_PASSING = frozenset({408, 425, 429})
"""Refusals of the moment, RFC 9110 15.5.9, RFC 8470 5.2, RFC 6585 4; each other 4xx says that the request itself is wrong."""


class Outcome(msgspec.Struct, frozen=True):
    """``retry``: False = trying again is no use."""

    ok: bool
    detail: str
    status: int | None = None
    retry: bool = True


class Carrier:
    """Sends e-mails and calls webhooks. ``smtp_url``: ``smtp://``, ``smtps://`` or ``smtp+starttls://user:password@host:port``."""

    def __init__(self, smtp_url: str | None, *, loopback_allowed: bool) -> None:
        self._smtp_url = smtp_url
        self._loopback_allowed = loopback_allowed

    async def mail(self, sender: str, to: str, subject: str, text: str) -> Outcome:
        """Fails: closed with words for an administrator; never with the address's password."""
        if not self._smtp_url:
            return Outcome(False, "no SMTP server is set (LITEMAAS_SMTP_URL)", retry=False)
        parts = urlsplit(self._smtp_url)
        message = EmailMessage()
        message["From"], message["To"], message["Subject"] = sender, to, subject
        message.set_content(text)
        try:
            async with asyncio.timeout(WITHIN_S * 2):
                await aiosmtplib.send(
                    message, hostname=parts.hostname, port=parts.port or (465 if parts.scheme == "smtps" else 25),
                    username=unquote(parts.username) if parts.username else None,
                    password=unquote(parts.password) if parts.password else None,
                    use_tls=parts.scheme == "smtps", start_tls=True if parts.scheme == "smtp+starttls" else None,
                    timeout=WITHIN_S,
                )  # fmt: skip
        except aiosmtplib.SMTPRecipientsRefused as refusal:
            # A 4xx of SMTP means "later", as mail servers say that do not know us yet (RFC 5321 4.2.1).
            later = any(recipient.code < 500 for recipient in refusal.recipients)
            return Outcome(False, "the mail server refused the recipient", retry=later)
        except aiosmtplib.SMTPResponseException as refusal:
            return Outcome(False, f"the mail server refused it with {refusal.code}", retry=refusal.code < 500)
        except (aiosmtplib.SMTPException, OSError, TimeoutError, ValueError) as error:
            return Outcome(False, f"the mail server did not take it ({type(error).__name__})")
        return Outcome(True, "sent")

    async def post(self, url: str, secret: str, delivery_id: str, body: bytes, now: datetime) -> Outcome:
        seconds = int(now.timestamp())
        signature = hmac.new(secret.encode(), f"{seconds}.".encode() + body, hashlib.sha256).hexdigest()
        headers = {
            "Content-Type": "application/json", "User-Agent": "LiteMaaS",
            "X-LiteMaaS-Delivery": delivery_id, "X-LiteMaaS-Signature": f"t={seconds},v1={signature}",
        }  # fmt: skip
        try:
            answer = await call(
                "POST", url, headers=headers, content=body, timeout_s=WITHIN_S,
                loopback_allowed=self._loopback_allowed, https_only=not self._loopback_allowed,
            )  # fmt: skip
        except AddressRefused as refusal:
            return Outcome(False, str(refusal))
        except (httpx2.HTTPError, OSError, TimeoutError) as error:
            return Outcome(False, f"no answer ({type(error).__name__})")
        if 200 <= answer.status < 300:
            return Outcome(True, "taken", answer.status)
        again = not 400 <= answer.status < 500 or answer.status in _PASSING
        return Outcome(False, f"answered with status {answer.status}", answer.status, retry=again)


def delivering(carrier: Carrier) -> Duty:
    async def deliver(plane: Plane) -> None:
        await deliver_due(plane, carrier)

    return Duty("deliver notifications", 2.0, deliver, within_s=120.0)


async def deliver_due(plane: Plane, carrier: Carrier) -> int:
    """Sends what is due, at most a few at once; returns how many were tried."""
    async with plane.work() as work:
        rows = await repository.due(await work.connection(), work.now, _AT_ONCE, work.now + _HELD)
    # Sent outside of any transaction: no lock waits for the network.
    await asyncio.gather(*(_deliver(plane, carrier, row) for row in rows))
    return len(rows)


async def _deliver(plane: Plane, carrier: Carrier, row: Row[Any]) -> None:
    if row.channel == "email":
        outcome = await _mail(plane, carrier, row)
    else:
        outcome = await _post(plane, carrier, row)
    async with plane.work() as work:
        await repository.end_delivery(await work.connection(), row.id, _verdict(row, outcome, work.now))
        if row.webhook_id is not None:
            await _count(work, row.webhook_id, outcome)


async def _mail(plane: Plane, carrier: Carrier, row: Row[Any]) -> Outcome:
    async with plane.work() as work:
        told = await repository.address_of(await work.connection(), row.notice_id)
        group = await settings.read(work, NotificationSettings)
    if told is None or not told.email or not group.email:
        return Outcome(False, "e-mail is off or there is no address", retry=False)
    title, sentence = written(told.event, told.facts)
    return await carrier.mail(group.sender, told.email, title.replace("\n", " ").replace("\r", " "), sentence)


async def _post(plane: Plane, carrier: Carrier, row: Row[Any]) -> Outcome:
    async with plane.work() as work:
        hook = await repository.find_webhook(await work.connection(), row.webhook_id)
    if hook is None or not hook.is_active:
        return Outcome(False, "the webhook is gone or disabled", retry=False)
    try:
        secret = open_secret(plane.vault, hook)
    except SealBroken:
        return Outcome(False, "the webhook's secret cannot be opened", retry=False)
    body = message_for(hook.url, {"id": row.id, **row.payload})
    return await carrier.post(hook.url, secret, str(row.id), body, plane.clock.now())


def _verdict(row: Row[Any], outcome: Outcome, now: datetime) -> dict[str, Any]:
    values: dict[str, Any] = {"attempts": row.attempts + 1, "status": outcome.status, "last_error": None}
    if outcome.ok:
        return values | {"state": "delivered", "ended_at": now}
    values["last_error"] = outcome.detail
    if not outcome.retry and outcome.status is None:
        return values | {"state": "skipped", "ended_at": now}
    if not outcome.retry or now - row.created_at >= GIVE_UP_AFTER:
        return values | {"state": "given_up", "ended_at": now}
    pause = min(_FIRST_PAUSE_S * 2**row.attempts, _LONGEST_PAUSE_S)
    return values | {"next_at": now + timedelta(seconds=pause)}


async def _count(work: Work, webhook_id: str, outcome: Outcome) -> None:
    connection = await work.connection()
    hook = await repository.find_webhook(connection, webhook_id, lock=True)
    if hook is None or not hook.is_active:
        return
    if outcome.ok:
        if hook.failures:
            await repository.change_webhook(connection, webhook_id, {"failures": 0})
        return
    failures = hook.failures + 1
    values: dict[str, Any] = {"failures": failures}
    if failures >= MAX_FAILURES:
        values |= {"is_active": False, "disabled_reason": outcome.detail}
        facts = {"host": urlsplit(hook.url).hostname, "failures": failures}
        await notify_holders(
            work, Permission.ADMIN_SETTINGS_WRITE, Event.WEBHOOK_DISABLED, subject=f"webhook:{webhook_id}", facts=facts
        )
    await repository.change_webhook(connection, webhook_id, values)


def message_for(url: str, told: Mapping[str, Any]) -> bytes:
    """An event as the address takes it: ours, or at Slack's a text, for nothing else is taken there.

    Source: Slack, "Sending messages using incoming webhooks" and "Escaping text" (read 2026-11).
    """
    if urlsplit(url).hostname not in _SLACK:
        return orjson.dumps(told)
    title, sentence = (escape(part, quote=False) for part in written(told["event"], told["facts"]))
    return orjson.dumps({"text": f"*{title}*\n{sentence}"})


def open_secret(vault: Vault, hook: Row[Any]) -> str:
    """Errors: SealBroken."""
    return vault.open(hook.secret_sealed, f"webhook:{hook.id}")
