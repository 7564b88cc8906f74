"""What does a client say about how its call is routed? Members and headers that are meant for the gateway (contract 1.5).

Read only when a call carries them: most do not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from litemaas.core.errors import InvalidField
from litemaas.gateway.bodies import Members, count_of, flag_of, object_of, text_of, value_of

if TYPE_CHECKING:
    from litemaas.gateway.endpoints.client_engines import ClientEngine
    from litemaas.gateway.http.messages import Request

MAX_RETRIES = 10
_MAX_FALLBACKS = 5
_MAX_SESSION = 256
_MAX_NAMES = 32


class Wishes:
    """None = nothing was said.

    ``engine``: where the client wants the call to go. ``fallbacks``: names of models. ``guardrails``: besides those that hold
    anyway.
    """

    __slots__ = (
        "context_fallbacks", "engine", "fallbacks", "guardrails", "no_fallbacks", "retries", "session", "stream_timeout_s",
        "timeout_s",
    )  # fmt: skip

    def __init__(self) -> None:
        self.engine: ClientEngine | None = None
        self.fallbacks: list[str] | None = None
        self.context_fallbacks: list[str] | None = None
        self.no_fallbacks = False
        self.retries: int | None = None
        self.timeout_s: float | None = None
        self.stream_timeout_s: float | None = None
        self.session: str | None = None
        self.guardrails: list[str] = []


def wishes_of(members: Members, asked: str | None = None) -> Wishes:
    """``asked``: the model. Errors: InvalidField naming the member."""
    wishes = Wishes()
    wishes.fallbacks = _models_of(members, "fallbacks", asked)
    wishes.context_fallbacks = _models_of(members, "context_window_fallbacks", asked)
    wishes.no_fallbacks = flag_of(members, "disable_fallbacks")
    retries = count_of(members, "num_retries")
    wishes.retries = None if retries is None else min(retries, MAX_RETRIES)
    wishes.timeout_s = _seconds_of(members, "timeout")
    wishes.stream_timeout_s = _seconds_of(members, "stream_timeout")
    wishes.session = text_of(members, "litellm_session_id")
    wishes.guardrails = _names_of(value_of(members, "guardrails"))
    for place in ("metadata", "litellm_metadata"):
        if place in members:
            own = object_of(members, place)
            wishes.guardrails += _names_of(own.get("guardrails"))
            session = own.get("session_id")
            if wishes.session is None and isinstance(session, str):
                wishes.session = session
    return wishes


def session_of(request: Request, wishes: Wishes | None) -> str | None:
    """What the client calls the conversation that this call belongs to."""
    header = request.headers.get(b"x-litellm-session-id") or request.headers.get(b"x-session-id")
    if header is not None:
        return header[:_MAX_SESSION].decode("latin-1")
    return wishes.session[:_MAX_SESSION] if wishes is not None and wishes.session else None


def retries_of(request: Request, wishes: Wishes | None) -> int | None:
    header = request.headers.get(b"x-litellm-num-retries")
    if header is not None and header.isdigit() and len(header) < 4:
        return min(int(header), MAX_RETRIES)
    return wishes.retries if wishes is not None else None


def timeout_of(request: Request, wishes: Wishes | None, name: bytes, usual_s: float) -> float:
    """The time limit of a call: the client may have a shorter one than usual. ``name``: the header that says so."""
    wished = None
    if wishes is not None:
        wished = wishes.timeout_s if name == b"x-litellm-timeout" else wishes.stream_timeout_s
    header = request.headers.get(name)
    if header is not None:
        wished = _number(header.decode("latin-1")) or wished
    return usual_s if wished is None else min(wished, usual_s)


def _number(written: str) -> float | None:
    try:
        number = float(written)
    except ValueError:
        return None
    return number if 0 < number < 1e9 else None


def _seconds_of(members: Members, name: str) -> float | None:
    value = value_of(members, name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1e9:
        raise InvalidField(f"{name} must be a number of seconds above 0", name)
    return float(value)


def _models_of(members: Members, name: str, asked: str | None) -> list[str] | None:
    """A list of names; LiteLLM's clients may also write a name as an object with the member ``model``, or as one that maps the
    model that is asked to those that answer instead.
    """
    value = value_of(members, name)
    if value is None:
        return None
    names: list[str] = []
    for entry in value if isinstance(value, list) else [None]:
        named = _named_in(entry, asked) if isinstance(entry, dict) else [entry]
        if not isinstance(named, list) or not all(isinstance(one, str) for one in named):
            raise InvalidField(f"{name} must be a list of model names", name)
        names += named
    return names[:_MAX_FALLBACKS]


def _named_in(entry: dict[str, Any], asked: str | None) -> Any:
    if "model" in entry:
        return [entry["model"]]
    return entry.get(asked or "", []) if all(isinstance(value, list) for value in entry.values()) else None


def _names_of(value: object) -> list[str]:
    """Names of guardrails. Errors: InvalidField."""
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(name, str) for name in value) or len(value) > _MAX_NAMES:
        raise InvalidField("guardrails must be a list of names", "guardrails")
    return list(value)
