"""What did discovery see last in each cluster? One row per cluster, written over by each report."""

from __future__ import annotations

from sqlalchemy import Column, Table, Text

from litemaas.db.tables.base import json_object, metadata, moment, text_array

discovery_reports = Table(
    "discovery_reports",
    metadata,
    Column("cluster", Text, primary_key=True),
    text_array("namespaces"),
    json_object("servers"),
    moment("reported_at"),
    Column("reported_by", Text, nullable=False),
)
"""``servers``: by source, what became of each."""
