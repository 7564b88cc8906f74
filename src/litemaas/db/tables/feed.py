"""What tells the gateways that something changed, and people who changed it? The change feed and the audit trail."""

from __future__ import annotations

from sqlalchemy import BigInteger, CheckConstraint, Column, Index, Table, Text, text

from litemaas.db.tables.base import json_object, metadata, moment, text_array

changes = Table(
    "changes",
    metadata,
    Column("seq", BigInteger, primary_key=True),
    moment("at"),
    Column("kind", Text, nullable=False),
    text_array("refs"),
    CheckConstraint("kind IN ('key', 'catalog', 'budget')", name="changes_kind"),
    Index("changes_at", "at"),
)

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
    Index("audit_object", "object_kind", "object_id", text("id DESC")),
)
