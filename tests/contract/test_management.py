"""Do LiteLLM's management calls on the gateway's port act at once? Made with the master key, seen by an OpenAI client."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from uuid import uuid4

import httpx2
import openai
import pytest
from tests.contract.conftest import MakeClient, NewKey
from tests.e2e.running import ANSWERS_WITHIN_S, ask_model, until

from litemaas.cli.up import demo
from litemaas.core.keys import hash_key

pytestmark = pytest.mark.slow

MESSAGES: Any = [{"role": "user", "content": "How does a bill of lading work?"}]
VISIBLE_WITHIN_S = 60.0
"""Source: gateway-api contract 3.7"""
DOCUMENT = {"sources": [{"kind": "file", "filename": "a.txt", "base64_string": "SGVsbG8="}]}


@pytest.fixture
def chat_url(platform: Mapping[str, str]) -> str:
    """The API base of the simulated chat server."""
    [deployment] = ask_model(platform, demo.CHAT_MODEL)["deployments"]
    return str(deployment["api_base"])


@pytest.fixture
def new_model(administrator: httpx2.Client, chat_url: str) -> Iterator[dict[str, Any]]:
    """What ``/model/new`` says of a model with prices; removed at the end if the test did not."""
    params = {
        "model": f"openai/{demo.CHAT_MODEL}", "api_base": chat_url, "api_key": "engine-secret",
        "input_cost_per_token": 0.000001, "output_cost_per_token": 0.000002,
    }  # fmt: skip
    body = {"model_name": f"org/model-{uuid4().hex[:8]}", "litellm_params": params, "model_info": {"mode": "chat"}}
    answer = administrator.post("/model/new", json=body)
    assert answer.status_code == 200, answer.text
    yield answer.json()
    administrator.post("/model/delete", json={"id": answer.json()["model_id"]})


def post(platform: Mapping[str, str], path: str, key: str, body: Any) -> httpx2.Response:
    """A call that the OpenAI client does not know."""
    answer = httpx2.post(
        f"{platform['LITEMAAS_GATEWAY_URL']}{path}",
        headers={"Authorization": f"Bearer {key}"},
        json=body,
        timeout=ANSWERS_WITHIN_S,
        trust_env=False,
    )
    assert answer.status_code == 200, answer.text
    return answer


def spend_logs(administrator: httpx2.Client, key: str, count: int) -> list[dict[str, Any]]:
    """The key's rows of ``/spend/logs`` as soon as there are so many, in time; the oldest first."""
    rows: list[dict[str, Any]] = []

    def are_there() -> bool:
        rows[:] = administrator.get("/spend/logs", params={"api_key": key}).json()
        return len(rows) >= count

    until(are_there, VISIBLE_WITHIN_S, f"{count} rows of spend")
    assert len(rows) == count
    return sorted(rows, key=lambda row: row["startTime"])


def test_new_key_works_in_its_first_call_and_a_deleted_one_in_none(
    administrator: httpx2.Client, client_for: MakeClient
):
    alias = f"participant-{uuid4().hex[:8]}"
    made = administrator.post(
        "/key/generate", json={"key_alias": alias, "duration": "30d", "max_budget": "5.00"}
    ).json()
    assert made["token"] == made["token_id"] == hash_key(made["key"])
    assert (made["key_name"], made["max_budget"]) == (f"sk-...{made['key'][-4:]}", 5.0)
    client = client_for(made["key"])
    assert client.chat.completions.create(model=demo.CHAT_MODEL, messages=MESSAGES).choices

    again = administrator.post("/key/generate", json={"key_alias": alias})
    assert (again.status_code, again.json()["error"]["param"]) == (400, "key_alias")
    assert "already exists" in again.json()["error"]["message"]

    by_key = administrator.get("/key/info", params={"key": made["key"]}).json()
    by_hash = administrator.get("/key/info", params={"key": made["token"]}).json()
    assert by_key["key"] == made["key"]
    assert by_key["info"]["key_alias"] == by_hash["info"]["key_alias"] == alias

    deleted = administrator.post("/key/delete", json={"keys": [made["key"]]})
    assert deleted.json() == {"deleted_keys": [made["key"]]}
    with pytest.raises(openai.AuthenticationError):
        client.chat.completions.create(model=demo.CHAT_MODEL, messages=MESSAGES)
    assert administrator.get("/key/info", params={"key": made["token"]}).status_code == 404
    assert administrator.post("/key/delete", json={"keys": [made["key"]]}).status_code == 404
    assert administrator.post("/key/generate", json={"key_alias": alias}).status_code == 200  # free at once


def test_key_reads_about_itself_and_manages_nothing(platform: Mapping[str, str], new_key: NewKey):
    key = new_key(max_budget=1)
    with httpx2.Client(
        base_url=platform["LITEMAAS_GATEWAY_URL"], headers={"x-litellm-api-key": key}, timeout=ANSWERS_WITHIN_S, trust_env=False
    ) as own:  # fmt: skip
        assert own.get("/key/info").json()["info"]["max_budget"] == 1.0
        assert own.get("/key/info", params={"key": platform["LITEMAAS_DEMO_KEY"]}).status_code == 403
        wanted: dict[str, Any] = {"keys": [key], "id": "x", "model_name": "x", "litellm_params": {"model": "openai/x"}}
        for path in ("/key/generate", "/key/delete", "/model/new", "/model/delete"):
            assert own.post(path, json=wanted).status_code == 401, path
        assert own.get("/spend/logs").status_code == 401


def test_new_model_is_listed_and_called_at_once_and_a_deleted_one_no_more(
    administrator: httpx2.Client, client_for: MakeClient, new_key: NewKey, new_model: dict[str, Any]
):
    name, deployment = new_model["model_name"], new_model["model_id"]
    client = client_for(new_key())
    assert client.chat.completions.create(model=name, messages=MESSAGES).model == name
    assert name in [model.id for model in client.models.list()]
    assert client.models.retrieve(name).id == name

    [row] = administrator.get("/model/info", params={"litellm_model_id": deployment}).json()["data"]
    assert (row["model_name"], row["model_info"]["id"]) == (name, deployment)
    assert row["litellm_params"]["output_cost_per_token"] == 0.000002
    assert "engine-secret" not in str(new_model) + str(row)

    assert administrator.post("/model/delete", json={"id": deployment}).status_code == 200
    with pytest.raises(openai.BadRequestError):
        client.chat.completions.create(model=name, messages=MESSAGES)
    assert name not in [model.id for model in client.models.list()]
    gone = administrator.post("/model/delete", json={"id": deployment})
    assert gone.status_code == 400
    assert "not found" in gone.json()["error"]["message"]


def test_model_that_is_there_already_is_said_to_be(administrator: httpx2.Client, new_model: dict[str, Any]):
    known = ("model", "api_base")
    params = {name: new_model["litellm_params"][name] for name in known}
    again = administrator.post("/model/new", json={"model_name": new_model["model_name"], "litellm_params": params})
    assert again.status_code == 400
    assert "already exists" in again.json()["error"]["message"]


def test_every_kind_of_call_is_in_the_spend_logs_under_its_own_name(
    administrator: httpx2.Client, client_for: MakeClient, new_key: NewKey, platform: Mapping[str, str]
):
    key = new_key()
    client = client_for(key)
    chat = client.chat.completions.create(model=demo.CHAT_MODEL, messages=MESSAGES)
    client.completions.create(model=demo.CHAT_MODEL, prompt="A ship", max_tokens=4)
    client.embeddings.create(model="nomic-embed-text-v1.5", input="a text")
    post(platform, "/v1/tokenize", key, {"model": demo.CHAT_MODEL, "prompt": "a text"})
    post(platform, "/docling/v1/convert/source", key, DOCUMENT)

    rows = spend_logs(administrator, key, 5)
    assert [row["call_type"] for row in rows] == [
        "acompletion", "atext_completion", "aembedding", "tokenize", "convert",
    ]  # fmt: skip
    assert [row["model_group"] for row in rows] == [
        demo.CHAT_MODEL, demo.CHAT_MODEL, "nomic-embed-text-v1.5", demo.CHAT_MODEL, "docling",
    ]  # fmt: skip
    assert {(row["api_key"], row["status"]) for row in rows} == {(hash_key(key), "success")}
    assert rows[0]["request_id"] == chat.id
    assert chat.usage is not None
    assert rows[0]["total_tokens"] == chat.usage.total_tokens
    assert [row["spend"] > 0 for row in rows] == [True, True, True, False, True]


def test_spend_is_the_same_in_the_answer_the_log_the_day_and_the_key(
    administrator: httpx2.Client, client_for: MakeClient, new_key: NewKey, new_model: dict[str, Any]
):
    key = new_key(max_budget=1)
    client, name = client_for(key), new_model["model_name"]
    raw = client.chat.completions.with_raw_response.create(model=name, messages=MESSAGES, max_tokens=7)
    usage = raw.parse().usage
    assert usage is not None
    nano = usage.prompt_tokens * 1_000 + usage.completion_tokens * 2_000
    assert float(raw.headers["x-litellm-response-cost"]) == nano / 1e9

    [row] = spend_logs(administrator, key, 1)
    assert row["spend"] == row["metadata"]["cost_breakdown"]["total_cost"] == nano / 1e9
    day = row["startTime"][:10]
    dates = {"start_date": day, "end_date": day}
    [summed] = administrator.get("/spend/logs", params={"api_key": key, **dates}).json()
    assert summed["spend"] == summed["models"][name] == summed[hash_key(key)] == nano / 1e9
    assert administrator.get("/key/info", params={"key": key}).json()["info"]["spend"] == nano / 1e9


def test_refused_and_failed_calls_are_logged_as_failures_that_cost_nothing(
    administrator: httpx2.Client, client_for: MakeClient, new_key: NewKey
):
    key = new_key()
    client = client_for(key)
    for members in ({"model": "no-such-model"}, {"model": demo.CHAT_MODEL, "max_tokens": 1_000_000}):
        with pytest.raises(openai.BadRequestError):
            client.chat.completions.create(messages=MESSAGES, **members)
    rows = spend_logs(administrator, key, 2)
    assert [(row["status"], row["spend"], row["total_tokens"]) for row in rows] == [("failure", 0.0, 0)] * 2
    assert [row["metadata"]["error_information"]["error_code"] for row in rows] == ["400", "400"]
    assert {row["call_type"] for row in rows} == {"acompletion"}


def test_a_key_asks_about_itself_on_the_gateways_port(platform: Mapping[str, str], new_key: NewKey):
    key = new_key(models=[demo.CHAT_MODEL], max_budget=2, rpm_limit=7)
    url = f"{platform['LITEMAAS_GATEWAY_URL']}/v1/me"
    for headers in ({"Authorization": f"Bearer {key}"}, {"x-api-key": key}):
        answer = httpx2.get(url, headers=headers, timeout=ANSWERS_WITHIN_S, trust_env=False)
        assert answer.status_code == 200, answer.text
        told = answer.json()
        assert (told["key"]["rpm_limit"], told["remaining_budget_nano"]) == (7, 2_000_000_000)
        assert [model["name"] for model in told["key"]["models"]] == [demo.CHAT_MODEL]
    assert httpx2.get(url, timeout=ANSWERS_WITHIN_S, trust_env=False).status_code == 401
