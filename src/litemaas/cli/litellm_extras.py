"""What does LiteLLM's config.yaml say besides models and settings? Credentials, fallbacks, aliases, guardrails and budgets.

Fallbacks and aliases belong to models here. A guardrail that would not run stops the start: nobody is to believe that it does.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from litemaas.control.catalog.drafts import PRICED_PROVIDERS
from litemaas.core.guardrail_definitions import definitions_of
from litemaas.core.guardrail_services import KINDS, PRESIDIO
from litemaas.core.guardrails import NAMES
from litemaas.core.limits import DEFAULT_CUSTOMER, EVERYTHING
from litemaas.core.money import nano_from_usd
from litemaas.core.price_terms import check_discounts, check_margins
from litemaas.core.windows import check_window

_MOST_FALLBACKS = 5
_SECTIONS = ("litellm_settings", "router_settings")
_FALLBACKS = {"fallbacks": "fallbacks", "context_window_fallbacks": "context_fallbacks"}
_BUDGETS = {
    f"installation/{EVERYTHING}": {
        "litellm_settings.max_budget": "max_budget_nano",
        "litellm_settings.budget_duration": "budget_duration",
        "general_settings.global_max_parallel_requests": "max_parallel_requests",
    },
    f"customer/{DEFAULT_CUSTOMER}": {"litellm_settings.max_end_user_budget": "max_budget_nano"},
}
"""Whose budget → key of the file → field of ours."""
_TAG_BUDGETS = "litellm_settings.tag_budget_config"
_OF_A_TAG = {"max_budget": "max_budget_nano", "budget_duration": "budget_duration"}
_PROVIDER_BUDGETS = "router_settings.provider_budget_config"
_OF_A_PROVIDER = _OF_A_TAG | {"budget_limit": "max_budget_nano", "time_period": "budget_duration"}
TAKEN = (
    frozenset(f"{section}.{name}" for section in _SECTIONS for name in (*_FALLBACKS, "model_group_alias"))
    | frozenset(where for fields in _BUDGETS.values() for where in fields)
    | {_TAG_BUDGETS, _PROVIDER_BUDGETS}
)
"""Keys that are read here and are no settings."""


PRICE_TERMS = {
    "litellm_settings.cost_discount_config": check_discounts,
    "litellm_settings.cost_margin_config": check_margins,
}
"""Keys of discounts and margins, and who says whether they can be meant."""


class WantedRouting(msgspec.Struct):
    """What a model's routing shall be where nothing was set; names of models."""

    fallbacks: list[str] = []
    context_fallbacks: list[str] = []
    aliases: list[str] = []


def credentials_of(listed: Any, problems: list[str]) -> list[dict[str, Any]]:
    """Bodies of ``POST /credentials``."""
    if listed is None:
        return []
    if not isinstance(listed, list):
        problems.append("credential_list: must be a list.")
        return []
    found = []
    for place, entry in enumerate(listed):
        name = entry.get("credential_name") if isinstance(entry, dict) else None
        values = entry.get("credential_values") if isinstance(entry, dict) else None
        if not isinstance(name, str) or not name or not isinstance(values, dict):
            problems.append(f"credential_list[{place}]: needs credential_name and credential_values.")
            continue
        found.append({
            "credential_name": name, "credential_info": entry.get("credential_info") or {}, "credential_values": values
        })  # fmt: skip
    return found


def routing_of(document: Mapping[str, Any], problems: list[str]) -> dict[str, WantedRouting]:
    """By the name of the model; ``router_settings`` win."""
    found: dict[str, WantedRouting] = {}
    for section in _SECTIONS:
        members = document.get(section)
        if not isinstance(members, dict):
            continue
        for name, ours in _FALLBACKS.items():
            where = f"{section}.{name}"
            for model, others in _pairs(members.get(name), where, problems):
                setattr(found.setdefault(model, WantedRouting()), ours, others)
        for alias, model in _aliases(members.get("model_group_alias"), f"{section}.model_group_alias", problems):
            aliases = found.setdefault(model, WantedRouting()).aliases
            aliases += [alias] if alias not in aliases else []
    return found


def budgets_of(document: Mapping[str, Any], problems: list[str]) -> dict[str, dict[str, Any]]:
    """Budgets of the installation and of customers without limits of their own, as ``PUT /api/v1/admin/budgets`` takes them."""
    found: dict[str, dict[str, Any]] = {}
    for whose, fields in _BUDGETS.items():
        body: dict[str, Any] = {}
        for where, field in fields.items():
            value = _written_at(document, where)
            if value is None:
                continue
            try:
                body[field] = _limit(field, value)
            except (ValueError, ArithmeticError):
                problems.append(f"{where}: {_SHAPES[field]}.")
        if body.keys() - {"budget_duration"}:
            found[whose] = body
    found |= _budgets_by_name(document, _TAG_BUDGETS, "tag", _OF_A_TAG, problems)
    return found | _budgets_by_name(document, _PROVIDER_BUDGETS, "provider", _OF_A_PROVIDER, problems)


def _budgets_by_name(
    document: Mapping[str, Any], place: str, kind: str, fields: Mapping[str, str], problems: list[str]
) -> dict[str, dict[str, Any]]:
    """``{name: {max_budget, budget_duration}}``."""
    written = _written_at(document, place)
    if written is None:
        return {}
    if not isinstance(written, dict):
        problems.append(f"{place}: must be a mapping of names to budgets.")
        return {}
    found: dict[str, dict[str, Any]] = {}
    for owner, members in written.items():
        where = f"{place}.{owner}"
        amounts = [name for name, field in fields.items() if field == "max_budget_nano"]
        if not isinstance(members, dict) or all(members.get(name) is None for name in amounts):
            problems.append(f"{where}: needs {amounts[-1]}.")
            continue
        problems += [
            f"{where}.{name}: a budget of a {kind} has no such member." for name in members if name not in fields
        ]
        body = found[f"{kind}/{owner}"] = {}
        for name, field in fields.items():
            try:
                body |= {field: _limit(field, members[name])} if members.get(name) is not None else {}
            except (ValueError, ArithmeticError):
                problems.append(f"{where}.{name}: {_SHAPES[field]}.")
    return found


def _written_at(document: Mapping[str, Any], where: str) -> Any:
    """What stands at ``section.name``; None where nothing does."""
    section, _, name = where.partition(".")
    members = document.get(section)
    return members.get(name) if isinstance(members, dict) else None


def price_terms_of(document: Mapping[str, Any], problems: list[str]) -> dict[str, dict[str, Any]]:
    """Bodies of LiteLLM's calls for discounts and margins, by the names of those."""
    found: dict[str, dict[str, Any]] = {}
    for where, check in PRICE_TERMS.items():
        written = _written_at(document, where)
        if written is None:
            continue
        try:
            found[where.partition(".")[2]] = check(written, PRICED_PROVIDERS)
        except ValueError as error:
            problems.append(f"{where}: {error}.")
    return found


_SHAPES = {
    "max_budget_nano": "must be an amount of USD from 0 on",
    "budget_duration": "must be a span like 30d or monthly",
    "max_parallel_requests": "must be a whole number from 0 on",
}


def _limit(field: str, value: Any) -> Any:
    """Errors: ValueError, ArithmeticError."""
    if field == "budget_duration":
        check_window(str(value))
        return str(value)
    number = nano_from_usd(str(value)) if field == "max_budget_nano" else int(str(value))
    if number < 0:
        raise ValueError("below 0")
    return number


def _pairs(written: Any, where: str, problems: list[str]) -> list[tuple[str, list[str]]]:
    """``[{model: [others]}]``."""
    found = []
    for place, entry in enumerate(written if isinstance(written, list) else [] if written is None else [None]):
        if not isinstance(entry, dict):
            problems.append(f"{where}[{place}]: must be a mapping like granite: [llama].")
            continue
        for model, others in entry.items():
            names = [others] if isinstance(others, str) else others
            if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
                problems.append(f"{where}[{place}].{model}: must be a list of names of models.")
            elif model == "*":
                problems.append(f"{where}[{place}]: for all models, write litellm_settings.default_fallbacks.")
            elif len(names) > _MOST_FALLBACKS:
                problems.append(f"{where}[{place}].{model}: at most {_MOST_FALLBACKS} models are asked.")
            else:
                found.append((str(model), names))
    return found


def _aliases(written: Any, where: str, problems: list[str]) -> list[tuple[str, str]]:
    """``{alias: model}`` or ``{alias: {model, hidden}}``."""
    if written is None:
        return []
    if not isinstance(written, dict):
        problems.append(f"{where}: must be a mapping of names to models.")
        return []
    found = []
    for alias, meant in written.items():
        model = meant.get("model") if isinstance(meant, dict) else meant
        if isinstance(model, str) and model:
            found.append((str(alias), model))
        else:
            problems.append(f"{where}.{alias}: must name a model.")
    return found


class WantedGuardrails(msgspec.Struct):
    """``names``: built-in ones that hold for every call. ``own``: definitions, as the settings take them."""

    names: list[str] = []
    own: list[dict[str, Any]] = []


def guardrails_of(
    listed: Any, problems: list[str], warnings: list[str], environ: Mapping[str, str] | None = None
) -> WantedGuardrails:
    """What one finds in a request refuses it, in an answer it is masked. Of a definition, its ``mode`` says where it looks.

    ``environ``: where LiteLLM looks for Presidio's addresses if the file has none.
    """
    found = WantedGuardrails([], [])
    if listed is None:
        return found
    if not isinstance(listed, list):
        problems.append("guardrails: must be a list.")
        return found
    for place, entry in enumerate(listed):
        where = f"guardrails[{place}]"
        params = entry.get("litellm_params") if isinstance(entry, dict) else None
        kind = params.get("guardrail") if isinstance(params, dict) else None
        if not isinstance(params, dict) or kind not in ("litellm_content_filter", *KINDS):
            problems.append(
                f"{where}: litellm_content_filter, {' and '.join(KINDS)} are offered; remove it, or put the service in front."
            )
            continue
        if kind == PRESIDIO:
            entry = {**entry, "litellm_params": _addresses(environ or {}) | params}
        names = _built_in(params) if kind not in KINDS else []
        if not names:
            try:
                definitions_of([entry])
            except ValueError as error:
                problems.append(f"{where}: {error}.")
            found.own.append(entry)
        elif params.get("default_on") is True:
            found.names += [name for name in names if name not in found.names]
        elif entry.get("guardrail_name") not in NAMES:
            warnings.append(f"{where} is asked for by the names of its patterns: {', '.join(names)}.")
    return found


def _addresses(environ: Mapping[str, str]) -> dict[str, str]:
    """Presidio's, from the environment."""
    return {
        f"presidio_{part}_api_base": environ[name]
        for part in ("analyzer", "anonymizer")
        if (name := f"PRESIDIO_{part.upper()}_API_BASE") in environ
    }


def _built_in(params: Mapping[str, Any]) -> list[str]:
    """The names of the patterns, where a guardrail is nothing but built-in ones; else none."""
    patterns = params.get("patterns")
    if params.get("blocked_words") or params.get("categories") or not isinstance(patterns, list):
        return []
    if not all(isinstance(one, dict) and one.get("pattern_type") == "prebuilt" for one in patterns):
        return []
    names = [str(one.get("pattern_name")) for one in patterns]
    return names if all(name in NAMES for name in names) else []
