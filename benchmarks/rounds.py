"""How does one run measure all candidates fairly? All are up; each case goes round them again and again in a turning order."""

from __future__ import annotations

import asyncio
import json
import time
from collections import defaultdict
from typing import Any

from benchmarks import wrk
from benchmarks.candidates.base import Candidate, Place
from benchmarks.plan import Case, Plan
from benchmarks.processes import Child, core_busy_ns, cpu_ns, rss_bytes, tree

Round = dict[str, Any]
_SETTLE_S = 0.4
"""After a load, before its processor time is read: our records are written within 0.2 s, and that work belongs to it."""
_SETTLED_WITHIN_S = 15.0
_IDLE_SHARE = 0.03
QUIET = 0.03
"""A round counts as quiet when others took at most this share of its core."""


class Measurement:
    """Runs the plan. ``results``: rounds by case and candidate. ``answered``, ``cut``: calls for the audit."""

    def __init__(self, place: Place, plan: Plan, candidates: list[Candidate], load_side: Child) -> None:
        self.results: dict[Case, dict[str, list[Round]]] = {}
        self.idle_rss: dict[str, int] = {}
        self.answered: dict[str, int] = defaultdict(int)
        self.cut: dict[str, int] = defaultdict(int)
        self._place = place
        self._plan = plan
        self._candidates = candidates
        self._load_side = load_side

    async def run(self) -> None:
        await asyncio.sleep(1.0)
        for candidate in self._candidates:
            if candidate.pid is not None:
                self.idle_rss[candidate.name] = rss_bytes(tree(candidate.pid))
        for case in self._plan.cases:
            await self._run_case(case)

    async def _run_case(self, case: Case) -> None:
        rounds = self.results[case] = {candidate.name: [] for candidate in self._candidates}
        for candidate in self._candidates:
            warm_up = await self._load(candidate, case, self._plan.warm_up_s, check=True)
            await self._settle(tree(candidate.pid) if candidate.pid is not None else [])
            if warm_up["errors"]:
                raise RuntimeError(f"{candidate.name} answers wrongly: {warm_up}")
        for number in range(self._plan.rounds):
            turn = number % len(self._candidates)
            for candidate in self._candidates[turn:] + self._candidates[:turn]:
                rounds[candidate.name].append(await self._quiet_round(candidate, case))
            print(f"· {case.title}: round {number + 1} of {self._plan.rounds}", flush=True)

    async def _quiet_round(self, candidate: Candidate, case: Case) -> Round:
        """The quietest of some tries; what others do to the core is no property of the candidate."""
        best: Round | None = None
        for _ in range(self._plan.tries):
            this = await self._round(candidate, case)
            if best is None or this["foreign_share"] < best["foreign_share"]:
                best = this
            if best["foreign_share"] <= QUIET:
                break
        assert best is not None
        return best

    async def _round(self, candidate: Candidate, case: Case) -> Round:
        pids = tree(candidate.pid) if candidate.pid is not None else []
        helpers = [pid for helper in candidate.helpers for pid in tree(helper)]
        busy, began = core_busy_ns(self._place.sut_core), time.perf_counter_ns()
        cpu, helpers_cpu, served = cpu_ns(pids), cpu_ns(helpers), await self._served()
        result = await self._load(candidate, case, self._plan.seconds, check=False)
        loaded_rss = rss_bytes(pids)
        await self._settle(pids)
        used = cpu_ns(pids) - cpu
        elapsed = time.perf_counter_ns() - began
        result |= {
            "cpu_ns": used,
            "served": await self._served() - served,
            "helpers_cpu_ns": cpu_ns(helpers) - helpers_cpu,
            "rss_bytes": loaded_rss,
            "foreign_share": max(0, core_busy_ns(self._place.sut_core) - busy - used) / elapsed,
        }
        return result

    async def _settle(self, pids: list[int]) -> None:
        """Waits until the candidate has done what the load left behind; a slow one still works on calls that were cut off."""
        await asyncio.sleep(_SETTLE_S)
        deadline = time.monotonic() + _SETTLED_WITHIN_S
        before = cpu_ns(pids)
        while time.monotonic() < deadline:
            await asyncio.sleep(0.1)
            now = cpu_ns(pids)
            if now - before < _IDLE_SHARE * 1e8:
                return
            before = now

    async def _served(self) -> int:
        return int((await self._ask_load_side({}))["served"])

    async def _ask_load_side(self, command: dict[str, Any]) -> dict[str, Any]:
        self._load_side.tell(json.dumps(command).encode())
        answer: dict[str, Any] = json.loads(await asyncio.to_thread(self._load_side.hear))
        return answer

    async def _load(self, candidate: Candidate, case: Case, seconds: float, *, check: bool) -> Round:
        if self._plan.load == "wrk" and case.kind == "json":
            result = await wrk.run(candidate, case.parallel, seconds, self._place.folder, check=check)
            self.cut[candidate.name] += case.parallel
        else:
            command = {
                "kind": case.kind, "port": candidate.port, "path": candidate.path, "parallel": case.parallel,
                "model": candidate.model, "answered_model": candidate.answered_model, "seconds": seconds,
                "authorization": candidate.authorization, "most_calls": self._plan.most_calls,
            }  # fmt: skip
            result = await self._ask_load_side(command)
        self.answered[candidate.name] += result["requests"]
        return result
