"""Which keys of LiteLLM's config.yaml have no effect here, and why? What an operator who had them expects is told instead."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

NEEDLESS: dict[str, str] = {
    "general_settings.disable_spend_logs": "records of calls are the money: budgets and bills are counted from them. They hold "
    "no texts, and maximum_spend_logs_retention_period says when they go",
    "general_settings.disable_error_logs": "a call that failed is in the ledger as every other: its record is what proves that "
    "it cost nothing. It holds the error's words and no texts",
    "general_settings.store_prompts_in_spend_logs": "records hold figures and names, never texts; an administrator can have "
    "the calls of one key captured for a while, sealed, and with a note in the audit",
    "general_settings.allow_requests_on_db_unavailable": "calls go on without the database anyway as far as keys are known and "
    "what was leased from budgets lasts; past that, a budget would be no promise",
    "litellm_settings.default_team_settings": "it sends the calls of single teams to callbacks of their own; guardrails, tags, "
    "models and limits of a team are set by /team/new",
    "litellm_settings.drop_params": "nothing is dropped: engines get what clients send",
    "general_settings.proxy_batch_write_at": "records are written as they come, several times a second",
    "general_settings.user_api_key_cache_ttl": "a change of a key reaches every worker within a second",
    "general_settings.use_redis_transaction_buffer": "spend is settled with the records in PostgreSQL and needs no buffer",
    "general_settings.background_health_checks": "deployments of models with several of them are asked in any case, see "
    "health_check_interval",
}
"""Key → because …"""
_HARMLESS = dict.fromkeys(NEEDLESS, (False,))
_PUBLIC = "general_settings.public_routes"
TAKEN = (_PUBLIC,)
_ALWAYS_PUBLIC = ("LiteLLMRoutes.public_routes", "/", "/docs", "/openapi.json", "/metrics")
_ALWAYS_BELOW = ("/health/", "/public/", "/.well-known/")
_CAN_BE = ("/models", "/v1/models", "/health")


def why_needless(where: str, value: Any) -> str | None:
    """The whole sentence; None where the key is none of these, or says what is so here anyway."""
    if where not in NEEDLESS or value in _HARMLESS[where] or value is None:
        return None
    return f"{where} has no effect here, because {NEEDLESS[where]}."


def public_routes_of(document: Mapping[str, Any], problems: list[str], warnings: list[str]) -> dict[str, str]:
    """Variables of ours."""
    general = document.get("general_settings")
    listed = general.get("public_routes") if isinstance(general, dict) else None
    if listed is None:
        return {}
    if not isinstance(listed, list) or not all(isinstance(path, str) for path in listed):
        problems.append(f"{_PUBLIC}: must be a list of paths.")
        return {}
    others = [path for path in listed if path not in (*_ALWAYS_PUBLIC, *_CAN_BE) and not path.startswith(_ALWAYS_BELOW)]
    warnings += [
        f"{_PUBLIC}: {path[:200]} has no effect here, because what costs or changes something is somebody's; give out a key "
        "for it, or a route of your own with auth: false."
        for path in others
    ]
    found = [path for path in listed if path in _CAN_BE]
    return {"LITEMAAS_GATEWAY__PUBLIC_ROUTES": ",".join(found)} if found else {}
