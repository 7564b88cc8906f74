"""Routing: limits and cool-downs of deployments; strategies, fallbacks, other names and guardrails of models.

Revision ID: 0006
"""

from __future__ import annotations

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_STATEMENTS = (
    """
    ALTER TABLE models
        ADD COLUMN routing_strategy text,
        ADD COLUMN fallbacks text[] NOT NULL DEFAULT '{}',
        ADD COLUMN context_fallbacks text[] NOT NULL DEFAULT '{}',
        ADD COLUMN retries integer,
        ADD COLUMN aliases text[] NOT NULL DEFAULT '{}',
        ADD COLUMN guardrails text[] NOT NULL DEFAULT '{}'
    """,
    """
    ALTER TABLE deployments
        ADD COLUMN rpm_limit integer,
        ADD COLUMN tpm_limit bigint,
        ADD COLUMN max_parallel_requests integer,
        ADD COLUMN cooldown_s double precision
    """,
    """
    UPDATE deployments SET
        rpm_limit = CASE WHEN params ->> 'rpm' ~ '^[0-9]{1,9}$' THEN (params ->> 'rpm')::integer END,
        tpm_limit = CASE WHEN params ->> 'tpm' ~ '^[0-9]{1,15}$' THEN (params ->> 'tpm')::bigint END,
        max_parallel_requests = CASE WHEN params ->> 'max_parallel_requests' ~ '^[0-9]{1,9}$'
                                     THEN (params ->> 'max_parallel_requests')::integer END
    WHERE params ?| ARRAY['rpm', 'tpm', 'max_parallel_requests']
    """,
)


def upgrade() -> None:
    for statement in _STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    raise NotImplementedError("restore a backup instead: going back would drop limits and fallbacks that were set")
