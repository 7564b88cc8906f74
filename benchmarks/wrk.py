"""How does wrk load JSON, as a cross-check of our own load? Its first pass checks every body, later ones status and length."""

from __future__ import annotations

import asyncio
import json
import subprocess
from pathlib import Path
from typing import Any

from benchmarks import canned
from benchmarks.candidates.base import Candidate

_GRACE_S = 20.0
_SCRIPT = """\
wrk.method = "POST"
wrk.body = [==[%(body)s]==]
wrk.headers["Content-Type"] = "application/json"
wrk.headers["Authorization"] = "%(authorization)s"
local threads = {}
function setup(thread) table.insert(threads, thread); thread:set("bad", 0); thread:set("example", "") end
%(check)s
function done(summary, latency, requests)
  local bad, example = 0, ""
  for _, thread in ipairs(threads) do
    bad = bad + thread:get("bad")
    if thread:get("example") ~= "" then example = thread:get("example") end
  end
  local errors = summary.errors
  io.write(string.format('\\nresult {"requests":%%d,"seconds":%%.6f,"bytes":%%d,"errors":%%d,"bad":%%d,"p50_us":%%.1f,"p99_us":%%.1f}\\n',
    summary.requests, summary.duration / 1e6, summary.bytes,
    errors.connect + errors.read + errors.write + errors.status + errors.timeout, bad,
    latency:percentile(50), latency:percentile(99)))
  if example ~= "" then io.write("example " .. string.gsub(string.sub(example, 1, 600), "%%s+", " ") .. "\\n") end
end
"""  # noqa: E501
_CHECK = """\
function response(status, headers, body)
  if status ~= 200 or not string.find(body, "%(answer)s", 1, true) or not string.find(body, '"%(model)s"', 1, true)
      or not string.find(body, '"completion_tokens":%(tokens)d', 1, true) then
    bad = bad + 1
    example = status .. " " .. body
  end
end
"""


async def run(candidate: Candidate, connections: int, seconds: float, folder: Path, *, check: bool) -> dict[str, Any]:
    """One round. Whole seconds are all that wrk knows."""
    script = folder / f"{candidate.name}-{'check' if check else 'load'}.lua"
    checking = _CHECK % {
        "answer": canned.ANSWER, "model": candidate.answered_model, "tokens": canned.COMPLETION_TOKENS,
    }  # fmt: skip
    await asyncio.to_thread(
        script.write_text,
        _SCRIPT % {
            "body": canned.request_body(candidate.model).decode(), "authorization": candidate.authorization,
            "check": checking if check else "",
        },
    )  # fmt: skip
    whole = max(1, round(seconds))
    process = await asyncio.create_subprocess_exec(
        "setpriv", "--pdeathsig=KILL", "wrk", "-t1", f"-c{connections}", f"-d{whole}s", "--timeout", "10s", "-s",
        str(script), f"http://127.0.0.1:{candidate.port}{candidate.path}",
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
    )  # fmt: skip
    try:
        output, _ = await asyncio.wait_for(process.communicate(), whole + _GRACE_S)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    said = output.decode("utf-8", "replace")
    line = next((line for line in said.splitlines() if line.startswith("result ")), None)
    if line is None:
        raise RuntimeError(f"wrk gave no result: {said[-2000:]}")
    result: dict[str, Any] = json.loads(line.removeprefix("result "))
    result["errors"] += result.pop("bad")
    too_short = result["bytes"] < result["requests"] * len(canned.ANSWER)
    result["errors"] += int(too_short)
    result["example"] = next((text for text in said.splitlines() if text.startswith("example ")), "")
    return result
