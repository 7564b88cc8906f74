"""Where does spend stand? Limits of scopes, windows with what is settled and leased, leases and workers, and events.

A key's own limits stand in ``virtual_keys``; ``budgets`` has those of users, teams, customers and pots.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Double,
    Index,
    Integer,
    PrimaryKeyConstraint,
    Table,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from litemaas.db.tables.base import Moment, metadata, moment

budgets = Table(
    "budgets",
    metadata,
    Column("scope", Text, primary_key=True),
    Column("max_budget_nano", BigInteger),
    Column("soft_budget_nano", BigInteger),
    Column("budget_duration", Text),
    moment("budget_set_at"),
    Column("rpm_limit", Integer),
    Column("tpm_limit", BigInteger),
    Column("max_parallel_requests", Integer),
    moment("created_at"),
    Column("created_by", Text, nullable=False),
    moment("updated_at"),
    Column("updated_by", Text, nullable=False),
)

budget_events = Table(
    "budget_events",
    metadata,
    Column("scope", Text, nullable=False),
    Column("window_start", Moment, nullable=False),
    Column("kind", Text, nullable=False),
    Column("threshold_nano", BigInteger, nullable=False),
    Column("settled_nano", BigInteger, nullable=False),
    moment("at"),
    PrimaryKeyConstraint("scope", "window_start", "kind"),
    CheckConstraint("kind IN ('soft', 'near_limit')", name="budget_events_kind"),
    Index("budget_events_at", "at"),
)

budget_windows = Table(
    "budget_windows",
    metadata,
    Column("scope", Text, nullable=False),
    Column("window_start", Moment, nullable=False),
    Column("settled_nano", BigInteger, nullable=False, server_default=text("0")),
    Column("leased_nano", BigInteger, nullable=False, server_default=text("0")),
    Column("requests", BigInteger, nullable=False, server_default=text("0")),
    moment("updated_at"),
    Column("recalled_at", Moment),
    PrimaryKeyConstraint("scope", "window_start"),
    CheckConstraint("settled_nano >= 0 AND leased_nano >= 0", name="budget_windows_not_negative"),
)

leases = Table(
    "leases",
    metadata,
    Column("worker_id", Text, nullable=False),
    Column("scope", Text, nullable=False),
    Column("window_start", Moment, nullable=False),
    Column("granted_nano", BigInteger, nullable=False),
    moment("updated_at"),
    Column("drawn_nano", BigInteger, nullable=False, server_default=text("0")),
    Column("free_nano", BigInteger, nullable=False, server_default=text("0")),
    Column("life", BigInteger, nullable=False, server_default=text("0")),
    Column("serial", BigInteger, nullable=False, server_default=text("0")),
    PrimaryKeyConstraint("worker_id", "scope", "window_start"),
    Index("leases_scope", "scope", "window_start"),
)

workers = Table(
    "workers",
    metadata,
    Column("worker_id", Text, primary_key=True),
    Column("host", Text, nullable=False),
    Column("pid", Integer, nullable=False),
    moment("started_at"),
    moment("heartbeat_at"),
    Column("epoch", BigInteger, nullable=False, server_default=text("0")),
    Column("lost_after_s", Double, nullable=False, server_default=text("900")),
    Column("loads", JSONB, nullable=False, server_default=text("'[]'::jsonb")),
)
"""``loads``: what it sees of the deployments now, as ``gateway.loads`` tells it; only for people to look at."""
