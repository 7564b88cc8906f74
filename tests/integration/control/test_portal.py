"""Does the portal come to the browser with the right headers, and never in the place of an answer of the API?"""

from __future__ import annotations

import gzip
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from litemaas.control.app.portal import Portal, find_bundle
from litemaas.kit.settings import SettingsError


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    (tmp_path / "assets").mkdir()
    (tmp_path / "index.html").write_text("<!doctype html><title>portal</title>")
    (tmp_path / "theme.js").write_text("dark()")
    (tmp_path / "assets" / "main-4f2a.js").write_text("render()" * 100)
    (tmp_path / "assets" / "main-4f2a.js.gz").write_bytes(gzip.compress(b"render()" * 100))
    return tmp_path


@pytest.fixture
async def browser(app: Any, bundle: Path) -> AsyncIterator[httpx2.AsyncClient]:
    """A browser before sign-in; the portal is the application's last route while the test runs."""
    before = list(app.router.routes)
    app.router.routes[:] = [*(route for route in before if not isinstance(route, Portal)), Portal(bundle)]
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app), base_url="http://portal") as client:
        yield client
    app.router.routes[:] = before


@pytest.mark.parametrize(
    "path", ["/", "/index.html", "/api-keys", "/models/granite-3.3-8b", "/admin/settings/limits", "/login"]
)
async def test_every_page_of_the_portal_is_its_index_and_asked_for_again(browser: httpx2.AsyncClient, path: str):
    answer = await browser.get(path)
    assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-cache")
    assert answer.headers["content-type"].startswith("text/html")
    assert "<title>portal</title>" in answer.text


async def test_files_with_a_hash_are_kept_for_ever_and_come_compressed(browser: httpx2.AsyncClient):
    packed = await browser.get("/assets/main-4f2a.js", headers={"Accept-Encoding": "gzip"})
    plain = await browser.get("/assets/main-4f2a.js", headers={"Accept-Encoding": "identity"})
    assert packed.headers["content-encoding"] == "gzip"
    assert packed.text == plain.text == "render()" * 100
    for answer in (packed, plain):
        assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert "javascript" in answer.headers["content-type"]


async def test_a_page_may_run_only_scripts_of_this_origin(browser: httpx2.AsyncClient):
    answer = await browser.get("/")
    policy = dict(part.strip().split(" ", 1) for part in answer.headers["content-security-policy"].split(";"))
    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
    assert (policy["frame-ancestors"], policy["object-src"]) == ("'none'", "'none'")
    assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("path", ["/api", "/api/v1/nothing", "/assets/old-1234.js", "/litellm/nothing"])
async def test_what_is_not_a_page_is_not_answered_with_one(browser: httpx2.AsyncClient, path: str):
    answer = await browser.get(path)
    assert answer.status_code in (401, 404)
    assert "portal" not in answer.text


async def test_a_file_outside_the_bundle_cannot_be_reached(browser: httpx2.AsyncClient, bundle: Path):
    (bundle.parent / "secret.txt").write_text("secret")
    for path in ("/../secret.txt", "/%2e%2e/secret.txt", "/..%2fsecret.txt", "//secret.txt"):
        assert "secret" not in (await browser.get(path)).text


async def test_a_write_to_a_page_finds_nothing(browser: httpx2.AsyncClient):
    assert (await browser.post("/login", json={})).status_code in (404, 405)


async def test_a_bundle_that_is_built_anew_is_served_at_once(browser: httpx2.AsyncClient, bundle: Path):
    await browser.get("/")
    (bundle / "assets" / "main-77aa.js").write_text("render_better()")
    (bundle / "index.html").write_text("<!doctype html><title>the next portal</title>")
    assert "the next portal" in (await browser.get("/")).text
    assert (await browser.get("/assets/main-77aa.js")).text == "render_better()"


def test_a_bundle_is_taken_from_where_it_was_chosen_to_be_and_a_folder_without_one_is_an_error(bundle: Path):
    assert find_bundle(str(bundle)) == bundle
    with pytest.raises(SettingsError, match="LITEMAAS_CONTROL__PORTAL_DIR"):
        find_bundle(str(bundle / "assets"))
