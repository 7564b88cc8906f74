"""Does the generic role for keys give what its variables promise, once, and does its fact say what happened?"""

from __future__ import annotations

import json
from typing import Any

from tests.ansible.conftest import COLLECTIONS
from tests.ansible.plays import MODEL, Outcome, Plays, ended
from tests.ansible.readmes import block

ROLE = COLLECTIONS / "litellm_virtual_keys/roles/manage_keys"
_COPY = {"content": "{{ litellm_vkey_result }}", "dest": "{{ kept }}", "mode": "0600"}
KEEP = {"ansible.builtin.copy": _COPY, "no_log": True}


def manage(plays: Plays, *arguments: str, **members: Any) -> tuple[Outcome, Any]:
    """The play's outcome, and the fact."""
    kept = plays.directory / "result.json"
    kept.unlink(missing_ok=True)
    own = {
        "api_url": plays.url + "/",
        "master_key": plays.master_key,
        "alias": f"vk-{plays.guid}",
        "models": [MODEL],
        "retry_delay": 0.1,
    }
    values = {f"litellm_vkey_{name}": value for name, value in (own | members).items()}
    tasks = [{"ansible.builtin.include_role": {"name": "rhpds.litellm_virtual_keys.manage_keys"}}, KEEP]
    play = [{"hosts": "localhost", "connection": "local", "gather_facts": False, "tasks": tasks}]
    path = plays.directory / "manage.yml"
    path.write_text(json.dumps(play), encoding="utf-8")
    outcome = ended(plays.start(str(path), *arguments, variables={**values, "kept": str(kept)}))
    return outcome, json.loads(kept.read_text()) if kept.exists() else None


def test_one_key_is_the_same_at_the_second_run_and_ends_once(plays: Plays):
    first, made = manage(
        plays, "-vvv", models=json.dumps([MODEL]), max_budget="5", metadata={"team": "build"}, duration="7d"
    )
    first.succeeded()
    assert made["key"].startswith("sk-")
    assert made["key"] not in first.output
    told = {
        "alias": f"vk-{plays.guid}", "user_id": f"vk-{plays.guid}", "state": "present", "changed": True, "duration": "7d",
        "api_endpoint": plays.url, "api_base_url": f"{plays.url}/v1", "models": [MODEL],
    }  # fmt: skip
    assert told.items() <= made.items()
    record = plays.record(made["key_id"])
    assert (record["max_budget"], record["metadata"]["team"]) == (5, "build")
    again, same = manage(plays, models=json.dumps([MODEL]), max_budget="5", metadata={"team": "build"}, duration="7d")
    assert again.succeeded().changed <= 1  # the fact's file
    assert (same["key"], same["changed"]) == (made["key"], False)
    ended_once, gone = manage(plays, state="absent")
    ended_once.succeeded()
    assert (gone["deleted"], gone["was_missing"], gone["changed"]) == (True, False, True)
    _, missing = manage(plays, state="absent")
    assert (missing["deleted"], missing["was_missing"], missing["changed"]) == (False, True, False)


def test_several_users_get_keys_of_their_own_and_one_of_them_ends_by_its_id(plays: Plays):
    outcome, made = manage(plays, multi_user=True, user_count=3, user_prefix="student", user_domain="uni.example.com")
    outcome.succeeded()
    assert [(one["alias"], one["user_id"]) for one in made["keys"]] == [
        (f"vk-{plays.guid}-student{n}", f"student{n}@uni.example.com") for n in (1, 2, 3)
    ]
    assert len({one["key"] for one in made["keys"]}) == 3
    by_id = {"state": "absent", "delete_method": "by_key_id", "key_id": made["keys"][0]["key_id"], "alias": ""}
    _, gone = manage(plays, **by_id)
    assert gone["deleted"]
    _, gone = manage(plays, state="absent", multi_user=True, user_count=3, user_prefix="student")
    assert (gone["deleted_count"], gone["missing_count"]) == (2, 1)


def test_what_is_wrong_is_named_and_no_key_is_made(plays: Plays):
    manage(plays, models=["granite-3.3-8x"])[0].failed("the nearest: granite-3.3-8b", "No key was made")
    manage(plays, master_key="sk-wrong")[0].failed("answered 401")
    manage(plays, api_url="http://127.0.0.1:9", retry_count=0)[0].failed("was not answered")
    manage(plays, alias="")[0].failed("must be given and not be empty")
    manage(plays, state="there")[0].failed("value of litellm_vkey_state must be one of")
    assert plays.ask("GET", f"/key/list?key_alias=vk-{plays.guid}").json()["keys"] == []


def test_the_readme_runs_as_it_is_written_and_so_does_the_playbook(plays: Plays, platform: dict[str, str]):
    path = plays.directory / "readme.yml"
    path.write_text(block(ROLE), encoding="utf-8")
    ended(plays.start(str(path), environ=platform, variables={})).succeeded()
    assert ended(plays.start(str(path), environ=platform, variables={})).succeeded().changed == 0
    key = (plays.directory / "build-server.key").read_text()
    assert plays.ask("GET", "/v1/models", key=key).status_code == 200
    own = {"litellm_url": plays.url, "litellm_master_key": plays.master_key, "litellm_vkey_alias": "build-server"}
    removed = plays.start("rhpds.litemaas.manage_keys", variables=own | {"litellm_vkey_state": "absent"})
    assert ended(removed).succeeded().changed == 1
    assert plays.ask("GET", "/v1/models", key=key).status_code == 401
