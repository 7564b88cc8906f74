"""What does a measurement need to know of a candidate?"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

import httpx2

from benchmarks import canned
from benchmarks.processes import Child


class CandidateMissing(Exception):
    """A candidate cannot be had here; the message says what would help."""


@dataclass(frozen=True)
class Place:
    """Where a run happens. ``sut_core``: of the candidate; ``load_core``: of load, upstream and everything else."""

    folder: Path
    cache: Path
    sut_core: int
    load_core: int
    upstream_port: int

    @property
    def upstream_url(self) -> str:
        return f"http://127.0.0.1:{self.upstream_port}"


@dataclass
class Candidate:
    """One way to the upstream.

    ``pid``: of the process that is measured with all its descendants; None where there is none. ``helpers``: processes that
    work for it on the other core.
    """

    name: str
    port: int
    model: str = canned.ENGINE_MODEL
    answered_model: str = canned.ENGINE_MODEL
    key: str = "sk-benchmark-0123456789abcdef"
    path: str = "/v1/chat/completions"
    pid: int | None = None
    version: str = ""
    helpers: list[int] = field(default_factory=list)
    audit: Callable[[int, int], Awaitable[str]] | None = None
    """Called at the end with the calls that came back and those that may have been cut off; says what it found."""

    @property
    def authorization(self) -> str:
        return f"Bearer {self.key}"


async def until_answers(child: Child, url: str, within_s: float, headers: dict[str, str] | None = None) -> None:
    """Errors: CandidateMissing with the end of the log."""
    deadline = asyncio.get_running_loop().time() + within_s
    async with httpx2.AsyncClient(timeout=5.0, trust_env=False, headers=headers) as client:
        while child.is_running and asyncio.get_running_loop().time() < deadline:
            try:
                if (await client.get(url)).status_code == 200:
                    return
            except httpx2.HTTPError:
                pass
            await asyncio.sleep(0.1)
    raise CandidateMissing(f"it does not answer at {url}; the end of its log: {child.said()}")
