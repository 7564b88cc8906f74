"""Where does spend stand? Windows with what is settled and leased, the leases on them, and the workers that hold those."""

from __future__ import annotations

from sqlalchemy import BigInteger, CheckConstraint, Column, Index, Integer, PrimaryKeyConstraint, Table, Text, text

from litemaas.db.tables.base import Moment, metadata, moment

budget_windows = Table(
    "budget_windows",
    metadata,
    Column("scope", Text, nullable=False),
    Column("window_start", Moment, nullable=False),
    Column("settled_nano", BigInteger, nullable=False, server_default=text("0")),
    Column("leased_nano", BigInteger, nullable=False, server_default=text("0")),
    Column("requests", BigInteger, nullable=False, server_default=text("0")),
    moment("updated_at"),
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
)
