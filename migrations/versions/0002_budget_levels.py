"""Budget levels: users, teams, customers and pots; leases that tell lost answers apart; recalls, lost workers, events.

Revision ID: 0002
"""

from __future__ import annotations

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_STATEMENTS = (
    """
    CREATE TABLE budgets (
        scope text PRIMARY KEY,
        max_budget_nano bigint,
        soft_budget_nano bigint,
        budget_duration text,
        budget_set_at timestamptz NOT NULL DEFAULT now(),
        rpm_limit integer,
        tpm_limit bigint,
        max_parallel_requests integer,
        created_at timestamptz NOT NULL DEFAULT now(),
        created_by text NOT NULL,
        updated_at timestamptz NOT NULL DEFAULT now(),
        updated_by text NOT NULL
    )
    """,
    """
    CREATE TABLE budget_events (
        scope text NOT NULL,
        window_start timestamptz NOT NULL,
        kind text NOT NULL CONSTRAINT budget_events_kind CHECK (kind IN ('soft', 'near_limit')),
        threshold_nano bigint NOT NULL,
        settled_nano bigint NOT NULL,
        at timestamptz NOT NULL DEFAULT now(),
        PRIMARY KEY (scope, window_start, kind)
    )
    """,
    "CREATE INDEX budget_events_at ON budget_events (at)",
    "ALTER TABLE virtual_keys ADD COLUMN pot_id text",
    "CREATE INDEX virtual_keys_pot ON virtual_keys (pot_id) WHERE deleted_at IS NULL",
    "ALTER TABLE budget_windows ADD COLUMN recalled_at timestamptz",
    """
    ALTER TABLE leases
        ADD COLUMN drawn_nano bigint NOT NULL DEFAULT 0,
        ADD COLUMN free_nano bigint NOT NULL DEFAULT 0,
        ADD COLUMN life bigint NOT NULL DEFAULT 0,
        ADD COLUMN serial bigint NOT NULL DEFAULT 0
    """,
    """
    ALTER TABLE workers
        ADD COLUMN epoch bigint NOT NULL DEFAULT 0,
        ADD COLUMN lost_after_s double precision NOT NULL DEFAULT 900
    """,
)


def upgrade() -> None:
    for statement in _STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    raise NotImplementedError("restore a backup instead: going back would drop budgets and their events")
