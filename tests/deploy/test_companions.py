"""Do discovery and the MCP server get what they need from the chart, and no right beyond it?"""

from __future__ import annotations

import json
from collections.abc import Callable

import helm_python
import pytest
from tests.deploy.conftest import Object, Rendering, render, values_of
from tests.deploy.test_network import ROUTER, STRANGER, Peer, _pods, reaches

from litemaas.discovery.settings import Settings as DiscoverySettings
from litemaas.discovery.settings import check_settings, price_policies
from litemaas.kit.settings import load_settings
from litemaas.mcp.settings import Settings as McpSettings

Rendered = Callable[[str], Rendering]


def _variables(it: Rendering, part: str) -> dict[str, str]:
    container = it.pods()[f"Deployment/litemaas-{part}"]["spec"]["containers"][0]
    return {one["name"]: one.get("value", "lmt_0123456789abcdef0123") for one in container["env"]}


def _rules(it: Rendering, part: str) -> list[Object]:
    component = "app.kubernetes.io/component"
    roles = [o for o in it.list if o["kind"] == "Role" and o["metadata"]["labels"][component] == part]
    return [rule | {"namespace": o["metadata"]["namespace"]} for o in roles for rule in o["rules"]]


def test_discovery_starts_with_what_it_is_given(rendered: Rendered):
    settings = load_settings(DiscoverySettings, _variables(rendered("discovery"), "discovery")).discovery
    check_settings(settings)
    assert settings.namespaces == "llm-hosting,llm-tests"
    assert price_policies(settings) == {
        "gpu-small": {"input_per_million": 150_000_000, "output_per_million": 600_000_000}
    }
    assert settings.control_url == "http://litemaas-control:8080"


def test_discovery_reads_model_servers_named_secrets_and_its_lease_and_nothing_else(rendered: Rendered):
    it = rendered("discovery")
    rules = _rules(it, "discovery")
    assert {o["kind"] for o in it.list} & {"ClusterRole", "ClusterRoleBinding"} == set()
    servers = [rule for rule in rules if rule["apiGroups"] == ["serving.kserve.io"]]
    assert [rule["namespace"] for rule in servers] == ["llm-hosting", "llm-tests"]
    assert all(rule["verbs"] == ["get", "list", "watch"] for rule in servers)
    secrets = [rule for rule in rules if rule["resources"] == ["secrets"]]
    assert [(rule["namespace"], rule["resourceNames"], rule["verbs"]) for rule in secrets] == [
        ("llm-hosting", ["granite-key"], ["get"])
    ]
    written = [rule for rule in rules if {"create", "update", "patch", "delete"} & set(rule["verbs"])]
    assert [(rule["resources"], rule["verbs"]) for rule in written] == [
        (["leases"], ["create"]),
        (["leases"], ["get", "update"]),
    ]
    bound = [o for o in it.list if o["kind"] == "RoleBinding"]
    roles = {(o["metadata"]["namespace"], o["metadata"]["name"]) for o in it.list if o["kind"] == "Role"}
    assert {(o["metadata"]["namespace"], o["roleRef"]["name"]) for o in bound} == roles


def test_only_pods_that_speak_to_the_cluster_have_a_token_for_it(rendered: Rendered):
    for name in ("discovery", "ha"):
        has = {where for where, pod in rendered(name).pods().items() if "serviceAccountToken" in json.dumps(pod)}
        assert has == ({"Deployment/litemaas-discovery", "Deployment/litemaas-mcp"} if name == "discovery" else set())


def test_the_mcp_server_may_list_pods_only_where_it_shall(rendered: Rendered):
    it = rendered("discovery")
    assert [(rule["resources"], rule["verbs"]) for rule in _rules(it, "mcp")] == [(["pods"], ["list"])]
    assert load_settings(McpSettings, _variables(it, "mcp")).mcp.pod_status is True
    without = render({**values_of("discovery"), "mcp": {"enabled": True, "existingSecret": "t"}})
    assert _rules(without, "mcp") == []


def test_the_mcp_server_is_reached_by_its_clients_and_by_the_router_when_it_has_a_host(rendered: Rendered):
    client: Peer = ({"kubernetes.io/metadata.name": "desk", "litemaas.io/assistant": "true"}, {})
    it = rendered("discovery")
    policies, pods = [o for o in it.list if o["kind"] == "NetworkPolicy"], _pods(it)
    reached = [name for name, peer in {"client": client, "stranger": STRANGER, "router": ROUTER, **pods}.items()
               if name != "mcp" and reaches(policies, peer, pods["mcp"], 8080)]  # fmt: skip
    assert reached == ["client"]
    assert reaches(policies, pods["mcp"], pods["control"], 8080)
    assert reaches(policies, pods["discovery"], pods["control"], 8080)
    mcp = {"enabled": True, "existingSecret": "t", "host": "mcp.example.com"}
    open_one = render({**values_of("openshift"), "mcp": mcp})
    policies, pods = [o for o in open_one.list if o["kind"] == "NetworkPolicy"], _pods(open_one)
    assert reaches(policies, ROUTER, pods["mcp"], 8080)
    assert not reaches(policies, STRANGER, pods["mcp"], 8080)
    assert open_one.of("Route", "litemaas-mcp")["spec"]["host"] == "mcp.example.com"


@pytest.mark.parametrize("part", ["discovery", "mcp"])
def test_without_a_token_nothing_is_rendered(part: str):
    with pytest.raises(helm_python.HelmError, match="existingSecret"):
        render({**values_of("minimal"), part: {"enabled": True}})
