"""Which of LiteLLM's variables does a start take? Those that a container of LiteLLM runs with, in our words.

They are only looked at where ``LITELLM_MASTER_KEY`` is set: names like ``DATABASE_URL`` may be some other program's.
Source: gateway-api contract 7.
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import quote

_SIGN = "LITELLM_MASTER_KEY"
_SAME = {
    _SIGN: "LITEMAAS_MASTER_KEY",
    "LITELLM_SALT_KEY": "LITEMAAS_ENCRYPTION_KEY",
    "DATABASE_URL": "LITEMAAS_DATABASE_URL",
    "REDIS_URL": "LITEMAAS_REDIS_URL",
    "NUM_WORKERS": "LITEMAAS_GATEWAY__WORKERS",
}
_REDIS_PORT = "6379"
_LEVELS = frozenset({"debug", "info", "warning", "error", "critical"})


def taken_from_litellm(environ: Mapping[str, str]) -> dict[str, str]:
    """Variables of ours; what stands in the environment under our own names wins over them."""
    if not environ.get(_SIGN):
        return {}
    found = {ours: environ[theirs] for theirs, ours in _SAME.items() if environ.get(theirs)}
    if environ.get("SERVER_ROOT_PATH", "/").strip("/"):
        found["LITEMAAS_GATEWAY__ROOT_PATH"] = "/" + environ["SERVER_ROOT_PATH"].strip("/")
    if environ.get("NO_DOCS", "").lower() == "true":
        found["LITEMAAS_GATEWAY__DOCS"] = "false"
    if (level := environ.get("LITELLM_LOG", "").lower()) in _LEVELS:
        found["LITEMAAS_LOG_LEVEL"] = level
    host = environ.get("REDIS_HOST")
    if host and "LITEMAAS_REDIS_URL" not in found:
        password = environ.get("REDIS_PASSWORD")
        secret = f":{quote(password, safe='')}@" if password else ""
        found["LITEMAAS_REDIS_URL"] = f"redis://{secret}{host}:{environ.get('REDIS_PORT') or _REDIS_PORT}"
    return found
