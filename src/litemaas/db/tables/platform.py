"""What does the platform remember of itself? Settings that administrators change, duties, and answers that are given once."""

from __future__ import annotations

from sqlalchemy import CheckConstraint, Column, Index, PrimaryKeyConstraint, SmallInteger, Table, Text, text
from sqlalchemy.dialects.postgresql import BYTEA, JSONB

from litemaas.db.tables.base import Moment, metadata, moment

settings = Table(
    "settings",
    metadata,
    Column("name", Text, primary_key=True),
    Column("value", JSONB, nullable=False),
    moment("updated_at"),
    Column("updated_by", Text, nullable=False),
)
"""One row per group of settings; what is missing has its default."""

duties = Table(
    "duties",
    metadata,
    Column("name", Text, primary_key=True),
    moment("next_at"),
    Column("held_until", Moment),
    Column("holder", Text),
    Column("last_began_at", Moment),
    Column("last_ended_at", Moment),
    Column("last_error", Text),
)

installation = Table(
    "installation",
    metadata,
    Column("id", SmallInteger, primary_key=True, autoincrement=False, server_default=text("1")),
    Column("timezone", Text, nullable=False, server_default=text("'UTC'")),
    CheckConstraint("id = 1", name="installation_is_one"),
)
"""One row. ``timezone``: in which days, weeks and months of budgets and rollups begin; fixed once something was used."""

given_answers = Table(
    "given_answers",
    metadata,
    Column("asker", Text, nullable=False),
    Column("key", Text, nullable=False),
    Column("request_hash", Text, nullable=False),
    Column("status", SmallInteger, nullable=False, server_default=text("0")),
    Column("body_sealed", BYTEA),
    moment("at"),
    PrimaryKeyConstraint("asker", "key"),
    Index("given_answers_at", "at"),
)
"""Answers to requests with an ``Idempotency-Key``; sealed, because an answer can hold a secret."""
