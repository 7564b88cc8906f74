"""What do these tests look at? The files of the repository, and the modules of the package."""

from __future__ import annotations

import subprocess
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "src"
_NOT_OURS = {".venv", ".litemaas", ".git", "__pycache__", "node_modules"}


@cache
def _tracked() -> tuple[Path, ...]:
    listing = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT, capture_output=True, timeout=30, check=False,
    )  # fmt: skip
    if listing.returncode == 0:
        names = listing.stdout.decode().split("\0")[:-1]
    else:  # an archive instead of a clone
        names = [str(path.relative_to(ROOT)) for path in ROOT.rglob("*") if not _NOT_OURS & set(path.parts)]
    return tuple(path for name in sorted(set(names)) if (path := ROOT / name).is_file())


@pytest.fixture(scope="session")
def root() -> Path:
    return ROOT


@pytest.fixture(scope="session")
def tracked_files() -> tuple[Path, ...]:
    """What git keeps, or would keep."""
    return _tracked()


@pytest.fixture(scope="session")
def modules() -> dict[str, Path]:
    """Dotted name → file of every module of the package."""
    found = {}
    for path in sorted((SOURCE / "litemaas").rglob("*.py")):
        parts = path.relative_to(SOURCE).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found
