"""Does daily activity call models as LiteLLM 1.81 does, where the installation says so (``activity_model_key: upstream``)?"""

from __future__ import annotations

import asyncpg
import httpx2
import pytest

from litemaas.control.app import Settings
from litemaas.control.app.settings import ListenSettings

from .conftest import ENCRYPTION_KEY, MASTER_KEY
from .test_litellm_reports import DATES, get
from .test_litellm_spend import record, write


@pytest.fixture
def settings(database_url: str) -> Settings:
    control = ListenSettings(activity_model_key="upstream")
    return Settings(
        database_url=database_url, master_key=MASTER_KEY, encryption_key=ENCRYPTION_KEY, control=control
    )  # fmt: skip


async def test_models_have_their_engines_names_and_groups_the_public_ones(
    client: httpx2.AsyncClient, database: asyncpg.Connection
):
    key = "b" * 64
    engine = {"provider": "openai", "engine_model": "granite-3", "key_hash": key}
    await write(
        database,
        record("one", model="granite", cost_nano=1_000_000, **engine),
        record("two", model="also granite", cost_nano=2_000_000, **engine),
        record("none", model="granite", cost_nano=0, key_hash=key, provider="", engine_model="", deployment_id=""),
    )
    whole = await get(client, "/user/daily/activity", **DATES)
    [day] = whole["results"]
    models, groups = day["breakdown"]["models"], day["breakdown"]["model_groups"]
    assert set(models) == {"openai/granite-3", "granite"}
    assert set(groups) == {"granite", "also granite"}
    assert models["openai/granite-3"]["metrics"]["spend"] == pytest.approx(0.003)
    assert models["openai/granite-3"]["api_key_breakdown"][key]["metrics"]["api_requests"] == 2
    assert models["granite"]["metrics"]["api_requests"] == 1
    assert (
        whole["metadata"]["total_api_requests"] == sum(one["metrics"]["api_requests"] for one in models.values()) == 3
    )
