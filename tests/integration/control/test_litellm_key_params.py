"""Do an installation's defaults and upper bounds reach the keys that LiteLLM's clients make?"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pytest

from litemaas.control.app import Settings
from litemaas.control.app.settings import ListenSettings, check_settings
from litemaas.kit.settings import SettingsError

from .conftest import ENCRYPTION_KEY, MASTER_KEY
from .test_litellm_people import post

DEFAULTS = {"max_budget": 5, "models": ["granite"], "duration": "30d", "metadata": {"from": "default"}, "user_id": "u1"}
MOST = {"max_budget": 100, "tpm_limit": 1000, "duration": "60d", "budget_duration": "30d"}


@pytest.fixture
def settings(database_url: str) -> Settings:
    control = ListenSettings(
        default_key_generate_params=json.dumps(DEFAULTS), upperbound_key_generate_params=json.dumps(MOST),
        empty_models_on_update="all",
    )  # fmt: skip
    return Settings(
        database_url=database_url, master_key=MASTER_KEY, encryption_key=ENCRYPTION_KEY, control=control
    )  # fmt: skip


def lives(key: dict[str, Any]) -> timedelta:
    """To a day."""
    return timedelta(days=round((datetime.fromisoformat(key["expires"]) - datetime.now(UTC)) / timedelta(days=1)))


async def test_what_is_missing_is_the_default_and_else_the_most(client: httpx2.AsyncClient):
    key = await post(client, "/key/generate")
    assert (key["max_budget"], key["models"], key["metadata"], key["user_id"]) == (
        5.0,
        ["granite"],
        {"from": "default"},
        "u1",
    )
    assert (key["tpm_limit"], key["budget_duration"], key["rpm_limit"]) == (1000, "30d", None)
    assert lives(key) == timedelta(days=30)
    said = await post(
        client, "/key/generate", max_budget="7.5", models=["qwen"], metadata={"a": 1}, user_id="u2", duration="1d"
    )
    assert (said["max_budget"], said["models"], said["metadata"], said["user_id"]) == (7.5, ["qwen"], {"a": 1}, "u2")
    assert lives(said) == timedelta(days=1)
    null = await post(client, "/key/generate", max_budget=None, models=[], metadata={})
    assert (null["max_budget"], null["models"], null["metadata"]) == (5.0, ["granite"], {"from": "default"})


@pytest.mark.parametrize(
    ("member", "above", "within"),
    [
        ("max_budget", "100.01", 100), ("tpm_limit", 2147483647, 1000), ("duration", "61d", "1440h"),
        ("budget_duration", "yearly", "monthly"),
    ],
)  # fmt: skip
async def test_more_than_the_most_is_refused_by_its_name(
    client: httpx2.AsyncClient, member: str, above: Any, within: Any
):
    refused = await post(client, "/key/generate", 400, **{member: above})
    assert (refused["error"]["type"], refused["error"]["param"]) == ("bad_request_error", member)
    await post(client, "/key/generate", **{member: within})


async def test_a_fixed_expiry_is_held_against_the_most_and_is_not_replaced(client: httpx2.AsyncClient):
    far = (datetime.now(UTC) + timedelta(days=70)).isoformat()
    assert (await post(client, "/key/generate", 400, expires=far))["error"]["param"] == "duration"
    near = (datetime.now(UTC) + timedelta(days=50)).isoformat()
    assert lives(await post(client, "/key/generate", expires=near)) == timedelta(days=50)


async def test_keys_of_a_teams_members_live_as_long_as_the_team_says(client: httpx2.AsyncClient):
    bad = await post(client, "/team/new", 400, team_id="t1", team_member_key_duration="soon")
    assert bad["error"]["param"] == "team_member_key_duration"
    await post(client, "/team/new", team_id="t1", team_member_key_duration="2d")
    assert lives(await post(client, "/key/generate", team_id="t1", user_id="u1")) == timedelta(days=2)
    assert lives(await post(client, "/key/generate", team_id="t1", user_id="u1", duration="3d")) == timedelta(days=3)
    service = await post(client, "/key/service-account/generate", team_id="t1")
    assert (service["user_id"], lives(service)) == (None, timedelta(days=30))


async def test_what_a_named_budget_limits_is_not_left_out(client: httpx2.AsyncClient):
    await post(client, "/budget/new", budget_id="b1", max_budget=1, tpm_limit=10)
    key = await post(client, "/key/generate", budget_id="b1", max_budget=None)
    assert (key["max_budget"], key["tpm_limit"], key["budget_duration"]) == (1.0, 10, "30d")


async def test_an_update_to_no_models_lifts_the_restriction_where_it_is_set_so(client: httpx2.AsyncClient):
    key = await post(client, "/key/generate", models=["granite"])
    assert (await post(client, "/key/update", key=key["key"], models=[]))["models"] == []


@pytest.mark.parametrize(
    "member",
    [
        {"default_key_generate_params": "max_budget"},
        {"default_key_generate_params": '{"key": "sk-all-the-same-0"}'},
        {"default_key_generate_params": '{"tpm_limit": "many"}'},
        {"default_key_generate_params": '{"duration": "soon"}'},
        {"upperbound_key_generate_params": '{"max_budget": 1e11}'},
        {"upperbound_key_generate_params": "[]"},
        {"upperbound_key_generate_params": '{"models": ["granite"]}'},
        {"upperbound_key_generate_params": '{"duration": "soon"}'},
    ],
)
def test_what_cannot_be_meant_stops_the_start_and_names_the_variable(member: dict[str, str]):
    (name,) = member
    wrong = Settings(
        database_url="postgresql://h/d", master_key=MASTER_KEY, encryption_key=ENCRYPTION_KEY,
        control=ListenSettings(**member),
    )  # fmt: skip
    with pytest.raises(SettingsError, match=f"LITEMAAS_CONTROL__{name.upper()}"):
        check_settings(wrong)
