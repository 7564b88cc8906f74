"""May a model server be sent to this address? Only to public ones, or to hosts that the administrator allows.

The model server fetches the address later, by its own resolution and following redirects; what is judged here is what the
name meant a moment before. The network policy of the model server has to hold the rest (gateway-api contract 1.8).
"""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import Callable, Collection, Coroutine
from ipaddress import AddressValueError, IPv4Address, IPv4Network, IPv6Network, ip_address
from typing import Any

from litemaas.core.errors import InvalidField
from litemaas.gateway.http.stepping import outside

Resolve = Callable[[str], Coroutine[Any, Any, list[str]]]
"""Host name → its addresses. Errors: OSError."""

_MAX_URL = 8192
_URL = re.compile(
    r"https?://(?P<host>\[[0-9A-Fa-f:.]*:[0-9A-Fa-f.]*[0-9A-Fa-f:]\]|[A-Za-z0-9._-]{1,253})"
    r"(?::(?P<port>[0-9]{1,5}))?(?:[/?#][^\x00-\x20\x7f\\]*)?",
    re.IGNORECASE,
)
_AUTHORITY = re.compile(r"[^:/?#\\]*:[/\\]*[^/?#\\]*@")
_NUMBER = re.compile(r"[0-9]+|0[xX][0-9A-Fa-f]*")
_LOCAL_SUFFIXES = (
    ".localhost", ".local", ".localdomain", ".internal", ".svc", ".cluster", ".intranet", ".lan", ".home.arpa", ".in-addr.arpa",
    ".ip6.arpa",
)  # fmt: skip
"""Names that mean something else, or something at all, only near the model server (RFC 6761, RFC 8375, Kubernetes DNS)."""

# IANA special-purpose address registries, read 2026-11, and the addresses of metadata services outside of them.
_NOT_PUBLIC_V4 = tuple(
    map(
        IPv4Network,
        (
            "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24",
            "192.0.2.0/24", "192.31.196.0/24", "192.52.193.0/24", "192.88.99.0/24", "192.168.0.0/16", "192.175.48.0/24",
            "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4",
            "168.63.129.16/32",  # Azure's platform services
        ),
    )
)  # fmt: skip
_GLOBAL_V6 = IPv6Network("2000::/3")
"""All else is mapped (::ffff:0:0/96), translated (64:ff9b::/96, 64:ff9b:1::/48), local, link-local, multicast or unassigned."""
_NOT_PUBLIC_V6 = tuple(
    map(
        IPv6Network,
        (
            "2001::/23",  # IETF protocol assignments, among them Teredo and ORCHID
            "2001:db8::/32",
            "2002::/16",  # 6to4: an IPv4 address in disguise
            "2620:4f:8000::/48",
            "3fff::/20",
        ),
    )
)


async def resolve_host(host: str) -> list[str]:
    """The addresses that the system's resolver finds.

    Errors: OSError.
    """
    found = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return [str(entry[4][0]) for entry in found]


def is_public(address: str) -> bool:
    """Whether an address is reachable by everybody on the internet."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return False
    if isinstance(parsed, IPv4Address):
        return not any(parsed in network for network in _NOT_PUBLIC_V4)
    return parsed.scope_id is None and parsed in _GLOBAL_V6 and not any(parsed in network for network in _NOT_PUBLIC_V6)


class PublicAddresses:
    """Judges the addresses that clients name. ``allowed_hosts`` are exact host names or addresses; they need not be public.

    Units: seconds. Fails: closed.
    """

    def __init__(self, allowed_hosts: Collection[str], resolve: Resolve, timeout_s: float) -> None:
        self._allowed = frozenset(_plain(host) for host in allowed_hosts)
        self._resolve = resolve
        self._timeout_s = timeout_s

    async def check(self, urls: dict[str, str]) -> None:
        """Place in the body → URL.

        Errors: InvalidField, which tells only that an address is not public, and not what was found of it.
        """
        names: dict[str, str] = {}
        for place, url in urls.items():
            host = host_of(url, place)
            if host in self._allowed:
                continue
            if (literal := _literal(host, place)) is None:
                names.setdefault(host, place)
            elif not is_public(literal):
                raise _refused(place)
        if names:
            await self._look_up(names)

    async def judged(self, url: str, place: str) -> tuple[str, str]:
        """Where to connect for a call that the gateway itself makes, and the name in the URL.

        An allowed host is found when it is dialled; another is dialled by the address that was judged. Errors: InvalidField.
        """
        host = host_of(url, place)
        if host in self._allowed:
            return host, host
        if (literal := _literal(host, place)) is not None:
            if not is_public(literal):
                raise _refused(place)
            return literal, host
        found: list[str] = []

        async def resolved() -> None:
            found.extend(await self._resolve(host))

        try:
            await outside(resolved(), self._timeout_s)
        except (OSError, UnicodeError):  # TimeoutError is an OSError
            raise _refused(place) from None
        if not found or not all(map(is_public, found)):
            raise _refused(place)
        return found[0], host

    async def _look_up(self, names: dict[str, str]) -> None:
        """One name after the other: a body full of them must not occupy the resolver."""
        asked = next(iter(names))

        async def all_of_them() -> None:
            nonlocal asked
            for asked, place in names.items():
                addresses = await self._resolve(asked)
                if not addresses or not all(map(is_public, addresses)):
                    raise _refused(place)

        try:
            await outside(all_of_them(), self._timeout_s)
        except (OSError, UnicodeError):  # TimeoutError is an OSError
            raise _refused(names[asked]) from None


def host_of(url: str, place: str) -> str:
    """The host of a URL as every parser must see it; in lower case, an IPv6 address without brackets.

    Errors: InvalidField.
    """
    if _AUTHORITY.match(url):
        raise InvalidField(f"{place} must not hold credentials; they go into the source's headers", place)
    found = _URL.fullmatch(url) if len(url) <= _MAX_URL else None
    if found is None or not 0 < int(found["port"] or 80) < 65536:
        raise InvalidField(f"{place} must be a plain http or https address, with all else percent-encoded", place)
    return _plain(found["host"])


def _plain(host: str) -> str:
    return host.lower().removeprefix("[").removesuffix("]").removesuffix(".")


def _literal(host: str, place: str) -> str | None:
    """The host as an address, or None for a name that resolution has to judge.

    Errors: InvalidField for names that mean something only locally, and for spellings of IPv4 that parsers disagree on.
    """
    if ":" in host:
        return host
    last = host.rpartition(".")[2]
    if _NUMBER.fullmatch(last):
        try:
            return str(IPv4Address(host))
        except AddressValueError:
            raise _refused(place) from None
    if "." not in host or ".." in host or host.startswith(".") or host.endswith(_LOCAL_SUFFIXES):
        raise _refused(place)
    return None


def _refused(place: str) -> InvalidField:
    return InvalidField(f"{place} does not lead to a public address that a model server may fetch", place)
