"""How much does a browser fetch before it shows something? The bundle's files, as they are sent: compressed.

The first view is what index.html names plus what home, sign-in and the shell load at once; every other page loads its own
chunks when it is opened.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from litemaas.control.app.portal import find_bundle

BUNDLE = find_bundle()
FIRST_VIEW_BYTES = 175_000
"""The contract allows 200 kB; what lies between is room for what comes."""
CHUNK_BYTES = 100_000
FIRST_MODULES = ("src/features/home/Home.tsx", "src/features/login/Login.tsx")
LANGUAGE = "virtual:texts/core/en"

pytestmark = pytest.mark.skipif(BUNDLE is None, reason="the portal is not built (make portal)")


def packed(name: str) -> int:
    assert BUNDLE is not None
    return (BUNDLE / f"{name}.gz").stat().st_size


def with_imports(manifest: dict[str, dict[str, object]], key: str, seen: set[str]) -> set[str]:
    """The files that come with a chunk, without what it loads later."""
    if key in seen:
        return set()
    seen.add(key)
    chunk = manifest[key]
    files = {str(chunk["file"]), *map(str, chunk.get("css", []))}  # type: ignore[call-overload]
    for other in chunk.get("imports", []):  # type: ignore[attr-defined]
        files |= with_imports(manifest, other, seen)
    return files


@pytest.fixture(scope="module")
def manifest() -> dict[str, dict[str, object]]:
    assert BUNDLE is not None
    read: dict[str, dict[str, object]] = json.loads((BUNDLE / "manifest.json").read_text(encoding="utf-8"))
    return read


@pytest.mark.parametrize("page", FIRST_MODULES)
def test_the_first_view_is_small(manifest: dict[str, dict[str, object]], page: str):
    texts = next(key for key in manifest if key.endswith(LANGUAGE))
    files = set[str]()
    for key in ("index.html", page, texts):
        files |= with_imports(manifest, key, set())
    sizes = {name: packed(name) for name in files if re.search(r"\.(js|css)$", name)}
    assert sum(sizes.values()) <= FIRST_VIEW_BYTES, dict(sorted(sizes.items(), key=lambda one: -one[1])[:12])


def test_no_other_chunk_is_large():
    assert BUNDLE is not None
    sizes = {file.name: file.stat().st_size for file in (BUNDLE / "assets").glob("*.gz")}
    assert {name: size for name, size in sizes.items() if size > CHUNK_BYTES} == {}


def test_every_file_that_is_named_is_there(manifest: dict[str, dict[str, object]]):
    assert BUNDLE is not None
    files = {str(chunk["file"]) for chunk in manifest.values()}
    assert [name for name in sorted(files) if not (Path(BUNDLE) / name).is_file()] == []
