"""LiteLLM's spend calls: what do its clients read of the ledger?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any

import msgspec
from fastapi import APIRouter, Response
from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from litemaas.control.http.work import WorkOf, WorkRoute
from litemaas.control.keys.repository import organizations_of
from litemaas.control.keys.service import hash_of
from litemaas.control.litellm_api.gate import Access, facade_requires
from litemaas.control.litellm_api.key_replies import with_z
from litemaas.control.usage import figures, service
from litemaas.control.usage.filters import UsageFilter
from litemaas.control.usage.orders import NEWEST, list_in_order
from litemaas.core.answer_cache import HIT
from litemaas.core.errors import InvalidField
from litemaas.core.ledger import GUARDRAILS, TERMS, Status
from litemaas.core.money import MILLION, NANO, usd_from_nano
from litemaas.core.pass_through import PROVIDER as PASS_THROUGH
from litemaas.core.price_terms import Terms, parts_of
from litemaas.core.refusals import MEMBER
from litemaas.core.usage import UsageSource
from litemaas.core.windows import midnight

router = APIRouter(route_class=WorkRoute)
_NEWEST = 1000
_OURS = (MEMBER, TERMS, HIT, GUARDRAILS, "units")
"""What the gateway keeps beside a client's own notes."""
_PASSED = "pass_through_endpoint"
_CALL_TYPES = (
    ("chat/completions", "acompletion"),
    ("completions", "atext_completion"),
    ("embeddings", "aembedding"),
    ("convert", "convert"),
    ("responses", "aresponses"),
    ("messages/count_tokens", "acount_tokens"),
    ("messages", "anthropic_messages"),
    ("rerank", "arerank"),
    ("audio/tr", "atranscription"),
    ("audio/speech", "aspeech"),
    ("images", "aimage_generation"),
    ("moderations", "amoderation"),
    ("tokenize", "tokenize"),
)


@router.get("/spend/logs", dependencies=[facade_requires(Access.READER)], response_model=None)
async def logs(
    work: WorkOf,
    api_key: str | None = None,
    user_id: str | None = None,
    request_id: str | None = None,
    start_date: str | None = None,
    end_date: str | None = None,
    summarize: bool = True,
) -> Response:
    """Rows, the newest thousand; with both dates sums per day, unless ``summarize=false``."""
    wanted = UsageFilter(
        keys=(hash_of(api_key),) if api_key else (),
        users=(user_id,) if user_id else (),
        request_id=request_id,
        since=_midnight(start_date, "start_date", work.zone),
        until=_midnight(end_date, "end_date", work.zone, days_later=1),
        zone=work.zone,
    )
    if wanted.since and wanted.until and summarize:
        connection = await service.snapshot(work)
        asked = await figures.cost_by_day(connection, wanted, ("user", "key"))
        return _written(_days(asked, await figures.cost_by_day(connection, wanted, ("model",))))
    connection = await work.connection()
    return _written(await rows_shown(connection, await list_in_order(connection, wanted, NEWEST, _NEWEST)))


async def rows_shown(connection: AsyncConnection, records: Sequence[Row[Any]]) -> list[dict[str, Any]]:
    """Records as LiteLLM's clients know them; each with the organization that its key belongs to now."""
    seen: set[str] = set()
    organizations = await organizations_of(connection, {record.key_hash for record in records})
    return [_row(record, seen, organizations) for record in records]


def _written(rows: list[dict[str, Any]]) -> Response:
    """Written at once: a month's summary has a member for each key and day."""
    return Response(msgspec.json.encode(rows), media_type="application/json")


def _midnight(day: str | None, field: str, zone: tzinfo, days_later: int = 0) -> datetime | None:
    if not day:
        return None
    try:
        named = datetime.strptime(day, "%Y-%m-%d").replace(tzinfo=UTC).date()
        return midnight(named + timedelta(days=days_later), zone)
    except (ValueError, OverflowError):
        raise InvalidField(f"{field} must be a date like 2026-11-23.", field) from None


def _days(asked: Sequence[Any], served: Sequence[Any]) -> list[dict[str, Any]]:
    """``asked``: cost per day, user and key; ``served``: per day and model."""
    days: dict[str, dict[str, Any]] = {}
    for row in asked:
        day = days.setdefault(row.day, {"nano": 0, "users": {}, "models": {}, "keys": {}})
        day["nano"] += row.cost_nano
        for names, name in ((day["users"], row.g0), (day["keys"], row.g1)):
            names[name] = names.get(name, 0) + row.cost_nano
    for row in served:
        days.setdefault(row.day, {"nano": 0, "users": {}, "models": {}, "keys": {}})["models"][row.g0] = row.cost_nano
    return [
        {
            "startTime": name,
            "spend": usd_from_nano(day["nano"]),
            "users": _in_usd(day["users"]),
            "models": _in_usd(day["models"]),
            **_in_usd(day["keys"]),
        }
        for name, day in days.items()
    ]


def _in_usd(amounts: dict[str, int]) -> dict[str, float]:
    return {name: usd_from_nano(nano) for name, nano in amounts.items()}


def _row(record: Row[Any], seen: set[str], organizations: Mapping[str, str]) -> dict[str, Any]:
    request_id = record.engine_request_id or record.request_id
    if request_id in seen:
        # Engines may repeat their ids; ours are unique.
        request_id = f"{request_id}-{record.request_id}"
    seen.add(request_id)
    ended = record.started_at + timedelta(microseconds=record.duration_us)
    first = record.started_at + timedelta(microseconds=record.ttft_us) if record.ttft_us is not None else ended
    total_tokens = record.prompt_tokens + record.completion_tokens
    return {
        "request_id": request_id,
        "call_type": _call_type(record),
        "api_key": record.key_hash,
        "spend": usd_from_nano(record.cost_nano),
        "total_tokens": total_tokens,
        "prompt_tokens": record.prompt_tokens,
        "completion_tokens": record.completion_tokens,
        "startTime": with_z(record.started_at),
        "endTime": with_z(ended),
        "request_duration_ms": record.duration_us // 1000,
        "completionStartTime": with_z(first),
        "model": f"{record.provider}/{record.engine_model}" if record.provider else record.model,
        "model_id": record.deployment_id or "",
        "model_group": record.model,
        "custom_llm_provider": record.provider or "",
        "api_base": record.api_base or "",
        "user": record.user_id or "",
        "metadata": _metadata(record, total_tokens),
        "cache_hit": "True" if HIT in record.metadata else "False",
        "cache_key": record.metadata.get(HIT, ""),
        "request_tags": [*record.tags, *_agent_tags(record)],
        "team_id": record.team_id or "",
        "organization_id": organizations.get(record.key_hash, ""),
        "end_user": record.end_user or "",
        "requester_ip_address": record.client_ip or "",
        "messages": {},
        "response": {},
        "session_id": record.request_id,
        "status": "success" if record.status == "success" else "failure",
        "proxy_server_request": {},
        "mcp_namespaced_tool_name": None,
        "agent_id": None,
    }


def _call_type(record: Row[Any]) -> str:
    if record.provider == PASS_THROUGH:  # whatever words its path has
        return _PASSED
    return next((kind for part, kind in _CALL_TYPES if part in record.endpoint), _PASSED)


def _agent_tags(record: Row[Any]) -> list[str]:
    """What a client calls itself, with and without its version (gateway-api contract 5.7), unless it was tagged so."""
    agent = (record.user_agent or "").partition(" ")[0]
    name, slash, _ = agent.partition("/")
    tags = [f"User-Agent: {name}", *([f"User-Agent: {agent}"] if slash else [])] if name else []
    return [tag for tag in tags if tag not in record.tags]


def _metadata(record: Row[Any], total_tokens: int) -> dict[str, Any]:
    failed = record.status != "success"
    error = {
        "error_code": str(record.http_status),
        "error_class": record.error_code,
        "llm_provider": record.provider or "",
        "error_message": record.error_message or "",
    }
    is_cancelled = record.status == Status.CANCELLED
    estimated = {"usage_estimated": True} if record.usage_source == UsageSource.ESTIMATE else {}
    return {
        "status": Status.CANCELLED.value if is_cancelled else "failure" if failed else None,
        "error_information": error if failed else None,
        "usage_object": {
            "total_tokens": total_tokens,
            "prompt_tokens": record.prompt_tokens,
            "completion_tokens": record.completion_tokens,
        },
        "user_api_key": record.key_hash,
        "user_api_key_alias": record.key_alias,
        "user_api_key_user_id": record.user_id,
        "user_api_key_team_id": record.team_id,
        "spend_logs_metadata": {k: v for k, v in record.metadata.items() if k not in _OURS} or None,
        "cost_breakdown": _breakdown(record),
        "attempted_retries": max(0, record.attempts - 1),
        "applied_guardrails": record.metadata.get(GUARDRAILS, []),
        **estimated,
    }


def _breakdown(record: Row[Any]) -> dict[str, float]:
    """How a cost came about: at the catalogue's price, less the discount, plus the margin. Units: USD and shares."""
    told = record.metadata.get(TERMS) or {
        "total": record.cost_nano, "input": record.input_cost_nano, "output": record.output_cost_nano,
    }  # fmt: skip
    terms = Terms(told.get("discount", 0), told.get("margin", 0), told.get("fixed", 0))
    discount, margin = parts_of(told["total"], record.cost_nano, terms)
    return {
        "input_cost": usd_from_nano(told["input"]),
        "output_cost": usd_from_nano(told["output"]),
        "total_cost": usd_from_nano(record.cost_nano),
        "original_cost": usd_from_nano(told["total"]),
        "tool_usage_cost": 0.0,
        "discount_percent": terms.discount / MILLION,
        "discount_amount": usd_from_nano(discount),
        "margin_percent": terms.margin / MILLION,
        "margin_fixed_amount": terms.fixed_per_million / (MILLION * NANO),
        "margin_total_amount": usd_from_nano(margin),
    }
