"""Which credentials of model servers have a name, so that many deployments share them?"""

from __future__ import annotations

from sqlalchemy import Column, Table, Text
from sqlalchemy.dialects.postgresql import BYTEA

from litemaas.db.tables.base import json_object, metadata, moment

named_credentials = Table(
    "named_credentials",
    metadata,
    Column("name", Text, primary_key=True),
    json_object("info"),
    Column("values_sealed", BYTEA, nullable=False),
    moment("created_at"),
    Column("created_by", Text, nullable=False),
    moment("updated_at"),
    Column("updated_by", Text, nullable=False),
)
"""``values_sealed``: a JSON object of texts; ``info``: what its owner says of it, never a secret."""
