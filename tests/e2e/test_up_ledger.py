"""Does the ledger survive what a person's machine does? Everything is killed in the middle of calls, and is started again."""

from __future__ import annotations

import contextlib
import threading
from collections import Counter
from collections.abc import Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx2
import psutil
import pytest
from tests.e2e.conftest import StartUp
from tests.e2e.running import ANSWERS_WITHIN_S, ask_control, chat, processes_of, until

from litemaas.cli.up import demo
from litemaas.core.keys import hash_key

pytestmark = pytest.mark.slow

CALLERS = 3
FINISHED_BEFORE_THE_KILL = 60


class Callers:
    """People who call until nobody answers any more, and note every call whose answer they have."""

    def __init__(self, connection: Mapping[str, str]) -> None:
        self._connection = connection
        self._pool = ThreadPoolExecutor(CALLERS)
        self.finished: list[httpx2.Response] = []
        self.enough = threading.Event()
        self._calling = [self._pool.submit(self._call) for _ in range(CALLERS)]

    def _call(self) -> None:
        with contextlib.suppress(httpx2.TransportError):
            while True:
                answer = chat(self._connection, demo.CHAT_MODEL)
                assert answer.status_code == 200, answer.text
                self.finished.append(answer)
                if len(self.finished) >= FINISHED_BEFORE_THE_KILL:
                    self.enough.set()

    def until_nobody_answers(self) -> None:
        for one in self._calling:
            one.result(ANSWERS_WITHIN_S)
        self._pool.shutdown()


def records_of(connection: Mapping[str, str], call_ids: Collection[str]) -> list[dict[str, Any]]:
    """The ledger of the demo key, once these calls are in it."""
    query = {"key": hash_key(connection["LITEMAAS_DEMO_KEY"]), "limit": "1000"}
    records: list[dict[str, Any]] = []

    def has_all() -> bool:
        records[:] = ask_control(connection, "/api/v1/admin/usage/records", query)["data"]
        return {record["request_id"] for record in records}.issuperset(call_ids)

    until(has_all, ANSWERS_WITHIN_S, f"{len(call_ids)} calls are in the ledger")
    return records


def test_every_answered_call_is_in_the_ledger_exactly_once_after_everything_was_killed(
    start_up: StartUp, state_dir: Path
):
    up = start_up(state_dir, "--demo")
    connection = up.ready()
    everything = [psutil.Process(up.process.pid), *processes_of(state_dir)]
    callers = Callers(connection)
    assert callers.enough.wait(ANSWERS_WITHIN_S)
    for process in everything:
        with contextlib.suppress(psutil.NoSuchProcess):  # the parent's children follow it at once
            process.kill()
    callers.until_nobody_answers()
    up.kill_everything()

    up = start_up(state_dir, "--demo")
    up.says("Ready after")
    assert up.ready() == connection
    answered = {answer.headers["x-litellm-call-id"]: answer.json()["usage"] for answer in callers.finished}
    assert len(answered) == len(callers.finished)
    later = chat(connection, demo.CHAT_MODEL)  # the key goes on where it was
    answered[later.headers["x-litellm-call-id"]] = later.json()["usage"]
    records = records_of(connection, answered)
    assert max(Counter(record["request_id"] for record in records).values()) == 1
    assert len(records) <= len(answered) + CALLERS  # those that were running
    booked = {record["request_id"]: record for record in records}
    for call_id, usage in answered.items():
        assert booked[call_id]["prompt_tokens"] == usage["prompt_tokens"]
        assert booked[call_id]["completion_tokens"] == usage["completion_tokens"]
    key = ask_control(connection, f"/api/v1/admin/keys/{hash_key(connection['LITEMAAS_DEMO_KEY'])}")
    # What a killed gateway held and nobody can prove unspent stays booked.
    assert key["spent_nano"] >= sum(record["cost_nano"] for record in records)
    assert up.stop() == 0
    assert processes_of(state_dir) == []
    assert not (state_dir / "connection.env").exists()
