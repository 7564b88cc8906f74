"""Are models of a list in the catalogue and callable at once, once each, and is only what differs changed?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import httpx2
import pytest
from tests.ansible.plays import MODEL, Plays
from tests.e2e.running import ask_control, chat

PLAYBOOK = "rhpds.litemaas.register_models"
PREFIX = "ocp4_workload_litemaas_models_"


@pytest.fixture
def engine(platform: Mapping[str, str]) -> dict[str, Any]:
    """The simulated engine of a demo model."""
    (model,) = ask_control(platform, "/api/v1/admin/models", {"name": MODEL})["data"]
    deployment: dict[str, Any] = model["deployments"][0]
    return deployment


def every_model(platform: Mapping[str, str]) -> list[dict[str, Any]]:
    models: list[dict[str, Any]] = ask_control(platform, "/api/v1/admin/models", {"limit": "100"})["data"]
    return models


def item(name: str, engine: Mapping[str, Any], **members: Any) -> dict[str, Any]:
    return {
        "model_name": name,
        "litellm_model": f"{engine['provider']}/{engine['engine_model']}",
        "api_base": engine["api_base"],
    } | members


def register(
    plays: Plays, platform: Mapping[str, str], items: list[dict[str, Any]], *arguments: str, **members: Any
) -> Any:
    named = {
        PREFIX + name: value
        for name, value in ({"api_url": platform["LITEMAAS_CONTROL_URL"], "list": items} | members).items()
    }
    return plays.run(PLAYBOOK, *arguments, **named)


def shown(platform: Mapping[str, str], name: str) -> Any:
    (model,) = ask_control(platform, "/api/v1/admin/models", {"name": name})["data"]
    return model


def test_a_model_is_callable_when_the_play_ends_and_a_second_run_changes_nothing(
    plays: Plays, platform: Mapping[str, str], engine: dict[str, Any]
):
    name = f"m-{plays.guid}"
    wanted = item(
        name, engine, rpm=600, display_name="A model", category="code", context_length=8192, api_key="engine-secret-1",
        input_cost_per_token=1.5e-7, output_cost_per_token="0.0000006",
    )  # fmt: skip
    first = register(plays, platform, [wanted]).succeeded()
    assert (first.changed, f"{name}: created" in first.output) == (1, True)
    answer = chat(platform, name, platform["LITEMAAS_MASTER_KEY"])
    assert answer.status_code == 200, answer.text
    model = shown(platform, name)
    assert (model["display_name"], model["description"], model["provider"], model["tags"]) == (
        "A model", "AI model", "openshift-ai", ["code"],
    )  # fmt: skip
    assert (model["context_length"], model["capabilities"], model["status"]) == (8192, ["streaming"], "available")
    assert (model["pricing"]["input_per_million"], model["pricing"]["output_per_million"]) == (150_000_000, 600_000_000)
    assert (model["deployments"][0]["rpm_limit"], model["deployments"][0]["has_api_key"]) == (600, True)
    again = register(plays, platform, [wanted]).succeeded()
    assert (again.changed, shown(platform, name)["updated_at"]) == (0, model["updated_at"])


def test_drift_is_corrected_and_what_the_list_does_not_name_stays(
    plays: Plays, platform: Mapping[str, str], engine: dict[str, Any]
):
    name = f"m-{plays.guid}"
    register(plays, platform, [item(name, engine, rpm=600, tpm=9000, input_cost_per_token=1e-7)]).succeeded()
    model = shown(platform, name)
    edited = httpx2.patch(
        f"{platform['LITEMAAS_CONTROL_URL']}/api/v1/admin/models/{model['id']}",
        json={"description": "edited in the portal", "display_name": "Drifted"},
        headers={"Authorization": f"Bearer {plays.master_key}"}, timeout=20, trust_env=False,
    )  # fmt: skip
    assert edited.status_code == 200, edited.text
    wanted = item(name, engine, display_name="Meant", rpm=None, api_key="engine-secret-2", output_cost_per_token=2e-7)
    foreseen = register(plays, platform, [wanted], "--check", "--diff", "-vvv").succeeded()
    assert foreseen.changed == 1
    assert "Drifted" in foreseen.output
    assert "engine-secret" not in foreseen.output
    assert shown(platform, name)["display_name"] == "Drifted"
    register(plays, platform, [wanted], "--diff", "-vvv").succeeded()
    now = shown(platform, name)
    assert (now["id"], now["display_name"], now["description"]) == (model["id"], "Meant", "edited in the portal")
    assert (now["pricing"]["input_per_million"], now["pricing"]["output_per_million"]) == (100_000_000, 200_000_000)
    (deployment,) = now["deployments"]
    assert (deployment["rpm_limit"], deployment["tpm_limit"], deployment["has_api_key"]) == (None, 9000, True)
    assert register(plays, platform, [wanted]).succeeded().changed == 0
    assert register(plays, platform, [{**wanted, "api_key": "engine-secret-3"}]).succeeded().changed == 1
    elsewhere = {**wanted, "api_base": engine["api_base"].replace("127.0.0.1", "localhost")}
    register(plays, platform, [elsewhere]).succeeded()
    assert len(shown(platform, name)["deployments"]) == 2


def test_unlisted_models_are_retired_or_removed_only_where_that_is_said(
    plays: Plays, platform: Mapping[str, str], engine: dict[str, Any]
):
    others = [m for m in every_model(platform) if m["status"] != "retired"]
    kept = [item(m["name"], next(iter(m["deployments"]), engine)) for m in others]
    name = f"m-{plays.guid}"
    register(plays, platform, [item(name, engine)]).succeeded()
    foreseen = register(plays, platform, kept, "--check", unlisted="remove").succeeded()
    assert f"{name}: removed" in foreseen.output
    assert register(plays, platform, kept, unlisted="retire").succeeded().changed == 1
    assert shown(platform, name)["status"] == "retired"
    assert register(plays, platform, kept, unlisted="retire").succeeded().changed == 0
    back = register(plays, platform, [item(name, engine, availability="available")]).succeeded()
    assert (back.changed, shown(platform, name)["status"]) == (1, "available")
    register(plays, platform, kept, unlisted="remove").succeeded()
    assert {m["name"] for m in every_model(platform)} >= {m["name"] for m in others}
    assert name not in {m["name"] for m in every_model(platform)}


def test_a_wrong_item_is_named_before_anything_changes(
    plays: Plays, platform: Mapping[str, str], engine: dict[str, Any]
):
    name = f"m-{plays.guid}"
    good = item(name, engine)
    register(plays, platform, [good, {"model_name": "x"}]).failed("model_name and litellm_model")
    register(plays, platform, [good, item("y", engine, dipslay_name="z")]).failed("y: there is no dipslay_name")
    assert ask_control(platform, "/api/v1/admin/models", {"name": name})["data"] == []
    register(plays, platform, [item(name, engine, litellm_model="nobody/x")]).failed(name, "nobody")
    register(plays, platform, [good], api_url=plays.url).failed("answered 404")
