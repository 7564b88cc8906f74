"""What can an assistant ask and do? Each tool is a few calls of the API; results are JSON text, money is no nano-units."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Any, Literal, Protocol
from urllib.parse import quote

import orjson
from mcp.server.mcpserver import Context, MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from pydantic import Field

from litemaas.mcp.api import Api, ApiRefused

_NANO = 1_000_000_000
_MOST_USERS = 2_000
_SHOWN_USERS = 200
_SHOWN_KEYS = 100
_MOST_MODELS = 2_000
_AT_ONCE = 4
TokenOf = Callable[[Any], str]
Day = Annotated[date, Field(description="YYYY-MM-DD, UTC")]
Id = Annotated[str, Field(min_length=1, max_length=256)]
ModelName = Annotated[str, Field(min_length=1, max_length=255)]
_DURATIONS = {"daily": "1d", "weekly": "7d", "monthly": "1mo"}
_INSTRUCTIONS = (
    "Tools for administrators of an AI gateway. Everything is done with the caller's own permissions and audited. "
    "Money is in the installation's currency."
)


class Pods(Protocol):
    async def read(self) -> Any: ...


class Tools:
    """The tools as methods; what they may be asked with stands in their signatures and is checked before they run."""

    def __init__(self, api: Api, pods: Pods | None, token_of: TokenOf) -> None:
        self._api = api
        self._pods = pods
        self._token_of = token_of

    def server(self, version: str) -> MCPServer:
        server = MCPServer("litemaas", instructions=_INSTRUCTIONS, version=version)
        for tool in (
            self.list_models, self.get_model_health, self.list_users, self.get_spend_summary, self.get_daily_stats,
            self.get_pod_status, self.update_user_budget, self.list_virtual_keys,
        ):  # fmt: skip
            server.tool(structured_output=False)(tool)
        return server

    async def list_models(self, ctx: Context) -> str:
        """All models that can be called, with what stands behind them, prices per million tokens and limits."""
        return await self._say(self._models, ctx)

    async def get_model_health(self, ctx: Context, model: ModelName | None = None) -> str:
        """How many endpoints of all models, or of one, are healthy, and which are not."""
        return await self._say(lambda token: self._health(token, model), ctx)

    async def list_users(self, ctx: Context) -> str:
        """Up to 200 people with what they spent in their budget's window, who spent most first."""
        return await self._say(self._users, ctx)

    async def get_spend_summary(
        self, ctx: Context, date_from: Day | None = None, date_to: Day | None = None, model: ModelName | None = None,
        user_id: Id | None = None,
    ) -> str:  # fmt: skip
        """Requests, tokens, spend and failures per model; both dates are included; free calls count, too."""
        return await self._say(lambda token: self._spend(token, date_from, date_to, model, user_id), ctx)

    async def get_daily_stats(self, ctx: Context, days: Annotated[int, Field(ge=1, le=31)] = 7) -> str:
        """The same per day, for the last days, today included (UTC)."""
        return await self._say(lambda token: self._days(token, days), ctx)

    async def get_pod_status(self, ctx: Context) -> str:
        """Pods of the platform, where it runs in a cluster and this server may read them."""
        return await self._say(self._pod_status, ctx)

    async def update_user_budget(
        self, ctx: Context, user_id: Id, max_budget: Annotated[float, Field(ge=0, le=9_000_000_000, allow_inf_nan=False)],
        budget_duration: Literal["daily", "weekly", "monthly"] = "daily",
    ) -> str:  # fmt: skip
        """Sets what a person may spend in each window. The change is audited in the caller's name."""
        return await self._say(lambda token: self._set_budget(token, user_id, max_budget, budget_duration), ctx)

    async def list_virtual_keys(self, ctx: Context) -> str:
        """The latest 100 keys, never their secrets."""
        return await self._say(self._keys, ctx)

    async def _say(self, ask: Callable[[str], Awaitable[Any]], ctx: Context) -> str:
        try:
            return orjson.dumps(await ask(self._token_of(ctx))).decode()
        except ApiRefused as error:
            raise ToolError(str(error)) from None

    async def _models(self, token: str) -> list[dict[str, Any]]:
        found = await self._api.pages(token, "/admin/models", _MOST_MODELS, status="available")
        return [_model(one) for one in found]

    async def _health(self, token: str, name: str | None) -> dict[str, Any]:
        found = await self._api.pages(token, "/admin/models", _MOST_MODELS, name=name)
        if name is not None and not found:
            raise ApiRefused(f"There is no model {name!r}.")
        endpoints = [
            {"model": model["name"], "api_base": one["api_base"], "health": one["health"], "detail": one["health_detail"]}
            for model in found if model["status"] != "retired" for one in model["deployments"] if one["enabled"]
        ]  # fmt: skip
        healthy = [one for one in endpoints if one["health"] in ("healthy", "degraded")]
        others = [one for one in endpoints if one["health"] not in ("healthy", "degraded")]
        return {
            "healthy": len(healthy), "unhealthy": len(others), "healthy_endpoints": healthy, "unhealthy_endpoints": others,
        }  # fmt: skip

    async def _users(self, token: str) -> list[dict[str, Any]]:
        found = await self._api.pages(token, "/admin/users", _MOST_USERS)
        found.sort(key=lambda one: (-(one["spent_nano"] or 0), one["id"]))
        return [
            {
                "user_id": one["id"], "email": one["email"], "spend": _money(one["spent_nano"] or 0),
                "max_budget": _money((one["limits"] or {}).get("max_budget_nano")),
                **{name: (one["limits"] or {}).get(name) for name in ("budget_duration", "tpm_limit", "rpm_limit")},
            }
            for one in found[:_SHOWN_USERS]
        ]  # fmt: skip

    async def _spend(
        self, token: str, first: date | None, last: date | None, model: str | None, user_id: str | None
    ) -> list[dict[str, Any]]:
        if first is not None and last is not None and first > last:
            raise ApiRefused("date_from must not be after date_to.")
        summary = await self._api.get(
            token, "/admin/usage/summary", group_by="model", limit=1000, model=model, user_id=user_id,
            since=_midnight(first), until=_midnight(last + timedelta(days=1)) if last is not None else None,
        )  # fmt: skip
        return [{"model": one["group"], **_sums(one)} for one in summary["data"]]

    async def _days(self, token: str, days: int) -> list[dict[str, Any]]:
        today = datetime.now(UTC).date()
        slots = asyncio.Semaphore(_AT_ONCE)

        async def of(day: date) -> dict[str, Any]:
            async with slots:
                summary = await self._api.get(
                    token, "/admin/usage/summary", group_by="model", limit=1,
                    since=_midnight(day), until=_midnight(day + timedelta(days=1)),
                )  # fmt: skip
            return {"date": day.isoformat(), **_sums(summary["total"]), "unique_models": summary["groups"]}

        return list(await asyncio.gather(*(of(today - timedelta(days=back)) for back in reversed(range(days)))))

    async def _pod_status(self, token: str) -> Any:
        # Pods are no part of the API, so it is asked whether this caller may know of the platform's health at all.
        await self._api.get(token, "/admin/stats")
        return await self._pods.read() if self._pods is not None else {"error": "this server does not read pods"}

    async def _set_budget(self, token: str, user_id: str, budget: float, duration: str) -> dict[str, Any]:
        body = {"max_budget_nano": round(budget * _NANO), "budget_duration": _DURATIONS[duration]}
        changed = await self._api.patch(token, f"/admin/users/{quote(user_id, safe='')}", body)
        limits = changed["limits"] or {}
        return {"status": "ok", "response": {
            "user_id": changed["id"], "max_budget": _money(limits.get("max_budget_nano")),
            "budget_duration": limits.get("budget_duration"),
        }}  # fmt: skip

    async def _keys(self, token: str) -> list[dict[str, Any]]:
        found = await self._api.pages(token, "/admin/keys", _SHOWN_KEYS, sort="created_at", order="desc")
        return [
            {
                "key_alias": one["alias"] or one["name"], "spend": _money(one["spent_nano"]),
                "max_budget": _money(one["max_budget_nano"]), "budget_duration": one["budget_duration"],
                "models": [model["name"] for model in one["models"]], "expires": one["expires_at"],
                "created_at": one["created_at"],
            }
            for one in found
        ]  # fmt: skip


def _model(one: dict[str, Any]) -> dict[str, Any]:
    first = next((deployment for deployment in one["deployments"] if deployment["enabled"]), None)
    shown = {
        "model": one["name"], "mode": one["mode"], "backend": first["engine_model"] if first else None,
        "provider": one["provider"] or (first["provider"] if first else None),
    }  # fmt: skip
    if one["pricing"] is not None:
        shown["input_$/1M"] = _money(one["pricing"]["input_per_million"])
        shown["output_$/1M"] = _money(one["pricing"]["output_per_million"])
    if one["max_output_tokens"] is not None:
        shown["max_tokens"] = one["max_output_tokens"]
    return shown | {"function_calling": "function_calling" in one["capabilities"]}


def _sums(figures: dict[str, Any]) -> dict[str, Any]:
    return {
        "requests": figures["requests"], "total_tokens": figures["total_tokens"],
        "total_spend": _money(figures["cost_nano"]), "failures": figures["failed_requests"],
    }  # fmt: skip


def _money(nano: int | None) -> float | None:
    return None if nano is None else nano / _NANO


def _midnight(day: date | None) -> str | None:
    return None if day is None else f"{day.isoformat()}T00:00:00Z"
