"""Whole numbers are added up as such: PostgreSQL's own sum of bigint goes by way of numeric, which costs more than the adding.

``usage_sum`` fails when a sum is larger than a bigint (nine thousand million dollars in nano-USD), as storing it would. It is
null without any value, like ``sum``. Parallel workers may take parts of it.

Revision ID: 0033
"""

from __future__ import annotations

from alembic import op

revision = "0033"
down_revision = "0032"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        "CREATE AGGREGATE usage_sum(bigint) (SFUNC = int8pl, STYPE = bigint, COMBINEFUNC = int8pl, PARALLEL = SAFE)"
    )


def downgrade() -> None:
    op.execute("DROP AGGREGATE usage_sum(bigint)")
