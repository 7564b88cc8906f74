"""Does everybody in a lab get a key by the role, the same one on every run, and is it gone when the lab is gone?"""

from __future__ import annotations

from tests.ansible.plays import MODEL, Plays


def test_a_lab_of_one_gets_its_key_once_and_for_all(plays: Plays):
    first = plays.role(requester_email="ada@example.com", catalog_item_name="rag-lab", max_budget=5).succeeded()
    data = plays.data()
    key = data["litellm_virtual_key"]
    assert plays.messages() == [
        f"LiteMaaS API Base URL: {plays.url}/v1",
        f"LiteMaaS Virtual Key: {key}",
        f"Available Models: {MODEL}",
        "Key Duration: 30d",
    ]
    assert f"user.info: LiteMaaS Virtual Key: {key}" in first.output
    assert data == {
        "litellm_api_endpoint": plays.url,
        "litellm_api_base_url": f"{plays.url}/v1",
        "litellm_virtual_key": key,
        "litellm_key_alias": f"virtkey-{plays.guid}",
        "litellm_key_id": data["litellm_key_id"],
        "litellm_available_models": [MODEL],
        "litellm_available_models_list": MODEL,
        "litellm_key_duration": "30d",
    }
    record = plays.record(data["litellm_key_id"])
    assert (record["user_id"], record["max_budget"], record["models"]) == ("ada@example.com", 5, [MODEL])
    assert record["metadata"].items() >= {
        "guid": plays.guid, "models": MODEL, "models_count": 1, "duration": "30d", "created_by": "babylon",
        "environment": "sandbox", "owner": "ada@example.com", "catalog_item": "rag-lab",
    }.items()  # fmt: skip
    body = {"model": MODEL, "messages": [{"role": "user", "content": "Hello!"}]}
    assert plays.ask("POST", "/v1/chat/completions", body, key).status_code == 200
    again = plays.run(
        "rhpds.litellm_virtual_keys.provision_key",
        requester_email="ada@example.com",
        catalog_item_name="rag-lab",
        max_budget=5,
    ).succeeded()
    assert (again.changed, plays.data(), len(plays.messages())) == (0, data, 4)
    assert plays.role(ACTION="destroy").succeeded().changed == 1
    assert plays.ask("GET", "/v1/models", key=key).status_code == 401
    assert plays.role(ACTION="destroy").succeeded().changed == 0
