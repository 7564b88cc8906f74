"""Where do secrets lie, who starts anew when one changes, and what do odd characters do?"""

from __future__ import annotations

import base64
from collections.abc import Callable
from urllib.parse import unquote, urlsplit

import helm_python
import pytest
from redis.asyncio.connection import parse_url
from sqlalchemy import make_url
from tests.deploy.conftest import CONFIGURATIONS, Object, Rendering, render, values_of

Rendered = Callable[[str], Rendering]
ODD = 'p@ss:/%#?&=+ wörd"\\Xy7Q'


def _decoded(secret: Object) -> dict[str, str]:
    return {key: base64.b64decode(value).decode() for key, value in secret["data"].items()}


def test_what_nobody_gave_is_made_long_and_kept():
    it, again = render(values_of("minimal")), render(values_of("minimal"))
    for name, key in (
        ("litemaas-database-secret", "password"),
        ("litemaas-valkey-secret", "password"),
        ("litemaas-master-secret", "LITELLM_MASTER_KEY"),
        ("litemaas-control-secret", "ENCRYPTION_KEY"),
    ):
        secret = it.of("Secret", name)
        assert secret["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep"
        assert len(_decoded(secret)[key]) >= 32
        assert _decoded(secret)[key] != _decoded(again.of("Secret", name))[key]
    master = _decoded(it.of("Secret", "litemaas-master-secret"))
    assert master["LITELLM_MASTER_KEY"].startswith("sk-")
    # What older playbooks read there, and in the control plane's Secret, opens the same doors.
    assert (master["UI_USERNAME"], master["UI_PASSWORD"]) == ("admin", master["LITELLM_MASTER_KEY"])
    assert _decoded(it.of("Secret", "litemaas-control-secret"))["ADMIN_API_KEY"] == master["LITELLM_MASTER_KEY"]


def test_a_generated_password_is_one_and_the_same_in_its_secret_and_its_url():
    it = render(values_of("minimal"))
    database = _decoded(it.of("Secret", "litemaas-database-secret"))
    assert database["DATABASE_URL"] == f"postgresql://litemaas:{database['password']}@litemaas-postgresql:5432/litemaas"
    valkey = _decoded(it.of("Secret", "litemaas-valkey-secret"))
    assert valkey["REDIS_URL"] == f"redis://:{valkey['password']}@litemaas-valkey:6379/0"


def test_odd_characters_survive_in_both_urls():
    values = values_of("minimal") | {"postgresql": {"password": ODD}, "valkey": {"password": ODD}}
    it = render(values)
    url = _decoded(it.of("Secret", "litemaas-database-secret"))["DATABASE_URL"]
    parts = urlsplit(url)
    assert (unquote(parts.password or ""), parts.hostname, parts.path) == (ODD, "litemaas-postgresql", "/litemaas")
    made = make_url(url)
    assert (made.password, made.username, made.database) == (ODD, "litemaas", "litemaas")
    redis = parse_url(_decoded(it.of("Secret", "litemaas-valkey-secret"))["REDIS_URL"])
    assert (redis["password"], redis["host"]) == (ODD, "litemaas-valkey")


def _checksums(it: Rendering) -> dict[str, dict[str, str]]:
    return {
        where: {k: v for k, v in pod["metadata"].get("annotations", {}).items() if k.startswith("checksum/")}
        for where, pod in it.pods().items()
        if where.startswith(("Deployment", "StatefulSet"))
    }


GIVEN = {
    "postgresql": {"password": "Uo6Zahk9eiN4phae"},
    "valkey": {"password": "Wu7quooPh5aizeiX"},
    "secrets": {"master": {"masterKey": "sk-Xa8eeK3oothai2Ae"}, "control": {"encryptionKey": "eiB4ahmeiv7Ohqua"}},
}


@pytest.mark.parametrize(
    ("change", "consumers"),
    [
        ({"postgresql": {"password": "Paing8eiTh0iekee"}}, {"gateway", "control", "postgresql"}),
        ({"valkey": {"password": "Paing8eiTh0iekee"}}, {"gateway", "control", "valkey"}),
        ({"litemaas": {"gateway": {"workers": 2}}}, {"gateway"}),
        ({"litemaas": {"control": {"pool_size": 20}}}, {"control"}),
        ({"valkey": {"password": GIVEN["valkey"]["password"], "maxMemory": "512mb"}}, {"valkey"}),
        ({"global": {"clusterDomain": "other.example.com"}}, {"control"}),  # tells people their addresses
        ({"portal": {"replicas": 2}}, set()),
    ],
    ids=lambda it: "+".join(sorted(it)) if isinstance(it, set) else str(it),
)
def test_a_change_restarts_exactly_who_uses_it(change: dict[str, object], consumers: set[str]):
    before = _checksums(render(values_of("minimal") | GIVEN))
    after = _checksums(render(values_of("minimal") | GIVEN | change))
    changed = {where.rpartition("litemaas-")[2] for where in before if before[where] != after[where]}
    assert changed == consumers


def test_a_second_rendering_of_given_secrets_changes_nothing():
    values = values_of("minimal") | GIVEN
    assert render(values).texts == render(values).texts


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_no_secret_stands_outside_of_secrets(name: str, rendered: Rendered):
    it = rendered(name)
    secret = [
        value
        for o in it.list
        if o["kind"] == "Secret"
        for key, value in (_decoded(o) if "data" in o else {}).items()
        if key not in ("username", "database", "UI_USERNAME")
    ]
    elsewhere = "".join(text for path, text in it.texts.items() if not path.endswith("/secrets.yaml"))
    assert [value for value in secret if value in elsewhere] == []


def test_gitops_makes_no_secret(rendered: Rendered):
    assert [o for o in rendered("gitops").list if o["kind"] == "Secret"] == []


def test_an_external_database_without_a_password_is_asked_for():
    with pytest.raises(helm_python.HelmError, match="existingSecret, or host, username and password"):
        render({**values_of("minimal"), "postgresql": {"enabled": False, "external": {"host": "db.example.com"}}})


RIGHTS = {"Role", "ClusterRole", "RoleBinding", "ClusterRoleBinding"}
WITH_DISCOVERY = "discovery"
"""Only discovery looks into other namespaces, and reads the secrets that the values name."""


def test_no_role_of_the_chart_can_read_a_secret_that_the_values_do_not_name(rendered: Rendered):
    for name in CONFIGURATIONS:
        if name != WITH_DISCOVERY:
            assert not RIGHTS & {o["kind"] for o in rendered(name).list}
    for role in (o for o in rendered(WITH_DISCOVERY).list if o["kind"] in ("Role", "ClusterRole")):
        assert role["kind"] == "Role"
        for rule in role["rules"]:
            assert "*" not in (*rule["apiGroups"], *rule["resources"], *rule["verbs"])
            if "secrets" in rule["resources"]:
                assert (rule["resourceNames"], rule["verbs"]) == (["granite-key"], ["get"])


def test_nothing_is_left_in_the_cluster_outside_of_the_namespace(rendered: Rendered):
    for name in CONFIGURATIONS:
        inside = [o for o in rendered(name).list if name != WITH_DISCOVERY or o["kind"] not in RIGHTS]
        assert {o["metadata"].get("namespace") for o in inside} == {"litemaas"}
