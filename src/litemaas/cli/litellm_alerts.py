"""Who is to be alerted, says LiteLLM's config.yaml? Of budgets, by webhooks of ours; alerts that have none are named."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_WHERE = "general_settings.alerting"
_KINDS = "general_settings.alert_types"
TAKEN = frozenset({_WHERE, _KINDS})
"""Keys that are read here."""
_VARIABLES = {"slack": ("SLACK_WEBHOOK_URL", "ALERTING_WEBHOOK_URL"), "webhook": ("WEBHOOK_URL",)}
"""Who is told → where LiteLLM looks for the address."""
_BUDGETS = "budget_alerts"
_EVENTS = ["budget.reached", "budget.soft"]
_OTHERS = (
    "only budgets are told to webhooks; for slow and failing calls, outages and the database there are alerts for Prometheus, "
    "and for spending the portal's analytics"
)


def alerts_of(
    document: Mapping[str, Any], environ: Mapping[str, str], problems: list[str], warnings: list[str]
) -> list[dict[str, Any]]:
    """Bodies of ``POST /api/v1/admin/webhooks``."""
    general = document.get("general_settings")
    members = general if isinstance(general, Mapping) else {}
    wanted = _names(members.get("alerting"), _WHERE, problems)
    kinds = _names(members.get("alert_types"), _KINDS, problems)
    if not wanted:
        return []
    if not kinds or set(kinds) - {_BUDGETS}:
        warnings.append(f"{_WHERE}: {_OTHERS}.")
    found: list[dict[str, Any]] = []
    for name in wanted:
        if name not in _VARIABLES:
            warnings.append(
                f"{_WHERE}: {name[:100]} is not told of anything here; there are {' and '.join(_VARIABLES)}."
            )
            continue
        url = next((environ[variable] for variable in _VARIABLES[name] if environ.get(variable)), "")
        if not url:
            warnings.append(f"{_WHERE}: {name} needs {' or '.join(_VARIABLES[name])}; it is not told of anything.")
        elif not url.startswith("https://"):
            warnings.append(f"{_WHERE}: the address of {name} must be an https one; it is not told of anything.")
        elif not kinds or _BUDGETS in kinds:
            found.append({"url": url, "events": _EVENTS})
    return found


def _names(value: Any, where: str, problems: list[str]) -> list[str]:
    names = value if isinstance(value, list) else [] if value is None else [value]
    if not all(isinstance(name, str) for name in names):
        problems.append(f"{where}: must be a list of names.")
        return []
    return names
