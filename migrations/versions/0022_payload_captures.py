"""Captured calls: whose, until when, and what they said.

Revision ID: 0022
"""

from __future__ import annotations

from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None

_STATEMENTS = (
    """
    CREATE TABLE payload_captures (
        id text PRIMARY KEY,
        key_hash text,
        team_id text,
        reason text NOT NULL,
        until timestamptz NOT NULL,
        created_at timestamptz NOT NULL DEFAULT now(),
        created_by text NOT NULL,
        CONSTRAINT payload_captures_one_subject CHECK ((key_hash IS NULL) <> (team_id IS NULL)),
        CONSTRAINT payload_captures_end CHECK (until <= created_at + interval '30 days')
    )
    """,
    "CREATE INDEX payload_captures_until ON payload_captures (until)",
    """
    CREATE TABLE captured_payloads (
        capture_id text NOT NULL CONSTRAINT captured_payloads_of REFERENCES payload_captures (id) ON DELETE CASCADE,
        request_id text NOT NULL,
        at timestamptz NOT NULL,
        key_hash text NOT NULL,
        model text NOT NULL,
        endpoint text NOT NULL,
        status_code integer NOT NULL,
        request_sealed bytea NOT NULL,
        request_bytes bigint NOT NULL,
        answer_sealed bytea NOT NULL,
        answer_bytes bigint NOT NULL,
        PRIMARY KEY (capture_id, request_id)
    )
    """,
    "CREATE INDEX captured_payloads_order ON captured_payloads (capture_id, at, request_id)",
    "CREATE INDEX captured_payloads_at ON captured_payloads (at)",
)


def upgrade() -> None:
    for statement in _STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    op.execute("DROP TABLE captured_payloads")
    op.execute("DROP TABLE payload_captures")
