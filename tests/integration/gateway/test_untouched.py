"""Is everything that the gateway does not own left as it came, byte by byte, in both directions?"""

from __future__ import annotations

import json

import pytest

from litemaas.core.keys import hash_key

from .harness import MASTER_KEY, Platform, answer, scripted

ODD_MEMBERS = (
    b'"messages":[ {"role":"user","content":"caf\\u00e9 \\ud83d\\ude00 caf\xc3\xa9"} , null ],'
    b'"temperature":0.10000000000000000001,"top_p":1E0,"seed":123456789012345678901234567890,"logit_bias":{"50256":-100},'
    b'"tools":[{"type":"function","function":{"name":"f","parameters":{"type":"object","properties":{},"x":null}}}],'
    b'"tool_choice":{"type":"function","function":{"name":"f"}},"parallel_tool_calls":false,'
    b'"response_format":{"type":"json_schema","json_schema":{"name":"s","strict":true,"schema":{"usage":{"a":1}}}},'
    b'"guided_json":{"b":2,"a":1},"structured_outputs":{"regex":"\\\\d+"},"top_k":40,"min_p":0.05,"repetition_penalty":1.0,'
    b'"stop_token_ids":[1,2],"ignore_eos":true,"skip_special_tokens":false,"prompt_logprobs":0,"priority":-1,'
    b'"chat_template_kwargs":{"enable_thinking":false},"vllm_xargs":{"k":[1.50,2]},"reasoning_effort":"high",'
    b'"x-made up \\"name\\"":{ "deep" : [ 1 , { } ] },"user":"u-1"'
)
OWN = (
    b'"metadata":{"tags":["t"],"kept":1},"litellm_metadata":{},"tags":["x"],"fallbacks":["other"],"num_retries":3,"timeout":9,'
    b'"stream_timeout":9,"cache":{"no-cache":true},"drop_params":true,"allowed_openai_params":[],"litellm_session_id":"s",'
    b'"litellm_trace_id":"t","context_window_fallbacks":[],"disable_fallbacks":true,"guardrails":[],'
)
REPLY = (
    b'{"id":"chatcmpl-9","object":"chat.completion","created":1.0,"model":"engine-name","choices":[{"index":0,"message":'
    b'{"role":"assistant","content":"the model is \\"engine-name\\"","reasoning_content":null,"tool_calls":[{"id":"c","type":'
    b'"function","function":{"name":"f","arguments":"{\\"model\\":\\"engine-name\\"}"}}]},"logprobs":null,"x":0.10}],'
    b'"usage":{"prompt_tokens":3,"completion_tokens":4,"prompt_tokens_details":null,"z":{"model":"engine-name"}},'
    b'"kv_transfer_params":null,"caf\\u00e9":1e2}'
)


def headers(key: str, **more: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}", "content-type": "application/json", **more}


async def test_request_members_go_up_byte_by_byte_without_the_gateways_own(platform: Platform, key: str):
    async with scripted(answer(REPLY)) as engine:
        await platform.add_model("untouched", engine.url, "engine-name")
        body = b'{"model":"untouched",' + OWN + ODD_MEMBERS + b"}"
        reply = await platform.http.post("/v1/chat/completions", content=body, headers=headers(key))
        assert reply.status_code == 200, reply.text
        assert engine.body == b'{"model":"engine-name",' + ODD_MEMBERS + b"}"


async def test_reply_members_come_down_byte_by_byte_but_for_the_model(platform: Platform, key: str):
    async with scripted(answer(REPLY)) as engine:
        await platform.add_model("untouched-reply", engine.url, "engine-name")
        reply = await platform.post("/v1/chat/completions", key, {"model": "untouched-reply", "messages": []})
    assert reply.content == REPLY.replace(b'1.0,"model":"engine-name"', b'1.0,"model":"untouched-reply"')


async def test_default_members_of_a_deployment_are_added_and_never_replace_the_clients(platform: Platform, key: str):
    defaults = json.dumps({"temperature": 0.2, "top_k": 5, "chat_template_kwargs": {"enable_thinking": False}})
    async with scripted(answer(REPLY)) as engine:
        await platform.add_model("with-defaults", engine.url, defaults=defaults)
        await platform.post(
            "/v1/chat/completions", key, {"model": "with-defaults", "messages": [], "temperature": None}
        )
        sent = json.loads(engine.body)
    assert sent["temperature"] is None
    assert (sent["top_k"], sent["chat_template_kwargs"]) == (5, {"enable_thinking": False})


async def test_no_header_of_the_client_reaches_the_engine_but_its_trace(platform: Platform, key: str):
    more = {
        "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "tracestate": "a=b", "cookie": "c=1",
        "x-litellm-tags": "t", "x-api-key": key, "api-key": key, "x-forwarded-for": "1.2.3.4", "openai-organization": "o",
    }  # fmt: skip
    async with scripted(answer(REPLY)) as engine:
        extra = json.dumps({"x-tenant": "blue"})
        await platform.add_model("private", engine.url, api_key="engine-key", extra_headers=extra)
        body = b'{"model":"private","messages":[]}'
        reply = await platform.http.post("/v1/chat/completions", content=body, headers=headers(key, **more))
        assert reply.status_code == 200, reply.text
        lines = engine.head.decode("latin-1").lower().split("\r\n")
        host = f"host: 127.0.0.1:{engine.port}"
    names = {line.partition(":")[0] for line in lines[1:] if line}
    assert names == {
        "host", "authorization", "x-tenant", "accept", "content-type", "content-length", "traceparent", "tracestate",
    }  # fmt: skip
    assert "authorization: bearer engine-key" in lines
    assert host in lines
    assert key.lower() not in "\n".join(lines)


async def test_headers_of_the_engine_come_under_a_prefix_and_hop_by_hop_ones_not_at_all(platform: Platform, key: str):
    lines = (
        b"content-type: application/json\r\nx-request-id: e-1\r\nset-cookie: s=1\r\nserver: uvicorn\r\n"
        b"x-ratelimit-remaining-requests: 5\r\nconnection: keep-alive\r\nkeep-alive: timeout=5\r\n"
        b"x-litellm-model-id: forged\r\n"
    )
    async with scripted(answer(REPLY, headers=lines)) as engine:
        identity = await platform.add_model("chatty", engine.url)
        reply = await platform.post("/v1/chat/completions", key, {"model": "chatty", "messages": []})
    assert reply.headers["llm_provider-x-request-id"] == "e-1"
    assert reply.headers["llm_provider-x-ratelimit-remaining-requests"] == "5"
    assert reply.headers["x-ratelimit-remaining-requests"] == "5"
    assert reply.headers.get_list("x-litellm-model-id") == [identity]
    assert not {"set-cookie", "llm_provider-set-cookie", "server", "keep-alive"} & set(reply.headers)


async def test_model_names_in_the_path_and_with_slashes_are_understood(platform: Platform, key: str):
    async with scripted(answer(REPLY)) as engine:
        await platform.add_model("org/sub/model", engine.url, "org/engine")
        for path in ("/v1/chat/completions", "/chat/completions"):
            reply = await platform.post(path, key, {"model": "org/sub/model", "messages": []})
            assert reply.json()["model"] == "org/sub/model"
        for path in (
            "/openai/deployments/org/sub/model/chat/completions?api-version=1",
            "/engines/org%2Fsub%2Fmodel/chat/completions",
        ):
            reply = await platform.post(path, key, {"messages": []})
            assert reply.status_code == 200, (path, reply.text)
            assert json.loads(engine.body)["model"] == "org/engine"
    assert (await platform.records(key, 4))[-1]["model"] == "org/sub/model"


async def test_embeddings_and_tokenize_go_to_their_engines_paths(platform: Platform, key: str):
    body = {"model": "nomic", "input": ["one", "two three"], "encoding_format": "base64"}
    reply = await platform.post("/v1/embeddings", key, body)
    assert reply.status_code == 200
    assert isinstance(reply.json()["data"][0]["embedding"], str)
    assert platform.sim.embeddings.received[-1].path == "/v3/embeddings"
    assert platform.sim.embeddings.received[-1].json() == {**body, "model": "nomic-embed-text-v1.5"}
    counted = await platform.post(
        "/v1/tokenize", key, {"model": "granite", "prompt": "Hello there", "return_token_strs": True}
    )
    assert counted.json()["token_strs"] == ["Hello", " there"]
    assert platform.sim.chat.received[-1].path == "/tokenize"
    back = await platform.post("/detokenize", key, {"model": "granite", "tokens": counted.json()["tokens"]})
    assert back.json() == {"prompt": "Hello there"}
    rows = await platform.records(key, 3)
    assert [row["endpoint"] for row in rows] == ["/embeddings", "/tokenize", "/detokenize"]
    assert [row["cost_nano"] for row in rows[1:]] == [0, 0]
    assert rows[0]["prompt_tokens"] == platform.sim.counters.of("embeddings").prompt_tokens
    assert rows[0]["cost_nano"] == rows[0]["prompt_tokens"] * 50


@pytest.mark.parametrize("member", ["api_base", "base_url", "api_key"])
async def test_a_client_cannot_send_the_engines_credential_elsewhere(platform: Platform, member: str):
    reply = await platform.chat(MASTER_KEY, **{member: "http://attacker"})
    assert (reply.status_code, reply.json()["error"]["type"]) == (401, "auth_error")
    assert platform.sim.counters.of("chat").requests == 0


async def test_nothing_of_a_refused_credential_is_kept(platform: Platform):
    secret = "sk-not-a-real-key-but-a-secret"
    reply = await platform.chat(secret)
    assert reply.status_code == 401
    assert secret not in reply.text
    assert hash_key(secret) in reply.json()["error"]["message"]
    metrics = await platform.http.get("/metrics")
    await platform.gateway.accountant.empty()
    rows = await platform.ledger.connection.fetch("select * from usage_records")
    assert secret not in metrics.text + "".join(str(dict(row)) for row in rows)
