"""Who pays for a team's key: the team and the member's cap inside it, and never the person?"""

from __future__ import annotations

import json
import secrets
from datetime import UTC, datetime

import httpx2
from tests.patience import in_time

from .harness import Platform
from .harness import until as until_true


async def test_a_members_cap_holds_inside_the_team_and_the_person_pays_nothing(platform: Platform):
    ledger, name = platform.ledger, secrets.token_hex(4)
    person = {"created_by": "t", "updated_by": "t"}
    for user in (f"ann-{name}", f"bob-{name}"):
        await ledger._insert("users", {"id": user, "username": user, **person})
    await ledger._insert("teams", {"id": name, "name": name, "member_default_budget_nano": 10**12, **person})
    for user, cap in ((f"ann-{name}", 1), (f"bob-{name}", None)):
        member = {"team_id": name, "user_id": user, "role": "member", "max_budget_nano": cap, "added_by": "t"}
        await ledger._insert("team_members", member)
        await ledger._insert("budgets", {"scope": f"user:{user}", "max_budget_nano": 0, **person})
    of_ann = await ledger.add_key(team_id=name, user_id=f"ann-{name}")
    of_bob = await ledger.add_key(team_id=name, user_id=f"bob-{name}")
    refused = await platform.chat(of_ann)
    assert refused.status_code == 400
    assert "member" in refused.json()["error"]["message"].lower()
    assert (await platform.chat(of_bob)).status_code == 200
    await ledger.connection.execute("update team_members set max_budget_nano = null where team_id = $1", name)
    await ledger.announce("budget", [f"team:{name}"])
    await platform.catch_up()
    assert (await platform.chat(of_ann)).status_code == 200
    await ledger.connection.execute("update teams set is_active = false where id = $1", name)
    await ledger.announce("budget", [f"team:{name}"])
    await platform.catch_up()
    assert (await platform.chat(of_bob)).status_code == 401


async def test_limits_per_minute_of_members_and_of_a_teams_models_hold_beside_the_keys_own(platform: Platform):
    ledger, name = platform.ledger, secrets.token_hex(4)
    person = {"created_by": "t", "updated_by": "t"}
    extras = {"team_member_rpm_limit": 2, "model_rpm_limit": {"granite": 3}, "model_tpm_limit": {"final": 0}}
    await ledger._insert("teams", {"id": name, "name": name, "extras": json.dumps(extras), **person})
    keys = []
    for user, rpm in ((f"ann-{name}", None), (f"bob-{name}", 50)):
        await ledger._insert("users", {"id": user, "username": user, **person})
        member = {"team_id": name, "user_id": user, "role": "member", "rpm_limit": rpm, "added_by": "t"}
        await ledger._insert("team_members", member)
        keys.append(await ledger.add_key(team_id=name, user_id=user))
    of_ann, of_bob = keys
    first = await platform.chat(of_ann)
    assert first.headers["x-ratelimit-team_member-limit-requests"] == "2"
    assert first.headers["x-ratelimit-model_per_team-remaining-requests"] == "2"
    assert (await platform.chat(of_ann)).status_code == 200
    refused = await platform.chat(of_ann)  # two are the usual limit of a member
    assert (refused.status_code, refused.headers["rate_limit_type"]) == (429, "requests")
    assert "member" in refused.json()["error"]["message"]
    assert (await platform.chat(of_bob)).status_code == 200  # has a limit of his own
    refused = await platform.chat(of_bob)  # three are the team's for this model
    assert refused.status_code == 429
    assert "team and model" in refused.json()["error"]["message"]
    assert (await platform.chat(of_bob, model="free")).status_code == 200
    refused = await platform.chat(of_bob, model="final")
    assert (refused.status_code, refused.headers["rate_limit_type"]) == (429, "tokens")


async def test_what_a_budget_has_for_a_while_ends_at_its_instant(platform: Platform):
    async def call_before(end: datetime) -> tuple[datetime, str, httpx2.Response]:
        extras = {"temp_budget": {"increase_nano": 10**9, "until": end.isoformat()}}
        key = await platform.ledger.add_key(max_budget_nano=1, extras=json.dumps(extras))
        return end, key, await platform.chat(key)

    until, key, reply = await in_time(call_before)
    assert reply.status_code == 200, reply.text
    assert reply.headers["x-litellm-key-max-budget"] == "1.000000001"

    async def refused() -> bool:
        return (await platform.chat(key)).status_code == 400

    await until_true(refused)
    assert datetime.now(UTC) >= until
    assert (await platform.chat(key)).json()["error"]["type"] == "budget_exceeded"
