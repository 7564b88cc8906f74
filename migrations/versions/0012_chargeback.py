"""Chargeback: cost centres over time, and the lines of closed months.

Revision ID: 0012
"""

from __future__ import annotations

from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

_OWNERS = {"key": ("virtual_keys", "key_hash"), "team": ("teams", "id"), "user": ("users", "id")}


def _kept(kind: str, table: str, column: str) -> tuple[str, ...]:
    """Whenever a cost centre is set, the history gets a row; the first one holds from the beginning of its owner."""
    return (
        f"""
        CREATE FUNCTION keep_cost_centre_of_{kind}() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF TG_OP = 'INSERT' AND NEW.cost_centre IS NULL THEN RETURN NULL; END IF;
            INSERT INTO cost_centres (kind, id, since, cost_centre)
            VALUES ('{kind}', NEW.{column}, clock_timestamp(), NEW.cost_centre)
            ON CONFLICT (kind, id, since) DO UPDATE SET cost_centre = EXCLUDED.cost_centre;
            RETURN NULL;
        END $$
        """,  # noqa: S608 — names of ours
        f"""
        CREATE TRIGGER keep_cost_centre_insert AFTER INSERT ON {table}
        FOR EACH ROW EXECUTE FUNCTION keep_cost_centre_of_{kind}()
        """,
        f"""
        CREATE TRIGGER keep_cost_centre_update AFTER UPDATE OF cost_centre ON {table}
        FOR EACH ROW WHEN (OLD.cost_centre IS DISTINCT FROM NEW.cost_centre)
        EXECUTE FUNCTION keep_cost_centre_of_{kind}()
        """,
        f"""
        INSERT INTO cost_centres (kind, id, since, cost_centre)
        SELECT '{kind}', {column}, created_at, cost_centre FROM {table} WHERE cost_centre IS NOT NULL
        """,  # noqa: S608 — names of ours
    )


_STATEMENTS = (
    """
    CREATE TABLE cost_centres (
        kind text NOT NULL,
        id text NOT NULL,
        since timestamptz NOT NULL,
        cost_centre text,
        PRIMARY KEY (kind, id, since)
    )
    """,
    *(statement for kind, (table, column) in _OWNERS.items() for statement in _kept(kind, table, column)),
    """
    CREATE TABLE closed_months (
        month date PRIMARY KEY,
        currency text NOT NULL,
        closed_at timestamptz NOT NULL DEFAULT now(),
        closed_by text NOT NULL
    )
    """,
    """
    CREATE TABLE chargeback_lines (
        month date NOT NULL,
        day date NOT NULL,
        cost_centre text NOT NULL,
        team_id text NOT NULL,
        team_name text NOT NULL,
        user_id text NOT NULL,
        user_name text NOT NULL,
        key_id text NOT NULL,
        key_name text NOT NULL,
        model text NOT NULL,
        price_version bigint NOT NULL,
        correction boolean NOT NULL,
        requests bigint NOT NULL,
        prompt_tokens bigint NOT NULL,
        completion_tokens bigint NOT NULL,
        pages bigint NOT NULL,
        input_cost_nano bigint NOT NULL,
        output_cost_nano bigint NOT NULL,
        other_cost_nano bigint NOT NULL
    )
    """,
    "CREATE INDEX chargeback_lines_month ON chargeback_lines (month, day)",
    "CREATE INDEX chargeback_lines_day ON chargeback_lines (day)",
)


def upgrade() -> None:
    for statement in _STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    raise NotImplementedError("restore a backup instead: going back would drop what was billed")
