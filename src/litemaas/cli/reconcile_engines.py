"""Did the engines serve what the ledger says? Their own counters beside the records since those counters began.

Source: vLLM's ``/metrics`` (documentation, "Production Metrics", 2026-11): ``vllm:prompt_tokens_total`` and
``vllm:generation_tokens_total`` per ``model_name``, ``process_start_time_seconds``. Servers without these are left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import httpx2

from litemaas.db.reconciliation import Check
from litemaas.db.zones import ZONE

_WITHIN_S = 5.0
_MOST_BYTES = 8_000_000
_SAMPLE = re.compile(r"^(?P<name>[a-zA-Z_:]+)(?:\{(?P<labels>[^}]*)\})? (?P<value>[^\s]+)", re.MULTILINE)
_MODEL = re.compile(r'model_name="((?:[^"\\]|\\.)*)"')
_COUNTERS = {"vllm:prompt_tokens_total": "prompt_tokens", "vllm:generation_tokens_total": "completion_tokens"}
_ENGINES = """
SELECT api_base, engine_model, array_agg(id ORDER BY id) AS ids, bool_and(tls_verify) AS tls_verify, max(tls_ca) AS tls_ca
FROM deployments WHERE deleted_at IS NULL GROUP BY 1, 2 ORDER BY 1, 2
"""
_SERVED = f"""
WITH hours AS (
    SELECT c.at, d.deployment_id, c.prompt_tokens, c.completion_tokens
    FROM usage_model_hours c JOIN usage_model_dimensions d ON d.id = c.dimension_id WHERE d.deployment_id = ANY($1)
    UNION ALL SELECT at, deployment_id, prompt_tokens, completion_tokens FROM usage_deltas WHERE deployment_id = ANY($1)
), counted AS (
    SELECT prompt_tokens, completion_tokens FROM hours WHERE at > $2
    UNION ALL SELECT prompt_tokens, completion_tokens FROM usage_records
    WHERE deployment_id = ANY($1) AND started_at >= $2 AND started_at < date_trunc('hour', $2, {ZONE}) + interval '1 hour'
)
SELECT coalesce(sum(prompt_tokens), 0)::bigint, coalesce(sum(completion_tokens), 0)::bigint FROM counted
"""  # noqa: S608 — a name of ours


async def check_engines(connection: asyncpg.Connection) -> Check:
    """Reads the counters first: a call that ends meanwhile shows as a difference, so ask when the engines are idle."""
    check = Check("engine counters = ledger, since the counters began")
    for engine in await connection.fetch(_ENGINES):
        where = f"{engine['engine_model']} at {_origin(engine['api_base'])}"
        try:
            page = await _read_metrics(engine)
        except (httpx2.HTTPError, httpx2.InvalidURL, ValueError, OSError) as error:
            check.notes.append(f"{where}: its metrics cannot be read ({type(error).__name__})")
            continue
        began_at = _began_at(page)
        served = _served(page, engine["engine_model"])
        if not served or began_at is None:
            check.notes.append(f"{where}: it has no token counters, or does not say since when they count")
            continue
        row = await connection.fetchrow(_SERVED, engine["ids"], began_at, timeout=60)
        check.compare(where, _COUNTERS.values(), [served.get(unit, 0) for unit in _COUNTERS.values()], row)
    return check


def _metrics_url(api_base: str) -> str:
    parts = urlsplit(api_base)
    root = re.sub(r"/v\d+/?$", "", parts.path.rstrip("/"))
    return urlunsplit((parts.scheme, parts.netloc, f"{root}/metrics", "", ""))


def _origin(api_base: str) -> str:
    """Without credentials, which nobody should read on a screen."""
    parts = urlsplit(api_base)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"


async def _read_metrics(engine: asyncpg.Record) -> str:
    """Errors: httpx2.HTTPError, ValueError when it is no page of metrics."""
    verify: Any = engine["tls_verify"]
    if verify and engine["tls_ca"]:
        import ssl

        verify = ssl.create_default_context(cadata=engine["tls_ca"])
    async with (
        httpx2.AsyncClient(timeout=_WITHIN_S, trust_env=False, follow_redirects=False, verify=verify) as client,
        client.stream("GET", _metrics_url(engine["api_base"])) as answer,
    ):
        if answer.status_code != 200:
            raise ValueError("no metrics")
        page = b""
        async for part in answer.aiter_bytes():
            page += part
            if len(page) > _MOST_BYTES:
                raise ValueError("too long")
    return page.decode("utf-8", "replace")


def _samples(page: str) -> Iterator[tuple[str, str, float]]:
    for sample in _SAMPLE.finditer(page):
        try:
            yield sample["name"], sample["labels"] or "", float(sample["value"])
        except ValueError:
            continue


def _began_at(page: str) -> datetime | None:
    found = [value for name, _, value in _samples(page) if name == "process_start_time_seconds"]
    return datetime.fromtimestamp(min(found), UTC) if found else None


def _served(page: str, engine_model: str) -> dict[str, int]:
    """Tokens by the ledger's names; engines with several processes have a line for each."""
    served: dict[str, int] = {}
    for name, labels, value in _samples(page):
        unit = _COUNTERS.get(name)
        model = _MODEL.search(labels)
        if unit is not None and model is not None and model[1] == engine_model:
            served[unit] = served.get(unit, 0) + int(value)
    return served
