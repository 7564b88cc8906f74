"""What were people told? Their inbox, and what waits to leave by e-mail or webhook."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Identity,
    Index,
    Integer,
    Table,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import BYTEA

from litemaas.db.tables.base import Moment, json_object, metadata, moment, text_array

notices = Table(
    "notices",
    metadata,
    Column("id", Text, primary_key=True),
    Column("user_id", Text, ForeignKey("users.id", ondelete="CASCADE", name="notices_user"), nullable=False),
    Column("event", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("once", Text, nullable=False),
    json_object("facts"),
    Column("in_inbox", Boolean, nullable=False, server_default=text("true")),
    moment("at"),
    Column("read_at", Moment),
    Index("notices_once", "user_id", "event", "subject", "once", unique=True),
    Index("notices_inbox", "user_id", text("at DESC"), "id", postgresql_where=text("in_inbox")),
    Index("notices_unread", "user_id", postgresql_where=text("in_inbox AND read_at IS NULL")),
    Index("notices_at", "at"),
)
"""``once``: a threshold and window, so that nobody is told twice; rows stay for it even where the inbox was not chosen."""

webhooks = Table(
    "webhooks",
    metadata,
    Column("id", Text, primary_key=True),
    Column("url", Text, nullable=False),
    text_array("events"),
    Column("secret_sealed", BYTEA, nullable=False),
    Column("is_active", Boolean, nullable=False, server_default=text("true")),
    Column("failures", Integer, nullable=False, server_default=text("0")),
    Column("disabled_reason", Text),
    moment("created_at"),
    Column("created_by", Text, nullable=False),
    moment("updated_at"),
    Column("updated_by", Text, nullable=False),
)
"""``failures``: in a row; ``events`` empty = all."""

deliveries = Table(
    "deliveries",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("channel", Text, nullable=False),
    Column("notice_id", Text, ForeignKey("notices.id", ondelete="CASCADE", name="deliveries_notice")),
    Column("webhook_id", Text, ForeignKey("webhooks.id", ondelete="CASCADE", name="deliveries_webhook")),
    Column("event", Text, nullable=False),
    json_object("payload"),
    Column("state", Text, nullable=False, server_default=text("'waiting'")),
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    moment("next_at"),
    Column("status", Integer),
    Column("last_error", Text),
    moment("created_at"),
    Column("ended_at", Moment),
    CheckConstraint("channel IN ('email', 'webhook')", name="deliveries_channel"),
    CheckConstraint("state IN ('waiting', 'delivered', 'given_up', 'skipped')", name="deliveries_state"),
    Index("deliveries_due", "next_at", postgresql_where=text("state = 'waiting'")),
    Index("deliveries_webhook_newest", "webhook_id", text("id DESC")),
    Index("deliveries_notice_id", "notice_id"),
)
