"""Can the portal be dressed, and can no image do harm?"""

from __future__ import annotations

import httpx2
import pytest

People = dict[str, httpx2.AsyncClient]
PNG = b"\x89PNG\r\n\x1a\n" + b"\x00" * 32
SVG = b"""<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9"
 xmlns:xlink="http://www.w3.org/1999/xlink"
 onload="alert(1)"><script>alert(2)</script><style>@import url(//evil)</style><foreignObject/><g onclick="x()">
 <path d="M0 0h9" fill="url(https://evil/x)" stroke="red"/><use xlink:href="https://evil/#a"/><use href="#ok"/></g>
 <a href="javascript:alert(3)"><text x="1" y="2">hi</text></a></svg>"""
PLACE = "/api/v1/admin/branding/images/login-logo"


async def test_texts_and_switches_change_alone(people: People, anonymous: httpx2.AsyncClient):
    answer = await people["admin"].patch("/api/v1/admin/branding", json={"title": "Our models", "title_enabled": True})
    assert answer.status_code == 200, answer.text
    await people["admin"].patch("/api/v1/admin/branding", json={"subtitle": "for all"})
    shown = (await anonymous.get("/api/v1/branding")).json()
    assert (shown["title"], shown["title_enabled"], shown["subtitle"]) == ("Our models", True, "for all")
    assert shown["images"] == {}
    assert shown["currency"]["code"] == "USD"
    assert (await people["overseer"].patch("/api/v1/admin/branding", json={"title": "x"})).status_code == 403


async def test_an_image_is_served_with_an_etag_and_gone_when_deleted(people: People, anonymous: httpx2.AsyncClient):
    assert (await people["admin"].put(PLACE, content=PNG)).status_code == 200
    got = await anonymous.get("/api/v1/branding/images/login-logo")
    assert (got.status_code, got.headers["content-type"], got.content) == (200, "image/png", PNG)
    again = await anonymous.get("/api/v1/branding/images/login-logo", headers={"If-None-Match": got.headers["ETag"]})
    assert again.status_code == 304
    assert (await people["admin"].delete(PLACE)).status_code == 200
    assert (await anonymous.get("/api/v1/branding/images/login-logo")).status_code == 404


async def test_an_svg_keeps_its_drawing_and_loses_what_could_run(people: People, anonymous: httpx2.AsyncClient):
    assert (await people["admin"].put(PLACE, content=SVG)).status_code == 200
    got = await anonymous.get("/api/v1/branding/images/login-logo")
    assert got.headers["content-type"] == "image/svg+xml"
    assert "sandbox" in got.headers["Content-Security-Policy"]
    drawn = got.content.decode()
    assert "M0 0h9" in drawn
    assert 'stroke="red"' in drawn
    assert 'href="#ok"' in drawn
    for harmful in ("script", "alert", "onload", "onclick", "evil", "foreignObject", "style>", "javascript"):
        assert harmful not in drawn, harmful


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"not an image",
        b"<html></html>",
        b"<svg>",
        b'<!DOCTYPE s [<!ENTITY x "y">]><svg xmlns="http://www.w3.org/2000/svg"/>',
    ],
)
async def test_what_is_no_image_is_refused(people: People, content: bytes):
    assert (await people["admin"].put(PLACE, content=content)).status_code == 400


async def test_a_large_image_is_refused(people: People):
    assert (await people["admin"].put(PLACE, content=PNG + b"\x00" * 2_097_152)).status_code == 413
