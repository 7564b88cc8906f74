"""Whom does a guardrail ask, when, and what if nobody answers? Entries of LiteLLM's file that look at nothing themselves.

``generic_guardrail_api``: one call with all texts, answered by NONE, BLOCKED or GUARDRAIL_INTERVENED with other texts.
``presidio``: an analyzer says what is where in a text; each kind is masked or blocks the call.
Source: LiteLLM's documentation of both, and Presidio's of its REST API (read 2026-11).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import msgspec

GENERIC = "generic_guardrail_api"
PRESIDIO = "presidio"
KINDS = (GENERIC, PRESIDIO)
BEFORE, BESIDE, AFTER, NOTING = MODES = ("pre_call", "during_call", "post_call", "logging_only")
PATH = "/beta/litellm_basic_guardrail_api"
"""Where a service of the generic kind is asked."""
HIDDEN = "****"
"""What stands for a secret that is not shown; sent back it means the one that is kept."""
SEALED = "sealed:"
"""How a secret begins that is kept."""
BASE_PARAMS = frozenset({"guardrail", "mode", "default_on", "timeout"})
_PARAMS = {
    GENERIC: BASE_PARAMS | {
        "api_base", "api_key", "headers", "extra_headers", "additional_provider_specific_params", "unreachable_fallback",
        "fail_on_error",
    },
    PRESIDIO: BASE_PARAMS | {
        "presidio_analyzer_api_base", "presidio_anonymizer_api_base", "presidio_language", "pii_entities_config",
        "presidio_score_thresholds", "output_parse_pii", "unreachable_fallback", "fail_on_error",
    },
}  # fmt: skip
_TIMEOUT_S = 10.0
_MOST_TIMEOUT_S = 120.0
_MOST_HEADERS = 20
_MOST_BYTES = 10_000
_HEADER = re.compile(r"[A-Za-z0-9-]{1,64}")
_OURS = frozenset({"host", "content-length", "transfer-encoding", "connection", "content-type", "accept"})
_NEVER_PASSED_ON = frozenset({
    "authorization", "cookie", "x-api-key", "api-key", "x-litellm-api-key", "x-goog-api-key", "ocp-apim-subscription-key",
})  # fmt: skip
"""Where clients carry keys of ours."""
_ENTITY = re.compile(r"[A-Z][A-Z0-9_]{1,63}")
_LANGUAGE = re.compile(r"[a-z]{2,3}")


class Service(NamedTuple):
    """``modes``: when it is asked. ``url``: where, whole. ``passed_on``: headers of the client that go along.

    ``params``: JSON that a service of the generic kind gets besides. ``opens``: when a call passes unseen: ``never``, where
    the service is ``unreachable``, or at ``any`` failure of it. ``entities``: kind of data → ``MASK`` or ``BLOCK``; none =
    all that are found are masked. ``thresholds``: by kind, ``ALL`` for the others. ``anonymizer``: None = a find is replaced
    by its kind.
    """

    kind: str
    modes: tuple[str, ...]
    url: str
    timeout_s: float
    opens: str = "never"
    headers: tuple[tuple[str, str], ...] = ()
    passed_on: tuple[str, ...] = ()
    params: bytes = b"{}"
    anonymizer: str | None = None
    language: str = "en"
    entities: tuple[tuple[str, str], ...] = ()
    thresholds: tuple[tuple[str, float], ...] = ()


def service_of(params: Mapping[str, Any]) -> Service:
    """Errors: ValueError in words for whoever wrote it; never with the value of a secret."""
    kind = str(params.get("guardrail"))
    unknown = sorted(str(name) for name in params if name not in _PARAMS[kind])
    if unknown:
        known = ", ".join(sorted(_PARAMS[kind]))
        raise ValueError(f"litellm_params.{unknown[0][:100]} is not known for {kind}; known are {known}")
    modes, timeout_s = _modes(params.get("mode")), _timeout(params.get("timeout"))
    return _generic(params, modes, timeout_s) if kind == GENERIC else _presidio(params, modes, timeout_s)


def with_secrets(entry: Mapping[str, Any], change: Callable[[str, str], str]) -> dict[str, Any]:
    """The entry with another value for each of its secrets: ``change(which, value)``. Others stay as they are."""
    params = entry.get("litellm_params")
    if not isinstance(params, Mapping) or params.get("guardrail") not in KINDS:
        return dict(entry)
    changed = dict(params)
    if isinstance(params.get("api_key"), str):
        changed["api_key"] = change("api_key", params["api_key"])
    if isinstance(params.get("headers"), Mapping):
        changed["headers"] = {
            name: change(f"headers.{name}", value) if isinstance(value, str) else value
            for name, value in params["headers"].items()
        }
    return {**entry, "litellm_params": changed}


def purpose_of(name: str) -> str:
    """What a guardrail's secrets are sealed for."""
    return f"guardrail:{name}"


def address_of(entry: Mapping[str, Any]) -> Any:
    """Where an entry's secrets go: one that is kept must not follow a changed address."""
    params = entry.get("litellm_params")
    return params.get("api_base") if isinstance(params, Mapping) else None


def _generic(params: Mapping[str, Any], modes: tuple[str, ...], timeout_s: float) -> Service:
    base = _url(params, "api_base")
    headers = _headers(params.get("headers"))
    key = params.get("api_key")
    if key is not None:
        if not isinstance(key, str) or not _is_header_value(key):
            raise ValueError("litellm_params.api_key must be a text")
        headers.setdefault("x-api-key", key)
    more = params.get("additional_provider_specific_params") or {}
    if not isinstance(more, Mapping):
        raise ValueError(  # noqa: TRY004 - every reader of a definition refuses so
            "litellm_params.additional_provider_specific_params must be a mapping"
        )
    written = msgspec.json.encode(more)
    if len(written) > _MOST_BYTES:
        raise ValueError(f"litellm_params.additional_provider_specific_params is longer than {_MOST_BYTES} bytes")
    return Service(
        GENERIC, modes, base if base.endswith(PATH) else base + PATH, timeout_s, _opens(params), tuple(headers.items()),
        _passed_on(params.get("extra_headers")), written,
    )  # fmt: skip


def _presidio(params: Mapping[str, Any], modes: tuple[str, ...], timeout_s: float) -> Service:
    if params.get("output_parse_pii") not in (None, False):
        raise ValueError("litellm_params.output_parse_pii is not offered: what was masked does not come back")
    anonymizer = None
    if params.get("presidio_anonymizer_api_base") is not None:
        anonymizer = _url(params, "presidio_anonymizer_api_base") + "/anonymize"
    language = params.get("presidio_language") or "en"
    if not isinstance(language, str) or _LANGUAGE.fullmatch(language) is None:
        raise ValueError("litellm_params.presidio_language must be a code like en")
    entities = _entities(params.get("pii_entities_config"))
    if BESIDE in modes and not all(action == "BLOCK" for _, action in entities or (("", "MASK"),)):
        raise ValueError(
            "mode during_call comes too late to mask a prompt: name kinds with BLOCK in pii_entities_config, or use pre_call"
        )
    return Service(
        PRESIDIO, modes, _url(params, "presidio_analyzer_api_base") + "/analyze", timeout_s, _opens(params),
        anonymizer=anonymizer, language=language, entities=entities,
        thresholds=_thresholds(params.get("presidio_score_thresholds")),
    )  # fmt: skip


def _modes(mode: Any) -> tuple[str, ...]:
    modes = mode if isinstance(mode, list) else [mode]
    if not modes or any(one not in MODES for one in modes):
        raise ValueError(f"litellm_params.mode must be of {', '.join(MODES)}")
    return tuple(one for one in MODES if one in modes)


def _timeout(value: Any) -> float:
    if value is None:
        return _TIMEOUT_S
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0.05 <= value <= _MOST_TIMEOUT_S:
        raise ValueError(f"litellm_params.timeout must be a number of seconds from 0.05 to {_MOST_TIMEOUT_S:g}")
    return float(value)


def _opens(params: Mapping[str, Any]) -> str:
    fallback = params.get("unreachable_fallback", "fail_closed")
    if fallback not in ("fail_closed", "fail_open"):
        raise ValueError("litellm_params.unreachable_fallback must be fail_closed or fail_open")
    on_error = params.get("fail_on_error", True)
    if not isinstance(on_error, bool):
        raise ValueError("litellm_params.fail_on_error must be true or false")  # noqa: TRY004 - as above
    if not on_error:
        return "any"
    return "unreachable" if fallback == "fail_open" else "never"


def _url(params: Mapping[str, Any], member: str) -> str:
    value = params.get(member)
    where = f"litellm_params.{member}"
    if not isinstance(value, str) or len(value) > 1000 or not value.isascii() or any(c <= " " for c in value):
        raise ValueError(f"{where} must be the address of the service, like http://guard:8080")
    try:
        parts = urlsplit(value)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        usable = False
    if not usable:
        raise ValueError(f"{where} must be the address of the service, like http://guard:8080")
    if parts.username is not None or parts.query or parts.fragment:
        raise ValueError(f"{where} must not hold a user name, password or query")
    return value.rstrip("/")


def _headers(value: Any) -> dict[str, str]:
    if value is None:
        return {}
    if not isinstance(value, Mapping) or len(value) > _MOST_HEADERS:
        raise ValueError(f"litellm_params.headers must be a mapping of at most {_MOST_HEADERS} names to texts")
    found = {}
    for name, text in value.items():
        if not isinstance(name, str) or _HEADER.fullmatch(name) is None or name.lower() in _OURS:
            raise ValueError(f"litellm_params.headers: {str(name)[:64]!r} cannot be set")
        if not isinstance(text, str) or not _is_header_value(text):
            raise ValueError(f"litellm_params.headers.{name} must be a text of one line")
        found[name.lower()] = text
    return found


def _is_header_value(text: str) -> bool:
    return 0 < len(text) <= 4096 and text.isascii() and text.isprintable()


def _passed_on(value: Any) -> tuple[str, ...]:
    names = value or []
    if not isinstance(names, list) or len(names) > _MOST_HEADERS:
        raise ValueError("litellm_params.extra_headers must be a list of names of headers")
    for name in names:
        if not isinstance(name, str) or _HEADER.fullmatch(name) is None:
            raise ValueError("litellm_params.extra_headers must be a list of names of headers")
        if name.lower() in _NEVER_PASSED_ON:
            raise ValueError(f"litellm_params.extra_headers: {name} carries keys of callers and is not passed on")
    return tuple(dict.fromkeys(name.lower() for name in names))


def _entities(value: Any) -> tuple[tuple[str, str], ...]:
    if value is None:
        return ()
    if not isinstance(value, Mapping) or not value or len(value) > 200:
        raise ValueError("litellm_params.pii_entities_config must be a mapping like EMAIL_ADDRESS: MASK")
    for name, action in value.items():
        if not isinstance(name, str) or _ENTITY.fullmatch(name) is None or action not in ("MASK", "BLOCK"):
            raise ValueError(
                f"litellm_params.pii_entities_config: {str(name)[:64]!r} must be a kind with MASK or BLOCK"
            )
    return tuple((str(name), str(action)) for name, action in value.items())


def _thresholds(value: Any) -> tuple[tuple[str, float], ...]:
    if value is None:
        return ()
    if not isinstance(value, Mapping) or len(value) > 200:
        raise ValueError("litellm_params.presidio_score_thresholds must be a mapping like ALL: 0.6")
    for name, score in value.items():
        if isinstance(score, bool) or not isinstance(score, int | float) or not 0 <= score <= 1:
            raise ValueError(f"litellm_params.presidio_score_thresholds.{str(name)[:64]} must be a number from 0 to 1")
    return tuple((str(name), float(score)) for name, score in value.items())
