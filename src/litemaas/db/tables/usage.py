"""How is the ledger stored? One row per call, in one partition per UTC day."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Index,
    Integer,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from litemaas.db.tables.base import Moment, metadata


def _text(name: str) -> Column[str]:
    return Column(name, Text, nullable=False)


def _count(name: str) -> Column[int]:
    return Column(name, Integer, nullable=False)


def _big(name: str) -> Column[int]:
    return Column(name, BigInteger, nullable=False)


usage_records = Table(
    "usage_records",
    metadata,
    _text("request_id"),
    Column("started_at", Moment, nullable=False),
    _big("duration_us"),
    Column("ttft_us", BigInteger),
    _text("endpoint"),
    Column("stream", Boolean, nullable=False),
    _text("status"),
    Column("http_status", SmallInteger, nullable=False),
    Column("error_code", Text),
    Column("error_message", Text),
    _text("key_hash"),
    Column("key_alias", Text),
    Column("user_id", Text),
    Column("team_id", Text),
    Column("end_user", Text),
    _text("model"),
    Column("deployment_id", Text),
    Column("provider", Text),
    Column("engine_model", Text),
    Column("api_base", Text),
    Column("engine_request_id", Text),
    _count("prompt_tokens"),
    _count("completion_tokens"),
    _count("cached_tokens"),
    _count("cache_write_tokens"),
    _count("reasoning_tokens"),
    _count("pages"),
    _text("usage_source"),
    _big("cost_nano"),
    _big("input_cost_nano"),
    _big("output_cost_nano"),
    Column("price_version", BigInteger),
    _count("attempts"),
    Column("client_ip", Text),
    Column("user_agent", Text),
    Column("tags", ARRAY(Text), nullable=False),
    Column("metadata", JSONB, nullable=False),
    Column("source", Text, nullable=False, server_default=text("'api'")),
    PrimaryKeyConstraint("request_id", "started_at"),
    Index("usage_records_key", "key_hash", text("started_at DESC")),
    Index("usage_records_newest", text("started_at DESC")),
    Index("usage_records_user", "user_id", text("started_at DESC"), postgresql_where=text("user_id IS NOT NULL")),
    Index("usage_records_team", "team_id", text("started_at DESC"), postgresql_where=text("team_id IS NOT NULL")),
    Index("usage_records_end_user", "end_user", text("started_at DESC"), postgresql_where=text("end_user IS NOT NULL")),
    Index("usage_records_engine", "engine_request_id", postgresql_where=text("engine_request_id IS NOT NULL")),
    Index("usage_records_unsuccessful", text("started_at DESC"), postgresql_where=text("status <> 'success'")),
    Index(
        "usage_records_slow", text("started_at DESC"), "duration_us", postgresql_where=text("duration_us >= 10000000")
    ),
    Index("usage_records_sources", text("started_at DESC"), postgresql_where=text("source <> 'api'")),
    *(
        Index(
            f"usage_records_{name}", *led, text(f"{column} DESC"), text("started_at DESC"), postgresql_where=condition
        )
        for column, of in (("cost_nano", "cost"), ("duration_us", "duration"))
        for name, led, condition in (
            (of, (), None),
            (f"{of}_of_model", ("model",), text("length(model) <= 256")),
            (f"{of}_unsuccessful", (), text("status <> 'success'")),
            (f"{of}_playground", (), text("source <> 'api'")),
        )
    ),
    Index("usage_records_tags", "tags", postgresql_using="gin", postgresql_where=text("tags <> '{}'")),
    postgresql_partition_by="RANGE (started_at)",
)
