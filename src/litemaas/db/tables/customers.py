"""Who stands behind calls without a key of their own, and which sets of limits have a name? Their spend is in ``budgets``."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, Table, Text, text

from litemaas.db.tables.base import json_object, metadata, moment

customers = Table(
    "customers",
    metadata,
    Column("id", Text, primary_key=True),
    Column("alias", Text),
    Column("is_blocked", Boolean, nullable=False, server_default=text("false")),
    Column("plan_id", Text),
    json_object("extras"),
    moment("created_at"),
    Column("created_by", Text, nullable=False),
    moment("updated_at"),
    Column("updated_by", Text, nullable=False),
    Index("customers_plan", "plan_id", postgresql_where=text("plan_id IS NOT NULL")),
)

budget_plans = Table(
    "budget_plans",
    metadata,
    Column("id", Text, primary_key=True),
    Column("max_budget_nano", BigInteger),
    Column("soft_budget_nano", BigInteger),
    Column("budget_duration", Text),
    moment("budget_set_at"),
    Column("rpm_limit", Integer),
    Column("tpm_limit", BigInteger),
    Column("max_parallel_requests", Integer),
    json_object("extras"),
    moment("created_at"),
    Column("created_by", Text, nullable=False),
    moment("updated_at"),
    Column("updated_by", Text, nullable=False),
)
"""Limits that keys, people, teams and customers name by ``id``; each of them spends its own money."""
