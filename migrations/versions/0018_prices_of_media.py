"""Prices of sound by the second, of spoken text by the character and of images.

Revision ID: 0018
"""

from __future__ import annotations

from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

_COLUMNS = ("second_per_million", "character_per_million", "image_per_million")


def upgrade() -> None:
    added = ", ".join(f"ADD COLUMN {column} bigint NOT NULL DEFAULT 0" for column in _COLUMNS)
    op.execute(f"ALTER TABLE prices {added}")
    members = ", ".join(f"'{column}', 0" for column in _COLUMNS)
    op.execute(f"UPDATE models SET pricing = jsonb_build_object({members}) || pricing WHERE pricing IS NOT NULL")  # noqa: S608 — names of ours


def downgrade() -> None:
    op.execute(f"ALTER TABLE prices {', '.join(f'DROP COLUMN {column}' for column in _COLUMNS)}")
    op.execute(f"UPDATE models SET pricing = pricing {' '.join(f'- {column!r}' for column in _COLUMNS)}")  # noqa: S608 — as above
