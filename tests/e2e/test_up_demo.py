"""Is what the ready screen promises true? One demo platform, asked as its first user would."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import httpx2
import pytest
from tests.e2e.running import ANSWERS_WITHIN_S, Up, ask_control, chat, processes_of, run_in_shell

from litemaas.cli.up import demo

pytestmark = pytest.mark.slow


def _pasted_line(up: Up) -> str:
    return next(line.strip() for line in up.output.splitlines() if "curl " in line)


def test_demo_key_gets_an_answer_from_a_simulated_model(platform: Mapping[str, str]):
    answer = chat(platform, demo.CHAT_MODEL)
    assert answer.status_code == 200, answer.text
    assert answer.json()["choices"][0]["message"]["content"]


def test_every_simulated_model_is_offered_to_the_demo_key_and_labelled_as_simulated(platform: Mapping[str, str]):
    offered = httpx2.get(
        f"{platform['LITEMAAS_GATEWAY_URL']}/v1/models",
        headers={"Authorization": f"Bearer {platform['LITEMAAS_DEMO_KEY']}"},
        timeout=ANSWERS_WITHIN_S,
    ).json()["data"]
    assert {model["id"] for model in offered} == set(demo.MODEL_NAMES)
    catalogue = ask_control(platform, "/api/v1/admin/models")["data"]
    assert all(model["simulated"] for model in catalogue)
    assert all(
        any(value for name, value in m["deployments"][0]["price"].items() if name != "version") for m in catalogue
    )


def test_demo_key_embeds_and_converts(platform: Mapping[str, str]):
    gateway, key = platform["LITEMAAS_GATEWAY_URL"], {"Authorization": f"Bearer {platform['LITEMAAS_DEMO_KEY']}"}
    body = {"model": "nomic-embed-text-v1.5", "input": "a text"}
    embedded = httpx2.post(f"{gateway}/v1/embeddings", headers=key, json=body, timeout=ANSWERS_WITHIN_S)
    assert embedded.status_code == 200, embedded.text
    body = {"sources": [{"kind": "file", "filename": "a.txt", "base64_string": "SGVsbG8="}]}
    converted = httpx2.post(f"{gateway}/docling/v1/convert/source", headers=key, json=body, timeout=ANSWERS_WITHIN_S)
    assert converted.status_code == 200, converted.text


def test_demo_key_has_a_budget_and_limits(platform: Mapping[str, str]):
    [key] = ask_control(platform, "/api/v1/admin/keys", {"alias": str(demo.KEY["alias"])})["data"]
    assert {name: key[name] for name in demo.KEY} == dict(demo.KEY)


def test_connection_is_private_and_whole(running_platform: Up, platform: Mapping[str, str]):
    file = running_platform.state_dir / "connection.env"
    assert file.stat().st_mode & 0o7777 == 0o600
    assert set(platform) == {
        "LITEMAAS_GATEWAY_URL", "LITEMAAS_CONTROL_URL", "LITEMAAS_MASTER_KEY", "LITEMAAS_DEMO_KEY",
    }  # fmt: skip
    assert platform["LITEMAAS_MASTER_KEY"].startswith("sk-")


def test_nothing_in_the_state_directory_is_open_to_others(running_platform: Up, platform: Mapping[str, str]):
    assert running_platform.state_dir.stat().st_mode & 0o077 == 0
    tops = [
        path for path in running_platform.state_dir.iterdir() if path.name != "postgres"
    ]  # PostgreSQL guards its own
    within = [path for top in tops if top.is_dir() for path in top.rglob("*")]
    assert [path for path in (*tops, *within) if path.stat().st_mode & 0o077] == []


def test_line_on_the_screen_can_be_pasted_into_a_shell(running_platform: Up, platform: Mapping[str, str]):
    pasted = run_in_shell(_pasted_line(running_platform))
    assert pasted.returncode == 0, pasted.stderr
    assert json.loads(pasted.stdout)["model"] == demo.CHAT_MODEL


def test_screen_shows_the_demo_key_but_no_other_secret(running_platform: Up, platform: Mapping[str, str]):
    screen = running_platform.output
    assert platform["LITEMAAS_DEMO_KEY"] in screen
    secrets = [
        platform["LITEMAAS_MASTER_KEY"],
        *(_kept(running_platform, name) for name in ("encryption.key", "run.mark")),
    ]
    assert [secret for secret in secrets if secret in screen] == []


def test_no_secret_stands_in_a_log_or_in_the_environment_or_arguments_of_a_process(
    running_platform: Up, platform: Mapping[str, str]
):
    names = ("encryption.key", "postgres.password", "valkey.password")
    secrets = [platform["LITEMAAS_MASTER_KEY"], *(_kept(running_platform, name) for name in names)]
    said = [path.read_text(errors="replace") for path in (running_platform.state_dir / "log").iterdir()]
    started_with = [repr((p.cmdline(), p.environ())) for p in processes_of(running_platform.state_dir)]
    assert len(started_with) > 4
    assert [secret for secret in secrets for text in (*said, *started_with) if secret in text] == []


def test_control_plane_shows_its_contract(platform: Mapping[str, str]):
    assert httpx2.get(f"{platform['LITEMAAS_CONTROL_URL']}/docs", timeout=ANSWERS_WITHIN_S).status_code == 200


def _kept(up: Up, name: str) -> str:
    return Path(up.state_dir, name).read_text(encoding="ascii").strip()


def test_three_people_can_sign_in_and_see_what_their_roles_show(platform: Mapping[str, str]):
    url = platform["LITEMAAS_CONTROL_URL"]
    with httpx2.Client(base_url=url, timeout=ANSWERS_WITHIN_S, trust_env=False) as browser:
        people = browser.get("/api/v1/auth/providers").json()["dev_users"]
        assert people == ["admin", "user", "adminReadonly"]
        seen = {}
        for person in people:
            assert browser.post("/api/v1/auth/dev-login", json={"dev_user": person}).status_code == 200
            seen[person] = browser.get("/api/v1/admin/users").status_code
    assert seen == {"admin": 200, "user": 403, "adminReadonly": 200}
