"""How does the portal's source become a bundle, and its contract a typed client? With node, where there is one.

    python tools/portal.py build [--draft]   makes portal/dist where it is not up to date; --draft: missing texts are English
    python tools/portal.py client            writes portal/src/lib/schema.d.ts from the control plane's OpenAPI
    python tools/portal.py browser           installs Debian's Chromium where it is missing and we may
    python tools/portal.py screenshots       pictures of every page of a demo, in build/screenshots
    python tools/portal.py run SCRIPT [...]  runs a script of portal/package.json

Without a fitting node each of them says so and exits with 0: everything else works without the portal.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parent.parent
PORTAL = PROJECT / "portal"
BUNDLE = PORTAL / "dist"
CLIENT = PORTAL / "src/lib/schema.d.ts"
CONTRACT = PORTAL / "openapi.json"
CHROMIUMS = (os.environ.get("CHROMIUM") or "/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome")
LOWEST_NODE = (20, 19)
_SOURCES = (
    "package.json",
    "package-lock.json",
    "vite.config.ts",
    "index.html",
    "src",
    "public",
    "texts",
    "scripts/texts.mjs",
)
_DIGEST = PROJECT / "build/portal.sha256"
_INSTALLED = PORTAL / "node_modules/.package-lock.sha256"
_SETTINGS = {
    "LITEMAAS_DATABASE_URL": "postgresql://nobody@nowhere/nothing",
    "LITEMAAS_MASTER_KEY": "sk-0123456789abcdef",
    "LITEMAAS_ENCRYPTION_KEY": "0123456789abcdef",
}
"""What an application needs to be made; it opens nothing before its first request."""


class PortalFailed(Exception):
    """Says what node's tools said."""


def say(text: str) -> None:
    sys.stdout.write(f"· portal: {text}\n")
    sys.stdout.flush()


# -- the contract ---------------------------------------------------------------------------------------------------------


def contract() -> dict[str, Any]:
    """The control plane's OpenAPI, as this checkout has it."""
    from litemaas.control.app import Settings, create_app
    from litemaas.kit.settings import load_settings

    described: dict[str, Any] = create_app(load_settings(Settings, _SETTINGS)).openapi()
    return described


def digest_of(described: Mapping[str, Any]) -> str:
    """Which contract is it? Words that no type depends on do not count."""
    return hashlib.sha256(json.dumps(_bare(described), sort_keys=True).encode()).hexdigest()


def _bare(part: Any) -> Any:
    if isinstance(part, dict):
        words = ("description", "summary", "title", "example", "examples")
        return {name: _bare(value) for name, value in part.items() if name not in words or isinstance(value, dict)}
    return [_bare(one) for one in part] if isinstance(part, list) else part


def digest_in(client: str) -> str | None:
    """Which contract was this client made from?"""
    found = re.match(r"// contract ([0-9a-f]{64})\n", client)
    return found and found.group(1)


def write_client() -> None:
    described = contract()
    CONTRACT.write_text(json.dumps(described), encoding="utf-8")
    install()
    _npm("run", "--silent", "client")
    CLIENT.write_text(f"// contract {digest_of(described)}\n{CLIENT.read_text(encoding='utf-8')}", encoding="utf-8")
    say(f"{CLIENT.relative_to(PROJECT)} is written")


# -- node -----------------------------------------------------------------------------------------------------------------


def missing_node() -> str | None:
    """Why nothing of the portal can be made here; None = it can."""
    node = shutil.which("node")
    wanted = ".".join(map(str, LOWEST_NODE))
    if node is None or shutil.which("npm") is None:
        return f"node {wanted} or newer, with npm, is not here"
    said = subprocess.run([node, "--version"], capture_output=True, text=True, check=False).stdout  # noqa: S603
    version = tuple(map(int, re.findall(r"\d+", said)[:2]))
    return None if version >= LOWEST_NODE else f"node {said.strip() or '?'} is too old; {wanted} or newer is needed"


def _npm(*arguments: str, environ: Mapping[str, str] | None = None, shown: bool = False) -> None:
    """Errors: PortalFailed"""
    command = [shutil.which("npm") or "npm", *arguments]
    environment = {**os.environ, **(environ or {})}
    output = None if shown else subprocess.PIPE
    done = subprocess.run(command, cwd=PORTAL, env=environment, stdout=output, stderr=subprocess.STDOUT, check=False)  # noqa: S603
    if done.returncode:
        raise PortalFailed(
            f"npm {' '.join(arguments)}:\n{(done.stdout or b'').decode(errors='replace')[-4000:]}".rstrip()
        )


def install() -> None:
    """The packages of the lock; no script of theirs is run."""
    wanted = hashlib.sha256((PORTAL / "package-lock.json").read_bytes()).hexdigest()
    if _INSTALLED.is_file() and _INSTALLED.read_text(encoding="ascii") == wanted:
        return
    say("installing hash-locked packages (once; about a minute)")
    _npm("ci", "--ignore-scripts")
    _INSTALLED.write_text(wanted, encoding="ascii")


# -- the bundle -----------------------------------------------------------------------------------------------------------


def digest_of_sources() -> str:
    found = hashlib.sha256()
    for source in map(PORTAL.joinpath, _SOURCES):
        for file in sorted(source.rglob("*")) if source.is_dir() else [source]:
            if file.is_file():
                found.update(file.relative_to(PORTAL).as_posix().encode() + b"\0" + file.read_bytes())
    return found.hexdigest()


def is_current(*, draft: bool) -> bool:
    """A bundle without a missing text is good as a draft, too."""
    if not (BUNDLE / "index.html").is_file() or not _DIGEST.is_file():
        return False
    kind, _, digest = _DIGEST.read_text(encoding="ascii").partition(" ")
    return digest == digest_of_sources() and (draft or kind == "whole")


def build(*, draft: bool) -> None:
    if is_current(draft=draft):
        return
    began = time.monotonic()
    install()
    say("building the bundle")
    fresh = PROJECT / "build/portal"
    _npm("run", "--silent", "build", environ={"PORTAL_DRAFT": "1" if draft else "", "PORTAL_OUT": "../build/portal"})
    if BUNDLE.exists():
        shutil.rmtree(BUNDLE)
    fresh.rename(BUNDLE)
    _DIGEST.parent.mkdir(exist_ok=True)
    _DIGEST.write_text(f"{'draft' if draft else 'whole'} {digest_of_sources()}", encoding="ascii")
    say(f"built in {time.monotonic() - began:.0f} s")


# -- a browser ------------------------------------------------------------------------------------------------------------


def provide_browser() -> None:
    """Debian's Chromium, where we may install it; without it journeys are skipped, with the reason."""
    if any(Path(place).exists() for place in CHROMIUMS):
        return
    apt = shutil.which("apt-get")
    if apt is None or os.geteuid() != 0:
        say("no Chromium is here: journeys through the portal are skipped (on Debian: apt-get install chromium)")
        return
    say("installing Chromium for the journeys through the portal")
    environ = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in ((apt, "update", "-q"), (apt, "install", "-y", "-q", "--no-install-recommends", "chromium")):
        done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False, timeout=600)  # noqa: S603
        if done.returncode:
            say(
                f"Chromium cannot be installed, journeys are skipped: {' '.join(done.stderr.strip().splitlines()[-1:])}"
            )
            return


def take_screenshots() -> None:
    """Of a demo of its own, which ends afterwards."""
    with tempfile.TemporaryDirectory(prefix="litemaas-") as folder:
        state = Path(folder) / "state"
        environ = {
            **os.environ,
            "LITEMAAS_STATE_DIR": str(state),
            "LITEMAAS_GATEWAY__PORT": "0",
            "LITEMAAS_CONTROL__PORT": "0",
        }
        up = subprocess.Popen(
            [sys.executable, "-m", "litemaas", "up", "--demo"], env=environ, stdout=subprocess.DEVNULL
        )
        try:
            connection = state / "connection.env"
            until = time.monotonic() + 120
            while not connection.exists():
                if up.poll() is not None or time.monotonic() > until:
                    raise PortalFailed("the demo does not start")
                time.sleep(0.2)
            (address,) = re.findall(r"LITEMAAS_CONTROL_URL='?([^'\s]+)", connection.read_text(encoding="utf-8"))
            script = ("run", "--silent", "screenshots", "--", str(PROJECT / "build/screenshots"))
            _npm(*script, environ={"LITEMAAS_CONTROL_URL": address}, shown=True)
        finally:
            up.send_signal(signal.SIGINT)
            up.wait(60)


def main(arguments: Sequence[str]) -> int:
    what, *rest = arguments or ["build"]
    reason = missing_node()
    if reason is not None:
        has_bundle = what == "build" and (BUNDLE / "index.html").is_file()
        say(f"{reason}; {'the bundle that is there stays as it is' if has_bundle else f'skipped ({what})'}")
        return 0
    try:
        if what == "build":
            build(draft="--draft" in rest)
        elif what == "client":
            write_client()
        elif what == "browser":
            provide_browser()
        elif what == "screenshots":
            take_screenshots()
        else:
            install()
            _npm("run", "--silent", *rest, shown=True)
    except PortalFailed as error:
        say(str(error))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
