"""On what was measured? Machine, versions and the commit, so that a figure can be judged later."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import subprocess
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
_PACKAGES = ("uvloop", "httptools", "msgspec", "orjson", "asyncpg", "hiredis", "redis")


def describe(candidates: dict[str, str]) -> dict[str, Any]:
    """``candidates``: their versions by name."""
    return {
        "cpu": _cpu_model(),
        "cores": os.cpu_count(),
        "hot_path": "interpreted" if source() == ROOT / "src" else "compiled",
        "memory_mib": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20,
        "kernel": f"{platform.system()} {platform.release()}",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "packages": {name: importlib.metadata.version(name) for name in _PACKAGES},
        "wrk": _said("wrk", "-v").partition(" [")[0].removeprefix("wrk ").strip(),
        "candidates": candidates,
    }


def source() -> Path:
    """The package that is measured: compiled by ``make compiled`` where that was possible, else as it is interpreted."""
    compiled = ROOT / "build" / "compiled" / "src"
    return compiled if compiled.is_dir() else ROOT / "src"


def commit() -> dict[str, Any]:
    """The commit, and whether code that is measured differs from it."""
    return {
        "commit": _said("git", "rev-parse", "HEAD") or "unknown",
        "dirty": bool(_said("git", "status", "--porcelain", "--", "src", "benchmarks/*.py")),
    }


def _said(*command: str) -> str:
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=10, check=False)
    except OSError:
        return ""
    return done.stdout.strip()


def _cpu_model() -> str:
    info = Path("/proc/cpuinfo")
    for line in info.read_text().splitlines() if info.exists() else ():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or "unknown"
