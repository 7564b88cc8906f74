"""What runs in the background at somebody's word? One row per job, with its progress for every replica to show."""

from __future__ import annotations

from sqlalchemy import Boolean, CheckConstraint, Column, Index, Table, Text, text
from sqlalchemy.dialects.postgresql import JSONB

from litemaas.db.tables.base import Moment, json_object, metadata, moment

_OPEN = text("state IN ('queued', 'running')")

jobs = Table(
    "jobs",
    metadata,
    Column("id", Text, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("only_one", Text),
    Column("permission", Text, nullable=False),
    json_object("payload"),
    Column("state", Text, nullable=False, server_default=text("'queued'")),
    json_object("progress"),
    Column("result", JSONB),
    Column("error", Text),
    Column("cancel_asked", Boolean, nullable=False, server_default=text("false")),
    Column("holder", Text),
    Column("heartbeat_at", Moment),
    moment("created_at"),
    Column("created_by", Text, nullable=False),
    Column("started_at", Moment),
    Column("ended_at", Moment),
    CheckConstraint("state IN ('queued', 'running', 'succeeded', 'failed', 'cancelled')", name="jobs_state"),
    Index("jobs_only_one", "only_one", unique=True, postgresql_where=_OPEN),
    Index("jobs_open", "created_at", postgresql_where=_OPEN),
    Index("jobs_kind", "kind", text("created_at DESC")),
)
"""``only_one``: of jobs with the same word here only one is open at a time. ``permission``: who may see and cancel it."""
