"""Which teams are there, and who belongs to them? Their budgets stand in ``budgets`` under ``team:<id>``."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    PrimaryKeyConstraint,
    Table,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY

from litemaas.db.tables.base import Moment, json_object, metadata, moment

teams = Table(
    "teams",
    metadata,
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("alias", Text),
    Column("description", Text, nullable=False, server_default=text("''")),
    Column("cost_centre", Text),
    json_object("metadata"),
    Column("allowed_models", ARRAY(Text)),
    Column("member_default_budget_nano", BigInteger),
    Column("members_may_create_keys", Boolean, nullable=False, server_default=text("true")),
    Column("group_binding", Text),
    Column("is_active", Boolean, nullable=False, server_default=text("true")),
    Column("archived_at", Moment),
    moment("created_at"),
    Column("created_by", Text, nullable=False),
    moment("updated_at"),
    Column("updated_by", Text, nullable=False),
    json_object("extras"),
    Index("teams_name", text("lower(name)"), unique=True, postgresql_where=text("archived_at IS NULL")),
    Index("teams_group", "group_binding", postgresql_where=text("group_binding IS NOT NULL AND archived_at IS NULL")),
)
"""``allowed_models``: NULL = every model, empty = none."""

team_members = Table(
    "team_members",
    metadata,
    Column("team_id", Text, ForeignKey("teams.id", ondelete="CASCADE", name="team_members_team"), nullable=False),
    Column("user_id", Text, ForeignKey("users.id", ondelete="CASCADE", name="team_members_user"), nullable=False),
    Column("role", Text, nullable=False),
    Column("max_budget_nano", BigInteger),
    Column("by_group", Boolean, nullable=False, server_default=text("false")),
    moment("joined_at"),
    Column("added_by", Text, nullable=False),
    Column("rpm_limit", BigInteger),
    Column("tpm_limit", BigInteger),
    PrimaryKeyConstraint("team_id", "user_id"),
    CheckConstraint("role IN ('admin', 'member', 'viewer')", name="team_members_role"),
    Index("team_members_user", "user_id"),
)
