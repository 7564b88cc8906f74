"""Which routes of an installation's own lead to services that are no models?"""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, ForeignKey, Index, Table, Text, text
from sqlalchemy.dialects.postgresql import BYTEA

from litemaas.db.tables.base import metadata, moment, text_array

pass_through_routes = Table(
    "pass_through_routes",
    metadata,
    Column("id", Text, primary_key=True),
    Column("path", Text, nullable=False),
    Column("target", Text, nullable=False),
    Column("secrets_sealed", BYTEA, nullable=False),
    text_array("methods"),
    Column("include_subpath", Boolean, nullable=False, server_default=text("false")),
    Column("needs_key", Boolean, nullable=False, server_default=text("true")),
    Column("price_version", BigInteger, ForeignKey("prices.version", name="pass_through_price"), nullable=False),
    moment("created_at"),
    Column("created_by", Text, nullable=False),
    moment("updated_at"),
    Column("updated_by", Text, nullable=False),
    Index("pass_through_paths", "path", unique=True),
)
"""``secrets_sealed``: a JSON object of ``headers`` and ``query``, both of texts; either may hold a credential."""
