"""Where are the credentials of guardrails' services? Sealed in the settings, shown to nobody, sent to no other address."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from litemaas.control.settings.groups import GuardrailSettings
from litemaas.core.errors import InvalidField
from litemaas.core.guardrail_definitions import definitions_of
from litemaas.core.guardrail_services import HIDDEN, SEALED, address_of, purpose_of, with_secrets
from litemaas.kit.crypto import SealBroken, Vault
from litemaas.kit.outbound import AddressRefused, judge_host


def hidden(settings: GuardrailSettings) -> GuardrailSettings:
    """As it is shown."""
    return GuardrailSettings(guardrails=[with_secrets(entry, lambda _, __: HIDDEN) for entry in settings.guardrails])


def sealed(wanted: GuardrailSettings, before: GuardrailSettings, vault: Vault) -> GuardrailSettings:
    """As it is kept; ``****`` means the secret that is kept already. Errors: InvalidField, without the value."""
    held = {entry["guardrail_name"]: entry for entry in before.guardrails}
    entries = []
    for entry in wanted.guardrails:
        _check_addresses(entry)
        entries.append(_sealed(entry, held.get(entry["guardrail_name"], {}), vault))
    return GuardrailSettings(guardrails=entries)


def _sealed(entry: Mapping[str, Any], before: Mapping[str, Any], vault: Vault) -> dict[str, Any]:
    name = str(entry["guardrail_name"])
    purpose = purpose_of(name)
    kept: dict[str, str] = {}

    def note(which: str, value: str) -> str:
        kept[which] = value
        return value

    with_secrets(before, note)

    def seal(which: str, value: str) -> str:
        there = kept.get(which)
        if value == HIDDEN:
            if there is None:
                raise InvalidField(f"The guardrail {name!r} has no {which} yet; give one.", "guardrails")
            if address_of(entry) != address_of(before):
                raise InvalidField(f"The address of {name!r} has changed; give {which} anew.", "guardrails")
            return there
        if value.startswith(SEALED):
            raise InvalidField(f"{which} of {name!r} cannot begin with {SEALED}", "guardrails")
        if there is not None and _opened(there, vault, purpose) == value:
            return there
        return SEALED + b64encode(vault.seal(value, purpose)).decode()

    return with_secrets(entry, seal)


def _opened(kept: str, vault: Vault, purpose: str) -> str | None:
    try:
        return vault.open(b64decode(kept.removeprefix(SEALED)), purpose)
    except (SealBroken, ValueError):
        return None


def _check_addresses(entry: Mapping[str, Any]) -> None:
    """No address that belongs to the platform under us. Errors: InvalidField."""
    [definition] = definitions_of([entry]).values()
    service = definition.service
    for url in (service.url, service.anonymizer) if service is not None else ():
        host = urlsplit(url or "").hostname or ""
        try:
            judge_host(host, loopback_allowed=True)
        except AddressRefused as error:
            raise InvalidField(f"The guardrail {definition.name!r} cannot ask there: {error}.", "guardrails") from None
