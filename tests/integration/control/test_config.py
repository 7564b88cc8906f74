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
    help_of_the_house = {"support_text": "Ask us", "support_url": "mailto:help@example.org", "footer": "Room 12"}
    await client.patch("/api/v1/admin/branding", json=help_of_the_house)
    shown = (await anonymous.get("/api/v1/config")).json()["branding"]
    assert (shown["support"], shown["footer"]) == (None, None)
    await client.patch("/api/v1/admin/branding", json={"support_enabled": True, "footer_enabled": True})
    shown = (await anonymous.get("/api/v1/config")).json()["branding"]
    assert (shown["support"], shown["footer"]) == ({"text": "Ask us", "url": "mailto:help@example.org"}, "Room 12")
    script = await client.patch("/api/v1/admin/branding", json={"support_url": "javascript:alert(1)"})
    assert (script.status_code, script.json()["errors"][0]["field"]) == (400, "support_url")


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
