"""``python -m benchmarks``: measures, prints the page, and keeps it under ``benchmarks/results/``."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import shutil
import signal
import sys
import tempfile
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks import machine
from benchmarks.candidates.base import Candidate, CandidateMissing, Place
from benchmarks.candidates.litellm import litellm
from benchmarks.candidates.litemaas import litemaas
from benchmarks.candidates.nginx import nginx
from benchmarks.candidates.routers import sglang_router, vllm_router
from benchmarks.plan import Plan, make_plan
from benchmarks.processes import Child
from benchmarks.report import render
from benchmarks.rounds import Measurement
from benchmarks.summary import summarise

_RESULTS = machine.ROOT / "benchmarks" / "results"
_PAGE = machine.ROOT / "docs" / "explanation" / "performance.md"
_PEERS = {"litellm": litellm, "vllm-router": vllm_router, "sglang-router": sglang_router}
_BEGIN, _END = "<!-- newest run: begin -->\n", "<!-- newest run: end -->\n"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "--peer",
        action="append",
        choices=list(_PEERS),
        default=[],
        help="measure this one, too; it is installed at the first use",
    )
    parser.add_argument("--quick", action="store_true", help="short rounds, to see whether something is badly off")
    parser.add_argument("--only", choices=["json", "sse", "rss"])
    parser.add_argument("--load", choices=["own", "wrk"], default="own", help="what loads JSON; wrk for a cross-check")
    parser.add_argument("--quote", action="store_true", help=f"show this run in {_PAGE.relative_to(machine.ROOT)}")
    parser.add_argument("--no-save", action="store_true", help="only print")
    return parser.parse_args()


async def _measure(place: Place, plan: Plan, load_side: Child, peers: list[str]) -> dict[str, Any]:
    candidates = [Candidate("direct", place.upstream_port)]
    missing: dict[str, str] = {}
    audits: dict[str, str] = {}
    wanted = {"nginx": nginx, "litemaas": litemaas} | {name: _PEERS[name] for name in peers}
    async with AsyncExitStack() as stack:
        for name, open_candidate in wanted.items():
            print(f"· starting {name}", flush=True)
            try:
                candidates.append(await stack.enter_async_context(open_candidate(place)))
            except CandidateMissing as reason:
                missing[name] = str(reason)
                print(f"· {name} is left out: {reason}", file=sys.stderr)
        measurement = Measurement(place, plan, candidates, load_side)
        await measurement.run()
        for candidate in candidates:
            if candidate.audit is not None:
                name = candidate.name
                audits[name] = await candidate.audit(measurement.answered[name], measurement.cut[name])
    versions = {candidate.name: candidate.version for candidate in candidates}
    return {
        "machine": machine.describe(versions), "commit": machine.commit(), "rounds": plan.rounds, "seconds": plan.seconds,
        **summarise(measurement), "audits": audits, "missing": missing,
        "raw": [
            {"kind": case.kind, "parallel": case.parallel, "rounds": rounds} for case, rounds in measurement.results.items()
        ],
    }  # fmt: skip


async def _run(arguments: argparse.Namespace) -> dict[str, Any]:
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        raise SystemExit("two cores are needed: one for the candidate, one for the load")
    sut_core, load_core = cores[:2]
    os.sched_setaffinity(0, {load_core})
    folder = Path(tempfile.mkdtemp(prefix="litemaas-bench-"))
    load_side = Child(
        [sys.executable, "-m", "benchmarks.load_side"], core=load_core, log=folder / "load-side.log", pipes=True,
        environ=os.environ | {"PYTHONPATH": str(machine.ROOT)},
    )  # fmt: skip
    try:
        port = json.loads(load_side.hear())["port"]
        place = Place(folder, machine.ROOT / ".litemaas" / "bench", sut_core, load_core, port)
        plan = make_plan(quick=arguments.quick, only=arguments.only, load=arguments.load)
        result = await _measure(place, plan, load_side, arguments.peer)
    finally:
        load_side.stop()
        shutil.rmtree(folder, ignore_errors=True)
    command = " ".join(["python -m benchmarks", *sys.argv[1:]])
    return {"at": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"), "command": command, **result}


def _save(result: dict[str, Any], page: str) -> None:
    _RESULTS.mkdir(exist_ok=True)
    name = f"{result['at'][:10]}-{result['commit']['commit'][:8]}"
    (_RESULTS / f"{name}.json").write_text(json.dumps(result, indent=1) + "\n")
    (_RESULTS / f"{name}.md").write_text(page.strip() + "\n")
    print(f"· kept as benchmarks/results/{name}.json and .md")


def _quote(page: str) -> None:
    text = _PAGE.read_text()
    before, _, rest = text.partition(_BEGIN)
    _, _, after = rest.partition(_END)
    _PAGE.write_text(f"{before}{_BEGIN}\n{page.strip()}\n\n{_END}{after}")


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def main() -> int:
    arguments = _arguments()
    tools = [("setpriv", "util-linux"), ("taskset", "util-linux")] + (
        [("wrk", "wrk")] if arguments.load == "wrk" else []
    )
    for tool, hint in tools:
        if shutil.which(tool) is None:
            print(f"{tool} is not installed: apt-get install {hint}", file=sys.stderr)
            return 2
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        result = asyncio.run(_run(arguments))
    except KeyboardInterrupt:
        print("interrupted; everything is stopped", file=sys.stderr)
        return 130
    page = render(result)
    print("\n" + page)
    if not arguments.no_save:
        _save(result, page)
    if arguments.quote:
        _quote(page)
    return 0


if __name__ == "__main__":
    sys.exit(main())
