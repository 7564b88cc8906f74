"""What do ``litellm_params`` and ``model_info`` mean? They are read into a deployment, and a deployment is written as them.

``params`` and ``info`` are kept as sent, without secrets; where a column says something else (it was changed through our
own API) the column wins.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Row

from litemaas.control.catalog.drafts import PROVIDERS, DeploymentDraft, ModelDraft
from litemaas.core.catalog import Mode
from litemaas.core.errors import InvalidField
from litemaas.core.limits import UNLIMITED
from litemaas.core.money import MILLION, NANO, nano_from_usd, per_million_from_usd_per_unit
from litemaas.core.pricing import Price
from litemaas.core.windows import check_window

PRICES = {
    "input_cost_per_token": "input_per_million",
    "output_cost_per_token": "output_per_million",
    "cache_read_input_token_cost": "cached_input_per_million",
    "cache_creation_input_token_cost": "cache_write_per_million",
    "output_cost_per_reasoning_token": "reasoning_per_million",
    "ocr_cost_per_page": "page_per_million",
    "input_cost_per_query": "request_per_million",
    "input_cost_per_second": "second_per_million",
    "output_cost_per_second": "second_per_million",
    "input_cost_per_character": "character_per_million",
    "output_cost_per_character": "character_per_million",
    "output_cost_per_image": "image_per_million",
    "input_cost_per_image": "image_per_million",
    "input_cost_per_audio_token": "audio_input_per_million",
    "output_cost_per_audio_token": "audio_output_per_million",
    "input_cost_per_token_above_128k_tokens": "input_above_128k_per_million",
    "output_cost_per_token_above_128k_tokens": "output_above_128k_per_million",
    "input_cost_per_token_above_200k_tokens": "input_above_200k_per_million",
    "output_cost_per_token_above_200k_tokens": "output_above_200k_per_million",
    "cache_read_input_token_cost_above_200k_tokens": "cached_input_above_200k_per_million",
    "cache_creation_input_token_cost_above_200k_tokens": "cache_write_above_200k_per_million",
}
"""LiteLLM's prices in USD per unit (gateway-api contract 5.9) and our columns. Sound that is heard and an image that is made
are charged once, whichever of the two names of their price is used.
"""
_NOT_FOR_BODIES = {
    "model", "api_base", "base_url", "api_key", "api_version", "custom_llm_provider", "tpm", "rpm", "weight", "order",
    "timeout", "stream_timeout", "max_retries", "num_retries", "max_budget", "budget_duration", "tags", "ssl_verify", "ca",
    "litellm_credential_name", "use_in_pass_through", "use_litellm_proxy", "merge_reasoning_content_in_choices",
    "extra_headers", "extra_body", "organization", "region_name", "mock_response", "drop_params",
    "additional_drop_params", "max_parallel_requests", "cooldown_time", "allowed_fails", "litellm_trace_id",
    "configurable_clientside_auth_params", "max_file_size_mb", "input_type", "model_info", "guardrails",
}  # fmt: skip
"""Parameters about the deployment; all others are members that are added to request bodies."""
_SECRET = re.compile(
    r"api_key|secret|passw|credential|authorization|access_key|(?<!per_)token$|headers|private_key|cert"
)
CREDENTIAL = "litellm_credential_name"
"""A name, and no secret."""
_COUNTS = ("tpm", "rpm", "max_parallel_requests", "max_tokens", "max_input_tokens", "max_output_tokens", "weight")
_COLUMNS = (
    ("timeout_s", "timeout"), ("stream_timeout_s", "stream_timeout"), ("rpm_limit", "rpm"), ("tpm_limit", "tpm"),
    ("max_parallel_requests", "max_parallel_requests"), ("cooldown_s", "cooldown_time"),
)  # fmt: skip
_FLAGS = (False, "false", "False", "0", 0)


def read_model(name: str, params: Mapping[str, Any], info: Mapping[str, Any]) -> tuple[ModelDraft, DeploymentDraft]:
    """Errors: InvalidField or MissingField naming the member."""
    provider, engine_model = split_model(params)
    api_key = params.get("api_key")
    if api_key is not None and (not isinstance(api_key, str) or api_key.startswith("os.environ/")):
        raise InvalidField("api_key must be the key itself, as text.", "api_key")
    verify, ca = _tls(params)
    api_base = params.get("api_base") or params.get("base_url") or ""
    if not isinstance(api_base, str):
        raise InvalidField("api_base must be text.", "api_base")
    _check_budget_and_tags(params)
    deployment = DeploymentDraft(
        provider=provider,
        engine_model=engine_model,
        api_base=api_base,
        api_key=api_key or None,
        extra_headers=_headers(params),
        defaults=_defaults(params),
        params=_without_secrets(params),
        info=_with_whole_numbers(info),
        weight=1 if params.get("weight") is None else _count(params, "weight") or 0,
        timeout_s=_seconds(params, "timeout"),
        stream_timeout_s=_seconds(params, "stream_timeout"),
        tls_verify=verify,
        tls_ca=ca,
        max_output_tokens=_count(info, "max_output_tokens"),
        max_context_tokens=_count(info, "max_input_tokens"),
        rpm_limit=_limit(params, "rpm"),
        tpm_limit=_limit(params, "tpm"),
        max_parallel_requests=_limit(params, "max_parallel_requests"),
        cooldown_s=_seconds(params, "cooldown_time"),
        price=_price(params, info),
    )
    groups = info.get("access_groups")
    if groups is not None and not (isinstance(groups, list) and all(isinstance(group, str) for group in groups)):
        raise InvalidField("access_groups must be a list of texts.", "access_groups")
    simulated = info.get("simulated")
    model = ModelDraft(
        name=name,
        mode=_mode(provider, info),
        access_groups=groups,
        simulated=None if simulated is None else bool(simulated),
    )
    return model, deployment


def _check_budget_and_tags(params: Mapping[str, Any]) -> None:
    """The gateways read them as they are kept. Errors: InvalidField."""
    amount, duration, tags = params.get("max_budget"), params.get("budget_duration"), params.get("tags")
    if amount is not None:
        try:
            is_amount = not isinstance(amount, bool) and nano_from_usd(amount) >= 0
        except ValueError:
            is_amount = False
        if not is_amount:
            raise InvalidField("max_budget must be an amount of USD from 0 on.", "max_budget")
    if duration is not None:
        try:
            check_window(str(duration))
        except ValueError as error:
            raise InvalidField(f"budget_duration: {error}.", "budget_duration") from None
    if tags is not None and not (isinstance(tags, list) and all(isinstance(tag, str) for tag in tags)):
        raise InvalidField("tags must be a list of texts.", "tags")


def split_model(params: Mapping[str, Any]) -> tuple[str, str]:
    """Provider and engine model: ``openai/granite`` or ``custom_llm_provider``; a bare name is OpenAI's."""
    named, slash, rest = str(params["model"]).partition("/")
    custom = params.get("custom_llm_provider")
    if custom:
        return str(custom), rest if slash and named == custom else str(params["model"])
    if not slash:
        return "openai", named
    if named not in PROVIDERS:
        raise InvalidField(
            f"The provider {named!r} is not supported. Write 'hosted_vllm/{named}/…' for an engine of your own, or one of: "
            f"{', '.join(sorted(PROVIDERS))}.",
            "model",
        )
    return named, rest


def params_of(row: Row[Any]) -> dict[str, Any]:
    """A deployment as ``litellm_params``, without secrets."""
    params: dict[str, Any] = dict(row.params)
    if not params.get("model") or split_model(params) != (row.provider, row.engine_model):
        params.pop("custom_llm_provider", None)
        params["model"] = f"{row.provider}/{row.engine_model}"
    if str(params.get("api_base", "")).rstrip("/") != row.api_base.removesuffix("/v1") or row.provider != "ollama":
        params["api_base"] = row.api_base
    params.pop("base_url", None)
    for column, name in _COLUMNS:
        params.pop(name, None)
        if getattr(row, column) is not None:
            params[name] = getattr(row, column)
    if row.weight != 1 or "weight" in params:
        params["weight"] = row.weight
    if not row.tls_verify:
        params["ssl_verify"] = False
    elif row.tls_ca:
        params["ssl_verify"] = row.tls_ca
    else:
        params.pop("ssl_verify", None)
    for name in [name for name in params if _goes_into_bodies(name)]:
        del params[name]
    params.pop("extra_body", None)
    params |= row.defaults
    return params | _prices_of(row, params)


def _prices_of(row: Row[Any], sent: Mapping[str, Any]) -> dict[str, Any]:
    said = {name: value for name in PRICES if (value := sent.get(name, row.info.get(name))) is not None}
    prices = {}
    for theirs, ours in PRICES.items():
        value = getattr(row, ours)
        names = [name for name in PRICES if PRICES[name] == ours]
        named = [name for name in names if said.get(name)] or [name for name in names if name in said] or names[:1]
        if theirs in named and (value or (value is not None and theirs in said)):
            prices[theirs] = value / (MILLION * NANO)
        elif theirs in said:
            prices[theirs] = 0.0
    return prices


def known_prices(row: Row[Any]) -> dict[str, float | None]:
    """All prices, null where none was given."""
    return dict.fromkeys(PRICES) | _prices_of(row, row.params)


def _price(params: Mapping[str, Any], info: Mapping[str, Any]) -> Price:
    for source in (params, info):
        for name, value in source.items():
            if name not in PRICES and ("cost_per" in name or "_token_cost" in name) and value not in (None, 0, ""):
                raise InvalidField(f"The price {name} is not supported yet.", name)
    values: dict[str, int] = {}
    for theirs, ours in PRICES.items():
        sent = params.get(theirs) if params.get(theirs) is not None else info.get(theirs)
        if sent is None:
            continue
        try:
            value = per_million_from_usd_per_unit(sent)
        except ValueError:
            raise InvalidField(f"{theirs} must be a price in USD.", theirs) from None
        if value < 0 or isinstance(sent, bool):
            raise InvalidField(f"{theirs} must be a price in USD and at least 0.", theirs)
        if value and values.get(ours) and values[ours] != value:
            raise InvalidField(
                f"{theirs} and its other name say different things; what has both is charged once.", theirs
            )
        values[ours] = value or values.get(ours, 0)
    return Price(**values)


def _mode(provider: str, info: Mapping[str, Any]) -> Mode | None:
    """None = nothing was said: keep what the model has, chat for a new one."""
    said = info.get("mode")
    if said is not None:
        try:
            return Mode(said)
        except ValueError:
            raise InvalidField(f"mode must be one of: {', '.join(Mode)}.", "mode") from None
    if provider == "docling" or info.get("supports_convert") is True:
        return Mode.CONVERSION
    if info.get("supports_embeddings") is True and info.get("supports_chat") is not True:
        return Mode.EMBEDDING
    return None


def _tls(params: Mapping[str, Any]) -> tuple[bool, str | None]:
    verify, ca = params.get("ssl_verify"), params.get("ca")
    if isinstance(verify, str) and "BEGIN CERTIFICATE" in verify:
        return True, verify
    if ca is not None and not isinstance(ca, str):
        raise InvalidField("ca must be PEM text.", "ca")
    if isinstance(verify, str) and verify.lower() not in ("true", "false", "0", "1"):
        raise InvalidField("ssl_verify must be true, false or PEM text; paths are not read.", "ssl_verify")
    return verify not in _FLAGS if verify is not None else True, ca


def _headers(params: Mapping[str, Any]) -> dict[str, str]:
    headers = params.get("extra_headers") or {}
    if not isinstance(headers, dict) or not all(isinstance(value, str) for value in headers.values()):
        raise InvalidField("extra_headers must map names to texts.", "extra_headers")
    return dict(headers)


def _goes_into_bodies(name: str) -> bool:
    return not (
        name in _NOT_FOR_BODIES
        or name in PRICES
        or "cost" in name
        or name.startswith("litellm_")
        or _SECRET.search(name)
    )


def _defaults(params: Mapping[str, Any]) -> dict[str, Any]:
    defaults = {name: value for name, value in params.items() if value is not None and _goes_into_bodies(name)}
    extra = params.get("extra_body") or {}
    if not isinstance(extra, dict):
        raise InvalidField("extra_body must be an object.", "extra_body")
    return defaults | extra


def _without_secrets(params: Mapping[str, Any]) -> dict[str, Any]:
    return _with_whole_numbers({k: v for k, v in params.items() if v is not None and not _is_secret(k)})


def _is_secret(name: str) -> bool:
    return name != CREDENTIAL and "cost" not in name and _SECRET.search(name) is not None


def _with_whole_numbers(members: Mapping[str, Any]) -> dict[str, Any]:
    """Clients send counts as text and want integers back."""
    return {name: _count(members, name) if name in _COUNTS else value for name, value in members.items()}


def _count(members: Mapping[str, Any], name: str) -> int | None:
    value = members.get(name)
    if value is None or value == "":
        return None
    try:
        number = float(value)
        whole = int(number)
    except (TypeError, ValueError, OverflowError):
        raise InvalidField(f"{name} must be a whole number.", name) from None
    if whole != number or isinstance(value, bool) or whole < 0:
        raise InvalidField(f"{name} must be a whole number and at least 0.", name)
    return whole


def _limit(params: Mapping[str, Any], name: str) -> int | None:
    """Errors: InvalidField."""
    limit = _count(params, name)
    return None if limit is None else min(limit, UNLIMITED)  # larger numbers mean the same, and a column takes no more


def _seconds(params: Mapping[str, Any], name: str) -> float | None:
    value = params.get(name)
    if value is None or value == "":
        return None
    try:
        return float(value)
    except (TypeError, ValueError):
        raise InvalidField(f"{name} must be a number of seconds.", name) from None
