"""How are rollups stored? One table per cube and grain, the dimensions beside them, and what waits to be folded in."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Identity, Index, PrimaryKeyConstraint, Table, Text

from litemaas.core.rollups import (
    CUBES,
    DIMENSIONS,
    DURATION_BUCKETS,
    GRAINS,
    MEASURES,
    TTFT_BUCKETS,
    rollup_table,
)
from litemaas.db.tables.base import Moment, metadata


def _dimensions() -> list[Column[str]]:
    return [Column(name, Text, nullable=False) for name in DIMENSIONS]


def _measures() -> list[Column[int]]:
    return [
        *(Column(name, BigInteger, nullable=False) for name in MEASURES),
        Column("last_at", Moment, nullable=False),
        *(Column(name, BigInteger) for name in (*DURATION_BUCKETS, *TTFT_BUCKETS)),
    ]


usage_dimensions = Table(
    "usage_dimensions",
    metadata,
    Column("id", BigInteger, primary_key=True, autoincrement=False),
    *_dimensions(),
    Index("usage_dimensions_key", "key_hash", postgresql_using="hash"),
    Index("usage_dimensions_user", "user_id", postgresql_using="hash"),
    Index("usage_dimensions_team", "team_id", postgresql_using="hash"),
    Index("usage_dimensions_model", "model", postgresql_using="hash"),
)
"""Each combination that has occurred, under the hash of its members; '' = none."""

usage_deltas = Table(
    "usage_deltas",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("at", Moment, nullable=False),
    *_dimensions(),
    *_measures(),
)
"""Cells of records that were just stored; written by the trigger on ``usage_records``, gone when they are folded in."""

rollups: dict[tuple[str, str], Table] = {
    (cube, grain): Table(
        name := rollup_table(cube, grain),
        metadata,
        Column("at", Moment, nullable=False),
        Column("dimension_id", BigInteger, nullable=False),
        *_measures(),
        PrimaryKeyConstraint("at", "dimension_id"),
        Index(f"{name}_dimension", "dimension_id", "at"),
    )
    for cube in CUBES
    for grain in GRAINS
}
