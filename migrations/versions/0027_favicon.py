"""An installation has an icon of its own.

Revision ID: 0027
"""

from __future__ import annotations

from alembic import op

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None

_BEFORE = ("login-logo", "header-brand-light", "header-brand-dark")


def upgrade() -> None:
    _allow(*_BEFORE, "favicon")


def downgrade() -> None:
    op.execute("DELETE FROM brand_images WHERE kind = 'favicon'")
    _allow(*_BEFORE)


def _allow(*kinds: str) -> None:
    listed = ", ".join(map(repr, kinds))
    op.execute("ALTER TABLE brand_images DROP CONSTRAINT brand_images_kind")
    op.execute(f"ALTER TABLE brand_images ADD CONSTRAINT brand_images_kind CHECK (kind IN ({listed}))")
