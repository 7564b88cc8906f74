"""Can administrators give their gateway routes of its own, priced and audited, and does nobody read their secrets again?"""

from __future__ import annotations

from typing import Any

import asyncpg
import httpx2

from litemaas.kit.crypto import Vault

from .conftest import ENCRYPTION_KEY

URL = "/litellm/config/pass_through_endpoint"
SECRET = "target-credential-0123456789"
ROUTE: dict[str, Any] = {
    "path": "/search/v2", "target": "https://search.example.org/hidden-path", "headers": {"Authorization": f"Bearer {SECRET}"},
    "default_query_params": {"key": "query-credential", "n": 5}, "cost_per_request": 0.0025, "methods": ["post", "GET"],
    "include_subpath": True,
}  # fmt: skip


async def added(client: httpx2.AsyncClient, **members: Any) -> dict[str, Any]:
    answer = await client.post(URL, json={**ROUTE, **members})
    assert answer.status_code == 200, answer.text
    [shown] = answer.json()["endpoints"]
    return dict(shown)


async def kept(database: asyncpg.Connection, route_id: str) -> str:
    sealed = await database.fetchval("select secrets_sealed from pass_through_routes where id = $1", route_id)
    return Vault(ENCRYPTION_KEY).open(sealed, f"pass_through:{route_id}")


async def test_a_route_is_kept_sealed_shown_masked_and_audited_without_its_secrets(
    client: httpx2.AsyncClient, database: asyncpg.Connection
):
    shown = await added(client)
    assert shown == {
        "id": shown["id"], "path": "/search/v2", "target": ROUTE["target"], "headers": {"Authorization": "****"},
        "default_query_params": {"key": "****", "n": "****"}, "include_subpath": True, "cost_per_request": 0.0025,
        "auth": True, "methods": ["GET", "POST"],
    }  # fmt: skip
    assert (await client.get(URL)).json() == {"endpoints": [shown]}
    assert (await client.get(URL, params={"endpoint_id": shown["id"]})).json() == {"endpoints": [shown]}
    assert await kept(database, shown["id"]) == (
        f'{{"headers":{{"Authorization":"Bearer {SECRET}"}},"query":{{"key":"query-credential","n":"5"}}}}'
    )
    row = await database.fetchrow("select t::text as all, p.request_per_million from pass_through_routes t "
                                  "join prices p on p.version = t.price_version")  # fmt: skip
    assert row["request_per_million"] == 2_500_000 * 1_000_000
    audited = await database.fetch(
        "select action, object_name, detail::text from audit where object_kind = 'pass_through'"
    )
    assert [(one["action"], one["object_name"]) for one in audited] == [("pass_through.create", "/search/v2")]
    for words in (row["all"], str(audited)):
        assert SECRET not in words
        assert "query-credential" not in words
    assert "hidden-path" not in str(audited)
    assert (
        await database.fetchval("select count(*) from changes where kind = 'catalog' and '/search/v2' = any(refs)") == 1
    )


async def test_a_change_keeps_what_is_not_sent_and_what_is_sent_masked(
    client: httpx2.AsyncClient, database: asyncpg.Connection
):
    route = await added(client)
    place = f"{URL}/{route['id']}"
    changed = (
        await client.post(place, json={"headers": {"Authorization": "****", "X-New": "1"}, "auth": False})
    ).json()
    [shown] = changed["endpoints"]
    assert shown == {**route, "headers": {"Authorization": "****", "X-New": "****"}, "auth": False}
    assert SECRET in await kept(database, route["id"])
    cleared = await client.post(place, json={"headers": None, "cost_per_request": None, "methods": None, "auth": None})
    [shown] = cleared.json()["endpoints"]
    assert (shown["headers"], shown["cost_per_request"], shown["auth"]) == ({}, 0, True)
    assert shown["methods"] == ["GET", "POST", "PUT", "PATCH", "DELETE"]
    assert SECRET not in await kept(database, route["id"])
    prices = await database.fetch("select request_per_million from prices where deployment_id = $1 order by version",
                                  route["id"])  # fmt: skip
    assert [price["request_per_million"] for price in prices] == [2_500_000_000_000, 0]


async def test_a_kept_credential_does_not_go_to_another_target(
    client: httpx2.AsyncClient, database: asyncpg.Connection
):
    route = await added(client)
    place = f"{URL}/{route['id']}"
    stolen = await client.post(place, json={"target": "https://elsewhere.example.org"})
    masked = await client.post(
        place, json={"target": "https://elsewhere.example.org", "headers": {"Authorization": "****"}}
    )
    query = await client.post(
        place, json={"target": "https://elsewhere.example.org", "headers": {"Authorization": "new"}}
    )
    for refused in (stolen, masked, query):
        assert refused.status_code == 400, refused.text
        assert "must be sent" in refused.json()["error"]["message"]
    moved = {"target": "https://elsewhere.example.org", "headers": {"Authorization": "new"}, "default_query_params": {}}
    assert (await client.post(place, json=moved)).status_code == 200
    assert SECRET not in await kept(database, route["id"])


async def test_a_deleted_route_is_told_once_more_and_its_path_is_free(client: httpx2.AsyncClient):
    route = await added(client)
    assert (await client.delete(URL, params={"endpoint_id": route["id"]})).json() == {"endpoints": [route]}
    assert (await client.get(URL)).json() == {"endpoints": []}
    gone = await client.delete(URL, params={"endpoint_id": route["id"]})
    assert gone.status_code == 404
    assert "not found" in gone.json()["error"]["message"]
    assert (await client.post(f"{URL}/{route['id']}", json={})).status_code == 404
    assert (await client.delete(URL)).status_code == 422
    await added(client)


async def test_two_routes_cannot_have_one_path(client: httpx2.AsyncClient):
    await added(client)
    again = await client.post(URL, json=ROUTE)
    assert (again.status_code, again.json()["error"]["param"]) == (400, "path")
    assert "already exists" in again.json()["error"]["message"]
    other = await added(client, path="/other")
    moved = await client.post(f"{URL}/{other['id']}", json={"path": "/search/v2"})
    assert (moved.status_code, moved.json()["error"]["param"]) == (400, "path")


WRONG: dict[str, list[Any]] = {
    "path": ["/v1/rerank", "/key", "/Chat/x", "/", "search", "/a/../b", "/a%2fb", "/a/", "/a\r\nb", "/" + "a" * 300, "/api/x"],
    "target": ["ftp://x", "https://u:p@x", "https://x/a?b=c", "http://169.254.169.254/latest", "http://[::ffff:169.254.169.254]",
               "http://0.0.0.0", "https://x/a/../b", "https://x\r\ny", "/relative", "http://x:0", "http://x:port"],
    "headers": [{"Host": "x"}, {"a b": "x"}, {"X-A": "a\r\nX-B: b"}, {"Transfer-Encoding": "chunked"}, {"X-A": "é"},
                {"X-A": "Bearer os.environ/LITEMAAS_MASTER_KEY"}, {f"X-{n}": "" for n in range(65)}],
    "default_query_params": [{"a": "os.environ/HOME"}, {"a": "x" * 9000}],
    "methods": [["TRACE"], ["POST", "connect"]],
    "cost_per_request": [-1, 1e9],
}  # fmt: skip


async def test_what_cannot_be_meant_is_refused_by_its_member(client: httpx2.AsyncClient):
    route = await added(client)
    for member, values in WRONG.items():
        for value in values:
            for place in (URL, f"{URL}/{route['id']}"):
                answer = await client.post(place, json={**ROUTE, "path": "/other", member: value})
                assert (answer.status_code, answer.json()["error"]["param"]) == (400, member), (value, answer.text)
                assert SECRET not in answer.text
    assert (await client.get(URL)).json() == {"endpoints": [route]}


async def test_only_administrators_change_routes(client: httpx2.AsyncClient, anonymous: httpx2.AsyncClient):
    key = (await client.post("/litellm/key/generate", json={})).json()["key"]
    headers = {"Authorization": f"Bearer {key}"}
    for method, place in (("GET", URL), ("POST", URL), ("POST", f"{URL}/x"), ("DELETE", f"{URL}?endpoint_id=x")):
        body = ROUTE if method == "POST" else None
        assert (await anonymous.request(method, place, json=body, headers=headers)).status_code == 401
        assert (await anonymous.request(method, place, json=body)).status_code == 401
