"""How is a virtual key stored? By its hash, with its limits; deleted rows stay and set their alias free."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, Table, Text, text

from litemaas.db.tables.base import Moment, json_object, metadata, moment, text_array

virtual_keys = Table(
    "virtual_keys",
    metadata,
    Column("key_hash", Text, primary_key=True),
    Column("key_name", Text, nullable=False),
    Column("alias", Text),
    Column("user_id", Text),
    Column("team_id", Text),
    text_array("models"),
    json_object("aliases"),
    json_object("metadata"),
    Column("max_budget_nano", BigInteger),
    Column("soft_budget_nano", BigInteger),
    Column("budget_duration", Text),
    moment("budget_set_at"),
    Column("rpm_limit", Integer),
    Column("tpm_limit", BigInteger),
    Column("max_parallel_requests", Integer),
    json_object("model_limits"),
    Column("blocked", Boolean, nullable=False, server_default=text("false")),
    Column("expires_at", Moment),
    json_object("extras"),
    moment("created_at"),
    Column("created_by", Text, nullable=False),
    moment("updated_at"),
    Column("updated_by", Text, nullable=False),
    Column("deleted_at", Moment),
    Column("pot_id", Text),
    Index("virtual_keys_alias", "alias", unique=True, postgresql_where=text("deleted_at IS NULL")),
    Index("virtual_keys_newest", text("created_at DESC"), "key_hash", postgresql_where=text("deleted_at IS NULL")),
    Index("virtual_keys_user", "user_id", postgresql_where=text("deleted_at IS NULL")),
    Index("virtual_keys_team", "team_id", postgresql_where=text("deleted_at IS NULL")),
    Index("virtual_keys_pot", "pot_id", postgresql_where=text("deleted_at IS NULL")),
)
