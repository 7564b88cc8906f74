"""Banners and who dismissed them, images of the brand, and words of the audit trail to search for.

Revision ID: 0007
"""

from __future__ import annotations

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_STATEMENTS = (
    """
    CREATE TABLE banners (
        id text PRIMARY KEY,
        name text NOT NULL,
        content jsonb NOT NULL DEFAULT '{}',
        variant text NOT NULL DEFAULT 'info'
            CONSTRAINT banners_variant CHECK (variant IN ('info', 'warning', 'danger', 'success', 'default')),
        is_active boolean NOT NULL DEFAULT false,
        priority integer NOT NULL DEFAULT 0,
        dismissible boolean NOT NULL DEFAULT true,
        dismiss_duration_hours integer,
        starts_at timestamptz,
        ends_at timestamptz,
        target_roles text[],
        target_users text[],
        target_groups text[],
        target_teams text[],
        link_url text,
        link_text jsonb NOT NULL DEFAULT '{}',
        created_at timestamptz NOT NULL DEFAULT now(),
        created_by text NOT NULL,
        updated_at timestamptz NOT NULL DEFAULT now(),
        updated_by text NOT NULL
    )
    """,
    """
    CREATE TABLE dismissals (
        banner_id text NOT NULL CONSTRAINT dismissals_banner REFERENCES banners (id) ON DELETE CASCADE,
        user_id text NOT NULL CONSTRAINT dismissals_user REFERENCES users (id) ON DELETE CASCADE,
        at timestamptz NOT NULL DEFAULT now(),
        PRIMARY KEY (banner_id, user_id)
    )
    """,
    """
    CREATE TABLE brand_images (
        kind text PRIMARY KEY
            CONSTRAINT brand_images_kind CHECK (kind IN ('login-logo', 'header-brand-light', 'header-brand-dark')),
        media_type text NOT NULL,
        content bytea NOT NULL,
        etag text NOT NULL,
        updated_at timestamptz NOT NULL DEFAULT now(),
        updated_by text NOT NULL
    )
    """,
    """
    CREATE INDEX audit_words ON audit USING gin (to_tsvector('simple',
        action || ' ' || object_id || ' ' || coalesce(object_name, '') || ' ' || coalesce(actor_name, '')))
    """,
    "CREATE INDEX audit_type ON audit (object_kind)",
)


def upgrade() -> None:
    for statement in _STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    raise NotImplementedError("restore a backup instead: going back would drop banners and the brand's images")
