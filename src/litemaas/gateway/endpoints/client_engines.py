"""Where does a client want its call to go, and with which credential? Only where the installation allows that
(``allow_client_side_credentials``).

The address gets the client's credential or none, never ours: neither a deployment's key nor its own headers. It must be
public, or on a host that the administrator names; the connection goes to what the name meant when it was judged. Nothing of it
is kept: the body loses both members before anybody else sees it, records have no address, and no other model is asked.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import msgspec

from litemaas.core.catalog import Tls
from litemaas.core.errors import InvalidField
from litemaas.gateway.bodies import Members, render, text_of
from litemaas.gateway.cooling import Condition
from litemaas.gateway.http.answers import Origin
from litemaas.gateway.targets import Target

if TYPE_CHECKING:
    from litemaas.core.catalog import Deployment
    from litemaas.gateway.call import Ask
    from litemaas.gateway.endpoints.public_addresses import PublicAddresses
    from litemaas.gateway.lanes import Lane
    from litemaas.gateway.settings import RoutingSettings

ADDRESSES = ("api_base", "base_url")
CREDENTIAL = "api_key"
_KEY = re.compile(r"[\x21-\x7e]{1,4096}")
_CREDENTIAL_HEADERS = frozenset({"authorization", "api-key", "x-api-key"})


class ClientEngine:
    """``api_base``: None = the deployment's own. ``api_key``: None = no credential is sent. ``place``: the member's name."""

    __slots__ = ("api_base", "api_key", "place")

    def __init__(self, api_base: str | None, api_key: str | None, place: str) -> None:
        self.api_base = api_base
        self.api_key = api_key
        self.place = place


class ClientEngines:
    """Reads what clients say, and finds the way there. Units: seconds."""

    def __init__(self, addresses: PublicAddresses, settings: RoutingSettings, timeout_s: float) -> None:
        self._addresses = addresses
        self._settings = settings
        self._timeout_s = timeout_s

    def take(self, ask: Ask, members: Members) -> ClientEngine | None:
        """Takes it out of the body; None where the client says nothing. Errors: InvalidField."""
        place = next((name for name in ADDRESSES if name in members), CREDENTIAL)
        found = {name: text_of(members, name) for name in (*ADDRESSES, CREDENTIAL)}
        for name in found:
            members.pop(name, None)
        ask.payload = render(members)
        key = found[CREDENTIAL] or None
        base = found["api_base"] or found["base_url"] or None
        if key is None and base is None:
            return None
        if key is not None and not _KEY.fullmatch(key):
            raise InvalidField(f"{CREDENTIAL} must be visible ASCII characters", CREDENTIAL)
        if base is not None and (not base.isascii() or "?" in base or "#" in base):
            raise InvalidField(f"{place} must be a plain http or https address without a query", place)
        ask.references = {place: ""}  # the way there takes a wait, and the answer is nobody else's
        return ClientEngine(None if base is None else base.rstrip("/"), key, place)

    async def lane(self, lane: Lane, engine: ClientEngine) -> Lane:
        """The lane of this one call. Errors: InvalidField."""
        if engine.api_base is None:
            return lane.served_by([self._target(_with_key(d, engine.api_key)) for d in lane.model.deployments])
        address, host = await self._addresses.judged(engine.api_base, engine.place)
        target = self._target(_elsewhere(lane.model.deployments[0], engine))
        origin = target.origin
        target.origin = Origin(address, origin.port, origin.tls, host)
        return lane.served_by([target])

    def _target(self, deployment: Deployment) -> Target:
        """For one call: what it meets there says nothing of our deployment."""
        condition = Condition(deployment, self._settings)
        limits_rates = self._settings.enforce_model_rate_limits
        return Target(deployment, self._timeout_s, condition, limits_rates=limits_rates, is_clients=True)


def _with_key(deployment: Deployment, api_key: str | None) -> Deployment:
    headers = {name: v for name, v in deployment.extra_headers.items() if name.lower() not in _CREDENTIAL_HEADERS}
    return msgspec.structs.replace(deployment, api_key=api_key, extra_headers=headers, budgets=())


def _elsewhere(deployment: Deployment, engine: ClientEngine) -> Deployment:
    return msgspec.structs.replace(
        deployment, api_base=engine.api_base or "", api_key=engine.api_key, extra_headers={}, tls=Tls(), budgets=(),
        rpm=None, tpm=None, parallel=None,
    )  # fmt: skip
