"""How are rollups stored? One table per cube and grain, the dimensions beside them, and what waits to be folded in."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import BigInteger, Column, Identity, Index, PrimaryKeyConstraint, Table, Text

from litemaas.core.rollups import (
    CUBES,
    DIMENSIONS,
    DURATION_BUCKETS,
    EVERY_ROLLUP,
    MEASURES,
    PAID,
    TTFT_BUCKETS,
    dimension_table,
    measures_of,
    rollup_table,
)
from litemaas.db.tables.base import Moment, metadata


def _named(names: Sequence[str]) -> list[Column[str]]:
    return [Column(name, Text, nullable=False) for name in names]


def _measures(names: Sequence[str]) -> list[Column[int]]:
    return [
        *(Column(name, BigInteger, nullable=False) for name in MEASURES),
        Column("last_at", Moment, nullable=False),
        *(Column(name, BigInteger) for name in names if name not in MEASURES),
    ]


_INDEXED = ("key_hash", "user_id", "team_id", "model", "cost_centre", "workshop")

dimensions: dict[str, Table] = {
    cube: Table(
        name := dimension_table(cube),
        metadata,
        Column("id", BigInteger, primary_key=True, autoincrement=False),
        *_named(members),
        *(Index(f"{name}_{member}", member, postgresql_using="hash") for member in _INDEXED if member in members),
    )
    for cube, members in CUBES.items()
}
"""Each combination that has occurred in a cube, under the hash of its members; '' = none."""

usage_deltas = Table(
    "usage_deltas",
    metadata,
    Column("number", BigInteger, Identity(always=True), primary_key=True),
    Column("at", Moment, nullable=False),
    *_named([name for name in DIMENSIONS if name not in PAID]),
    *_measures((*MEASURES, *DURATION_BUCKETS, *TTFT_BUCKETS)),
    Column("payers_at", Moment, nullable=False),
)
"""Cells of records that were just stored; written by the trigger on ``usage_records``, gone when they are folded in.

``payers_at``: when their payers are those of the calls; the last change of any cost centre before these began."""

rollups: dict[tuple[str, str], Table] = {
    (cube, grain): Table(
        name := rollup_table(cube, grain),
        metadata,
        Column("at", Moment, nullable=False),
        Column("dimension_id", BigInteger, nullable=False),
        *_measures(measures_of(cube)),
        PrimaryKeyConstraint("at", "dimension_id"),
        Index(f"{name}_dimension", "dimension_id", "at"),
    )
    for cube, grain in EVERY_ROLLUP
}
