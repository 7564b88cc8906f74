"""What does LiteLLM's config.yaml want to be checked before each call? ``optional_pre_call_checks``, in our settings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_WHERE = "router_settings.optional_pre_call_checks"
TAKEN = (_WHERE,)
_ALWAYS = frozenset({"enforce_model_rate_limits", "router_budget_limiting", "responses_api_deployment_check"})
"""Deployments' limits and budgets are kept here, and an answer that an engine keeps is asked of that engine, in any case."""
_AFFINITY = frozenset({"prompt_caching", "session_affinity", "deployment_affinity"})
"""That is a strategy here: sessions, users and beginnings of prompts stay where they are known."""
_AT_RANDOM = (None, "simple-shuffle")


def checks_of(document: Mapping[str, Any], problems: list[str], warnings: list[str]) -> dict[str, str]:
    """Variables of ours."""
    router = document.get("router_settings")
    router = router if isinstance(router, dict) else {}
    listed = router.get("optional_pre_call_checks")
    if listed is None:
        return {}
    if not isinstance(listed, list):
        problems.append(f"{_WHERE}: must be a list.")
        return {}
    others = [str(name)[:100] for name in listed if name not in _ALWAYS | _AFFINITY]
    warnings += [f"{_WHERE}: {name} is not offered; it has no effect here." for name in others]
    wanted = [name for name in listed if name in _AFFINITY]
    if not wanted:
        return {}
    strategy = router.get("routing_strategy")
    if strategy not in _AT_RANDOM:
        warnings.append(
            f"{_WHERE}: {', '.join(wanted)} has no effect here, because that is the strategy affinity, and the file says "
            f"{str(strategy)[:100]}; set the strategy of the models that need it."
        )
        return {}
    return {"LITEMAAS_GATEWAY__ROUTING__STRATEGY": "affinity"}
