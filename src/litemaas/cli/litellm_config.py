"""What does LiteLLM's config.yaml say, in our words? Models to register, settings of the environment, and what is not taken.

Variables of the environment win over the file. Source: gateway-api contract 7.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from math import ceil
from pathlib import Path
from typing import Any

import msgspec
import yaml

from litemaas.cli import (
    litellm_alerts,
    litellm_cache,
    litellm_callbacks,
    litellm_checks,
    litellm_failures,
    litellm_needless,
)
from litemaas.cli.litellm_extras import (
    PRICE_TERMS,
    TAKEN,
    WantedRouting,
    budgets_of,
    credentials_of,
    guardrails_of,
    price_terms_of,
    routing_of,
)
from litemaas.cli.litellm_routes import pass_through_of
from litemaas.control.catalog.drafts import PROVIDERS
from litemaas.control.litellm_api.key_params import read_key_params
from litemaas.core.windows import EPOCH, duration_end

_REFERENCE = "os.environ/"
_MOST_FILES = 20
_SECTIONS = (
    "model_list",
    "litellm_settings",
    "router_settings",
    "general_settings",
    "environment_variables",
    "credential_list",
    "guardrails",
    "include",
    litellm_callbacks.SETTINGS_SECTION,
)
_STRATEGIES = {
    "simple-shuffle": "weighted", "least-busy": "least-busy", "latency-based-routing": "latency",
    "usage-based-routing": "usage", "usage-based-routing-v2": "usage", "cost-based-routing": "cost",
}  # fmt: skip
_VARIABLES: dict[str, str] = {
    "general_settings.master_key": "MASTER_KEY",
    "general_settings.database_url": "DATABASE_URL",
    "general_settings.database_connection_pool_limit": "GATEWAY__DATABASE_CONNECTIONS",
    "general_settings.litellm_key_header_name": "GATEWAY__KEY_HEADER",
    "general_settings.user_header_name": "GATEWAY__USER_HEADER",
    "general_settings.enforce_user_param": "GATEWAY__ENFORCE_USER",
    "general_settings.require_auth_for_metrics_endpoint": "GATEWAY__METRICS_NEED_KEY",
    "general_settings.always_include_stream_usage": "GATEWAY__ALWAYS_INCLUDE_STREAM_USAGE",
    "general_settings.error_profile": "GATEWAY__ERROR_PROFILE",
    "general_settings.messages_error_style": "GATEWAY__MESSAGES_ERROR_STYLE",
    "general_settings.cors_allow_origins": "GATEWAY__CORS_ORIGINS",
    "general_settings.max_request_size_mb": "GATEWAY__MAX_BODY_BYTES",
    "general_settings.health_check_interval": "GATEWAY__ROUTING__PROBE_INTERVAL_S",
    "litellm_settings.timezone": "TIMEZONE",
    "litellm_settings.num_retries": "GATEWAY__ROUTING__RETRIES",
    "litellm_settings.allowed_fails": "GATEWAY__ROUTING__ALLOWED_FAILURES",
    "litellm_settings.request_timeout": "GATEWAY__UPSTREAM__TIMEOUT_S",
    "litellm_settings.default_fallbacks": "GATEWAY__ROUTING__DEFAULT_FALLBACKS",
    "router_settings.num_retries": "GATEWAY__ROUTING__RETRIES",
    "router_settings.timeout": "GATEWAY__UPSTREAM__TIMEOUT_S",
    "router_settings.stream_timeout": "GATEWAY__UPSTREAM__STREAM_TIMEOUT_S",
    "router_settings.routing_strategy": "GATEWAY__ROUTING__STRATEGY",
    "router_settings.allowed_fails": "GATEWAY__ROUTING__ALLOWED_FAILURES",
    "router_settings.cooldown_time": "GATEWAY__ROUTING__COOLDOWN_S",
    "router_settings.disable_cooldowns": "GATEWAY__ROUTING__COOLDOWNS",
    "router_settings.retry_after": "GATEWAY__ROUTING__RETRY_PAUSE_S",
    "router_settings.redis_url": "REDIS_URL",
    "router_settings.enable_tag_filtering": "GATEWAY__ROUTING__TAG_FILTERING",
    "router_settings.enable_pre_call_checks": "GATEWAY__ROUTING__CHECK_PROMPTS",
    "general_settings.allow_client_side_credentials": "GATEWAY__CLIENT_CREDENTIALS",
    "general_settings.allowed_routes": "GATEWAY__ALLOWED_ROUTES",
    "general_settings.token_rate_limit_type": "GATEWAY__RATES__TOKENS",
    "general_settings.user_budget_on_team_keys": "GATEWAY__BUDGETS__USER_ON_TEAM_KEYS",
    "litellm_settings.max_end_user_budget_id": "GATEWAY__BUDGETS__CUSTOMER_BUDGET_ID",
    "general_settings.enforce_key_permissions": "GATEWAY__ENFORCE_KEY_PERMISSIONS",
    "general_settings.maximum_spend_logs_retention_period": "CONTROL__RECORDS_KEPT_DAYS",
    "general_settings.user_header_mappings": "GATEWAY__USER_HEADER",
    "general_settings.activity_model_key": "CONTROL__ACTIVITY_MODEL_KEY",
    "general_settings.empty_models_on_update": "CONTROL__EMPTY_MODELS_ON_UPDATE",
    "litellm_settings.default_key_generate_params": "CONTROL__DEFAULT_KEY_GENERATE_PARAMS",
    "litellm_settings.upperbound_key_generate_params": "CONTROL__UPPERBOUND_KEY_GENERATE_PARAMS",
}
"""Keys that are settings of ours; those of the router come after LiteLLM's own and win."""
_ALWAYS_SO = {
    "general_settings.store_model_in_db": (True,),
    "litellm_settings.json_logs": (True,),
    "litellm_settings.turn_off_message_logging": (True,),
}
"""What is done here in any case, where the file asks for it with one of these values."""
_REFUSED: dict[str, str] = {
    "general_settings.custom_auth": "code of one's own is not run; give out virtual keys",
    "general_settings.custom_key_generate": "code of one's own is not run; set maximums in the settings of keys",
    "general_settings.admin_only_routes": "give keys the routes that they are for; managing is for administrators anyway",
    "general_settings.enable_jwt_auth": "tokens of other issuers are not taken as keys; sign in to the portal with OIDC",
    "general_settings.key_management_system": "secrets come from the environment; mount them there",
    "litellm_settings.network_mock": "mocks are not offered; `litemaas sim` simulates model servers",
}
_NO_PARAMS = ("mock_response",)
_CALLBACKS = ("litellm_settings.callbacks", "litellm_settings.success_callback", "litellm_settings.failure_callback")
_OWN_ROUTES = "general_settings.pass_through_endpoints"
_REDIS = ("router_settings.redis_host", "router_settings.redis_port", "router_settings.redis_password")
_STRICT = "general_settings.strict_config"
"""What has no effect here stops the start, too."""
_READ_ELSEWHERE = frozenset({
    *TAKEN, _STRICT, _OWN_ROUTES, *PRICE_TERMS, *_REDIS, *litellm_alerts.TAKEN, *litellm_cache.TAKEN, *litellm_callbacks.TAKEN,
    *litellm_checks.TAKEN, *litellm_failures.TAKEN, *litellm_needless.TAKEN,
})  # fmt: skip


class ConfigRefused(Exception):
    """The file cannot be used; the message has a line for each key, with what to do instead."""


class LitellmConfig(msgspec.Struct, frozen=True):
    """``models``: bodies of ``/model/new``. ``credentials``: those of ``/credentials``. ``routing``: by model.
    ``guardrails``: definitions of the installation's own. ``budgets``: by whose they are. ``pass_through``: bodies of
    ``/config/pass_through_endpoint``. ``price_terms``: bodies of ``/config/cost_discount_config`` and the like, by their names.

    ``webhooks``: bodies of ``/api/v1/admin/webhooks``.
    ``environ``: variables of ours. ``warnings``: one sentence per key not taken.
    """

    models: list[dict[str, Any]] = []
    credentials: list[dict[str, Any]] = []
    routing: dict[str, WantedRouting] = {}
    guardrails: list[dict[str, Any]] = []
    budgets: dict[str, dict[str, Any]] = {}
    pass_through: list[dict[str, Any]] = []
    price_terms: dict[str, dict[str, Any]] = {}
    webhooks: list[dict[str, Any]] = []
    environ: dict[str, str] = {}
    warnings: list[str] = []


def read_config(path: Path, environ: Mapping[str, str]) -> LitellmConfig:
    """Errors: ConfigRefused, without the value of a secret."""
    document = _load(path, [])
    variables = document.get("environment_variables")
    known = {**{str(k): str(v) for k, v in (variables if isinstance(variables, dict) else {}).items()}, **environ}
    problems: list[str] = []
    pass_through = pass_through_of(document, known, problems)
    settled = _resolved(document, known, "", problems)
    warnings: list[str] = []
    models = _models(settled.get("model_list") or [], problems, warnings)
    found = _redis_of(settled) | _settings(settled, problems, warnings)
    found |= litellm_cache.cache_of(settled, problems, warnings)
    found |= litellm_checks.checks_of(settled, problems, warnings)
    found |= litellm_needless.public_routes_of(settled, problems, warnings)
    found |= litellm_failures.failures_of(settled, problems, warnings)
    found |= litellm_callbacks.callbacks_of(settled, known, problems, warnings)
    guardrails = guardrails_of(settled.get("guardrails"), problems, warnings, known)
    if guardrails.names:
        found["LITEMAAS_GATEWAY__GUARDRAILS"] = ",".join(guardrails.names)
    credentials = credentials_of(settled.get("credential_list"), problems)
    routing = routing_of(settled, problems)
    budgets = budgets_of(settled, problems)
    price_terms = price_terms_of(settled, problems)
    webhooks = litellm_alerts.alerts_of(settled, known, problems, warnings)
    warnings += [f"{name} is not read; it has no effect here." for name in document if name not in _SECTIONS]
    general = settled.get("general_settings")
    if isinstance(general, dict) and general.get("strict_config") is True:
        problems += warnings
    if problems:
        told = dict.fromkeys(problems)  # references within routes are met twice
        raise ConfigRefused(f"{path.name} cannot be used:\n  " + "\n  ".join(told))
    return LitellmConfig(
        models, credentials, routing, guardrails.own, budgets, pass_through, price_terms, webhooks, found, warnings
    )


def _load(path: Path, seen: list[Path]) -> dict[str, Any]:
    """The file with those that it includes; lists are joined, other members of the including file win."""
    if path.resolve() in seen or len(seen) >= _MOST_FILES:
        raise ConfigRefused(f"{path.name} is included in a circle, or too many files are.")
    seen.append(path.resolve())
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigRefused(f"{path.name} cannot be read: {getattr(error, 'strerror', None) or error}") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" in line {mark.line + 1}" if mark is not None else ""
        raise ConfigRefused(f"{path.name} is not valid YAML{where}.") from None
    if document is None:
        document = {}
    if not isinstance(document, dict):
        raise ConfigRefused(f"{path.name} must be a mapping like model_list: […].")
    merged: dict[str, Any] = {}
    for name in document.get("include") or []:
        merged = _merged(merged, _load(path.parent / str(name), seen))
    return _merged(merged, document)


def _merged(under: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    both = dict(under)
    for name, value in over.items():
        before = both.get(name)
        if isinstance(before, list) and isinstance(value, list):
            both[name] = [*before, *value]
        elif isinstance(before, dict) and isinstance(value, dict):
            both[name] = before | value
        else:
            both[name] = value
    return both


def _resolved(value: Any, environ: Mapping[str, str], where: str, problems: list[str]) -> Any:
    """The value with its references to the environment replaced."""
    if isinstance(value, dict):
        return {key: _resolved(one, environ, f"{where}.{key}".lstrip("."), problems) for key, one in value.items()}
    if isinstance(value, list):
        return [_resolved(one, environ, f"{where}[{place}]", problems) for place, one in enumerate(value)]
    if isinstance(value, str) and value.startswith(_REFERENCE):
        name = value.removeprefix(_REFERENCE)
        if name not in environ:
            problems.append(f"{where}: the variable {name} is not set; set it.")
            return None
        return environ[name]
    return value


def _models(listed: Any, problems: list[str], warnings: list[str]) -> list[dict[str, Any]]:
    if not isinstance(listed, list):
        problems.append("model_list: must be a list.")
        return []
    models = []
    for place, entry in enumerate(listed):
        where = f"model_list[{place}]"
        params = entry.get("litellm_params") if isinstance(entry, dict) else None
        if not isinstance(params, dict) or not params.get("model") or not entry.get("model_name"):
            problems.append(f"{where}: needs model_name and litellm_params.model.")
            continue
        provider, slash, _ = str(params["model"]).partition("/")
        if slash and not params.get("custom_llm_provider") and provider not in PROVIDERS:
            problems.append(
                f"{where}.litellm_params.model: the provider {provider!r} is not supported; write openai/… with an "
                f"api_base, or one of {', '.join(sorted(PROVIDERS))}."
            )
        problems += [f"{where}.litellm_params.{name}: not offered; remove it." for name in _NO_PARAMS if name in params]
        if params.get("merge_reasoning_content_in_choices") is True:
            problems.append(
                f"{where}.litellm_params.merge_reasoning_content_in_choices: true is not offered; remove it."
            )
        more = sorted(set(entry) - {"model_name", "litellm_params", "model_info"})
        warnings += [f"{where}.{name} is not read; it has no effect here." for name in more]
        info = entry.get("model_info")
        models.append({"model_name": entry["model_name"], "litellm_params": params, "model_info": info or {}})
    return models


def _settings(document: Mapping[str, Any], problems: list[str], warnings: list[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for section in ("general_settings", "litellm_settings", "router_settings"):
        members = document.get(section) or {}
        if not isinstance(members, dict):
            problems.append(f"{section}: must be a mapping.")
            continue
        for name, value in members.items():
            where = f"{section}.{name}"
            if where in _REFUSED:
                problems.append(f"{where}: {_REFUSED[where]}.")
            elif where == "litellm_settings.ssl_verify" and value is False:
                problems.append(f"{where}: false is not offered for all; set ssl_verify in litellm_params of a model.")
            elif unsafe := _unsafe(where, value):
                problems.append(f"{where}: {unsafe}.")
            elif where in _READ_ELSEWHERE or value in _ALWAYS_SO.get(where, ()):
                continue
            elif where in litellm_needless.NEEDLESS:
                needless = litellm_needless.why_needless(where, value)
                warnings += [needless] if needless is not None else []
            elif where not in _VARIABLES:
                warnings.append(f"{where} is not read; it has no effect here.")
            elif value is not None:
                try:
                    found[f"LITEMAAS_{_VARIABLES[where]}"] = _READ.get(where, _text)(value)
                except ValueError as error:
                    problems.append(f"{where}: {error}")
    return found


def _unsafe(where: str, value: Any) -> str | None:
    """What a value would have the installation do that it does not, and must not be believed to."""
    if where in _CALLBACKS:
        names = value if isinstance(value, list) else [value]
        own = next((name for name in names if isinstance(name, str) and "." in name), None)
        return f"code of one's own like {own[:100]!r} is not run; read /metrics or traces" if own is not None else None
    return None


def _redis_of(document: Mapping[str, Any]) -> dict[str, str]:
    """The router's Redis, where it is not said as a URL."""
    members = document.get("router_settings")
    members = members if isinstance(members, dict) else {}
    said = {name: members.get(f"redis_{name}") for name in ("host", "port", "password")}
    url = litellm_cache.redis_url(said)
    return {"LITEMAAS_REDIS_URL": url} if url else {}


def _days(value: Any) -> str:
    """A span like ``30d`` in whole days, so that nothing goes earlier."""
    try:
        end = duration_end(str(value), EPOCH)
    except ValueError as error:
        raise ValueError(f"{error}.") from None
    return str(max(1, ceil((end - EPOCH).total_seconds() / 86_400)))


def _customers_header(value: Any) -> str:
    """The header that names the customer; headers that name an internal user are not believed to."""
    entries = value if isinstance(value, list) else [value]
    if not all(isinstance(entry, dict) and isinstance(entry.get("header_name"), str) for entry in entries):
        raise ValueError("must be a list of {header_name, litellm_user_role}.")
    found = [entry["header_name"] for entry in entries if entry.get("litellm_user_role") == "customer"]
    if len(found) != 1 or len(entries) != 1:
        raise ValueError("one header can be given, for the role customer.")
    return str(found[0])


def _token_kind(value: Any) -> str:
    if value not in ("total", "input", "output"):
        raise ValueError("must be total, input or output.")
    return str(value)


def _model_key(value: Any) -> str:
    if value not in ("public", "upstream"):
        raise ValueError("must be public or upstream.")
    return str(value)


def _object(value: Any) -> str:
    if not isinstance(value, dict):
        raise ValueError("must be a mapping.")  # noqa: TRY004 — every reader of a value refuses so
    return msgspec.json.encode(value).decode()


def _defaults(value: Any) -> str:
    read_key_params(text := _object(value), None)
    return text


def _most(value: Any) -> str:
    read_key_params(None, text := _object(value))
    return text


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return ",".join(str(one) for one in value)
    if isinstance(value, str | int | float):
        return str(value)
    raise ValueError("must be a plain value.")


def _strategy(value: Any) -> str:
    if value not in _STRATEGIES:
        raise ValueError(f"the strategy {str(value)[:100]!r} is not offered; take one of {', '.join(_STRATEGIES)}.")
    return _STRATEGIES[value]


def _megabytes(value: Any) -> str:
    try:
        return str(int(float(value) * 1024 * 1024))
    except (TypeError, ValueError, OverflowError):
        raise ValueError("must be a number.") from None


def _inverted(value: Any) -> str:
    return "false" if value in (True, "true", "True") else "true"


def _postgres(value: Any) -> str:
    if not re.match(r"postgres(ql)?://", str(value)):
        raise ValueError("must be the URL of a PostgreSQL database.")
    return str(value)


_READ: dict[str, Callable[[Any], str]] = {
    "router_settings.routing_strategy": _strategy,
    "general_settings.max_request_size_mb": _megabytes,
    "router_settings.disable_cooldowns": _inverted,
    "general_settings.database_url": _postgres,
    "general_settings.maximum_spend_logs_retention_period": _days,
    "general_settings.user_header_mappings": _customers_header,
    "general_settings.token_rate_limit_type": _token_kind,
    "general_settings.activity_model_key": _model_key,
    "litellm_settings.default_key_generate_params": _defaults,
    "litellm_settings.upperbound_key_generate_params": _most,
}
