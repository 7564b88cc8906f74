"""How do models and keys get into the platform at its start? Through the control plane's own API, never behind its back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

import httpx2
from msgspec.structs import asdict

from litemaas.cli.litellm_extras import WantedRouting
from litemaas.cli.up.errors import RegistrationRefused
from litemaas.cli.up.wanted import WantedModel
from litemaas.core.keys import hash_key

_WITHIN_S = 10.0


class Administration:
    """The control plane as its administrator sees it.

    Errors: RegistrationRefused with the control plane's reason
    """

    def __init__(self, control_url: str, master_key: str) -> None:
        self._client = httpx2.AsyncClient(
            base_url=control_url,
            headers={"Authorization": f"Bearer {master_key}"},
            timeout=_WITHIN_S,
            trust_env=False,  # a proxy of the person's shell is not for the loopback
        )

    async def close(self) -> None:
        await self._client.aclose()

    async def register(self, wanted: WantedModel) -> None:
        """Makes the catalogue say what is wanted, and changes nothing when it does; prices that are there stay."""
        there = await self._model(wanted.name)
        if there is None:
            body = {"name": wanted.name, "mode": wanted.mode, "description": wanted.description}
            deployments = [{**one.place, "price": dict(one.price)} for one in wanted.deployments]
            await self._send(
                "POST", "/api/v1/admin/models", {**body, "simulated": wanted.simulated, "deployments": deployments}
            )
            return
        if wanted.simulated and not there["simulated"]:
            raise RegistrationRefused(
                f"the model {wanted.name} is in the catalogue and not simulated: remove or rename it."
            )
        if there["simulated"] != wanted.simulated:
            change = {"simulated": wanted.simulated, "description": wanted.description}
            await self._send("PATCH", _model_path(there["id"]), change)
        await self._place(wanted, there["id"], there["deployments"])

    async def _place(self, wanted: WantedModel, model_id: str, there: list[dict[str, Any]]) -> None:
        """A model with one server has moved when its address differs; beside several, another one is added."""
        missing = [one for one in wanted.deployments if not any(one.serves(deployment) for deployment in there)]
        others = [deployment for deployment in there if not any(one.serves(deployment) for one in wanted.deployments)]
        if len(missing) == len(others) == 1:
            await self._send("PATCH", _deployment_path(others[0]["id"]), {**missing[0].place, "enabled": True})
            return
        for one in missing:
            body = {**one.place, "price": dict(one.price)}
            await self._send("POST", f"{_model_path(model_id)}/endpoints", body)
        if wanted.simulated:
            await self._enable([deployment for deployment in there if deployment not in others], enabled=True)

    async def register_listed(self, body: Mapping[str, Any]) -> None:
        """Registers a model of a configuration file; one that is in the catalogue stays as it is there."""
        await self._add("/litellm/model/new", body, f"the model {body['model_name']}")

    async def keep_credential(self, body: Mapping[str, Any]) -> None:
        """Keeps a credential of a configuration file; one of that name that is there stays as it is."""
        await self._add("/litellm/credentials", body, f"the credential {body['credential_name']}")

    async def keep_route(self, body: Mapping[str, Any]) -> None:
        """Keeps a route of a configuration file; one of that path that is there stays as it is."""
        await self._add("/litellm/config/pass_through_endpoint", body, f"the route {body['path']}")

    async def keep_guardrails(self, definitions: Sequence[Mapping[str, Any]]) -> None:
        """Keeps guardrails of a configuration file; one of that name that is there stays as it is."""
        if not definitions:
            return
        path = "/api/v1/admin/settings/guardrails"
        held = (await self._send("GET", path))["guardrails"]
        names = {one["guardrail_name"] for one in held}
        missing = [one for one in definitions if one["guardrail_name"] not in names]
        if missing:
            await self._send("PUT", path, {"guardrails": [*held, *missing]})

    async def keep_budgets(self, budgets: Mapping[str, Mapping[str, Any]]) -> None:
        """Keeps budgets of a configuration file; where there is one, it stays as it is."""
        for whose, body in budgets.items():
            path = f"/api/v1/admin/budgets/{quote(whose)}"
            if await self._find(path) is None:
                await self._send("PUT", path, body)

    async def keep_price_terms(self, terms: Mapping[str, Mapping[str, Any]]) -> None:
        """Keeps discounts and margins of a configuration file; where there are any, they stay as they are."""
        for name, body in terms.items():
            path = f"/litellm/config/{name}"
            if not (await self._send("GET", path))["values"]:
                await self._send("PATCH", path, body)

    async def keep_webhooks(self, webhooks: Sequence[Mapping[str, Any]]) -> None:
        """Keeps webhooks of a configuration file; one of that address that is there stays as it is."""
        if not webhooks:
            return
        path = "/api/v1/admin/webhooks"
        there = {one["url"] for one in (await self._send("GET", path))["data"]}
        for body in webhooks:
            if body["url"] not in there:
                await self._send("POST", path, body)

    async def _add(self, path: str, body: Mapping[str, Any], what: str) -> None:
        """Adds something of a configuration file, unless it is there."""
        try:
            answer = await self._client.post(path, json=body)
        except httpx2.HTTPError as error:
            raise RegistrationRefused(f"the control plane does not answer ({type(error).__name__}).") from error
        told = answer.json().get("error", {}).get("message", "") if answer.is_error else ""
        if answer.is_error and "already exists" not in told:
            raise RegistrationRefused(f"{what} of the configuration file cannot be registered: {told}")

    async def route(self, name: str, wanted: WantedRouting) -> None:
        """Sets a model's fallbacks and aliases where it has none; what administrators have set stays."""
        there = await self._model(name)
        if there is None:
            raise RegistrationRefused(f"the configuration file routes calls to {name}, and there is no such model.")
        path = f"{_model_path(there['id'])}/routing"
        held = await self._send("GET", path)
        missing = {member: value for member, value in asdict(wanted).items() if value and not held[member]}
        if missing:
            await self._send("PUT", path, held | missing)

    async def pause_simulated(self, name: str) -> None:
        """Takes a simulated model's servers out of the routing while they do not run."""
        there = await self._model(name)
        if there is not None and there["simulated"]:
            await self._enable(there["deployments"], enabled=False)

    async def _enable(self, deployments: list[dict[str, Any]], *, enabled: bool) -> None:
        for deployment in deployments:
            if deployment["enabled"] != enabled:
                await self._send("PATCH", _deployment_path(deployment["id"]), {"enabled": enabled})

    async def has_key(self, secret: str) -> bool:
        return await self._find(f"/api/v1/admin/keys/{hash_key(secret)}") is not None

    async def create_key(self, wanted: Mapping[str, Any]) -> str:
        """A new key; one of the same alias whose secret is lost makes room for it. Returns the secret."""
        answer = await self._send("GET", "/api/v1/admin/keys", query={"alias": wanted["alias"]})
        for former in answer["data"]:
            if former["alias"] == wanted["alias"] and former["metadata"] == wanted["metadata"]:
                await self._send("DELETE", f"/api/v1/admin/keys/{former['id']}")
        return str((await self._send("POST", "/api/v1/admin/keys", wanted))["secret"])

    async def _model(self, name: str) -> dict[str, Any] | None:
        found = (await self._send("GET", "/api/v1/admin/models", query={"name": name}))["data"]
        return found[0] if found else None

    async def _find(self, path: str) -> dict[str, Any] | None:
        return await self._send("GET", path, none_when_missing=True) or None

    async def _send(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        query: Mapping[str, str] | None = None,
        none_when_missing: bool = False,
    ) -> dict[str, Any]:
        try:
            answer = await self._client.request(method, path, json=body, params=query)
        except httpx2.HTTPError as error:
            raise RegistrationRefused(f"the control plane does not answer ({type(error).__name__}).") from error
        if answer.status_code == 404 and none_when_missing:
            return {}
        if answer.is_error:
            raise RegistrationRefused(f"the control plane refused {method} {path}: {_reason(answer)}")
        return dict(answer.json()) if answer.content else {}


def _reason(answer: httpx2.Response) -> str:
    try:
        return str(answer.json()["detail"])
    except (ValueError, KeyError, TypeError):
        return f"status {answer.status_code}"


def _model_path(model_id: str) -> str:
    return f"/api/v1/admin/models/{model_id}"


def _deployment_path(deployment_id: str) -> str:
    return f"/api/v1/admin/deployments/{quote(deployment_id, safe='')}"
