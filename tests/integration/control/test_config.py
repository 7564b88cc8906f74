"""Does a browser learn before sign-in what it needs, and nothing else?"""

from __future__ import annotations

import httpx2


async def test_the_public_configuration_names_currency_languages_and_what_branding_is_switched_on(
    client: httpx2.AsyncClient, anonymous: httpx2.AsyncClient
):
    found = (await anonymous.get("/api/v1/config")).json()
    assert found["currency"]["code"] == "USD"
    assert len(found["languages"]) == 9
    assert found["branding"]["title"] is None
    await client.patch("/api/v1/admin/branding", json={"title": "Models of the house"})
    assert (await anonymous.get("/api/v1/config")).json()["branding"]["title"] is None
    await client.patch("/api/v1/admin/branding", json={"title_enabled": True})
    assert (await anonymous.get("/api/v1/config")).json()["branding"]["title"] == "Models of the house"


async def test_an_image_has_an_address_that_changes_with_its_content(
    client: httpx2.AsyncClient, anonymous: httpx2.AsyncClient
):
    await client.patch("/api/v1/admin/branding", json={"login_logo_enabled": True})
    addresses = []
    for colour in ("red", "blue"):
        image = f'<svg xmlns="http://www.w3.org/2000/svg"><rect fill="{colour}" width="1" height="1"/></svg>'
        assert (await client.put("/api/v1/admin/branding/images/login-logo", content=image)).status_code == 200
        addresses.append((await anonymous.get("/api/v1/config")).json()["branding"]["images"]["login-logo"])
        assert colour in (await anonymous.get(addresses[-1])).text
    assert addresses[0] != addresses[1]
