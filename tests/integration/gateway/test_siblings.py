"""Are the numbers of several workers added up rightly, also when some are dead, silent, or tell nonsense?"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from litemaas.gateway.metrics import Metrics
from litemaas.gateway.siblings import Siblings

DEFECTS, SILENT = "litemaas_gateway_defects_total", "litemaas_gateway_silent_workers_total"
DURATION = "litemaas_gateway_request_duration_seconds"


@pytest.fixture
def numbers(tmp_path: Path) -> Path:
    directory = tmp_path / ("deep" * 40) / "workers"  # deeper than the path of a socket may be
    directory.mkdir(parents=True)
    return directory


@pytest.fixture
async def stack() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as stack:
        yield stack


async def worker(numbers: Path, name: str, stack: AsyncExitStack | None = None) -> tuple[Siblings, Metrics]:
    metrics = Metrics()
    metrics.gauges["litemaas_gateway_connections"] = ("Client connections.", lambda: 3.0)
    siblings = Siblings(numbers, name, metrics)
    await siblings.start()
    if stack is not None:
        stack.push_async_callback(siblings.stop)
    return siblings, metrics


async def read(siblings: Siblings) -> dict[str, float]:
    """Every sample by its name and the values of its labels."""
    families = text_string_to_metric_families((await siblings.render()).decode())
    samples = [sample for family in families for sample in family.samples]
    found = {s.name + (f"{sorted(s.labels.values())}" if s.labels else ""): s.value for s in samples}
    assert len(found) == len(samples)
    return found


async def test_counters_are_summed_and_gauges_stay_with_their_worker(numbers: Path, stack: AsyncExitStack) -> None:
    (a, counted_by_a), (_, counted_by_b) = [await worker(numbers, name, stack) for name in ("w-0", "w-1.example")]
    counted_by_a.defects, counted_by_b.defects = 2, 5
    counted_by_a.of("/chat/completions", "granite").durations.observe(0.02)
    counted_by_b.of("/chat/completions", "granite").durations.observe(0.2)
    counted_by_b.of("/embeddings", "nomic").durations.observe(0.2)
    found = await read(a)
    assert found[DEFECTS] == 7
    assert found[f"{DURATION}_count['/chat/completions', 'granite']"] == 2
    assert found[f"{DURATION}_bucket['/chat/completions', '0.025', 'granite']"] == 1
    assert found[f"{DURATION}_count['/embeddings', 'nomic']"] == 1
    assert found["litemaas_gateway_connections['w-0']"] == found["litemaas_gateway_connections['w-1.example']"] == 3


async def test_what_was_seen_of_a_worker_stays_counted_after_its_end_and_in_its_next_life(
    numbers: Path, stack: AsyncExitStack
) -> None:
    a, _ = await worker(numbers, "w-0", stack)
    b, counted_by_b = await worker(numbers, "w-1")
    counted_by_b.defects = 5
    await b.stop()
    found = await read(a)
    assert found[DEFECTS] == 5
    assert "litemaas_gateway_connections['w-1']" not in found
    _, counted_by_b = await worker(numbers, "w-1", stack)
    counted_by_b.defects = 1
    found = await read(a)
    assert found[DEFECTS] == 6
    assert found["litemaas_gateway_worker_starts_total"] == 3
    assert found[SILENT] == 0


@pytest.mark.parametrize(
    "answer", [None, b"", b"\x00nonsense", b"\x91" * 5000], ids=["silence", "nothing", "no", "deep"]
)
async def test_a_worker_that_tells_nothing_sensible_is_counted_with_what_it_told_before(
    numbers: Path, stack: AsyncExitStack, answer: bytes | None
) -> None:
    a, _ = await worker(numbers, "w-0", stack)
    b, counted_by_b = await worker(numbers, "w-1")
    counted_by_b.defects = 5
    await b.stop()
    hung = asyncio.Event()

    async def tell(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if answer is None:
            await hung.wait()
        else:
            writer.write(answer)
        writer.close()

    server = await asyncio.start_unix_server(tell, a._directory / "w-1.sock")
    found = await read(a)
    hung.set()
    server.close()
    assert found[DEFECTS] == 5
    assert found[SILENT] == 1


async def test_a_file_that_cannot_be_read_or_written_ends_nobodys_scrape(numbers: Path, stack: AsyncExitStack) -> None:
    (numbers / "w-1.counted").write_bytes(b"\xc1 torn")
    (numbers / "w-0.fresh").mkdir()
    a, counted = await worker(numbers, "w-0", stack)
    counted.defects = 1
    assert (await read(a))[DEFECTS] == 1
    (numbers / "w-0.fresh").rmdir()
