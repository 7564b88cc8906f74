"""Which version is this? Asked of the installed distribution, or of the checkout that runs without being installed."""

from __future__ import annotations

import importlib.metadata
import tomllib
from functools import cache
from pathlib import Path


@cache
def version() -> str:
    try:
        return importlib.metadata.version("litemaas")
    except importlib.metadata.PackageNotFoundError:
        project = Path(__file__).parents[3] / "pyproject.toml"
        return (
            str(tomllib.loads(project.read_text(encoding="utf-8"))["project"]["version"])
            if project.exists()
            else "unknown"
        )
