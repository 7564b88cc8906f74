"""Do the gateways hold what LiteLLM's clients say of teams, people and customers: model lists, aliases, blocks?"""

from __future__ import annotations

import json
import secrets

from .harness import Platform

BY = {"created_by": "t", "updated_by": "t"}


async def test_the_lists_of_team_and_person_bound_a_key_and_say_whose_they_are(platform: Platform):
    ledger, name = platform.ledger, secrets.token_hex(4)
    extras = json.dumps({"model_aliases": {"fast": "granite"}})
    await ledger._insert("teams", {"id": name, "name": name, "allowed_models": ["granite"], "extras": extras, **BY})
    await ledger._insert(
        "users", {"id": name, "username": name, "extras": json.dumps({"models": ["no-such-model"]}), **BY}
    )
    of_team = await ledger.add_key(team_id=name, models=["granite", "llama"])
    of_person = await ledger.add_key(user_id=name)
    assert (await platform.chat(of_team, model="granite")).status_code == 200
    assert (await platform.chat(of_team, model="fast")).status_code == 200
    for key, model, kind in ((of_team, "llama", "team"), (of_person, "granite", "user"), (of_team, "other", "key")):
        refused = await platform.chat(key, model=model)
        assert (refused.status_code, refused.json()["error"]["type"]) == (401, f"{kind}_model_access_denied"), (
            refused.text
        )
    await ledger.connection.execute("update teams set allowed_models = '{}' where id = $1", name)
    await ledger.announce("budget", [f"team:{name}"])
    await platform.catch_up()
    assert (await platform.chat(of_team, model="granite")).status_code == 401
    await ledger.connection.execute("update users set extras = '{}' where id = $1", name)
    await ledger.announce("budget", [f"user:{name}"])
    await platform.catch_up()
    assert (await platform.chat(of_person, model="granite")).status_code == 200


async def test_a_blocked_customer_is_refused_and_others_are_not(platform: Platform, key: str):
    ledger, name = platform.ledger, secrets.token_hex(4)
    assert (await platform.chat(key, user=name)).status_code == 200
    await ledger._insert("customers", {"id": name, "is_blocked": True, **BY})
    await ledger.announce("budget", [f"customer:{name}"])
    await platform.catch_up()
    for _ in range(2):
        refused = await platform.chat(key, user=name)
        assert (refused.status_code, refused.json()["error"]["type"]) == (401, "auth_error")
    assert (await platform.chat(key)).status_code == 200
    assert (await platform.chat(key, user="another")).status_code == 200
    await ledger.connection.execute("update customers set is_blocked = false where id = $1", name)
    await ledger.announce("budget", [f"customer:{name}"])
    await platform.catch_up()
    assert (await platform.chat(key, user=name)).status_code == 200
