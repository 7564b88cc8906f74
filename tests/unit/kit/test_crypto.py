"""Does a sealed secret open for its owner only, also after a rotation, and say nothing when it does not?"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from litemaas.kit.crypto import SealBroken, Vault

PASSPHRASE = "a passphrase of enough length"
OTHER = "another passphrase, as long"


@given(st.text(st.characters(exclude_categories=["Cs"])), st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
def test_what_is_sealed_opens_again_for_the_same_purpose(secret: str, purpose: str) -> None:
    vault = Vault(PASSPHRASE)
    sealed = vault.seal(secret, purpose)
    assert vault.open(sealed, purpose) == secret
    assert sealed != vault.seal(secret, purpose)


@pytest.mark.parametrize("change", ["purpose", "key", "byte", "version", "cut", "empty"])
def test_nothing_else_opens_it_and_the_error_holds_no_hint(change: str) -> None:
    sealed = Vault(PASSPHRASE).seal("the-secret", "deployment:1")
    opener = Vault(OTHER) if change == "key" else Vault(PASSPHRASE)
    spoilt = {
        "byte": sealed[:-1] + bytes([sealed[-1] ^ 1]), "version": b"\x02" + sealed[1:], "cut": sealed[:20], "empty": b"",
    }.get(change, sealed)  # fmt: skip
    with pytest.raises(SealBroken) as raised:
        opener.open(spoilt, "deployment:2" if change == "purpose" else "deployment:1")
    assert "the-secret" not in str(raised.value)
    assert PASSPHRASE not in str(raised.value)


@pytest.mark.parametrize("length", range(30))
def test_sealed_bytes_of_any_length_are_refused_in_one_way(length: int) -> None:
    with pytest.raises(SealBroken):
        Vault(PASSPHRASE).open(b"\x01" + b"x" * length, "p")


def test_a_former_key_opens_what_it_sealed_and_seals_nothing_more() -> None:
    old, new = Vault(OTHER), Vault(PASSPHRASE, (OTHER,))
    assert new.open(old.seal("s", "p"), "p") == "s"
    with pytest.raises(SealBroken):
        old.open(new.seal("s", "p"), "p")


def test_a_short_passphrase_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 16"):
        Vault("too short")
