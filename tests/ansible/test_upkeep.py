"""Do the playbooks of every day do what they say: backups that can be restored, keys that may go, guardrails?"""

from __future__ import annotations

import stat
import zipfile
from collections.abc import Mapping
from typing import Any

import yaml
from tests.ansible.faults import FaultyGateway
from tests.ansible.plays import MODEL, Outcome, Plays, ended
from tests.e2e.running import until


def playbook(plays: Plays, name: str, *arguments: str, **variables: Any) -> Outcome:
    own = {"litellm_url": plays.url, "litellm_master_key": plays.master_key}
    return ended(plays.start(f"rhpds.litemaas.{name}", *arguments, variables=own | variables))


def test_a_backup_is_made_tried_copied_and_not_made_again_while_it_is_fresh(plays: Plays, platform: Mapping[str, str]):
    admin = {"litellm_admin_url": platform["LITEMAAS_CONTROL_URL"], "litemaas_backup_dest": str(plays.directory)}
    assert playbook(plays, "backup", "--check", **admin).succeeded().changed == 1
    assert playbook(plays, "backup", **admin, litemaas_backup_keep=1).succeeded().changed == 1
    (copy,) = plays.directory.glob("litemaas-*.zip")
    assert zipfile.is_zipfile(copy)
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    again = playbook(plays, "backup", **admin, litemaas_backup_max_age_hours=1).succeeded()
    assert (again.changed, [copy]) == (0, list(plays.directory.glob("litemaas-*.zip")))
    copy.unlink()
    assert playbook(plays, "backup", **admin, litemaas_backup_max_age_hours=1).succeeded().changed == 1
    assert copy.exists()
    newer = playbook(plays, "backup", **admin, litemaas_backup_keep=1, litemaas_backup_test_restore=False).succeeded()
    assert newer.changed == 1
    assert len(list(plays.directory.glob("litemaas-*.zip"))) == 2  # copies here are the operator's
    assert len(_backups(plays, platform)) == 1


def _backups(plays: Plays, platform: Mapping[str, str]) -> list[Any]:
    import httpx2

    headers = {"Authorization": f"Bearer {plays.master_key}"}
    address = platform["LITEMAAS_CONTROL_URL"] + "/api/v1/admin/backups"
    rows: list[Any] = httpx2.get(address, headers=headers, timeout=30, trust_env=False).json()["data"]
    return rows


def test_a_backup_that_cannot_be_made_or_kept_says_why(plays: Plays, platform: Mapping[str, str]):
    admin = {"litellm_admin_url": platform["LITEMAAS_CONTROL_URL"]}
    playbook(plays, "backup", **admin, litemaas_backup_dest="/nowhere").failed("there is no directory /nowhere")
    playbook(plays, "backup", **admin | {"litellm_master_key": "sk-wrong"}).failed("answered 401")

    def breaks_off(number: int, method: str, path: str, body: bytes) -> Any:
        return (503, {}) if path.endswith("/download") else None

    with FaultyGateway(platform["LITEMAAS_CONTROL_URL"], breaks_off) as control:
        broken = {"litellm_admin_url": control.url, "litemaas_backup_dest": str(plays.directory)}
        playbook(plays, "backup", **broken, litemaas_backup_max_age_hours=1).failed("answered 503")
    assert list(plays.directory.glob("litemaas-*")) == []


def test_expired_and_old_keys_go_and_a_dry_run_only_names_them(plays: Plays):
    names = {"expired": "1s", "living": "1d"}
    made = {}
    for name, duration in names.items():
        body = {"key_alias": f"{name}-{plays.guid}", "models": [MODEL], "duration": duration}
        made[name] = plays.ask("POST", "/key/generate", body).json()["key"]
    until(lambda: plays.ask("GET", "/v1/models", key=made["expired"]).status_code != 200, 15, "the key has expired")
    mine = {"litemaas_key_cleanup_alias_pattern": f"[a-z]+-{plays.guid}"}
    dry = playbook(plays, "key_cleanup", "--diff", **mine, litemaas_key_cleanup_dry_run=True).succeeded()
    assert f"expired-{plays.guid}" in dry.output
    assert "1 keys would go" in dry.output
    assert playbook(plays, "key_cleanup", **mine, litemaas_key_cleanup_expired_for_days=1).succeeded().changed == 0
    assert playbook(plays, "key_cleanup", **mine).succeeded().changed == 1
    assert playbook(plays, "key_cleanup", **mine).succeeded().changed == 0
    aliases = [plays.ask("GET", f"/key/list?key_alias={name}-{plays.guid}").json()["keys"] for name in names]
    assert [len(found) for found in aliases] == [0, 1]
    by_age = mine | {"litemaas_key_cleanup_older_than_days": 0.00001}
    assert "1 keys went" in playbook(plays, "key_cleanup", **by_age).succeeded().output
    playbook(plays, "key_cleanup", litemaas_key_cleanup_alias_pattern="(").failed("no regular expression")


def test_guardrails_of_ones_own_come_from_the_file_that_litellm_reads(plays: Plays, platform: Mapping[str, str]):
    pattern = {"pattern_type": "regex", "name": "employee_number", "pattern": r"\bEMP-\d{6}\b", "action": "BLOCK"}
    params = {"guardrail": "litellm_content_filter", "mode": "pre_call", "default_on": True, "patterns": [pattern]}
    config = plays.directory / "guardrails.yaml"
    config.write_text(yaml.safe_dump({"guardrails": [{"guardrail_name": "company", "litellm_params": params}]}))
    own = {
        "ocp4_workload_litemaas_guardrails_api_url": platform["LITEMAAS_CONTROL_URL"],
        "litemaas_guardrails_config": str(config),
    }
    assert playbook(plays, "guardrails", **own).succeeded().changed == 1
    question = {"model": MODEL, "messages": [{"role": "user", "content": "Who is EMP-123456?"}]}
    until(lambda: plays.ask("POST", "/v1/chat/completions", question).status_code == 403, 5, "the guardrail holds")
    refused = plays.ask("POST", "/v1/chat/completions", question).json()["error"]
    assert (refused["code"], "employee_number pattern detected" in refused["message"]) == ("403", True)
    assert playbook(plays, "guardrails", **own).succeeded().changed == 0
    config.write_text(config.read_text().replace(r"\d{6}", r"\d+"))
    playbook(plays, "guardrails", **own).failed("'company'", "repeats something without a bound")
    assert playbook(plays, "guardrails", **own, litemaas_guardrails_state="absent").succeeded().changed == 1
    until(lambda: plays.ask("POST", "/v1/chat/completions", question).status_code == 200, 5, "it is gone")


def test_a_guardrail_that_asks_a_service_is_put_with_its_credential_and_unchanged_the_next_time(
    plays: Plays, platform: Mapping[str, str]
):
    params = {
        "guardrail": "generic_guardrail_api",
        "mode": "post_call",
        "api_base": "http://guard",
        "api_key": "guard-secret",
    }
    config = plays.directory / "guardrails.yaml"
    config.write_text(yaml.safe_dump({"guardrails": [{"guardrail_name": "asking", "litellm_params": params}]}))
    own = {
        "ocp4_workload_litemaas_guardrails_api_url": platform["LITEMAAS_CONTROL_URL"],
        "litemaas_guardrails_config": str(config),
    }
    first = playbook(plays, "guardrails", **own).succeeded()
    assert (first.changed, "guard-secret" in first.output) == (1, False)
    assert playbook(plays, "guardrails", **own).succeeded().changed == 0
    assert playbook(plays, "guardrails", **own, litemaas_guardrails_state="absent").succeeded().changed == 1


def test_guardrails_are_set_by_the_names_of_earlier_installations(plays: Plays, platform: Mapping[str, str]):
    own = {
        "ocp4_workload_litemaas_guardrails_api_url": platform["LITEMAAS_CONTROL_URL"],
        "ocp4_workload_litemaas_guardrails_models": [MODEL],
        "ocp4_workload_litemaas_guardrails_check_model": MODEL,
    }
    assert playbook(plays, "guardrails", **own, litemaas_guardrails_state="present").succeeded().changed == 1
    assert playbook(plays, "guardrails", **own, litemaas_guardrails_check_only=True).succeeded().changed == 0
    assert playbook(plays, "guardrails", **own, litemaas_guardrails_state="absent").succeeded().changed == 1
