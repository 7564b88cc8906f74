"""How does a peer from PyPI get here? Into a virtual environment of its own, made at the first use and kept."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from benchmarks.candidates.base import CandidateMissing

_INSTALL_WITHIN_S = 900


def installed(folder: Path, requirement: str, program: str) -> Path:
    """The program in the environment ``folder``. Blocks, so it belongs into a thread.

    Errors: CandidateMissing.
    """
    path = folder / "bin" / program
    if path.exists():
        return path
    print(f"· installing {requirement} into an environment of its own; this takes a while", flush=True)
    shutil.rmtree(folder, ignore_errors=True)
    uv = Path(sys.executable).with_name("uv")
    python = folder / "bin" / "python"
    steps: tuple[list[str | Path], ...] = (
        [sys.executable, "-m", "venv", folder],
        [uv, "pip", "install", "--quiet", "--python", python, requirement]
        if uv.exists()
        else [python, "-m", "pip", "install", "--quiet", requirement],
    )
    for step in steps:
        try:
            subprocess.run([str(part) for part in step], timeout=_INSTALL_WITHIN_S, check=True)
        except (subprocess.SubprocessError, OSError) as error:
            shutil.rmtree(folder, ignore_errors=True)
            raise CandidateMissing(f"{requirement} cannot be installed from PyPI: {type(error).__name__}") from error
    if not path.exists():
        raise CandidateMissing(f"{requirement} brings no program {program}")
    return path


def version_of(program: Path, distribution: str) -> str:
    """Of what is installed beside the program. Blocks."""
    question = f"import importlib.metadata as m; print(m.version({distribution!r}))"
    python = program.with_name("python")
    done = subprocess.run([str(python), "-c", question], capture_output=True, text=True, timeout=60, check=True)
    return done.stdout.strip()
