"""Whose calls are captured, by whose word, until when; and what they said, sealed."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    PrimaryKeyConstraint,
    Table,
    Text,
)
from sqlalchemy.dialects.postgresql import BYTEA

from litemaas.db.tables.base import Moment, metadata, moment

payload_captures = Table(
    "payload_captures",
    metadata,
    Column("id", Text, primary_key=True),
    Column("key_hash", Text),
    Column("team_id", Text),
    Column("reason", Text, nullable=False),
    Column("until", Moment, nullable=False),
    moment("created_at"),
    Column("created_by", Text, nullable=False),
    CheckConstraint("(key_hash IS NULL) <> (team_id IS NULL)", name="payload_captures_one_subject"),
    CheckConstraint("until <= created_at + interval '30 days'", name="payload_captures_end"),
    Index("payload_captures_until", "until"),
)
"""Of one key, or of all keys of a team. What was captured goes with the row."""

captured_payloads = Table(
    "captured_payloads",
    metadata,
    Column(
        "capture_id", Text, ForeignKey("payload_captures.id", ondelete="CASCADE", name="captured_payloads_of"),
        nullable=False,
    ),
    Column("request_id", Text, nullable=False),
    Column("at", Moment, nullable=False),
    Column("key_hash", Text, nullable=False),
    Column("model", Text, nullable=False),
    Column("endpoint", Text, nullable=False),
    Column("status_code", Integer, nullable=False),
    Column("request_sealed", BYTEA, nullable=False),
    Column("request_bytes", BigInteger, nullable=False),
    Column("answer_sealed", BYTEA, nullable=False),
    Column("answer_bytes", BigInteger, nullable=False),
    PrimaryKeyConstraint("capture_id", "request_id"),
    Index("captured_payloads_order", "capture_id", "at", "request_id"),
    Index("captured_payloads_at", "at"),
)  # fmt: skip
"""Sealed under the key from the environment, for this capture and request. Sizes are those of the whole, of which the first
64 KiB are kept.
"""
