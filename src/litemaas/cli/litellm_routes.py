"""Which routes of one's own does LiteLLM's config.yaml name? ``pass_through_endpoints`` (gateway-api contract 1.9, 7).

In values of headers and queries, references to the environment may stand within a text: ``Bearer os.environ/SEARCH_KEY``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from litemaas.core.pass_through import check_path

_WHERE = "general_settings.pass_through_endpoints"
_MEMBERS = frozenset({
    "id", "path", "target", "headers", "default_query_params", "include_subpath", "cost_per_request", "auth", "methods",
})  # fmt: skip
_REFERENCE = re.compile(r"os\.environ/([A-Za-z_][A-Za-z0-9_]*)")


def pass_through_of(
    document: Mapping[str, Any], environ: Mapping[str, str], problems: list[str]
) -> list[dict[str, Any]]:
    """Bodies of ``POST /config/pass_through_endpoint``; ``document``: before its references were replaced."""
    general = document.get("general_settings")
    listed = general.get("pass_through_endpoints") if isinstance(general, dict) else None
    if listed is None:
        return []
    if not isinstance(listed, list):
        problems.append(f"{_WHERE}: must be a list.")
        return []
    found = []
    for place, entry in enumerate(listed):
        where = f"{_WHERE}[{place}]"
        if not isinstance(entry, dict) or not isinstance(entry.get("path"), str) or not entry.get("target"):
            problems.append(f"{where}: needs path and target.")
            continue
        problems += [f"{where}.{name}: not offered; remove it." for name in sorted(set(entry) - _MEMBERS)]
        try:
            check_path(entry["path"])
        except ValueError as error:
            problems.append(f"{where}.path: {error}.")
        found.append({name: _replaced(value, environ, f"{where}.{name}", problems) for name, value in entry.items()})
    return found


def _replaced(value: Any, environ: Mapping[str, str], where: str, problems: list[str]) -> Any:
    if isinstance(value, dict):
        return {name: _replaced(one, environ, f"{where}.{name}", problems) for name, one in value.items()}
    if not isinstance(value, str):
        return value
    names = _REFERENCE.findall(value)
    problems += [f"{where}: the variable {name} is not set; set it." for name in names if name not in environ]
    return _REFERENCE.sub(lambda found: environ.get(found[1], ""), value)
