"""What LiteLLM's clients keep with people and teams, budgets by name, and customers.

Revision ID: 0016
"""

from __future__ import annotations

from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

_STATEMENTS = (
    "ALTER TABLE users ADD COLUMN extras jsonb NOT NULL DEFAULT '{}'",
    "ALTER TABLE teams ADD COLUMN extras jsonb NOT NULL DEFAULT '{}'",
    """
    CREATE TABLE budget_plans (
        id text PRIMARY KEY,
        max_budget_nano bigint,
        soft_budget_nano bigint,
        budget_duration text,
        budget_set_at timestamptz NOT NULL DEFAULT now(),
        rpm_limit integer,
        tpm_limit bigint,
        max_parallel_requests integer,
        extras jsonb NOT NULL DEFAULT '{}',
        created_at timestamptz NOT NULL DEFAULT now(),
        created_by text NOT NULL,
        updated_at timestamptz NOT NULL DEFAULT now(),
        updated_by text NOT NULL
    )
    """,
    """
    CREATE TABLE customers (
        id text PRIMARY KEY,
        alias text,
        is_blocked boolean NOT NULL DEFAULT false,
        plan_id text,
        extras jsonb NOT NULL DEFAULT '{}',
        created_at timestamptz NOT NULL DEFAULT now(),
        created_by text NOT NULL,
        updated_at timestamptz NOT NULL DEFAULT now(),
        updated_by text NOT NULL
    )
    """,
    "CREATE INDEX customers_plan ON customers (plan_id) WHERE plan_id IS NOT NULL",
)


def upgrade() -> None:
    for statement in _STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    op.execute("DROP TABLE customers")
    op.execute("DROP TABLE budget_plans")
    op.execute("ALTER TABLE teams DROP COLUMN extras")
    op.execute("ALTER TABLE users DROP COLUMN extras")
