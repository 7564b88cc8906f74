"""Do the modules for people and teams set what is named, once, and leave the rest?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tests.ansible.plays import MODEL, Plays
from tests.e2e.running import ask_control


def task(module: str, **members: Any) -> dict[str, Any]:
    return {
        f"rhpds.litemaas.{module}": {"url": "{{ litellm_control }}", "master_key": "{{ litellm_master_key }}"} | members
    }


def person(plays: Plays, platform: Mapping[str, str]) -> str:
    """Somebody who has an account, by username."""
    made = plays.ask("POST", "/user/new", {"user_id": f"p-{plays.guid}", "auto_create_key": False})
    assert made.status_code == 200, made.text
    username: str = ask_control(platform, f"/api/v1/admin/users/p-{plays.guid}")["username"]
    return username


def test_a_team_is_made_once_changed_and_archived(plays: Plays, platform: Mapping[str, str]):
    control = {"litellm_control": platform["LITEMAAS_CONTROL_URL"]}
    name = f"team-{plays.guid}"
    username = person(plays, platform)
    wanted = {
        "name": name, "max_budget": 12.5, "budget_duration": "30d", "rpm_limit": 100, "models": [MODEL],
        "members": [{"username": username, "role": "admin"}],
    }  # fmt: skip
    assert plays.tasks([task("litemaas_team", **wanted)], "--check", **control).succeeded().changed == 1
    assert plays.tasks([task("litemaas_team", **wanted)], **control).succeeded().changed == 1
    assert plays.tasks([task("litemaas_team", **wanted)], **control).succeeded().changed == 0
    (team,) = ask_control(platform, "/api/v1/teams", {"search": name})["data"]
    assert (team["max_budget_nano"], team["rpm_limit"], team["allowed_models"]) == (12_500_000_000, 100, [MODEL])
    drift = plays.tasks([task("litemaas_team", **wanted | {"rpm_limit": -1})], "--diff", **control).succeeded()
    assert '-    "rpm_limit": 100' in drift.output
    assert plays.tasks([task("litemaas_team", name=name, state="absent")], **control).succeeded().changed == 1
    assert plays.tasks([task("litemaas_team", name=name, state="absent")], **control).succeeded().changed == 0


def test_a_person_has_the_limits_that_are_named(plays: Plays, platform: Mapping[str, str]):
    control = {"litellm_control": platform["LITEMAAS_CONTROL_URL"]}
    username = person(plays, platform)
    for changed, budget in ((1, 7), (0, 7), (1, -1)):
        run = plays.tasks([task("litemaas_user", username=username, max_budget=budget)], **control).succeeded()
        assert run.changed == changed
    plays.tasks([task("litemaas_user", username="nobody-at-all")], **control).failed("Nobody is called 'nobody-at-all'")
