"""What may stand in the chart's values? Written as ``values.schema.json``, which Helm enforces; unknown names are refused."""

from __future__ import annotations

import json
import types
import typing
from decimal import Decimal
from typing import Any

import msgspec

from litemaas.control.app.settings import Settings as ControlSettings
from litemaas.discovery.settings import PRICE_FIELDS
from litemaas.gateway.settings import GatewaySettings

Schema = dict[str, Any]

SET_BY_CHART = {
    *("database_url", "redis_url", "master_key", "encryption_key", "smtp_url", "bootstrap_token"),
    *(
        "oidc_client_secret",
        "openshift_client_secret",
        "oidc_issuer",
        "oidc_client_id",
        "oidc_scopes",
        "oidc_groups_claim",
    ),
    *("openshift_oauth_url", "openshift_api_url", "openshift_client_id", "ca_bundle", "backup_target", "state_dir"),
    *("host_policy", "developer_sign_in"),  # for one machine only
    *("gateway.host", "gateway.port", "gateway.control_url", "gateway.worker_id", "control.host", "control.port"),
}
"""Settings that are no values: they are secrets, the chart knows them, or each pod has its own."""

TEXT: Schema = {"type": "string"}
FLAG: Schema = {"type": "boolean"}
COUNT: Schema = {"type": "integer", "minimum": 0}
SECONDS: Schema = {"type": "integer", "minimum": 1}
SHARE: Schema = {
    "anyOf": [SECONDS, {"type": "string", "pattern": "^(100|[1-9][0-9]?)%$"}]
}  # of nothing, no node could be drained
TEXTS: Schema = {"type": "object", "additionalProperties": {"type": "string"}}
OBJECTS: Schema = {"type": "array", "items": {"type": "object"}}
QUANTITY: Schema = {"type": "string", "pattern": r"^[0-9]+(\.[0-9]+)?(m|k|M|G|T|Ki|Mi|Gi|Ti)?$"}
NAME: Schema = {"type": "string", "pattern": r"^([a-z0-9]([a-z0-9.-]*[a-z0-9])?)?$", "maxLength": 253}
HOST = NAME
CRON: Schema = {"type": "string", "pattern": r"^\S+ \S+ \S+ \S+ \S+$"}
SECRET: Schema = {
    "type": "string",
    "anyOf": [{"maxLength": 0}, {"minLength": 16, "maxLength": 512}],
    "not": {"pattern": r"(?i)(change.?me|password|secret|admin|example|default|qwerty|12345|letmein)|^\s|\s$|[\r\n]"},
}
SMTP: Schema = {"type": "string", "pattern": r"^(smtp(s|\+starttls)?://\S+)?$"}
ISSUER: Schema = {"type": "string", "pattern": r"^(https://[^\s?#]+)?$"}
USERNAME: Schema = {"type": "string", "pattern": r"^[A-Za-z0-9@._-]{1,128}$"}
MASTER_KEY: Schema = {**SECRET, "pattern": "^(sk-[A-Za-z0-9_-]{16,})?$"}


def shape(**members: Schema) -> Schema:
    return {"type": "object", "additionalProperties": False, "properties": members}


def one_of(*words: str) -> Schema:
    return {"type": "string", "enum": list(words)}


IMAGE = shape(
    repository={"type": "string", "pattern": "^[a-z0-9./:_-]+$"},
    tag={"type": "string", "pattern": "^[A-Za-z0-9._-]{0,128}$"},
    digest={"type": "string", "pattern": "^(sha256:[0-9a-f]{64})?$"},
)
_AMOUNTS: Schema = {"type": "object", "additionalProperties": {"anyOf": [QUANTITY, {"type": "number"}]}}
RESOURCES = shape(requests=_AMOUNTS, limits=_AMOUNTS)
_PROBE = shape(
    initialDelaySeconds=COUNT, periodSeconds=SECONDS, timeoutSeconds=SECONDS, failureThreshold=SECONDS
)  # fmt: skip
_PLACED = {
    "resources": RESOURCES,
    "probes": shape(startup=_PROBE, readiness=_PROBE, liveness=_PROBE),
    "labels": TEXTS,
    "annotations": TEXTS,
    "podLabels": TEXTS,
    "podAnnotations": TEXTS,
    "nodeSelector": TEXTS,
    "tolerations": OBJECTS,
    "affinity": {"type": "object"},
    "priorityClassName": TEXT,
}
_PART = {
    "replicas": {"type": "integer", "minimum": 1, "maximum": 100},
    "image": IMAGE,
    **_PLACED,
    "autoscaling": shape(
        enabled=FLAG,
        minReplicas=SECONDS,
        maxReplicas=SECONDS,
        targetCPUUtilizationPercentage={**SECONDS, "maximum": 100},
    ),
    "podDisruptionBudget": shape(enabled=FLAG, maxUnavailable=SHARE),
    "topologySpreadConstraints": OBJECTS,
    "serviceAccount": shape(create=FLAG, name=NAME, annotations=TEXTS),
    "preStopSleepSeconds": COUNT,
    "extraEnv": OBJECTS,
    "extraVolumes": OBJECTS,
    "extraVolumeMounts": OBJECTS,
    "service": shape(annotations=TEXTS, labels=TEXTS),
}
NAMED = (
    *("gateway", "control", "portal", "postgresql", "valkey"),
    *("databaseSecret", "valkeySecret", "masterSecret", "controlSecret", "oauthToken"),
    *("portalRoute", "apiRoute", "gatewayRoute"),
    *("migrate", "jobs", "backup", "keyCleanup", "reconcile", "rules", "dashboards", "test", "discovery", "mcp"),
)


def settings(struct: type[msgspec.Struct], path: str = "") -> Schema:
    """The schema of a settings struct, from its annotations: names, types and bounds are the code's."""
    members: dict[str, Schema] = {}
    for field in msgspec.structs.fields(struct):
        if f"{path}{field.name}" not in SET_BY_CHART:
            members[field.name] = _of(field.type, f"{path}{field.name}.")
    return shape(**members)


def both_planes() -> Schema:
    """What is no plane's own is the control plane's."""
    gateway, control = settings(GatewaySettings), settings(ControlSettings)
    return shape(**(gateway["properties"] | control["properties"]))


def _of(annotation: Any, path: str) -> Schema:
    if isinstance(annotation, type) and issubclass(annotation, msgspec.Struct):
        return settings(annotation, path)
    if typing.get_origin(annotation) is typing.Annotated:
        base, *metas = typing.get_args(annotation)
        bounds: Schema = {}
        for meta in metas:
            if isinstance(meta, msgspec.Meta):
                bounds |= {k: v for k, v in (("minimum", meta.ge), ("maximum", meta.le)) if v is not None}
        return {**_of(base, path), **bounds}
    if isinstance(annotation, types.UnionType) or typing.get_origin(annotation) is typing.Union:
        return _of(next(part for part in typing.get_args(annotation) if part is not type(None)), path)
    if typing.get_origin(annotation) is typing.Literal:
        return {"enum": list(typing.get_args(annotation))}
    kinds: dict[Any, Any] = {
        str: "string", int: "integer", float: "number", bool: "boolean", Decimal: ["number", "string"],
    }  # fmt: skip
    return {"type": kinds[annotation]}


def schema() -> Schema:
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "Values of the chart litemaas",
        **shape(**_ground(), **_servers(), **_parts(), **_around(), **_jobs(), **_companions()),
    }


def text() -> str:
    return json.dumps(schema(), indent=1, ensure_ascii=False) + "\n"


def _ground() -> dict[str, Schema]:
    return {
        "nameOverride": NAME,
        "fullnameOverride": NAME,
        "global": shape(
            platform=one_of("kubernetes", "openshift"), clusterDomain=HOST, clusterScopedLookups=FLAG, imageRegistry=TEXT,
            imagePullPolicy=one_of("Always", "IfNotPresent", "Never"), imagePullSecrets={"type": "array", "items": NAME},
            labels=TEXTS,
        ),
        "names": shape(**dict.fromkeys(NAMED, NAME)),
        "litemaas": both_planes(),
        "secrets": shape(
            create=FLAG,
            master=shape(existingSecret=NAME, masterKey=MASTER_KEY, uiUsername=USERNAME),
            control=shape(existingSecret=NAME, encryptionKey=SECRET, smtpUrl=SMTP),
        ),
        "oauth": shape(
            authProvider=one_of("", "openshift", "oidc"), issuer=ISSUER, mode=one_of("serviceaccount", "external"),
            clientId=TEXT, clientSecret=SECRET, existingSecret=NAME, apiUrl=ISSUER,
            oidc=shape(scopes=TEXT, groupsClaim=TEXT),
        ),
        "caBundle": shape(configMap=NAME, key=TEXT),
        "tests": shape(enabled=FLAG),
    }  # fmt: skip


def _servers() -> dict[str, Schema]:
    identifier: Schema = {"type": "string", "pattern": "^[A-Za-z_][A-Za-z0-9_-]{0,62}$"}
    port: Schema = {"type": "integer", "minimum": 1, "maximum": 65535}
    return {
        "postgresql": shape(
            enabled=FLAG, image=IMAGE, flavor=one_of("sclorg", "docker"), existingSecret=NAME, username=identifier,
            password=SECRET, database=identifier, maxConnections={"type": "integer", "minimum": 50, "maximum": 10000},
            persistence=shape(
                enabled=FLAG, size=QUANTITY, storageClass=TEXT, annotations=TEXTS,
                accessModes={"type": "array", "minItems": 1, "items": one_of("ReadWriteOnce", "ReadWriteOncePod")},
            ),
            **_PLACED,
            external=shape(
                existingSecret=NAME, host=HOST, port=port, username=TEXT, password=SECRET, database=TEXT,
                sslmode=one_of("disable", "require", "verify-ca", "verify-full"),
            ),
        ),
        "valkey": shape(
            enabled=FLAG, image=IMAGE, existingSecret=NAME, password=SECRET,
            maxMemory={"type": "string", "pattern": "^[0-9]+(kb|mb|gb)$"}, **_PLACED,
            external=shape(existingSecret=NAME, host=HOST, port=port, password=SECRET, tls=FLAG),
        ),
    }  # fmt: skip


def _parts() -> dict[str, Schema]:
    journal = shape(
        persistence=shape(enabled=FLAG, size=QUANTITY, storageClass=TEXT), emptyDirSizeLimit=QUANTITY
    )  # fmt: skip
    return {
        "gateway": shape(**_PART, journal=journal),
        "control": shape(**_PART),
        "portal": shape(enabled=FLAG, **_PART),
        "migration": shape(hook=one_of("pre-upgrade", "argocd", "none"), resources=RESOURCES),
    }


def _around() -> dict[str, Schema]:
    hosts = shape(portal=HOST, api=HOST, gateway=HOST)
    return {
        "expose": shape(
            kind=one_of("auto", "route", "ingress", "gateway", "none"),
            timeoutSeconds=SECONDS, labels=TEXTS, annotations=TEXTS, hosts=hosts, hostPrefixes=hosts,
            tls=shape(enabled=FLAG, secretName=NAME), ingress=shape(className=NAME, annotations=TEXTS),
            gatewayApi=shape(parentRefs=OBJECTS),
        ),
        "networkPolicy": shape(
            enabled=FLAG, ingressFrom=OBJECTS, gatewayClients=OBJECTS, monitoringFrom=OBJECTS
        ),
        "monitoring": shape(
            enabled=FLAG, interval={"type": "string", "pattern": "^[0-9]+[sm]$"},
            scrapeTimeout={"type": "string", "pattern": "^[0-9]+s$"}, labels=TEXTS, dashboards=FLAG,
            dashboardInstanceSelector=TEXTS,
        ),
    }  # fmt: skip


def _companions() -> dict[str, Schema]:
    """Processes beside the planes that use the control plane's API with a token of their own."""
    amount: Schema = {"type": ["number", "string"], "pattern": r"^[0-9]+(\.[0-9]{1,9})?$", "minimum": 0}
    price = shape(**dict.fromkeys(PRICE_FIELDS, amount))
    alone = {**_PLACED, "replicas": {"type": "integer", "minimum": 1, "maximum": 3}, "existingSecret": NAME}
    return {
        "discovery": shape(
            enabled=FLAG, cluster={"type": "string", "pattern": "^[^/]{1,63}$"},
            namespaces={"type": "array", "items": {**NAME, "minLength": 1}, "uniqueItems": True},
            secrets={"type": "array", "items": {**shape(namespace=NAME, name=NAME), "required": ["namespace", "name"]}},
            pricePolicies={"type": "object", "additionalProperties": price}, defaultPricePolicy=TEXT,
            resyncSeconds=SECONDS, **alone,
        ),
        "mcp": shape(
            enabled=FLAG, podStatus=FLAG, host=HOST, clients=OBJECTS, **alone,
        ),
    }  # fmt: skip


def _jobs() -> dict[str, Schema]:
    return {
        "backup": shape(
            enabled=FLAG, schedule=CRON, keep=SECONDS, encrypted=FLAG, testRestore=FLAG, timeoutSeconds=SECONDS,
            resources=RESOURCES,
            persistence=shape(size=QUANTITY, storageClass=TEXT, existingClaim=NAME),
            s3=shape(enabled=FLAG, endpoint=TEXT, region=TEXT, bucket=TEXT, prefix=TEXT, existingSecret=NAME),
        ),
        "keyCleanup": shape(
            enabled=FLAG, schedule=CRON, olderThanDays=COUNT, dryRun=FLAG, resources=RESOURCES
        ),
        "reconcile": shape(enabled=FLAG, schedule=CRON, resources=RESOURCES),
    }  # fmt: skip
