"""Does the module for one key make it once, bring its limits along, and end it; and never show it to a log?"""

from __future__ import annotations

from typing import Any

from tests.ansible.plays import MODEL, Plays

MODULE = "rhpds.litellm_virtual_keys.litemaas_key"


def task(**members: Any) -> dict[str, Any]:
    how = {"url": "{{ litellm_url }}", "master_key": "{{ litellm_master_key }}", "key_alias": "build-{{ guid }}"}
    return {MODULE: how | members, "register": "made"}


def test_a_key_is_made_once_follows_its_limits_is_extended_and_ends(plays: Plays):
    wanted = {"models": [MODEL], "max_budget": 20, "rpm_limit": "5", "metadata": {"team": "build"}, "duration": "1d"}
    shown = {**task(**wanted, return_keys=True), "no_log": True}
    assertion = {"ansible.builtin.assert": {"that": ["made.key.startswith('sk-')", "made.key_id | length == 64"]}}
    assert plays.tasks([shown, assertion]).succeeded().changed == 1
    assert plays.tasks([task(**wanted)]).succeeded().changed == 0
    drift = plays.tasks([task(**wanted | {"rpm_limit": 6, "metadata": {"more": "x"}})], "--diff", "--check").succeeded()
    assert drift.changed == 1
    assert '+    "rpm_limit": 6' in drift.output
    plays.tasks([task(**wanted | {"rpm_limit": 6, "metadata": {"more": "x"}})]).succeeded()
    (key_id,) = plays.ask("GET", f"/key/list?key_alias=build-{plays.guid}").json()["keys"]
    record = plays.record(key_id)
    assert (record["rpm_limit"], record["max_budget"]) == (6, 20)
    assert record["metadata"].items() >= {"team": "build", "more": "x"}.items()
    plays.tasks([task(state="extended", duration="90d")]).succeeded()
    assert plays.record(key_id)["expires"] > record["expires"]
    by_id = {"delete_method": "by_key_id", "key_id": key_id, "ACTION": "destroy"}
    assert plays.role(**by_id).succeeded().changed == 1
    assert plays.role(**by_id).succeeded().changed == 0
    assert plays.tasks([task(state="absent")]).succeeded().changed == 0


def test_keys_are_not_returned_to_tasks_that_print_them(plays: Plays):
    plays.tasks([task(return_keys=True)]).failed("`no_log: true` on the task")
    assert plays.ask("GET", f"/key/list?key_alias=build-{plays.guid}").json()["keys"] == []


def test_a_key_behind_five_hundred_newer_ones_is_found(plays: Plays):
    plays.tasks([task()]).succeeded()
    crowd = [{"user": f"user{n}", "key_alias": f"{plays.guid}-{n}"} for n in range(500)]
    assert (
        plays.ask("POST", "/workshop/keys", {"guid": plays.guid, "models": [MODEL], "keys": crowd}).status_code == 200
    )
    assert plays.tasks([task(state="absent")]).succeeded().changed == 1
    assert plays.ask("DELETE", f"/workshop/{plays.guid}").json()["deleted"] == 500
