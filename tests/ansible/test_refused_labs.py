"""Is a lab that cannot have its keys told why, before anything is made; and does what passes by not stop it?"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2
from tests.ansible.faults import FaultyGateway
from tests.ansible.plays import MODEL, Plays
from tests.e2e.running import Up


def test_what_is_wrong_is_named_and_no_key_is_made(plays: Plays):
    plays.role(models=["granite-3.3-8x"], num_users=2).failed(
        "granite-3.3-8x", f"the nearest: {MODEL}", "No key was made"
    )
    plays.role(litellm_master_key="sk-wrong").failed("answered 401")
    plays.role(litellm_url="http://127.0.0.1:9", retry_count=1).failed(
        "was not answered, also after 2 tries", "127.0.0.1:9"
    )
    plays.role(litellm_url="ftp://gateway").failed("must begin with http:// or https://")
    plays.role(models=[]).failed("must name at least one model")
    plays.role(litellm_master_key="").failed("must be given and not be empty")
    plays.role(max_budget=-1).failed("answered 4", "max_budget")
    assert plays.ask("GET", f"/workshop/{plays.guid}").status_code == 404
    assert not plays.output_dir.exists()


def test_a_mistyped_or_retired_variable_is_warned_of(plays: Plays):
    warned = plays.role(max_budgets=5, postgres_pod="postgres-0", ACTION="status").succeeded().output
    assert "max_budgets is no variable of this role; ocp4_workload_litellm_virtual_keys_max_budget is" in " ".join(
        warned.split()
    )
    assert "postgres_pod has no effect any more" in " ".join(warned.split())


def test_a_provisioning_key_makes_the_keys_of_a_lab_and_its_bounds_are_named(plays: Plays, platform: dict[str, str]):
    headers = {"Authorization": f"Bearer {plays.master_key}"}
    bounds = {"name": plays.guid, "models": [MODEL], "max_keys": 3, "max_budget_nano": 2 * 10**9}
    address = platform["LITEMAAS_CONTROL_URL"] + "/api/v1/admin/provisioning-keys"
    made = httpx2.post(address, json=bounds, headers=headers, timeout=30, trust_env=False)
    scoped = {"litellm_provisioning_key": made.json()["secret"], "litellm_master_key": ...}
    plays.role(**scoped, num_users=3, max_budget=1).succeeded()
    assert plays.role(**scoped, num_users=3, max_budget=1).succeeded().changed == 0
    plays.role(**scoped, num_users=4, max_budget=1).failed("answered 403", "3 keys")
    plays.role(**scoped, num_users=3, max_budget=9).failed("answered 403", "max_budget")
    plays.run("rhpds.litellm_virtual_keys.extend_key", **scoped).succeeded()
    assert scoped["litellm_provisioning_key"] not in json.dumps(plays.data())
    assert plays.role(**scoped, num_users=3, ACTION="destroy").succeeded().changed == 1


def test_a_gateway_that_restarts_in_mid_play_gives_all_keys(plays: Plays, start_up: Callable[..., Up], tmp_path: Path):
    state = tmp_path / "own" / "state"
    first = start_up(state, "--demo")
    connection = first.ready()
    restarts = []

    def restart(number: int, method: str, path: str, body: bytes) -> Any:
        if path == "/workshop/keys" and not restarts:
            restarts.append(first.stop())
            gateway.target = start_up(state, "--demo").ready()["LITEMAAS_GATEWAY_URL"]
            return "drop"
        return None

    with FaultyGateway(connection["LITEMAAS_GATEWAY_URL"], restart) as gateway:
        own = {"litellm_url": gateway.url, "litellm_master_key": connection["LITEMAAS_MASTER_KEY"]}
        plays.role(**own, num_users=40, api_timeout=120).succeeded()
        assert (restarts, gateway.times("POST", "/workshop/keys")) == ([0], 2)
    assert len(set(plays.data()["litellm_virtual_keys"])) == 40


def test_an_answer_that_was_lost_and_a_busy_gateway_are_asked_again(plays: Plays):
    faults = {1: (503, {}), 2: (429, {"Retry-After": "0"}), 4: "lose", 5: (502, {})}
    with FaultyGateway(plays.url, lambda number, *_: faults.get(number)) as gateway:
        plays.role(litellm_url=gateway.url, num_users=4).succeeded()
        assert gateway.times("POST", "/workshop/keys") == 3
    held = plays.ask("GET", f"/workshop/{plays.guid}").json()
    assert [seat["key"] for seat in held["keys"]] == plays.data()["litellm_virtual_keys"]


def older(number: int, method: str, path: str, body: bytes) -> Any:
    """A gateway that knows LiteLLM's calls only, and fails at one user."""
    if path.startswith("/workshop"):
        return 404, {}
    return None


def test_an_older_gateway_makes_keys_one_by_one_and_a_failure_names_the_user(plays: Plays):
    def fails_at_7(number: int, method: str, path: str, body: bytes) -> Any:
        return (500, {}) if b"-user7" in body and path == "/key/generate" else older(number, method, path, body)

    def loses_8(number: int, method: str, path: str, body: bytes) -> Any:
        if b"-user8" in body and path == "/key/generate" and gateway.times("POST", "/key/generate") == 8:
            return "lose"
        return older(number, method, path, body)

    lab = {"num_users": 10, "retry_count": 1, "max_budget": 3}
    with FaultyGateway(plays.url, loses_8) as gateway:
        whole = plays.role(litellm_url=gateway.url, **lab).succeeded()
        assert "one by one" in whole.output
        data = plays.data()
        keys = data["litellm_virtual_keys"]
        assert len({*keys, *data["litellm_key_ids"]}) == 20
        assert [plays.ask("GET", "/v1/models", key=key).status_code for key in keys] == [200] * 10
        assert plays.record(data["litellm_key_ids"][7])["max_budget"] == 3
        again = plays.role(litellm_url=gateway.url, **lab).succeeded()
        assert (again.changed, plays.data()) == (0, data)
        plays.run("rhpds.litellm_virtual_keys.extend_key", litellm_url=gateway.url).succeeded()
        assert plays.role(litellm_url=gateway.url, ACTION="destroy", **lab).succeeded().changed == 1
        assert plays.ask("GET", "/v1/models", key=keys[7]).status_code == 401
        gateway.fault = fails_at_7
        plays.role(litellm_url=gateway.url, **lab).failed("The key of user7 was not made", "after 2 tries")
        assert len(plays.ask("GET", f"/key/list?key_alias=virtkey-{plays.guid}-user6").json()["keys"]) == 1
