"""Does a call have the members that its key, or the installation, demands of all? LiteLLM's ``enforced_params``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from litemaas.core.errors import MissingField
from litemaas.gateway.bodies import Members, object_of, value_of

if TYPE_CHECKING:
    from litemaas.gateway.call import Ask

END_USER = "user"


def require_members(ask: Ask, names: tuple[str, ...]) -> None:
    """``names``: members of the body, or members of its members with dots between them.

    A header that names the end user stands for the member ``user``; null counts as absent.
    Errors: MissingField, InvalidField.
    """
    members: Members = getattr(ask.foreign, "members", None) or ask.members or {}
    for name in names:
        if name == END_USER and ask.end_user:
            continue
        if name == "model" and ask.model:
            continue
        if _found(members, name) is None:
            raise MissingField(f"the member {name!r} is missing: every call of this key must have it", name)


def _found(members: Members, name: str) -> Any:
    first, _, rest = name.partition(".")
    if not rest:
        return value_of(members, first)
    places = (first, "litellm_metadata") if first == "metadata" else (first,)
    return next((found for place in places if (found := _within(object_of(members, place), rest)) is not None), None)


def _within(value: Any, path: str) -> Any:
    for step in path.split("."):
        value = value.get(step) if isinstance(value, dict) else None
    return value
