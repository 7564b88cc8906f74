"""Who is calling? A key from one of the header forms that clients use, found by its hash, cached while it can be trusted."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

from litemaas.core.entitlements import Block
from litemaas.core.errors import (
    KeyBlocked,
    KeyExpired,
    KeyMalformed,
    KeyMissing,
    KeyUncheckable,
    KeyUnknown,
    ServiceUnavailable,
)
from litemaas.core.keys import KEY_PREFIX, VirtualKey, hash_key, mask_key
from litemaas.gateway.flights import Flights
from litemaas.gateway.reply_headers import limit_lines_of
from litemaas.kit.ticks import monotonic

if TYPE_CHECKING:
    from litemaas.gateway.endpoints.base import Endpoint
    from litemaas.gateway.http.messages import Request
    from litemaas.gateway.lanes import Lane
    from litemaas.gateway.sources import Sources
    from litemaas.gateway.trust import Trust

_PLAIN_HEADERS = (b"api-key", b"x-api-key", b"x-goog-api-key", b"ocp-apim-subscription-key")
_MAX_KEY = 512
_MAX_UNKNOWN = 10_000


class KeyStore(Protocol):
    async def find_key(self, key_hash: str) -> tuple[VirtualKey, int] | None:
        """The key and what it has spent in its current window (nano-USD), or None when there is none."""


class Caller:
    """A key in use by this worker. ``lanes`` keeps what was resolved for its calls, by endpoint and asked model;
    ``demands``: members that each call must have; ``limit_lines`` are the header lines of its own limits. ``expires_at``: when
    something of the key ends by itself, in seconds since 1970: the key, the secret, or its access to a model.
    """

    __slots__ = (
        "checked_at",
        "demands",
        "expires_at",
        "is_blocked",
        "is_master",
        "key",
        "lanes",
        "limit_lines",
        "spent_nano",
    )

    def __init__(self, key: VirtualKey, spent_nano: int, checked_at: float) -> None:
        self.key = key
        self.is_blocked = key.blocked
        self.is_master = key.is_master
        self.spent_nano = spent_nano
        self.checked_at = checked_at
        ends = key.next_change()
        self.expires_at = ends.timestamp() if ends is not None else float("inf")
        self.lanes: dict[tuple[Endpoint, str | None], Lane] = {}
        self.demands = key.enforced_params
        self.limit_lines = limit_lines_of(key)


class Identity:
    """Finds the caller of a request.

    Fails: while the database is away, keys that this worker knows go on working and others cannot be checked.
    """

    def __init__(
        self, store: KeyStore, trust: Trust, master_key: str, now: Callable[[], datetime],
        *, cache_size: int, distrust_s: float, timeout_s: float, key_header: str = "", sources: Sources | None = None,
    ) -> None:  # fmt: skip
        self._store = store
        self._trust = trust
        self._now = now
        self._sources = sources
        self._cache_size = cache_size
        self._distrust_s = distrust_s
        self._key_header = key_header.lower().encode("latin-1", "replace")
        self._flights: Flights[tuple[VirtualKey, int] | None] = Flights(timeout_s)
        self._master_digest = hashlib.sha256(master_key.encode()).digest()
        self._master = Caller(
            VirtualKey(key_hash=hash_key(master_key), key_name="master key", is_master=True), 0, float("inf")
        )
        self.anybody = Caller(VirtualKey(key_hash="", key_name="nobody"), 0, float("inf"))
        """Whoever calls a route that needs no key."""
        self.anybody.is_master = True  # nothing is demanded of it, and nobody is told what all of them spent
        self._callers: dict[str, Caller] = {}
        self._doubted: dict[str, Caller] = {}
        """Keys that changes may have passed by: they are looked up before they are used, unless the database is away again."""
        self._unknown: set[str] = set()
        self._any_rotated = False
        """Whether a key was opened by another secret than its first, under whose hash it is known to all."""
        self._generation = 0

    def known(self, request: Request, now: float) -> Caller | None:
        """The caller, if nothing has to be asked for; else None, and :meth:`identify` finds out.

        Units: seconds since 1970. Errors: as :meth:`identify`.
        """
        key_hash = request.notes.get("key_hash")
        if key_hash is None:
            key_hash = hashlib.sha256(presented_key(request.headers, self._key_header)).hexdigest()
            request.notes["key_hash"] = key_hash
            if self._sources is not None:
                self._sources.note(request, key_hash)
        caller = self._callers.get(key_hash)
        if caller is None or caller.is_blocked or now >= caller.expires_at or not self._trust.is_current():
            return None
        return caller

    async def identify(self, headers: dict[bytes, bytes]) -> Caller:
        """Errors: KeyMissing, KeyMalformed, KeyUnknown, KeyBlocked, KeyExpired; KeyUncheckable, ServiceUnavailable."""
        presented = presented_key(headers, self._key_header)
        digest = hashlib.sha256(presented)
        if hmac.compare_digest(digest.digest(), self._master_digest):
            return self._master
        caller = await self._now_true(digest.hexdigest(), await self._look_up(digest.hexdigest()))
        masked = mask_key(presented.decode("latin-1"))
        if caller is None:
            raise KeyUnknown(
                f"Invalid proxy server token passed. Received API Key = {masked}, Key Hash (Token) = {digest.hexdigest()}. "
                "Unable to find token in cache or the database"
            )
        key = caller.key
        if key.blocked:
            raise _refused(KeyBlocked(*_why_blocked(key)), caller)
        if key.expires_at is not None and self._now() >= key.expires_at:
            expired = f"Authentication Error - Expired Key. Key Expiry time {key.expires_at}"
            raise _refused(KeyExpired(expired, masked), caller)
        return caller

    async def _now_true(self, key_hash: str, caller: Caller | None) -> Caller | None:
        """The caller as it is by now: when something of it has ended, the database is asked what holds."""
        if caller is None or self._now().timestamp() < caller.expires_at:
            return caller
        self._callers.pop(key_hash, None)
        self._doubted[key_hash] = caller
        caller.checked_at = float("-inf")
        caller = await self._look_up(key_hash)
        now = self._now()
        if caller is None or now.timestamp() < caller.expires_at:
            return caller
        key = caller.key
        if key.secret_until is not None and now >= key.secret_until:
            return None
        if key.at(now) is not key:  # the database is away, or its clock is behind ours
            caller = Caller(key.at(now), caller.spent_nano, caller.checked_at)
            self._remember(key_hash, caller)
        return caller

    async def _look_up(self, key_hash: str) -> Caller | None:
        time = monotonic()
        cached = self._callers.get(key_hash)
        if (cached is not None or key_hash in self._unknown) and self._trust.is_current():
            return cached
        if cached is None:
            cached = self._doubted.get(key_hash)
        if cached is not None and time - cached.checked_at < self._distrust_s:
            return cached
        generation = self._generation
        try:
            found = await self._flights.ask((key_hash, generation), lambda: self._store.find_key(key_hash))
        except (ServiceUnavailable, TimeoutError) as error:
            if cached is not None:
                cached.checked_at = monotonic()  # or each call would wait for the database's time-out
                return cached
            words = "the key cannot be checked at the moment; try again"
            # A database that is slow is there; one that tells us nothing any more is not.
            raise ServiceUnavailable(words) if self._trust.is_current() else KeyUncheckable(words) from error
        cached = self._callers.get(key_hash)
        if found is not None and cached is not None and cached.key is found[0]:
            return cached  # of somebody who waited for the same answer
        caller = Caller(found[0], found[1], time) if found is not None else None
        if generation == self._generation:  # else what was read may be older than a change that was already applied
            self._remember(key_hash, caller)
        return caller

    def _remember(self, key_hash: str, caller: Caller | None) -> None:
        """Hashes without a key are kept apart: a flood of made-up keys must not push out the real ones."""
        self._doubted.pop(key_hash, None)
        if caller is None:
            if len(self._unknown) >= _MAX_UNKNOWN:
                self._unknown.clear()
            self._unknown.add(key_hash)
            self._callers.pop(key_hash, None)
        else:
            if len(self._callers) >= self._cache_size and key_hash not in self._callers:
                del self._callers[next(iter(self._callers))]
            self._callers[key_hash] = caller
            self._any_rotated = self._any_rotated or caller.key.key_hash != key_hash

    def forget(self, key_hash: str) -> None:
        """The key was changed, or there is one now where there was none."""
        self._generation += 1
        self._callers.pop(key_hash, None)
        self._doubted.pop(key_hash, None)
        self._unknown.discard(key_hash)
        if self._any_rotated:
            for callers in (self._callers, self._doubted):
                for secret in [s for s, caller in callers.items() if caller.key.key_hash == key_hash]:
                    del callers[secret]

    def forget_sharers(self, *scopes: str) -> None:
        """The limits of users, teams, organizations or pots were changed: all their keys are read again.

        One pass, however many they are.
        """
        self._generation += 1
        shared: dict[str, set[str]] = {"user": set(), "team": set(), "pot": set(), "organization": set()}
        for scope in scopes:
            kind, _, owner = scope.partition(":")
            if kind in shared:
                shared[kind].add(owner)
        users, teams, pots, organizations = shared.values()
        for callers in (self._callers, self._doubted):
            sharers = [
                key_hash for key_hash, caller in callers.items()
                if caller.key.user_id in users or caller.key.team_id in teams or caller.key.pot_id in pots
                or caller.key.organization_id in organizations
            ]  # fmt: skip
            for key_hash in sharers:
                del callers[key_hash]

    def forget_governed(self) -> None:
        """The catalogue or the policies were changed: keys that the access rule governs are read again."""
        self._generation += 1
        for callers in (self._callers, self._doubted):
            governed = [key_hash for key_hash, caller in callers.items() if caller.key.access is not None]
            for key_hash in governed:
                del callers[key_hash]

    def forget_all(self) -> None:
        """Changes may have been missed."""
        self._generation += 1
        self._unknown.clear()
        if len(self._doubted) + len(self._callers) > self._cache_size:
            self._doubted.clear()
        for key_hash, caller in self._callers.items():
            caller.checked_at = float("-inf")
            self._doubted[key_hash] = caller
        self._callers.clear()


_BLOCKED = {
    Block.KEY_REVOKED: "This key was revoked. Make a new one",
    Block.ACCOUNT_DISABLED: "The account of this key's owner is disabled. Ask your administrator",
    Block.TEAM_DISABLED: "The team of this key is not active, or its owner has left it. Ask your administrator",
}


def _why_blocked(key: VirtualKey) -> tuple[str, str]:
    """Message and code of a refusal."""
    block = key.block or Block.KEY_DISABLED
    return _BLOCKED.get(block, "Key is blocked. Ask your administrator to unblock it"), block.value


def _refused(error: KeyBlocked | KeyExpired, caller: Caller) -> KeyBlocked | KeyExpired:
    """The same error, with whose it is: the record names the key."""
    error.asked_by = caller
    return error


def presented_key(headers: dict[bytes, bytes], own_header: bytes = b"") -> bytes:
    """The key from the first header form that is there; ``own_header`` is the installation's (gateway-api contract 2).

    Errors: KeyMissing, KeyMalformed.
    """
    value = headers.get(own_header) if own_header else None
    if value is None:
        value = headers.get(b"x-litellm-api-key")
    if value is not None:
        key = value[7:].strip() if value[:7].lower() == b"bearer " else value
    else:
        value = headers.get(b"authorization")
        if value is not None:
            if value[:7].lower() != b"bearer ":
                raise KeyMalformed("Authentication Error, the Authorization header must be 'Bearer sk-…'")
            key = value[7:].strip()
        else:
            key = next((headers[name] for name in _PLAIN_HEADERS if name in headers), b"")
            if not key:
                raise KeyMissing("Authentication Error, No api key passed in. Send it as 'Authorization: Bearer sk-…'")
    if not key.startswith(KEY_PREFIX.encode()) or len(key) > _MAX_KEY:
        raise KeyMalformed("Authentication Error, LiteMaaS virtual keys start with 'sk-'. Check the key that was sent")
    return key
