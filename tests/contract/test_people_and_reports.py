"""Do LiteLLM's calls about people, teams, customers and reports act at once on the gateway's port?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import uuid4

import httpx2
import openai
import pytest
from tests.contract.conftest import MakeClient, NewKey
from tests.e2e.running import ANSWERS_WITHIN_S, until

from litemaas.cli.up import demo
from litemaas.core.keys import hash_key

pytestmark = pytest.mark.slow

MESSAGES: Any = [{"role": "user", "content": "How does a bill of lading work?"}]
VISIBLE_WITHIN_S = 60.0
"""Source: gateway-api contract 3.7"""


def post(administrator: httpx2.Client, path: str, **body: Any) -> Any:
    answer = administrator.post(path, json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_blocks_and_lists_of_teams_bite_in_the_next_call(
    administrator: httpx2.Client, client_for: MakeClient, new_key: NewKey
):
    team = f"team-{uuid4().hex[:8]}"
    post(administrator, "/team/new", team_id=team, models=[demo.CHAT_MODEL])
    client = client_for(new_key(team_id=team))

    def ask(model: str = demo.CHAT_MODEL) -> Any:
        return client.chat.completions.create(model=model, messages=MESSAGES, max_tokens=2)

    assert ask().choices
    with pytest.raises(openai.AuthenticationError) as denied:
        ask("nomic-embed-text-v1.5")
    assert denied.value.type == "team_model_access_denied"
    post(administrator, "/team/block", team_id=team)
    with pytest.raises(openai.AuthenticationError):
        ask()
    post(administrator, "/team/unblock", team_id=team)
    assert ask().choices
    post(administrator, "/team/delete", team_ids=[team])
    with pytest.raises(openai.AuthenticationError):
        ask()


def test_the_key_of_a_deleted_user_and_the_call_of_a_blocked_customer_are_refused_at_once(
    administrator: httpx2.Client, client_for: MakeClient, new_key: NewKey
):
    user, customer = (f"{kind}-{uuid4().hex[:8]}" for kind in ("user", "customer"))
    client = client_for(post(administrator, "/user/new", user_id=user)["key"])
    assert client.chat.completions.create(model=demo.CHAT_MODEL, messages=MESSAGES, max_tokens=2).choices
    post(administrator, "/user/delete", user_ids=[user])
    with pytest.raises(openai.AuthenticationError):
        client.chat.completions.create(model=demo.CHAT_MODEL, messages=MESSAGES, max_tokens=2)

    other = client_for(new_key())
    post(administrator, "/customer/block", user_ids=[customer])
    with pytest.raises(openai.AuthenticationError):
        other.chat.completions.create(model=demo.CHAT_MODEL, messages=MESSAGES, user=customer)
    post(administrator, "/customer/unblock", user_ids=[customer])
    assert other.chat.completions.create(model=demo.CHAT_MODEL, messages=MESSAGES, user=customer, max_tokens=2).choices


def test_limits_of_a_named_budget_hold_and_activity_shows_the_call(
    administrator: httpx2.Client, client_for: MakeClient, new_key: NewKey
):
    budget = post(administrator, "/budget/new", rpm_limit=1)["budget_id"]
    key = new_key(budget_id=budget)
    client = client_for(key)
    assert client.chat.completions.create(model=demo.CHAT_MODEL, messages=MESSAGES, max_tokens=2).choices
    with pytest.raises(openai.RateLimitError):
        client.chat.completions.create(model=demo.CHAT_MODEL, messages=MESSAGES, max_tokens=2)
    query = {"start_date": "2020-01-01", "end_date": "2099-12-31", "api_key": hash_key(key)}
    told: dict[str, Any] = {}

    def is_shown() -> bool:
        told.update(administrator.get("/user/daily/activity", params=query).json())
        return bool(told["metadata"]["total_api_requests"] == 2)

    until(is_shown, VISIBLE_WITHIN_S, "activity of two calls")
    assert (told["metadata"]["total_successful_requests"], told["metadata"]["total_failed_requests"]) == (1, 1)
    assert set(told["results"][0]["breakdown"]["models"]) == {demo.CHAT_MODEL}


def test_the_old_secret_ends_with_the_next_call_after_a_rotation(
    administrator: httpx2.Client, client_for: MakeClient, new_key: NewKey
):
    old = new_key()
    new = post(administrator, f"/key/{hash_key(old)}/regenerate")["key"]
    assert client_for(new).models.list().data
    with pytest.raises(openai.AuthenticationError):
        client_for(old).models.list()


def test_the_contract_is_served_without_a_key_and_what_is_left_out_says_so(
    platform: Mapping[str, str], administrator: httpx2.Client
):
    url = platform["LITEMAAS_GATEWAY_URL"]
    contract = httpx2.get(f"{url}/openapi.json", timeout=ANSWERS_WITHIN_S, trust_env=False).json()
    assert {"/key/generate", "/user/new", "/team/new", "/customer/new"} <= set(contract["paths"])
    left_out = administrator.get("/organization/list")
    assert left_out.status_code == 404
    assert "Teams" in left_out.json()["error"]["message"]
