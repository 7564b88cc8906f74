"""Do forty people get forty keys, with all limits, the same ones on every run; and is nothing of them to be read in a log?"""

from __future__ import annotations

import re

from tests.ansible.plays import MODEL, Plays

LIMITS = {"max_budget": "2.5", "tpm": "9000", "rpm": 20, "max_parallel": 4, "budget_duration": "1d"}
DELIVERED = re.compile(r'(user\.info: |")LiteMaaS Virtual Key: sk-\S+')


def lab(count: int, **members: object) -> dict[str, object]:
    return {"num_users": str(count), "include_docling": True, "docling_model": "docling", **LIMITS, **members}


def test_forty_users_have_forty_keys_on_every_run_and_more_when_more_come(plays: Plays):
    plays.role(**lab(40)).succeeded()
    data = plays.data()
    keys = data["litellm_virtual_keys"]
    assert (
        len(set(keys))
        == len(data["litellm_key_aliases"])
        == len(data["litellm_key_ids"])
        == data["litellm_user_count"]
        == 40
    )
    assert data["litellm_user_ids"] == [f"user{n}@lab.example.com" for n in range(1, 41)]
    assert data["litellm_virtual_key"] == keys[0]
    assert data["litellm_available_models_list"] == f"{MODEL}, docling"
    own = data["users"]["user7"]
    assert own["litellm_virtual_key"] == data["litellm_user7_virtual_key"] == keys[6]
    assert own["litellm_key_alias"] == data["litellm_user7_key_alias"] == f"virtkey-{plays.guid}-user7"
    assert own["litellm_key_id"] == data["litellm_user7_key_id"] == data["litellm_key_ids"][6]
    assert own["litellm_user_email"] == data["litellm_user7_user_email"] == "user7@lab.example.com"
    assert own["litellm_docling_endpoint"] == f"{plays.url}/docling/v1/convert/source"
    assert f"LiteMaaS Virtual Key: {keys[6]}" in own["msg"].split("\n")
    record = plays.record(own["litellm_key_id"])
    assert [record[name] for name in ("max_budget", "tpm_limit", "rpm_limit", "max_parallel_requests", "budget_duration")] == [
        2.5, 9000, 20, 4, "1d",
    ]  # fmt: skip
    assert (record["metadata"]["user"], record["metadata"]["user_number"]) == ("user7", 7)
    messages = [
        f"LiteLLM API Endpoint: {plays.url}/v1",
        "Created 40 virtual keys",
        f"Available Models: {MODEL}, docling",
        "Key Duration: 30d",
        f"Document Conversion: POST {plays.url}/docling/v1/convert/source",
        "Docling Model: docling",
    ]
    assert plays.messages() == messages
    again = plays.role(**lab(40)).succeeded()
    assert (again.changed, plays.data(), plays.messages()) == (0, data, messages)
    more = plays.role(**lab(42, rpm=30, agnosticd_user_info={"runtime": 48})).succeeded()
    assert more.changed == 1
    grown = plays.data()
    assert grown["litellm_virtual_keys"][:40] == keys
    assert len(set(grown["litellm_virtual_keys"])) == 42
    assert grown["users"]["user1"]["litellm_key_duration"] == grown["litellm_key_duration"] == "48h"
    assert {plays.record(grown["litellm_key_ids"][n])["rpm_limit"] for n in (0, 41)} == {30}


def test_a_lab_is_extended_with_all_its_keys_and_destroyed_once(plays: Plays):
    plays.role(**lab(3)).succeeded()
    key_ids = plays.data()["litellm_key_ids"]
    before = [plays.record(key_id)["expires"] for key_id in key_ids]
    extend = "rhpds.litellm_virtual_keys.extend_key"
    extended = plays.run(extend, litellm_url=..., agnosticd_user_info={"runtime": 2000}).succeeded()
    assert "user.info: LiteLLM Virtual Key extended to 2000h" in extended.output
    after = [plays.record(key_id)["expires"] for key_id in key_ids]
    assert len(set(after)) == 1
    assert all(new > old for new, old in zip(after, before, strict=True))
    data = plays.data()
    assert {data["litellm_key_duration"], data["users"]["user3"]["litellm_key_duration"]} == {"2000h"}
    assert data["litellm_key_ids"] == key_ids
    destroy = "rhpds.litellm_virtual_keys.destroy_key"
    assert plays.run(destroy, **lab(3)).succeeded().changed == 1
    assert plays.ask("GET", "/v1/models", key=data["litellm_user2_virtual_key"]).status_code == 401
    assert plays.run(destroy, **lab(3)).succeeded().changed == 0
    plays.run(extend).failed("There is no such key to extend")


def test_no_key_is_in_the_log_but_the_delivered_one(plays: Plays):
    chatty = ("-vvv", "--diff")
    outputs = [plays.role(*chatty, **lab(2)).succeeded().output, plays.role(*chatty).succeeded().output]
    assert "LiteMaaS Virtual Key: sk-" in outputs[1]
    outputs.append(plays.role(*chatty, **lab(2, rpm=5)).succeeded().output)
    outputs.append(plays.role(*chatty, litellm_master_key=plays.master_key + "-wrong").failed("401").output)
    outputs.append(plays.run("rhpds.litellm_virtual_keys.extend_key", *chatty).succeeded().output)
    outputs.append(plays.role(*chatty, ACTION="destroy", **lab(2)).succeeded().output)
    for output in outputs:
        rest = DELIVERED.sub("", output)
        assert not re.findall(r"sk-[\w-]{6,}", rest)
        assert plays.master_key not in output


def test_the_keys_of_others_are_not_published_when_that_is_off(plays: Plays):
    plays.role(**lab(2, publish_all_keys=False, display_key=False)).succeeded()
    data = plays.data()
    users = data.pop("users")
    assert "sk-" not in str(data)
    assert users["user2"]["litellm_virtual_key"].startswith("sk-")
    assert "sk-" not in users["user2"]["msg"]


def test_check_mode_reports_who_would_get_a_key_and_does_nothing(plays: Plays):
    foreseen = plays.role("--check", **lab(2)).succeeded()
    assert f"user2 (virtkey-{plays.guid}-user2): created" in foreseen.output
    assert not plays.output_dir.exists()
    assert plays.ask("GET", f"/workshop/{plays.guid}").status_code == 404
