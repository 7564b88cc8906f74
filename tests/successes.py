"""Which routes of the control plane has no test seen succeed?

A refusal proves a gate, not a feature. So what the control plane answers in its integration tests is noted: the
application, the method, the route as it is declared. :class:`Successes` brings together what the processes of a run
noted; with ``--every-route-succeeds`` a run in which some route never answered 2xx or 3xx fails and names it. A run of
a few files does not ask.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.routing import iter_route_contexts

Route = tuple[str, str, str]
"""Title of the application, method, path with the names of its parameters."""
NOTED = "successes"
ROOT = Path(__file__).parents[1]
_PLAYGROUND = "tests/e2e/test_up_playground.py"
ELSEWHERE = {
    ("POST", "/api/v1/playground/chat"): _PLAYGROUND,
    ("POST", "/api/v1/playground/convert"): _PLAYGROUND,
    ("POST", "/api/v1/playground/embeddings"): _PLAYGROUND,
    ("POST", "/api/v1/playground/estimate"): _PLAYGROUND,
}
"""What only a whole platform can answer well is tested with one, in processes of their own: file of its test."""
REFUSING = {
    ("POST", "/utils/token_counter"): "the gateway counts by itself",
}
"""Routes that say why they never do anything."""
_ANSWER = FastAPI.__call__


class Noted:
    """What one process has seen."""

    def __init__(self) -> None:
        self.declared: set[Route] = set()
        self.succeeded: set[Route] = set()
        self._titles: set[str] = set()

    def plain(self) -> dict[str, list[list[str]]]:
        """For the way between processes, which knows no sets and no tuples."""
        return {name: [list(route) for route in sorted(getattr(self, name))] for name in ("declared", "succeeded")}

    def add(self, plain: dict[str, list[list[str]]]) -> None:
        """Errors: none; what was noted twice is one."""
        for name, routes in plain.items():
            getattr(self, name).update((title, method, path) for title, method, path in routes)

    def missing(self) -> list[Route]:
        """Without those that cannot succeed here, each for its reason."""
        excused = ELSEWHERE.keys() | REFUSING.keys()
        return sorted(route for route in self.declared - self.succeeded if route[1:] not in excused)

    def outdated(self) -> list[str]:
        """What of the reasons is not true any more."""
        known = {route[1:] for route in self.declared}
        gone = [f"{method} {path}: is no route" for method, path in (ELSEWHERE | REFUSING).keys() - known]
        seen = [
            f"{method} {path}: does succeed" for method, path in REFUSING.keys() & {one[1:] for one in self.succeeded}
        ]
        untested = [
            f"{method} {path}: is not in {file}"
            for (method, path), file in ELSEWHERE.items()
            if path not in (ROOT / file).read_text(encoding="utf-8")
        ]
        return sorted(gone + seen + untested)

    def learn(self, app: FastAPI) -> None:
        """The routes of an application; applications of one title are alike."""
        if app.title in self._titles:
            return
        self._titles.add(app.title)
        for context in iter_route_contexts(app.routes):
            if getattr(context, "include_in_schema", False):
                self.declared.update((app.title, method, context.path) for method in context.original_route.methods)


@contextmanager
def noting() -> Iterator[Noted]:
    """While it lasts, what any FastAPI application of this process answers is noted, by the innermost block only."""
    noted = Noted()

    async def answer_and_note(app: FastAPI, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return await _ANSWER(app, scope, receive, send)
        noted.learn(app)
        status = 0

        async def seen(message: Any) -> None:
            nonlocal status
            status = message.get("status", status)
            await send(message)

        try:
            await _ANSWER(app, scope, receive, seen)
        finally:  # a stream that its reader leaves ends by an exception, and was answered all the same
            found = scope.get("fastapi", {}).get("effective_route_context")  # with the prefixes of all its routers
            if 200 <= status < 400 and found is not None:
                noted.succeeded.add((scope["app"].title, scope["method"], found.path))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(FastAPI, "__call__", answer_and_note)
        yield noted


class Successes:
    """The part of it that asks: a plugin of the process that starts the others."""

    def __init__(self) -> None:
        self.noted = Noted()

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        self.noted.add(getattr(node, "workeroutput", {}).get(NOTED, {}))

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if session.exitstatus == pytest.ExitCode.OK and self.complaints():
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        complaints = self.complaints()
        if complaints:
            terminalreporter.section("routes that no test has seen succeed", red=True)
            for line in complaints:
                terminalreporter.line(line)
        else:
            terminalreporter.line(
                f"each of {len(self.noted.declared)} routes has been seen to succeed, or says why not"
            )

    def complaints(self) -> list[str]:
        """A line for each route, and each reason, that somebody must look at."""
        if not self.noted.declared:
            return ["no test has asked the control plane anything"]
        return [f"{method} {path} ({title})" for title, method, path in self.noted.missing()] + self.noted.outdated()
