"""Does a model server answer, and does it know the model? Asked by the address policy of ``kit.outbound``, in no transaction.

Source: control-plane contract 6.3: ``<api_base>/models``, for conversion ``<api_base>/health``; 10 s; no redirects.
"""

from __future__ import annotations

import ssl
from enum import StrEnum
from typing import Any

import httpx2
import msgspec
import orjson

from litemaas.core.catalog import Health
from litemaas.kit.outbound import AddressRefused, Answer, call

WITHIN_S = 10.0
_NAMED = 10
_MAX_LIST = 4_000_000


class Outcome(StrEnum):
    MODEL_FOUND = "model_found"
    MODEL_NOT_FOUND = "model_not_found"
    ENDPOINT_REACHABLE = "endpoint_reachable"
    """It answers, and does not say which models it has."""
    AUTH_ERROR = "auth_error"
    CONNECTION_ERROR = "connection_error"
    TIMEOUT = "timeout"
    MISSING_STORED_KEY = "missing_stored_key"
    ADDRESS_NOT_ALLOWED = "address_not_allowed"


HEALTH_OF = {
    Outcome.MODEL_FOUND: Health.HEALTHY,
    Outcome.ENDPOINT_REACHABLE: Health.HEALTHY,
    Outcome.MODEL_NOT_FOUND: Health.DEGRADED,
    Outcome.AUTH_ERROR: Health.UNAVAILABLE,
    Outcome.CONNECTION_ERROR: Health.UNAVAILABLE,
    Outcome.TIMEOUT: Health.UNAVAILABLE,
    Outcome.MISSING_STORED_KEY: Health.UNKNOWN,
    Outcome.ADDRESS_NOT_ALLOWED: Health.UNKNOWN,
}


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked, and with which credentials. ``engine_model``: None = only whether somebody answers."""

    api_base: str
    converts: bool = False
    engine_model: str | None = None
    api_key: str | None = None
    extra_headers: dict[str, str] = {}
    tls_verify: bool = True
    tls_ca: str | None = None


class Finding(msgspec.Struct, frozen=True):
    """``models``: all ids that the server names; None = it names none. ``status``: of its answer."""

    outcome: Outcome
    models: tuple[str, ...] | None = None
    status: int | None = None

    @property
    def some_models(self) -> list[str]:
        return list(self.models or ())[:_NAMED]


class Prober:
    """Asks model servers. ``loopback_allowed``: on the one-machine start, where they run beside us."""

    def __init__(self, *, loopback_allowed: bool) -> None:
        self._loopback_allowed = loopback_allowed

    async def ask(self, target: Target) -> Finding:
        """Never raises for what the server or the network does."""
        headers = {"Accept": "application/json", **target.extra_headers}
        if target.api_key:
            headers["Authorization"] = f"Bearer {target.api_key}"
        url = f"{target.api_base.rstrip('/')}/{'health' if target.converts else 'models'}"
        try:
            answer = await call(
                "GET", url, headers=headers, timeout_s=WITHIN_S, loopback_allowed=self._loopback_allowed,
                verify=_trust(target), max_bytes=_MAX_LIST,
            )  # fmt: skip
        except AddressRefused:
            return Finding(Outcome.ADDRESS_NOT_ALLOWED)
        except (TimeoutError, httpx2.TimeoutException):
            return Finding(Outcome.TIMEOUT)
        except (httpx2.HTTPError, httpx2.InvalidURL, OSError, ValueError):
            return Finding(Outcome.CONNECTION_ERROR)
        return _read(answer, target)


def _read(answer: Answer, target: Target) -> Finding:
    if answer.status in (401, 403):
        return Finding(Outcome.AUTH_ERROR, status=answer.status)
    if answer.status >= 500:
        return Finding(Outcome.CONNECTION_ERROR, status=answer.status)
    models = _models(answer.body) if answer.status == 200 and not target.converts else None
    if models is None or target.engine_model is None or "*" in target.engine_model:
        return Finding(Outcome.ENDPOINT_REACHABLE, models, answer.status)
    known = target.engine_model in models
    return Finding(Outcome.MODEL_FOUND if known else Outcome.MODEL_NOT_FOUND, models, answer.status)


def _models(body: bytes) -> tuple[str, ...] | None:
    """Ids of an OpenAI-compatible list of models; None: it is none."""
    try:
        listed: Any = orjson.loads(body)["data"]
        return tuple(entry["id"] for entry in listed if isinstance(entry["id"], str))
    except (ValueError, KeyError, TypeError):
        return None


def _trust(target: Target) -> bool | ssl.SSLContext:
    if not target.tls_verify or target.tls_ca is None:
        return target.tls_verify
    return ssl.create_default_context(cadata=target.tls_ca)
