"""Who may use which model? Subscriptions of people and teams with their history, and policies over groups of both."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, CheckConstraint, Column, ForeignKey, Identity, Index, Table, Text, text

from litemaas.db.tables.base import Moment, metadata, moment, text_array

subscriptions = Table(
    "subscriptions",
    metadata,
    Column("id", Text, primary_key=True),
    Column("user_id", Text),
    Column("team_id", Text),
    Column(
        "model_name", Text, ForeignKey("models.name", onupdate="CASCADE", name="subscriptions_model"), nullable=False
    ),
    Column("status", Text, nullable=False),
    Column("status_reason", Text),
    moment("status_changed_at"),
    Column("status_changed_by", Text, nullable=False),
    Column("status_before", Text),
    Column("needs_approval", Boolean, nullable=False, server_default=text("false")),
    Column("justification", Text),
    Column("quota_requests", BigInteger),
    Column("quota_tokens", BigInteger),
    Column("expires_at", Moment),
    Column("expiry_by_admin", Boolean, nullable=False, server_default=text("false")),
    Column("archived_at", Moment),
    moment("created_at"),
    Column("created_by", Text, nullable=False),
    moment("updated_at"),
    Column("updated_by", Text, nullable=False),
    CheckConstraint("(user_id IS NULL) <> (team_id IS NULL)", name="subscriptions_one_holder"),
    CheckConstraint(
        "status IN ('pending', 'active', 'denied', 'suspended', 'expired', 'cancelled', 'inactive')",
        name="subscriptions_status",
    ),
    Index("subscriptions_of_user", "user_id", "model_name", unique=True, postgresql_where=text("archived_at IS NULL")),
    Index("subscriptions_of_team", "team_id", "model_name", unique=True, postgresql_where=text("archived_at IS NULL")),
    Index("subscriptions_of_model", "model_name", "status", postgresql_where=text("archived_at IS NULL")),
    Index("subscriptions_queue", "status", "status_changed_at", "id", postgresql_where=text("archived_at IS NULL")),
    Index(
        "subscriptions_expiry", "expires_at",
        postgresql_where=text("expires_at IS NOT NULL AND status IN ('pending', 'active', 'suspended')"),
    ),
)  # fmt: skip
"""The holder is a user or a team. ``status_before``: what it was when its model was retired. ``needs_approval``: an
administrator took it away once, so that subscribing again needs approval. ``expiry_by_admin``: who set ``expires_at``.

What is used of the quotas stands in ``budget_windows``, under ``quota:<id>/requests`` and ``…/tokens``, per calendar month.
Whoever reads a row asks for ``expires_at``, too: the status follows some seconds later.
"""

subscription_history = Table(
    "subscription_history",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column(
        "subscription_id", Text, ForeignKey("subscriptions.id", ondelete="CASCADE", name="subscription_history_of"),
        nullable=False,
    ),
    Column("event", Text, nullable=False),
    Column("old_status", Text),
    Column("new_status", Text),
    Column("reason", Text),
    Column("actor", Text, nullable=False),
    Column("actor_kind", Text, nullable=False),
    Column("actor_name", Text),
    moment("at"),
    Index("subscription_history_order", "subscription_id", "id"),
)  # fmt: skip
"""``old_status``: NULL = there was none; ``new_status``: NULL = it was deleted."""

access_policies = Table(
    "access_policies",
    metadata,
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("description", Text, nullable=False, server_default=text("''")),
    Column("effect", Text, nullable=False),
    Column("all_models", Boolean, nullable=False, server_default=text("false")),
    text_array("models"),
    text_array("tags"),
    Column("everyone", Boolean, nullable=False, server_default=text("false")),
    text_array("groups"),
    text_array("teams"),
    text_array("users"),
    moment("created_at"),
    Column("created_by", Text, nullable=False),
    moment("updated_at"),
    Column("updated_by", Text, nullable=False),
    CheckConstraint(
        "effect IN ('deny', 'allow', 'require_approval', 'auto_approve')", name="access_policies_effect"
    ),
    Index("access_policies_name", text("lower(name)"), unique=True),
)  # fmt: skip
"""``models``: public names; ``tags``: of models; ``groups``: as the identity provider names them; ``teams``, ``users``: ids."""
