"""Workshops whose seats people claim: times, codes, and who holds which seat.

Revision ID: 0020
"""

from __future__ import annotations

from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

_STATEMENTS = (
    """
    ALTER TABLE workshops
        ADD COLUMN title text,
        ADD COLUMN description text NOT NULL DEFAULT '',
        ADD COLUMN organisers text[] NOT NULL DEFAULT '{}',
        ADD COLUMN time_zone text,
        ADD COLUMN starts_at timestamptz,
        ADD COLUMN claim_opens_at timestamptz,
        ADD COLUMN claim_closes_at timestamptz,
        ADD COLUMN claim_mode text CONSTRAINT workshops_claim_mode CHECK (claim_mode IN ('shared_code', 'seat_codes')),
        ADD COLUMN code_hash text,
        ADD COLUMN code_sealed bytea,
        ADD COLUMN announcement text NOT NULL DEFAULT '',
        ADD COLUMN paused_at timestamptz,
        ADD COLUMN ended_at timestamptz
    """,
    """
    CREATE TABLE workshop_seats (
        guid text NOT NULL CONSTRAINT workshop_seats_workshop REFERENCES workshops (guid) ON DELETE CASCADE,
        user_name text NOT NULL,
        label text,
        code_hash text,
        code_sealed bytea,
        nickname text,
        claimed_at timestamptz,
        browser_hash text,
        PRIMARY KEY (guid, user_name)
    )
    """,
    "CREATE UNIQUE INDEX workshop_seats_code ON workshop_seats (guid, code_hash) WHERE code_hash IS NOT NULL",
)


def upgrade() -> None:
    for statement in _STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    raise NotImplementedError("restore a backup instead: going back would drop seats")
