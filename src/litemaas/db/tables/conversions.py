"""Which conversions are under way at model servers? Tasks that clients ask for later, from any worker."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Index, Integer, Table, Text, text

from litemaas.db.tables.base import Moment, metadata, moment

conversion_tasks = Table(
    "conversion_tasks",
    metadata,
    Column("task_id", Text, primary_key=True),
    Column("engine_task_id", Text, nullable=False),
    Column("deployment_id", Text, nullable=False),
    Column("key_hash", Text, nullable=False),
    Column("worker_id", Text, nullable=False),
    Column("record", Text, nullable=False),
    Column("documents", Integer, nullable=False),
    Column("hides_json", Boolean, nullable=False),
    moment("submitted_at"),
    Column("finished_at", Moment),
    Column("pages", Integer),
    Column("usage_source", Text),
    Column("outcome", Text),
    Column("settled_at", Moment),
    Index("conversion_tasks_open", "worker_id", postgresql_where=text("settled_at IS NULL")),
    Index("conversion_tasks_submitted", "submitted_at"),
)
"""``task_id``: what the client knows, and the id of the usage record. ``record``: what that record will say besides the usage.
``worker_id``: who holds the money and bills. ``outcome``: paid, free (nothing was converted) or failed.
"""
