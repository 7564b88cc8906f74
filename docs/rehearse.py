"""Do the commands in README.md and docs/how-to work as they are written? They are run against a platform that is running.

    cd folder-in-which-the-demo-runs && python …/docs/rehearse.py

Every ``sh`` block is run by bash in the current folder, in the order of the pages; a status of 400 or more fails it.
A comment before a block excuses it: ``<!-- not rehearsed: why -->``, or ``<!-- refusals are expected -->``.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
_BLOCK = re.compile(r"(?:<!-- (?P<remark>[^\n]*) -->\n)?^```(?:sh|bash)\n(?P<code>.*?)^```$", re.MULTILINE | re.DOTALL)
_FAIL_ON_REFUSALS = 'curl() { command curl --fail-with-body "$@"; }\n'
_WITHIN_S = 60


def blocks(page: Path) -> Iterator[tuple[str, bool]]:
    """The blocks to run, and whether a refusal fails them."""
    for match in _BLOCK.finditer(page.read_text(encoding="utf-8")):
        remark = match["remark"] or ""
        if not remark.startswith("not rehearsed"):
            yield match["code"], remark != "refusals are expected"


def main(names: list[str]) -> int:
    pages = [ROOT / "README.md", *sorted((ROOT / "docs" / "how-to").glob("*.md"))]
    failed = 0
    with tempfile.TemporaryDirectory() as programs:
        for name, command in (("litemaas", "-m litemaas"), ("python", "")):
            program = Path(programs, name)
            program.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} {command} "$@"\n', encoding="ascii")
            program.chmod(0o700)
        environ = os.environ | {"PATH": f"{programs}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT / "src")}
        for page in pages:
            if names and page.stem not in names:
                continue
            for code, strict in blocks(page):
                sys.stdout.write(f"--- {page.name}\n{code}")
                sys.stdout.flush()
                script = (_FAIL_ON_REFUSALS if strict else "") + code
                command = ["bash", "-c", script]
                ended = subprocess.run(command, env=environ, timeout=_WITHIN_S, check=False)  # noqa: S603  our own pages
                sys.stdout.write(f"\n--- status {ended.returncode}\n")
                failed += ended.returncode != 0
    sys.stdout.write(f"{failed} block(s) failed\n")
    return min(failed, 1)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
