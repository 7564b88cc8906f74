"""How does a simulated server behave: how fast is it, what does it leave out, and how does it fail?"""

from __future__ import annotations

from random import Random
from typing import Any, Literal

import msgspec
from msgspec import Struct

FaultKind = Literal["status", "reset", "close", "hang", "garbage", "garbage_json", "slow_headers", "die"]
Ending = Literal["reset", "close", "end", "stall", "error"]


class Fault(Struct, frozen=True, forbid_unknown_fields=True):
    """One way to fail, for the next ``count`` matching requests (``None``: until removed) at a seeded ``rate``.

    ``status`` answers ``status`` with ``body`` and ``headers``; ``reset`` and ``close`` end the connection before the
    answer; ``hang`` stays silent for ``hang_s`` (``None``: until the client leaves) and then answers; ``garbage`` sends
    ``raw`` (Latin-1) instead of HTTP; ``garbage_json`` breaks the JSON of the answer or of the first event;
    ``slow_headers`` pauses ``pause_s`` before each header line; ``die`` ends the answer after ``after_chunks`` events
    (or in the middle of a JSON body): by ``reset``, by ``close`` (FIN without the last chunk), by ``end`` (proper HTTP,
    but no ``[DONE]``), by ``stall`` (silence) or by an ``error`` event.
    """

    kind: FaultKind
    count: int | None = None
    rate: float = 1.0
    path: str | None = None  # exact path; None means every route that does work for money
    model: str | None = None
    status: int = 500
    body: Any = None
    headers: dict[str, str] = {}
    retry_after: int | None = None
    hang_s: float | None = None
    raw: str = "\x16\x03\x01\x02 this is not HTTP\r\n\r\n"
    pause_s: float = 0.05
    after_chunks: int = 1
    ending: Ending = "reset"


class Behaviour(Struct, frozen=True, forbid_unknown_fields=True):
    """The conduct of one server.

    ``token_s`` is the time per token, per embedding input or per page. ``json_s`` replaces the sum of both times for
    answers that are not streamed. ``burst`` events are written before the loop runs again when ``token_s`` is 0.
    """

    first_token_s: float = 0.0
    token_s: float = 0.0
    json_s: float | None = None
    jitter: float = 0.0  # share by which each time is varied, up or down
    seed: int = 0
    burst: int = 1
    answer_tokens: int | None = None  # natural length of a text answer; None: 20 to 60, by the prompt
    reasoning_tokens: int = 0
    prefix_cache: bool = False
    omit_usage: bool = False
    reject_stream_options: bool = False
    ignore_continuous_usage: bool = False
    engine_id: str | None = None  # the same engine request id for every call, as a broken engine would give
    document_status: Literal["success", "partial_success", "skipped", "failure"] = "success"
    faults: tuple[Fault, ...] = ()


class Conduct:
    """The behaviour in force at one server, and how much of each fault is still to come."""

    def __init__(self, initial: Behaviour) -> None:
        self._initial = initial
        self.reset()

    def reset(self) -> None:
        """Returns to the behaviour that the server started with."""
        self.behaviour = self._initial
        self._arm()

    def change(self, changes: dict[str, Any]) -> Behaviour:
        """Replaces the named members and keeps the others.

        Errors: msgspec.ValidationError for an unknown member or a wrong value; nothing has changed then.
        """
        changed = {**msgspec.to_builtins(self.behaviour), **msgspec.to_builtins(changes)}
        self.behaviour = msgspec.convert(changed, Behaviour)
        if "faults" in changes or "seed" in changes:
            self._arm()
        return self.behaviour

    def _arm(self) -> None:
        self._random = Random(self.behaviour.seed)
        self._left = [fault.count for fault in self.behaviour.faults]

    @property
    def asks_for_model(self) -> bool:
        return any(fault.model is not None for fault in self.behaviour.faults)

    def draw_fault(self, path: str, works: bool, model: str | None) -> Fault | None:
        """The fault that this request meets, if any; the first that matches is used up."""
        for position, fault in enumerate(self.behaviour.faults):
            left = self._left[position]
            matches = works if fault.path is None else fault.path == path
            if not matches or left == 0 or (fault.model is not None and fault.model != model):
                continue
            if fault.rate < 1.0 and self._random.random() >= fault.rate:
                continue
            if left is not None:
                self._left[position] = left - 1
            return fault
        return None

    def first_token_s(self) -> float:
        return self._varied(self.behaviour.first_token_s)

    def token_s(self) -> float:
        return self._varied(self.behaviour.token_s)

    def whole_answer_s(self, steps: int) -> float:
        """How long an answer takes that arrives in one piece, made in ``steps`` tokens, inputs or pages."""
        behaviour = self.behaviour
        if behaviour.json_s is not None:
            return self._varied(behaviour.json_s)
        return self._varied(behaviour.first_token_s + behaviour.token_s * steps)

    def _varied(self, seconds: float) -> float:
        jitter = self.behaviour.jitter
        return seconds * (1.0 + jitter * self._random.uniform(-1.0, 1.0)) if jitter and seconds else seconds
