"""Can a client go back to a response that its model server keeps, and nobody else to that one?"""

from __future__ import annotations

import json
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from litemaas.core.money import nano_from_usd

from .harness import Platform, ScriptedEngine, answer, scripted, stream_answer

ENGINE_MODEL = "keeper-8b"
NOT_FOUND = answer(b'{"error":{"message":"Response not found."}}', "404 Not Found")


class Keeper:
    """What an engine does that keeps responses: 11 + 7 tokens each, and whatever was said before."""

    def __init__(self) -> None:
        self.kept: dict[str, dict[str, Any]] = {}

    def __call__(self, head: bytes, body: bytes) -> bytes:
        method, path, _ = head.split(b"\r\n")[0].decode().split(" ")
        if method == "POST" and path == "/v1/responses":
            return self._create(json.loads(body))
        if path == "/tokenize":
            return answer(b'{"count":11,"max_model_len":4096,"tokens":[]}')
        identity, _, part = path.removeprefix("/v1/responses/").partition("?")[0].partition("/")
        if identity not in self.kept:
            return NOT_FOUND
        if part == "cancel":
            return answer(b'{"error":{"message":"Only background responses can be cancelled."}}', "400 Bad Request")
        if part == "input_items":
            return answer(b'{"object":"list","data":[{"id":"msg_1","type":"message"}],"has_more":false}')
        if method == "DELETE":
            del self.kept[identity]
            return answer(b'{"id":"%b","object":"response","deleted":true}' % identity.encode())
        return answer(json.dumps(self.kept[identity]).encode())

    def _create(self, asked: dict[str, Any]) -> bytes:
        previous = asked.get("previous_response_id")
        before = self.kept[previous]["usage"]["total_tokens"] if previous else 0
        identity = f"resp_engine_{len(self.kept)}"
        said = {
            "id": identity, "object": "response", "status": "completed", "model": ENGINE_MODEL,
            "previous_response_id": previous, "output": [{"id": "msg_2", "type": "message", "content": []}],
            "usage": {"input_tokens": before + 11, "output_tokens": 7, "total_tokens": before + 18},
        }  # fmt: skip
        if asked.get("store") is not False:
            self.kept[identity] = said
        if not asked.get("stream"):
            return answer(json.dumps(said).encode())
        begun = {**said, "status": "in_progress", "usage": None, "output": []}
        events = [
            {"type": "response.created", "response": begun},
            {"type": "response.output_text.delta", "delta": "Hello"},
            {"type": "response.completed", "response": said},
        ]
        return stream_answer(*(f"event: {e['type']}\ndata: {json.dumps(e)}\n\n".encode() for e in events))


@pytest.fixture
async def engine() -> AsyncIterator[ScriptedEngine]:
    async with scripted(Keeper()) as running:
        yield running


@pytest.fixture
async def model(platform: Platform, engine: ScriptedEngine) -> str:
    name = f"keeper-{secrets.token_hex(4)}"
    await add_keeper(platform, name, engine)
    return name


async def add_keeper(platform: Platform, name: str, engine: ScriptedEngine, **columns: Any) -> str:
    columns.setdefault("info", json.dumps({"supported_endpoints": ["/v1/responses"]}))
    return await platform.add_model(name, engine.url, ENGINE_MODEL, **columns)


def paths(engine: ScriptedEngine) -> list[str]:
    return [" ".join(head.decode().split(" ", 2)[:2]) for head, _ in engine.received]


Ask = Callable[..., Awaitable[Any]]


@pytest.fixture
def ask(platform: Platform, key: str, model: str) -> Ask:
    async def asked(**members: Any) -> Any:
        return await platform.post("/v1/responses", key, {"model": model, "input": "Hello", **members})

    return asked


async def test_a_kept_response_is_read_gone_on_from_and_deleted(
    platform: Platform, key: str, model: str, engine: ScriptedEngine, ask: Ask
) -> None:
    headers = {"Authorization": f"Bearer {key}"}
    first = (await ask()).json()
    assert first["id"].startswith("resp_")
    assert "engine" not in first["id"]
    assert first["model"] == model
    assert "store" not in json.loads(engine.body)

    read = await platform.http.get(f"/v1/responses/{first['id']}?include[]=usage&api_key=x", headers=headers)
    assert read.json() == first
    assert paths(engine)[-1] == "GET /v1/responses/resp_engine_0?include%5B%5D=usage"

    second = (await ask(input="And then?", previous_response_id=first["id"])).json()
    assert json.loads(engine.body)["previous_response_id"] == "resp_engine_0"
    assert second["previous_response_id"] == first["id"]
    assert second["usage"]["input_tokens"] == 29

    items = await platform.http.get(f"/openai/v1/responses/{second['id']}/input_items?limit=5", headers=headers)
    assert items.json()["data"][0]["id"] == "msg_1"
    gone = await platform.http.delete(f"/responses/{first['id']}", headers=headers)
    assert gone.json() == {"id": first["id"], "object": "response", "deleted": True}
    assert (await platform.http.get(f"/v1/responses/{first['id']}", headers=headers)).status_code == 404
    records = await platform.records(key, 2)
    assert [record["prompt_tokens"] for record in records] == [11, 29]
    assert [record["engine_request_id"] for record in records] == ["resp_engine_0", "resp_engine_1"]
    await platform.no_room_is_held(key)


async def test_a_stream_tells_the_same_id_from_its_beginning_to_its_end(
    platform: Platform, key: str, engine: ScriptedEngine, ask: Ask
) -> None:
    reply = await ask(stream=True)
    told = [json.loads(line[6:]) for line in reply.text.splitlines() if line.startswith("data: ")]
    ids = {event["response"]["id"] for event in told if "response" in event}
    assert len(ids) == 1
    read = await platform.http.get(f"/v1/responses/{ids.pop()}", headers={"Authorization": f"Bearer {key}"})
    assert read.json()["status"] == "completed"
    assert (await platform.record(key))["usage_source"] == "engine"


async def test_another_key_can_neither_read_nor_delete_nor_go_on_from_it(
    platform: Platform, key: str, model: str, engine: ScriptedEngine, ask: Ask
) -> None:
    first = (await ask()).json()
    asked = len(engine.received)
    other = await platform.ledger.add_key()
    headers = {"Authorization": f"Bearer {other}"}
    for method, rest in (("GET", ""), ("DELETE", ""), ("GET", "/input_items"), ("POST", "/cancel")):
        reply = await platform.http.request(method, f"/v1/responses/{first['id']}{rest}", headers=headers)
        assert reply.status_code == 404, (method, rest)
        assert "not found" in reply.json()["error"]["message"]
        assert "x-litellm-call-id" in reply.headers
    reply = await platform.post(
        "/v1/responses", other, {"model": model, "input": "And?", "previous_response_id": first["id"]}
    )
    assert reply.status_code == 400
    assert reply.json()["error"]["param"] == "previous_response_id"
    nobody = await platform.http.get(f"/v1/responses/{first['id']}")
    assert nobody.status_code == 401
    assert len(engine.received) == asked
    await platform.records(other, 1)


async def test_a_follow_up_reaches_the_deployment_that_keeps_the_answer_or_none(platform: Platform, key: str) -> None:
    async with scripted(Keeper()) as one, scripted(Keeper()) as two:
        first_id = await add_keeper(platform, "kept-twice", one)
        await add_keeper(platform, "kept-twice", two)
        body = {"model": "kept-twice", "input": "Hello"}
        headers = {"Authorization": f"Bearer {key}"}
        identity = ""
        while not identity:
            reply = await platform.post("/v1/responses", key, body)
            if reply.headers["x-litellm-model-id"] == first_id:
                identity = reply.json()["id"]
        before = len(two.received)
        for _ in range(8):
            reply = await platform.post("/v1/responses", key, {**body, "previous_response_id": identity})
            assert reply.headers["x-litellm-model-id"] == first_id
        assert len(two.received) == before
        one.reply = answer(b'{"error":"down"}', "503 Service Unavailable")
        reply = await platform.post("/v1/responses", key, {**body, "previous_response_id": identity})
        assert reply.status_code == 503
        assert len(two.received) == before
        await platform.ledger.connection.execute("delete from deployments where id = $1", first_id)
        await platform.ledger.announce("catalog", ["kept-twice"])
        await platform.catch_up()
        assert (await platform.http.get(f"/v1/responses/{identity}", headers=headers)).status_code == 404
        reply = await platform.post("/v1/responses", key, {**body, "previous_response_id": identity})
        assert reply.status_code == 400


async def test_what_was_said_before_is_held_before_it_is_read_again(
    platform: Platform, model: str, engine: ScriptedEngine
) -> None:
    """1,000 tokens came before: neither the body nor its tokenizer shows them, and they cost a thousand times what it does."""
    secret = await platform.ledger.add_key(max_budget_nano=nano_from_usd(0.0005))
    body = {"model": model, "input": "Hello", "max_output_tokens": 7}
    first = (await platform.post("/v1/responses", secret, body)).json()
    assert isinstance(engine.reply, Keeper)
    engine.reply.kept["resp_engine_0"]["usage"]["total_tokens"] = 1000
    refused = await platform.post("/v1/responses", secret, {**body, "previous_response_id": first["id"]})
    assert refused.status_code == 400
    assert refused.json()["error"]["type"] == "budget_exceeded"
    assert paths(engine).count("POST /v1/responses") == 1
    engine.reply.kept["resp_engine_0"]["usage"]["total_tokens"] = 400
    assert (
        await platform.post("/v1/responses", secret, {**body, "previous_response_id": first["id"]})
    ).status_code == 200
    await platform.no_room_is_held(secret)


async def test_what_is_not_kept_is_no_answer_to_go_on_from(
    platform: Platform, key: str, engine: ScriptedEngine, ask: Ask
) -> None:
    forgotten = (await ask(store=False)).json()["id"]
    assert json.loads(engine.body)["store"] is False
    assert (await ask(previous_response_id=forgotten)).status_code == 400
    kept = (await ask()).json()["id"]
    assert isinstance(engine.reply, Keeper)
    for change in ({"status": "in_progress"}, {"usage": None}, {"usage": {"total_tokens": "many"}}):
        good = engine.reply.kept["resp_engine_0"]
        engine.reply.kept["resp_engine_0"] = {**good, **change}
        assert (await ask(previous_response_id=kept)).status_code == 400
        engine.reply.kept["resp_engine_0"] = good
    for wrong in (7, ["resp_1"], {}, "", "resp_\u00e9", "x" * 5000):
        assert (await ask(previous_response_id=wrong)).status_code == 400, wrong
    assert (await ask(previous_response_id=kept)).status_code == 200


async def test_only_the_format_of_the_engine_itself_can_go_on(
    platform: Platform, key: str, model: str, ask: Ask
) -> None:
    kept = (await ask()).json()["id"]
    guarded = await ask(previous_response_id=kept, guardrails=["email"])
    assert guarded.status_code == 400
    assert guarded.json()["error"]["param"] == "previous_response_id"
    translated = await platform.post(
        "/v1/responses", key, {"model": "granite", "input": "And?", "previous_response_id": kept}
    )
    assert translated.status_code == 400
    assert "not made by the model" in translated.json()["error"]["message"]


async def test_an_engines_own_refusal_is_told_and_wrong_methods_and_streams_are_refused(
    platform: Platform, key: str, engine: ScriptedEngine, ask: Ask
) -> None:
    headers = {"Authorization": f"Bearer {key}"}
    identity = (await ask()).json()["id"]
    cancelled = await platform.http.post(f"/v1/responses/{identity}/cancel", headers=headers)
    assert cancelled.status_code == 400
    assert "Only background responses" in cancelled.json()["error"]["message"]
    assert (await platform.http.put(f"/v1/responses/{identity}", headers=headers)).status_code == 405
    assert (await platform.http.get(f"/v1/responses/{identity}?stream=true", headers=headers)).status_code == 400
    assert (await platform.http.get(f"/v1/responses/{identity}/elsewhere", headers=headers)).status_code == 404
    assert (await platform.post("/v1/responses/compact", key, {})).status_code == 501
    engine.reply = answer(b"[]")
    assert (await platform.http.get(f"/v1/responses/{identity}", headers=headers)).status_code == 500


STRANGE = [
    "%00",
    "%2e%2e",
    "resp_",
    "resp_%F0%9F%92%A9",
    "x" * 4000,
    "..",
    "resp_AAAA/cancel/",
    "a//input_items",
    "compact/x",
    "%2Fcancel",
]


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE", "PATCH"])
async def test_no_path_below_responses_is_an_error_of_ours(platform: Platform, key: str, method: str) -> None:
    before = platform.gateway.metrics.defects
    for strange in STRANGE:
        for rest in ("", "/input_items?limit=%00&after=%0d%0aX: y", "/cancel"):
            reply = await platform.http.request(
                method, f"/v1/responses/{strange}{rest}", headers={"Authorization": f"Bearer {key}"}
            )
            assert reply.status_code in (400, 404, 405), (strange, rest, reply.text)
            assert reply.json()["error"]["message"]
    assert platform.gateway.metrics.defects == before


@pytest.mark.parametrize(
    "said",
    [b'{"id":7}', b'{"id":""}', b'{"id":null,"usage":[]}', b'{"id":"r","previous_response_id":{}}', '{"id":"ré"}'.encode(),
     b'{"id":"\\u0000"}', b'{"id":"r","usage":{"input_tokens":-1,"output_tokens":1e99}}', b"[1]", b"{", b"", b"null"],
)  # fmt: skip
async def test_whatever_an_engine_says_of_itself_no_defect_of_ours_comes_of_it(
    platform: Platform, key: str, engine: ScriptedEngine, ask: Ask, said: bytes
) -> None:
    before = platform.gateway.metrics.defects
    engine.reply = answer(said)
    made = await ask()
    assert made.status_code in (200, 500)
    engine.reply = stream_answer(b'event: response.created\ndata: {"type":"response.created","response":%b}\n\n' % said)
    assert (await ask(stream=True)).status_code in (200, 500)
    if made.status_code == 200 and isinstance(made.json().get("id"), str):
        read = await platform.http.get(
            f"/v1/responses/{made.json()['id'] or 'x'}", headers={"Authorization": f"Bearer {key}"}
        )
        assert read.status_code in (200, 404, 500)
    assert platform.gateway.metrics.defects == before
    await platform.no_room_is_held(key)
