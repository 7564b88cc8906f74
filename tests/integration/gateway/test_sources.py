"""Is a call the playground's only where the control plane says so, whatever a client claims?"""

from __future__ import annotations

from base64 import urlsafe_b64encode

from litemaas.core.keys import hash_key
from litemaas.core.sources import HEADER, Source, seal_purpose
from litemaas.kit.crypto import Vault

from .harness import ENCRYPTION_KEY, QUESTION, Platform


def sealed(secret: str, source: str = Source.PLAYGROUND, passphrase: str = ENCRYPTION_KEY) -> str:
    return urlsafe_b64encode(Vault(passphrase).seal(source, seal_purpose(hash_key(secret)))).decode()


async def call(platform: Platform, secret: str, source: str, model: str = "granite") -> None:
    headers = {b"authorization": f"Bearer {secret}".encode(), HEADER.encode(): source.encode("latin-1")}
    await platform.http.post("/v1/chat/completions", json=QUESTION | {"model": model}, headers=headers)


async def test_a_call_is_the_playgrounds_when_the_control_plane_has_sealed_it(platform: Platform, key: str):
    await call(platform, key, sealed(key))
    await platform.chat(key)
    await call(platform, key, sealed(key), model="not there")
    records = await platform.records(key, 3)
    assert [record["source"] for record in records] == ["playground", "api", "playground"]
    assert {record["endpoint"] for record in records} == {"/chat/completions"}
    assert await platform.ledger.settled(key) == sum(record["cost_nano"] for record in records) > 0


async def test_nobody_else_can_say_it(platform: Platform, key: str):
    other = await platform.ledger.add_key()
    for claim in (
        "playground", sealed(other), sealed(key, passphrase="a passphrase of somebody else"), sealed(key, "portal"),
        sealed(key)[:-4], "A" * 4000, "é",
    ):  # fmt: skip
        await call(platform, key, claim)
    await platform.post(
        "/v1/chat/completions", key, QUESTION | {"tags": ["playground"], "metadata": {"source": "playground"}}
    )
    assert {record["source"] for record in await platform.records(key, 8)} == {"api"}
