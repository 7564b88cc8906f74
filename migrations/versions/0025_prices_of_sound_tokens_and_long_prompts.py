"""Prices of tokens of sound, and of calls with long prompts.

Revision ID: 0025
"""

from __future__ import annotations

from alembic import op

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None

_COLUMNS = (
    "audio_input_per_million",
    "audio_output_per_million",
    "input_above_128k_per_million",
    "output_above_128k_per_million",
    "input_above_200k_per_million",
    "output_above_200k_per_million",
    "cached_input_above_200k_per_million",
    "cache_write_above_200k_per_million",
)


def upgrade() -> None:
    op.execute(f"ALTER TABLE prices {', '.join(f'ADD COLUMN {column} bigint' for column in _COLUMNS)}")


def downgrade() -> None:
    op.execute(f"ALTER TABLE prices {', '.join(f'DROP COLUMN {column}' for column in _COLUMNS)}")
    op.execute(f"UPDATE models SET pricing = pricing {' '.join(f'- {column!r}' for column in _COLUMNS)}")  # noqa: S608 — names of ours
