"""Which cost centre and workshop is a call of? SQL that says so of a record, or of what waits to be folded into the rollups.

The cost centre is that of the key, else of its team, else of its user, as it was when the call began (``cost_centres``).
A workshop is the pot that the key pays from. '' = none.
"""

from __future__ import annotations

OWNERS = {"key": "key_hash", "team": "team_id", "user": "user_id"}
"""Whose cost centre goes first, and the column that names them."""


_MOMENT = {"usage_records": "started_at", "usage_deltas": "payers_at"}
"""Which column says of when the cost centre is. All calls of a delta began between the same two changes of cost centres."""


def payer_columns(table: str, name: str | None = None) -> dict[str, str]:
    """Expressions over ``usage_records`` or ``usage_deltas``, called ``name``: a few look-ups in indexes for each row."""
    row = name or table
    found = (
        "(SELECT h.cost_centre FROM cost_centres h"  # noqa: S608 — names of ours
        f" WHERE h.kind = '{kind}' AND h.id = {row}.{column} AND h.since <= {row}.{_MOMENT[table]}"
        " ORDER BY h.since DESC LIMIT 1)"
        for kind, column in OWNERS.items()
    )
    pot = f"(SELECT k.pot_id FROM virtual_keys k WHERE k.key_hash = {row}.key_hash)"  # noqa: S608 — as above
    return {"cost_centre": f"coalesce({', '.join(found)}, '')", "workshop": f"coalesce({pot}, '')"}


def with_payers(table: str) -> str:
    """The table with ``cost_centre`` and ``workshop`` as columns, under its own name."""
    columns = ", ".join(f"{value} AS {name}" for name, value in payer_columns(table, "r").items())
    return f"(SELECT r.*, {columns} FROM {table} r) AS {table}"  # noqa: S608 — as above
