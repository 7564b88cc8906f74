"""Do callbacks hear of every settled call, of its figures only, and does no call wait for them?"""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from litemaas.core.keys import hash_key
from litemaas.gateway.callbacks import callbacks
from litemaas.gateway.http.client import Pool
from litemaas.gateway.http.limits import ClientLimits
from litemaas.gateway.settings import CallbackSettings
from litemaas.kit.settings import SettingsError
from litemaas.sim.testing import SimulatedServers

from .conftest import seed
from .harness import QUESTION, Platform, Reply, answer, gateway_settings, running, scripted, until

TAKEN: Reply = answer(b"{}")


def settings_with(database_url: str, folder: Path, **own: Any) -> Any:
    settings = gateway_settings(database_url, folder, worker_id="gateway-callbacks")
    return msgspec.structs.replace(settings, callbacks=CallbackSettings(**{"flush_interval_s": 0.02, **own}))


def counted(platform: Platform, callback: str, outcome: str) -> float:
    start = f'litemaas_gateway_callback_calls_total{{callback="{callback}",outcome="{outcome}"}} '
    return next(
        float(one[len(start) :])
        for one in platform.gateway.metrics.render().decode().splitlines()
        if one.startswith(start)
    )


async def test_an_endpoint_hears_of_calls_in_batches_without_what_was_said(
    database_url: str, sim: SimulatedServers, tmp_path: Path
):
    await seed(database_url, sim)
    async with scripted(TAKEN) as listener:
        settings = settings_with(
            database_url, tmp_path, endpoint=f"{listener.url}/logs", headers="Authorization=Bearer abc,X-A=1"
        )
        async with running(settings, sim) as platform:
            key = await platform.ledger.add_key(alias="told", user_id=None)
            await platform.catch_up()
            await platform.chat(key, tags=["blue"], user="customer-1")
            await platform.chat(key, model="nonesuch")
            await until_sent(platform, "generic_api", 2)
        told = [record for _, body in listener.received for record in json.loads(body)]
    head = listener.head
    assert head.startswith(b"POST /v1/logs HTTP/1.1\r\n")
    assert b"authorization: Bearer abc\r\nx-a: 1\r\n" in head
    good, bad = sorted(told, key=lambda record: str(record["status"]), reverse=True)
    assert (good["status"], good["call_type"], good["model_group"], good["custom_llm_provider"]) == (
        "success", "acompletion", "granite", "hosted_vllm")  # fmt: skip
    assert (good["total_tokens"] > 0, good["response_cost"] > 0, good["endTime"] > good["startTime"]) == (
        True,
        True,
        True,
    )
    assert (good["request_tags"], good["end_user"]) == (["blue"], "customer-1")
    assert (good["metadata"]["user_api_key_hash"], good["metadata"]["user_api_key_alias"]) == (hash_key(key), "told")
    assert (bad["status"], bad["response_cost"], bad["error_information"]) == ("failure", 0, {"error_code": "400"})
    said = b"".join(body for _, body in listener.received)
    assert QUESTION["messages"][0]["content"].encode() not in said  # type: ignore[index]
    assert key.encode() not in said
    assert (good["messages"], good["response"]) == (None, None)


async def until_sent(platform: Platform, callback: str, calls: int) -> None:
    async def sent() -> bool:
        return counted(platform, callback, "sent") >= calls

    await until(sent)


async def test_langfuse_hears_of_a_trace_with_its_generation(database_url: str, sim: SimulatedServers, tmp_path: Path):
    await seed(database_url, sim)
    async with scripted(answer(b'{"successes":[],"errors":[]}', "207 Multi-Status")) as langfuse:
        host = langfuse.url.removesuffix("/v1")
        settings = settings_with(
            database_url, tmp_path, langfuse_host=host, langfuse_public_key="pk-1", langfuse_secret_key="sk-1"
        )
        async with running(settings, sim) as platform:
            key = await platform.ledger.add_key()
            await platform.catch_up()
            call_id = (await platform.chat(key)).headers["x-litellm-call-id"]
            await until_sent(platform, "langfuse", 1)
        trace, generation = json.loads(langfuse.body)["batch"]
    assert langfuse.head.startswith(b"POST /api/public/ingestion HTTP/1.1\r\n")
    assert base64.b64encode(b"pk-1:sk-1") in langfuse.head
    assert (trace["type"], generation["type"], generation["body"]["traceId"]) == (
        "trace-create",
        "generation-create",
        call_id,
    )
    assert generation["body"]["usageDetails"]["total"] > 0
    assert "input" not in trace["body"]
    assert "input" not in generation["body"]


@pytest.mark.parametrize(("events", "statuses"), [("success", ["success"]), ("failure", ["failure"])])
@pytest.mark.parametrize("form", ["ndjson", "single"])
async def test_only_the_events_that_were_asked_for_are_told_in_the_form_that_was(
    database_url: str, sim: SimulatedServers, tmp_path: Path, events: str, statuses: list[str], form: str
):
    await seed(database_url, sim)
    async with scripted(TAKEN) as listener:
        async with running(
            settings_with(database_url, tmp_path, endpoint=listener.url, events=events, format=form), sim
        ) as platform:
            key = await platform.ledger.add_key()
            await platform.catch_up()
            await platform.chat(key)
            await platform.chat(key, model="nonesuch")
            await until_sent(platform, "generic_api", 1)
        told = [json.loads(line)["status"] for _, body in listener.received for line in body.split(b"\n")]
    assert told == statuses


async def test_a_listener_that_is_away_is_told_later_and_the_rest_at_the_very_end(
    database_url: str, sim: SimulatedServers, tmp_path: Path
):
    await seed(database_url, sim)
    async with scripted(answer(b"", "503 Service Unavailable")) as listener:
        async with running(settings_with(database_url, tmp_path, endpoint=listener.url), sim) as platform:
            key = await platform.ledger.add_key()
            await platform.catch_up()
            assert (await platform.chat(key)).status_code == 200

            async def was_tried() -> bool:
                return bool(listener.received)

            await until(was_tried)
            listener.reply = TAKEN
        told = {record["id"] for _, body in listener.received for record in json.loads(body)}
        assert (len(told), platform.gateway.callbacks is not None) == (1, True)
        assert counted(platform, "generic_api", "sent") == 1


async def test_what_is_refused_or_too_much_is_dropped_and_counted(
    database_url: str, sim: SimulatedServers, tmp_path: Path
):
    await seed(database_url, sim)
    async with (
        scripted(answer(b"", "401 Unauthorized")) as listener,
        running(settings_with(database_url, tmp_path, endpoint=listener.url), sim) as platform,
    ):
        key = await platform.ledger.add_key()
        await platform.catch_up()
        await platform.chat(key)

        async def dropped() -> bool:
            return counted(platform, "generic_api", "dropped") == 1

        await until(dropped)
    async with scripted(b"", then="silent") as listener:
        settings = settings_with(
            database_url, tmp_path, endpoint=listener.url, most_waiting=1, flush_interval_s=60, timeout_s=0.1
        )
        async with running(settings, sim) as platform:
            for _ in range(3):
                assert (await platform.chat(key)).status_code == 200
            assert counted(platform, "generic_api", "dropped") == 2
        assert counted(platform, "generic_api", "dropped") == 3


@pytest.mark.parametrize("own", [
    {"endpoint": "collector"}, {"endpoint": "http://x", "format": "xml"}, {"endpoint": "http://x", "events": "all"},
    {"endpoint": "http://x", "headers": "Authorization"}, {"langfuse_public_key": "pk", "langfuse_host": "langfuse"},
])  # fmt: skip
def test_what_cannot_be_told_stops_the_start(own: dict[str, str]):
    with pytest.raises(SettingsError, match="LITEMAAS_CALLBACKS__"):
        callbacks(CallbackSettings(**own), Pool(ClientLimits()))


def test_nobody_is_told_without_an_address():
    assert callbacks(CallbackSettings(), Pool(ClientLimits())) is None
