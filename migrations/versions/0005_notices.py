"""What people are told: inbox, webhooks, and what waits to be delivered.

Revision ID: 0005
"""

from __future__ import annotations

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_STATEMENTS = (
    """
    CREATE TABLE notices (
        id text PRIMARY KEY,
        user_id text NOT NULL CONSTRAINT notices_user REFERENCES users (id) ON DELETE CASCADE,
        event text NOT NULL,
        subject text NOT NULL,
        once text NOT NULL,
        facts jsonb NOT NULL DEFAULT '{}',
        in_inbox boolean NOT NULL DEFAULT true,
        at timestamptz NOT NULL DEFAULT now(),
        read_at timestamptz
    )
    """,
    "CREATE UNIQUE INDEX notices_once ON notices (user_id, event, subject, once)",
    "CREATE INDEX notices_inbox ON notices (user_id, at DESC, id) WHERE in_inbox",
    "CREATE INDEX notices_unread ON notices (user_id) WHERE in_inbox AND read_at IS NULL",
    "CREATE INDEX notices_at ON notices (at)",
    """
    CREATE TABLE webhooks (
        id text PRIMARY KEY,
        url text NOT NULL,
        events text[] NOT NULL DEFAULT '{}',
        secret_sealed bytea NOT NULL,
        is_active boolean NOT NULL DEFAULT true,
        failures integer NOT NULL DEFAULT 0,
        disabled_reason text,
        created_at timestamptz NOT NULL DEFAULT now(),
        created_by text NOT NULL,
        updated_at timestamptz NOT NULL DEFAULT now(),
        updated_by text NOT NULL
    )
    """,
    """
    CREATE TABLE deliveries (
        id bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
        channel text NOT NULL CONSTRAINT deliveries_channel CHECK (channel IN ('email', 'webhook')),
        notice_id text CONSTRAINT deliveries_notice REFERENCES notices (id) ON DELETE CASCADE,
        webhook_id text CONSTRAINT deliveries_webhook REFERENCES webhooks (id) ON DELETE CASCADE,
        event text NOT NULL,
        payload jsonb NOT NULL DEFAULT '{}',
        state text NOT NULL DEFAULT 'waiting'
            CONSTRAINT deliveries_state CHECK (state IN ('waiting', 'delivered', 'given_up', 'skipped')),
        attempts integer NOT NULL DEFAULT 0,
        next_at timestamptz NOT NULL DEFAULT now(),
        status integer,
        last_error text,
        created_at timestamptz NOT NULL DEFAULT now(),
        ended_at timestamptz
    )
    """,
    "CREATE INDEX deliveries_due ON deliveries (next_at) WHERE state = 'waiting'",
    "CREATE INDEX deliveries_webhook_newest ON deliveries (webhook_id, id DESC)",
    "CREATE INDEX deliveries_notice_id ON deliveries (notice_id)",
)


def upgrade() -> None:
    for statement in _STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    raise NotImplementedError("restore a backup instead: going back would drop what people were told")
