"""Does everybody who must know learn of it once, by the channels they chose, whatever the channels do?"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from email import message_from_bytes
from typing import Any

import asyncpg
import httpx2
import pytest
from aiosmtpd.controller import UnthreadedController

from litemaas.control.app import Settings, create_app
from litemaas.control.http.work import Plane
from litemaas.control.notices.delivery import MAX_FAILURES, Carrier, deliver_due
from litemaas.control.notices.events import Event
from litemaas.control.notices.service import notify, notify_holders
from litemaas.control.notices.texts import TEXTS, written
from litemaas.core.permissions import Permission

from .people import add_user, browser, start_session

People = dict[str, httpx2.AsyncClient]


class Post:
    """A mail server and a webhook receiver on loopback that remember what came."""

    def __init__(self) -> None:
        self.mails: list[tuple[list[str], Any]] = []
        self.hooks: list[tuple[dict[str, str], bytes]] = []
        self.status = 200
        self.url = ""
        self.smtp_url = ""
        self.to_recipients = "250 OK"

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:  # noqa: N802
        if self.to_recipients.startswith("250"):
            envelope.rcpt_tos.append(address)
        return self.to_recipients

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802 — aiosmtpd's name
        self.mails.append((envelope.rcpt_tos, message_from_bytes(envelope.content)))
        return "250 OK"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        headers = dict(line.lower().split(": ", 1) for line in head.split("\r\n")[1:] if ": " in line)
        body = await reader.readexactly(int(headers["content-length"]))
        self.hooks.append((headers, body))
        writer.write(f"HTTP/1.1 {self.status} X\r\nContent-Length: 0\r\n\r\n".encode())
        writer.close()


@pytest.fixture
async def post() -> AsyncIterator[Post]:
    received = Post()
    mail = UnthreadedController(received, hostname="127.0.0.1", port=0, loop=asyncio.get_running_loop())
    mail.server = await mail._create_server()
    hook = await asyncio.start_server(received.serve, "127.0.0.1", 0)
    received.smtp_url = f"smtp://127.0.0.1:{mail.server.sockets[0].getsockname()[1]}"
    received.url = f"http://127.0.0.1:{hook.sockets[0].getsockname()[1]}/hook"
    yield received
    mail.server.close()
    hook.close()


@pytest.fixture
def plane(app: Any) -> Plane:
    plane: Plane = app.state.plane
    return plane


async def tell(plane: Plane, user: str, event: Event = Event.SUBSCRIPTION_DENIED, **facts: Any) -> None:
    once = facts.pop("once", None)
    async with plane.work() as work:
        await notify(work, event, user_ids=[user], subject="subscription:1", facts={"model": "m", **facts}, once=once)


async def add_webhook(people: People, database: asyncpg.Connection, url: str) -> tuple[str, str]:
    made = await people["admin"].post("/api/v1/admin/webhooks", json={"url": "https://hooks.example.org/x"})
    assert made.status_code == 201, made.text
    # Receivers of this test have no certificate; the API takes https addresses only.
    await database.execute("update webhooks set url = $1", url)
    return made.json()["webhook"]["id"], made.json()["secret"]


async def test_a_notice_arrives_in_the_inbox_by_mail_and_at_the_webhook_once(
    plane: Plane, people: People, post: Post, database: asyncpg.Connection
):
    _, secret = await add_webhook(people, database, post.url)
    carrier = Carrier(post.smtp_url, loopback_allowed=True)
    await tell(plane, "ann", reason="too dear", once="w1")
    await tell(plane, "ann", reason="too dear", once="w1")
    while await deliver_due(plane, carrier):
        pass
    (notice,) = (await people["ann"].get("/api/v1/notifications")).json()["data"]
    assert notice["title"] == "Access to m denied"
    assert "too dear" in notice["message"]
    ((recipients, mail),) = post.mails
    assert recipients == ["ann@example.org"]
    assert mail["Subject"] == "Access to m denied"
    ((headers, body),) = post.hooks
    seconds, given = (part.split("=")[1] for part in headers["x-litemaas-signature"].split(","))
    wanted = hmac.new(secret.encode(), f"{seconds}.".encode() + body, hashlib.sha256).hexdigest()
    assert given == wanted
    assert json.loads(body)["facts"] == {"model": "m", "reason": "too dear"}


async def test_every_event_arrives_by_mail_and_webhook_once(
    settings: Settings, post: Post, database: asyncpg.Connection
):
    """In an application whose own duties do not run: they would carry some of it elsewhere."""
    alone = create_app(settings)
    plane: Plane = alone.state.plane
    carrier = Carrier(post.smtp_url, loopback_allowed=True)
    await add_user(database, "ann", ["user"])
    async with browser(alone, await start_session(database, await add_user(database, "admin", ["admin"]))) as admin:
        await add_webhook({"admin": admin}, database, post.url)
    for event in Event:
        for _ in range(2):
            await tell(plane, "ann", event, once="w1")
    while await deliver_due(plane, carrier):
        pass
    await plane.engine.dispose()
    assert len(post.mails) == len(post.hooks) == len(Event)
    assert {json.loads(body)["event"] for _, body in post.hooks} == {event.value for event in Event}


async def test_nobody_sees_other_peoples_notices(plane: Plane, people: People):
    await tell(plane, "ann")
    assert (await people["bob"].get("/api/v1/notifications")).json()["data"] == []
    (notice,) = (await people["ann"].get("/api/v1/notifications")).json()["data"]
    for method, path in (
        ("POST", f"/api/v1/notifications/{notice['id']}/read"),
        ("DELETE", f"/api/v1/notifications/{notice['id']}"),
    ):
        assert (await people["bob"].request(method, path)).status_code == 404
    assert (await people["ann"].get("/api/v1/notifications/unread-count")).json() == {"unread": 1}
    assert (await people["ann"].post(f"/api/v1/notifications/{notice['id']}/read")).status_code == 204
    assert (await people["ann"].get("/api/v1/notifications/unread-count")).json() == {"unread": 0}
    assert (await people["ann"].delete(f"/api/v1/notifications/{notice['id']}")).status_code == 204
    assert (await people["ann"].get("/api/v1/notifications")).json()["pagination"]["total"] == 0


async def test_wishes_are_kept_but_decisions_and_full_budgets_always_arrive(plane: Plane, people: People, post: Post):
    wish = {"inbox": False, "email": False}
    events = {"subscription.denied": wish, "budget.reached": wish, "key.changed": wish}
    put = await people["ann"].put("/api/v1/me/notification-preferences", json={"events": events})
    assert put.json()["events"]["key.changed"] == wish
    assert put.json()["events"]["key.expires"] == {"inbox": True, "email": True}
    await tell(plane, "ann", Event.KEY_CHANGED)
    await tell(plane, "ann", Event.BUDGET_REACHED, percent=80)
    await tell(plane, "ann", Event.BUDGET_REACHED, percent=100)
    await tell(plane, "ann", Event.SUBSCRIPTION_DENIED)
    rows = (await people["ann"].get("/api/v1/notifications")).json()["data"]
    assert [(row["event"], row["facts"].get("percent")) for row in rows] == [
        ("subscription.denied", None), ("budget.reached", 100),
    ]  # fmt: skip
    while await deliver_due(plane, Carrier(post.smtp_url, loopback_allowed=True)):
        pass
    assert post.mails == []


async def test_approvers_are_those_whose_roles_may_decide(plane: Plane, people: People):
    async with plane.work() as work:
        await notify_holders(
            work, Permission.ADMIN_SUBSCRIPTIONS_WRITE, Event.SUBSCRIPTION_REQUESTED, subject="s", facts={"model": "m"}
        )
    counts = {name: (await client.get("/api/v1/notifications/unread-count")).json() for name, client in people.items()}
    assert [name for name, count in counts.items() if count["unread"]] == ["admin"]


async def test_a_channel_that_fails_is_tried_again_later_and_a_dead_webhook_is_disabled(
    plane: Plane, people: People, post: Post, database: asyncpg.Connection
):
    webhook, _ = await add_webhook(people, database, post.url)
    post.status = 500
    carrier = Carrier("smtp://127.0.0.1:9", loopback_allowed=True)
    await tell(plane, "ann")
    await deliver_due(plane, carrier)
    waiting = await database.fetch(
        "select channel, attempts, state, next_at > now() as later from deliveries order by channel"
    )
    assert [tuple(row) for row in waiting] == [("email", 1, "waiting", True), ("webhook", 1, "waiting", True)]
    log = (await people["overseer"].get(f"/api/v1/admin/webhooks/{webhook}/deliveries")).json()["data"]
    assert (log[0]["status"], log[0]["last_error"]) == (500, "answered with status 500")
    await database.execute("update webhooks set failures = $1", MAX_FAILURES - 1)
    await database.execute("update deliveries set next_at = now() where channel = 'webhook'")
    await deliver_due(plane, carrier)
    shown = (await people["admin"].get(f"/api/v1/admin/webhooks/{webhook}")).json()
    assert (shown["is_active"], shown["disabled_reason"]) == (False, "answered with status 500")
    inbox = (await people["admin"].get("/api/v1/notifications")).json()["data"]
    assert [row["event"] for row in inbox] == ["webhook.disabled"]
    again = (await people["admin"].patch(f"/api/v1/admin/webhooks/{webhook}", json={"is_active": True})).json()
    assert (again["is_active"], again["failures"]) == (True, 0)


@pytest.mark.parametrize(
    ("status", "state"),
    [(400, "given_up"), (404, "given_up"), (410, "given_up"), (408, "waiting"), (429, "waiting"), (503, "waiting")],
)
async def test_what_a_receiver_refuses_for_good_is_not_sent_again(
    plane: Plane, people: People, post: Post, database: asyncpg.Connection, status: int, state: str
):
    await add_webhook(people, database, post.url)
    post.status = status
    carrier = Carrier(None, loopback_allowed=True)
    await tell(plane, "ann")
    await deliver_due(plane, carrier)
    await database.execute("update deliveries set next_at = now()")
    post.status = 200
    await deliver_due(plane, carrier)
    assert len(post.hooks) == (1 if state == "given_up" else 2)
    ended = await database.fetchrow("select state, last_error from deliveries where channel = 'webhook'")
    refused = f"answered with status {status}" if state == "given_up" else None
    assert tuple(ended) == (state if state == "given_up" else "delivered", refused)


@pytest.mark.parametrize(
    ("reply", "state"), [("450 4.2.0 greylisted", "waiting"), ("550 5.1.1 no such user", "skipped")]
)
async def test_a_mail_server_that_says_later_is_asked_again(
    plane: Plane, people: People, post: Post, database: asyncpg.Connection, reply: str, state: str
):
    post.to_recipients = reply
    await tell(plane, "ann")
    await deliver_due(plane, Carrier(post.smtp_url, loopback_allowed=True))
    assert await database.fetchval("select state from deliveries where channel = 'email'") == state


async def test_a_day_old_delivery_is_given_up(plane: Plane, people: People, database: asyncpg.Connection):
    await tell(plane, "ann")
    await database.execute("update deliveries set created_at = now() - interval '25 hours'")
    await deliver_due(plane, Carrier("smtp://127.0.0.1:9", loopback_allowed=True))
    assert await database.fetchval("select state from deliveries") == "given_up"


async def test_webhooks_go_nowhere_the_policy_forbids(
    plane: Plane, people: People, post: Post, database: asyncpg.Connection
):
    await add_webhook(people, database, post.url.replace("http:", "https:"))
    await tell(plane, "ann")
    await deliver_due(plane, Carrier(None, loopback_allowed=False))
    assert await database.fetchval("select last_error from deliveries where channel = 'webhook'") == (
        "loopback addresses are not allowed"
    )
    for url in ("http://hooks.example.org/", "https://", "javascript:alert(1)"):
        assert (await people["admin"].post("/api/v1/admin/webhooks", json={"url": url})).status_code == 400


async def test_a_webhooks_secret_is_shown_once_and_stored_sealed(people: People, database: asyncpg.Connection):
    _, secret = await add_webhook(people, database, "https://hooks.example.org/x")
    listed = await people["admin"].get("/api/v1/admin/webhooks")
    assert secret not in listed.text
    assert secret.encode() not in await database.fetchval("select secret_sealed from webhooks")
    assert secret not in str(await database.fetch("select detail from audit"))


async def test_a_test_of_a_channel_says_what_happened(people: People):
    answer = await people["admin"].post("/api/v1/admin/notifications/test-email", json={"to": "a@example.org"})
    assert answer.json() == {"ok": False, "detail": "no SMTP server is set (LITEMAAS_SMTP_URL)"}


@pytest.mark.parametrize("event", list(Event))
def test_every_event_has_words_that_need_no_fact(event: Event):
    assert event in TEXTS
    assert all("{" not in text for text in written(event, {}))


def test_a_model_that_nothing_follows_comes_without_advice():
    assert written(Event.MODEL_RETIRED, {"model": "m", "successor": None})[1] == "m cannot be called any more."
    assert (
        written(Event.MODEL_RETIRED, {"model": "m", "successor": "n"})[1]
        == "m cannot be called any more. Use n instead."
    )
