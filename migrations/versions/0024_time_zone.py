"""The installation's time zone: days, weeks, months and local hours of the rollups begin in it.

Revision ID: 0024
"""

from __future__ import annotations

from alembic import op

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None

_STATEMENTS = (
    """
    CREATE TABLE installation (
        id smallint PRIMARY KEY DEFAULT 1 CONSTRAINT installation_is_one CHECK (id = 1),
        timezone text NOT NULL DEFAULT 'UTC'
    )
    """,
    "INSERT INTO installation DEFAULT VALUES",
    # The trigger as it is, but for the zone of its hours.
    """
    DO $$ BEGIN
        EXECUTE replace(
            pg_get_functiondef('usage_records_to_deltas'::regproc),
            'date_trunc(''hour'', started_at, ''UTC'')',
            'date_trunc(''hour'', started_at, (SELECT timezone FROM installation))'
        );
    END $$
    """,
)


def upgrade() -> None:
    for statement in _STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    raise NotImplementedError("restore a backup instead: rollups may be of another zone")
