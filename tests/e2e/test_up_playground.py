"""Does the playground call models as a person's own key, without the browser ever holding it?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import httpx2
import pytest
from tests.e2e.running import ANSWERS_WITHIN_S, Up, until

MODEL = "granite-3.3-8b"


@pytest.fixture(scope="module")
def browser(platform: Mapping[str, str]) -> Iterator[httpx2.Client]:
    """The developer sign-in's user, with the page's token."""
    with httpx2.Client(base_url=platform["LITEMAAS_CONTROL_URL"], timeout=ANSWERS_WITHIN_S, trust_env=False) as client:
        session = client.post("/api/v1/auth/dev-login", json={"dev_user": "user"}).json()
        client.headers["X-CSRF-Token"] = session["csrf_token"]
        yield client


@pytest.fixture(scope="module")
def key_id(browser: httpx2.Client) -> str:
    """A key of theirs that has the demo's chat model."""
    found = browser.get("/api/v1/models", params={"search": MODEL}).json()["data"][0]
    browser.post("/api/v1/subscriptions", json={"model_id": found["id"]})
    made = browser.post("/api/v1/keys", json={"name": "playground", "models": [MODEL]}).json()
    return str(made["key"]["id"])


def _call(key_id: str, **members: Any) -> dict[str, Any]:
    return {"key_id": key_id, "model": MODEL, "messages": [{"role": "user", "content": "Hello!"}], **members}


def test_an_answer_streams_with_its_usage_and_is_in_the_persons_log(browser: httpx2.Client, key_id: str):
    wanted = _call(key_id, parameters={"max_tokens": 8, "stream": True})
    with browser.stream("POST", "/api/v1/playground/chat", json=wanted) as answer:
        assert answer.status_code == 200, answer.read()
        lines = [line for line in answer.iter_lines() if line]
    assert lines[-1] == "data: [DONE]"
    assert '"usage"' in lines[-2]
    until(
        lambda: browser.get("/api/v1/requests", params={"models": MODEL, "outcome": "success"}).json()["data"],
        ANSWERS_WITHIN_S, "the call is in the log",
    )  # fmt: skip
    log = browser.get("/api/v1/requests", params={"models": MODEL, "outcome": "success"}).json()["data"]
    assert {row["source"] for row in log} == {"playground"}


@pytest.fixture
def slow_engine(running_platform: Up) -> Iterator[None]:
    """The simulated engine thinks while the test lasts."""
    port = (running_platform.state_dir / "sim-chat.port").read_text().strip()
    with httpx2.Client(base_url=f"http://127.0.0.1:{port}", timeout=ANSWERS_WITHIN_S, trust_env=False) as engine:
        assert engine.post("/sim/behaviour", json={"token_s": 0.2, "answer_tokens": 400}).status_code < 300
        yield
        engine.delete("/sim/behaviour")


@pytest.mark.usefixtures("slow_engine")
def test_hanging_up_cancels_the_call(browser: httpx2.Client, key_id: str):
    wanted = _call(key_id, parameters={"max_tokens": 4000, "stream": True})
    with browser.stream("POST", "/api/v1/playground/chat", json=wanted) as answer:
        next(answer.iter_lines())
    until(
        lambda: browser.get("/api/v1/requests", params={"outcome": "cancelled"}).json()["data"],
        ANSWERS_WITHIN_S, "the call counts as cancelled",
    )  # fmt: skip


def test_a_refusal_keeps_the_gateways_words(browser: httpx2.Client, key_id: str):
    answer = browser.post("/api/v1/playground/chat", json=_call(key_id) | {"model": "qwen3-8b"})
    assert 400 <= answer.status_code < 500
    assert "qwen3-8b" in answer.json()["detail"]


def test_the_prompt_is_counted_before_it_is_sent(browser: httpx2.Client, key_id: str):
    assert browser.post("/api/v1/playground/estimate", json=_call(key_id)).json()["prompt_tokens"] > 0


def test_a_text_becomes_numbers_and_a_document_markdown(browser: httpx2.Client):
    """By models that the demo has for it, with a key of the same person."""
    found = {
        kind: browser.get("/api/v1/models", params={"type": kind}).json()["data"][0]
        for kind in ("embeddings", "convert")
    }
    for model in found.values():
        browser.post("/api/v1/subscriptions", json={"model_id": model["id"]})
    names = [model["name"] for model in found.values()]
    key_id = browser.post("/api/v1/keys", json={"name": "media", "models": names}).json()["key"]["id"]
    text = {"key_id": key_id, "model": found["embeddings"]["name"], "input": ["Hello!"]}
    embedded = browser.post("/api/v1/playground/embeddings", json=text)
    assert embedded.status_code == 200, embedded.text
    assert len(embedded.json()["data"][0]["embedding"]) > 1
    document = {"key_id": key_id, "model": found["convert"]["name"], "url": "https://93.184.215.14/report.pdf"}
    converted = browser.post("/api/v1/playground/convert", json=document)
    assert converted.status_code == 200, converted.text
    assert converted.json()["document"]["md_content"]


def test_nobody_plays_with_somebody_elses_key(platform: Mapping[str, str], key_id: str):
    with httpx2.Client(base_url=platform["LITEMAAS_CONTROL_URL"], timeout=ANSWERS_WITHIN_S, trust_env=False) as client:
        session = client.post("/api/v1/auth/dev-login", json={"dev_user": "admin"}).json()
        headers = {"X-CSRF-Token": session["csrf_token"]}
        assert client.post("/api/v1/playground/chat", json=_call(key_id), headers=headers).status_code == 404


def test_saved_prompts_can_be_found_changed_and_forgotten(browser: httpx2.Client):
    made = browser.post("/api/v1/playground/prompts", json={"name": "Five points", "system": "Summarise."}).json()
    path = f"/api/v1/playground/prompts/{made['id']}"
    assert browser.patch(path, json={"text": "a 100 % _text"}).json()["system"] == "Summarise."
    assert browser.get("/api/v1/playground/prompts", params={"search": "100 %"}).json()["pagination"]["total"] == 1
    assert browser.delete(path).status_code == 204
    assert browser.patch(path, json={"name": "x"}).status_code == 404
