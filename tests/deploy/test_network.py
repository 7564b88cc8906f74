"""Who reaches whom? The network policies are evaluated for each pair of pods, as a cluster would."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from tests.deploy.conftest import DEPLOY, Object, Rendering, render, values_of

Rendered = Callable[[str], Rendering]
Peer = tuple[dict[str, str], dict[str, str]]  # labels of the namespace and of the pod
OURS = {"kubernetes.io/metadata.name": "litemaas"}
ROUTER: Peer = (
    {"kubernetes.io/metadata.name": "openshift-ingress", "policy-group.network.openshift.io/ingress": ""},
    {},
)
PROMETHEUS: Peer = ({"kubernetes.io/metadata.name": "openshift-user-workload-monitoring"}, {})
STRANGER: Peer = ({"kubernetes.io/metadata.name": "somewhere"}, {"app": "x"})
NEIGHBOUR: Peer = (OURS, {"app": "x"})


def _matches(selector: Object | None, labels: dict[str, str]) -> bool:
    selector = selector or {}
    if any(labels.get(k) != v for k, v in selector.get("matchLabels", {}).items()):
        return False
    return all(
        e["operator"] == "In" and labels.get(e["key"]) in e["values"] for e in selector.get("matchExpressions", [])
    )


def _allows(peer: Object, policy_namespace: dict[str, str], caller: Peer) -> bool:
    namespace, pod = caller
    if "namespaceSelector" in peer:
        return _matches(peer["namespaceSelector"], namespace) and _matches(peer.get("podSelector"), pod)
    return namespace == policy_namespace and _matches(peer.get("podSelector"), pod)


def reaches(policies: list[Object], caller: Peer, target: Peer, port: int) -> bool:
    mine = [p for p in policies if _matches(p["spec"]["podSelector"], target[1])]
    if not mine:
        return True
    return any(
        ("ports" not in rule or port in [p["port"] for p in rule["ports"]])
        and ("from" not in rule or any(_allows(peer, target[0], caller) for peer in rule["from"]))
        for policy in mine
        for rule in policy["spec"].get("ingress", [])
    )


def _pods(it: Rendering) -> dict[str, Peer]:
    return {
        p["metadata"]["labels"]["app.kubernetes.io/component"]: (OURS, p["metadata"]["labels"])
        for p in it.pods().values()
    }


PORTS = {"gateway": 4000, "control": 8080, "portal": 8080, "postgresql": 5432, "valkey": 6379}
MAY = {
    "gateway": {"control", "key-cleanup", "test", "router", "prometheus"},
    "control": {"gateway", "portal", "test", "router"},
    "portal": {"test", "router"},
    "postgresql": {"gateway", "control", "migrate", "backup", "reconcile"},
    "valkey": {"gateway", "control"},
}


@pytest.mark.parametrize("target", PORTS)
def test_exactly_those_reach_a_part_that_need_it(target: str):
    it = render({**values_of("openshift"), "reconcile": {"enabled": True}, "keyCleanup": {"enabled": True}})
    policies = [o for o in it.list if o["kind"] == "NetworkPolicy"]
    pods = _pods(it)
    callers = pods | {"router": ROUTER, "prometheus": PROMETHEUS, "stranger": STRANGER, "neighbour": NEIGHBOUR}
    callers.pop(target)
    assert {name for name, peer in callers.items() if reaches(policies, peer, pods[target], PORTS[target])} == MAY[
        target
    ]
    assert not any(reaches(policies, peer, pods[target], 22) for peer in callers.values())


def test_a_namespace_that_was_let_in_reaches_the_gateway_and_nothing_else(rendered: Rendered):
    it = rendered("ingress")
    policies, pods = [o for o in it.list if o["kind"] == "NetworkPolicy"], _pods(it)
    client: Peer = ({"kubernetes.io/metadata.name": "lab", "litemaas.io/client": "true"}, {})
    assert [part for part in PORTS if reaches(policies, client, pods[part], PORTS[part])] == ["gateway"]


def test_nobody_comes_in_from_outside_where_nothing_is_exposed(rendered: Rendered):
    it = rendered("plain")
    policies, pods = [o for o in it.list if o["kind"] == "NetworkPolicy"], _pods(it)
    router: Peer = ({"kubernetes.io/metadata.name": "ingress-nginx"}, {})
    assert [part for part in PORTS if reaches(policies, router, pods[part], PORTS[part])] == []


def _model_policies() -> list[Any]:
    from tests.deploy.validation import objects_of

    texts = [p.read_text() for p in (DEPLOY / "gitops").rglob("*.yaml")]
    return [o for text in texts for o in objects_of(text) if o.get("kind") == "NetworkPolicy"]


@pytest.mark.parametrize("runtime_port", [8080, 8888, 5001])
def test_model_servers_are_reached_by_the_gateway_and_prometheus_only(runtime_port: int):
    policies = _model_policies()
    assert policies
    target: Peer = ({"kubernetes.io/metadata.name": "llm-hosting"}, {"serving.kserve.io/inferenceservice": "granite"})
    gateway: Peer = (OURS, {"app.kubernetes.io/part-of": "litemaas", "app.kubernetes.io/component": "gateway"})
    portal: Peer = (OURS, {"app.kubernetes.io/part-of": "litemaas", "app.kubernetes.io/component": "portal"})
    assert reaches(policies, gateway, target, runtime_port)
    assert reaches(policies, PROMETHEUS, target, runtime_port)
    neighbour: Peer = (target[0], {"app": "x"})
    for other in (portal, STRANGER, NEIGHBOUR, ROUTER, neighbour):
        assert not reaches(policies, other, target, runtime_port)
