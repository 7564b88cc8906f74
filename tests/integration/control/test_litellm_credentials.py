"""Do models share credentials by name, and is no value of one ever told?"""

from __future__ import annotations

import asyncpg
import httpx2

from litemaas.kit.crypto import Vault

from .conftest import ENCRYPTION_KEY

VALUES = {"api_key": "sk-engine-one", "api_base": "http://engine:8000/v1"}
CREDENTIAL = {"credential_name": "lab", "credential_info": {"owner": "ann"}, "credential_values": VALUES}


async def made(client: httpx2.AsyncClient, name: str = "granite", **params: object) -> str:
    body = {
        "model_name": name,
        "litellm_params": {"model": f"openai/{name}", "litellm_credential_name": "lab", **params},
    }
    answer = await client.post("/litellm/model/new", json=body)
    assert answer.status_code == 200, answer.text
    assert answer.json()["litellm_params"]["litellm_credential_name"] == "lab"
    return str(answer.json()["model_id"])


async def engine_key(database: asyncpg.Connection, deployment_id: str) -> tuple[str, str]:
    row = await database.fetchrow("SELECT api_key_sealed, api_base FROM deployments WHERE id = $1", deployment_id)
    return Vault(ENCRYPTION_KEY).open(row["api_key_sealed"], f"deployment:{deployment_id}"), row["api_base"]


async def test_a_credential_is_kept_shown_masked_and_used(client: httpx2.AsyncClient, database: asyncpg.Connection):
    assert (await client.post("/litellm/credentials", json=CREDENTIAL)).json()["success"] is True
    shown = {"credential_name": "lab", "credential_values": {"api_base": "****", "api_key": "****"},
             "credential_info": {"owner": "ann"}}  # fmt: skip
    assert (await client.get("/litellm/credentials")).json() == {"success": True, "credentials": [shown]}
    assert (await client.get("/litellm/credentials/by_name/lab")).json() == shown
    first, second = await made(client), await made(client, "llama", api_base="http://other:8000/v1")
    assert await engine_key(database, first) == ("sk-engine-one", "http://engine:8000/v1")
    assert await engine_key(database, second) == ("sk-engine-one", "http://other:8000/v1")
    stored = await database.fetchrow("SELECT values_sealed, info::text FROM named_credentials")
    assert b"sk-engine-one" not in stored["values_sealed"]
    audited = await database.fetchval("SELECT string_agg(detail::text, ' ') FROM audit")
    assert "sk-engine-one" not in audited


async def test_a_changed_credential_is_that_of_every_model_that_names_it(
    client: httpx2.AsyncClient, database: asyncpg.Connection
):
    await client.post("/litellm/credentials", json=CREDENTIAL)
    first, second = await made(client), await made(client, "llama")
    changed = await client.patch("/litellm/credentials/lab", json={"credential_values": {"api_key": "sk-engine-two"}})
    assert changed.json()["success"] is True
    for deployment_id in (first, second):
        assert await engine_key(database, deployment_id) == ("sk-engine-two", "http://engine:8000/v1")
    updated = await client.patch(f"/litellm/model/{first}/update", json={"litellm_params": {"temperature": 0.5}})
    assert updated.json()["litellm_params"]["litellm_credential_name"] == "lab"
    assert (await engine_key(database, first))[0] == "sk-engine-two"


async def test_a_credential_in_use_stays_and_a_free_one_goes(client: httpx2.AsyncClient):
    await client.post("/litellm/credentials", json=CREDENTIAL)
    model = await made(client)
    refused = await client.delete("/litellm/credentials/lab")
    assert refused.status_code == 409
    assert "1 deployments" in refused.json()["error"]["message"]
    await client.post("/litellm/model/delete", json={"id": model})
    assert (await client.delete("/litellm/credentials/lab")).json()["success"] is True
    assert (await client.get("/litellm/credentials/by_name/lab")).status_code == 404


async def test_what_cannot_be_meant_is_refused(client: httpx2.AsyncClient, anonymous: httpx2.AsyncClient):
    await client.post("/litellm/credentials", json=CREDENTIAL)
    twice = await client.post("/litellm/credentials", json=CREDENTIAL)
    assert (twice.status_code, "already exists" in twice.json()["error"]["message"]) == (400, True)
    other = CREDENTIAL | {"credential_name": "b", "credential_values": {"vertex_project": "p"}}
    assert (await client.post("/litellm/credentials", json=other)).json()["error"]["param"] == "credential_values"
    assert (await client.post("/litellm/credentials", json={"credential_name": "c"})).status_code == 422
    for method in ("patch", "delete"):
        answer = await client.request(method, "/litellm/credentials/nobody", json={})
        assert (answer.status_code, "not found" in answer.json()["error"]["message"]) == (404, True)
    body = {"model_name": "m", "litellm_params": {"model": "openai/m", "litellm_credential_name": "nobody"}}
    refused = await client.post("/litellm/model/new", json=body)
    assert (refused.status_code, refused.json()["error"]["param"]) == (400, "litellm_credential_name")
    both = {"model": "openai/m", "litellm_credential_name": "lab", "api_key": "sk-its-own"}
    refused = await client.post("/litellm/model/new", json={"model_name": "m", "litellm_params": both})
    assert (refused.status_code, refused.json()["error"]["param"]) == (400, "api_key")
    key = (await client.post("/litellm/key/generate", json={})).json()["key"]
    answer = await anonymous.get("/litellm/credentials", headers={"Authorization": f"Bearer {key}"})
    assert answer.status_code == 401
