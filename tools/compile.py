"""How does the hot path become fast? The same Python files, compiled ahead by mypyc wherever there is a C compiler.

    python tools/compile.py [DIRECTORY]

makes DIRECTORY (build/compiled by default) a copy of what runs, with the modules of HOT_PATH compiled beside their sources;
with its ``src`` first on ``PYTHONPATH`` the compiled ones are used. What is up to date is not made again. Without a compiler
this says so and leaves nothing behind: the interpreted package does the same for about twice the CPU time.
"""

from __future__ import annotations

import compileall
import hashlib
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
COPIED = ("src", "migrations", "pyproject.toml")
DIGEST = "sources.sha256"
HOT_PATH = """
    core/digits core/money core/pricing core/usage kit/ids kit/ticks
    gateway/admission gateway/bodies gateway/budgets gateway/call gateway/caller_metrics gateway/captures gateway/cooling
    gateway/dispatch
    gateway/endpoints/base gateway/endpoints/media_parts
    gateway/endpoints/count_tokens gateway/endpoints/foreign gateway/endpoints/media
    gateway/endpoints/docling gateway/endpoints/engine_paths gateway/endpoints/openai gateway/endpoints/pass_through
    gateway/endpoints/responses
    gateway/endpoints/table
    gateway/endpoints/tokenize gateway/engines gateway/fallbacks
    gateway/guardrails gateway/header_labels gateway/http/answers gateway/http/client gateway/http/connection gateway/http/heads
    gateway/http/messages gateway/http/server
    gateway/http/stepping gateway/http/turns gateway/identity gateway/journal gateway/lanes
    gateway/leasing gateway/measured gateway/metering
    gateway/metrics gateway/permits gateway/providers/bridge gateway/providers/native gateway/proxy gateway/ratelimits
    gateway/records gateway/relay gateway/renaming gateway/reply_headers
    gateway/routing gateway/running gateway/settlement gateway/shared_rates gateway/sse gateway/standing
    gateway/trust gateway/strategies gateway/targets gateway/tries gateway/upstream gateway/wishes
""".split()  # noqa: SIM905 - as a list it would be three times as long
"""What runs for every call. Classes made by msgspec cannot be compiled and stay in modules of their own."""


class CompilerFailed(Exception):
    """Says what the compilers said."""


def main(target: Path) -> int:
    missing = what_is_missing()
    if missing:
        shutil.rmtree(target, ignore_errors=True)
        say(f"{missing}: the gateway runs interpreted, which takes about twice the CPU time")
        write_bytecode(PROJECT / "src", PROJECT / "src")
        return 0
    digest = digest_of_sources()
    if (target / DIGEST).is_file() and (target / DIGEST).read_text() == digest:
        return 0
    say("compiling the gateway's hot path (about half a minute, once per version)")
    fresh = target.with_name(f"{target.name}.{os.getpid()}")
    try:
        compile_into(fresh)
        write_bytecode(fresh / "src", target / "src")
        (fresh / DIGEST).write_text(digest)
        shutil.rmtree(target, ignore_errors=True)
        fresh.rename(target)
    except CompilerFailed as failed:
        shutil.rmtree(target, ignore_errors=True)
        say(f"the hot path could not be compiled, so the gateway runs interpreted:\n{failed}")
        return 1
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    return 0


def say(words: str) -> None:
    sys.stdout.write(f"· {words}\n")
    sys.stdout.flush()


def what_is_missing() -> str:
    if not shutil.which("cc"):
        return "there is no C compiler (on Debian: apt-get install gcc libc6-dev)"
    if not Path(sysconfig.get_path("include"), "Python.h").is_file():
        return "Python's headers are missing (on Debian: apt-get install python3-dev)"
    return ""


def digest_of_sources() -> str:
    digest = hashlib.sha256(f"{sys.version} {sysconfig.get_platform()}".encode())
    ours = [Path(__file__), Path(__file__).with_name("compile_here.py")]
    for name in COPIED:
        path = PROJECT / name
        ours += sorted(file for file in path.rglob("*") if file.is_file()) if path.is_dir() else [path]
    for path in ours:
        if path.suffix not in {".pyc", ".so"}:
            digest.update(f"{path.relative_to(PROJECT)}\0".encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()


def compile_into(directory: Path) -> None:
    """Errors: CompilerFailed."""
    for name in COPIED:
        source = PROJECT / name
        if source.is_dir():
            shutil.copytree(source, directory / name, ignore=shutil.ignore_patterns("__pycache__", "*.so"))
        else:
            shutil.copy(source, directory / name)
    compiler = Path(__file__).with_name("compile_here.py")
    done = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, str(compiler), *[f"litemaas/{name}.py" for name in HOT_PATH]],
        cwd=directory / "src", env=os.environ | {"CC": "cc"}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    if done.returncode:
        raise CompilerFailed(done.stdout)


def write_bytecode(sources: Path, home: Path) -> None:
    """Once, here: where PYTHONDONTWRITEBYTECODE is set, every process would else compile it all at each start.

    ``home``: where the sources will be when they run.
    """
    compileall.compile_dir(sources, quiet=2, stripdir=str(sources), prependdir=str(home))


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]).resolve() if len(sys.argv) > 1 else PROJECT / "build" / "compiled"))
