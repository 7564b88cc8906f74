"""Who does the compiling? mypyc, on the modules that are named, in the directory that holds the package."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from pathlib import Path

from mypyc.build import mypycify
from setuptools import setup

_SETTINGS = """
[mypy]
python_version = 3.11
ignore_missing_imports = True
follow_imports = silent
"""


def main(modules: list[str]) -> None:
    work = Path(tempfile.mkdtemp(prefix="litemaas-compile-"))
    try:
        settings = work / "mypy.ini"
        settings.write_text(_SETTINGS)
        extensions = mypycify(
            ["--config-file", str(settings), "--cache-dir", str(work / "cache"), *modules],
            opt_level="2", debug_level="0", multi_file=True, target_dir=str(work / "c"), group_name="litemaas_hot",
        )  # fmt: skip
        jobs = str(min(len(os.sched_getaffinity(0)), 8))
        build = [
            "build_ext",
            "--inplace",
            "--build-temp",
            str(work / "objects"),
            "--build-lib",
            str(work / "lib"),
            "-j",
            jobs,
        ]
        setup(name="litemaas", packages=[], ext_modules=extensions, script_args=["-q", *build])
    finally:
        shutil.rmtree(work, ignore_errors=True)


if __name__ == "__main__":
    main(sys.argv[1:])
