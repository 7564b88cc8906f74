"""Whom does LiteLLM's config.yaml want to be told of calls? Its callbacks, as settings of ours; others are named."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

_SUCCESS, _FAILURE = "success", "failure"
_PLACES = {
    "litellm_settings.callbacks": (_SUCCESS, _FAILURE),
    "litellm_settings.success_callback": (_SUCCESS,),
    "litellm_settings.failure_callback": (_FAILURE,),
}
TAKEN = frozenset(_PLACES)
"""Keys that are read here."""
SETTINGS_SECTION = "callback_settings"
_GENERIC = "generic_api"
_EVENTS = {"llm_api_success": _SUCCESS, "llm_api_failure": _FAILURE}


def callbacks_of(
    document: Mapping[str, Any], environ: Mapping[str, str], problems: list[str], warnings: list[str]
) -> dict[str, str]:
    """Variables of ours. ``environ``: where LiteLLM looks for addresses and credentials."""
    told: dict[str, dict[str, None]] = {}
    for place, events in _PLACES.items():
        for name in _names_at(document, place, problems):
            told.setdefault(name, {}).update(dict.fromkeys(events))
    found: dict[str, str] = {}
    generic: list[str] = []
    for name, events_of in told.items():
        settings = _settings_of(document, name)
        if name == "prometheus" or "." in name:  # code of one's own is refused elsewhere
            continue
        if name == _GENERIC or settings.get("callback_type") == _GENERIC:
            generic.append(name)
            found |= _generic(name, settings, events_of, environ, problems, warnings)
        elif name == "langfuse":
            found |= _langfuse(events_of, environ, warnings)
        elif name == "otel":
            found |= _otel(environ, warnings)
        else:
            warnings.append(f"the callback {name[:100]} is not offered; it is not told of calls.")
    if len(generic) > 1:
        problems.append(f"litellm_settings.callbacks: one {_GENERIC} can be told, not {', '.join(generic)}.")
    return found


def _names_at(document: Mapping[str, Any], place: str, problems: list[str]) -> list[str]:
    section, _, member = place.partition(".")
    members = document.get(section)
    value = members.get(member) if isinstance(members, Mapping) else None
    names = value if isinstance(value, list) else [] if value is None else [value]
    if not all(isinstance(name, str) for name in names):
        problems.append(f"{place}: must be names of callbacks.")
        return []
    return names


def _settings_of(document: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    settings = document.get(SETTINGS_SECTION)
    own = settings.get(name) if isinstance(settings, Mapping) else None
    return own if isinstance(own, Mapping) else {}


def _generic(
    name: str, settings: Mapping[str, Any], events: Mapping[str, None], environ: Mapping[str, str], problems: list[str],
    warnings: list[str],
) -> dict[str, str]:  # fmt: skip
    where = f"{SETTINGS_SECTION}.{name}"
    endpoint = settings.get("endpoint") or environ.get("GENERIC_LOGGER_ENDPOINT")
    if not endpoint:
        warnings.append(f"the callback {name} has no endpoint, in {where} or GENERIC_LOGGER_ENDPOINT; nobody is told.")
        return {}
    headers = settings.get("headers")
    if isinstance(headers, Mapping):
        if any("," in str(value) for value in headers.values()):
            problems.append(f"{where}.headers: a value cannot hold a comma.")
        written = ",".join(f"{key}={value}" for key, value in headers.items())
    else:
        written = environ.get("GENERIC_LOGGER_HEADERS", "")
    wanted = settings.get("event_types") or list(_EVENTS)
    if not isinstance(wanted, list) or not all(one in _EVENTS for one in wanted):
        problems.append(f"{where}.event_types: must be of {', '.join(_EVENTS)}.")
        return {}
    meant = [event for event in events if event in {_EVENTS[one] for one in wanted}]
    if not meant:
        warnings.append(f"the callback {name} asks for no event that it is told of; nobody is told.")
        return {}
    return {
        "LITEMAAS_CALLBACKS__ENDPOINT": str(endpoint), "LITEMAAS_CALLBACKS__HEADERS": written,
        "LITEMAAS_CALLBACKS__EVENTS": ",".join(meant),
        "LITEMAAS_CALLBACKS__FORMAT": str(settings.get("log_format") or "json_array"),
    }  # fmt: skip


def _langfuse(events: Mapping[str, None], environ: Mapping[str, str], warnings: list[str]) -> dict[str, str]:
    public, secret = environ.get("LANGFUSE_PUBLIC_KEY"), environ.get("LANGFUSE_SECRET_KEY")
    if not public or not secret:
        warnings.append(
            "the callback langfuse needs LANGFUSE_PUBLIC_KEY and LANGFUSE_SECRET_KEY; it is not told of calls."
        )
        return {}
    found = {
        "LITEMAAS_CALLBACKS__LANGFUSE_PUBLIC_KEY": public, "LITEMAAS_CALLBACKS__LANGFUSE_SECRET_KEY": secret,
        "LITEMAAS_CALLBACKS__LANGFUSE_EVENTS": ",".join(events),
    }  # fmt: skip
    host = environ.get("LANGFUSE_HOST") or environ.get("LANGFUSE_BASE_URL")
    return found | ({"LITEMAAS_CALLBACKS__LANGFUSE_HOST": host} if host else {})


def _otel(environ: Mapping[str, str], warnings: list[str]) -> dict[str, str]:
    """Our traces, where a collector is named that takes OTLP over HTTP."""
    if environ.get("LITEMAAS_TRACING__ENDPOINT"):
        return {}
    endpoint = environ.get("OTEL_EXPORTER_OTLP_ENDPOINT") or environ.get("OTEL_ENDPOINT")
    said = {environ.get("OTEL_EXPORTER", ""), environ.get("OTEL_EXPORTER_OTLP_PROTOCOL", "")}
    if not endpoint:
        warnings.append("the callback otel needs OTEL_EXPORTER_OTLP_ENDPOINT; there are no traces.")
    elif said & {"grpc", "otlp_grpc", "console", "in_memory"}:
        warnings.append("the callback otel is told by OTLP over HTTP only; there are no traces.")
    elif importlib.util.find_spec("opentelemetry.exporter") is None:
        warnings.append("the callback otel needs more packages, pip install 'litemaas[otel]'; there are no traces.")
    else:
        headers = environ.get("OTEL_EXPORTER_OTLP_HEADERS") or environ.get("OTEL_HEADERS") or ""
        found = {"LITEMAAS_TRACING__ENDPOINT": endpoint.removesuffix("/").removesuffix("/v1/traces")}
        return found | ({"LITEMAAS_TRACING__HEADERS": unquote(headers)} if headers else {})
    return {}
