"""Who pays for a team's key: the team and the member's cap inside it, and never the person?"""

from __future__ import annotations

import secrets

from .harness import Platform


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
