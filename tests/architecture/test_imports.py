"""Do the layers hold? As written in pyproject.toml, and as it turns out when a plane is imported."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

_WITHIN_S = 300.0
_FRAMEWORKS = {"fastapi", "starlette", "pydantic", "sqlalchemy", "uvicorn", "httpx2", "alembic", "typer"}


def _python(root: Path, program: str, *arguments: str) -> str:
    environ = os.environ | {"PYTHONPATH": str(root / "src")}
    ended = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        env=environ, capture_output=True, text=True, timeout=_WITHIN_S, check=False,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def test_import_contracts_are_kept(root: Path):
    program = "from importlinter.cli import lint_imports; raise SystemExit(lint_imports(no_cache=True))"
    environ = os.environ | {"PYTHONPATH": str(root / "src")}
    ended = subprocess.run(
        [sys.executable, "-c", program],
        cwd=root, env=environ, capture_output=True, text=True, timeout=_WITHIN_S, check=False,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stdout + ended.stderr


@pytest.mark.parametrize(
    ("module", "forbidden"),
    [
        ("litemaas.gateway.app", _FRAMEWORKS),
        ("litemaas.core.errors", _FRAMEWORKS | {"asyncpg", "redis", "asyncio"}),
        ("litemaas.control.app", _FRAMEWORKS),
        ("litemaas.cli.main", _FRAMEWORKS - {"typer"} | {"asyncpg", "uvloop"}),
    ],
)
def test_importing_a_module_loads_no_framework_that_it_does_not_need(root: Path, module: str, forbidden: set[str]):
    program = (
        f"import sys, json, {module}; print(json.dumps(sorted({{name.partition('.')[0] for name in sys.modules}})))"
    )
    loaded = set(json.loads(_python(root, program)))
    assert not loaded & forbidden


_WATCH = """
import importlib, json, os, sys, threading

PACKAGE = "litemaas"
PASSED_OVER = ("os", "collections", "pathlib", "socket")  # _collections_abc calls itself collections.abc
seen = []

def ours():
    # The module at whose top level we are, if the code that runs now is the package's own.
    frame = sys._getframe(2)
    while frame is not None and frame.f_globals.get("__name__", "").partition(".")[0] in PASSED_OVER:
        frame = frame.f_back
    name = frame.f_globals.get("__name__", "") if frame is not None else ""
    return name if name.startswith(PACKAGE) else None

def audit(event, arguments):
    if event in ("socket.__new__", "socket.connect", "socket.bind", "subprocess.Popen", "os.fork", "os.mkdir", "os.remove"):
        seen.append(f"{event} {arguments!r:.200}")
    elif event == "open" and isinstance(arguments[1], str) and set(arguments[1]) & set("wax+"):
        seen.append(f"{event} {arguments!r:.200}")

read = os._Environ.__getitem__
def reading(self, name):
    if (module := ours()) is not None:
        seen.append(f"{module} reads the variable {name}")
    return read(self, name)
os._Environ.__getitem__ = reading

for third_party in sys.argv[2:]:  # what they do at their import is theirs
    importlib.import_module(third_party)
threads = threading.active_count()
sys.dont_write_bytecode = True
sys.addaudithook(audit)
for module in json.loads(sys.argv[1]):
    importlib.import_module(module)
if threading.active_count() != threads:
    seen.append("a thread was started")
json.dump(seen, sys.stdout)
"""
_THIRD_PARTY = ("fastapi", "uvicorn", "sqlalchemy.ext.asyncio", "asyncpg", "redis.asyncio", "httpx2", "uvloop", "typer",
                "rich.console", "structlog", "prometheus_client", "cryptography.hazmat.primitives.ciphers.aead")  # fmt: skip


def test_importing_any_module_does_nothing(root: Path, modules: dict[str, Path]):
    seen = json.loads(_python(root, _WATCH, json.dumps(list(modules)), *_THIRD_PARTY))
    assert seen == []
