"""What does a key get whose maker says nothing, and how much may none be given? LiteLLM's parameters for ``/key/generate``.

Source: gateway-api contract 5.6 and 7: ``default_key_generate_params`` fill what is missing, ``upperbound_key_generate_params``
cap: what is missing becomes the most, what is above is refused.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any

import msgspec
from fastapi import Depends, Request
from pydantic import ValidationError

from litemaas.control.keys.drafts import check_limits
from litemaas.control.litellm_api.key_requests import STORED_WITHOUT_EFFECT, KeyRequest, columns_of
from litemaas.core.errors import InvalidField
from litemaas.core.windows import duration_end

_NUMBERS = ("max_budget", "max_parallel_requests", "tpm_limit", "rpm_limit")
_SPANS = ("duration", "budget_duration")
_OF_ONE_KEY = ("key", "key_alias", "spend", "expires", "blocked")
_WORDS = {"daily": "1d", "weekly": "7d", "monthly": "30d", "yearly": "365d"}
_YEARS = re.compile(r"(\d{1,4})y")
_ANY_DAY = datetime(2026, 1, 1, tzinfo=UTC)


class KeyParams(msgspec.Struct, frozen=True):
    """Members of ``/key/generate``: ``defaults`` of any kind, ``most`` of numbers and spans.

    ``no_models_means_all``: whether ``/key/update`` with ``models: []`` lifts the restriction, instead of leaving none.
    """

    defaults: dict[str, Any] = {}
    most: dict[str, Any] = {}
    no_models_means_all: bool = False

    def applied(
        self, request: KeyRequest, now: datetime, *, of_team: Mapping[str, Any], planned: Collection[str] = ()
    ) -> KeyRequest:
        """The request with what it leaves out. Errors: InvalidField.

        ``of_team``: what its team's keys get first. ``planned``: limits that it has of a named budget, which are not left out.
        """
        sent = request.model_dump(exclude_unset=True)
        said = {name for name, value in sent.items() if value not in (None, [], {})} | set(planned)
        said |= {"duration"} if "expires" in said else set()
        given = {**self.most, **self.defaults, **of_team}
        missing = {name: value for name, value in given.items() if name not in said}
        if missing:
            request = KeyRequest.model_validate({**sent, **missing})
        for name, most in self.most.items():
            value = getattr(request, name)
            if name == "duration" and request.expires is not None and request.expires.tzinfo is not None:
                is_above = (request.expires - now).total_seconds() > _span_s(most)
            else:
                is_above = value is not None and _size(name, value) > _size(name, most)
            if is_above:
                raise InvalidField(f"{name} is above what any key may have here: at most {most}.", name)
        return request


def read_key_params(defaults: str | None, most: str | None, *, no_models_means_all: bool = False) -> KeyParams:
    """Reads what the settings hold. Errors: ValueError with the last word of the setting's name, and why."""
    return KeyParams(_defaults_in(defaults), _most_in(most), no_models_means_all)


def _defaults_in(text: str | None) -> dict[str, Any]:
    found = _members(text, "DEFAULT_KEY_GENERATE_PARAMS")
    known = {*KeyRequest.model_fields, *STORED_WITHOUT_EFFECT} - set(_OF_ONE_KEY)
    for name in found:
        if name not in known:
            raise ValueError(f"DEFAULT_KEY_GENERATE_PARAMS: {name!r} is nothing that keys have by default")
    try:
        check_limits(columns_of(KeyRequest.model_validate(found), _ANY_DAY, None))
    except InvalidField as error:
        raise ValueError(f"DEFAULT_KEY_GENERATE_PARAMS: {error.message}") from None
    except ValidationError as error:
        first = error.errors()[0]
        raise ValueError(f"DEFAULT_KEY_GENERATE_PARAMS: {first['loc'][0]}: {first['msg']}") from None
    return found


def _most_in(text: str | None) -> dict[str, Any]:
    found = _members(text, "UPPERBOUND_KEY_GENERATE_PARAMS")
    for name, value in found.items():
        if name not in (*_NUMBERS, *_SPANS):
            raise ValueError(f"UPPERBOUND_KEY_GENERATE_PARAMS: {name!r} has no upper bound here")
        try:
            _size(name, value)
            check_limits(columns_of(KeyRequest.model_validate({name: value}), _ANY_DAY, None))
        except (InvalidField, ValidationError):
            raise ValueError(f"UPPERBOUND_KEY_GENERATE_PARAMS: {name} is no limit that a key can have") from None
        except (ArithmeticError, ValueError, TypeError):
            raise ValueError(f"UPPERBOUND_KEY_GENERATE_PARAMS: {name} cannot be read") from None
    return found


def _members(text: str | None, variable: str) -> dict[str, Any]:
    try:
        found = msgspec.json.decode(text or "{}")
    except msgspec.DecodeError:
        found = None
    if not isinstance(found, dict):
        raise ValueError(f'{variable}: must be a JSON object like {{"max_budget": 5}}')  # noqa: TRY004 — as all else here
    return {name: value for name, value in found.items() if value is not None}


def _size(name: str, value: Any) -> Decimal | float:
    """Units: of ``name``; spans in seconds."""
    return _span_s(str(value)) if name in _SPANS else Decimal(str(value))


def _span_s(text: str) -> float:
    """How long a span is, a month counted as January. Errors: ValueError."""
    text = _WORDS.get(text, text)
    years = _YEARS.fullmatch(text)
    text = f"{int(years[1]) * 365}d" if years else text
    return (duration_end(text, _ANY_DAY) - _ANY_DAY).total_seconds()


def _params(request: Request) -> KeyParams:
    params: KeyParams = request.app.state.key_params
    return params


KeyParamsOf = Annotated[KeyParams, Depends(_params)]
