"""Which prompts did people keep for the playground?"""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Index, Table, Text, text
from sqlalchemy.dialects.postgresql import JSONB

from litemaas.db.tables.base import metadata, moment

saved_prompts = Table(
    "saved_prompts",
    metadata,
    Column("id", Text, primary_key=True),
    Column("user_id", Text, ForeignKey("users.id", ondelete="CASCADE", name="saved_prompts_user"), nullable=False),
    Column("name", Text, nullable=False),
    Column("category", Text, nullable=False, server_default=text("''")),
    Column("system", Text, nullable=False, server_default=text("''")),
    Column("text", Text, nullable=False, server_default=text("''")),
    Column("parameters", JSONB),
    moment("created_at"),
    moment("updated_at"),
    Index("saved_prompts_user_name", "user_id", "name"),
)
