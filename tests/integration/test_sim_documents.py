"""Does the Docling-Serve-like server convert at once and as a task, and count its pages?"""

from __future__ import annotations

import asyncio
import io
import zipfile
from base64 import b64encode
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest

from litemaas.sim.behaviour import Fault
from litemaas.sim.settings import SimSettings
from litemaas.sim.testing import SimulatedServers

SOURCE = "/v1/convert/source"
FILE = "/v1/convert/file"
WITHIN_S = 30.0


@pytest.fixture(scope="module")
async def servers() -> AsyncIterator[SimulatedServers]:
    async with SimulatedServers() as servers:
        yield servers


@pytest.fixture
def sim(servers: SimulatedServers) -> SimulatedServers:
    servers.reset()
    return servers


@pytest.fixture
async def client(sim: SimulatedServers) -> AsyncIterator[httpx2.AsyncClient]:
    async with httpx2.AsyncClient(base_url=sim.documents.url, timeout=WITHIN_S) as client:
        yield client


def file_source(content: bytes, filename: str = "report.pdf") -> dict[str, str]:
    return {"kind": "file", "base64_string": b64encode(content).decode(), "filename": filename}


def body(*sources: dict[str, str], **members: Any) -> dict[str, Any]:
    return {"sources": list(sources) or [file_source(b"x" * 6001)], **members}


async def test_file_has_a_page_for_every_three_thousand_bytes(
    sim: SimulatedServers, client: httpx2.AsyncClient
) -> None:
    answer = (await client.post(SOURCE, json=body(options={"to_formats": ["md", "json"]}))).json()
    document = answer["document"]
    assert (document["filename"], answer["status"], answer["errors"]) == ("report.pdf", "success", [])
    assert list(document["json_content"]["pages"]) == ["1", "2", "3"]
    assert document["json_content"]["pages"]["2"]["page_no"] == 2
    assert document["md_content"].startswith("# Report\n")
    assert document["html_content"] is None
    sums = sim.counters.of("documents", "docling")
    assert (sums.completed, sums.pages, sums.inputs) == (1, 3, 1)


async def test_same_document_gives_the_same_text(client: httpx2.AsyncClient) -> None:
    texts = {(await client.post(SOURCE, json=body())).json()["document"]["md_content"] for _ in range(2)}
    assert len(texts) == 1


async def test_text_file_keeps_its_words(client: httpx2.AsyncClient) -> None:
    source = file_source(b"Hello, this is mine.", "note.txt")
    assert (await client.post(SOURCE, json=body(source))).json()["document"]["md_content"] == "Hello, this is mine."


async def test_address_is_never_fetched(client: httpx2.AsyncClient) -> None:
    source = {"kind": "http", "url": "http://192.0.2.1/papers/deep_sea.pdf"}
    document = (await client.post(SOURCE, json=body(source))).json()["document"]
    assert document["filename"] == "deep_sea.pdf"
    assert "http://192.0.2.1/papers/deep_sea.pdf" in document["md_content"]


async def test_page_range_and_page_breaks_are_honoured(sim: SimulatedServers, client: httpx2.AsyncClient) -> None:
    options = {"page_range": [2, 3], "md_page_break_placeholder": "<!-- break -->"}
    text = (await client.post(SOURCE, json=body(options=options))).json()["document"]["md_content"]
    assert text.count("<!-- break -->") == 1
    assert text.startswith("## Page 2")
    assert sim.counters.of("documents").pages == 2


async def test_form_with_files_is_converted(sim: SimulatedServers, client: httpx2.AsyncClient) -> None:
    files = {"files": ("slides.pdf", b"y" * 3001, "application/pdf")}
    data = {"to_formats": ["text", "doctags"], "page_range": ["1", "1"], "do_ocr": "true"}
    document = (await client.post(FILE, files=files, data=data)).json()["document"]
    assert document["filename"] == "slides.pdf"
    assert document["md_content"] is None
    assert document["text_content"]
    assert document["doctags_content"].startswith("<doctag>")
    assert sim.counters.of("documents").pages == 1


async def test_zip_holds_a_file_for_every_document_and_format(
    sim: SimulatedServers, client: httpx2.AsyncClient
) -> None:
    files = [("files", ("a.pdf", b"a", "application/pdf")), ("files", ("b.pdf", b"b", "application/pdf"))]
    answer = await client.post(FILE, files=files, data={"target_type": "zip", "to_formats": ["md", "json"]})
    assert answer.headers["content-type"] == "application/zip"
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert archive.namelist() == ["a.md", "a.json", "b.md", "b.json"]
    assert (sim.counters.of("documents").inputs, sim.counters.of("documents").pages) == (2, 2)


@pytest.mark.parametrize("path", [SOURCE, FILE])
async def test_task_is_polled_and_its_result_is_that_of_the_call_at_once(
    sim: SimulatedServers, client: httpx2.AsyncClient, path: str
) -> None:
    sim.documents.behave(json_s=0.02)
    asked: dict[str, Any] = {"json": body()} if path == SOURCE else {"files": {"files": ("report.pdf", b"x" * 6001)}}
    task = (await client.post(f"{path}/async", **asked)).json()
    assert (task["task_type"], task["task_status"]) == ("convert", "pending")
    early = await client.get(f"/v1/result/{task['task_id']}")
    assert (early.status_code, "Please wait" in early.json()["detail"]) == (404, True)
    polled = (await client.get(f"/v1/status/poll/{task['task_id']}", params={"wait": WITHIN_S / 2})).json()
    assert polled["task_status"] == "success"
    result = (await client.get(f"/v1/result/{task['task_id']}")).json()
    assert result == (await client.post(path, **asked)).json()
    assert (sim.counters.of("documents").completed, sim.counters.of("documents").pages) == (2, 6)
    assert sim.counters.entries[0].engine_id == task["task_id"]


async def test_unknown_task_is_not_found(client: httpx2.AsyncClient) -> None:
    for path in ("/v1/status/poll/none", "/v1/result/none"):
        answer = await client.get(path)
        assert (answer.status_code, answer.json()) == (404, {"detail": "Task not found."})


async def test_task_that_still_runs_when_the_server_stops_has_failed() -> None:
    async with SimulatedServers() as sim, httpx2.AsyncClient(base_url=sim.documents.url, timeout=WITHIN_S) as client:
        sim.documents.behave(json_s=3600.0)
        task = (await client.post(f"{SOURCE}/async", json=body())).json()
        path = f"/v1/status/poll/{task['task_id']}"
        async with asyncio.timeout(WITHIN_S):
            while (await client.get(path)).json()["task_status"] != "started":
                pass
    assert (sim.counters.of("documents").failed, sim.counters.of("documents").pages) == (1, 0)


async def test_conversion_that_fails_has_no_pages(sim: SimulatedServers, client: httpx2.AsyncClient) -> None:
    sim.documents.behave(document_status="failure")
    answer = (await client.post(SOURCE, json=body())).json()
    assert (answer["status"], answer["document"]["md_content"], len(answer["errors"])) == ("failure", None, 1)
    assert sim.counters.of("documents").pages == 0


@pytest.mark.parametrize(
    "bad",
    [{}, {"sources": []}, {"sources": [{"kind": "s3"}]}, body({"kind": "file", "base64_string": "?", "filename": "x"}),
     body(options={"to_formats": ["pdf"]}), body(target={"kind": "put"})],
)  # fmt: skip
async def test_bad_request_is_unprocessable(sim: SimulatedServers, client: httpx2.AsyncClient, bad: Any) -> None:
    answer = await client.post(SOURCE, json=bad)
    assert (answer.status_code, answer.json()["detail"][0]["type"]) == (422, "value_error")
    assert sim.counters.of("documents").failed == 1


async def test_form_without_files_is_unprocessable(client: httpx2.AsyncClient) -> None:
    assert (await client.post(FILE, data={"to_formats": "md"})).status_code == 422
    wrong = {"files": {"files": ("a.pdf", b"a")}, "data": {"target_type": "paper"}}
    assert (await client.post(FILE, **wrong)).status_code == 422


async def test_client_that_leaves_is_counted_without_pages(sim: SimulatedServers, client: httpx2.AsyncClient) -> None:
    sim.documents.behave(json_s=60.0)
    with pytest.raises(httpx2.ReadTimeout):
        await client.post(SOURCE, json=body(), timeout=0.05)
    await sim.until_ended()
    assert (sim.counters.of("documents").cancelled, sim.counters.of("documents").pages) == (1, 0)


async def test_faults_meet_conversions(sim: SimulatedServers, client: httpx2.AsyncClient) -> None:
    sim.documents.behave(faults=(Fault("status", status=504, body={"detail": "Too long."}),))
    assert (await client.post(SOURCE, json=body())).status_code == 504
    assert (await client.post(f"{SOURCE}/async", json=body())).status_code == 504
    assert (await client.get("/health")).json() == {"status": "ok"}
    assert sim.counters.of("documents").failed == 2


async def test_api_key_is_asked_for_when_there_is_one() -> None:
    settings = SimSettings(documents_api_key="right", drain_s=0.2)
    async with (
        SimulatedServers(settings) as sim,
        httpx2.AsyncClient(base_url=sim.documents.url, timeout=WITHIN_S) as client,
    ):
        assert (await client.post(SOURCE, json=body())).status_code == 401
        assert (await client.post(SOURCE, json=body(), headers={"X-Api-Key": "right"})).status_code == 200
        assert (await client.get("/version")).json()["simulated"] is True
        assert "docling_pages_total" in (await client.get("/metrics")).text
