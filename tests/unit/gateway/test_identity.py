"""Who is calling, and what is true of a key that was looked up a while ago?"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from litemaas.core.errors import (
    KeyBlocked,
    KeyExpired,
    KeyMalformed,
    KeyMissing,
    KeyUncheckable,
    KeyUnknown,
    LiteMaaSError,
    ServiceUnavailable,
)
from litemaas.core.keys import VirtualKey, hash_key
from litemaas.gateway.http.stepping import stepped
from litemaas.gateway.identity import Caller, Identity, presented_key

ONE = "sk-one-12345678"
MASTER = "sk-master-0123456789abcdef"
NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)


class Keys:
    """The database's side, in memory, and how often it was asked."""

    def __init__(self, *keys: VirtualKey) -> None:
        self.keys = {key.key_hash: key for key in keys}
        self.asked = 0
        self.away = False

    async def find_key(self, key_hash: str) -> tuple[VirtualKey, int] | None:
        self.asked += 1
        await asyncio.sleep(0)
        if self.away:
            raise ServiceUnavailable("away")
        key = self.keys.get(key_hash)
        return (key, 5) if key is not None else None


class Trust:
    def __init__(self) -> None:
        self.current = True

    def is_current(self) -> bool:
        return self.current


def a_key(secret: str = ONE, **fields: object) -> VirtualKey:
    return VirtualKey(key_hash=hash_key(secret), key_name="sk-...5678", **fields)  # type: ignore[arg-type]


def desk(keys: Keys, trust: Trust | None = None, cache_size: int = 10, distrust_s: float = 0.0) -> Identity:
    return Identity(
        keys, trust or Trust(), MASTER, lambda: NOW, cache_size=cache_size, distrust_s=distrust_s, timeout_s=5.0
    )


async def ask(identity: Identity, secret: str = ONE) -> Caller:
    return await stepped(identity.identify({b"authorization": b"Bearer " + secret.encode()}))


async def test_a_known_key_is_asked_for_once_and_again_after_news_of_it() -> None:
    keys = Keys(a_key())
    identity = desk(keys)
    first = await ask(identity)
    assert await ask(identity) is first
    assert (keys.asked, first.spent_nano) == (1, 5)
    identity.forget(hash_key(ONE))
    assert await ask(identity) is not first
    identity.forget_all()
    await ask(identity)
    assert keys.asked == 3


async def test_the_master_key_is_never_asked_for() -> None:
    keys = Keys()
    caller = await ask(desk(keys), MASTER)
    assert caller.key.is_master
    assert keys.asked == 0


async def test_a_key_that_is_not_there_is_not_asked_for_again_until_it_may_be_there() -> None:
    keys = Keys()
    identity = desk(keys)
    for _ in range(3):
        with pytest.raises(KeyUnknown) as raised:
            await ask(identity)
    assert keys.asked == 1
    assert "sk-...5678" in str(raised.value)
    assert ONE not in str(raised.value)
    keys.keys[hash_key(ONE)] = a_key()
    identity.forget(hash_key(ONE))
    await ask(identity)


async def test_what_was_read_before_a_change_is_not_kept_after_it() -> None:
    keys = Keys(a_key())
    identity = desk(keys)
    asking = asyncio.create_task(ask(identity))
    await asyncio.sleep(0)
    identity.forget(hash_key(ONE))  # the news came in while the old row was on its way
    await asking
    await ask(identity)
    assert keys.asked == 2


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"blocked": True}, KeyBlocked),
        ({"expires_at": NOW}, KeyExpired),
        ({"expires_at": NOW + timedelta(seconds=1)}, None),
    ],
)
async def test_blocked_and_expired_keys_are_refused(
    fields: dict[str, object], error: type[LiteMaaSError] | None
) -> None:
    identity = desk(Keys(a_key(**fields)))
    if error is None:
        await ask(identity)
        return
    for _ in range(2):
        with pytest.raises(error):
            await ask(identity)


async def test_while_the_database_is_away_known_keys_work_and_others_cannot_be_checked() -> None:
    keys, trust = Keys(a_key()), Trust()
    identity = desk(keys, trust)
    await ask(identity)
    keys.away, trust.current = True, False
    await ask(identity)
    with pytest.raises(KeyUncheckable):
        await ask(identity, "sk-other-12345678")


async def test_while_the_database_is_away_not_every_call_waits_for_it_to_answer() -> None:
    keys, trust = Keys(a_key()), Trust()
    identity = desk(keys, trust, distrust_s=5.0)
    caller = await ask(identity)
    caller.checked_at -= 60.0
    keys.away, trust.current = True, False
    for _ in range(10):
        await ask(identity)
    assert keys.asked == 2


async def test_without_news_a_key_is_looked_at_anew_and_a_blocked_one_is_found_out() -> None:
    keys, trust = Keys(a_key()), Trust()
    identity = desk(keys, trust)
    await ask(identity)
    trust.current = False
    keys.keys[hash_key(ONE)] = a_key(blocked=True)
    with pytest.raises(KeyBlocked):
        await ask(identity)


async def test_made_up_keys_push_no_real_one_out_and_the_cache_keeps_its_size() -> None:
    keys = Keys(*(a_key(f"sk-real-{number:08}") for number in range(12)))
    identity = desk(keys)
    for number in range(12):
        await ask(identity, f"sk-real-{number:08}")
    assert len(identity._callers) == 10
    for number in range(100):
        with pytest.raises(KeyUnknown):
            await ask(identity, f"sk-made-up-{number}")
    asked = keys.asked
    await ask(identity, "sk-real-00000011")
    assert keys.asked == asked


# -- where the key stands ---------------------------------------------------------------------------------------------

FORMS = [
    b"x-litellm-api-key",
    b"authorization",
    b"api-key",
    b"x-api-key",
    b"x-goog-api-key",
    b"ocp-apim-subscription-key",
]


@given(st.sets(st.sampled_from(FORMS), min_size=1), st.sampled_from([b"Bearer ", b"bearer ", b"BEARER ", b"Bearer  "]))
def test_the_first_form_that_is_there_counts(forms: set[bytes], scheme: bytes) -> None:
    headers = {form: b"sk-" + form for form in forms}
    if b"authorization" in headers:
        headers[b"authorization"] = scheme + headers[b"authorization"]
    assert presented_key(headers) == b"sk-" + next(form for form in FORMS if form in forms)


def test_the_installations_own_header_comes_before_all_others() -> None:
    headers = {b"x-own": b"Bearer sk-own", b"x-litellm-api-key": b"sk-other"}
    assert presented_key(headers, b"x-own") == b"sk-own"
    assert presented_key(headers, b"x-missing") == b"sk-other"


@pytest.mark.parametrize(
    ("headers", "error"),
    [
        ({}, KeyMissing),
        ({b"api-key": b""}, KeyMissing),
        ({b"authorization": b""}, KeyMalformed),
        ({b"authorization": b"sk-without-bearer"}, KeyMalformed),
        ({b"authorization": b"Basic c2s="}, KeyMalformed),
        ({b"authorization": b"Bearer"}, KeyMalformed),
        ({b"authorization": b"Bearer "}, KeyMalformed),
        ({b"authorization": b"Bearer key"}, KeyMalformed),
        ({b"authorization": b"Bearer SK-upper"}, KeyMalformed),
        ({b"x-litellm-api-key": b"", b"authorization": b"Bearer sk-good"}, KeyMalformed),
        ({b"x-api-key": b"sk-" + b"x" * 600}, KeyMalformed),
    ],
)
def test_what_is_no_key_is_refused_without_repeating_it(
    headers: dict[bytes, bytes], error: type[LiteMaaSError]
) -> None:
    with pytest.raises(error) as raised:
        presented_key(headers)
    for value in headers.values():
        assert len(value) < 8 or value.decode() not in str(raised.value)


async def test_a_key_that_was_known_goes_on_when_the_database_leaves_again_before_it_could_be_looked_up() -> None:
    keys = Keys(a_key())
    identity = desk(keys, distrust_s=0.0)
    first = await ask(identity)
    identity.forget_all()
    keys.away = True
    assert await ask(identity) is first
    keys.away = False
    keys.keys[hash_key(ONE)] = a_key(blocked=True)
    with pytest.raises(KeyBlocked):
        await ask(identity)
    keys.away = True
    identity.forget_all()
    with pytest.raises(KeyBlocked):
        await ask(identity)


async def test_a_key_that_was_changed_is_not_used_as_it_was_however_often_the_database_leaves() -> None:
    keys = Keys(a_key(user_id="u-1"))
    identity = desk(keys)
    for forget in (lambda: identity.forget(hash_key(ONE)), lambda: identity.forget_sharers("user:u-1")):
        keys.away = False
        await ask(identity)
        identity.forget_all()
        forget()
        keys.away = True
        with pytest.raises(ServiceUnavailable):
            await ask(identity)


async def test_what_is_doubted_is_bounded_like_what_is_known() -> None:
    secrets = [f"sk-number-{number:08d}" for number in range(30)]
    keys = Keys(*(a_key(secret) for secret in secrets))
    identity = desk(keys, cache_size=10)
    for secret in secrets:
        await ask(identity, secret)
        identity.forget_all()
        assert len(identity._doubted) <= 10
