"""Where and to whom does a gateway show itself: under a prefix, without pages about itself, and pages without a key?"""

from __future__ import annotations

from pathlib import Path

import pytest

from litemaas.gateway.root_path import RootPath
from litemaas.kit.settings import SettingsError

from .harness import QUESTION, Platform
from .test_rules_of_the_installation import ruled


async def test_every_path_is_answered_under_the_prefix_too(platform: Platform, module_database: str, tmp_path: Path):
    async with ruled(platform, module_database, tmp_path, root_path="/llm/v2") as other:
        key = await platform.ledger.add_key()
        await other.catch_up()
        headers = {"Authorization": f"Bearer {key}"}
        for path in ("/v1/chat/completions", "/llm/v2/v1/chat/completions", "/%6Clm/v2/v1/chat/completions") * 2:
            assert (await other.post(path, key, QUESTION)).status_code == 200, path
        for path in (
            "/llm/v2",
            "/llm/v2/",
            "/llm/v2/health/readiness",
            "/llm/v2/v1/models?return_wildcard_routes=true",
        ):
            assert (await other.http.get(path, headers=headers)).status_code == 200, path
        assert (
            await other.http.get("/llm/v2/key/info?key=x", headers=headers)
        ).status_code == 503  # no control plane here
        for path in ("/llm/v2x/v1/models", "/llm/v1/models"):
            assert (await other.http.get(path, headers=headers)).status_code == 404, path


@pytest.mark.parametrize("prefix", ["llm", "/a b", "//", "/a//b", "/a?b"])
def test_a_prefix_that_is_no_path_stops_the_start(prefix: str):
    with pytest.raises(SettingsError, match="LITEMAAS_GATEWAY__ROOT_PATH"):
        RootPath(prefix, lambda _request, _response: None)  # type: ignore[arg-type,return-value]


async def test_pages_about_itself_are_hidden_where_they_are_not_wanted(
    platform: Platform, module_database: str, tmp_path: Path
):
    assert (await platform.http.get("/docs")).status_code == 503
    async with ruled(platform, module_database, tmp_path, docs=False) as other:
        for path in ("/docs", "/docs/", "/openapi.json"):
            assert (await other.http.get(path)).status_code == 404


async def test_public_pages_need_no_key_and_a_wrong_one_is_refused(
    platform: Platform, module_database: str, tmp_path: Path
):
    assert (await platform.http.get("/v1/models")).status_code == 401
    async with ruled(platform, module_database, tmp_path, public_routes="/models") as other:
        key = await platform.ledger.add_key(models=["granite"])
        await other.catch_up()
        for path in ("/v1/models", "/models"):
            names = {one["id"] for one in (await other.http.get(path)).json()["data"]}
            assert {"granite", "nomic"} <= names
        own = await other.http.get("/v1/models", headers={"Authorization": f"Bearer {key}"})
        assert [one["id"] for one in own.json()["data"]] == ["granite"]
        wrong = await other.http.get("/v1/models", headers={"Authorization": "Bearer sk-wrong"})
        assert wrong.status_code == 401
        for path in ("/health", "/v1/models/granite"):
            assert (await other.http.get(path)).status_code == 401
