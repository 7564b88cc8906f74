"""Which other values might somebody set? Each of these renders to valid objects, or is refused with a sentence that helps."""

from __future__ import annotations

import json
from typing import Any

import helm_python
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.deploy.conftest import Rendering, render, values_of
from tests.deploy.validation import faults_of

Values = dict[str, Any]
BASE: Values = {"global": {"clusterDomain": "apps.example.com"}}


def _faults(it: Rendering) -> list[str]:
    return [fault for thing in it.list for fault in faults_of(thing)]


@pytest.mark.parametrize(
    "values",
    [
        {"portal": {"enabled": False}},
        {"valkey": {"enabled": False}},
        {"postgresql": {"flavor": "docker", "image": {"repository": "docker.io/library/postgres", "tag": "16"}}},
        {"postgresql": {"persistence": {"enabled": False}}},
        {"networkPolicy": {"enabled": False}},
        {"litemaas": {"gateway": {"metrics_need_key": True, "workers": 4}}, "monitoring": {"enabled": True}},
        {"expose": {"kind": "none"}},
        {"fullnameOverride": "ai", "nameOverride": "ai"},
        {"gateway": {"autoscaling": {"enabled": True}, "journal": {"persistence": {"enabled": True, "storageClass": "fast"}}}},
        {"global": {"imagePullSecrets": ["pull"], "labels": {"team": "ai"}, "imageRegistry": "m.example.com"}},
        {
            "gateway": {
                "extraEnv": [{"name": "HTTPS_PROXY", "value": "http://proxy:3128"}],
                "extraVolumes": [{"name": "sa", "secret": {"secretName": "vertex"}}],
                "extraVolumeMounts": [{"name": "sa", "mountPath": "/etc/vertex"}],
                "nodeSelector": {"a": "b"}, "tolerations": [{"operator": "Exists"}], "priorityClassName": "high",
                "affinity": {"nodeAffinity": {}}, "podLabels": {"x": "y"}, "podAnnotations": {"x": "y"},
                "labels": {"x": "y"}, "annotations": {"x": "y"}, "service": {"labels": {"x": "y"}, "annotations": {"x": "y"}},
                "serviceAccount": {"create": False, "name": "mine"},
            }
        },
        {"backup": {"enabled": True, "persistence": {"existingClaim": "mine"}}, "caBundle": {"configMap": "ca"}},
    ],
    ids=lambda v: json.dumps(v)[:60],
)  # fmt: skip
@pytest.mark.parametrize("platform", ["kubernetes", "openshift"])
def test_it_renders_to_valid_objects(values: Values, platform: str):
    it = render({**BASE, **values, "global": {**BASE["global"], **values.get("global", {}), "platform": platform}})
    assert _faults(it) == []
    assert "<no value>" not in "".join(it.texts.values())
    assert "map[" not in "".join(it.texts.values())


def test_without_valkey_nobody_is_told_of_one():
    it = render({**BASE, "valkey": {"enabled": False}})
    assert "LITEMAAS_REDIS_URL" not in "".join(it.texts.values())
    assert not [o for o in it.list if "valkey" in o["metadata"]["name"]]


def test_without_the_portal_people_are_sent_to_the_api():
    it = render({**BASE, "portal": {"enabled": False}})
    assert (
        it.of("ConfigMap", "litemaas-control")["data"]["LITEMAAS_PUBLIC_URL"] == "https://litemaas-api.apps.example.com"
    )
    assert sorted(it.names("Ingress")) == ["litemaas-api-route", "litemaas-gateway-route"]


def test_workers_and_replicas_are_counted_together():
    it = render(
        {
            **BASE,
            "gateway": {"autoscaling": {"enabled": True, "maxReplicas": 5}},
            "litemaas": {"gateway": {"workers": 2}},
        }
    )
    assert it.of("ConfigMap", "litemaas-gateway")["data"]["LITEMAAS_GATEWAY__RATES__REPLICA_COUNT"] == "10"
    assert "replicas" not in it.of("Deployment", "litemaas-gateway")["spec"]
    own = render({**BASE, "litemaas": {"gateway": {"rates": {"replica_count": 7}}}})
    assert own.of("ConfigMap", "litemaas-gateway")["data"]["LITEMAAS_GATEWAY__RATES__REPLICA_COUNT"] == "7"


def test_a_scraper_shows_the_key_where_metrics_need_one():
    it = render({**BASE, "litemaas": {"gateway": {"metrics_need_key": True}}, "monitoring": {"enabled": True}})
    (endpoint,) = it.of("ServiceMonitor", "litemaas-gateway")["spec"]["endpoints"]
    assert endpoint["authorization"]["credentials"] == {"name": "litemaas-master-secret", "key": "LITELLM_MASTER_KEY"}


def test_an_issuer_alone_configures_sign_in():
    data = render({**BASE, "oauth": {"issuer": "https://id.example.com"}}).of("ConfigMap", "litemaas-control")["data"]
    assert data["LITEMAAS_OIDC_ISSUER"] == "https://id.example.com"
    assert data["LITEMAAS_OIDC_CLIENT_ID"] == "litemaas"  # the namespace
    plain = render(BASE).of("ConfigMap", "litemaas-control")["data"]
    assert not [name for name in plain if "OIDC" in name or "OPENSHIFT" in name]


def test_an_external_client_of_openshift_needs_no_account():
    values = {
        "oauth": {"authProvider": "openshift", "mode": "external", "clientId": "ai", "clientSecret": "Xooz4ahgh1Ohtahw"}
    }
    it = render({"global": {"platform": "openshift", "clusterDomain": "apps.example.com"}, **values})
    assert it.of("ConfigMap", "litemaas-control")["data"]["LITEMAAS_OPENSHIFT_CLIENT_ID"] == "ai"
    assert "OAUTH_CLIENT_SECRET" in it.of("Secret", "litemaas-control-secret")["data"]
    assert "litemaas-oauth-token" not in it.names("Secret")
    assert "annotations" not in it.of("ServiceAccount", "litemaas-control")["metadata"]


def test_backups_in_a_bucket_are_the_portal_s_too():
    s3 = {"enabled": True, "bucket": "b", "existingSecret": "s"}
    it = render({**BASE, "backup": {"enabled": True, "s3": s3}})
    for where in ("CronJob/litemaas-backup", "Deployment/litemaas-control"):
        env = {v["name"]: v.get("value") for v in it.pods()[where]["spec"]["containers"][0]["env"]}
        assert env["LITEMAAS_BACKUP_TARGET"] == "s3://b/litemaas"
        assert "AWS_ACCESS_KEY_ID" in env
    assert it.names("PersistentVolumeClaim") == []
    folder = render({**BASE, "backup": {"enabled": True}})
    assert folder.names("PersistentVolumeClaim") == ["litemaas-backup"]


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"oauth": {"authProvider": "oidc"}}, r"oauth\.issuer"),
        ({"oauth": {"authProvider": "openshift"}}, "platform=openshift"),
        ({"oauth": {"issuer": "https://id.example.com"}, "expose": {"kind": "none"}}, "public_url"),
        ({"expose": {"kind": "gateway"}}, "parentRefs"),
        ({"backup": {"enabled": True, "s3": {"enabled": True}}}, "bucket and existingSecret"),
        (
            {"gateway": {"autoscaling": {"enabled": True, "minReplicas": 9, "maxReplicas": 3}}},
            "minReplicas must not be above",
        ),
        ({"valkey": {"enabled": False, "external": {"host": "v.example.com"}}}, "existingSecret, or host and password"),
    ],
)
def test_what_is_missing_is_named(values: Values, says: str):
    with pytest.raises(helm_python.HelmError, match=says):
        render({**BASE, **values})


@pytest.mark.parametrize("release", ["litemaas", "x", "a-release-with-quite-a-long-name-that-goes-on-and-on"])
def test_names_stay_within_what_a_cluster_takes(release: str):
    import generate

    it = Rendering(generate.render(values_of("ha"), name=release, namespace="n"))
    for o in it.list:
        # A CronJob's name gets a suffix of eleven characters, a StatefulSet's of its revision.
        assert len(o["metadata"]["name"]) <= (52 if o["kind"] in ("CronJob", "StatefulSet") else 63), o["metadata"][
            "name"
        ]
    assert _faults(it) == []


_ODD = st.text(
    alphabet=st.characters(codec="utf-8", exclude_categories=["Cs", "Cc", "Zl", "Zp"]), min_size=16, max_size=40
)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.filter_too_much])
@given(_ODD)
def test_any_password_that_is_taken_reaches_the_url_unharmed(password: str):
    import base64

    from sqlalchemy import make_url

    try:
        it = render({**BASE, "postgresql": {"password": password}})
    except helm_python.HelmError:
        return  # too weak
    data = it.of("Secret", "litemaas-database-secret")["data"]
    assert base64.b64decode(data["password"]).decode() == password
    assert make_url(base64.b64decode(data["DATABASE_URL"]).decode()).password == password
