"""Are large forms taken in and passed on without filling memory, and refused as early as they can be?"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest

from litemaas.gateway.settings import RoutingSettings
from litemaas.sim.testing import SimulatedServers

from .harness import Platform, answer, gateway_settings, running, scripted, until

BOUNDARY = "an-upload-0123456789"
MIB = 1024 * 1024
PIECE = bytes(range(256)) * 1024
MOST_MIB = 24
"""What resident memory may grow by while 200 MiB pass through client, gateway and engine, which share this process."""


class Reader:
    """An engine that reads requests in small pieces and keeps only a digest of each body.

    ``refuse_after``: bytes of a body after which it answers 413 and reads no further.
    """

    def __init__(self) -> None:
        self.reply = answer(b'{"text":"Good morning","usage":{"type":"duration","seconds":3}}')
        self.refuse_after: int | None = None
        self.bodies: list[tuple[int, str, bytes, bytes]] = []
        """Length, digest, first and last bytes."""
        self.heads: list[bytes] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                self.heads.append(head)
                await self._body(head, reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def _body(self, head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        lengths = [line[15:] for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
        length = rest = int(lengths[0])
        digest, first, last = hashlib.sha256(), b"", b""
        while rest:
            data = await reader.read(min(rest, 65_536))
            if not data:
                raise ConnectionError
            rest -= len(data)
            digest.update(data)
            first, last = (first + data)[:4096], (last + data)[-4096:]
            if self.refuse_after is not None and length - rest > self.refuse_after:
                writer.write(answer(b'{"error":{"message":"too long for this engine"}}', "413 Content Too Large"))
                await writer.drain()
                raise ConnectionError
        self.bodies.append((length, digest.hexdigest(), first, last))
        writer.write(self.reply)
        await writer.drain()


@asynccontextmanager
async def reading() -> AsyncIterator[tuple[Reader, str]]:
    engine = Reader()
    server = await asyncio.start_server(engine.serve, "127.0.0.1", 0)
    async with server:
        yield engine, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"


def field(name: str, value: str) -> bytes:
    return f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()


def file_head(name: str = "file") -> bytes:
    lines = f'Content-Disposition: form-data; name="{name}"; filename="long.ogg"\r\nContent-Type: audio/ogg\r\n\r\n'
    return f"--{BOUNDARY}\r\n{lines}".encode()


async def form(pieces: int, *, before: bytes = b"", after: bytes = b"", name: str = "file") -> AsyncIterator[bytes]:
    """A file of so many pieces of 256 KiB between fields."""
    yield before + file_head(name)
    for _ in range(pieces):
        yield PIECE
    yield b"\r\n" + after + f"--{BOUNDARY}--\r\n".encode()


async def send(
    platform: Platform, key: str, content: AsyncIterator[bytes], path: str = "/v1/audio/transcriptions"
) -> httpx2.Response:
    told = {"Authorization": f"Bearer {key}", "content-type": f"multipart/form-data; boundary={BOUNDARY}"}
    return await platform.http.post(path, content=content, headers=told)


def upload_head(key: str, framing: str) -> bytes:
    return (
        f"POST /v1/audio/transcriptions HTTP/1.1\r\nhost: x\r\n{framing}\r\nauthorization: Bearer {key}\r\n"
        f"content-type: multipart/form-data; boundary={BOUNDARY}\r\n\r\n"
    ).encode()


def resident_mib() -> float:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / MIB


def open_files() -> int:
    """Files of this process that have no name: uploads, and whatever tests are captured with."""
    found = 0
    for descriptor in Path("/proc/self/fd").iterdir():
        try:
            target = str(descriptor.readlink())
        except OSError:  # closed since
            continue
        found += target.startswith(tempfile.gettempdir()) and target.endswith("(deleted)")
    return found


@pytest.fixture(autouse=True)
async def files_before() -> AsyncIterator[int]:
    """No test may leave the file of an upload behind."""
    before = open_files()
    yield before

    async def none_is_left() -> bool:
        return open_files() == before

    await until(none_is_left)


@pytest.fixture(scope="module")
async def roomy(
    module_database: str, module_sim: SimulatedServers, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Platform]:
    """A gateway that takes bodies of 300 MiB, 310 MiB at once, and tries a call three times."""
    settings = gateway_settings(
        module_database, tmp_path_factory.mktemp("gateway"), max_body_bytes=300 * MIB, upload_bytes=310 * MIB,
        worker_id="uploads",
        routing=RoutingSettings(retries=2, retry_pause_s=0.01, allowed_failures_alone=1000, probe_interval_s=0),
    )  # fmt: skip
    async with running(settings, module_sim) as platform:
        yield platform


@pytest.fixture
async def owner(roomy: Platform) -> str:
    return await roomy.ledger.add_key()


async def add_whisper(platform: Platform, name: str, url: str, **columns: Any) -> None:
    await platform.add_model(name, url, "whisper-large", mode="audio_transcription", price=(0, 0),
                             media_price={"second_per_million": 0.0001}, **columns)  # fmt: skip


async def test_two_hundred_mebibytes_pass_without_filling_memory(roomy: Platform, owner: str) -> None:
    """The model stands behind the file, as OpenAI's documentation has it for curl."""
    after = field("model", "whisper") + field("response_format", "json")
    async with reading() as (engine, url):
        await add_whisper(roomy, "whisper", url)
        await send(roomy, owner, form(8, after=after))  # whatever is loaded on first use is
        before, most = resident_mib(), 0.0
        call = asyncio.create_task(send(roomy, owner, form(800, after=after)))
        while not call.done():
            most = max(most, resident_mib() - before)
            await asyncio.sleep(0.01)
        reply = call.result()
        assert reply.status_code == 200, reply.text
        assert reply.json()["text"] == "Good morning"
        assert most < MOST_MIB
        (_, (length, _, first, last)) = engine.bodies
        assert length > 200 * MIB
        assert first.count(b'name="model"\r\n\r\nwhisper-large\r\n') == 1
        assert b'name="model"' not in last
        assert b'name="response_format"\r\n\r\njson' in last
        assert BOUNDARY.encode() not in first + last
    records = await roomy.records(owner, 2)
    assert [record["cost_nano"] for record in records] == [300_000, 300_000]


async def test_the_file_is_the_same_whichever_way_it_came(roomy: Platform, owner: str) -> None:
    """Small in memory, larger through a file; with the model before it and behind it."""
    async with reading() as (engine, url):
        await add_whisper(roomy, "whisper-same", url)
        model = field("model", "whisper-same")
        for pieces in (0, 1, 5):
            for before, after in ((model, b""), (b"", model)):
                reply = await send(roomy, owner, form(pieces, before=before, after=after))
                assert reply.status_code == 200, reply.text
                length, _, first, last = engine.bodies[-1]
                assert f"content-length: {length}".encode() in engine.heads[-1].lower()
                content = (PIECE * pieces)[-1000:]
                assert content + b"\r\n--" in last
                assert first.count(b'filename="long.ogg"') == 1
    assert len(await roomy.records(owner, 6)) == 6


async def test_what_was_taken_in_is_sent_again_to_another_deployment(roomy: Platform, owner: str) -> None:
    async with reading() as (bad, bad_url), reading() as (good, good_url):
        bad.reply = answer(b'{"error":{"message":"out of memory"}}', "503 Service Unavailable")
        await add_whisper(roomy, "whisper-again", bad_url, weight=1_000_000)
        await add_whisper(roomy, "whisper-again", good_url, weight=1)
        reply = await send(roomy, owner, form(8, after=field("model", "whisper-again")))
        assert reply.status_code == 200, reply.text
        assert [body[0] for body in bad.bodies] == [body[0] for body in good.bodies]
        assert bad.bodies[0][1] == good.bodies[0][1]
    record = await roomy.record(owner)
    assert (record["attempts"], record["status"]) == (2, "success")


async def test_an_engine_that_refuses_early_is_not_sent_the_rest(roomy: Platform, owner: str) -> None:
    async with reading() as (engine, url):
        engine.refuse_after = MIB
        await add_whisper(roomy, "whisper-early", url)
        reply = await send(roomy, owner, form(200, before=field("model", "whisper-early")))
        assert reply.status_code == 413
        assert "too long for this engine" in reply.json()["error"]["message"]
        assert engine.bodies == []
    assert (await roomy.record(owner))["cost_nano"] == 0


@pytest.mark.parametrize("told", [True, False])
async def test_a_body_that_is_too_large_is_refused_while_it_arrives(roomy: Platform, owner: str, told: bool) -> None:
    framing = f"content-length: {500 * MIB}" if told else "transfer-encoding: chunked"
    reader, writer = await asyncio.open_connection("127.0.0.1", roomy.gateway.port)
    writer.write(upload_head(owner, framing))
    answered = asyncio.create_task(reader.readuntil(b"\r\n\r\n"))
    sent = 0
    async for piece in form(2000, before=field("model", "whisper")):
        if answered.done():
            break
        writer.write(piece if told else b"%x\r\n%b\r\n" % (len(piece), piece))
        sent += len(piece)
        await writer.drain()
        await asyncio.sleep(0)
    assert (await answered).startswith(b"HTTP/1.1 413 ")
    assert b'"param":"request_body"' in await reader.read()
    writer.close()
    assert sent < (8 if told else 312) * MIB
    assert (await roomy.record(owner))["http_status"] == 413


async def test_a_client_that_leaves_in_the_middle_is_no_call_of_the_engine(
    roomy: Platform, owner: str, files_before: int
) -> None:
    async with scripted() as engine:
        await add_whisper(roomy, "whisper-left", engine.url)
        _, writer = await asyncio.open_connection("127.0.0.1", roomy.gateway.port)
        writer.write(upload_head(owner, "content-length: 99999999"))
        writer.write(field("model", "whisper-left") + file_head() + PIECE * 8)
        await writer.drain()

        async def taken_in() -> bool:
            return open_files() == files_before + 1

        await until(taken_in)
        writer.close()
        record = await roomy.record(owner)
        assert (record["status"], record["http_status"], record["cost_nano"]) == ("cancelled", 499, 0)
        assert engine.received == []


async def test_uploads_that_do_not_fit_beside_one_another_are_told_to_come_again(roomy: Platform, owner: str) -> None:
    sent, ends = asyncio.Event(), asyncio.Event()
    model = field("model", "whisper-room")

    async def waiting() -> AsyncIterator[bytes]:
        async for piece in form(1000, before=model):
            yield piece
        sent.set()
        await ends.wait()

    async with reading() as (_, url):
        await add_whisper(roomy, "whisper-room", url)
        first = asyncio.create_task(send(roomy, owner, waiting()))
        await sent.wait()
        second = await send(roomy, owner, form(300, before=model))
        assert (second.status_code, second.json()["error"]["type"]) == (503, "service_unavailable")
        assert second.headers["retry-after"] == "1"
        ends.set()
        assert (await first).status_code == 200
        assert (await send(roomy, owner, form(300, before=model))).status_code == 200


async def test_members_that_nobody_may_send_are_found_behind_the_file(roomy: Platform, owner: str) -> None:
    async with scripted() as engine:
        await add_whisper(roomy, "whisper-odd", engine.url)
        model = field("model", "whisper-odd")
        for odd, status in (
            (field("api_base", "http://elsewhere"), 401),
            (field("guardrails", "email"), 400),
            (field("model", "another"), 400),
            (field("note", "x" * 70_000), 400),
        ):
            reply = await send(roomy, owner, form(4, before=model, after=odd))
            assert reply.status_code == status, reply.text
        assert (await send(roomy, owner, form(4, before=model, name="sound"))).status_code == 400
        assert engine.received == []


async def test_a_large_document_is_converted(roomy: Platform, owner: str) -> None:
    done = {"document": {"json_content": {"pages": {"1": {}, "2": {}}}, "md_content": "# A"}, "status": "success"}
    async with reading() as (engine, url):
        engine.reply = answer(json.dumps(done).encode())
        await roomy.add_model("docling", url.removesuffix("/v1"), "docling", mode="conversion", provider="docling",
                              price=(0, 0), media_price={"page_per_million": 0.002})  # fmt: skip
        content = form(40, after=field("model", "docling"), name="files")
        reply = await send(roomy, owner, content, "/docling/v1/convert/file")
        assert reply.status_code == 200, reply.text
        assert reply.json()["document"] == {"json_content": None, "md_content": "# A"}
        ((length, _, first, last),) = engine.bodies
        assert length > 10 * MIB
        assert b"POST /v1/convert/file " in engine.heads[0]
        assert b'name="model"' not in first + last
        assert b'name="to_formats"\r\n\r\njson' in last
    record = await roomy.record(owner)
    assert (record["pages"], record["cost_nano"]) == (2, 4_000_000)
