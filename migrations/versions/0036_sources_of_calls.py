"""Where a call came from, and the request log by cost and by duration.

Revision ID: 0036
"""

from __future__ import annotations

from alembic import op

revision = "0036"
down_revision = "0035"
branch_labels = None
depends_on = None

_STATEMENTS = (
    "CREATE INDEX usage_records_cost ON usage_records (cost_nano DESC, started_at DESC)",
    "CREATE INDEX usage_records_duration ON usage_records (duration_us DESC, started_at DESC)",
    # An entry of an index has at most 2,704 bytes, and strangers name models as they like.
    """
    CREATE INDEX usage_records_cost_of_model ON usage_records (model, cost_nano DESC, started_at DESC)
        WHERE length(model) <= 256
    """,
    """
    CREATE INDEX usage_records_duration_of_model ON usage_records (model, duration_us DESC, started_at DESC)
        WHERE length(model) <= 256
    """,
    "CREATE INDEX usage_records_cost_unsuccessful ON usage_records (cost_nano DESC, started_at DESC) WHERE status <> 'success'",
    """
    CREATE INDEX usage_records_duration_unsuccessful ON usage_records (duration_us DESC, started_at DESC)
        WHERE status <> 'success'
    """,
    # After what takes long: from here on nobody reads records either. A constant default writes no row anew (PostgreSQL 11).
    "ALTER TABLE usage_records ADD COLUMN source text NOT NULL DEFAULT 'api'",
    "CREATE INDEX usage_records_sources ON usage_records (started_at DESC) WHERE source <> 'api'",
    "CREATE INDEX usage_records_cost_playground ON usage_records (cost_nano DESC, started_at DESC) WHERE source <> 'api'",
    "CREATE INDEX usage_records_duration_playground ON usage_records (duration_us DESC, started_at DESC) WHERE source <> 'api'",
)
_INDEXES = (
    "sources", "cost", "duration", "cost_of_model", "duration_of_model", "cost_unsuccessful", "duration_unsuccessful",
    "cost_playground", "duration_playground",
)  # fmt: skip


def upgrade() -> None:
    for statement in _STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    for name in _INDEXES:
        op.execute(f"DROP INDEX usage_records_{name}")
    op.execute("ALTER TABLE usage_records DROP COLUMN source")
