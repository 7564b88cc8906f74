"""Does a route of one's own lead where it should and nowhere else, without the caller's key, counted and paid as a call?"""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import AsyncIterator

import asyncpg
import httpx2
import pytest

from .harness import MASTER_KEY, Platform, answer, gateway_settings, running, scripted, stream_answer, until

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
SECRET = "target-credential-0123456789"
CHAT = {"id": "c-1", "choices": [], "usage": {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18,
        "prompt_tokens_details": {"cached_tokens": 4}}}  # fmt: skip
_names = itertools.count()


@pytest.fixture
def path() -> str:
    """A path that no other test of this module has."""
    return f"/own{next(_names)}/search"


def root(url: str) -> str:
    """Of a scripted engine, without the ``/v1``."""
    return url.removesuffix("/v1")


async def test_a_call_goes_on_as_it_came_but_for_whose_it_is(platform: Platform, key: str, path: str):
    body = b'{"query":  "x",\n "n": 1.0, "n": 2}'
    async with scripted(answer(b'{"found": [ 1 ]}', "201 Created")) as target:
        await platform.add_route(
            path, f"{root(target.url)}/v9/find", headers={"Authorization": f"Bearer {SECRET}"}, query={"lang": "en", "k": "1"},
            include_subpath=True, cost=0.0025,
        )  # fmt: skip
        reply = await platform.http.put(
            f"{path}/a%20b/c?k=2&empty=&key={key}", content=body,
            headers={"Authorization": f"Bearer {key}", "Cookie": "session=1", "x-litellm-tags": "t", "X-Own": "no",
                     "Content-Type": "application/json; charset=utf-8", "Accept": "application/x-own",
                     "anthropic-version": "2023-06-01", "traceparent": TRACE},
        )  # fmt: skip
    assert (reply.status_code, reply.content) == (201, b'{"found": [ 1 ]}')
    assert reply.headers["x-litellm-response-cost"] == "0.002500000"
    assert "x-litellm-model-api-base" not in reply.headers
    assert target.body == body
    lines = target.head.decode().lower().split("\r\n")
    host = next(line for line in lines if line.startswith("host: ")).removeprefix("host: ")
    assert lines[0] == "put /v9/find/a%20b/c?k=2&empty=&lang=en http/1.1"
    assert sorted(line.partition(":")[0] for line in lines[1:] if line) == [
        "accept", "accept-encoding", "anthropic-version", "authorization", "content-length", "content-type", "host",
        "traceparent",
    ]  # fmt: skip
    assert f"authorization: bearer {SECRET}" in lines
    assert key.lower().encode() not in target.head.lower()
    record = await platform.record(key)
    assert (record["endpoint"], record["model"], record["provider"]) == (path, path, "pass_through")
    assert (record["cost_nano"], record["http_status"], record["tags"]) == (2_500_000, 201, ["t"])
    assert record["api_base"] == f"http://{host}"
    assert await platform.ledger.settled(key) == 2_500_000


async def test_a_get_has_no_body_and_the_routes_own_query(platform: Platform, key: str, path: str):
    async with scripted(answer(b"plain", headers=b"content-type: text/plain\r\n")) as target:
        await platform.add_route(path, root(target.url), query={"a": "x y&z"})
        reply = await platform.http.get(path, headers={"x-litellm-api-key": key})
    assert (reply.text, reply.headers["content-type"]) == ("plain", "text/plain")
    assert target.received[0][0].startswith(b"GET /?a=x+y%26z HTTP/1.1\r\n")
    assert target.body == b""


@pytest.mark.parametrize(
    ("usage", "counted"),
    [
        (CHAT["usage"], (11, 7, 4)),
        ({"input_tokens": 5, "output_tokens": 3, "cache_read_input_tokens": 2}, (7, 3, 2)),
        ({"prompt_tokens": "many"}, (0, 0, 0)),
        (["nothing"], (0, 0, 0)),
    ],
)
async def test_usage_in_either_providers_words_is_counted(
    platform: Platform, key: str, path: str, usage: object, counted: tuple[int, int, int]
):
    async with scripted(answer(json.dumps({**CHAT, "usage": usage}).encode())) as target:
        await platform.add_route(path, root(target.url), cost=0.001)
        assert (await platform.post(path, key, {"stream": False})).status_code == 200
    record = await platform.record(key)
    assert (record["prompt_tokens"], record["completion_tokens"], record["cached_tokens"]) == counted
    assert record["cost_nano"] == 1_000_000


OPENAI = (b'data: {"id":"a","choices":[{"delta":{"content":"x"}}]}\r\n\r\n',
          b'data: {"choices":[],"usage":{"prompt_tokens":9,"completion_tokens":1}}\n\n', b"data: [DONE]\n\n")  # fmt: skip
ANTHROPIC = (b'event: message_start\ndata: {"type":"message_start","message":{"usage":{"input_tokens":9}}}\n\n',
             b'event: message_delta\ndata: {"type":"message_delta","usage":{"output_tokens":1}}\n\n')  # fmt: skip


@pytest.mark.parametrize("events", [OPENAI, ANTHROPIC])
async def test_a_stream_passes_byte_for_byte_and_its_usage_is_counted(
    platform: Platform, key: str, path: str, events: tuple[bytes, ...]
):
    async with scripted(stream_answer(*events)) as target:
        await platform.add_route(path, root(target.url), cost=0.001)
        reply = await platform.post(path, key, {"stream": True})
    assert reply.content == b"".join(events)
    assert reply.headers["content-type"] == "text/event-stream"
    record = await platform.record(key)
    assert (record["prompt_tokens"], record["completion_tokens"], record["usage_source"]) == (9, 1, "engine")
    assert (record["stream"], record["cost_nano"]) == (True, 1_000_000)


async def test_a_client_that_hangs_up_in_a_stream_has_paid_for_the_request(platform: Platform, key: str, path: str):
    event = b'data: {"progress": 1}\n\n'
    head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
    async with scripted(head + b"%x\r\n%b\r\n" % (len(event), event), then="silent") as target:
        await platform.add_route(path, root(target.url), cost=0.001)
        headers = {"Authorization": f"Bearer {key}"}
        async with platform.http.stream("GET", path, headers=headers) as reply:
            assert await anext(reply.aiter_raw()) == event
        await asyncio.wait_for(target.left.wait(), 10)
    record = await platform.record(key)
    assert (record["status"], record["cost_nano"], record["prompt_tokens"]) == ("cancelled", 1_000_000, 0)


async def test_what_is_no_text_streams_and_a_broken_answer_is_not_taken_for_a_whole_one(
    platform: Platform, key: str, path: str
):
    head = b"HTTP/1.1 206 Partial\r\ncontent-type: audio/mpeg\r\ncontent-length: 9\r\n\r\n"
    async with scripted(lambda _, body: head + (b"123456789" if body else b"1234"), then="close") as target:
        await platform.add_route(path, root(target.url))
        whole = await platform.http.post(path, content=b"\0\xff", headers={"Authorization": f"Bearer {key}"})
        assert (whole.status_code, whole.content) == (206, b"123456789")
        assert target.body == b"\0\xff"
        with pytest.raises(httpx2.HTTPError):
            await platform.http.post(path, headers={"Authorization": f"Bearer {key}"})
    statuses = [row["status"] for row in await platform.records(key, 2)]
    assert statuses == ["success", "failure"]


@pytest.mark.parametrize(
    ("rest", "status"),
    [
        ("/../admin", 400), ("/%2e%2e/admin", 400), ("/..%2fadmin", 400), ("/%252e%252e/admin", 400), ("/a/..;x/b", 400),
        ("/a%5c..%5cb", 400), ("/a%0d%0aX-Evil:%201", 400), ("/%00", 400), ("/.", 400), ("x", 404), ("/fine", 200),
        ("//fine", 200),
    ],
)  # fmt: skip
async def test_the_rest_of_a_path_cannot_lead_elsewhere(
    platform: Platform, key: str, path: str, rest: str, status: int
):
    async with scripted(answer(b"{}")) as target:
        await platform.add_route(path, f"{root(target.url)}/kept", include_subpath=True)
        answered = await raw(
            platform, b"GET %b HTTP/1.1\r\nauthorization: Bearer %b" % ((path + rest).encode(), key.encode())
        )
    assert int(answered.split(b" ")[1]) == status
    assert [head.split(b" ")[1] for head, _ in target.received] == ([f"/kept{rest}".encode()] if status == 200 else [])


async def raw(platform: Platform, head: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", platform.gateway.port)
    writer.write(head + b"\r\nhost: x\r\nconnection: close\r\n\r\n")
    answered = await asyncio.wait_for(reader.read(), 20)
    writer.close()
    return answered


async def test_an_absolute_target_and_a_host_change_nothing(platform: Platform, key: str, path: str):
    async with scripted(answer(b"{}")) as target:
        await platform.add_route(path, root(target.url))
        authorization = b"\r\nauthorization: Bearer " + key.encode()
        absolute = await raw(platform, b"GET http://elsewhere.example%b HTTP/1.1" % path.encode() + authorization)
        assert absolute.startswith(b"HTTP/1.1 400")
        assert target.received == []
        named = await platform.http.get(
            path, headers={"Authorization": f"Bearer {key}", "X-Forwarded-Host": "elsewhere"}
        )
        assert named.status_code == 200
        assert f"host: 127.0.0.1:{target.port}\r\n".encode() in target.head


async def test_redirects_are_neither_followed_nor_told(platform: Platform, key: str, path: str):
    async with scripted(answer(b"{}")) as other:
        moved = answer(b"", "302 Found", f"location: {other.url}\r\n".encode())
        async with scripted(moved) as target:
            await platform.add_route(path, root(target.url), headers={"x-api-key": SECRET}, cost=1)
            reply = await platform.http.get(path, headers={"Authorization": f"Bearer {key}"})
        assert reply.status_code == 500
        assert "redirect" in reply.json()["error"]["message"]
        assert "location" not in reply.headers
        assert other.received == []
    assert (await platform.record(key))["cost_nano"] == 0


async def test_methods_keys_and_paths_that_are_not_given_are_refused(platform: Platform, key: str, path: str):
    async with scripted(answer(b"{}")) as target:
        await platform.add_route(path, root(target.url), methods=("POST",))
        for request, status in (
            (platform.http.get(path, headers={"Authorization": f"Bearer {key}"}), 405),
            (platform.http.post(path), 401),
            (platform.http.post(path, headers={"Authorization": "Bearer sk-unknown-0123456789"}), 401),
            (platform.post(f"{path}/below", key, {}), 404),
            (platform.post(f"/v1{path}", key, {}), 404),
            (platform.post(path.upper(), key, {}), 404),
        ):
            reply = await request
            assert reply.status_code == status, reply.text
        assert (await platform.http.get(path)).headers["allow"] == "POST"
        assert target.received == []
        assert (await platform.post(path, MASTER_KEY, {})).status_code == 200


async def test_a_key_obeys_its_routes_and_a_governed_one_needs_them(platform: Platform, path: str):
    kinds: tuple[tuple[dict[str, object], int], ...] = (
        ({"extras": json.dumps({"allowed_routes": [path]})}, 200),
        ({"extras": json.dumps({"allowed_routes": [f"{path[:-4]}*"]})}, 200),
        ({"extras": json.dumps({"allowed_routes": ["/chat/completions"]})}, 403),
        ({"extras": json.dumps({"key_type": "management"})}, 403),
        ({"models": ["granite"]}, 200),
        ({"governed": True}, 403),
        ({"governed": True, "extras": json.dumps({"allowed_routes": [path]})}, 200),
    )
    async with scripted(answer(b"{}")) as target:
        await platform.add_route(path, root(target.url))
        for columns, status in kinds:
            own = await platform.ledger.add_key(**columns)
            assert (await platform.post(path, own, {})).status_code == status, columns


async def test_a_route_without_a_key_is_for_anybody_and_hears_no_key(platform: Platform, key: str, path: str):
    async with scripted(answer(json.dumps(CHAT).encode())) as target:
        await platform.add_route(path, root(target.url), needs_key=False, cost=0.001)
        for headers in ({}, {"Authorization": "Basic eDp5"}, {"Authorization": f"Bearer {key}"}):
            reply = await platform.http.post(path, json={}, headers=headers)
            assert reply.status_code == 200, reply.text
            assert "x-litellm-key-spend" not in reply.headers
            assert b"authorization" not in target.head.lower()
    rows = await until(lambda: rows_of(platform, path, 3))
    assert {(row["key_hash"], row["cost_nano"]) for row in rows} == {("", 1_000_000)}
    assert await platform.ledger.records(key) == []


async def rows_of(platform: Platform, path: str, count: int) -> list[asyncpg.Record]:
    rows = await platform.ledger.connection.fetch("select * from usage_records where endpoint = $1", path)
    return list(rows) if len(rows) >= count else []


async def test_budgets_and_limits_hold_before_the_target_is_asked(platform: Platform, path: str):
    poor = await platform.ledger.add_key(max_budget_nano=2_500_000)
    slow = await platform.ledger.add_key(rpm_limit=1)
    async with scripted(answer(b"{}")) as target:
        await platform.add_route(path, root(target.url), cost=0.001)
        answers = await asyncio.gather(*(platform.post(path, poor, {}) for _ in range(8)))
        assert sorted(reply.status_code for reply in answers) == [200] * 2 + [400] * 6
        assert [(await platform.post(path, slow, {})).status_code for _ in range(2)] == [200, 429]
        assert len(target.received) == 3
    await platform.records(poor, 8)
    assert await platform.ledger.settled(poor) == 2_000_000
    await platform.no_room_is_held(poor)


async def test_a_targets_refusal_is_told_in_its_own_words_without_its_credential(
    platform: Platform, key: str, path: str
):
    said = json.dumps({"detail": {"why": "no such index", "saw": SECRET}}).encode()
    async with scripted(
        answer(said, "422 Unprocessable", b"content-type: application/json\r\nretry-after: 7\r\n")
    ) as target:
        await platform.add_route(path, root(target.url), headers={"x-api-key": SECRET}, cost=1)
        reply = await platform.post(path, key, {})
        assert (reply.status_code, reply.json()) == (422, {"detail": {"why": "no such index", "saw": "****"}})
        assert reply.headers["retry-after"] == "7"
        target.reply = answer(f"bad key {SECRET}".encode(), "401 Unauthorized", b"content-type: application/json\r\n")
        refused = await platform.post(path, key, {})
        target.reply = answer(b"<h1>down</h1>", "503 Unavailable", b"content-type: text/html\r\n")
        down = await platform.post(path, key, {})
    assert refused.status_code == 401
    assert "gateway's own credential" in refused.json()["error"]["message"]
    assert (down.status_code, down.json()["error"]["message"]) == (503, "<h1>down</h1>")
    assert len(target.received) == 3, "nothing is tried again"
    rows = await platform.records(key, 3)
    assert {row["cost_nano"] for row in rows} == {0}
    assert all(SECRET not in str(dict(row)) for row in rows)


async def test_a_guardrail_of_the_key_looks_at_what_goes_and_what_comes(platform: Platform, path: str):
    guarded = await platform.ledger.add_key(extras='{"guardrails": ["pii"]}')
    number = "536-90-4399"
    events = b'data: {"id":"a","choices":[{"index":0,"delta":{"content":"' + number.encode() + b'"}}]}\n\n'
    async with scripted(answer(json.dumps({"text": f"it is {number}"}).encode())) as target:
        await platform.add_route(path, root(target.url))
        assert (await platform.post(path, guarded, {"deep": [{"q": number}]})).status_code == 403
        form = {"Content-Type": "application/x-www-form-urlencoded", "Authorization": f"Bearer {guarded}"}
        assert (await platform.http.post(path, content=f"q={number}", headers=form)).status_code == 403
        assert target.received == []
        assert number not in (await platform.post(path, guarded, {})).text
        target.reply = stream_answer(events, b"data: [DONE]\n\n")
        streamed = await platform.post(path, guarded, {"stream": True})
    assert b"choices" in streamed.content
    assert number not in streamed.text


async def test_the_longest_path_wins_and_changes_are_heard_of_at_once(platform: Platform, key: str, path: str):
    async with scripted(answer(b'"short"')) as short, scripted(answer(b'"long"')) as longer:
        await platform.add_route(path, root(short.url), include_subpath=True)
        identity = await platform.add_route(f"{path}/deep", root(longer.url))
        assert (await platform.post(f"{path}/deep", key, {})).json() == "long"
        assert (await platform.post(f"{path}/deep/er", key, {})).json() == "short"
        await platform.ledger.connection.execute("delete from pass_through_routes where id = $1", identity)
        await platform.ledger.announce("catalog", [path])
        await platform.catch_up()
        assert (await platform.post(f"{path}/deep", key, {})).json() == "short"


async def test_a_body_that_is_too_large_is_refused_while_it_arrives(
    platform: Platform, tmp_path_factory: pytest.TempPathFactory, path: str
):
    url = platform.gateway._settings.database_url
    key = await platform.ledger.add_key()
    async with scripted(answer(b"{}")) as target:
        await platform.add_route(path, root(target.url))
        settings = gateway_settings(url, tmp_path_factory.mktemp("small"), max_body_bytes=1000, worker_id="small")
        async with running(settings, platform.sim) as small:

            async def endless() -> AsyncIterator[bytes]:
                for _ in range(100):
                    yield b"x" * 100

            reply = await small.http.post(path, content=endless(), headers={"Authorization": f"Bearer {key}"})
    assert reply.status_code == 413
    assert target.received == []


async def test_a_target_that_is_silent_or_away_fails_the_call_and_costs_nothing(
    platform: Platform, key: str, path: str
):
    async with scripted(answer(b"{}"), then="silent") as target:
        target.reply = b""
        await platform.add_route(path, root(target.url), cost=1)
        reply = await platform.http.post(path, headers={"Authorization": f"Bearer {key}", "x-litellm-timeout": "0.3"})
    assert reply.status_code == 408
    away = await platform.post(path, key, {})
    assert away.status_code == 500
    assert {row["cost_nano"] for row in await platform.records(key, 2)} == {0}
