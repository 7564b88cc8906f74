"""May this process call that address? Names are resolved, each address is judged, and the call goes to one that was judged.

Never: link-local (cloud metadata lives there), multicast, unspecified and reserved addresses, and metadata services elsewhere.
Loopback: only on the one-machine start. Private addresses are where model servers and internal systems are, so they pass.
Redirects are not followed, and what is read of an answer is bounded. Ranges: ``ipaddress`` (IANA registries).
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Mapping
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from urllib.parse import urlsplit

import httpx2
import msgspec

_METADATA = frozenset(
    map(ip_address, ("168.63.129.16", "100.100.100.200", "192.0.0.192", "fd00:ec2::254", "fd20:ce::254"))
)
"""Metadata and platform services outside of link-local ranges: Azure, Alibaba, Oracle, AWS, Google (read 2026-11)."""
_NAT64 = IPv6Network("64:ff9b::/96")
"""RFC 6052."""
_MAX_ANSWER = 65_536


class AddressRefused(Exception):
    """The policy forbids this address; the message names the rule and not the address."""


class Answer(msgspec.Struct, frozen=True):
    """``body``: its beginning, by default 64 KiB."""

    status: int
    body: bytes


async def call(
    method: str, url: str, *, headers: Mapping[str, str], content: bytes | None = None, timeout_s: float = 10.0,
    loopback_allowed: bool = False, https_only: bool = False, verify: bool | ssl.SSLContext = True,
    max_bytes: int = _MAX_ANSWER,
) -> Answer:  # fmt: skip
    """The answer's status and the first ``max_bytes`` of its body.

    Errors: AddressRefused; httpx2.HTTPError, OSError, TimeoutError when there is no answer in time."""
    async with asyncio.timeout(timeout_s):
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or (https_only and parts.scheme != "https") or not parts.hostname:
            raise AddressRefused(
                "the address must be an https one" if https_only else "the address must be http or https"
            )
        if parts.username is not None or parts.password is not None:
            raise AddressRefused("the address must not hold a user name or password")
        port = parts.port or (443 if parts.scheme == "https" else 80)
        address = await judged_address(parts.hostname, port, loopback_allowed=loopback_allowed)
        target = httpx2.URL(url).copy_with(host=address)
        host = parts.netloc.rpartition("@")[2]
        async with (
            httpx2.AsyncClient(follow_redirects=False, timeout=timeout_s, trust_env=False, verify=verify) as client,
            client.stream(
                method, target, headers={**headers, "Host": host}, content=content,
                extensions={"sni_hostname": parts.hostname},
            ) as response,
        ):  # fmt: skip
            body = b""
            async for part in response.aiter_bytes():
                body += part
                if len(body) >= max_bytes:
                    break
            return Answer(response.status_code, body[:max_bytes])


async def judged_address(host: str, port: int, *, loopback_allowed: bool) -> str:
    """One address of ``host``, when all of them pass. Errors: AddressRefused, OSError when the name is not known."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    addresses = [str(entry[4][0]) for entry in found]
    for address in addresses:
        judge(address, loopback_allowed=loopback_allowed)
    return addresses[0]


def judge(address: str, *, loopback_allowed: bool) -> None:
    """Errors: AddressRefused."""
    parsed = _unwrapped(ip_address(address.partition("%")[0]))
    if parsed.is_loopback:
        if not loopback_allowed:
            raise AddressRefused("loopback addresses are not allowed")
    elif parsed.is_link_local or parsed in _METADATA:
        raise AddressRefused("link-local and metadata addresses are not allowed")
    elif parsed.is_multicast or parsed.is_unspecified or parsed.is_reserved:
        raise AddressRefused("multicast, unspecified and reserved addresses are not allowed")


def judge_host(host: str, *, loopback_allowed: bool) -> None:
    """An address that is written out; what a name leads to is only known when it is called. Errors: AddressRefused."""
    try:
        ip_address(host)
    except ValueError:
        return
    judge(host, loopback_allowed=loopback_allowed)


def _unwrapped(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """An IPv4 address in the clothes of IPv6 is judged as what it is."""
    if isinstance(address, IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour
        if inner is None and address in _NAT64:
            inner = IPv4Address(int(address) & 0xFFFF_FFFF)
        return inner or address
    return address
