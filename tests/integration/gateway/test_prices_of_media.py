"""Are seconds, characters and images held before a call and paid exactly after it?"""

from __future__ import annotations

import asyncio
import io
import json
import wave
from typing import Any

import httpx2
import pytest

from .harness import Platform, answer, scripted

SECOND, CHARACTER, IMAGE = 100_000, 15_000, 40_000_000
"""Prices in nano-USD."""


def wav(seconds: float) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(16_000)
        writer.writeframes(bytes(int(seconds * 16_000) * 2))
    return file.getvalue()


async def transcribe(platform: Platform, key: str, model: str, sound: bytes = b"", **fields: str) -> httpx2.Response:
    return await platform.http.post(
        "/v1/audio/transcriptions", files={"file": ("a.wav", sound or wav(2), "audio/wav")},
        data={"model": model, **fields}, headers={"Authorization": f"Bearer {key}"},
    )  # fmt: skip


async def add_whisper(platform: Platform, name: str, url: str) -> None:
    price = {"second_per_million": 0.0001}
    await platform.add_model(name, url, "w", mode="audio_transcription", price=(0, 0), media_price=price)


def units(record: Any) -> dict[str, float]:
    return json.loads(record["metadata"])["units"]


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        ({"text": "x", "usage": {"type": "duration", "seconds": 7}}, 7),
        ({"text": "x", "duration": 12.345, "segments": []}, 12.345),
        ({"text": "x", "duration": "2.5"}, 2.5),
    ],
)
async def test_a_transcription_is_paid_by_the_seconds_that_the_engine_heard(
    platform: Platform, key: str, said: dict[str, Any], seconds: float
) -> None:
    async with scripted(answer(json.dumps(said).encode())) as engine:
        name = f"whisper-{seconds}"
        await add_whisper(platform, name, engine.url)
        reply = await transcribe(platform, key, name)
        assert reply.status_code == 200, reply.text
        assert reply.json() == said
    record = await platform.record(key)
    assert record["cost_nano"] == record["input_cost_nano"] == round(seconds * SECOND)
    assert (record["usage_source"], units(record)) == ("engine", {"seconds": seconds})
    assert float(reply.headers["x-litellm-response-cost"]) == pytest.approx(seconds * 0.0001)
    assert await platform.ledger.settled(key) == record["cost_nano"]


async def test_where_the_engine_is_silent_the_file_says_how_long_it_is(platform: Platform, key: str) -> None:
    async with scripted(answer(b"Good morning", headers=b"content-type: text/plain\r\n")) as engine:
        await add_whisper(platform, "whisper-text", engine.url)
        assert (await transcribe(platform, key, "whisper-text", wav(3), response_format="text")).text == "Good morning"
    record = await platform.record(key)
    assert 3 * SECOND <= record["cost_nano"] <= 3 * SECOND * 1.01
    assert record["usage_source"] == "engine"


async def test_the_last_subtitle_tells_when_neither_does(platform: Platform, key: str) -> None:
    subtitles = b"1\n00:00:00,000 --> 00:00:02,000\nGood\n\n2\n00:00:02,000 --> 00:01:01,500\nmorning\n"
    async with scripted(answer(subtitles, headers=b"content-type: text/plain\r\n")) as engine:
        await add_whisper(platform, "whisper-srt", engine.url)
        await transcribe(platform, key, "whisper-srt", b"OggS" + bytes(9000), response_format="srt")
    assert units(await platform.record(key)) == {"seconds": 61.5}


async def test_a_length_that_nobody_knows_is_estimated_and_marked(platform: Platform, key: str) -> None:
    async with scripted(answer(b'{"text":"Good morning"}')) as engine:
        await add_whisper(platform, "whisper-ogg", engine.url)
        await transcribe(platform, key, "whisper-ogg", b"OggS" + bytes(39_996))
    record = await platform.record(key)
    assert (record["usage_source"], units(record), record["cost_nano"]) == ("estimate", {"seconds": 10}, 10 * SECOND)


async def test_a_sound_that_the_budget_does_not_cover_never_reaches_the_engine(platform: Platform) -> None:
    key = await platform.ledger.add_key(max_budget_nano=SECOND // 2)
    async with scripted() as engine:
        await add_whisper(platform, "whisper-dear", engine.url)
        reply = await transcribe(platform, key, "whisper-dear", wav(10))
        assert (reply.status_code, reply.json()["error"]["type"]) == (400, "budget_exceeded")
        assert engine.received == []
    assert (await platform.record(key))["cost_nano"] == 0


async def test_ten_sounds_at_once_do_not_pass_a_budget_for_three(platform: Platform) -> None:
    key = await platform.ledger.add_key(max_budget_nano=10 * 3 * SECOND + SECOND)
    async with scripted(answer(b'{"text":"x","usage":{"type":"duration","seconds":10}}')) as engine:
        await add_whisper(platform, "whisper-many", engine.url)
        replies = await asyncio.gather(*(transcribe(platform, key, "whisper-many", wav(9.9)) for _ in range(10)))
    passed = [reply for reply in replies if reply.status_code == 200]
    assert len(passed) <= 3
    assert passed
    records = await platform.records(key, 10)
    assert sum(record["cost_nano"] for record in records) == len(passed) * 10 * SECOND
    await platform.no_room_is_held(key)


async def test_a_sound_of_unknown_length_gets_all_that_is_left_and_nobody_else_beside_it(platform: Platform) -> None:
    """A file of 90 kB lasts up to two minutes; what is left covers two seconds."""
    key = await platform.ledger.add_key(max_budget_nano=2 * SECOND)
    async with scripted(answer(b'{"text":"x","usage":{"type":"duration","seconds":2}}')) as engine:
        await add_whisper(platform, "whisper-vague", engine.url)
        sound = b"OggS" + bytes(90_000)
        replies = await asyncio.gather(*(transcribe(platform, key, "whisper-vague", sound) for _ in range(5)))
        assert len(engine.received) == 1
    assert sorted(reply.status_code for reply in replies) == [200, 400, 400, 400, 400]
    await platform.no_room_is_held(key)


async def test_speech_is_paid_by_the_characters_of_its_text(platform: Platform) -> None:
    text = "Grüß Gott, 世界"
    key = await platform.ledger.add_key(max_budget_nano=len(text) * CHARACTER)
    async with scripted(answer(b"ID3\0\xff", headers=b"content-type: audio/mpeg\r\n")) as engine:
        await platform.add_model("tts", engine.url, "t", mode="audio_speech", price=(0, 0),
                                 media_price={"character_per_million": 0.000015})  # fmt: skip
        body = {"model": "tts", "input": text, "voice": "a"}
        assert (await platform.post("/v1/audio/speech", key, body)).content == b"ID3\0\xff"
        record = await platform.record(key)
        assert record["cost_nano"] == len(text) * CHARACTER
        assert units(record) == {"characters": len(text)}
        refused = await platform.post("/v1/audio/speech", key, body)
        assert refused.json()["error"]["type"] == "budget_exceeded"
        assert len(engine.received) == 1


async def test_speech_that_the_engine_breaks_off_costs_nothing(platform: Platform, key: str) -> None:
    broken = b"HTTP/1.1 200 OK\r\ncontent-type: audio/mpeg\r\ncontent-length: 100\r\n\r\nID3"
    async with scripted(broken, then="close") as engine:
        await platform.add_model("tts-broken", engine.url, "t", mode="audio_speech", price=(0, 0),
                                 media_price={"character_per_million": 0.000015})  # fmt: skip
        with pytest.raises(httpx2.RemoteProtocolError):
            await platform.post("/v1/audio/speech", key, {"model": "tts-broken", "input": "Hello", "voice": "a"})
    assert (await platform.record(key))["cost_nano"] == 0


async def test_a_client_that_leaves_in_the_middle_of_speech_pays_for_its_text(platform: Platform, key: str) -> None:
    begun = b"HTTP/1.1 200 OK\r\ncontent-type: audio/mpeg\r\ncontent-length: 100\r\n\r\nID3"
    async with scripted(begun, then="silent") as engine:
        await platform.add_model("tts-left", engine.url, "t", mode="audio_speech", price=(0, 0),
                                 media_price={"character_per_million": 0.000015})  # fmt: skip
        body = {"model": "tts-left", "input": "Hello", "voice": "a"}
        headers = {"Authorization": f"Bearer {key}"}
        async with platform.http.stream("POST", "/v1/audio/speech", json=body, headers=headers) as reply:
            assert await anext(reply.aiter_raw()) == b"ID3"
        record = await platform.record(key)
    assert (record["status"], record["cost_nano"]) == ("cancelled", 5 * CHARACTER)


async def test_images_are_held_as_asked_and_paid_as_made(platform: Platform) -> None:
    key = await platform.ledger.add_key(max_budget_nano=4 * IMAGE)
    made = answer(json.dumps({"created": 1, "data": [{"b64_json": "a"}, {"b64_json": "b"}]}).encode())
    async with scripted(made) as engine:
        await platform.add_model("painter", engine.url, "p", mode="image_generation", price=(0, 0),
                                 media_price={"image_per_million": 0.04})  # fmt: skip
        body = {"model": "painter", "prompt": "a boat"}
        refused = await platform.post("/v1/images/generations", key, {**body, "n": 5})
        assert refused.json()["error"]["type"] == "budget_exceeded"
        assert engine.received == []
        assert (await platform.post("/v1/images/generations", key, {**body, "n": 3})).status_code == 200
        form = {"image": ("a.png", b"\x89PNG", "image/png")}
        edited = await platform.http.post(
            "/v1/images/edits", files=form, data={"model": "painter", "prompt": "a ship", "n": "2"},
            headers={"Authorization": f"Bearer {key}"},
        )  # fmt: skip
        assert edited.status_code == 200, edited.text
        assert (await platform.post("/v1/images/generations", key, body)).status_code == 400
    records = await platform.records(key, 4)
    assert [record["cost_nano"] for record in records] == [0, 2 * IMAGE, 2 * IMAGE, 0]
    assert units(records[1]) == {"images": 2}


async def test_a_request_price_is_due_once_however_many_images_are_made(platform: Platform, key: str) -> None:
    async with scripted(answer(b'{"data":[{},{}]}')) as engine:
        await platform.add_model("painter-2", engine.url, "p", mode="image_generation", price=(0, 0),
                                 media_price={"image_per_million": 0.04, "request_per_million": 0.001})  # fmt: skip
        await platform.post("/v1/images/generations", key, {"model": "painter-2", "prompt": "a boat", "n": 2})
    assert (await platform.record(key))["cost_nano"] == 2 * IMAGE + 1_000_000


def spoken_chat(prompt: int, completion: int, heard: int = 0, said: int = 0) -> bytes:
    """An answer; asked for the tokens of a prompt, too."""
    usage = {
        "prompt_tokens": prompt, "completion_tokens": completion, "prompt_tokens_details": {"audio_tokens": heard},
        "completion_tokens_details": {"audio_tokens": said},
    }  # fmt: skip
    message = {"index": 0, "message": {"role": "assistant", "content": "x"}, "finish_reason": "stop"}
    chat = {"id": "c", "object": "chat.completion", "model": "e", "choices": [message], "usage": usage}
    return json.dumps(chat | {"count": prompt}).encode()


async def test_tokens_of_sound_are_paid_at_their_own_price(platform: Platform, key: str) -> None:
    async with scripted(answer(spoken_chat(10, 8, heard=6, said=5))) as engine:
        price = {"audio_input_per_million": 0.00001, "audio_output_per_million": 0.00002}
        await platform.add_model("hears", engine.url, "e", media_price=price)
        assert (await platform.chat(key, model="hears")).status_code == 200
    record = await platform.record(key)
    assert (record["input_cost_nano"], record["output_cost_nano"]) == (4 * 1000 + 6 * 10_000, 3 * 2000 + 5 * 20_000)


async def test_a_long_prompt_is_held_and_paid_at_its_own_price_and_a_short_one_at_the_usual(platform: Platform) -> None:
    prices = {"input_above_128k_per_million": 0.000003, "output_above_128k_per_million": 0.000005}
    async with scripted(answer(spoken_chat(130_000, 10))) as engine:
        await platform.add_model("long", engine.url, "e", media_price=prices)
        long = [{"role": "user", "content": "w" * 131_000}]
        dear = await platform.ledger.add_key(max_budget_nano=131_000 * 3_000 + 10_000_000)
        assert (await platform.chat(dear, model="long", messages=long, max_tokens=10)).status_code == 200
        assert (await platform.record(dear))["cost_nano"] == 130_000 * 3_000 + 10 * 5_000
        usual = await platform.ledger.add_key(max_budget_nano=131_000 * 2_000)  # enough at the usual price alone
        refused = await platform.chat(usual, model="long", messages=long, max_tokens=10)
        assert refused.json()["error"]["type"] == "budget_exceeded"
        engine.reply = answer(spoken_chat(100, 10))
        assert (await platform.chat(usual, model="long", max_tokens=10)).status_code == 200
    assert [r["cost_nano"] for r in await platform.records(usual, 2)] == [0, 100 * 1_000 + 10 * 2_000]
