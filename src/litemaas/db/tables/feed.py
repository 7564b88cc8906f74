"""What tells the gateways that something changed, and people who changed it? The change feed and the audit trail."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, CheckConstraint, Column, Index, Table, Text, text

from litemaas.db.tables.base import json_object, metadata, moment, text_array

changes = Table(
    "changes",
    metadata,
    Column("seq", BigInteger, primary_key=True),
    moment("at"),
    Column("kind", Text, nullable=False),
    text_array("refs"),
    CheckConstraint("kind IN ('key', 'catalog', 'budget', 'all')", name="changes_kind"),
    Index("changes_at", "at"),
)

AUDIT_WORDS = (
    "to_tsvector('simple'::regconfig, action || ' ' || object_id || ' ' || coalesce(object_name, '') || ' ' || "
    "coalesce(actor_name, ''))"
)
"""What a search looks through; the same text in the index and in queries, or the index is not used."""

audit = Table(
    "audit",
    metadata,
    Column("id", BigInteger, primary_key=True),
    moment("at"),
    Column("actor", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("object_kind", Text, nullable=False),
    Column("object_id", Text, nullable=False),
    json_object("detail"),
    Column("request_id", Text),
    Column("actor_kind", Text, nullable=False, server_default=text("'service'")),
    Column("actor_name", Text),
    Column("object_name", Text),
    Column("success", Boolean, nullable=False, server_default=text("true")),
    Column("error_code", Text),
    Column("address", Text),
    Column("user_agent", Text),
    Index("audit_object", "object_kind", "object_id", text("id DESC")),
    Index("audit_newest", text("at DESC"), text("id DESC")),
    Index("audit_actor", "actor", text("id DESC")),
    Index("audit_action", "action", text("id DESC")),
    Index("audit_type", "object_kind"),
    Index("audit_words", text(AUDIT_WORDS), postgresql_using="gin"),
)
