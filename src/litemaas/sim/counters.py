"""What did the simulated servers really serve? Exact totals and one entry per request, to reconcile a ledger with."""

from __future__ import annotations

import time
from collections import deque
from typing import Any, Literal

import msgspec
from msgspec import Struct

Outcome = Literal["running", "completed", "failed", "cancelled"]


class Counts(Struct):
    """Sums over finished requests; ``requests`` = ``completed`` + ``failed`` + ``cancelled``."""

    requests: int = 0
    completed: int = 0
    failed: int = 0
    cancelled: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0
    reasoning_tokens: int = 0
    inputs: int = 0
    pages: int = 0


class Entry(Struct, eq=False):
    """One request, as the server saw it; tokens are those processed and written, also when it ended early."""

    server: str
    path: str
    engine_id: str = ""
    model: str = ""
    status: int = 0  # the HTTP status sent, 0 when none was
    outcome: Outcome = "running"
    cancelled: bool = False
    stream: bool = False
    finish_reason: str = ""
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0
    reasoning_tokens: int = 0
    inputs: int = 0
    pages: int = 0
    first_token_s: float | None = None
    duration_s: float = 0.0
    began: float = 0.0  # monotonic seconds
    era: int = 0  # how often the counters had been cleared when it began


class ServerCounts(Struct):
    """The sums of one server, in all and per model that it knows."""

    totals: Counts
    models: dict[str, Counts]
    since_start: dict[str, Counts]  # per model and never cleared, as Prometheus expects of a counter
    running: int = 0
    peak_running: int = 0


class Counters:
    """The counters of all servers of one process."""

    def __init__(self, kept_entries: int) -> None:
        self.servers: dict[str, ServerCounts] = {}
        self.entries: deque[Entry] = deque(maxlen=kept_entries)
        self._era = 0

    def open_server(self, name: str, models: tuple[str, ...]) -> ServerCounts:
        counts = ServerCounts(Counts(), {model: Counts() for model in models}, {model: Counts() for model in models})
        self.servers[name] = counts
        return counts

    def begin(self, server: str, path: str) -> Entry:
        """Opens the entry of a request; it is summed when it ends."""
        counts = self.servers[server]
        counts.running += 1
        counts.peak_running = max(counts.peak_running, counts.running)
        return Entry(server, path, began=time.monotonic(), era=self._era)

    def end(self, entry: Entry, outcome: Outcome) -> None:
        """Closes the entry and adds it to the sums; one that began before the counters were cleared is dropped."""
        counts = self.servers[entry.server]
        counts.running -= 1
        entry.outcome = outcome
        entry.cancelled = outcome == "cancelled"
        entry.duration_s = time.monotonic() - entry.began
        if entry.model in counts.since_start:
            _add(counts.since_start[entry.model], entry)
        if entry.era != self._era:
            return
        self.entries.append(entry)
        _add(counts.totals, entry)
        model = counts.models.get(entry.model)
        if model is not None:
            _add(model, entry)

    def clear(self) -> None:
        """Starts again from nothing."""
        self._era += 1
        self.entries.clear()
        for counts in self.servers.values():
            counts.totals = Counts()
            counts.models = {model: Counts() for model in counts.models}
            counts.peak_running = counts.running

    def of(self, server: str, model: str | None = None) -> Counts:
        """The sums of a server, or of one of its models."""
        counts = self.servers[server]
        return counts.totals if model is None else counts.models[model]

    def report(self, last_entries: int | None = None) -> dict[str, Any]:
        """Everything as plain values, the newest entry last."""
        entries = list(self.entries)
        if last_entries is not None:
            entries = entries[-last_entries:] if last_entries else []
        servers = msgspec.to_builtins(self.servers)
        for counts in servers.values():
            del counts["since_start"]
        return {"servers": servers, "entries": msgspec.to_builtins(entries)}


def _add(counts: Counts, entry: Entry) -> None:
    counts.requests += 1
    if entry.outcome == "completed":
        counts.completed += 1
    elif entry.outcome == "cancelled":
        counts.cancelled += 1
    else:
        counts.failed += 1
    counts.prompt_tokens += entry.prompt_tokens
    counts.completion_tokens += entry.completion_tokens
    counts.cached_tokens += entry.cached_tokens
    counts.reasoning_tokens += entry.reasoning_tokens
    counts.inputs += entry.inputs
    counts.pages += entry.pages
