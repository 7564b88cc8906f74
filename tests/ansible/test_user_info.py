"""Do messages and data reach the files that AgnosticD reads: merged, once each, hidden from others, by many hosts at once?"""

from __future__ import annotations

from typing import Any

import yaml
from tests.ansible.plays import Plays

TELL = "rhpds.litellm_virtual_keys.agnosticd_user_info"
READ = "rhpds.litellm_virtual_keys.agnosticd_user_data"


def test_messages_bodies_and_data_are_written_once_and_merged(plays: Plays):
    tasks: list[dict[str, Any]] = [
        {TELL: {"msg": ["one: 1", 'two "quoted"']}},
        {TELL: {"body": "long\ntext"}},
        {TELL: {"data": {"count": 2, "yes": True, "deep": {"a": 1}}}},
        {TELL: {"data": {"deep": {"b": 2}}, "user": "user1"}},
        {TELL: {"msg": "hello", "user": "user1", "data": {"more": 1}}},
        {TELL: {"msg": "again", "user": "user1"}},
        {"ansible.builtin.assert": {"that": [
            f"lookup('{READ}', 'count') == 2",
            f"lookup('{READ}', 'deep', user='user1') == {{'b': 2}}",
            f"query('{READ}', 'nothing') == []",
            f"lookup('{READ}', '*').yes",
        ]}},
    ]  # fmt: skip
    for _ in range(2):
        run = plays.tasks(tasks).succeeded()
        assert run.changed == 0
        assert "user.info: one: 1" in run.output
        assert "user.body: long" in run.output
    files = {path.name: path.read_text() for path in plays.output_dir.iterdir()}
    assert files["provision-user-info.yaml"] == '- "one: 1"\n- "two \\"quoted\\""\n'
    assert yaml.safe_load(files["provision-user-body.yaml"]) == ["long\ntext"]
    assert yaml.safe_load(files["provision-user-data.yaml"]) == {
        "count": 2, "yes": True, "deep": {"a": 1}, "users": {"user1": {"deep": {"b": 2}, "more": 1, "msg": "hello\nagain"}},
    }  # fmt: skip
    assert files["provision-user-data.yaml"].startswith("---\n")
    assert {path.stat().st_mode & 0o777 for path in plays.output_dir.iterdir()} == {0o600}
    assert len(files) == 3


def test_check_mode_writes_nothing_and_wrong_arguments_fail(plays: Plays):
    plays.tasks([{TELL: {"msg": "hello", "data": {"a": 1}}}], "--check").succeeded()
    assert not plays.output_dir.exists()
    plays.tasks([{TELL: {"msg": "a", "body": "b"}}]).failed("msg or body, not both")
    plays.tasks([{TELL: {"data": "text"}}]).failed("must be a mapping")


def test_hosts_that_report_at_once_lose_nothing(plays: Plays):
    hosts = ",".join(f"host{n}" for n in range(12)) + ","
    task = {TELL: {"user": "{{ inventory_hostname }}", "data": {"name": "{{ inventory_hostname }}"}}}
    play = {"hosts": "all", "connection": "local", "gather_facts": False, "tasks": [task]}
    plays.play([play], "-i", hosts, "-f", "6", ACTION="start").succeeded()
    data = yaml.safe_load((plays.output_dir / "start-user-data.yaml").read_text())
    assert sorted(data["users"]) == sorted(f"host{n}" for n in range(12))
