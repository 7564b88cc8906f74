"""Who pays for what? Cost centres as they were at each moment, and the lines of months that are closed."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Date, Index, PrimaryKeyConstraint, Table, Text

from litemaas.db.tables.base import Moment, metadata, moment

cost_centres = Table(
    "cost_centres",
    metadata,
    Column("kind", Text, nullable=False),
    Column("id", Text, nullable=False),
    Column("since", Moment, nullable=False),
    Column("cost_centre", Text),
    PrimaryKeyConstraint("kind", "id", "since"),
    Index("cost_centres_since", "since"),
)
"""Of keys (by ``key_hash``), teams and users; written by triggers on their tables whenever one changes."""

closed_months = Table(
    "closed_months",
    metadata,
    Column("month", Date, primary_key=True),
    Column("currency", Text, nullable=False),
    moment("closed_at"),
    Column("closed_by", Text, nullable=False),
)

chargeback_lines = Table(
    "chargeback_lines",
    metadata,
    Column("month", Date, nullable=False),
    Column("day", Date, nullable=False),
    Column("cost_centre", Text, nullable=False),
    Column("team_id", Text, nullable=False),
    Column("team_name", Text, nullable=False),
    Column("user_id", Text, nullable=False),
    Column("user_name", Text, nullable=False),
    Column("key_id", Text, nullable=False),
    Column("key_name", Text, nullable=False),
    Column("model", Text, nullable=False),
    Column("price_version", BigInteger, nullable=False),
    Column("correction", Boolean, nullable=False),
    Column("requests", BigInteger, nullable=False),
    Column("prompt_tokens", BigInteger, nullable=False),
    Column("completion_tokens", BigInteger, nullable=False),
    Column("pages", BigInteger, nullable=False),
    Column("input_cost_nano", BigInteger, nullable=False),
    Column("output_cost_nano", BigInteger, nullable=False),
    Column("other_cost_nano", BigInteger, nullable=False),
    Index("chargeback_lines_month", "month", "day"),
    Index("chargeback_lines_day", "day"),
)
"""What a closed month was billed. ``day`` lies in an earlier month where ``correction`` is true; '' and 0 mean none."""
