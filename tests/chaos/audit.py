"""What must be true when everything is well again, whatever happened before?"""

from __future__ import annotations

from collections import Counter

import psutil

from .load import Load
from .stage import Stage

MEBIBYTE = 1 << 20


def resident_mib() -> float:
    """The memory of this process, with everything that plays in it."""
    return psutil.Process().memory_info().rss / MEBIBYTE


async def every_call_has_its_one_record(stage: Stage, load: Load, before: int) -> None:
    """Fails unless each answered call has one record that agrees with what its caller saw; ``before``: other calls' records."""
    rows = await stage.connection.fetch("select request_id, status, http_status from usage_records")
    counted = Counter(row["request_id"] for row in rows)
    assert not [call_id for call_id, count in counted.items() if count > 1]
    known = {row["request_id"]: row for row in rows}
    missing = [answer for answer in load.answers if answer.call_id not in known]
    assert not missing
    wrong = [a for a in load.answers if (known[a.call_id]["status"] == "success") != (a.outcome == "ok")]
    assert not wrong
    assert len(rows) == len(load.answers) + before


async def ledger_equals_windows(stage: Stage) -> None:
    """Fails unless what is settled on each key is what its records cost."""
    rows = await stage.connection.fetch(
        "with cost as (select 'key:' || key_hash as scope, sum(cost_nano)::bigint as nano from usage_records group by 1), "
        "settled as (select scope, sum(settled_nano)::bigint as nano from budget_windows group by 1) "
        "select scope, c.nano as ledger, s.nano as windows from cost c full join settled s using (scope) "
        "where scope like 'key:%' and coalesce(c.nano, 0) <> coalesce(s.nano, 0)"
    )
    assert not [dict(row) for row in rows]


async def caps_hold(stage: Stage) -> None:
    """Fails if any key has spent, or been leased, more than its budget."""
    rows = await stage.connection.fetch(
        "select w.scope, w.settled_nano, w.leased_nano, k.max_budget_nano "
        "from budget_windows w join virtual_keys k on w.scope = 'key:' || k.key_hash "
        "where w.settled_nano + w.leased_nano > k.max_budget_nano or w.leased_nano < 0"
    )
    assert not [dict(row) for row in rows]


async def ledger_equals_engines(stage: Stage) -> None:
    """Fails unless the ledger has every token that the engines counted, and none besides."""
    for model, server, engine_model in (
        ("granite", "chat", "granite-3.3-8b"),
        ("tight", "chat", "qwen3-8b"),
        ("nomic", "embeddings", "nomic-embed-text-v1.5"),
    ):
        counted = stage.sim.counters.of(server, engine_model)
        row = await stage.connection.fetchrow(
            "select coalesce(sum(prompt_tokens), 0)::bigint as prompt, "
            "coalesce(sum(completion_tokens), 0)::bigint as completion from usage_records where model = $1",
            model,
        )
        assert (row["prompt"], row["completion"]) == (counted.prompt_tokens, counted.completion_tokens), model


async def nobody_pays_for_what_no_engine_counted(stage: Stage) -> None:
    """Fails if more is charged in the engines' name than they served, or anything without saying who counted it."""
    row = await stage.connection.fetchrow(
        "select coalesce(sum(prompt_tokens), 0)::bigint as prompt, "
        "coalesce(sum(completion_tokens), 0)::bigint as completion from usage_records where usage_source = 'engine'"
    )
    chat, embeddings = stage.sim.counters.of("chat"), stage.sim.counters.of("embeddings")
    assert row["prompt"] <= chat.prompt_tokens + embeddings.prompt_tokens
    assert row["completion"] <= chat.completion_tokens
    assert not await stage.connection.fetchval(
        "select count(*) from usage_records where usage_source = 'none' and cost_nano > 0"
    )


async def all_is_well(stage: Stage, load: Load, before: int, *, exact: bool = True) -> None:
    """Everything above, no lease left, and no defect of ours. ``exact``: the engines' answers all reached the gateway."""
    await stage.is_quiet()
    await every_call_has_its_one_record(stage, load, before)
    await ledger_equals_windows(stage)
    await caps_hold(stage)
    if exact:
        await ledger_equals_engines(stage)
    await stage.leases_come_back()
    for platform in stage.platforms:
        assert platform.gateway.metrics.defects == 0
        assert platform.gateway.metrics.lost_records == 0
